"""A report as a PDF on A4: the tables that people read, the charts, no clock and no network."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimizer import DataError
from resources.ledger.record_error import in_a_line
from resources.results.measure_text import shared_cause
from service.report import drawing
from service.report.contents import Contents, Section
from service.report.figures import held_most
from service.report.table import Table
from service.report.tables import of_the_pack, section_tables, track_tables
from service.report.track import BENCHMARK, OWN, Track, in_words

if TYPE_CHECKING:
    from fpdf import FPDF
    from fpdf.fonts import FontFace
    from fpdf.table import Table as Drawn

FONT = "DejaVu"
TITLES = {
    "falls": "The five deepest falls", "months": "Returns by month", "trailing": "Up to the last day",
    "quantiles": "Quantiles of the returns", "Attribution": "Where the policy's return came from",
}  # fmt: skip
FINE = {  # columns whose percents are small beside one another
    "value_at_risk", "expected_shortfall", "risk", "risk after", "active risk", "active risk after", "contribution",
    "standard_error", "active", "active_error",
}  # fmt: skip
ROW = 4.3  # mm
MOST_BARS = 44  # of a chart: a page has no more room
PALE = (238, 242, 248)
LONGEST = 45  # rows of one table; a workbook has them all
MOST = 300  # characters of a cell of width 1: a page holds no more in height; a workbook has them all
WIDE = {
    "rationale": 6.0, "price": 1.4, "reason": 6.0, "message": 5.0, "what it says": 3.2, "measure": 2.4, "value": 1.6,
    "what": 1.4, "symbol": 2.2, "quantity": 1.4, "at": 1.3, "strategy": 1.4, "content hash": 4.4, "run": 2.6,
    "table": 2.2, "portfolio": 1.8, "code": 1.8, "factor": 2.2, "part": 2.2, "current_weight": 1.3,
    "achieved_weight": 1.5, "action": 1.1,
}  # fmt: skip


def document(report: Contents) -> bytes:
    """The file; equal contents give equal bytes. Raises DataError where the font is not installed."""
    pdf = _blank(report)
    pdf.set_font(size=20, style="B")
    pdf.cell(0, 10, str(report.pack["pack_id"]), new_x="LMARGIN", new_y="NEXT")
    pack = report.pack
    _text(pdf, f"As of {pack['as_of']} · {pack['symbols']} symbols · content {pack['content_hash'][:16]}")
    for note in report.notes:
        _text(pdf, note, warn=True)
    for section in report.sections:
        if section is not report.sections[0]:
            pdf.add_page()
        _section(pdf, section)
    pdf.add_page()
    _heading(pdf, "Data quality and provenance")
    for table in of_the_pack(report):
        _table(pdf, table)
    _text(pdf, f"Check it: packfolio packs verify {report.pack['pack_id']}")
    return bytes(pdf.output())


def _blank(report: Contents) -> "FPDF":
    from fpdf import FPDF

    class Paper(FPDF):
        def footer(self) -> None:
            self.set_y(-11)
            self.set_font(size=7)
            self.set_text_color(*drawing.SOFT)
            self.cell(0, 4, f"{report.pack['pack_id']} · page {self.page_no()} of {{nb}}", align="R")

    pdf = Paper(format="A4")
    pdf.set_margins(14, 14, 14)
    pdf.set_auto_page_break(True, margin=15)
    for style, name in (("", "DejaVuSans.ttf"), ("B", "DejaVuSans-Bold.ttf")):
        pdf.add_font(FONT, style, font_folder() / name)
    day = date.fromisoformat(str(report.pack["as_of"]))
    pdf.set_creation_date(datetime(day.year, day.month, day.day, tzinfo=UTC))
    pdf.set_title(f"{report.pack['pack_id']}: Packfolio report")
    pdf.set_font(FONT, size=9)
    pdf.add_page()
    return pdf


def font_folder() -> Path:
    """Where matplotlib keeps the fonts that have every letter a name may need."""
    found = find_spec("matplotlib")
    if found is None or found.origin is None:
        raise DataError("matplotlib, whose fonts a PDF needs, is not installed: pip install matplotlib")
    return Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"


def _section(pdf: "FPDF", section: Section) -> None:
    facts = section.facts
    _heading(pdf, f"{section.name} ({facts['mode']}, {facts['base_currency']})")
    if section.problem:
        _text(pdf, section.no_trades, warn=not section.quiet)
    for warning in section.warnings:
        _text(pdf, warning, warn=True)
    today = {table.title: table for table in section_tables(section)}
    today["Exposures by trade"] = _only(today["Exposures by trade"], 0, ("BUY", "SELL", ""))
    reasons, often = shared_cause([trade["rationale"] for trade in facts["trades"]])
    rows = [[*row[:-1], reason] for row, reason in zip(today["Trades"].rows, reasons, strict=True)]
    for table in (today["Summary"], replace(today["Trades"], rows=rows), today["Held"]):
        _table(pdf, table)
    if often:
        _text(pdf, often)
    _now(pdf, section)
    for title, told, stated in (
        ("Backtest", section.stored.backtest, f"Walk-forward on {section.stored.tested}, after costs."),
        ("The book itself", section.stored.book, "What it was worth, pack by pack."),
    ):
        if told:
            _history(pdf, title, stated, told)
    for title in (
        "Tax lots",
        "Limits that bind",
        "Days to trade",
        "Value at risk",
        "Factor risk",
        "Risk by name",
        "Exposures by trade",
        "Return by factor",
        "Return from pack to pack",
        "Attribution",
        "Left out",
    ):
        _table(pdf, today[title])


def _now(pdf: "FPDF", section: Section) -> None:
    """Weights, risk, exposures and scenarios of today, as bars."""
    rows = [
        r for r in section.stored.weights if max(abs(r["weight"]), abs(r["current_weight"] or 0.0)) > 1e-6
    ]
    rows.sort(key=lambda row: (-abs(row["weight"]), row["symbol"]))
    charts: list[tuple[str, Mapping[str, Sequence[float]], tuple[str, ...]]] = [
        ("Weights", {r["symbol"]: (r["current_weight"] or 0.0, r["weight"]) for r in rows}, ("now", "target")),
        ("Weight and share of the risk", {r["symbol"]: (r["weight"], r["risk_contribution"] or 0.0) for r in rows},
         ("weight", "share of risk")),
        ("Exposures through funds", section.exposures, ("now", "target")),
        ("Scenario losses of what is held now, of its value",
         {found.name: (found.profit_pct / 100,) for found in section.stress.scenarios} if section.stress else {},
         ("profit",)),
    ]  # fmt: skip
    for title, pairs, names in charts:
        if pairs:
            shown = dict(list(pairs.items())[:MOST_BARS])
            part = f" (the first {MOST_BARS} of {len(pairs)})" if len(pairs) > MOST_BARS else ""
            drawing.bars(pdf, shown, names, f"{title}{part}", margin=50 if names == ("profit",) else 34)


def _history(pdf: "FPDF", title: str, stated: str, told: Track) -> None:
    pdf.add_page()
    _heading(pdf, title)
    _text(pdf, " ".join([stated, *in_words(told)]))
    drawing.lines(pdf, told.value, "Value of 1 invested", 60, log=True)
    drawing.lines(pdf, told.value / told.value.cummax() - 1, "Below the peak", 32)
    listed = {t.title.removeprefix("x "): t for t in track_tables("x", told)}
    _table(pdf, listed["measures"])
    _table(pdf, _only(listed["falls"], 0, (OWN, BENCHMARK)))
    _table(pdf, _only(listed["months"], 0, (OWN,)))
    _table(pdf, listed["trailing"])
    for figure, frame in told.rolling.items():
        title = f"{figure.capitalize()} over {told.window} returns"
        drawing.lines(pdf, frame, title, 34, percent=figure == "volatility")
    shown = {name: told.shares[name] for name in (OWN, BENCHMARK) if name in told.shares}
    drawing.histogram(pdf, told.edges, shown, "Distribution of the returns")
    _table(pdf, _only(listed["quantiles"], 1, (OWN, BENCHMARK)))
    if told.weights is not None:
        drawing.areas(pdf, held_most(told), "Weights over time")
    for part, reason in told.left_out.items():
        _text(pdf, f"Left out, {part}: {reason}")


def _only(table: Table, column: int, names: Sequence[str]) -> Table:
    return Table(table.title, table.columns, [row for row in table.rows if row[column] in names])


def _heading(pdf: "FPDF", text: str) -> None:
    pdf.ln(3)
    pdf.set_font(size=14, style="B")
    pdf.set_text_color(*drawing.COLOURS[0])
    pdf.cell(0, 8, text, new_x="LMARGIN", new_y="NEXT")
    pdf.set_text_color(*drawing.INK)


def _text(pdf: "FPDF", text: str, *, warn: bool = False) -> None:
    pdf.set_font(size=8.5, style="")
    pdf.set_text_color(*((180, 86, 31) if warn else drawing.INK))
    pdf.multi_cell(0, 4.4, in_a_line(text), new_x="LMARGIN", new_y="NEXT")
    pdf.ln(0.8)


def _table(pdf: "FPDF", table: Table) -> None:
    """The first rows of a table, with its headings again on every page."""
    from fpdf.enums import TableBordersLayout
    from fpdf.fonts import FontFace

    if not table.rows:
        return
    names = [name for name in table.columns if name not in ("group", "target_weight")]
    title = TITLES.get(table.title.removeprefix("x "), table.title.removeprefix("x ").capitalize())
    if pdf.get_y() + 10 + 4 * ROW > pdf.page_break_trigger:
        pdf.add_page()
    pdf.set_font(size=9.5, style="B")
    pdf.set_text_color(*drawing.INK)
    pdf.cell(0, 7, title, new_x="LMARGIN", new_y="NEXT")
    pdf.set_font(size=6 if len(names) > 9 else 7, style="")
    pdf.set_draw_color(*drawing.GRID)
    pdf.set_fill_color(255)
    pdf.set_line_width(0.15)
    with pdf.table(
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        headings_style=FontFace(emphasis="BOLD", color=drawing.SOFT),
        line_height=ROW - 0.7,
        padding=(0.35, 0.8),
        col_widths=[WIDE.get(name, 1.0) for name in names],
        text_align=["LEFT" if table.columns[name] in ("text", "date") else "RIGHT" for name in names],
    ) as drawn:
        _rows(drawn, table, names)
    if (more := len(table.rows) - LONGEST) > 0:
        _text(pdf, f"{more} more rows are in the workbook: packfolio report --format xlsx")
    pdf.ln(2)


def _rows(drawn: "Drawn", table: Table, names: Sequence[str]) -> None:
    """The headings, a line where a group begins, and the rows."""
    from fpdf.fonts import FontFace

    drawn.row([name.replace("_", " ") for name in names])
    places, group = [list(table.columns).index(name) for name in names], None
    grouped = next(iter(table.columns)) == "group"
    for number, row in enumerate(table.rows[:LONGEST]):
        if grouped and row[0] != group:
            group = row[0]
            drawn.row().cell(group, colspan=len(names), style=FontFace(emphasis="BOLD", fill_color=PALE))
        cells = drawn.row()
        for at, name in zip(places, names, strict=True):
            empty = "not yet" if name == "made good" else ""
            said = text(row[at], table.form(number, name), 2 if name in FINE else 1) or empty
            most = int(MOST * WIDE.get(name, 1.0))
            said = said if len(said) <= most else f"{said[: most - 1]}…"
            cells.cell(said, style=_heat(table, name, row[at]))


def _heat(table: Table, name: str, value: Any) -> "FontFace | None":
    """The colour of a month's return: green for a gain, red for a loss, stronger up to 10%."""
    from fpdf.fonts import FontFace

    if not table.title.endswith(" months") or not isinstance(value, float) or not math.isfinite(value):
        return None
    strength = 0.55 * min(abs(value) / (0.3 if name == "whole year" else 0.1), 1.0)
    hue = drawing.COLOURS[3 if value > 0 else 1]
    return FontFace(fill_color=tuple(round(255 - strength * (255 - part)) for part in hue))


def text(value: Any, form: str, digits: int = 1) -> str:
    """A cell as people read it; nothing for None and NaN."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, str | date):
        return in_a_line(str(value))
    if form == "percent":
        return f"{100 * float(value):z.{digits}f}%"
    if form == "shares":
        return f"{value:z,.4f}".rstrip("0").rstrip(".")
    return f"{value:z,.0f}" if form == "count" else f"{value:z,.2f}"
