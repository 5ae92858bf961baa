"""A desk's mistakes in its files are named by file, line and key, all at once."""

from datetime import date
from pathlib import Path

import pytest

from optimizer.errors import PolicyError
from resources.portfolios import PortfolioFile, load_portfolios
from resources.yaml_files import load_yaml

GOOD = """\
id: 6f0f3c0e-6d0a-4a0e-9c58-2f5a1d7c0b01
name: book
mode: live
universe: [AAA, BBB]
policy:
  max_single_position_pct: 60
views:
  - {assets: [AAA], type: absolute, expected_return_pct: 9, confidence: 0.5}
holdings:
  - as_of: 2022-01-03
    cash: 100
    positions: {AAA: 10}
  - as_of: 2022-06-01
    positions: {AAA: {quantity: 12.5, cost_basis: 3}}
"""


def _load(tmp_path: Path, text: str) -> PortfolioFile:
    file = tmp_path / "book.yaml"
    file.write_text(text, encoding="utf-8")
    return load_yaml(file, PortfolioFile)


def _fault(tmp_path: Path, old: str, new: str) -> str:
    assert old in GOOD
    with pytest.raises(PolicyError) as caught:
        _load(tmp_path, GOOD.replace(old, new))
    return str(caught.value)


def test_a_portfolio_file_is_read(tmp_path: Path) -> None:
    book = _load(tmp_path, GOOD)
    assert book.policy.to_policy().max_weight == pytest.approx(0.6)
    assert book.holdings_at(date(2022, 3, 1)).positions["AAA"].quantity == 10
    assert book.holdings_at(date(2022, 6, 1)).positions["AAA"].quantity == 12.5
    with pytest.raises(PolicyError, match="no holdings dated 2021-12-31"):
        book.holdings_at(date(2021, 12, 31))


def test_an_absolute_view_is_a_total_return_until_the_rate_comes_off(tmp_path: Path) -> None:
    view = _load(tmp_path, GOOD).views[0].to_view(risk_free_rate=0.02)
    assert view.expected_return == pytest.approx(0.07)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        (
            "max_single_position_pct: 60",
            "max_single_positon_pct: 60",
            6,
            "did you mean 'max_single_position_pct'",
        ),
        ("max_single_position_pct: 60", "max_single_position_pct: 0.6", 6, "for 60% write 60"),
        ("max_single_position_pct: 60", "max_single_position_pct: .nan", 6, "finite"),
        ("max_single_position_pct: 60", "max_single_position_pct: '60'", 6, "valid number"),
        ("max_single_position_pct: 60", "max_exposures_pct: {equty: 50}", 6, "equity"),
        ("max_single_position_pct: 60", "sector_limits_pct: {Energy: [40, 20]}", 5, "above the maximum"),
        ("confidence: 0.5", "confidence: 1.5", 8, "less than or equal to 1"),
        ("mode: live", "mode: alive", 3, "'live' or 'paper'"),
        ("[AAA, BBB]", "[AAA, AAA]", 4, "stand twice"),
        ("name: book", "name: My Book", 2, "match pattern"),
        ("positions: {AAA: 10}", "positions: {AAA: ten}", 12, "AAA"),
        ("mode: live", "mode: live\nmode: paper", 4, "stands twice; keep one"),
        ("mode: live", "mode: [live", 4, ""),
        ("  - as_of: 2022-01-03", "  - as_of: yesterday", 10, "date"),
    ],
)
def test_each_mistake_is_named_by_line(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    message = _fault(tmp_path, old, new)
    assert f"book.yaml:{line}: " in message
    assert said in message


def test_everything_wrong_is_reported_at_once(tmp_path: Path) -> None:
    message = _fault(tmp_path, "mode: live\nuniverse: [AAA, BBB]", "mode: alive\nuniverse: []x")
    assert "book.yaml" in message
    text = GOOD.replace("mode: live", "mode: alive").replace("confidence: 0.5", "confidence: -1")
    with pytest.raises(PolicyError) as caught:
        _load(tmp_path, text)
    assert str(caught.value).count("book.yaml:") == 2


def test_a_benchmark_is_whole(tmp_path: Path) -> None:
    message = _fault(tmp_path, "mode: live", "mode: live\nbenchmark: {AAA: 50, BBB: 40}")
    assert "add up to 90%" in message


def test_two_portfolios_may_not_share_an_id(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(GOOD.replace("name: book", f"name: {name}"), encoding="utf-8")
    with pytest.raises(PolicyError, match="two portfolios have the id 6f0f3c0e"):
        load_portfolios(tmp_path)


def test_a_portfolio_is_found_by_name_and_by_id(tmp_path: Path) -> None:
    (tmp_path / "book.yaml").write_text(GOOD, encoding="utf-8")
    portfolios = load_portfolios(tmp_path)
    assert portfolios.find("book") is portfolios.find("6f0f3c0e-6d0a-4a0e-9c58-2f5a1d7c0b01")
    with pytest.raises(PolicyError, match=r"there are \['book'\]"):
        portfolios.find("bok")


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="add a YAML file"):
        load_portfolios(tmp_path)
