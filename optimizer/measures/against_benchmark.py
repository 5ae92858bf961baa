"""Returns measured against a benchmark's of the same periods; arguments as in `performance`."""

import numpy as np

from optimizer.measures.moments import ROUNDING, excess_returns, volatility
from optimizer.measures.sharpe_ratios import sharpe
from optimizer.model.sessions import TRADING_DAYS
from optimizer.numerics.counted import counted
from optimizer.typing import Array


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
