"""Covariances shrunk towards a simple target by a closed-form intensity; (n, n) per period, 1/T moments."""

import numpy as np

from optimizer.beliefs.estimators.sample import Sample, estimator
from optimizer.typing import Array


@estimator()
def ledoit_wolf(sample: Sample) -> Array:
    """Shrinkage to a scaled identity (Ledoit & Wolf 2004, J. Multivariate Anal. 88).

    >>> ledoit_wolf(sample).shape
    (3, 3)
    """
    empirical, variance = _moments(sample)
    return _towards_identity(empirical, variance, ledoit_wolf_intensity(sample, empirical))


def ledoit_wolf_intensity(sample: Sample, empirical: Array) -> float:
    """Weight of the scaled identity, in [0, 1].

    empirical  (n, n) 1/T covariance, or any matrix with the same trace and sum of squares: with more
               symbols than periods the (T, T) products of the centred rows / T serve as well
    """
    rows, n = sample.returns.shape
    variance = float(empirical.trace()) / n
    squares = float(np.vdot(empirical, empirical))
    fourth = float((np.einsum("ij,ij->i", sample.centred, sample.centred) ** 2).sum())
    spread = squares - n * variance**2
    error = (fourth / rows - squares) / rows
    return min(error, spread) / spread if spread > 0 and error > 0 else 0.0


@estimator()
def oas(sample: Sample) -> Array:
    """Oracle approximating shrinkage to a scaled identity (Chen, Wiesel, Eldar & Hero 2010, IEEE TSP 58).

    >>> oas(sample).shape
    (3, 3)
    """
    empirical, variance = _moments(sample)
    return _towards_identity(empirical, variance, oas_intensity(sample, empirical))


def oas_intensity(sample: Sample, empirical: Array) -> float:
    """Weight of the scaled identity, in [0, 1]; `empirical` as in `ledoit_wolf_intensity`."""
    n = sample.returns.shape[1]
    variance = float(np.trace(empirical)) / n
    square = float(np.vdot(empirical, empirical)) / n**2
    spread = (sample.rows + 1) * (square - variance**2 / n)
    return 1.0 if spread <= 0 else min((square + variance**2) / spread, 1.0)


@estimator()
def ledoit_wolf_constant_correlation(sample: Sample) -> Array:
    """Shrinkage to equal correlations (Ledoit & Wolf 2004, Honey, I Shrunk the Sample Covariance Matrix).

    >>> ledoit_wolf_constant_correlation(sample).shape
    (3, 3)
    """
    x, rows = sample.centred, sample.rows
    empirical, _ = _moments(sample)
    n = len(empirical)
    deviation = np.sqrt(np.diag(empirical))
    if n == 1 or not (deviation > 0).all():
        return empirical
    correlation = ((empirical / np.outer(deviation, deviation)).sum() - n) / (n * (n - 1))
    target = correlation * np.outer(deviation, deviation)
    np.fill_diagonal(target, deviation**2)
    variances = (x**2).T @ (x**2) / rows - empirical**2
    coupling = (x**3).T @ x / rows - (deviation**2)[:, None] * empirical
    np.fill_diagonal(coupling, 0)
    covariances = np.trace(variances) + correlation * (np.outer(1 / deviation, deviation) * coupling).sum()
    distance = ((empirical - target) ** 2).sum()
    if distance <= 0:
        return empirical
    intensity = float(np.clip((variances.sum() - covariances) / distance / rows, 0, 1))
    return np.asarray(intensity * target + (1 - intensity) * empirical)


def _moments(sample: Sample) -> tuple[Array, float]:
    empirical = np.asarray(sample.centred.T @ sample.centred)
    empirical /= sample.rows
    return empirical, float(empirical.trace()) / len(empirical)


def _towards_identity(empirical: Array, variance: float, intensity: float) -> Array:
    # In place: at 5,000 symbols a second copy costs as much as the shrinkage.
    empirical *= 1 - intensity
    empirical.flat[:: len(empirical) + 1] += intensity * variance
    return empirical
