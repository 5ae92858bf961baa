"""Pictures of risk: scenario losses, the efficient frontier, and returns by month; numbers come in ready."""

from collections.abc import Mapping, Sequence

import dagster as dg
import numpy as np
import pandas as pd

from assets.plots.charts import ACCENT, AFTER, BEFORE, MOST_BARS, SIMULATED_NOTE, diverging
from assets.plots.svg import FAINT, circle, label, picture, rect, room, rule, ticks, trail

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "year")
PALE = 0.5  # numbers stand on the colours
Point = tuple[float, float]


def losses_plot(name: str, rows: pd.DataFrame) -> dg.MarkdownMetadataValue:
    """Profit or loss a scenario, the worst first, with its standard error; rows: scenario_id, profit, standard_error.

    Both are fractions of the NAV.
    """
    shown = rows.sort_values(["profit", "scenario_id"], kind="stable").head(MOST_BARS)
    profits, errors = (100 * shown[column].to_numpy(float) for column in ("profit", "standard_error"))
    low, high = float(np.min(profits - errors, initial=0.0)), float(np.max(profits + errors, initial=0.0))
    marks = ticks(low, high)
    left, top, width, step = room(shown["scenario_id"].astype(str), 9), 34, 420, 16
    scale = width / (marks[-1] - marks[0])

    def at(value: float) -> float:
        return left + (value - marks[0]) * scale

    below = top + step * len(shown)
    said = f"{name}: profit or loss under each scenario, percent of NAV"
    parts = [label(10, 18, said, 13)]
    for mark in marks:
        parts.append(rule(at(mark), top, at(mark), below, FAINT))
        parts.append(label(at(mark), below + 14, f"{mark:.10g}%", 10, "middle"))
    for place, (scenario, profit, error) in enumerate(
        zip(shown["scenario_id"], profits, errors, strict=True)
    ):
        y, colour = top + step * place, ACCENT if profit < 0 else AFTER
        parts.append(rect(at(min(profit, 0)), y + 3, abs(profit) * scale, step - 6, colour))
        parts.append(rule(at(profit - error), y + step / 2, at(profit + error), y + step / 2))
        parts.append(label(left - 6, y + step - 4, str(scenario), 10, "end"))
    parts.append(rule(at(0), top, at(0), below))
    return picture(max(left + width + 25, 10 + 7 * len(said)), below + 24, parts)


def frontier_plot(
    name: str, points: Sequence[Point], marked: Mapping[str, Point]
) -> dg.MarkdownMetadataValue:
    """Expected return over volatility: the frontier, and portfolios by name; (volatility, return), fractions a year."""
    every = 100 * np.array([*points, *marked.values()])
    across, up = (ticks(float(column.min()), float(column.max())) for column in every.T)
    left, top, width, height = 60, 34, 480, 300

    def place(point: Point) -> Point:
        x = (100 * point[0] - across[0]) / (across[-1] - across[0])
        y = (up[-1] - 100 * point[1]) / (up[-1] - up[0])
        return left + x * width, top + y * height

    parts = [label(10, 18, f"{name}: the frontier under its limits, turnover left out", 13)]
    for mark in across:
        x, _ = place((mark / 100, 0.0))
        parts += [
            rule(x, top, x, top + height, FAINT),
            label(x, top + height + 15, f"{mark:.10g}%", 10, "middle"),
        ]
    for mark in up:
        _, y = place((0.0, mark / 100))
        parts += [rule(left, y, left + width, y, FAINT), label(left - 5, y + 4, f"{mark:.10g}%", 10, "end")]
    parts.append(trail([place(point) for point in points], AFTER))
    parts += [circle(*place(point), 2.5, AFTER) for point in points]
    for (said, point), colour in zip(marked.items(), (BEFORE, ACCENT), strict=False):
        x, y = place(point)
        parts += [circle(x, y, 6, colour), label(x + 9, y + 4, said, 11)]
    parts.append(label(left + width / 2, top + height + 32, "volatility a year", 11, "middle"))
    parts.append(label(14, top + height / 2, "expected return a year", 11, "middle", upward=True))
    return picture(left + width + 60, top + height + 42, parts)


def monthly_plot(name: str, table: pd.DataFrame, simulated: bool) -> dg.MarkdownMetadataValue:
    """Heat map of returns, red for a loss; table: years x months and "year", fractions, as `monthly_table` gives it."""
    values = table.to_numpy(dtype=float)
    bound = float(np.nanquantile(np.abs(values[:, :12]), 0.98)) or 0.01
    colours = diverging(-PALE * np.clip(np.nan_to_num(values) / bound, -1, 1))
    left, top, width, step = 50, 52, 44, 18
    note = SIMULATED_NOTE if simulated else ""
    parts = [label(10, 18, f"{name}: return by month, percent{note}", 13)]
    parts += [label(left + width * (m + 0.5), top - 6, said, 10, "middle") for m, said in enumerate(MONTHS)]
    for row, year in enumerate(table.index):
        parts.append(label(left - 6, top + step * row + 13, str(year), 10, "end"))
        for month, value in enumerate(values[row]):
            if np.isfinite(value):
                x, y = left + width * month, top + step * row
                parts.append(rect(x, y, width - 1, step - 1, "#" + bytes(colours[row, month]).hex()))
                parts.append(label(x + width / 2, y + 13, f"{100 * value:.1f}", 10, "middle"))
    return picture(left + width * len(MONTHS) + 15, top + step * len(table) + 10, parts)
