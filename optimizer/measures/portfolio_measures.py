"""What a portfolio is worth knowing by: risk, return, concentration; plain numpy, fractions per year.

Each raises DataError for a number that is not finite and for arrays that do not belong together.
"""

import numpy as np

from optimizer.arguments import typed
from optimizer.numerics.counted import counted, uncounted
from optimizer.numerics.matrices import Matrix, variances
from optimizer.typing import Array


@counted()
def volatility(w: Array, covariance: Matrix) -> float:
    """sqrt(w' S w); w (n,), covariance (n, n) per year.

    >>> round(volatility(np.array([0.5, 0.5]), np.diag([0.01, 0.04])), 4)
    0.1118
    """
    return float(np.sqrt(max(float(w @ covariance @ w), 0.0)))


@counted()
def expected_return(w: Array, mean: Array, cash_rate: float) -> float:
    """mean'w + (1 - sum w) x cash_rate; mean (n,) total returns per year, cash earns or pays the cash rate.

    >>> round(expected_return(np.array([0.5, 0.3]), np.array([0.04, 0.08]), 0.02), 4)
    0.048
    """
    return float(mean @ w) + (1.0 - float(w.sum())) * cash_rate


@counted()
def turnover(w: Array, held: Array) -> float:
    """One-way: half of sum |w - held|; the change of cash is not counted.

    >>> round(turnover(np.array([0.5, 0.5]), np.array([0.7, 0.3])), 4)
    0.2
    """
    return 0.5 * float(np.abs(w - held).sum())


@counted()
def risk_contributions(w: Array, covariance: Matrix) -> Array:
    """(n,) shares w_i (S w)_i / w'Sw of the variance; they sum to 1; NaN when the variance is 0.

    >>> risk_contributions(np.array([0.5, 0.5]), np.diag([0.01, 0.04])).tolist()
    [0.19999999999999998, 0.7999999999999999]
    """
    marginal = covariance @ w
    variance = float(w @ marginal)
    if variance <= 0:
        return np.full(len(w), np.nan)
    return np.asarray(w * marginal / variance)


@counted()
def diversification_ratio(w: Array, covariance: Matrix) -> float:
    """sum |w_i| s_i / s_p (Choueifaty & Coignard 2008); NaN when the portfolio has no risk.

    >>> round(diversification_ratio(np.array([0.5, 0.5]), np.diag([0.01, 0.04])), 4)
    1.3416
    """
    risk = uncounted(volatility)(w, covariance)
    weighted = float(np.abs(w) @ np.sqrt(np.maximum(variances(covariance), 0.0)))
    return weighted / risk if risk > 0 else float("nan")


@counted()
def herfindahl(w: Array) -> float:
    """Sum of squared weights.

    >>> herfindahl(np.array([0.5, 0.5]))
    0.5
    """
    return float(w @ w)


@typed
def growth_rate(mean: float, risk: float) -> float:
    """Expected compound growth mu - s^2/2 per year, NaN without a mean; beside, never inside, the arithmetic mean.

    >>> growth_rate(0.08, 0.2)
    0.06
    """
    return mean - 0.5 * risk * risk


@counted()
def worst_weights(losses: Array, level: float, odds: Array | None = None) -> Array:
    """(T,) weights of the expected tail loss: odds / (1 - level) on the worst, the rest on the next; equal odds for
    None.

    >>> worst_weights(np.array([1.0, 3.0, 2.0, 0.0]), 0.5).tolist()
    [0.0, 0.5, 0.5, 0.0]
    """
    count = (1.0 - level) * len(losses)
    order = np.argsort(-losses, kind="stable")
    weights = np.zeros(len(losses))
    if odds is not None:
        own = odds[order]
        weights[order] = np.clip((1.0 - level) - (np.cumsum(own) - own), 0.0, own) / (1.0 - level)
        return weights
    weights[order] = np.clip(count - np.arange(len(losses)), 0.0, 1.0) / count
    return weights


@counted()
def entropic_weights(r: Array, level: float, odds: Array | None = None) -> Array:
    """(T,) weights p ~ odds x exp(-r / z) of the entropic value at risk (Ahmadi-Javid 2012), z by bisection.

    Their entropy relative to the odds, equal ones for None, is ln 1 / (1 - level), or less where the worst days alone
    have less.

    >>> round(float(entropic_weights(np.array([-0.02, 0.01]), 0.3)[0]), 3)
    0.895
    """
    allowed = -np.log1p(-level)
    losses = r.min() - r
    spread = float(-losses.min())
    if spread == 0.0:
        return np.full(len(r), 1.0 / len(r)) if odds is None else odds

    def tilted(log_z: float) -> tuple[Array, float]:
        weights = np.exp(losses / (spread * np.exp(log_z)))
        if odds is not None:
            weights *= odds
        weights /= weights.sum()
        held = weights > 0
        times = weights * len(r) if odds is None else weights / odds
        return weights, float(weights[held] @ np.log(times[held]))

    low, high = -20.0, 20.0  # z in units of the range of the returns
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if tilted(middle)[1] > allowed else (low, middle)
    return tilted(high)[0]


@counted()
def gini_weights(days: int) -> Array:
    """(T,) weights of the sorted values, ascending, in the mean |a - b| over pairs of different days.

    >>> gini_weights(2).tolist()
    [-1.0, 1.0]
    """
    return np.asarray(2.0 * (2.0 * np.arange(1, days + 1) - days - 1) / (days * max(days - 1, 1)))


@counted(path=True)
def drawdowns(r: Array) -> Array:
    """(T,) fall of the uncompounded sum of returns from its highest, the start included; >= 0.

    >>> drawdowns(np.array([0.1, -0.05])).round(4).tolist()
    [0.0, 0.05]
    """
    level = np.cumsum(r)
    return np.asarray(np.maximum(np.maximum.accumulate(level), 0.0) - level)
