"""Measures of realised performance from periodic simple returns; sources: Bacon 2008 unless another is named.

Every `returns` is (T,) simple returns per period, `periods` those of a year (252 daily, 52 weekly, 12 monthly), and
`risk_free_rate` an annual rate, one for all or (T,) that of each period, charged as (1 + rf)^(1 / periods) - 1.
Each raises DataError for too few returns, one that is no finite number, and arrays of different lengths.
"""

from math import sqrt

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import DataError
from optimizer.measures import tails
from optimizer.measures.against_benchmark import alpha as alpha
from optimizer.measures.against_benchmark import beta as beta
from optimizer.measures.against_benchmark import capture as capture
from optimizer.measures.against_benchmark import hit_rate as hit_rate
from optimizer.measures.against_benchmark import information_ratio as information_ratio
from optimizer.measures.against_benchmark import tracking_error as tracking_error
from optimizer.measures.drawdowns import Drawdown as Drawdown
from optimizer.measures.drawdowns import drawdowns as drawdowns
from optimizer.measures.drawdowns import longest_drawdown as longest_drawdown
from optimizer.measures.drawdowns import max_drawdown as max_drawdown
from optimizer.measures.drawdowns import ulcer_index as ulcer_index
from optimizer.measures.drawdowns import worst_drawdowns as worst_drawdowns
from optimizer.measures.flows import money_weighted_return as money_weighted_return
from optimizer.measures.flows import time_weighted_return as time_weighted_return
from optimizer.measures.moments import ROUNDING as ROUNDING
from optimizer.measures.moments import excess_returns as excess_returns
from optimizer.measures.moments import kurtosis as kurtosis
from optimizer.measures.moments import skewness as skewness
from optimizer.measures.moments import volatility as volatility
from optimizer.measures.sharpe_ratios import NORMAL as NORMAL
from optimizer.measures.sharpe_ratios import SharpeTest as SharpeTest
from optimizer.measures.sharpe_ratios import deflated_sharpe as deflated_sharpe
from optimizer.measures.sharpe_ratios import sharpe as sharpe
from optimizer.measures.sharpe_ratios import sharpe_test as sharpe_test
from optimizer.model.returns import per_period as per_period
from optimizer.model.sessions import TRADING_DAYS
from optimizer.numerics.counted import counted, floats
from optimizer.typing import Array


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
