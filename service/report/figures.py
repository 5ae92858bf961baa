"""The report's pictures: plotly figures as pieces of HTML, with ids that do not change from run to run."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from optimizer.measures.performance import total_return
from service.answers import FrontierAnswer, StressAnswer

if TYPE_CHECKING:
    import plotly.graph_objects as go

Row = Mapping[str, Any]
NOW, TARGET, LOSS, GAIN, LINE = "#b8c4d6", "#1f5aa6", "#c8553d", "#3f8f5f", "#dde3ec"
OWN = "policy"
SERIES = (TARGET, LOSS, "#7a7f87", GAIN, "#8a63b8", "#c79a2c")
MOST_BARS = 30
MOST_DAYS = 1500


def bars(
    pairs: Mapping[str, tuple[float, float]], place: str, titles: tuple[str, str] = ("now", "target")
) -> str:
    """Two bars a name, fractions; the thirty largest names."""
    import plotly.graph_objects as go

    kept = sorted(pairs, key=lambda name: (-max(map(abs, pairs[name])), name))[:MOST_BARS][::-1]
    figure = go.Figure()
    for side, (title, colour) in enumerate(zip(titles, (NOW, TARGET), strict=True)):
        values = [pairs[name][side] for name in kept]
        figure.add_bar(y=kept, x=values, name=title, orientation="h", marker_color=colour)
    figure.update_layout(barmode="group", legend_traceorder="reversed")
    figure.update_xaxes(tickformat=".0%")
    return _html(figure, place, 110 + 22 * len(kept))


def risk_bars(weights: Sequence[Row], place: str) -> str:
    """Share of the target's variance by symbol, beside its weight."""
    pairs = {row["symbol"]: (row["weight"], row["risk_contribution"] or 0.0) for row in weights}
    held = {name: pair for name, pair in pairs.items() if max(map(abs, pair)) > 1e-6}
    return bars(held, place, ("weight", "share of risk"))


def frontier_line(answer: FrontierAnswer, target: tuple[float, float] | None, place: str) -> str:
    """Expected return over volatility: the frontier, what is held, and the target (volatility, return)."""
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.add_scatter(
        x=[p.volatility for p in answer.points], y=[p.expected_return for p in answer.points],
        mode="lines+markers", name="frontier", line_color=TARGET, marker_size=5,
    )  # fmt: skip
    if answer.current:
        figure.add_scatter(
            x=[answer.current.volatility], y=[answer.current.expected_return], mode="markers+text", name="held",
            text=["held"], textposition="top center", marker={"size": 13, "color": NOW, "line": {"width": 1}},
        )  # fmt: skip
    if target:
        figure.add_scatter(
            x=[target[0]], y=[target[1]], mode="markers+text", name="target", text=["target"],
            textposition="bottom center", marker={"size": 13, "color": LOSS, "symbol": "diamond"},
        )  # fmt: skip
    figure.update_xaxes(title="volatility a year", tickformat=".1%")
    figure.update_yaxes(title="expected return a year", tickformat=".1%")
    return _html(figure, place, 380)


def equity(backtest: Mapping[str, Sequence[Row]], column: str, place: str) -> str:
    """NAV (log scale) or drawdown of every strategy; long histories are thinned, ends kept."""
    import plotly.graph_objects as go

    figure = go.Figure()
    own_first = sorted(backtest.items(), key=lambda item: item[0] != OWN)
    for (strategy, days), colour in zip(own_first, SERIES * len(backtest), strict=False):
        every = -(-len(days) // MOST_DAYS)
        kept = [*days[::every], days[-1]]
        scale = days[0]["nav"] if column == "nav" else 1.0
        figure.add_scatter(
            x=[day["date"].isoformat() for day in kept], y=[round(day[column] / scale, 6) for day in kept],
            name=strategy, mode="lines", line={"color": colour, "width": 2.2 if strategy == OWN else 1.2},
        )  # fmt: skip
    if column == "nav":
        figure.update_yaxes(type="log", title="value of 1 invested")
    else:
        figure.update_yaxes(tickformat=".0%", title="below the peak")
    return _html(figure, place, 340)


def monthly(days: Sequence[Row], place: str) -> str:
    """Return by year and month, with the year's own; red for a loss."""
    import plotly.graph_objects as go

    years = np.array([day["date"].year for day in days])
    months = np.array([day["date"].month for day in days])
    returns = pd.Series([day["return"] or 0.0 for day in days])
    by_month, by_year = returns.groupby([years, months]).apply(_total), returns.groupby(years).apply(_total)
    grid = by_month.unstack().reindex(columns=range(1, 13))
    grid["year"] = by_year
    columns = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "year"]
    values = grid.to_numpy(dtype=float)
    bound = float(np.nanquantile(np.abs(values[:, :12]), 0.98)) or 0.01
    text = [["" if np.isnan(v) else f"{100 * v:.1f}" for v in line] for line in values]
    figure = go.Figure(
        go.Heatmap(
            z=[[None if np.isnan(v) else round(v, 6) for v in line] for line in values], x=columns,
            y=[str(year) for year in grid.index], text=text, texttemplate="%{text}", textfont={"size": 10},
            zmin=-bound, zmax=bound, colorscale=[[0, LOSS], [0.5, "#ffffff"], [1, TARGET]], showscale=False,
        )
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_xaxes(side="top")
    return _html(figure, place, 90 + 20 * len(grid))


def _total(returns: pd.Series) -> float:
    return total_return(returns.to_numpy(dtype=float))


def losses(answer: StressAnswer, place: str) -> str:
    """Profit and loss by scenario, percent of NAV, with one standard error."""
    import plotly.graph_objects as go

    shown = answer.scenarios[::-1]
    share = 100 / answer.current_value if answer.current_value else 0.0
    values = [found.profit_pct / 100 for found in shown]
    errors = [found.standard_error * share / 100 for found in shown]
    figure = go.Figure(
        go.Bar(
            y=[found.name for found in shown], x=values, orientation="h",
            marker_color=[LOSS if value < 0 else GAIN for value in values],
            error_x={"type": "data", "array": errors, "color": "#7a7f87", "thickness": 1, "width": 2},
        )
    )  # fmt: skip
    figure.update_xaxes(tickformat=".0%", title="of the portfolio's value")
    return _html(figure, place, 110 + 19 * len(shown))


def _html(figure: "go.Figure", place: str, height: int) -> str:
    figure.update_layout(
        template="plotly_white", height=height, margin={"l": 10, "r": 20, "t": 30, "b": 40},
        font={"family": "system-ui, sans-serif", "size": 12, "color": "#1d2733"},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0}, hoverlabel={"namelength": -1},
    )  # fmt: skip
    figure.update_yaxes(automargin=True, gridcolor=LINE)
    figure.update_xaxes(automargin=True, gridcolor=LINE)
    made = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=place,
        config={"displaylogo": False, "responsive": True},
    )
    return str(made)
