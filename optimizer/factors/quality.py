"""How good forecasts of risk were, judged by the returns that followed."""

import numpy as np

from optimizer.errors import DataError
from optimizer.typing import Array

LEAST_SQUARE = 1e-8  # of the forecast variance; a return of exactly 0 has no logarithm


def bias_statistic(returns: Array, forecasts: Array) -> Array:
    """(p,) standard deviation of returns in forecast deviations: 1 is right, above 1 risk was forecast too low.

    returns, forecasts  (T, p) of p portfolios; forecasts are standard deviations of the same period, above 0
    Source: Connor, Goldberg & Korajczyk (2010), Portfolio Risk Analysis, ch. 14; Menchero, Orr & Wang (2011), USE4, 6.

    >>> bias_statistic(np.array([[0.02], [-0.02]]), np.full((2, 1), 0.01)).tolist()
    [2.0]
    """
    _checked(returns, forecasts)
    return np.asarray((returns / forecasts).std(axis=0))


def rolling_deviation(returns: Array, forecasts: Array, window: int) -> float:
    """Mean over portfolios and rolling windows of |bias statistic - 1| (MRAD: USE4, 6.2)."""
    _checked(returns, forecasts)
    z = returns / forecasts
    if len(z) < window:
        raise DataError(
            f"{len(z)} returns are fewer than the window of {window}; give more, or a shorter window"
        )
    sums, squares = (np.vstack([np.zeros((1, z.shape[1])), np.cumsum(z**power, axis=0)]) for power in (1, 2))
    mean = (sums[window:] - sums[:-window]) / window
    variance = (squares[window:] - squares[:-window]) / window - mean**2
    return float(np.abs(np.sqrt(variance.clip(0.0)) - 1.0).mean())


def qlike(returns: Array, forecasts: Array) -> Array:
    """(p,) mean of ln variance + return^2 / variance: the smaller, the better (Patton 2011, J. of Econometrics 160)."""
    _checked(returns, forecasts)
    return np.asarray((2.0 * np.log(forecasts) + (returns / forecasts) ** 2).mean(axis=0))


def q_statistic(returns: Array, forecasts: Array) -> Array:
    """(p,) mean of z^2 - ln z^2, z the return in forecast deviations; 2.27 for right forecasts of normal returns.

    It is QLIKE without what the returns alone decide, so that it also compares portfolios that models chose.
    Source: Menchero, Morozov & Pasqua (2013), Predicting risk at short horizons, MSCI.
    """
    _checked(returns, forecasts)
    squares = np.maximum((returns / forecasts) ** 2, LEAST_SQUARE)
    return np.asarray((squares - np.log(squares)).mean(axis=0))


def _checked(returns: Array, forecasts: Array) -> None:
    if returns.shape != forecasts.shape or returns.ndim != 2 or not returns.size:
        raise DataError(
            f"returns {returns.shape} and forecasts {forecasts.shape} must be T x p, of one shape"
        )
    if not (np.isfinite(returns).all() and np.isfinite(forecasts).all() and forecasts.min() > 0):
        raise DataError("returns must be finite and forecasts above 0; leave out the days without one")
