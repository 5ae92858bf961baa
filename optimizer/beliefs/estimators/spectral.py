"""Covariances from eigenvalues: noise removed, or a few statistical factors; (n, n) per period."""

import numpy as np

from optimizer.beliefs.estimators.covariances import sample_covariance
from optimizer.beliefs.estimators.sample import Sample, estimator
from optimizer.factors.series import noise_edge, principal_components, spectrum
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
    deviation, values, vectors = spectrum(sample_covariance(sample))
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
    names = tuple(map(str, range(sample.returns.shape[1])))
    return principal_components(sample_covariance(sample), names, sample.rows).covariance.dense
