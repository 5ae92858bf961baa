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
    k = len(S)
    try:
        found = _by_factor(S, rows, right) if k > LARGE else _at_once(S, rows, right)
    except np.linalg.LinAlgError as error:
        raise NoAnswerError("active set", str(error), infeasible=False) from error
    top, bottom = S @ found[:k] - rows.T @ found[k:] - right[:k], rows @ found[:k] - right[k:]
    off = max(float(np.abs(top).max(initial=0.0)), float(np.abs(bottom).max(initial=0.0)))
    if not off <= RESIDUAL * float(np.abs(right).max(initial=0.0)):
        raise NoAnswerError("active set", "rows depend on each other", infeasible=False)
    return found


def _at_once(S: Array, rows: Array, right: Array) -> Array:
    k = len(S)
    system = np.zeros((len(right), len(right)))
    system[:k, :k], system[k:, :k], system[:k, k:] = S, rows, -rows.T
    return np.asarray(np.linalg.solve(system, right), dtype=float)


def _by_factor(S: Array, rows: Array, right: Array) -> Array:
    """By the Cholesky factor of S, half the work of LU. Raises LinAlgError where S has none."""
    from scipy.linalg import lapack  # its import pays off for large systems only

    k = len(S)
    factor, failed = lapack.dpotrf(S.T, lower=1, clean=0)
    if failed:
        raise np.linalg.LinAlgError(f"no Cholesky factor of {k} free weights")
    both = lapack.dpotrs(factor, np.column_stack([right[:k], rows.T]), lower=1)[0]
    free, own = both[:, : right.shape[1]], both[:, right.shape[1] :]
    prices = np.linalg.solve(rows @ own, right[k:] - rows @ free)
    return np.asarray(np.concatenate([free + own @ prices, prices]), dtype=float)
