"""The report's pictures: plotly figures as pieces of HTML, with ids that do not change from run to run."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from optimizer.typing import Array
from service.answers.proposals import FrontierAnswer
from service.answers.risk import StressAnswer
from service.report.track import BENCHMARK, OWN, Track

if TYPE_CHECKING:
    import plotly.graph_objects as go

Row = Mapping[str, Any]
NOW, TARGET, LOSS, GAIN, LINE = "#b8c4d6", "#3576c4", "#c8553d", "#3f8f5f", "#dde3ec"
SERIES = (TARGET, LOSS, "#8a8f98", GAIN, "#8a63b8", "#c79a2c")
AREAS = (
    "#3576c4", "#e08a3c", "#3f8f5f", "#c8553d", "#8a63b8", "#c79a2c", "#3d9db3", "#b65d92",
    "#7b8f2f", "#5d6b7c", "#b8c4d6",
)  # fmt: skip
PERCENT, RATIO = ".3~%", ".3~f"  # as many digits as tell two marks of an axis apart
MOST_BARS = 30
MOST_DAYS = 1500


def bars(
    pairs: Mapping[str, tuple[float, float]],
    place: str,
    titles: tuple[str, str] = ("now", "target"),
    form: str = PERCENT,
) -> str:
    """Two bars a name; the thirty largest names."""
    import plotly.graph_objects as go

    kept = sorted(pairs, key=lambda name: (-max(map(abs, pairs[name])), name))[:MOST_BARS][::-1]
    figure = go.Figure()
    for side in (1, 0):  # the last one is drawn on top
        values, colour = [pairs[name][side] for name in kept], (NOW, TARGET)[side]
        figure.add_bar(y=kept, x=values, name=titles[side], orientation="h", marker_color=colour)
    figure.update_layout(barmode="group", legend_traceorder="reversed")
    part = f"the {MOST_BARS} largest of {len(pairs)}" if len(pairs) > MOST_BARS else None
    figure.update_xaxes(tickformat=form, title=part)
    return _html(figure, place, 110 + 22 * len(kept))


def risk_bars(weights: Sequence[Row], place: str) -> str:
    """Share of the target's variance by symbol, beside its weight."""
    pairs = {row["symbol"]: (row["weight"], row["risk_contribution"] or 0.0) for row in weights}
    held = {name: pair for name, pair in pairs.items() if max(map(abs, pair)) > 1e-6}
    return bars(held, place, ("weight", "share of risk"))


def frontier_line(answer: FrontierAnswer, target: tuple[float, float] | None, place: str) -> str:
    """Expected return over volatility: the frontier, what is held, and the target (volatility, return)."""
    import plotly.graph_objects as go

    above = bool(answer.current and target and answer.current.expected_return > target[1])
    now, proposed = ("top", "bottom") if above else ("bottom", "top")  # the words do not meet
    figure = go.Figure()
    figure.add_scatter(
        x=[p.volatility for p in answer.points], y=[p.expected_return for p in answer.points],
        mode="lines+markers", name="frontier", line_color=TARGET, marker_size=5,
    )  # fmt: skip
    if answer.current:
        figure.add_scatter(
            x=[answer.current.volatility], y=[answer.current.expected_return], mode="markers+text", name="held",
            text=["held"], textposition=f"{now} center", marker={"size": 13, "color": NOW, "line": {"width": 1}},
        )  # fmt: skip
    if target:
        figure.add_scatter(
            x=[target[0]], y=[target[1]], mode="markers+text", name="target", text=["target"],
            textposition=f"{proposed} center", marker={"size": 13, "color": LOSS, "symbol": "diamond"},
        )  # fmt: skip
    figure.update_xaxes(title="volatility a year", tickformat=PERCENT)
    figure.update_yaxes(title="expected return a year", tickformat=PERCENT)
    return _html(figure, place, 380)


def value(told: Track, place: str) -> str:
    """The value of 1 invested (log scale) in every strategy, with the five deepest falls of its own shaded."""
    figure = _lines(told.value)
    figure.update_yaxes(type="log", title="value of 1 invested")
    for fall in told.worst[OWN]:
        figure.add_vrect(
            x0=fall.peak.isoformat(), x1=(fall.recovered or told.value.index[-1].date()).isoformat(),
            fillcolor=LOSS, opacity=0.1, line_width=0, layer="below",
        )  # fmt: skip
    return _html(figure, place, 340)


def drawdown(told: Track, place: str) -> str:
    """How far below its peak each strategy was."""
    figure = _lines(told.value / told.value.cummax() - 1)
    figure.update_yaxes(tickformat=PERCENT, title="below the peak")
    return _html(figure, place, 260)


def rolling(told: Track, figure: str, place: str) -> str:
    """A measure over a moving window, by strategy."""
    drawn = _lines(told.rolling[figure])
    words = {"volatility": "volatility a year", "sharpe": "Sharpe ratio"}
    drawn.update_yaxes(
        tickformat=PERCENT if figure == "volatility" else RATIO, title=words.get(figure, figure)
    )
    return _html(drawn, place, 250)


def distribution(told: Track, place: str) -> str:
    """Histogram of the returns: its own as bars, the benchmark's as a line."""
    import plotly.graph_objects as go

    middle = (told.edges[:-1] + told.edges[1:]) / 2
    figure = go.Figure(go.Bar(x=_round(middle), y=_round(told.shares[OWN]), name=OWN, marker_color=TARGET))
    if BENCHMARK in told.shares:
        figure.add_scatter(
            x=_round(middle), y=_round(told.shares[BENCHMARK]), name=BENCHMARK, mode="lines",
            line={"color": LOSS, "shape": "hvh"},
        )  # fmt: skip
    figure.update_layout(bargap=0.05)
    figure.update_xaxes(tickformat=PERCENT, title="return of a period")
    figure.update_yaxes(tickformat=PERCENT, title="share of the periods")
    return _html(figure, place, 300)


def earned(path: Mapping[str, Any], place: str) -> str:
    """What each group of factors had earned by each day, as a fraction of the value at the start."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for number, (group, values) in enumerate(path["groups"].items()):
        if not any(round(value, 5) for value in values):
            continue
        figure.add_scatter(
            x=path["dates"], y=[round(value, 5) for value in values], mode="lines", name=group,
            line={"color": AREAS[number % len(AREAS)], "width": 1.4},
        )  # fmt: skip
    figure.update_yaxes(tickformat=PERCENT, title="earned since the start")
    return _html(figure, place, 300)


def held(told: Track, place: str) -> str:
    """Weights over time: the ten largest names on average, and all others together."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for (name, weights), colour in zip(held_most(told).items(), AREAS, strict=False):
        figure.add_scatter(
            x=[day.isoformat() for day in weights.index], y=_round(weights.to_numpy()), name=str(name), mode="lines",
            line={"width": 0.5, "shape": "hv", "color": colour}, fillcolor=colour, stackgroup="all",
        )  # fmt: skip
    figure.update_yaxes(tickformat=PERCENT, title="of the NAV")
    return _html(figure, place, 380)


def held_most(told: Track, most: int = 10) -> pd.DataFrame:
    """Weights of the names that were held most on average, and "others"."""
    weights = told.weights if told.weights is not None else pd.DataFrame()
    size = weights.abs().mean().sort_values(ascending=False, kind="stable")
    first = weights[list(size.index[:most])]
    rest = weights[list(size.index[most:])].sum(axis=1)
    return first.assign(others=rest) if len(size) > most else first


def _lines(frame: pd.DataFrame) -> "go.Figure":
    """A line a strategy; long histories are thinned, ends kept."""
    import plotly.graph_objects as go

    every = -(-len(frame) // MOST_DAYS)
    kept = pd.concat([frame.iloc[::every], frame.iloc[-1:]]) if every > 1 else frame
    figure = go.Figure()
    for place, name in enumerate(kept.columns):
        # One strategy, one colour.
        colour = SERIES[(place + (BENCHMARK not in kept and place > 0)) % len(SERIES)]
        figure.add_scatter(
            x=[day.date().isoformat() for day in kept.index], y=_round(kept[name].to_numpy()),
            name=str(name).replace("_", " "), mode="lines",
            line={"color": colour, "width": 2.2 if name == OWN else 1.2},
        )  # fmt: skip
    return figure


def _round(values: Array) -> list[float | None]:
    return [None if np.isnan(v) else round(float(v), 6) for v in values]


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
    figure.update_xaxes(tickformat=PERCENT, title="of the portfolio's value")
    return _html(figure, place, 110 + 19 * len(shown))


def _html(figure: "go.Figure", place: str, height: int) -> str:
    figure.update_layout(
        template="plotly_white", height=height, margin={"l": 10, "r": 20, "t": 30, "b": 40},
        font={"family": "system-ui, sans-serif", "size": 12, "color": "#1d2733"},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
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
