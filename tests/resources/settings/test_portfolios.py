"""Portfolio files: everything wrong is said at once, by file, line and key."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from optimizer import PolicyError, ScenarioView
from resources.settings.models import ModelFile
from resources.settings.portfolios import PortfolioFile, load_portfolios
from resources.settings.view_files import VIEW, ViewFile, like_a_fraction
from resources.settings.yaml_files import parse_yaml

CONFIG = Path(__file__).parents[3] / "config"
GOOD = """
id: 11111111-1111-1111-1111-111111111111
name: book
mode: live
universe: [AAA, BBB]
policy: {max_single_position_pct: 60}
holdings:
  - {as_of: 2024-01-02, cash: 100, positions: {AAA: 5, BBB: {quantity: 3, cost_basis: 9.5}}}
  - {as_of: 2024-02-01, positions: {BBB: 3}}
"""


def parsed(text: str) -> PortfolioFile:
    return parse_yaml(text, PortfolioFile, "book.yaml")


def test_a_file_reads_as_it_is_written() -> None:
    book = parsed(GOOD)
    held = book.holdings_at(date(2024, 1, 31))
    assert {s: p.quantity for s, p in held.positions.items()} == {"AAA": 5.0, "BBB": 3.0}
    assert held.positions["BBB"].cost_basis == 9.5
    assert book.holdings_at(date(2024, 2, 1)).cash == 0.0
    assert book.policy.to_policy().max_weight == 0.6


def test_holdings_of_the_future_do_not_count() -> None:
    with pytest.raises(
        PolicyError, match="no holdings dated 2024-01-01 or before; the first are of 2024-01-02"
    ):
        parsed(GOOD).holdings_at(date(2024, 1, 1))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("name: book", "name: My Book"), "name"),
        (("mode: live", "mode: alive"), "mode"),
        (("[AAA, BBB]", "[AAA, AAA]"), "stand twice"),
        (("max_single_position_pct: 60", "max_single_position_pct: 0.6"), "for 60% write 60"),
        (("max_single_position_pct: 60", "max_singel_position_pct: 60"), "max_single_position_pct"),
        (
            ("AAA: 5", "AAA: five"),
            r"book.yaml:8: holdings.0.positions.AAA.quantity: must be a number .it is 'five'.$",
        ),
        (("AAA: 5", "AAA: '1,000'"), "it is '1,000'.; write 1000"),
        (("AAA: 5", "AAA: [5]"), "holdings.0.positions.AAA: must be keys with values"),
        (("[AAA, BBB]", "[aaa, BBB]"), "book.yaml:5: universe.*a symbol: capitals, .*it is 'aaa'"),
        (("name: book", "name: book\nbenchmark: {AAA: 50, BBB: 49}"), "add up to 99%"),
        (("id: 11111111-1111-1111-1111-111111111111", "id: 17"), "id"),
        (("cash: 100", "cash: .nan"), "cash"),
    ],
)
def test_a_mistake_is_named(change: tuple[str, str], said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        parsed(GOOD.replace(*change))


LOTS = """
id: 11111111-1111-1111-1111-111111111111
name: book
mode: live
universe: [AAA, BBB]
policy:
  tax: {method: hifo, short_rate_pct: 37, long_rate_pct: 20}
  harvest: {substitutes: {AAA: BBB}}
holdings:
  - as_of: 2024-01-02
    positions:
      AAA:
        quantity: 5
        lots:
          - {acquired: 2023-01-02, quantity: 3, cost_basis: 10}
          - {acquired: 2023-01-02, quantity: 2, cost_basis: 12.5}
"""


def test_lots_are_named_by_symbol_and_date_and_make_up_the_position() -> None:
    held = parsed(LOTS).holdings[0].positions["AAA"]
    assert held.quantity == 5.0
    assert [(lot.lot_id, float(lot.quantity)) for lot in held.tax_lots("AAA")] == [
        ("AAA-20230102", 3.0), ("AAA-20230102-2", 2.0),
    ]  # fmt: skip
    assert parsed(LOTS.replace("        quantity: 5\n", "")).holdings[0].positions["AAA"].quantity == 5.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("quantity: 5", "quantity: 6"), "the lots have 5 shares and the position 6; correct one of them"),
        (("quantity: 5", "cost_basis: 11"), "the lots say what the shares cost; leave the position's cost_basis out"),
        (("acquired: 2023-01-02, quantity: 3", "acquired: 2024-01-03, quantity: 3"),
         r"yaml:12: holdings\.0: AAA: lot AAA-20240103 was acquired on 2024-01-03, after the holdings of 2024-01-02"),
        (("cost_basis: 10}", "cost_basis: -10}"), "must be at least 0"),
        (("10}\n          - {", "10, id: a}\n          - {id: a, "), "two lots have the id a; give each its own"),
        (("method: hifo", "method: best"), "tax method 'best' does not exist; use one of fifo, lifo, hifo"),
        (("method: hifo", "method: fifo"), "tax method fifo sells others first; use one of hifo, min_tax"),
        (("method: hifo", "order: {AAA: [x]}, method: hifo"), "order is read by method specific, not hifo"),
        (("short_rate_pct: 37", "short_rate_pct: 0.37"), "for 37% write 37"),
        (("{AAA: BBB}", "{AAA: CCC}"), r"yaml:8: policy\.harvest: CCC may not be held; add"),
        (("{AAA: BBB}", "{AAA: AAA}"), "AAA cannot be the substitute of itself"),
        (("  tax: {method: hifo, short_rate_pct: 37, long_rate_pct: 20}\n", ""), "harvest needs tax"),
        (("positions:\n", "positions:\n      BBB: 5\n"), r"yaml:7: policy\.tax needs the tax lots of BBB"),
        (("      AAA:\n", "      BBB: -5\n      AAA:\n"),
         "yaml:12: holdings of 2024-01-02: BBB has a negative quantity"),
    ],
)  # fmt: skip
def test_a_mistake_in_lots_or_taxes_is_named(change: tuple[str, str], said: str) -> None:
    assert change[0] in LOTS
    with pytest.raises(PolicyError, match=said):
        parsed(LOTS.replace(*change, 1))


def test_an_absolute_view_is_a_total_return_and_loses_the_risk_free_rate() -> None:
    absolute = ViewFile(assets=["AAA"], type="absolute", expected_return_pct=8.0, confidence=0.5)
    relative = ViewFile(
        assets=["AAA"], against=["BBB"], type="relative", expected_return_pct=2.0, confidence=0.5
    )
    assert absolute.to_view(0.03).expected_return == pytest.approx(0.05)
    assert relative.to_view(0.03).expected_return == pytest.approx(0.02)


def test_all_files_are_checked_and_all_mistakes_said(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text(GOOD)
    (tmp_path / "c.yaml").write_text(GOOD.replace("mode: live", "mode: alive"))
    with pytest.raises(PolicyError) as told:
        load_portfolios(tmp_path)
    for part in ("c.yaml", "two portfolios have the id 11111111", "two portfolios have the name book"):
        assert part in str(told.value)


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="holds no portfolio: add a YAML file"):
        load_portfolios(tmp_path)


def test_both_names_of_a_portfolio_find_it_and_another_lists_them() -> None:
    shipped = load_portfolios(CONFIG / "portfolios")
    assert shipped.find("us-equity") is shipped.find(str(shipped.find("us-equity").id))
    with pytest.raises(PolicyError, match="us-equity"):
        shipped.find("us-equities")


def pooled(views: str) -> str:
    return (
        GOOD.replace("{max_single_position_pct: 60}", "{view_model: entropy_pooling, no_trade_band_pct: 2}")
        + views
    )


def test_views_on_distributions_are_read_in_percent() -> None:
    book = parsed(pooled("""views:
  - {kind: volatility, assets: [AAA], value_pct: 25}
  - {kind: mean, assets: {AAA: 1, BBB: -1}, value_pct: 2, sense: ">=", confidence: 0.5}
  - {kind: correlation, assets: [AAA, BBB], value: -0.2}
"""))  # fmt: skip
    assert book.policy.to_policy().no_trade_band == 0.02
    assert [view.to_view(0.02) for view in book.views] == [
        ScenarioView("volatility", {"AAA": 1}, 0.25),
        ScenarioView("mean", {"AAA": 1, "BBB": -1}, 0.02, sense=">=", confidence=0.5),
        ScenarioView("correlation", {"AAA": 1, "BBB": 1}, -0.2),
    ]
    assert [VIEW.validate_python(view.model_dump(mode="json")) for view in book.views] == book.views


@pytest.mark.parametrize(
    ("views", "said"),
    [
        ("{kind: mean, assets: [AAA], value: 0.2}", "a view on mean is given by value_pct"),
        ("{kind: correlation, assets: [AAA, BBB], value_pct: 20}", "a view on correlation is given by value"),
        ("{kind: correlation, assets: [AAA], value: 0.2}", "a correlation is of two symbols"),
        ("{kind: volatility, assets: [AAA], value_pct: -4}", "value is -0.04; it must be a fraction from 0"),
        ("{kind: skew, assets: [AAA], value_pct: 1}", "kind"),
        ("{kind: mean, assets: [AAA], value_pct: 1, type: absolute}", "type"),
        (
            "{assets: [AAA], type: absolute, expected_return_pct: 5, confidence: 1}",
            "view_model is entropy_pooling, whose views have a kind",
        ),
    ],
)
def test_a_mistake_in_views_is_named(views: str, said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        parsed(pooled(f"views:\n  - {views}\n"))
    with pytest.raises(PolicyError, match="view_model is black_litterman, whose views have a type"):
        parsed(GOOD + "views:\n  - {kind: mean, assets: [AAA], value_pct: 1}\n")


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (
            "{assets: [AAPL], type: absolute, expected_return_pct: 5, confidense: 1}",
            "m.yaml:3: views.0.confidense: unknown key; did you mean confidence",
        ),
        ("{portfolios: [{AAPL: 1}], omga: [1]}", "m.yaml:3: views.0.omga: unknown key; did you mean omega"),
        ("{kind: mean, assets: [AAPL], value_pc: 3}", "m.yaml:3: views.0.value_pc: .*did you mean value_pct"),
        (
            "{assets: {AAPL: x}, type: absolute, expected_return_pct: 5, confidence: 1}",
            "m.yaml:3: views.0.assets.AAPL: must be a number",
        ),
    ],
)
def test_a_mistake_in_a_view_is_told_by_its_own_key(view: str, said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        parse_yaml(f"name: m\nuniverse: [AAPL, MSFT]\nviews: [{view}]\n", ModelFile, "m.yaml")


@pytest.mark.parametrize(
    ("view", "key"),
    [
        ({"type": "absolute", "expected_return_pct": 0.1}, "expected_return_pct"),
        ({"type": "absolute", "expected_return_pct": -0.25}, "expected_return_pct"),
        ({"kind": "mean", "value_pct": 0.1}, "value_pct"),
        ({"type": "absolute", "expected_return_pct": 0.5}, None),
        ({"type": "absolute", "expected_return_pct": 0.0}, None),
        ({"type": "relative", "expected_return_pct": 0.1, "against": ["BBB"]}, None),
        ({"kind": "mean", "value_pct": 0.1, "assets": {"AAA": 1, "BBB": -1}}, None),  # a lead may be small
        ({"kind": "correlation", "value": 0.1, "assets": ["AAA", "BBB"]}, None),
    ],
    ids=str,
)
def test_a_view_that_is_more_likely_a_fraction_is_told(view: dict[str, Any], key: str | None) -> None:
    made = VIEW.validate_python({"assets": ["AAA"], "confidence": 0.5, **view})
    said = like_a_fraction(made)
    if key is None:
        assert said is None
    else:
        stated, meant = view[key], f"{100 * view[key]:g}"
        assert said == f"The view on AAA expects {stated}% a year; if {meant}% is meant, write {key}: {meant}"
