"""Covariances from eigenvalues: noise removed, or a few statistical factors; (n, n) per period."""

import numpy as np

from optimizer.beliefs.estimators.covariances import sample_covariance
from optimizer.beliefs.estimators.sample import Sample, estimator
from optimizer.typing import Array


@estimator(2)
def denoised(sample: Sample) -> Array:
    """Sample volatilities with a correlation whose noise eigenvalues are replaced by their average.

    Noise is what lies below the Marchenko-Pastur edge.
    Source: Laloux, Cizeau, Bouchaud & Potters (1999), PRL 83; Lopez de Prado (2020), Machine Learning for
    Asset Managers, 2.5 (constant residual eigenvalue).

    >>> denoised(sample).shape
    (3, 3)
    """
    deviation, values, vectors = _spectrum(sample)
    noise = values <= noise_edge(values, sample.rows)
    values = np.where(noise, values[noise].mean() if noise.any() else 0.0, values)
    correlation = (vectors * values) @ vectors.T
    scale = deviation / np.sqrt(np.diag(correlation))
    return np.asarray(correlation * np.outer(scale, scale))


@estimator(2)
def statistical_factors(sample: Sample) -> Array:
    """Sample volatilities with the correlation of the principal components above the noise, and what is left.

    At least one component is kept; the rest of each variance is specific to its symbol.
    Source: Connor & Korajczyk (1986); number of components by the Marchenko-Pastur edge.

    >>> statistical_factors(sample).shape
    (3, 3)
    """
    deviation, values, vectors = _spectrum(sample)
    kept = max(1, int((values > noise_edge(values, sample.rows)).sum()))
    loadings = vectors[:, -kept:] * np.sqrt(values[-kept:].clip(0))
    correlation = loadings @ loadings.T
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation * np.outer(deviation, deviation))


def noise_edge(values: Array, rows: int) -> float:
    """Largest eigenvalue that a correlation of unrelated symbols would show.

    values  (n,) eigenvalues of the sample correlation, ascending; `rows` = T
    The variance of the noise is what the eigenvalues above the edge leave over, by fixed-point iteration.
    """
    n = len(values)
    spread = (1 + np.sqrt(n / rows)) ** 2
    above, edge = -1, float(spread)
    while above != int((values > edge).sum()):
        above = int((values > edge).sum())
        edge = float(spread * values[: n - above].sum() / n)
    return edge


def _spectrum(sample: Sample) -> tuple[Array, Array, Array]:
    covariance = sample_covariance(sample)
    deviation = np.sqrt(np.diag(covariance))
    safe = np.where(deviation > 0, deviation, 1.0)
    correlation = covariance / np.outer(safe, safe)
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh(correlation)
    return deviation, values, vectors
