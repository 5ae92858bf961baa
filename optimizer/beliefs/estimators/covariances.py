"""Covariances by counting: sample, exponentially weighted and downside; all (n, n) per period."""

import numpy as np

from optimizer.beliefs.estimators.sample import Sample, estimator
from optimizer.typing import Array

RISKMETRICS_HALF_LIFE = float(np.log(0.5) / np.log(0.94))


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
def semi_covariance(sample: Sample) -> Array:
    """Second moments of returns below the risk-free rate, sum of min(r - rf, 0) products / T.

    Source: Estrada, Mean-Semivariance Optimization: A Heuristic Approach (2008); counted on days when both
    fall short, so it is positive semidefinite.

    >>> semi_covariance(sample).shape
    (3, 3)
    """
    shortfall = np.minimum(sample.returns - sample.risk_free, 0)
    return np.asarray(shortfall.T @ shortfall / sample.rows)
