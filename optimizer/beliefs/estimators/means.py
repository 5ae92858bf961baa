"""Expected returns: (n,) arithmetic means of total return per period."""

import numpy as np

from optimizer.beliefs.estimators.covariances import sample_covariance
from optimizer.beliefs.estimators.sample import Sample, estimator
from optimizer.errors import DataError, PolicyError
from optimizer.numerics.counted import counted
from optimizer.numerics.matrices import Matrix
from optimizer.typing import Array

MEAN_HALF_LIFE = 126.0
SINGULAR = 1e-13


@estimator(gaps=True)
def historical(sample: Sample) -> Array:
    """Arithmetic averages, each over the periods its symbol has; DataError for one without any.

    >>> (252 * historical(sample)).round(3).tolist()
    [-0.108, -0.315, -0.124]
    """
    if sample.complete:
        return sample.average
    known = np.isfinite(sample.returns)
    if not known.any(axis=0).all():
        raise DataError("a symbol has no return at all; leave it out")
    return np.asarray(np.where(known, sample.returns, 0.0).sum(axis=0) / known.sum(axis=0))


@estimator()
def ewma(sample: Sample) -> Array:
    """Exponentially weighted averages, half-life 126 periods unless given.

    >>> ewma(sample).shape
    (3,)
    """
    return np.asarray(sample.decay_weights(MEAN_HALF_LIFE) @ sample.returns)


@estimator(2)
def capm(sample: Sample) -> Array:
    """Risk-free rate + beta x the market's average excess return (Sharpe 1964), beta by least squares.

    >>> capm(sample).shape
    (3,)
    """
    market = sample.returns.mean(axis=1) if sample.market is None else sample.market
    deviation = market - market.mean()
    variance = float(deviation @ deviation)
    if variance <= 0:
        raise DataError(
            "capm: the market's return never changes in this window; choose another market symbol"
        )
    beta = deviation @ sample.centred / variance
    return np.asarray(sample.risk_free + beta * (market.mean() - sample.risk_free))


@estimator(2)
def james_stein(sample: Sample) -> Array:
    """Averages shrunk to their grand mean, positive part (James & Stein 1961; Efron & Morris 1976).

    The weight of the grand mean is (n mean(l) - 2 max(l)) / T / |m - g|^2, l the covariance's eigenvalues.

    >>> james_stein(sample).shape
    (3,)
    """
    target = np.full_like(sample.average, sample.average.mean())
    distance = float(((sample.average - target) ** 2).sum())
    if distance == 0:
        return target
    # The smaller of the two products has the same largest eigenvalue and trace.
    x = sample.centred if sample.returns.shape[1] <= sample.rows else sample.centred.T
    eigenvalues = np.linalg.eigvalsh(x.T @ x) / (sample.rows - 1)
    weight = (eigenvalues.sum() - 2 * eigenvalues[-1]) / sample.rows / distance
    return _shrink(sample.average, target, weight)


@estimator()
def bayes_stein(sample: Sample) -> Array:
    """Averages shrunk to the return of the minimum variance portfolio (Jorion 1986, JFQA 21).

    Raises PolicyError unless there are more than n + 2 periods, DataError for a singular covariance.

    >>> bayes_stein(sample).shape
    (3,)
    """
    rows, n = sample.returns.shape
    if rows <= n + 2:
        raise PolicyError(
            f"bayes_stein needs more than {n + 2} periods for {n} symbols and has {rows}; "
            f"lengthen lookback_days or use james_stein"
        )
    covariance = sample_covariance(sample) * (rows - 1) / (rows - n - 2)
    eigenvalues = np.linalg.eigvalsh(covariance)
    if eigenvalues[0] <= SINGULAR * eigenvalues[-1]:
        raise DataError("bayes_stein: the covariance is singular (twin or idle symbols?); use james_stein")
    solved = np.linalg.solve(covariance, np.column_stack([np.ones(n), sample.average]))
    target = np.full(n, solved[:, 1].sum() / solved[:, 0].sum())
    gap = sample.average - target
    distance = float(gap @ np.linalg.solve(covariance, gap))
    return _shrink(sample.average, target, (n + 2) / (n + 2 + rows * distance))


@counted()
def equilibrium(covariance: Matrix, weights: Array, delta: float) -> Array:
    """Excess returns that make `weights` the optimum of an investor with risk aversion `delta`: delta S w.

    covariance  (n, n) per year, weights (n,) of the market; the result is (n,) per year
    Source: Black & Litterman (1992); Sharpe, Imputing Expected Returns (1974).

    >>> equilibrium(covariance, market, 2.5).round(4).tolist()
    [0.0066, 0.0447, 0.0167]
    """
    return np.asarray(delta * (covariance @ weights))


def _shrink(average: Array, target: Array, weight: float) -> Array:
    share = min(max(float(weight), 0.0), 1.0)
    return np.asarray((1 - share) * average + share * target)
