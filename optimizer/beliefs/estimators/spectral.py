"""Covariances by factors: noise removed, principal components, or the factor model of returns; (n, n) per period."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from optimizer.beliefs.estimators.covariances import sample_covariance
from optimizer.beliefs.estimators.sample import Sample, estimator
from optimizer.errors import DataError
from optimizer.factors.factor_model import FactorModel
from optimizer.factors.fit import FactorSettings, fit_factors
from optimizer.factors.panel import MIN_SESSIONS, FactorPanel
from optimizer.factors.series import noise_edge, principal_components, spectrum
from optimizer.model.sessions import TRADING_DAYS, periods_per_year
from optimizer.numerics.matrices import LowRank
from optimizer.typing import Array

MIN_RETURNS = MIN_SESSIONS + 2
LEAST_PERIODS = 126.0  # returns a year: fewer are no daily ones, of which the descriptors are made


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
    scale = deviation / np.sqrt(np.where(deviation > 0, np.diag(correlation), 1.0))
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


@estimator(MIN_RETURNS)
def factor_model(sample: Sample) -> Array:
    """(n, n) covariance of the characteristics model, of daily returns; `half_life` is that of volatilities.

    Source: see `fit_factors`, which takes caps, sectors, volumes and characteristics as well.
    """
    return _fitted(sample).covariance.dense


def factor_model_factors(sample: Sample) -> LowRank:
    """See `factor_model`."""
    return _fitted(sample).covariance


def settings_of(half_life: float | None, periods_per_year: float = TRADING_DAYS) -> FactorSettings:
    """The model's settings where a recipe states a half-life of its own, for volatilities and specific risks."""
    usual = FactorSettings(periods_per_year=periods_per_year)
    if half_life is None:
        return usual
    return FactorSettings(
        volatility_half_life=half_life, specific_half_life=half_life, periods_per_year=periods_per_year
    )


def session_periods(stated: float | None, dates: Sequence[object]) -> float:
    """Returns a year, as stated or as the dates have; DataError where they are not those of sessions."""
    found = stated or periods_per_year(pd.DatetimeIndex(list(dates)))
    if found < LEAST_PERIODS:
        raise DataError(
            f"a factor model describes names by daily returns; these have {found:g} a year: deliver daily prices, or "
            f"use another covariance_method"
        )
    return found


def _fitted(sample: Sample) -> FactorModel:
    names = tuple(map(str, range(sample.returns.shape[1])))
    panel = FactorPanel(names, tuple(range(sample.rows)), sample.returns)
    return fit_factors(panel, settings_of(sample.half_life, 1.0)).model
