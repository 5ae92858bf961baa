"""What a portfolio is worth knowing by: risk, return, concentration; plain numpy, fractions per year."""

import numpy as np

from optimizer.typing import Array

TRADING_DAYS = 252


def volatility(w: Array, covariance: Array) -> float:
    """sqrt(w' S w); w (n,), covariance (n, n) per year."""
    return float(np.sqrt(max(float(w @ covariance @ w), 0.0)))


def expected_return(w: Array, mean: Array, cash_rate: float) -> float:
    """mean'w + (1 - sum w) x cash_rate; mean (n,) total returns per year, cash earns or pays the cash rate."""
    return float(mean @ w) + (1.0 - float(w.sum())) * cash_rate


def turnover(w: Array, held: Array) -> float:
    """One-way: half of sum |w - held|; the change of cash is not counted."""
    return 0.5 * float(np.abs(w - held).sum())


def risk_contributions(w: Array, covariance: Array) -> Array:
    """(n,) shares w_i (S w)_i / w'Sw of the variance; they sum to 1; NaN when the variance is 0."""
    marginal = covariance @ w
    variance = float(w @ marginal)
    if variance <= 0:
        return np.full(len(w), np.nan)
    return np.asarray(w * marginal / variance)


def diversification_ratio(w: Array, covariance: Array) -> float:
    """sum |w_i| s_i / s_p (Choueifaty & Coignard 2008); NaN when the portfolio has no risk."""
    risk = volatility(w, covariance)
    weighted = float(np.abs(w) @ np.sqrt(np.maximum(np.diag(covariance), 0.0)))
    return weighted / risk if risk > 0 else float("nan")


def herfindahl(w: Array) -> float:
    """Sum of squared weights."""
    return float(w @ w)


def tail_loss(w: Array, scenarios: Array, level: float) -> float:
    """Expected loss in the worst 1 - level of equally likely scenarios (T, n), a fraction per scenario.

    Rockafellar & Uryasev 2000: the average over exactly (1 - level) T scenarios, the last one in part.
    """
    losses = np.sort(-(scenarios @ w))[::-1]
    count = (1.0 - level) * len(losses)
    whole = int(count)
    part = count - whole
    total = float(losses[:whole].sum()) + (part * float(losses[whole]) if part > 1e-12 else 0.0)
    return total / count


def growth_rate(mean: float, risk: float) -> float:
    """Expected compound growth mu - s^2/2 per year; reported beside, never inside, the arithmetic mean."""
    return mean - 0.5 * risk**2
