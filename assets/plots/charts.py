"""Plots as small images in the metadata of an asset; numbers come in ready."""

import base64
import io
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import numpy.typing as npt
import pandas as pd

from assets.plots.svg import FAINT, image, label, picture, rect, room, rule, ticks
from optimizer import Estimates
from optimizer.numerics.matrices import block
from optimizer.typing import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 70
COLOURS = ((5, 48, 97), (67, 147, 195), (255, 255, 255), (214, 96, 77), (103, 0, 31))  # of -1 to +1
BEFORE, AFTER, ACCENT = "#b8c4d6", "#1f5aa6", "#c8553d"
MOST_BARS = 40
WIDE = 600  # pixels: few bars fill the dialog that Dagster opens too
HELD = 1e-6
MOST_PIXELS = 180  # Dagster keeps its events for ever: a picture stays below 100 kB
SIMULATED_NOTE = "   (* simulated, nobody traded these)"


def starred(symbol: str, simulated: frozenset[str]) -> str:
    """The symbol, with a star when its prices are simulated."""
    return f"{symbol} *" if symbol in simulated else symbol


def _figure(width: float, height: float, left: float = 0.75, bottom: float = 1.1) -> "Figure":
    """A figure with fixed margins in inches: letting matplotlib find them draws everything twice."""
    from matplotlib.figure import Figure  # 0.4 s to import

    figure = Figure(figsize=(width, height), dpi=DPI)
    figure.subplots_adjust(left / width, bottom / height, 1 - 0.15 / width, 1 - 0.35 / height)
    return figure


def _image(figure: "Figure") -> dg.MarkdownMetadataValue:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return dg.MetadataValue.md(
        f"![plot](data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()})"
    )


def covariance_plot(estimates: Estimates, simulated: frozenset[str]) -> dg.MarkdownMetadataValue:
    """Heat map of the correlations that the covariance implies: red +1, white 0, blue -1."""
    n, side, top = len(estimates.symbols), 360, 30
    names = [starred(symbol, simulated) for symbol in estimates.symbols] if n <= MOST_BARS else []
    margin = room(names, 9)
    left = margin + 8
    every = -(-n // MOST_PIXELS)
    picked = np.arange(0, n, every)
    risk = np.where(estimates.volatility > 0, estimates.volatility, 1.0)[picked]
    correlation = block(estimates.risk, picked) / np.outer(risk, risk)
    sampled = f", one symbol in {every}" if every > 1 else ""
    note = SIMULATED_NOTE if simulated.intersection(estimates.symbols) else ""
    told = "Assumed correlations, too few days:" if estimates.assumed else "Correlations,"
    parts = [
        label(left, 18, f"{told} {estimates.observations} days{sampled}{note}", 13),
        image(left, top, side, diverging(correlation)),
    ]
    for place, name in enumerate(names):
        at = (place + 0.5) * side / n + 3
        parts.append(label(left - 4, top + at, name, 9, "end"))
        parts.append(label(left + at, top + side + 5, name, 9, "end", upward=True))
    scale = _colour_scale(left + side + 15, top, side)
    return picture(left + side + 55, top + side + margin, [*parts, *scale])


def _colour_scale(x: float, y: float, height: float) -> list[str]:
    steps = np.linspace(1, -1, 41)
    blocks = [
        rect(x, y + place * height / 41, 12, height / 41 + 0.5, "#" + bytes(colour).hex())
        for place, colour in enumerate(diverging(steps[:, None])[:, 0])
    ]
    return [
        *blocks,
        *(
            label(x + 16, y + 4 + (1 - value) * height / 2, f"{value:+g}", 9)
            for value in (1, 0.5, 0, -0.5, -1)
        ),
    ]


def diverging(values: Array) -> npt.NDArray[np.uint8]:
    """Colours (..., 3) of values in -1..1: blue, white, red."""
    at = np.clip(values, -1, 1)
    channels = [np.interp(at, np.linspace(-1, 1, 5), levels) for levels in zip(*COLOURS, strict=True)]
    colours: npt.NDArray[np.uint8] = np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
    return colours


def posterior_plot(name: str, rows: pd.DataFrame) -> dg.MarkdownMetadataValue:
    """Expected returns before and after the views, the most changed first; rows: symbol index, prior, posterior,
    simulated."""
    order = (rows["posterior"] - rows["prior"]).abs().sort_values(ascending=False, kind="stable").index
    return _bars(
        rows.loc[order], f"{name}: expected return per year, prior and posterior", ("prior", "posterior")
    )


def weights_plot(name: str, rows: pd.DataFrame) -> dg.MarkdownMetadataValue:
    """Weights before and after, the largest first; rows: symbol index, current_weight, weight, simulated."""
    order = rows[["current_weight", "weight"]].max(axis=1).sort_values(ascending=False, kind="stable").index
    return _bars(rows.loc[order], f"{name}: weights before and after", ("current_weight", "weight"))


def risk_plot(name: str, rows: pd.DataFrame) -> dg.MarkdownMetadataValue:
    """Weight beside share of the risk, the largest first; rows: symbol index, weight, risk_contribution, simulated."""
    columns = ["weight", "risk_contribution"]
    held = rows[rows[columns].abs().max(axis=1) > HELD].rename(columns={columns[1]: "share of risk"})
    order = held[["weight", "share of risk"]].max(axis=1).sort_values(ascending=False, kind="stable").index
    return _bars(held.loc[order], f"{name}: weight and share of the risk", ("weight", "share of risk"))


def _bars(rows: pd.DataFrame, title: str, columns: tuple[str, str]) -> dg.MarkdownMetadataValue:
    shown = rows.head(MOST_BARS)
    values = 100 * shown[list(columns)].to_numpy(dtype=float)
    marks = ticks(
        min(0.0, float(np.nanmin(values, initial=0))), max(0.0, float(np.nanmax(values, initial=0)))
    )
    left, top, height = 50, 48, 180
    step = max(18.0, (WIDE - left) / max(len(shown), 1))
    width, bar = step * len(shown), min((step - 4) / 2, 28.0)
    scale = height / (marks[-1] - marks[0])
    flagged = frozenset(shown.index[shown["simulated"].to_numpy(dtype=bool)])
    shown_of = f" (largest {MOST_BARS} of {len(rows)})" if len(rows) > MOST_BARS else ""
    said = f"{title}{shown_of}{SIMULATED_NOTE if flagged else ''}"
    parts = [label(left, 18, said, 13)]
    for place, (column, colour) in enumerate(zip(columns, (BEFORE, AFTER), strict=True)):
        parts.append(rect(left + 110 * place, 28, 9, 9, colour))
        parts.append(label(left + 110 * place + 13, 36, column.replace("_", " "), 11))
    for mark in marks:
        y = top + (marks[-1] - mark) * scale
        parts.append(rule(left, y, left + width, y, FAINT))
        parts.append(label(left - 5, y + 4, f"{mark:.10g}%", 10, "end"))
    zero = top + marks[-1] * scale
    names = [starred(str(symbol), flagged) for symbol in shown.index]
    for at, (name, pair) in enumerate(zip(names, values, strict=True)):
        for place, (value, colour) in enumerate(zip(np.nan_to_num(pair), (BEFORE, AFTER), strict=True)):
            x = left + (at + 0.5) * step + bar * (place - 1)
            parts.append(rect(x, zero - max(value, 0) * scale, bar, abs(value) * scale, colour))
        parts.append(label(left + (at + 0.5) * step + 3, top + height + 6, name, 10, "end", upward=True))
    parts.append(rule(left, zero, left + width, zero))
    return picture(max(left + width + 15, left + 7 * len(said)), top + height + room(names, 10), parts)


def backtest_plot(name: str, nav: pd.DataFrame, simulated: bool) -> dg.MarkdownMetadataValue:
    """Equity curves (log scale) above, drawdowns below; nav: dates x strategies."""
    figure = _figure(9, 5.2, bottom=0.5)
    equity, depth = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    for strategy, colour in zip(nav.columns, (AFTER, ACCENT, "#6a8f5c", "#8f6aa0", "#777777"), strict=False):
        curve = nav[strategy] / nav[strategy].iloc[0]
        equity.plot(nav.index, curve, label=strategy, color=colour, linewidth=1.1)
        depth.plot(nav.index, 100 * (curve / curve.cummax() - 1), color=colour, linewidth=0.9)
    equity.set_yscale("log")
    equity.yaxis.set_major_formatter("{x:g}")
    equity.yaxis.set_minor_formatter("{x:g}")
    note = " (with simulated prices, nobody traded these)" if simulated else ""
    equity.set_title(f"{name}: growth of 1 (log scale) and drawdown{note}", fontsize=10)
    equity.legend(frameon=False, fontsize=8)
    depth.set_ylabel("drawdown %")
    for axes in (equity, depth):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.2)
    return _image(figure)
