"""Covariances by counting: sample, exponentially weighted, so with its regime, and downside; all (n, n) per period."""

import numpy as np

from optimizer.beliefs.estimators.sample import Sample, estimator
from optimizer.typing import Array

RISKMETRICS_HALF_LIFE = float(np.log(0.5) / np.log(0.94))
REGIME_HALF_LIFE, ADJUSTED_FASTER, FIRST_FORECAST = 84.0, 2.0, 20


@estimator(2)
def sample_covariance(sample: Sample) -> Array:
    """Unbiased sample covariance, sum of products of deviations / (T - 1).

    >>> np.sqrt(252 * sample_covariance(sample).diagonal()).round(3).tolist()
    [0.058, 0.164, 0.139]
    """
    return np.asarray(sample.centred.T @ sample.centred / (sample.rows - 1))


@estimator()
def ewma_covariance(sample: Sample) -> Array:
    """Exponentially weighted second moments about zero, decay 0.94 unless a half-life is given.

    Source: RiskMetrics Technical Document, J.P. Morgan (1996), 5.2.

    >>> ewma_covariance(sample).shape
    (3, 3)
    """
    scaled = sample.returns * np.sqrt(sample.decay_weights(RISKMETRICS_HALF_LIFE))[:, None]
    return np.asarray(scaled.T @ scaled)


@estimator()
def regime_ewma(sample: Sample) -> Array:
    """Exponentially weighted second moments times how far recent returns outran their own forecasts.

    The multiplier is the weighted average of B^2 = mean over names of (return / forecast of the day before)^2, at half
    the half-life, 84 periods unless one is given, of names that ever move and have a forecast above 0.
    Source: Menchero, Orr & Wang, The Barra US Equity Model (USE4), 2011, volatility regime adjustment.

    >>> regime_ewma(sample).shape
    (3, 3)
    """
    half_life = REGIME_HALF_LIFE if sample.half_life is None else sample.half_life
    weights = sample.decay_weights(REGIME_HALF_LIFE)
    scaled = sample.returns * np.sqrt(weights)[:, None]
    return np.asarray(scaled.T @ scaled * regime_multiplier(sample.returns[:, sample.moving], half_life))


def regime_multiplier(returns: Array, half_life: float) -> float:
    """The square of the volatility multiplier from (T, n) returns; 1 where no day has a forecast."""
    rows = len(returns)
    start, decay = min(FIRST_FORECAST, rows // 2), 0.5 ** (1.0 / half_life)
    surprises, ages = [], []
    sums, total = np.zeros(returns.shape[1]), 0.0
    for day, squares in enumerate(returns**2):
        forecast = sums / total if total else sums
        known = forecast > 0
        if day >= start and known.any():
            surprises.append(float((squares[known] / forecast[known]).mean()))
            ages.append(rows - 1 - day)
        sums, total = decay * sums + squares, decay * total + 1.0
    if not surprises:
        return 1.0
    recent = 0.5 ** (np.array(ages) / (half_life / ADJUSTED_FASTER))
    return float(recent @ np.array(surprises) / recent.sum())


@estimator()
def semi_covariance(sample: Sample) -> Array:
    """Second moments of returns below the risk-free rate, sum of min(r - rf, 0) products / T.

    Source: Estrada, Mean-Semivariance Optimization: A Heuristic Approach (2008); counted on days when both
    fall short, so it is positive semidefinite.

    >>> semi_covariance(sample).shape
    (3, 3)
    """
    shortfall = np.minimum(sample.returns - sample.risk_free, 0)
    return np.asarray(shortfall.T @ shortfall / sample.rows)
