"""The equations of a guess in block pivoting: least y'Sy/2 - b'y among the y with Ay = c, and what the rows cost."""

import numpy as np

from optimizer.numerics.answers import NoAnswerError
from optimizer.typing import Array

RESIDUAL, LARGE = 1e-10, 150


def least_on_rows(S: Array, rows: Array, right: Array) -> Array:
    """(k + r, c) y and multipliers z with Sy - A'z = b and Ay = c, for c right-hand sides (k + r, c) at once.

    S (k, k) positive definite, rows A (r, k). Raises NoAnswerError where S is singular on the rows, or they depend
    on each other.
    """
    try:
        found, off = _by_factor(S, rows, right) if len(S) > LARGE else _at_once(S, rows, right)
    except np.linalg.LinAlgError as error:
        raise NoAnswerError("active set", str(error), infeasible=False) from error
    if not np.abs(off).max(initial=0.0) <= RESIDUAL * np.abs(right).max(initial=0.0):
        raise NoAnswerError("active set", "rows depend on each other", infeasible=False)
    return found


def _at_once(S: Array, rows: Array, right: Array) -> tuple[Array, Array]:
    """The answer, and by how much it misses the equations."""
    k = len(S)
    system = np.zeros((len(right), len(right)))
    system[:k, :k], system[k:, :k], system[:k, k:] = S, rows, -rows.T
    found = np.asarray(np.linalg.solve(system, right), dtype=float)
    return found, np.asarray(system @ found - right)


def _by_factor(S: Array, rows: Array, right: Array) -> tuple[Array, Array]:
    """The same by the Cholesky factor of S, half the work of LU. Raises LinAlgError where S has none."""
    from scipy.linalg import lapack  # its import pays off for large systems only

    k = len(S)
    factor, failed = lapack.dpotrf(S.T, lower=1, clean=0)
    if failed:
        raise np.linalg.LinAlgError(f"no Cholesky factor of {k} free weights")
    both = lapack.dpotrs(factor, np.column_stack([right[:k], rows.T]), lower=1)[0]
    free, own = both[:, : right.shape[1]], both[:, right.shape[1] :]
    prices = np.linalg.solve(rows @ own, right[k:] - rows @ free)
    y = free + own @ prices
    off = np.concatenate([S @ y - rows.T @ prices - right[:k], rows @ y - right[k:]])
    return np.concatenate([y, prices]), off
