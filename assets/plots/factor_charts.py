"""Pictures of what factors did: risk before and after the trades, and what each group earned over time."""

from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from assets.plots.charts import ACCENT, AFTER, BEFORE, MOST_BARS, SIMULATED_NOTE
from assets.plots.svg import FAINT, label, picture, rect, room, rule, ticks, trail

COLOURS = (AFTER, ACCENT, "#6a8f5c", "#8f6aa0", "#c29a2b", "#777777", "#3d9db3")


def factor_risk_plot(name: str, rows: pd.DataFrame) -> dg.MarkdownMetadataValue:
    """What each factor adds to the volatility before and after the trades, the largest first.

    rows  side, part, contribution: fractions per year, which add up to the volatility
    """
    wide = rows.pivot(index="part", columns="side", values="contribution").fillna(0.0)
    wide = wide.reindex(columns=["before", "after"], fill_value=0.0)
    shown = wide.loc[wide.abs().max(axis=1).sort_values(ascending=False, kind="stable").index].head(MOST_BARS)
    values = 100 * shown.to_numpy(float)
    marks = ticks(float(np.min(values, initial=0.0)), float(np.max(values, initial=0.0)))
    left, top, width, step = room(map(str, shown.index), 10), 54, 420, 22
    scale, below = width / (marks[-1] - marks[0]), top + step * len(shown)
    before, after = 100 * wide.sum()
    said = f"{name}: volatility a year by factor, {before:.2f}% before and {after:.2f}% after the trades"
    parts = [label(10, 18, said, 13)]
    for place, (word, colour) in enumerate((("before", BEFORE), ("after", AFTER))):
        parts += [rect(left + 90 * place, 28, 9, 9, colour), label(left + 90 * place + 13, 37, word, 11)]
    for mark in marks:
        at = left + (mark - marks[0]) * scale
        parts += [rule(at, top, at, below, FAINT), label(at, below + 14, f"{mark:.10g}%", 10, "middle")]
    for place, (part, pair) in enumerate(zip(shown.index, values, strict=True)):
        y = top + step * place
        for row, (value, colour) in enumerate(zip(pair, (BEFORE, AFTER), strict=True)):
            x = left + (min(value, 0.0) - marks[0]) * scale
            parts.append(rect(x, y + 3 + 8 * row, abs(value) * scale, 8, colour))
        parts.append(label(left - 6, y + 15, str(part), 10, "end"))
    zero = left - marks[0] * scale
    parts.append(rule(zero, top, zero, below))
    return picture(max(left + width + 40, 10 + 7 * len(said)), below + 24, parts)


def factors_plot(name: str, path: dict[str, Any], simulated: bool) -> dg.MarkdownMetadataValue:
    """What market, sectors, styles, names, cash, trading and costs had earned by each day; path: see `path_of`."""
    dates, lines = path["dates"], {group: 100 * np.array(told) for group, told in path["groups"].items()}
    lines = {group: told for group, told in lines.items() if np.abs(told).max(initial=0.0) > 0.005}
    whole = np.concatenate([*lines.values(), [0.0]])
    marks = ticks(float(whole.min()), float(whole.max()))
    left, top, width, height = 55, 54, 560, 260

    def point(at: int, value: float) -> tuple[float, float]:
        x = left + width * at / max(len(dates) - 1, 1)
        return x, top + height * (marks[-1] - value) / (marks[-1] - marks[0])

    note = SIMULATED_NOTE if simulated else ""
    parts = [label(10, 18, f"{name}: return earned by group, percent of the value at the start{note}", 13)]
    for mark in marks:
        _, y = point(0, mark)
        parts += [rule(left, y, left + width, y, FAINT), label(left - 5, y + 4, f"{mark:.10g}%", 10, "end")]
    for at in np.unique(np.linspace(0, max(len(dates) - 1, 0), 6).astype(int)).tolist():
        x, _ = point(at, 0.0)
        parts.append(label(x, top + height + 16, dates[at][:7], 10, "middle"))
    for place, (group, told) in enumerate(lines.items()):
        colour = COLOURS[place % len(COLOURS)]
        parts.append(trail([point(at, value) for at, value in enumerate(told.tolist())], colour))
        parts += [rect(left + 82 * place, 28, 9, 9, colour), label(left + 82 * place + 13, 37, group, 11)]
    return picture(left + width + 40, top + height + 28, parts)
