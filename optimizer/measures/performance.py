"""Measures of realised performance from periodic simple returns; sources: Bacon 2008 unless another is named.

Every `returns` is (T,) simple returns per period, `periods` those of a year (252 daily, 52 weekly, 12 monthly), and
`risk_free_rate` an annual rate, one for all or (T,) that of each period, charged as (1 + rf)^(1 / periods) - 1.
Each raises DataError for too few returns, one that is no finite number, and arrays of different lengths.
"""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Literal

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import DataError
from optimizer.measures import tails
from optimizer.measures.drawdowns import Drawdown as Drawdown
from optimizer.measures.drawdowns import drawdowns as drawdowns
from optimizer.measures.drawdowns import longest_drawdown as longest_drawdown
from optimizer.measures.drawdowns import max_drawdown as max_drawdown
from optimizer.measures.drawdowns import ulcer_index as ulcer_index
from optimizer.measures.drawdowns import worst_drawdowns as worst_drawdowns
from optimizer.measures.flows import money_weighted_return as money_weighted_return
from optimizer.measures.flows import time_weighted_return as time_weighted_return
from optimizer.model.returns import per_period
from optimizer.model.sessions import TRADING_DAYS
from optimizer.numerics.counted import counted, floats
from optimizer.typing import Array

EULER = 0.5772156649015329
NORMAL = NormalDist()
ROUNDING = 1e-15  # what the last bits of a return per period may be off by


@typed
def checked(returns: Array, least: int = 2) -> Array:
    """The returns as floats; DataError when there are too few or one is not a number >= -1.

    >>> checked([0.01, -0.02]).tolist()
    [0.01, -0.02]
    """
    values = floats("returns", returns)
    if values.ndim != 1 or len(values) < least:
        raise DataError(f"{values.shape} returns; at least {least} in one row are needed")
    if not np.isfinite(values).all() or (values < -1).any():
        raise DataError("a return is not a number or below -100%; fill or drop that day")
    return values


@counted(1, lowest=-1.0)
def total_return(returns: Array) -> float:
    """Compounded return of the whole period.

    >>> round(total_return([0.1, -0.1]), 4)
    -0.01
    """
    return float(np.prod(1 + returns) - 1)


@counted(1, lowest=-1.0)
def annual_return(returns: Array, periods: float = TRADING_DAYS) -> float:
    """Compound growth per year (CAGR).

    >>> round(annual_return([0.01] * 12, 12), 4)
    0.1268
    """
    growth = np.prod(1 + returns)
    return float(growth ** (periods / len(returns)) - 1)


@counted(2)
def volatility(returns: Array, periods: float = TRADING_DAYS) -> float:
    """Sample standard deviation per year.

    >>> round(volatility([0.01, -0.01, 0.02], 12), 4)
    0.0529
    """
    return float(np.std(returns, ddof=1) * sqrt(periods))


@counted(1)
def skewness(returns: Array) -> float:
    """Third standardised moment of the sample, population form; NaN without variation.

    >>> round(skewness([0.0, 0.0, 0.03]), 4)
    0.7071
    """
    return _moment(returns, 3)


@counted(1)
def kurtosis(returns: Array) -> float:
    """Fourth standardised moment of the sample, population form, 3 for a normal; NaN without variation.

    >>> round(kurtosis([0.0, 0.0, 0.03]), 4)
    1.5
    """
    return _moment(returns, 4)


def _moment(returns: Array, order: Literal[3, 4]) -> float:
    away = returns - returns.mean()
    spread = away.std()
    square = away * away  # a power of a float array takes forty times as long as a product
    power = square * away if order == 3 else square * square
    return float(power.mean() / spread**order) if spread > ROUNDING else float("nan")


@counted(1)
def excess_returns(returns: Array, risk_free_rate: float | Array, periods: float = TRADING_DAYS) -> Array:
    """(T,) the returns less the rate of their own period.

    >>> excess_returns([0.01, 0.02], 0.0).tolist()
    [0.01, 0.02]
    """
    return np.asarray(returns - per_period(risk_free_rate, periods))


@counted(2)
def sharpe(returns: Array, risk_free_rate: float | Array = 0.0, periods: float = TRADING_DAYS) -> float:
    """Mean excess return / its standard deviation, per year (Sharpe 1994); NaN without variation.

    >>> round(sharpe([0.01, -0.01, 0.02], 0.0, 12), 4)
    1.5119
    """
    excess = excess_returns(returns, risk_free_rate, periods)
    spread = np.std(excess, ddof=1)
    return float(excess.mean() / spread * sqrt(periods)) if spread > ROUNDING else float("nan")


@dataclass(frozen=True)
class SharpeTest:
    """A Sharpe ratio per year with its uncertainty.

    All are NaN where the returns do not vary.
    low, high      confidence interval under non-normal returns (Mertens 2002)
    probabilistic  probability that the true ratio is above the benchmark's (Bailey & Lopez de Prado 2012)
    deflated       the same against the best expected of `trials` strategies without skill (2014)
    """

    ratio: float
    low: float
    high: float
    probabilistic: float
    deflated: float


@counted(2)
def sharpe_test(
    returns: Array,
    risk_free_rate: float | Array = 0.0,
    periods: float = TRADING_DAYS,
    *,
    level: float = 0.95,
    against: float = 0.0,
    trials: int = 1,
    trial_variance: float | None = None,
) -> SharpeTest:
    """Sharpe ratio with confidence interval, probabilistic and deflated forms.

    against         the annual Sharpe ratio to beat
    trials          strategies tried before this one was chosen
    trial_variance  variance of their annual Sharpe ratios; default the estimate's own variance

    >>> round(sharpe_test([0.01, -0.01, 0.02, 0.0]).probabilistic, 4)
    0.7463
    """
    excess = excess_returns(returns, risk_free_rate, periods)
    ratio = sharpe(excess, 0.0, periods)
    one = ratio / sqrt(periods)
    shape = 1 - skewness(excess) * one + (kurtosis(excess) - 1) / 4 * one**2
    error = sqrt(shape / (len(returns) - 1))
    half = NORMAL.inv_cdf(0.5 + level / 2) * error * sqrt(periods)
    spread = error if trial_variance is None else sqrt(trial_variance / periods)
    best = spread * _expected_maximum(trials)
    return SharpeTest(
        ratio=ratio,
        low=ratio - half,
        high=ratio + half,
        probabilistic=NORMAL.cdf((one - against / sqrt(periods)) / error),
        deflated=NORMAL.cdf((one - best) / error),
    )


@counted()
def deflated_sharpe(ratio: float, error: float, trials: int, trial_variance: float) -> float:
    """Probability that a Sharpe ratio beats the best of trials without skill (Bailey & Lopez de Prado 2014).

    ratio, error    of the strategy, per year, and its standard error;  trials  distinct strategies tried
    trial_variance  variance across their Sharpe ratios, per year
    Raises DataError for numbers that are none, an error of 0 and fewer than one trial.

    >>> round(deflated_sharpe(2.5, 0.46, 100, 0.5), 4)
    0.9388
    """
    return NORMAL.cdf((ratio - sqrt(trial_variance) * _expected_maximum(trials)) / error)


def _expected_maximum(trials: int) -> float:
    """Expected largest of that many standard normals (Bailey & Lopez de Prado 2014, eq. 1)."""
    if trials < 1:
        raise DataError(f"trials is {trials}; count the strategies that were tried, at least 1")
    if trials == 1:
        return 0.0
    return (1 - EULER) * NORMAL.inv_cdf(1 - 1 / trials) + EULER * NORMAL.inv_cdf(1 - 1 / (trials * np.e))


@counted(1)
def downside_deviation(returns: Array, target: float | Array = 0.0) -> float:
    """Root mean square of what falls short of the target per period, over all periods.

    >>> round(downside_deviation([0.01, -0.02]), 4)
    0.0141
    """
    return float(np.sqrt(np.mean(np.minimum(returns - target, 0) ** 2)))


@counted(1)
def sortino(returns: Array, risk_free_rate: float | Array = 0.0, periods: float = TRADING_DAYS) -> float:
    """Mean excess return / downside deviation, per year; NaN when nothing fell short.

    >>> round(sortino([0.01, -0.02, 0.03], 0.0, 12), 4)
    2.0
    """
    excess = excess_returns(returns, risk_free_rate, periods)
    below = downside_deviation(excess)
    return float(excess.mean() / below * sqrt(periods)) if below > ROUNDING else float("nan")


@counted(1)
def omega(returns: Array, target: float | Array = 0.0) -> float:
    """Sum of the gains over the target per period / sum of the shortfalls, NaN without (Keating & Shadwick 2002).

    >>> round(omega([0.01, -0.02, 0.03]), 4)
    2.0
    """
    short = np.maximum(target - returns, 0).sum()
    return (
        float(np.maximum(returns - target, 0).sum() / short)
        if short > ROUNDING * len(returns)
        else float("nan")
    )


@counted(1)
def value_at_risk(returns: Array, level: float = 0.95) -> float:
    """The historical quantile of the losses at that level, between two of them in proportion; positive is a loss.

    At most (1 - level) T of T periods, rounded up, lose more: the worst alone of few. Hyndman & Fan 1996, type 7, as
    numpy and pandas have it.

    >>> round(value_at_risk([-0.05, -0.01, 0.0, 0.01], 0.75), 4)
    0.02
    """
    return float(-np.quantile(returns, 1 - level))


@counted(1)
def expected_shortfall(returns: Array, level: float = 0.95) -> float:
    """Mean loss of the worst (1 - level) of the periods, the boundary one by its share; positive is a loss.

    Rockafellar & Uryasev 2002; what the optimizer minimises over scenarios.

    >>> round(expected_shortfall([-0.05, -0.01, 0.0, 0.01], 0.75), 4)
    0.05
    """
    return tails.mean_of_worst(np.sort(returns), level)


@counted(2)
def normal_value_at_risk(returns: Array, level: float = 0.95) -> float:
    """One-period loss of a normal distribution with the sample's mean and deviation; positive is a loss.

    >>> round(normal_value_at_risk([-0.01, 0.01]), 4)
    0.0233
    """
    return float(-(returns.mean() + NORMAL.inv_cdf(1 - level) * np.std(returns, ddof=1)))


@counted(1, lowest=-1.0, path=True)
def calmar(returns: Array, periods: float = TRADING_DAYS) -> float:
    """Compound annual return / depth of the deepest drawdown; NaN without one.

    >>> round(calmar([0.1, -0.1, 0.2], 3), 4)
    1.88
    """
    depth = max_drawdown(returns).depth
    return annual_return(returns, periods) / -depth if depth < 0 else float("nan")


@counted(1)
def beta(returns: Array, benchmark: Array) -> float:
    """Regression slope on the benchmark; NaN when it does not move.

    >>> round(beta([0.02, -0.02], [0.01, -0.01]), 4)
    2.0
    """
    away = benchmark - benchmark.mean()
    if away.std() <= ROUNDING:
        return float("nan")
    return float(away @ (returns - returns.mean()) / (away @ away))


@counted(1)
def alpha(
    returns: Array, benchmark: Array, risk_free_rate: float | Array = 0.0, periods: float = TRADING_DAYS
) -> float:
    """Jensen's alpha per year: mean excess return less beta x the benchmark's, x periods; NaN where beta is.

    >>> round(alpha([0.02, -0.02], [0.01, -0.01]), 4)
    0.0
    """
    own, theirs = (excess_returns(r, risk_free_rate, periods) for r in (returns, benchmark))
    return float((own.mean() - beta(own, theirs) * theirs.mean()) * periods)


@counted(2)
def tracking_error(returns: Array, benchmark: Array, periods: float = TRADING_DAYS) -> float:
    """Sample standard deviation of the active return, per year.

    >>> round(tracking_error([0.02, -0.02], [0.01, -0.01], 12), 4)
    0.049
    """
    return volatility(returns - benchmark, periods)


@counted(2)
def information_ratio(returns: Array, benchmark: Array, periods: float = TRADING_DAYS) -> float:
    """Mean active return per year / tracking error; NaN when there is none.

    >>> round(information_ratio([0.02, 0.01], [0.01, 0.01], 12), 4)
    2.4495
    """
    return sharpe(returns - benchmark, 0.0, periods)


@counted(1)
def capture(returns: Array, benchmark: Array, *, up: bool) -> float:
    """Mean return in the periods in which the benchmark rose (fell) / the benchmark's own; NaN without one.

    >>> round(capture([0.02, -0.02], [0.01, -0.01], up=True), 4)
    2.0
    """
    chosen = benchmark > ROUNDING if up else benchmark < -ROUNDING
    if not chosen.any():
        return float("nan")
    return float(returns[chosen].mean() / benchmark[chosen].mean())


@counted(1)
def hit_rate(returns: Array, benchmark: Array | None = None) -> float:
    """Share of the periods with a return above the benchmark's, or above 0, by more than its last bits.

    >>> hit_rate([0.02, -0.02])
    0.5
    """
    return float(np.mean(returns - (0.0 if benchmark is None else benchmark) > ROUNDING))
