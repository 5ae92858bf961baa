"""The covariances that need no n x n array, for more symbols than periods; same values as their dense forms."""

from collections.abc import Callable, Mapping

import numpy as np

from optimizer.beliefs.estimators.covariances import RISKMETRICS_HALF_LIFE
from optimizer.beliefs.estimators.sample import Sample
from optimizer.beliefs.estimators.shrinkage import ledoit_wolf_intensity, oas_intensity
from optimizer.beliefs.estimators.spectral import factor_model_factors
from optimizer.numerics.matrices import LowRank
from optimizer.typing import Array


def sample_factors(sample: Sample) -> LowRank:
    """See `sample_covariance`."""
    return _bare(sample.centred / np.sqrt(sample.rows - 1))


def ewma_factors(sample: Sample) -> LowRank:
    """See `ewma_covariance`."""
    return _bare(sample.returns * np.sqrt(sample.decay_weights(RISKMETRICS_HALF_LIFE))[:, None])


def semi_factors(sample: Sample) -> LowRank:
    """See `semi_covariance`."""
    return _bare(np.minimum(sample.returns - sample.risk_free, 0) / np.sqrt(sample.rows))


def ledoit_wolf_factors(sample: Sample) -> LowRank:
    """See `ledoit_wolf`."""
    return _shrunk(sample, ledoit_wolf_intensity)


def oas_factors(sample: Sample) -> LowRank:
    """See `oas`."""
    return _shrunk(sample, oas_intensity)


FACTORED: Mapping[str, Callable[[Sample], LowRank]] = {
    "sample": sample_factors,
    "ewma": ewma_factors,
    "semi": semi_factors,
    "ledoit_wolf": ledoit_wolf_factors,
    "oas": oas_factors,
    "factor_model": factor_model_factors,
}


def _bare(root: Array) -> LowRank:
    return LowRank(root, np.zeros(root.shape[1]))


def _shrunk(sample: Sample, intensity_of: Callable[[Sample, Array], float]) -> LowRank:
    rows, n = sample.returns.shape
    products = np.asarray(sample.centred @ sample.centred.T)
    products /= rows
    intensity = intensity_of(sample, products)
    variance = float(np.trace(products)) / n
    return LowRank(sample.centred * np.sqrt((1 - intensity) / rows), np.full(n, intensity * variance))
