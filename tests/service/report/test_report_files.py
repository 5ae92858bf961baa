"""The report as a workbook and as a PDF: numbers are numbers, text is text, and no clock is in the bytes."""

import datetime as clock
import shutil
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
from command_line import Desk as CommandLine
from service_desk import EMPTY, PACK, PORTFOLIO

from optimizer import DataError, PolicyError, performance_metrics
from optimizer import performance as p
from resources.results.measure_text import GROUPS
from service import OptimizerService
from service.report.__main__ import form_of
from service.report.contents import Contents, contents
from service.report.drawing import ticks
from service.report.excel import workbook
from service.report.page import render
from service.report.pdf import document
from service.report.tables import section_tables, tables
from service.report.track import Track, in_words, track

DAYS = pd.bdate_range("2023-01-03", periods=400)
START = pd.Timestamp("2023-01-02")


@pytest.fixture(scope="module")
def moves() -> dict[str, pd.Series]:
    rng = np.random.default_rng(11)
    market = rng.normal(0.0004, 0.009, 400)
    own = 1.1 * market + rng.normal(0.0001, 0.004, 400)
    return {"policy": pd.Series(own, DAYS), "benchmark": pd.Series(market, DAYS)}


@pytest.fixture(scope="module")
def told(moves: dict[str, pd.Series]) -> Track:
    weights = pd.DataFrame({"AAA": [0.4, 0.7], "BBB": [0.6, 0.3]}, DAYS[[0, 200]])
    return track(moves, 0.02, START, weights=weights)


@pytest.fixture(scope="module")
def report(service: OptimizerService, told: Track) -> Contents:
    """A report with a history; the names in it would be formulas, markup or control characters."""
    found = contents(service.desk, PACK, None)
    first, *others = sorted(found.sections, key=lambda section: section.facts["portfolio_id"] != PORTFOLIO)
    trades = [{**trade, "rationale": "=1+1 \x07 <b>"} for trade in first.facts["trades"]]
    shown = replace(
        first, facts={**first.facts, "trades": trades}, stored=replace(first.stored, backtest=told, book=told)
    )
    return replace(found, sections=[shown, *others])


def test_a_track_has_the_figures_of_its_returns(told: Track, moves: dict[str, pd.Series]) -> None:
    own = performance_metrics(moves["policy"], moves["benchmark"], risk_free_rate=0.02)
    shown = {metric: values for group in told.measures.values() for metric, values in group.items()}
    assert {m: v["policy"] for m, v in shown.items()} == {
        m: v for m, v in own.items() if m != "benchmark_return"
    }
    assert (
        shown["volatility"]["benchmark"] == p.volatility(moves["benchmark"])
        and "benchmark" not in shown["beta"]
    )
    assert told.rolling["beta"].iloc[-1]["policy"] == pytest.approx(p.beta(*(moves[n][-126:] for n in moves)))
    assert [fall.depth for fall in told.worst["policy"]] == [
        f.depth for f in p.worst_drawdowns(moves["policy"])
    ]
    assert told.worst["policy"][0].depth == shown["max_drawdown"]["policy"]
    assert told.quantiles["day"]["policy"]["5%"] == pytest.approx(-shown["value_at_risk_95"]["policy"])
    grown = (1 + moves["policy"]).cumprod()
    assert told.trailing["3 months"]["policy"] == pytest.approx(
        grown.iloc[-1] / grown[: DAYS[-1] - pd.DateOffset(months=3)].iloc[-1] - 1
    )
    assert "1 year" in told.trailing and "3 years, a year" not in told.trailing
    assert sum(told.shares["policy"]) == pytest.approx(1.0) and told.left_out == {}
    assert "more than its benchmark" in in_words(told)[0] or "less than its benchmark" in in_words(told)[0]


def test_every_measure_of_a_history_has_words() -> None:
    known = {metric for metrics in GROUPS.values() for metric in metrics}
    series = pd.Series([0.01, -0.01, 0.02], DAYS[:3])
    assert set(performance_metrics(series, series)) <= known


def test_what_cannot_be_said_is_left_out_with_its_reason(moves: dict[str, pd.Series]) -> None:
    few = track({"policy": moves["policy"][:10]}, 0.0, START, weights="they were not kept")
    assert few.measures == {} and few.rolling == {} and in_words(few) == []
    assert few.left_out == {
        "weights over time": "they were not kept", "benchmark": "no benchmark is on record",
        "measures": "10 returns on record; figures a year need 20",
        "rolling figures": "a window has 126 returns; 10 are on record",
    }  # fmt: skip
    with pytest.raises(DataError, match="1 return on record"):
        track({"policy": moves["policy"][:1]}, 0.0, START)


def test_what_never_moves_and_what_loses_all_are_drawn(report: Contents) -> None:
    for moves in ([0.0] * 30, [0.01] * 10 + [-1.0]):
        still = track({"policy": pd.Series(moves, DAYS[: len(moves)])}, 0.0, START, weights="not kept")
        first = report.sections[0]
        shown = replace(
            report, sections=[replace(first, stored=replace(first.stored, backtest=still, book=None))]
        )
        assert document(shown) and workbook(shown) and render(shown)


def test_a_workbook_has_numbers_with_formats_frozen_headings_and_no_formula(report: Contents) -> None:
    book = openpyxl.load_workbook(BytesIO(workbook(report)))
    assert [sheet.title for sheet in book] == [table.title[:31] for table in tables(report)]
    assert all(sheet.freeze_panes == "B2" and sheet["A1"].font.bold for sheet in book)
    assert book["Pack"]["A3"].value == "as of" and book["Pack"]["B3"].is_date
    trades = book["Trades"]
    heads = {cell.value: cell.column for cell in trades[1]}
    row = next(row for row in trades.iter_rows(min_row=2) if row[0].value == report.sections[0].name)
    first = report.sections[0].facts["trades"][0]
    value, weight, why = (row[heads[name] - 1] for name in ("value", "target weight", "rationale"))
    assert (value.value, value.number_format) == (float(first["value"]), "#,##0.00")
    assert (weight.value, weight.number_format) == (first["target_weight"], "0.00%")
    assert (why.value, why.data_type) == (r"=1+1 \x07 <b>", "s")
    measures = {row[2].value: row[3] for row in book["Backtest measures"].iter_rows(min_row=2)}
    assert measures["beta"].number_format == "0.00" and measures["volatility a year"].number_format == "0.00%"
    assert book["Backtest falls"].cell(2, 4).is_date
    assert book["Backtest value"].max_row == book["Book value"].max_row == 402
    assert all(cell.data_type != "f" for sheet in book for line in sheet.iter_rows() for cell in line)


def test_signs_that_turn_a_line_are_spelled_out_and_what_no_page_holds_is_cut(report: Contents) -> None:
    first = report.sections[0]
    hostile = "\u202elive\ufffe " + "A" * 40_000
    trades = [{**trade, "rationale": hostile} for trade in first.facts["trades"]]
    made = replace(report, sections=[replace(first, facts={**first.facts, "trades": trades})])
    page = render(made)
    assert r"\u202elive\ufffe AAA" in page and "\u202e" not in page
    book = openpyxl.load_workbook(BytesIO(workbook(made)))
    cells = [str(cell) for sheet in book for row in sheet.iter_rows(values_only=True) for cell in row]
    assert any(cell.startswith(r"\u202elive\ufffe AAA") for cell in cells)
    assert document(made).startswith(b"%PDF")


def test_the_summary_is_in_words(report: Contents) -> None:
    found = next(table for table in section_tables(report.sections[0]) if table.title == "Summary")
    facts = report.sections[0].facts
    assert [row[0] for row in found.rows] == [
        "mode", "currency", "method", "expected return", "volatility", "Sharpe", "notional", "NAV",
        "NAV after the trades", "bought", "sold", "costs",
        "costs, bps of the NAV", "turnover, one-way", "cash after the trades",
    ]  # fmt: skip
    assert (
        found.rows[7][1] == facts["totals"]["nav_before"] and found.rows[13][1] == facts["totals"]["turnover"]
    )


def test_every_form_of_a_report_says_what_does_not_hold_and_what_is_taxed(report: Contents) -> None:
    """Warnings, limits that bind, lots sold and the tax stood on the page alone; the PDF told a quiet account twice."""
    first = report.sections[0]
    lot = {
        "symbol": "AAA", "lot_id": "AAA-1", "acquired": clock.date(2024, 1, 5), "quantity": 10.0, "proceeds": 951.12,
        "cost_basis": 1400.0, "gain": -448.88, "long_term": False,
    }  # fmt: skip
    limit = {
        "limit": "max_turnover",
        "bound": 0.175,
        "value": 0.175,
        "shadow_price": 0.0036,
        "text": "relaxing max_turnover (17.5%) by 1 point raises it",
    }
    facts = {
        **first.facts, "lot_sales": [lot],
        "totals": {**first.facts["totals"], "warnings": ["b is not met"], "tax": -87.31},
        "result": {**first.facts["result"], "warnings": ["a is not met"], "diagnostics": {"binding": [limit]}},
    }  # fmt: skip
    section = replace(first, facts=facts)
    found = {table.title: table for table in section_tables(section)}
    assert found["Warnings"].rows == [["a is not met"], ["b is not met"]]
    assert found["Limits that bind"].rows == [
        ["relaxing max_turnover (35% in buys and sales) by 2 points raises it"]
    ]
    assert found["Tax lots"].rows == [
        ["AAA", "AAA-1", clock.date(2024, 1, 5), 10.0, 951.12, 1400.0, -448.88, "no"]
    ]
    assert ["estimated tax, not in the costs", -87.31] in found["Summary"].rows
    quiet = replace(section, problem="no trade: drift 0.8% of 2%")
    assert section.warnings == ["a is not met", "b is not met"] and quiet.warnings == []


def test_the_same_pack_gives_the_same_bytes_on_another_day(
    report: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = replace(report, sections=report.sections[:1])
    first = workbook(few), document(few)

    class Later(clock.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> clock.datetime:
            return clock.datetime(2031, 5, 6, 7, 8, 9, tzinfo=tz)

    other = SimpleNamespace(**{**vars(clock), "datetime": Later})
    for module in ("openpyxl.writer.excel", "openpyxl.packaging.core"):
        monkeypatch.setattr(f"{module}.datetime", other)
    monkeypatch.setattr("time.time", lambda: 1.9e9)
    assert (workbook(few), document(few)) == first


def test_a_pdf_has_its_pages_its_plots_and_what_is_left_out(report: Contents) -> None:
    made = document(report)
    assert made.startswith(b"%PDF-") and made.count(b"/Type /Page\n") >= 6
    assert b"/CreationDate (D:20251026" in made and len(made) < 1_500_000


def test_a_desk_without_a_history_gets_both_files(service: OptimizerService) -> None:
    bare = contents(service.desk, PACK, EMPTY)
    titles = [table.title for table in tables(bare)]
    assert "Left out" in titles and "Backtest measures" not in titles
    [left] = [table for table in tables(bare) if table.title == "Left out"]
    parts = {part for _, part, _ in left.rows}
    assert {"backtest", "book"} <= parts
    assert document(bare) and workbook(bare)


@pytest.mark.parametrize(
    ("form", "to", "right"),
    [(None, None, "html"), (None, "a.xlsx", "xlsx"), ("pdf", None, "pdf"), ("PDF", "a", "pdf"), (None, "a.HTM", "html"),
     ("html", "a.html", "html"), (None, "a", "html")],
)  # fmt: skip
def test_the_format_follows_its_name_or_the_ending(form: str | None, to: str | None, right: str) -> None:
    assert form_of(form, Path(to) if to else None) == right


@pytest.mark.parametrize(
    ("form", "to", "said"),
    [("docx", None, "html, xlsx, pdf, not as docx"), (None, "a.txt", "not as txt"),
     ("pdf", "a.xlsx", "leave one of them out")],
)  # fmt: skip
def test_a_format_that_there_is_not_is_refused(form: str | None, to: str | None, said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        form_of(form, Path(to) if to else None)


def test_the_command_writes_a_workbook(home: Path, tmp_path: Path) -> None:
    place = tmp_path / "r.xlsx"
    done = CommandLine(home, home.parent / "config").packfolio(
        "report", PACK, "--portfolio", EMPTY, "--out", str(place)
    )
    assert done.returncode == 0, done.stderr
    assert openpyxl.load_workbook(place)["Pack"]["B2"].value == PACK


@pytest.mark.parametrize(("low", "high", "marks"), [(0, 1, 6), (-0.44, 0.02, 5), (3, 3, 1)])
def test_marks_are_round_and_inside(low: float, high: float, marks: int) -> None:
    found = ticks(low, high)
    assert len(found) == marks and all(low - 1e-9 <= mark <= high + 1e-9 for mark in found)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 420])
def test_the_page_fits_and_follows_the_readers_colours(
    report: Contents, tmp_path: Path, width: int, colours: str
) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="the extra browser is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium is here")
    place = tmp_path / "r.html"
    place.write_text(render(report), "utf-8")
    faults: list[str] = []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=colours)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda asked: faults.append(asked.url) if asked.url.startswith("http") else None)
        page.goto(place.as_uri())
        page.wait_for_selector("#p0-backtest-value .main-svg")
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        wide = page.evaluate("document.documentElement.scrollWidth")
        browser.close()
    assert faults == [] and wide <= width
    assert paper == ("rgb(255, 255, 255)" if colours == "light" else "rgb(20, 25, 31)")
