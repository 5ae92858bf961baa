"""Charts drawn into a PDF as lines and boxes: small files, sharp at any size, the same bytes every time."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from optimizer.typing import Array

if TYPE_CHECKING:
    from fpdf import FPDF

Colour = tuple[int, int, int]
COLOURS: tuple[Colour, ...] = (
    (31, 90, 166), (200, 85, 61), (138, 143, 152), (63, 143, 95), (138, 99, 184), (199, 154, 44),
    (61, 157, 179), (182, 93, 146), (123, 143, 47), (93, 107, 124), (184, 196, 214),
)  # fmt: skip
INK, SOFT, GRID = (29, 39, 51), (93, 107, 124), (221, 227, 236)
MOST_POINTS = 500


@dataclass(frozen=True)
class Frame:
    """A chart's box on the page, millimetres, and what its edges stand for."""

    left: float
    top: float
    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point lies on the page."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return self.left + across * self.width, self.top + (1 - up) * self.height


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from low to high: 1, 2 or 5 times a power of ten apart."""
    if not high > low:
        return [low]
    raw = (high - low) / most
    power = 10.0 ** floor(log10(raw))
    step = next(power * unit for unit in (1, 2, 5, 10) if power * unit >= raw * (1 - 1e-9))
    return [step * number for number in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]


def lines(
    pdf: "FPDF",
    frame: pd.DataFrame,
    title: str,
    height: float = 48,
    *,
    percent: bool = True,
    log: bool = False,
) -> None:
    """A line a column over dates, the first column on top; `log` for a value of 1 invested."""
    with _chart(pdf, title, height) as (left, top, width, tall):
        kept = frame.iloc[:: -(-len(frame) // MOST_POINTS)]
        if kept.index[-1] != frame.index[-1]:
            kept = pd.concat([kept, frame.iloc[-1:]])
        values = kept.where(kept > 0).apply(np.log10) if log else kept  # what is lost has no logarithm
        low, high = _bounds(values.to_numpy())
        days = _days(kept.index)
        box = Frame(left, top, width, tall, (days[0], max(days[-1], days[0] + 1)), (low, high))
        marks = {float(np.log10(v)): f"{v:g}" for v in _values(low, high)} if log else {
            tick: _percent(tick) if percent else f"{tick:g}" for tick in ticks(low, high)
        }  # fmt: skip
        _axes(pdf, box, marks, kept.index)
        first = ["policy", "benchmark"]  # one strategy has one colour in all charts
        order = [*first, *(name for name in values.columns if name not in first)]
        colours = [COLOURS[order.index(name) % len(COLOURS)] for name in values.columns]
        for place in reversed(range(len(values.columns))):
            pdf.set_draw_color(*colours[place])
            pdf.set_line_width(0.45 if place == 0 else 0.25)
            told = values.iloc[:, place].to_numpy()
            points = [box.at(x, y) for x, y in zip(days, told, strict=True) if np.isfinite(y)]
            pdf.polyline(points)
        _legend(pdf, box, list(map(str, values.columns)), colours)


def areas(pdf: "FPDF", frame: pd.DataFrame, title: str, height: float = 55) -> None:
    """Weights over time, stacked, each held until the next date."""
    with _chart(pdf, title, height) as (left, top, width, tall):
        days = [*_days(frame.index)]
        ends = [*days[1:], days[-1] + max(1.0, (days[-1] - days[0]) / max(len(days), 1))]
        up = np.maximum(frame.to_numpy(), 0.0)
        high = max(float(up.sum(axis=1).max()), 1e-9)
        box = Frame(left, top, width, tall, (days[0], ends[-1]), (0.0, high))
        _axes(pdf, box, {tick: _percent(tick) for tick in ticks(0.0, high)}, frame.index)
        below = np.zeros(len(days))
        for place in range(len(frame.columns)):
            above = below + up[:, place]
            pdf.set_fill_color(*COLOURS[place % len(COLOURS)])
            upper = [box.at(x, y) for s, e, y in zip(days, ends, above, strict=True) for x in (s, e)]
            lower = [box.at(x, y) for s, e, y in zip(days, ends, below, strict=True) for x in (s, e)]
            if (above > below).any():
                pdf.polygon([*upper, *reversed(lower)], style="F")
            below = above
        _legend(pdf, box, list(map(str, frame.columns)))


def bars(
    pdf: "FPDF", pairs: Mapping[str, Sequence[float]], names: Sequence[str], title: str, margin: float = 34
) -> None:
    """Bars from left to right, `names` of them for each key; fractions."""
    row = 5.2
    with _chart(pdf, title, row * len(pairs) + 2, margin) as (left, top, width, tall):
        told = np.array([list(values) for values in pairs.values()])
        low, high = min(0.0, float(told.min())), max(0.0, float(told.max()), 1e-9)
        box = Frame(left, top, width, tall, (low, high), (0.0, 1.0))
        _across(pdf, box, {tick: _percent(tick) for tick in ticks(low, high)})
        thick = (row - 1.4) / len(names)
        colours = [COLOURS[-1], COLOURS[0]] if len(names) == 2 else [COLOURS[0]]
        for number, (key, values) in enumerate(pairs.items()):
            y = top + 1 + number * row
            pdf.set_text_color(*INK)
            pdf.set_xy(left - margin, y - 0.4)
            pdf.cell(margin - 1, row - 1, key[: int(0.8 * margin)], align="R")
            for side, (value, colour) in enumerate(zip(values, colours, strict=True)):
                start, end = sorted((box.at(0.0, 0)[0], box.at(value, 0)[0]))
                loss = value < 0 and len(names) == 1
                pdf.set_fill_color(*(COLOURS[1] if loss else colour))
                pdf.rect(start, y + side * thick, end - start, thick * 0.92, style="F")
        _legend(pdf, box, list(names), colours)


def histogram(pdf: "FPDF", edges: Array, shares: Mapping[str, Array], title: str) -> None:
    """The first as bars, the second as a line."""
    with _chart(pdf, title, 48) as (left, top, width, tall):
        high = max(float(np.max(told)) for told in shares.values()) * 1.05
        box = Frame(left, top, width, tall, (float(edges[0]), float(edges[-1])), (0.0, high))
        _axes(pdf, box, {tick: _percent(tick) for tick in ticks(0.0, high)}, None)
        _across(pdf, box, {tick: _percent(tick) for tick in ticks(*box.x)}, grid=False)
        (_, own), *others = shares.items()
        pdf.set_fill_color(*COLOURS[0])
        for start, end, share in zip(edges[:-1], edges[1:], own, strict=True):
            (x0, y0), (x1, _) = box.at(float(start), float(share)), box.at(float(end), 0)
            pdf.rect(x0, y0, (x1 - x0) * 0.93, top + tall - y0, style="F")
        for place, (_, told) in enumerate(others[:1], 1):
            pdf.set_draw_color(*COLOURS[place])
            pdf.set_line_width(0.35)
            steps = zip(edges[:-1], edges[1:], told, strict=True)
            pdf.polyline([box.at(float(x), float(y)) for s, e, y in steps for x in (s, e)])
        _legend(pdf, box, list(shares)[:2])


@contextmanager
def _chart(
    pdf: "FPDF", title: str, height: float, margin: float = 12
) -> Iterator[tuple[float, float, float, float]]:
    """The box of a chart of that height on a page that has room for it; the cursor is below it afterwards."""
    whole = height + 17
    if pdf.get_y() + whole > pdf.page_break_trigger:
        pdf.add_page()
    pdf.set_font(size=9.5, style="B")
    pdf.set_text_color(*INK)
    pdf.cell(0, 6, title, new_x="LMARGIN", new_y="NEXT")
    top = pdf.get_y() + 4
    pdf.set_font(size=6.5, style="")
    yield pdf.l_margin + margin, top, pdf.epw - margin - 2, height
    pdf.set_text_color(*INK)
    pdf.set_xy(pdf.l_margin, top + height + 7)


def _axes(pdf: "FPDF", box: Frame, marks: Mapping[float, str], dates: pd.Index | None) -> None:
    """Lines across at the marks, and years below where there are dates."""
    pdf.set_draw_color(*GRID)
    pdf.set_line_width(0.15)
    pdf.set_text_color(*SOFT)
    for value, text in marks.items():
        _, y = box.at(box.x[0], value)
        pdf.line(box.left, y, box.left + box.width, y)
        pdf.set_xy(box.left - 13, y - 1.5)
        pdf.cell(12, 3, text, align="R")
    if dates is not None:
        _across(pdf, box, _calendar(pd.DatetimeIndex(dates)), grid=False)


def _across(pdf: "FPDF", box: Frame, marks: Mapping[float, str], *, grid: bool = True) -> None:
    pdf.set_draw_color(*GRID)
    pdf.set_line_width(0.15)
    pdf.set_text_color(*SOFT)
    for value, text in marks.items():
        x, _ = box.at(value, box.y[0])
        pdf.line(x, box.top if grid else box.top + box.height, x, box.top + box.height + (0 if grid else 0.8))
        pdf.set_xy(x - 8, box.top + box.height + 0.8)
        pdf.cell(16, 3, text, align="C")


def _calendar(dates: pd.DatetimeIndex) -> dict[float, str]:
    """Some eight first days of years, or of months where there are fewer than three years."""
    span = (dates[-1] - dates[0]).days
    starts = pd.date_range(dates[0], dates[-1], freq="YS" if span > 1000 else "MS" if span > 70 else "D")
    kept = starts[:: max(-(-len(starts) // 8), 1)]
    form = "%Y" if span > 1000 else "%Y-%m" if span > 70 else "%m-%d"
    return {day: date.strftime(form) for day, date in zip(_days(kept), kept, strict=True)}


def _days(dates: pd.Index) -> list[float]:
    told = pd.DatetimeIndex(dates).to_numpy().astype("datetime64[D]").astype(float)
    return [float(day) for day in told]


def _bounds(values: Array) -> tuple[float, float]:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = 0.04 * (high - low) or 0.01
    return low - room, high + room


def _percent(tick: float) -> str:
    return f"{100 * tick:g}%"


def _values(low: float, high: float) -> list[float]:
    """Values between two logarithms: 1, 2, 5, 10 ... by powers of ten; round steps where that is too coarse."""
    whole = range(floor(low), ceil(high) + 1)
    for units in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7)):
        found = [
            unit * 10.0**power
            for power in whole
            for unit in units
            if low <= log10(unit * 10.0**power) <= high
        ]
        if len(found) >= 3:
            return found[:: max(len(found) // 8, 1)]
    return ticks(10.0**low, 10.0**high)


def _legend(pdf: "FPDF", box: Frame, names: Sequence[str], colours: Sequence[Colour] = COLOURS) -> None:
    x = box.left
    for place, told in enumerate(names if len(names) > 1 else ()):
        name = told.replace("_", " ")
        pdf.set_fill_color(*colours[place % len(colours)])
        pdf.rect(x, box.top - 3.1, 2.2, 2.2, style="F")
        pdf.set_text_color(*SOFT)
        pdf.set_xy(x + 2.6, box.top - 3.6)
        wide = pdf.get_string_width(name) + 4
        pdf.cell(wide, 3.2, name)
        x += wide + 3.4
