"""The factor model that returns alone allow: market, momentum, reversal, beta and residual volatility."""

from optimizer.beliefs.estimators.sample import Sample, estimator
from optimizer.factors.factor_model import FactorModel
from optimizer.factors.fit import FactorSettings, fit_factors
from optimizer.factors.panel import MIN_SESSIONS, FactorPanel
from optimizer.numerics.matrices import LowRank
from optimizer.typing import Array

MIN_RETURNS = MIN_SESSIONS + 2


@estimator(MIN_RETURNS)
def factor_model(sample: Sample) -> Array:
    """(n, n) covariance of the characteristics model, of daily returns; `half_life` is that of volatilities.

    Source: see `fit_factors`, which takes caps, sectors, volumes and characteristics as well.
    """
    return _fitted(sample).covariance.dense


def factor_model_factors(sample: Sample) -> LowRank:
    """See `factor_model`."""
    return _fitted(sample).covariance


def settings_of(half_life: float | None, periods_per_year: float) -> FactorSettings:
    """The model's settings where a recipe states a half-life of its own, for volatilities and specific risks."""
    usual = FactorSettings(periods_per_year=periods_per_year)
    if half_life is None:
        return usual
    return FactorSettings(
        volatility_half_life=half_life, specific_half_life=half_life, periods_per_year=periods_per_year
    )


def _fitted(sample: Sample) -> FactorModel:
    names = tuple(map(str, range(sample.returns.shape[1])))
    panel = FactorPanel(names, tuple(range(sample.rows)), sample.returns)
    return fit_factors(panel, settings_of(sample.half_life, 1.0)).model
