"""Moments of periodic returns, and what they are above a rate; arguments as in `performance`."""

from math import sqrt
from typing import Literal

import numpy as np

from optimizer.model.returns import per_period
from optimizer.model.sessions import TRADING_DAYS
from optimizer.numerics.counted import counted
from optimizer.typing import Array

ROUNDING = 1e-15  # what the last bits of a return per period may be off by


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
