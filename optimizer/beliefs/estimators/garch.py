"""Volatilities that follow yesterday's shock, with a constant correlation."""

import numpy as np

from optimizer.beliefs.estimators.covariances import sample_covariance
from optimizer.beliefs.estimators.sample import Sample, estimator
from optimizer.typing import Array

# The likelihood has several tops, and is flat where nothing reacts or nothing lasts: the search begins all over it.
GRID_SHARE = (0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
GRID_PERSISTENCE = (0.05, 0.2, 0.5, 0.8, 0.9, 0.95, 0.98, 0.995)
LEAST_FADING = 0.001  # 1 - a - b


@estimator(2)
def garch(sample: Sample) -> Array:
    """(n, n) per period: GARCH(1,1) forecasts of the next period's variances with the sample correlation.

    Source: Bollerslev (1986), J. Econometrics 31; constant correlation, Bollerslev (1990), RES 72.

    >>> garch(sample).shape
    (3, 3)
    """
    covariance = sample_covariance(sample)
    deviation = np.sqrt(np.diag(covariance))
    forecast = np.array([np.sqrt(garch_variances(column)[-1]) for column in sample.centred.T])
    scale = np.divide(forecast, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    return np.asarray(covariance * np.outer(scale, scale))


def garch_variances(shocks: Array) -> Array:
    """(T + 1,) conditional variances of (T,) shocks; the last is the forecast for the period after them.

    h[t+1] = w + a shock[t]^2 + b h[t] with w = (1 - a - b) x the sample variance (variance targeting, Francq,
    Horvath & Zakoian 2011), a and b by Gaussian likelihood; h[0] is the sample variance.
    """
    from scipy.optimize import minimize

    variance = float(shocks @ shocks) / len(shocks)
    if variance == 0:
        return np.zeros(len(shocks) + 1)
    unit = shocks / np.sqrt(variance)

    def loss(point: Array) -> float:
        h = _recursion(unit, *_parts(point))[:-1]
        return float(np.log(h).sum() + (unit**2 / h).sum())

    grid = (np.array([share, np.log1p(-lasting)]) for share in GRID_SHARE for lasting in GRID_PERSISTENCE)
    start = min(grid, key=loss)
    found = minimize(loss, start, method="L-BFGS-B", bounds=[(0.0, 1.0), (np.log(LEAST_FADING), 0.0)])
    best = found.x if loss(found.x) < loss(start) else start
    return variance * _recursion(unit, *_parts(best))


def _parts(point: Array) -> tuple[float, float]:
    """The share and the persistence from the share and the logarithm of what fades, 1 - persistence."""
    return float(point[0]), -float(np.expm1(point[1]))


def _recursion(shocks: Array, share: float, persistence: float) -> Array:
    """Variances of unit mean; of the persistence a + b, a is the `share` that reacts to the last shock."""
    from scipy.signal import lfilter

    alpha, beta = share * persistence, (1 - share) * persistence
    drive = (1 - persistence) + alpha * shocks**2
    later, _ = lfilter([1.0], [1.0, -beta], drive, zi=[beta])
    return np.concatenate([[1.0], later])
