"""The nearest covariance that returns can have."""

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import DataError
from optimizer.numerics.counted import floats
from optimizer.typing import Array


@typed
def nearest_psd(covariance: Array, *, tolerance: float = 1e-7, rounds: int = 1000) -> Array:
    """The (n, n) covariance with the same variances whose correlation is nearest to the given one.

    Alternating projections with Dykstra's correction (Higham 2002, IMA J. Numer. Anal. 22). A matrix that is
    positive semidefinite already is returned as it is. Raises DataError for a matrix that is not symmetric and finite,
    a negative variance, or where the projections do not settle.

    >>> nearest_psd(np.array([[1.0, 1.2], [1.2, 1.0]])).round(4).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    covariance = floats("covariance", covariance)
    n = len(covariance)
    if not n or covariance.shape != (n, n) or not np.isfinite(covariance).all():
        raise DataError(
            f"covariance has shape {covariance.shape}; a square matrix of finite numbers is needed"
        )
    if tolerance < 0 or _uneven(covariance):
        raise DataError("covariance is not symmetric, or tolerance is below 0; give one that is, and 1e-7")
    if float(np.linalg.eigvalsh(covariance)[0]) >= 0:
        return covariance
    variance = np.diag(covariance)
    if (variance < 0).any():
        raise DataError(f"variance {variance.min():g} is negative; correct the returns it comes from")
    deviation = np.where(variance > 0, np.sqrt(variance), 1.0)
    target = covariance / np.outer(deviation, deviation)
    diagonal = np.where(variance > 0, 1.0, 0.0)
    correlation, correction = target.copy(), np.zeros_like(target)
    for _ in range(rounds):
        shifted = correlation - correction
        semidefinite = _positive_part(shifted)
        correction = semidefinite - shifted
        previous, correlation = correlation, semidefinite.copy()
        np.fill_diagonal(correlation, diagonal)
        if np.abs(correlation - previous).max() < tolerance:
            return _unit_diagonal(_positive_part(correlation), deviation, diagonal)
    raise DataError(f"no nearest correlation after {rounds} projections; estimate on complete rows instead")


def _uneven(matrix: Array) -> bool:
    return bool(np.abs(matrix - matrix.T).max() > 1e-9 * max(float(np.abs(matrix).max()), 1e-300))


def _positive_part(matrix: Array) -> Array:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.maximum(values, 0)) @ vectors.T)


def _unit_diagonal(correlation: Array, deviation: Array, diagonal: Array) -> Array:
    # A congruence keeps the matrix semidefinite, which overwriting the diagonal would not.
    scale = deviation * np.where(diagonal > 0, 1 / np.sqrt(np.diag(correlation).clip(1e-12)), 0.0)
    return np.asarray(correlation * np.outer(scale, scale))
