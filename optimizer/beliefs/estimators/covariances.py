"""Covariances by counting: sample, exponentially weighted, downside and pairwise; all (n, n) per period."""

import numpy as np

from optimizer.beliefs.estimators.sample import Sample
from optimizer.errors import DataError
from optimizer.typing import Array

RISKMETRICS_HALF_LIFE = float(np.log(0.5) / np.log(0.94))
MIN_PAIR_ROWS = 30


def sample_covariance(sample: Sample) -> Array:
    """Unbiased sample covariance, sum of products of deviations / (T - 1)."""
    return np.asarray(sample.centred.T @ sample.centred / (sample.rows - 1))


def ewma_covariance(sample: Sample) -> Array:
    """Exponentially weighted second moments about zero, decay 0.94 unless a half-life is given.

    Source: RiskMetrics Technical Document, J.P. Morgan (1996), 5.2.
    """
    scaled = sample.returns * np.sqrt(sample.decay_weights(RISKMETRICS_HALF_LIFE))[:, None]
    return np.asarray(scaled.T @ scaled)


def semi_covariance(sample: Sample) -> Array:
    """Second moments of returns below the risk-free rate, sum of min(r - rf, 0) products / T.

    Source: Estrada, Mean-Semivariance Optimization: A Heuristic Approach (2008); counted on days when both
    fall short, so it is positive semidefinite.
    """
    shortfall = np.minimum(sample.returns - sample.risk_free, 0)
    return np.asarray(shortfall.T @ shortfall / sample.rows)


def pairwise_covariance(sample: Sample) -> Array:
    """Unbiased covariance of each pair over the periods both have; may be indefinite, see `nearest_psd`.

    Raises DataError where a pair shares fewer than 30 periods.
    """
    present = np.isfinite(sample.returns)
    values, mask = np.where(present, sample.returns, 0.0), present.astype(float)
    rows = mask.T @ mask
    if rows.min() < MIN_PAIR_ROWS:
        i, j = np.unravel_index(int(rows.argmin()), rows.shape)
        raise DataError(
            f"columns {i} and {j} share {int(rows.min())} periods with returns; {MIN_PAIR_ROWS} are needed: "
            f"lengthen lookback_days or drop one of them"
        )
    sums = values.T @ mask
    covariance = (values.T @ values - sums * sums.T / rows) / (rows - 1)
    return np.asarray((covariance + covariance.T) / 2)
