"""Plots as small images in the metadata of an asset; numbers come in ready."""

import base64
import io
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import pandas as pd

from optimizer.estimates import Estimates
from optimizer.proposal import Beliefs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 70
BEFORE, AFTER, ACCENT = "#b8c4d6", "#1f5aa6", "#c8553d"
MOST_BARS = 40
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
    """Heat map of the correlations that the covariance implies."""
    risk = np.where(estimates.volatility > 0, estimates.volatility, 1.0)
    correlation = estimates.covariance / np.outer(risk, risk)
    figure = _figure(6.5, 5.5)
    axes = figure.add_subplot()
    image = axes.imshow(correlation, vmin=-1, vmax=1, cmap="RdBu_r", interpolation="nearest")
    n = len(estimates.symbols)
    if n <= MOST_BARS:
        names = [starred(symbol, simulated) for symbol in estimates.symbols]
        axes.set_xticks(range(n), names, rotation=90, fontsize=7)
        axes.set_yticks(range(n), names, fontsize=7)
    note = SIMULATED_NOTE if simulated.intersection(estimates.symbols) else ""
    axes.set_title(f"Correlations, {estimates.observations} days{note}", fontsize=10)
    figure.colorbar(image, shrink=0.8)
    return _image(figure)


def posterior_plot(name: str, beliefs: Beliefs, simulated: frozenset[str]) -> dg.MarkdownMetadataValue:
    """Prior and posterior expected returns, side by side, the most changed first."""
    rows = pd.DataFrame(
        {
            "prior": beliefs.prior,
            "posterior": beliefs.mean,
            "simulated": [symbol in simulated for symbol in beliefs.symbols],
        },
        index=list(beliefs.symbols),
    )
    order = (rows["posterior"] - rows["prior"]).abs().sort_values(ascending=False, kind="stable").index
    return _bars(
        rows.loc[order], f"{name}: expected return per year, prior and posterior", ("prior", "posterior")
    )


def weights_plot(name: str, rows: pd.DataFrame) -> dg.MarkdownMetadataValue:
    """Weights before and after, the largest first; rows: symbol index, current_weight, weight, simulated."""
    order = rows[["current_weight", "weight"]].max(axis=1).sort_values(ascending=False, kind="stable").index
    return _bars(rows.loc[order], f"{name}: weights before and after", ("current_weight", "weight"))


def _bars(rows: pd.DataFrame, title: str, columns: tuple[str, str]) -> dg.MarkdownMetadataValue:
    shown = rows.head(MOST_BARS)
    figure = _figure(min(max(7, 3 + 0.3 * len(shown)), 12), 3.6)
    axes = figure.add_subplot()
    at = np.arange(len(shown))
    for offset, column, colour in ((-0.2, columns[0], BEFORE), (0.2, columns[1], AFTER)):
        axes.bar(
            at + offset,
            100 * shown[column].to_numpy(dtype=float),
            0.4,
            label=column.replace("_", " "),
            color=colour,
        )
    flagged = frozenset(shown.index[shown["simulated"].to_numpy(dtype=bool)])
    axes.set_xticks(at, [starred(symbol, flagged) for symbol in shown.index], rotation=90, fontsize=8)
    axes.set_ylabel("%")
    axes.axhline(0, color="black", linewidth=0.6)
    shown_of = f" (largest {MOST_BARS} of {len(rows)})" if len(rows) > MOST_BARS else ""
    axes.set_title(f"{title}{shown_of}{SIMULATED_NOTE if flagged else ''}", fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return _image(figure)


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
