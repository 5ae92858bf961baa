"""Was the value at risk what it said? Counts, independence and size of its exceptions, tested."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.arguments import typed
from optimizer.errors import DataError, PolicyError
from optimizer.measures.performance import expected_shortfall
from optimizer.numerics.counted import in_time, labelled
from optimizer.risk.filtered_simulation import ABSURD, EWMA_DECAY, LEAST_DAYS, STILL
from optimizer.typing import Array

Mask = NDArray[np.bool_]
SIMULATIONS = 2000


@dataclass(frozen=True)
class TailTest:
    """One test: its statistic, and how probable one as large is when the forecasts are right."""

    name: str
    statistic: float
    p_value: float


@dataclass(frozen=True)
class TailBacktest:
    """Forecasts of a book's tail against what happened.

    days, exceptions  how many, and on how many the loss was beyond the value at risk;  expected (1 - level) x days
    tests  kupiec, christoffersen, conditional_coverage, acerbi_szekely

    >>> backtest_tail(moves @ market, np.random.default_rng(1), level=0.95, window=200).failed()
    ()
    """

    level: float
    days: int
    exceptions: int
    expected: float
    tests: tuple[TailTest, ...]

    def failed(self, significance: float = 0.01) -> tuple[str, ...]:
        """The tests that right forecasts would fail with less than that probability."""
        return tuple(test.name for test in self.tests if test.p_value < significance)


def kupiec(exceptions: Mask, level: float) -> TailTest:
    """Whether exceptions are as many as the level says: likelihood ratio, chi-squared with 1 degree (Kupiec 1995)."""
    hits, days, p = int(exceptions.sum()), len(exceptions), 1.0 - level
    ratio = 2 * (
        _log(hits / days, hits)
        + _log(1 - hits / days, days - hits)
        - _log(p, hits)
        - _log(1 - p, days - hits)
    )
    return TailTest("kupiec", ratio, _chi_squared(ratio, 1))


def christoffersen(exceptions: Mask) -> TailTest:
    """Whether an exception makes one the day after more likely: chi-squared with 1 degree (Christoffersen 1998)."""
    before, after = exceptions[:-1], exceptions[1:]
    n00, n01 = int((~before & ~after).sum()), int((~before & after).sum())
    n10, n11 = int((before & ~after).sum()), int((before & after).sum())
    apart = sum(
        _log(hits / max(hits + calm, 1), hits) + _log(calm / max(hits + calm, 1), calm)
        for hits, calm in ((n01, n00), (n11, n10))
    )
    hits, days = n01 + n11, len(after)
    ratio = 2 * (apart - _log(hits / days, hits) - _log(1 - hits / days, days - hits))
    return TailTest("christoffersen", ratio, _chi_squared(ratio, 1))


def conditional_coverage(exceptions: Mask, level: float) -> TailTest:
    """Both at once: the sum of the two ratios, chi-squared with 2 degrees (Christoffersen 1998)."""
    ratio = kupiec(exceptions, level).statistic + christoffersen(exceptions).statistic
    return TailTest("conditional_coverage", ratio, _chi_squared(ratio, 2))


def acerbi_szekely(
    returns: Array, shortfalls: Array, exceptions: Mask, level: float, simulated: Array
) -> TailTest:
    """Whether losses beyond the value at risk are as large and as many as expected: their second test (2014).

    statistic  Z = sum of return x exception / (T (1 - level) shortfall) + 1: 0 when right, less when losses are worse
    returns, shortfalls, exceptions  (T,), shortfalls positive;  simulated (M,) the statistic under the forecasts
    """
    z = _z(returns, shortfalls, exceptions, level)
    return TailTest("acerbi_szekely", z, float((1 + (simulated <= z).sum()) / (1 + len(simulated))))


@typed
def backtest_tail(
    returns: Array,
    rng: np.random.Generator,
    *,
    level: float = 0.99,
    window: int = 250,
    decay: float = EWMA_DECAY,
) -> TailBacktest:
    """Filtered historical simulation of a book's returns (T,), each day from the `window` days before it alone.

    rng  draws the days under which Acerbi and Szekely's statistic is compared.
    Raises DataError for returns that are fewer than window + 60, or no numbers, and where a window has no loss to
    expect; PolicyError for a level or decay outside (0, 1), or a window below 2.

    >>> backtest_tail(moves @ market, np.random.default_rng(1), level=0.95, window=200).days
    100
    """
    _check_level(level)
    if window < 2 or not 0.0 < decay < 1.0:
        raise PolicyError(f"window is {window}, decay {decay}; 2 or more, and between 0 and 1, are needed")
    returns = in_time("returns", returns)
    if returns.ndim != 1 or len(returns) < window + LEAST_DAYS or not (np.abs(returns) < ABSURD).all():
        raise DataError(
            f"returns have shape {returns.shape}; {window + LEAST_DAYS} returns or more, without gaps, are needed"
        )
    unit, scale = _standardised(returns, window, decay)
    days = len(returns) - window
    shapes = np.lib.stride_tricks.sliding_window_view(unit, window)[:days]
    place = max(int(np.ceil((1 - level) * window * (1 - 1e-12))) - 1, 0)
    ranked = np.sort(shapes, axis=1)
    at_risk = -ranked[:, place] * scale[window:]
    shortfalls = np.array([expected_shortfall(row, level) for row in shapes]) * scale[window:]
    if not (shortfalls > STILL).all():
        raise DataError("the worst days of a window are no losses; a level nearer to 1 has some")
    actual = returns[window:]
    hits = actual < -at_risk
    drawn = (
        np.take_along_axis(ranked, rng.integers(0, window, (days, SIMULATIONS)), axis=1)
        * scale[window:, None]
    )
    beyond = drawn < -at_risk[:, None]
    null = 1 + (drawn * beyond / shortfalls[:, None]).sum(axis=0) / (days * (1 - level))
    return _tested(actual, shortfalls, hits, level, null)


@typed
def backtest_forecasts(
    returns: Array, values_at_risk: Array, shortfalls: Array, level: float, rng: np.random.Generator
) -> TailBacktest:
    """What was said of a book's tail before each of T periods, against what it then returned; all (T,), fractions.

    values_at_risk, shortfalls  of each period as said before it, positive for a loss
    rng  draws the periods under which Acerbi and Szekely's statistic is compared: losses beyond the value at risk are
         exponential there, with the mean that the shortfall says
    Raises DataError for fewer than 2 periods, for no numbers, and for a shortfall that is no loss or below the value
    at risk; PolicyError for a level outside (0, 1).

    >>> forecast = np.full(300, 0.011)
    >>> backtest_forecasts(moves @ market, forecast, 1.3 * forecast, 0.95, np.random.default_rng(1)).days
    300
    """
    _check_level(level)
    given = labelled([("returns", returns), ("values_at_risk", values_at_risk), ("shortfalls", shortfalls)])
    returns, values_at_risk, shortfalls = told = tuple(in_time(name, value) for name, value in given)
    if returns.ndim != 1 or len(returns) < 2 or any(
        one.shape != returns.shape or not (np.abs(one) < ABSURD).all() for one in told
    ):  # fmt: skip
        raise DataError(
            f"shapes are {[one.shape for one in told]}; 2 numbers or more, as many of each, are needed"
        )
    if not (shortfalls > STILL).all() or (shortfalls < values_at_risk * (1 - 1e-12)).any():
        raise DataError(
            "a shortfall is no loss, or less than its value at risk; leave periods without risk out"
        )
    hits = returns < -values_at_risk
    shape = (SIMULATIONS, len(returns))
    beyond = values_at_risk + np.maximum(shortfalls - values_at_risk, 0.0) * rng.exponential(size=shape)
    struck = rng.random(shape) < 1 - level
    null = 1 - (struck * beyond / shortfalls).sum(axis=1) / (len(returns) * (1 - level))
    return _tested(returns, shortfalls, hits, level, null)


def _check_level(level: float) -> None:
    if not 0.0 < 1.0 - level < 1.0:
        raise PolicyError(f"level is {level}; it must lie between 0 and 1: 0.99 for the worst 1%")


def _tested(returns: Array, shortfalls: Array, hits: Mask, level: float, null: Array) -> TailBacktest:
    tests = (
        kupiec(hits, level), christoffersen(hits), conditional_coverage(hits, level),
        acerbi_szekely(returns, shortfalls, hits, level, null),
    )  # fmt: skip
    return TailBacktest(level, len(hits), int(hits.sum()), (1 - level) * len(hits), tests)


def _standardised(returns: Array, window: int, decay: float) -> tuple[Array, Array]:
    """(T,) returns over the volatility forecast for their day, and that volatility, from earlier days alone."""
    h = float(returns[:window] @ returns[:window]) / window
    variances = np.empty(len(returns))
    for t, r in enumerate(returns):
        variances[t] = h
        h = decay * h + (1 - decay) * r * r
    if not (variances > STILL**2).all():
        raise DataError("the returns do not move, so that they have no volatility; leave the book out")
    scale = np.sqrt(variances)
    return returns / scale, scale


def _z(returns: Array, shortfalls: Array, exceptions: Mask, level: float) -> float:
    return float(1 + (returns * exceptions / shortfalls).sum() / (len(returns) * (1 - level)))


def _log(probability: float, count: int) -> float:
    """count x ln probability, 0 for nothing."""
    return count * float(np.log(probability)) if count else 0.0


def _chi_squared(statistic: float, degrees: int) -> float:
    from scipy.stats import chi2

    return float(chi2.sf(max(statistic, 0.0), degrees))
