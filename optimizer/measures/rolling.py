"""Measures over a moving window of realised returns; NaN until the window is full."""

from collections.abc import Callable
from math import sqrt

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from optimizer.errors import DataError
from optimizer.measures.moments import ROUNDING, excess_returns
from optimizer.model.sessions import TRADING_DAYS
from optimizer.numerics.counted import counted
from optimizer.typing import Array


@counted(1, path=True)
def rolling_volatility(returns: Array, window: int = 126, periods: float = TRADING_DAYS) -> Array:
    """(T,) sample standard deviation of the last `window` (T,) returns, per year.

    Raises DataError for a window below 2.

    >>> rolling_volatility([0.01, -0.01, 0.02], 2, 12).round(4).tolist()
    [nan, 0.049, 0.0735]
    """
    return _filled(returns, window, lambda found: np.std(found[0], axis=1, ddof=1) * sqrt(periods))


@counted(1, path=True)
def rolling_sharpe(
    returns: Array, risk_free_rate: float | Array = 0.0, window: int = 126, periods: float = TRADING_DAYS
) -> Array:
    """(T,) Sharpe ratio per year of the last `window` (T,) returns; NaN also where they do not vary.

    risk_free_rate  annual, one for all periods or (T,);  raises DataError for a window below 2

    >>> rolling_sharpe([0.01, -0.01, 0.02], 0.0, 3, 12).round(4).tolist()
    [nan, nan, 1.5119]
    """

    def ratio(found: list[Array]) -> Array:
        spread = np.std(found[0], axis=1, ddof=1)
        moving = spread > ROUNDING
        return np.where(moving, found[0].mean(axis=1) / np.where(moving, spread, 1.0) * sqrt(periods), np.nan)

    return _filled(excess_returns(returns, risk_free_rate, periods), window, ratio)


@counted(1, path=True)
def rolling_beta(returns: Array, benchmark: Array, window: int = 126) -> Array:
    """(T,) regression slope of the last `window` (T,) returns on the benchmark's; NaN also where that stands still.

    Raises DataError for a window below 2.

    >>> rolling_beta([0.02, -0.02, 0.01], [0.01, -0.01, 0.01], 2).round(4).tolist()
    [nan, 2.0, 1.5]
    """

    def slope(found: list[Array]) -> Array:
        own, away = found[0], found[1] - found[1].mean(axis=1, keepdims=True)
        square = (away * away).sum(axis=1)
        moving = np.sqrt(square / window) > ROUNDING
        return np.where(moving, (away * own).sum(axis=1) / np.where(moving, square, 1.0), np.nan)

    return _filled(returns, window, slope, benchmark)


def _filled(returns: Array, window: int, measure: Callable[[list[Array]], Array], *others: Array) -> Array:
    """`measure` of the windows of each row, NaN in front."""
    if window < 2:
        raise DataError(f"the window is {window}; it must span 2 periods at least")
    full = np.full(len(returns), np.nan)
    if len(returns) >= window:
        full[window - 1 :] = measure([sliding_window_view(row, window) for row in (returns, *others)])
    return full
