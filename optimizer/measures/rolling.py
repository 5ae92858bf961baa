"""Measures of realised performance over a window that rolls through the returns; Bacon 2008.

`returns` is (T,) simple returns per period; each answer is (T,), NaN before the first whole window and where a window
has no variation. `window` counts periods, `periods` those of a year.
"""

from math import sqrt

import numpy as np

from optimizer.errors import DataError
from optimizer.measures.performance import ROUNDING, excess_returns
from optimizer.model.sessions import TRADING_DAYS
from optimizer.numerics.counted import counted
from optimizer.typing import Array


@counted(1)
def rolling_volatility(returns: Array, window: int, periods: float = TRADING_DAYS) -> Array:
    """(T,) sample standard deviation per year of the last `window` returns.

    >>> rolling_volatility([0.01, -0.01, 0.02], 2, 12).round(4).tolist()
    [nan, 0.049, 0.0735]
    """
    return _placed(_windows(returns, window).std(axis=1, ddof=1) * sqrt(periods), len(returns))


@counted(1)
def rolling_sharpe(
    returns: Array, window: int, risk_free_rate: float | Array = 0.0, periods: float = TRADING_DAYS
) -> Array:
    """(T,) mean excess return / its standard deviation per year, of the last `window` returns (Sharpe 1994).

    >>> rolling_sharpe([0.01, -0.01, 0.02], 2, 0.0, 12).round(4).tolist()
    [nan, 0.0, 0.8165]
    """
    excess = _windows(excess_returns(returns, risk_free_rate, periods), window)
    spread = excess.std(axis=1, ddof=1)
    flat = spread <= ROUNDING
    ratio = excess.mean(axis=1) / np.where(flat, np.nan, spread)
    return _placed(ratio * sqrt(periods), len(returns))


@counted(1)
def rolling_beta(returns: Array, benchmark: Array, window: int) -> Array:
    """(T,) slope of the last `window` returns on the benchmark's.

    >>> rolling_beta([0.02, 0.04, 0.01], [0.01, 0.02, -0.01], 2).round(4).tolist()
    [nan, 2.0, 1.0]
    """
    ours, theirs = _windows(returns, window), _windows(benchmark, window)
    away = theirs - theirs.mean(axis=1, keepdims=True)
    square = (away * away).sum(axis=1)
    flat = square <= ROUNDING**2 * window
    return _placed((ours * away).sum(axis=1) / np.where(flat, np.nan, square), len(returns))


def _windows(returns: Array, window: int) -> Array:
    """(T - window + 1, window) the windows, none where there are fewer returns."""
    if window < 2:
        raise DataError(f"window is {window}; a spread needs at least 2 returns")
    if len(returns) < window:
        return np.empty((0, window))
    return np.lib.stride_tricks.sliding_window_view(returns, window)


def _placed(figures: Array, length: int) -> Array:
    """(length,) the figures at the ends of their windows."""
    return np.concatenate([np.full(length - len(figures), np.nan), figures])
