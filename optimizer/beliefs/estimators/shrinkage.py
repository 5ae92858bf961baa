"""Covariances shrunk towards a simple target by a closed-form intensity; (n, n) per period, 1/T moments."""

import warnings

import numpy as np
import numpy.typing as npt

from optimizer.beliefs.estimators.sample import Sample, estimator
from optimizer.errors import DataError
from optimizer.typing import Array

NONE = 1e-12  # of the largest eigenvalue


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

    As scikit-learn has it: without the terms in 2 / n of their equation 23, which shrink a few names less.

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
    moving = deviation > 0
    if not moving.all():
        if moving.any():
            empirical[np.ix_(moving, moving)] = ledoit_wolf_constant_correlation(Sample(x[:, moving]))
        return empirical
    if n == 1:
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


@estimator()
def geodesic(sample: Sample) -> Array:
    """Volatilities (1 / T), and a correlation part of the way from the sample's to none on the geodesic between them.

    C^(1 - a) scaled to a unit diagonal, a Ledoit and Wolf's weight for standardised returns: eigenvalues move by
    ratios, where linear shrinkage moves them by differences. A singular correlation stays singular.
    Source: the affine-invariant metric of Bhatia, Positive Definite Matrices (2007), chapter 6.

    >>> geodesic(sample).shape
    (3, 3)
    """
    empirical, _ = _moments(sample)
    deviation, correlation, moving = _correlation(empirical)
    if len(moving) > 1:
        unit = Sample(sample.centred[:, moving] / deviation[moving])
        share = ledoit_wolf_intensity(unit, correlation[np.ix_(moving, moving)])
        correlation[np.ix_(moving, moving)] = towards_none(correlation[np.ix_(moving, moving)], share)
    return np.asarray(correlation * np.outer(deviation, deviation))


def towards_none(correlation: Array, share: float) -> Array:
    """(n, n) the point at a share of the way on the geodesic to the identity, with a unit diagonal."""
    values, vectors = np.linalg.eigh(correlation)
    values[values <= NONE * values[-1]] = 0.0  # a power below 1 would make much of what rounding left
    moved = (vectors * values ** (1.0 - share)) @ vectors.T
    scale = 1.0 / np.sqrt(np.diag(moved))
    return np.asarray(moved * np.outer(scale, scale))


@estimator()
def graphical_lasso(sample: Sample) -> Array:
    """Volatilities (1 / T), and the correlation of greatest likelihood less a penalty on partial correlations.

    Most partial correlations become 0. The penalty on the size of the off-diagonal entries of the inverse is
    sqrt(ln n / T), the rate of Ravikumar et al. 2011. Raises DataError where coordinate descent does not settle.
    Source: Friedman, Hastie & Tibshirani 2008, Biostatistics 9.

    >>> graphical_lasso(sample).shape
    (3, 3)
    """
    from sklearn.covariance import graphical_lasso as fitted
    from sklearn.exceptions import ConvergenceWarning

    empirical, _ = _moments(sample)
    deviation, correlation, moving = _correlation(empirical)
    penalty = min(np.sqrt(np.log(max(len(moving), 1)) / sample.rows), 1.0)
    if len(moving) > 1:
        own = correlation[np.ix_(moving, moving)]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", ConvergenceWarning)
                sparse = fitted(own, penalty, tol=1e-7, enet_tol=1e-9, max_iter=1000)[0]
        except (ConvergenceWarning, FloatingPointError) as stop:
            raise DataError(
                f"the graphical lasso of {len(moving)} names and {sample.rows} returns does not settle ({stop}); use "
                f"ledoit_wolf, or more returns"
            ) from stop
        correlation[np.ix_(moving, moving)] = (sparse + sparse.T) / 2
    return np.asarray(correlation * np.outer(deviation, deviation))


def _correlation(covariance: Array) -> tuple[Array, Array, npt.NDArray[np.intp]]:
    """(n,) deviations, (n, n) correlations, 0 beside what never moves, and the places of what does."""
    deviation = np.sqrt(np.diag(covariance))
    safe = np.where(deviation > 0, deviation, 1.0)
    correlation = np.asarray(covariance / np.outer(safe, safe))
    np.fill_diagonal(correlation, 1.0)
    return deviation, correlation, np.flatnonzero(deviation > 0)


def _moments(sample: Sample) -> tuple[Array, float]:
    empirical = np.asarray(sample.centred.T @ sample.centred)
    empirical /= sample.rows
    return empirical, float(empirical.trace()) / len(empirical)


def _towards_identity(empirical: Array, variance: float, intensity: float) -> Array:
    # In place: at 5,000 symbols a second copy costs as much as the shrinkage.
    empirical *= 1 - intensity
    empirical.flat[:: len(empirical) + 1] += intensity * variance
    return empirical
