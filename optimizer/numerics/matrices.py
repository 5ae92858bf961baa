"""Covariances as (n, n) numbers or as factors, and the few products that solvers need of either."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from optimizer.typing import Array

Index = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class LowRank:
    """A covariance root'root + diag(diagonal), kept so because n x n numbers are many more than r x n.

    root      (r, n); diagonal  (n,), not negative; both per year once inside `Estimates`
    signs     (r,) 1, or -1 for rows whose product is taken away, as views take away doubt; None = all 1
    `matrix @ x` and `x @ matrix` take 2 r n steps; numpy leaves them to this class.
    """

    root: Array
    diagonal: Array
    signs: Array | None = None
    __array_ufunc__: ClassVar[None] = None

    @cached_property
    def signed(self) -> Array:
        """(r, n) the root's rows with their signs: the covariance is signed'root + diag(diagonal)."""
        return self.root if self.signs is None else self.signs[:, None] * self.root

    def __matmul__(self, x: Array) -> Array:
        kept = self.diagonal if x.ndim == 1 else self.diagonal[:, None]
        return np.asarray(self.signed.T @ (self.root @ x) + kept * x)

    def __rmatmul__(self, x: Array) -> Array:
        return self @ x

    def times(self, factor: float) -> "LowRank":
        """The covariance times a positive factor."""
        return LowRank(self.root * np.sqrt(factor), self.diagonal * factor, self.signs)

    def __len__(self) -> int:
        return len(self.diagonal)

    @cached_property
    def variances(self) -> Array:
        """(n,) the diagonal of the covariance."""
        return np.asarray(np.einsum("ij,ij->j", self.signed, self.root) + self.diagonal)

    @cached_property
    def dense(self) -> Array:
        """(n, n) the covariance itself."""
        covariance = self.signed.T @ self.root
        covariance.flat[:: len(covariance) + 1] += self.diagonal
        return np.asarray(covariance)


Matrix = Array | LowRank


def dense(matrix: Matrix) -> Array:
    """(n, n) numbers."""
    return matrix.dense if isinstance(matrix, LowRank) else matrix


def variances(matrix: Matrix) -> Array:
    """(n,) the diagonal."""
    return matrix.variances if isinstance(matrix, LowRank) else matrix.diagonal()


def scaled(matrix: Matrix, factor: float) -> Matrix:
    """The matrix times a positive factor."""
    return matrix.times(factor) if isinstance(matrix, LowRank) else matrix * factor


def plus_diagonal(matrix: Matrix | None, size: float, n: int) -> Matrix:
    """The matrix (n, n), 0 for None, with a size more on its diagonal."""
    if matrix is None:
        return size * np.eye(n)
    if isinstance(matrix, LowRank):
        return LowRank(matrix.root, matrix.diagonal + size, matrix.signs)
    return matrix + size * np.eye(n)


def less(matrix: LowRank, rows: Array) -> LowRank:
    """The matrix without rows'rows, rows (k, n)."""
    signs = np.ones(len(matrix.root)) if matrix.signs is None else matrix.signs
    return LowRank(np.vstack([matrix.root, rows]), matrix.diagonal, np.append(signs, -np.ones(len(rows))))


def block(matrix: Matrix, names: Index) -> Array:
    """(k, k) rows and columns of k names."""
    if not isinstance(matrix, LowRank):
        return np.asarray(matrix.take(names, axis=0).take(names, axis=1))
    square = matrix.signed[:, names].T @ matrix.root[:, names]
    square.flat[:: len(square) + 1] += matrix.diagonal[names]
    return np.asarray(square)


def between(matrix: Matrix, rows: Index, columns: Index) -> Array:
    """(k, j) what k names have in common with j others; on the diagonal of factors only what is in these."""
    if not isinstance(matrix, LowRank):
        return np.asarray(matrix.take(rows, axis=0).take(columns, axis=1))
    return np.asarray(matrix.root[:, rows].T @ matrix.root[:, columns])


def product_of_few(matrix: Matrix, names: Index, x: Array) -> Array:
    """(n,) the product with x (k,) in k names and 0 in the others."""
    if not isinstance(matrix, LowRank):
        return np.asarray(x @ matrix[names])
    product = matrix.root.T @ (matrix.root[:, names] @ x)
    product[names] += matrix.diagonal[names] * x
    return np.asarray(product)


@dataclass(frozen=True, eq=False)
class Part:
    """A matrix as seen from j of its names, whose rows are gathered once for all products with them."""

    matrix: Matrix
    names: Index

    @cached_property
    def _rows(self) -> Array:
        """(j, n) of a matrix in numbers, (r, j) of the root of one in factors."""
        if isinstance(self.matrix, LowRank):
            return np.asarray(self.matrix.root[:, self.names])
        return np.asarray(self.matrix[self.names])

    def block(self, k: int) -> Array:
        """(k, k) rows and columns of the first k names."""
        if isinstance(self.matrix, LowRank):
            return block(self.matrix, self.names[:k])
        return np.asarray(self._rows[:k].take(self.names[:k], axis=1))

    def pull(self, k: int, x: Array) -> Array:
        """(k,) what x (j - k,) in the other names adds to the products of the first k."""
        if isinstance(self.matrix, LowRank):
            spread = self._rows[:, k:] @ x
            return np.asarray(
                self._rows[:, :k].T @ (spread if self.matrix.signs is None else self.matrix.signs * spread)
            )
        return np.asarray(self._rows[:k].take(self.names[k:], axis=1) @ x)

    def products(self, x: Array) -> Array:
        """(c, n) the products with c columns of x (n, c), which are 0 outside the names."""
        own = x[self.names]
        if not isinstance(self.matrix, LowRank):
            return np.asarray(own.T @ self._rows)
        spread = (self._rows @ own).T @ self.matrix.signed
        spread[:, self.names] += self.matrix.diagonal[self.names] * own.T
        return np.asarray(spread)
