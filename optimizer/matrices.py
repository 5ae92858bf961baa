"""Covariances as (n, n) numbers or as factors, and the few products that solvers need of either."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from optimizer.typing import Array

MOST = 0.7  # of the names: with more, gathering their rows costs more than it saves

Index = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class LowRank:
    """A covariance root'root + diag(diagonal), kept so because n x n numbers are many more than r x n.

    root      (r, n); diagonal  (n,), not negative; both per year once inside `Estimates`
    `matrix @ x` and `x @ matrix` take 2 r n steps; numpy leaves them to this class.
    """

    root: Array
    diagonal: Array
    __array_ufunc__: ClassVar[None] = None

    def __matmul__(self, x: Array) -> Array:
        kept = self.diagonal if x.ndim == 1 else self.diagonal[:, None]
        return np.asarray(self.root.T @ (self.root @ x) + kept * x)

    def __rmatmul__(self, x: Array) -> Array:
        return self @ x

    def __len__(self) -> int:
        return len(self.diagonal)

    @cached_property
    def variances(self) -> Array:
        """(n,) the diagonal of the covariance."""
        return np.asarray(np.einsum("ij,ij->j", self.root, self.root) + self.diagonal)

    @cached_property
    def dense(self) -> Array:
        """(n, n) the covariance itself."""
        covariance = self.root.T @ self.root
        covariance.flat[:: len(covariance) + 1] += self.diagonal
        return np.asarray(covariance)


Matrix = Array | LowRank


def dense(matrix: Matrix) -> Array:
    """(n, n) numbers."""
    return matrix.dense if isinstance(matrix, LowRank) else matrix


def variances(matrix: Matrix) -> Array:
    """(n,) the diagonal."""
    return matrix.variances if isinstance(matrix, LowRank) else np.diag(matrix)


def scaled(matrix: Matrix, factor: float) -> Matrix:
    """The matrix times a positive factor."""
    if isinstance(matrix, LowRank):
        return LowRank(matrix.root * np.sqrt(factor), matrix.diagonal * factor)
    return matrix * factor


def correlations(matrix: Matrix, risk: Array) -> Matrix:
    """The matrix with rows and columns divided by risk (n,)."""
    if isinstance(matrix, LowRank):
        return LowRank(matrix.root / risk, matrix.diagonal / risk**2)
    divided = matrix / risk
    divided /= risk[:, None]
    return np.asarray(divided)


def block(matrix: Matrix, names: Index) -> Array:
    """(k, k) rows and columns of k names."""
    if not isinstance(matrix, LowRank):
        return np.asarray(matrix[names[:, None], names])
    part = matrix.root[:, names]
    square = part.T @ part
    square.flat[:: len(square) + 1] += matrix.diagonal[names]
    return np.asarray(square)


def pull(matrix: Matrix, names: Index, others: Index, x: Array) -> Array:
    """(k,) what x (j,) in j other names adds to the products of k names; no name may be in both."""
    if isinstance(matrix, LowRank):
        return np.asarray(matrix.root[:, names].T @ (matrix.root[:, others] @ x))
    return np.asarray(matrix[names[:, None], others] @ x)


def products(matrix: Matrix, names: Index, x: Array) -> Array:
    """(c, n) the products with c columns of x (n, c), which are 0 outside the names."""
    if isinstance(matrix, LowRank):
        spread = (matrix.root[:, names] @ x[names]).T @ matrix.root
        spread[:, names] += matrix.diagonal[names] * x[names].T
        return np.asarray(spread)
    if len(names) > MOST * len(matrix):
        return np.asarray((matrix @ x).T)
    return np.asarray(x[names].T @ matrix[names])
