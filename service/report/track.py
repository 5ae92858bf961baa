"""What is told of one NAV by day, of a backtest or of the book itself: measures, falls, windows, distribution."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from optimizer import DataError, monthly_table, performance_metrics
from optimizer.errors import how_many
from optimizer.measures.drawdowns import worst_drawdowns
from optimizer.measures.return_series import annual_rates
from optimizer.measures.rolling import rolling_beta, rolling_sharpe, rolling_volatility
from optimizer.model.sessions import periods_per_year
from optimizer.typing import Array
from resources.results.measure_text import GROUPS

Row = dict[str, Any]
OWN, BENCHMARK = "policy", "benchmark"
LEAST_POINTS = 0.05  # that are not told as 0.0
LEVELS = {
    "worst": 0.0, "1%": 0.01, "5%": 0.05, "25%": 0.25, "median": 0.5, "75%": 0.75, "95%": 0.95, "99%": 0.99,
    "best": 1.0,
}  # fmt: skip
HORIZONS = {"day": "D", "week": "W", "month": "M", "year": "Y"}
LEAST_QUANTILES = 5
LEAST = 20  # returns, below which a measure a year says nothing
BINS = 40
OF_CASH = frozenset(GROUPS["Return for its risk"]) - {"calmar"} | {"alpha"}


@dataclass(frozen=True)
class Fall:
    """A stay below a peak; `recovered` is None while it lasts, `days` are periods from the peak."""

    depth: float
    peak: date
    trough: date
    recovered: date | None
    days: int


@dataclass(frozen=True, eq=False)
class Track:
    """A history, its own strategy first; fractions.

    returns   (T, m) by date and strategy;  value: (T + 1, m) of 1 invested
    measures  group -> metric -> strategy -> value;  worst: strategy -> the five deepest falls
    months    strategy -> years x months, and "year";  rolling: figure -> dates x strategies;  window: in periods
    trailing  time up to the last day -> strategy -> return, a year where the time is longer than one
    quantiles horizon -> strategy -> level -> return;  edges, shares: histogram of the periods' returns
    weights   closes with trades x symbols;  None where they are not on record
    left_out  part -> why it is not there
    """

    returns: pd.DataFrame
    value: pd.DataFrame
    measures: Mapping[str, Mapping[str, Mapping[str, float]]]
    worst: Mapping[str, Sequence[Fall]]
    months: Mapping[str, pd.DataFrame]
    rolling: Mapping[str, pd.DataFrame]
    window: int
    trailing: Mapping[str, Mapping[str, float]]
    quantiles: Mapping[str, Mapping[str, Mapping[str, float]]]
    edges: Array
    shares: Mapping[str, Array]
    weights: pd.DataFrame | None
    left_out: Mapping[str, str]

    @property
    def strategies(self) -> list[str]:
        """Own first, then the benchmark, then the others."""
        return list(self.returns.columns)


def track(
    returns: Mapping[str, pd.Series],
    rate: float | pd.Series | str,
    start: pd.Timestamp,
    *,
    stored: Mapping[str, Mapping[str, float]] | None = None,
    weights: pd.DataFrame | str = "",
) -> Track:
    """What can be told of daily returns by strategy, each on the days of "policy", and why the rest can not.

    start    the close before the first return
    rate     risk-free, annual: a number, a series by date, or why there is none
    stored   strategy -> metric -> value that are on record: they go before what is computed here
    weights  dates x symbols, or why there are none
    Raises DataError for fewer than two returns.
    """
    own = returns[OWN]
    if len(own) < 2:
        raise DataError(f"{how_many(len(own), 'return')} on record; two are needed")
    left_out = {} if isinstance(weights, pd.DataFrame) else {"weights over time": weights}
    frame = _on_own_days(returns, left_out)
    known = _rates(frame, rate, start, left_out)
    periods = periods_per_year(pd.DatetimeIndex(frame.index))
    window = max(round(periods / 2), 2)
    edges = _bins(frame.to_numpy())
    grown = (1 + frame).cumprod()
    return Track(
        returns=frame,
        value=pd.concat([pd.DataFrame(1.0, [start], frame.columns), grown]),
        measures=_measures(frame, known, periods, stored or {}, left_out),
        worst={name: _falls(frame[name], start) for name in frame.columns},
        months={name: monthly_table(frame[name]) for name in frame.columns},
        rolling=_rolling(frame, known, window, periods, left_out),
        window=window,
        trailing=_trailing(grown, start),
        quantiles=_quantiles(frame),
        edges=edges,
        shares={name: _histogram(frame[name].to_numpy(), edges) for name in frame.columns},
        weights=weights if isinstance(weights, pd.DataFrame) else None,
        left_out=left_out,
    )


def _on_own_days(returns: Mapping[str, pd.Series], left_out: dict[str, str]) -> pd.DataFrame:
    """Days of "policy" x strategies, own first; one that lacks a day is left out, with the reason."""
    columns = {}
    for name in sorted(returns, key=lambda name: (name != OWN, name != BENCHMARK, name)):
        told = returns[name].reindex(returns[OWN].index)
        if told.isna().any():
            left_out[name] = f"it has no return on {told.index[told.isna()][0]:%Y-%m-%d}"
        else:
            columns[name] = told
    if BENCHMARK not in columns:
        left_out.setdefault(BENCHMARK, "no benchmark is on record")
    return pd.DataFrame(columns)


def _bins(returns: Array) -> Array:
    """Edges between which nearly all returns lie."""
    low, high = np.quantile(returns, [0.002, 0.998]).tolist()
    room = 0.0 if high > low else 0.001  # of returns that are all the same
    return np.linspace(low - room, high + room, BINS + 1)


def _rates(
    frame: pd.DataFrame, rate: float | pd.Series | str, start: pd.Timestamp, left_out: dict[str, str]
) -> Array | None:
    """(T,) the annual rate known at the close before each return."""
    try:
        if isinstance(rate, str):
            raise DataError(rate)
        return annual_rates(pd.DatetimeIndex([start, *frame.index[:-1]]), rate)
    except DataError as error:
        left_out["Sharpe and the ratios above cash"] = str(error)
        return None


def _measures(
    frame: pd.DataFrame,
    known: Array | None,
    periods: float,
    stored: Mapping[str, Mapping[str, float]],
    left_out: dict[str, str],
) -> dict[str, dict[str, dict[str, float]]]:
    if len(frame) < LEAST:
        left_out["measures"] = f"{how_many(len(frame), 'return')} on record; figures a year need {LEAST}"
        return {}
    benchmark = frame.get(BENCHMARK)
    rates = np.zeros(len(frame)) if known is None else known
    found: dict[str, Mapping[str, float]] = {}
    for name in map(str, frame.columns):
        against = None if name == BENCHMARK else benchmark
        computed = performance_metrics(frame[name], against, risk_free_rate=rates, periods=periods)
        found[name] = {**computed, **stored.get(name, {})}
    dropped = (OF_CASH if known is None else frozenset()) | (
        {"benchmark_return"} if BENCHMARK in found else set()
    )
    grouped = {
        group: {
            metric: {name: told[metric] for name, told in found.items() if metric in told}
            for metric in metrics
            if metric not in dropped and any(metric in told for told in found.values())
        }
        for group, metrics in GROUPS.items()
    }
    return {group: metrics for group, metrics in grouped.items() if metrics}


def _falls(returns: pd.Series, start: pd.Timestamp) -> list[Fall]:
    days = [day.date() for day in (start, *returns.index)]
    return [
        Fall(
            found.depth, days[found.peak], days[found.trough],
            None if found.recovered is None else days[found.recovered], found.duration,
        )
        for found in worst_drawdowns(returns.to_numpy(), 5)
    ]  # fmt: skip


def _rolling(
    frame: pd.DataFrame, known: Array | None, window: int, periods: float, left_out: dict[str, str]
) -> dict[str, pd.DataFrame]:
    if len(frame) < window + 2:
        left_out["rolling figures"] = f"a window has {window} returns; {len(frame)} are on record"
        return {}
    each = {str(name): frame[name].to_numpy() for name in frame.columns}
    told = {"volatility": {name: rolling_volatility(r, window, periods) for name, r in each.items()}}
    if known is not None:
        told["sharpe"] = {name: rolling_sharpe(r, known, window, periods) for name, r in each.items()}
    if BENCHMARK in each:
        market = each[BENCHMARK]
        told["beta"] = {
            name: rolling_beta(r, market, window) for name, r in each.items() if name != BENCHMARK
        }
    return {
        figure: pd.DataFrame(rows, frame.index).iloc[window - 1 :]
        for figure, rows in told.items()
    }  # fmt: skip


def _trailing(grown: pd.DataFrame, start: pd.Timestamp) -> dict[str, dict[str, float]]:
    """From the last close on or before the day so long ago; a time that began before the history has no row."""
    last, whole = grown.index[-1], pd.concat([pd.DataFrame(1.0, [start], grown.columns), grown])
    begins = {
        "month to date": last.replace(day=1) - pd.Timedelta(days=1),
        "3 months": last - pd.DateOffset(months=3),
        "6 months": last - pd.DateOffset(months=6),
        "year to date": last.replace(month=1, day=1) - pd.Timedelta(days=1),
        **{f"{n} year{'s, a year' if n > 1 else ''}": last - pd.DateOffset(years=n) for n in (1, 3, 5, 10)},
        "since the start" + (", a year" if (last - start).days > 366 else ""): start,
    }
    told = {}
    for name, begin in begins.items():
        if begin >= start:
            grew = whole.iloc[-1] / whole.loc[:begin].iloc[-1]
            years = (last - begin).days / 365.25
            power = 1 / years if "a year" in name and years > 1 else 1.0
            told[name] = {str(strategy): float(times**power - 1) for strategy, times in grew.items()}
    return told


def _quantiles(frame: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """Of the returns of each horizon that has five; a first or last one that is not whole counts too."""
    told = {}
    for horizon, period in HORIZONS.items():
        returns = (1 + frame).groupby(pd.DatetimeIndex(frame.index).to_period(period)).prod() - 1
        if len(returns) >= LEAST_QUANTILES:
            told[horizon] = {
                str(name): {level: float(returns[name].quantile(q)) for level, q in LEVELS.items()}
                for name in returns
            }
    return told


def _histogram(returns: Array, edges: Array) -> Array:
    """(bins,) shares of the periods; what lies outside is in the outermost."""
    counts = np.histogram(np.clip(returns, edges[0], edges[-1]), edges)[0]
    return np.asarray(counts / len(returns))


def in_words(track: Track) -> list[str]:
    """What a reader takes away, in sentences."""
    if not track.measures:
        return []
    found = {metric: values for group in track.measures.values() for metric, values in group.items()}
    own = {metric: values[OWN] for metric, values in found.items() if OWN in values}
    first, last = track.returns.index[0], track.returns.index[-1]
    ahead = ""
    if BENCHMARK in found["annual_return"]:
        points = 100 * (own["annual_return"] - found["annual_return"][BENCHMARK])
        apart = f"{abs(points):.1f} points a year {'more' if points >= 0 else 'less'} than"
        ahead = f", {apart if abs(points) >= LEAST_POINTS else 'as much as'} its benchmark"
    said = [
        f"From {first:%Y-%m-%d} to {last:%Y-%m-%d} it earned {100 * own['annual_return']:.1f}% a year{ahead}, at a "
        f"volatility of {100 * own['volatility']:.1f}%."
    ]
    if track.worst[OWN]:
        fall = track.worst[OWN][0]
        good = f"made good by {fall.recovered}" if fall.recovered else "not made good yet"
        said.append(
            f"Its deepest fall was {-100 * fall.depth:.1f}%, from {fall.peak} to {fall.trough}, {good}."
        )
    said.append(
        f"One day in twenty lost more than {100 * own['value_at_risk_95']:.1f}%; on those days it lost "
        f"{100 * own['expected_shortfall_95']:.1f}% on average."
    )
    if "probabilistic_sharpe" in own:
        said.append(
            f"Its Sharpe ratio is {own['sharpe']:.2f}, between {own['sharpe_low']:.2f} and {own['sharpe_high']:.2f} at "
            f"95%: the true one is above 0 with a chance of {100 * own['probabilistic_sharpe']:.1f}%."
        )
    return said
