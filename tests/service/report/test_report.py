"""`packfolio report`: one page that needs nothing else, equal for equal packs, with every part of the answer."""

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command_line import Desk as CommandLine
from service_desk import EMPTY, PACK, PORTFOLIO

from optimizer import DataError, FundExposureMap, PolicyError
from optimizer.trading.frozen import FrozenPosition
from service import OptimizerService
from service.desk import UnknownPackError
from service.report import page
from service.report.contents import Contents, _held, contents
from service.report.page import render
from service.report.tables import section_tables
from service.report.track import track

SCRIPT = re.compile(r"<script.*?</script>", re.DOTALL)


def body(page: str) -> str:
    """The page without its scripts, of which plotly's is five megabytes."""
    return SCRIPT.sub("", page)


@pytest.fixture(scope="module")
def report(service: OptimizerService) -> Contents:
    return contents(service.desk, PACK, None)


def test_the_page_shows_every_trade_with_its_reason_and_every_number_of_the_table(report: Contents) -> None:
    text = body(render(report))
    [book] = [section for section in report.sections if section.facts["portfolio_id"] == PORTFOLIO]
    assert len(book.facts["trades"]) >= 3
    for trade in book.facts["trades"]:
        assert trade["rationale"] in text
        assert f"{trade['value']:,.2f}" in text
        now, after = (f"{trade[side]:.1%}" for side in ("current_weight", "achieved_weight"))
        assert f'<td class="n">{now}</td><td class="n">{after}</td><td>' in text  # as its reason says
    for part in ("Weights", "Risk contributions", "Exposures through funds", "Frontier", "Scenario losses"):
        assert f">{part}" in text, part
    assert report.pack["content_hash"] in text
    for row in report.materializations:
        assert row["content_hash"][:16] in text


def test_the_same_pack_gives_the_same_bytes(service: OptimizerService, report: Contents) -> None:
    assert render(contents(service.desk, PACK, None)) == render(report)


def test_a_book_that_cannot_be_computed_takes_no_report_from_the_others(
    service: OptimizerService, report: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, why = service.desk.case, "there is no risk-free rate for USD"

    def refusing(pack_id: str, portfolio_id: str) -> Any:
        if portfolio_id != EMPTY:  # whose parts are soon computed
            raise DataError(why)
        return case(pack_id, portfolio_id)

    monkeypatch.setattr(service.desk, "case", refusing)
    found = contents(service.desk, PACK, None)
    assert [section.name for section in found.sections] == [section.name for section in report.sections]
    before = {section.name: section for section in report.sections}
    for section in found.sections:
        if section.facts["portfolio_id"] == EMPTY:
            assert section.left_out == before[section.name].left_out
        elif not section.facts["problem"]:
            assert {section.left_out[part] for part in ("exposures", "frontier", "stress")} == {why}
            told = section
    assert why in body(render(replace(found, sections=[told])))


def test_a_book_whose_funds_nobody_knows_takes_no_report_from_the_others(
    service: OptimizerService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its policy limits exposures, so that an unknown fund is an error: it ended the report of the whole pack."""
    case = service.desk.case

    def unknown(pack_id: str, portfolio_id: str) -> Any:
        loaded = case(pack_id, portfolio_id)
        inputs = loaded.case.inputs
        universe = replace(inputs.universe, funds=FundExposureMap({}, unmapped="error"))
        return replace(loaded, case=replace(loaded.case, inputs=replace(inputs, universe=universe)))

    monkeypatch.setattr(service.desk, "case", unknown)
    [book] = contents(service.desk, PACK, PORTFOLIO).sections
    assert book.exposures == {} and book.left_out["exposures"].startswith("no exposures are known for")
    assert book.facts["trades"] and book.frontier is not None


def test_the_page_loads_nothing_from_elsewhere(report: Contents) -> None:
    assert re.findall(r"""(?:src|href)=["'](?!#)""", body(render(report))) == []


def test_a_portfolio_without_an_answer_shows_why(report: Contents) -> None:
    [empty] = [section for section in report.sections if section.facts["portfolio_id"] == EMPTY]
    told = replace(report, sections=[replace(empty, problem="AAPL <has> no price")])
    assert '<p class="warn">No trades today: AAPL &lt;has&gt; no price' in body(render(told))


def test_a_portfolio_within_its_rules_says_so_without_alarm_and_shows_what_it_holds(report: Contents) -> None:
    [book] = [section for section in report.sections if section.facts["portfolio_id"] == PORTFOLIO]
    held = [{"symbol": "AAA", "quantity": 12.0, "price": 5.0, "value": 60.0, "weight": 0.25}]
    facts = {**book.facts, "result": {**book.facts["result"], "status": "no_trade"}}
    quiet = replace(book, facts=facts, problem="no trade: drift 0.8% of 2%", held=held)
    text = body(render(replace(report, sections=[quiet])))
    assert '<p class="soft">No trade: drift 0.8% of 2%' in text and "No trades today" not in text
    assert re.search(r"<td>AAA</td>.*>12</td>.*>5\.00</td>.*>60\.00</td>.*>25\.0%</td>", text)
    [table] = [table for table in section_tables(quiet) if table.title == "Held"]
    assert table.rows == [["AAA", 12.0, 5.0, 60.0, 0.25]]


def test_a_history_has_its_sentences_its_tables_and_the_reasons_for_what_is_left_out(
    report: Contents,
) -> None:
    rng = np.random.default_rng(3)
    days = pd.bdate_range("2024-01-02", periods=300)
    moves = {
        name: pd.Series(rng.normal(0.0005, 0.01, 300), days) for name in ("benchmark", "policy", "short")
    }
    moves["short"] = moves["short"].iloc[10:]
    told = track(
        moves, "no rate is on record", pd.Timestamp("2024-01-01"),
        stored={"policy": {"sharpe": 1.2345, "turnover": 0.151}},
        weights=pd.DataFrame({"AAPL": [0.4, 0.5], "<B>": [0.6, 0.5]}, days[:2]),
    )  # fmt: skip
    section = report.sections[0]
    shown = replace(section, stored=replace(section.stored, backtest=told, tested=PACK))
    text = body(render(replace(report, sections=[shown])))
    assert "None was made up to this pack" not in text and "From 2024-01-02 to " in text
    assert ">15.10%<" in text and ">volatility a year<" in text and "The five deepest falls" in text
    assert ">1.23<" not in text, "a ratio above cash is left out without a rate"
    for part, reason in (("short", "it has no return on 2024-01-02"), ("Sharpe", "no rate is on record")):
        assert any(
            line.startswith(f"<li>{part}") and reason in line
            for line in text.replace("<li>", "\n<li>").splitlines()
        )
    for place in ("value", "drawdown", "volatility", "beta", "distribution", "held"):
        assert re.search(rf'id="p0-backtest-(rolling-)?{place}"', text), place


def test_unknown_names_are_told(service: OptimizerService) -> None:
    with pytest.raises(UnknownPackError, match="PP_1999-01-01"):
        contents(service.desk, "PP_1999-01-01", None)
    with pytest.raises(PolicyError, match="has no portfolio 'nobody'"):
        contents(service.desk, PACK, "nobody")


def test_the_command_writes_the_file_whole_and_says_where(home: Path, tmp_path: Path) -> None:
    desk = CommandLine(home, home.parent / "config")
    done = desk.packfolio(
        "report", PACK, "--portfolio", PORTFOLIO, "--out", str(tmp_path / "new" / "page.html")
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "new" / "page.html")
    assert (tmp_path / "new" / "page.html").read_text("utf-8").endswith("</html>\n")
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["page.html"]
    failed = desk.packfolio("report", "PP_1999-01-01")
    assert (failed.returncode, "PP_1999-01-01" in failed.stderr) == (1, True)


def test_what_is_held_has_shorts_frozen_names_and_fractions_of_shares() -> None:
    held = {"AAA": 10.5, "BBB": -3.0}
    positions = {
        name: SimpleNamespace(symbol=name, quantity=Decimal(str(count))) for name, count in held.items()
    }
    frozen = [FrozenPosition("CCC", Decimal(2), 10.0, 1.5, date(2024, 2, 1))]
    case = SimpleNamespace(
        portfolio=SimpleNamespace(positions=positions), prices={"AAA": 2.0, "BBB": 50.0},
        snapshot=SimpleNamespace(frozen=frozen), nav=300.0,
    )  # fmt: skip
    rows = [[*row.values()] for row in _held(SimpleNamespace(case=case))]  # type: ignore[arg-type]
    assert rows == [
        ["BBB", -3.0, 50.0, -150.0, -0.5],
        ["CCC", 2.0, 15.0, 30.0, 0.1],
        ["AAA", 10.5, 2.0, 21.0, 0.07],
    ]
    case.nav = -1.0
    assert _held(SimpleNamespace(case=case))[0]["weight"] is None  # type: ignore[arg-type]
    assert [page._shares(count) for count in (10.5, -1200.0, 0.0)] == ["10.5", "-1,200", "0"]
