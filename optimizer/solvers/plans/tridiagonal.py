"""Symmetric block tridiagonal systems: what joins one step of a plan to the next is a symmetric block."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import blas, lapack

from optimizer.numerics.answers import NoAnswerError
from optimizer.typing import Array


@dataclass(frozen=True, eq=False)
class Tridiagonal:
    """The Cholesky factor of blocks K_k on the diagonal and -C_k below and above it.

    lower   H lower triangles L_k (n, n) of the blocks once those before are eliminated; above them is noise
    joined  X_k = L_k^-1 C_k+1 (n, n) of the steps before the last
    """

    lower: list[Array]
    joined: list[Array]

    @classmethod
    def of(cls, blocks: Array, couplings: Array) -> "Tridiagonal":
        """Factors K (H, n, n) with C (H, n, n), in their place; raises NoAnswerError where not definite."""
        lower: list[Array] = []
        joined: list[Array] = []
        for block, coupling in zip(blocks, couplings, strict=True):
            left = block.T  # symmetric: LAPACK reads columns
            if lower:
                joined.append(blas.dtrsm(1.0, lower[-1], coupling.T, lower=1, overwrite_b=1))
                left = blas.dsyrk(-1.0, joined[-1], beta=1.0, c=left, trans=1, lower=1, overwrite_c=1)
            factor, bad = lapack.dpotrf(left, lower=1, clean=0, overwrite_a=1)
            if bad:
                raise NoAnswerError("interior point", "the system is not positive definite", infeasible=False)
            lower.append(factor)
        return cls(lower, joined)

    def forward(self, right: Array) -> Array:
        """y (H, n) or (H, n, c) with L y = right, of the same shape; `backward` of it solves the whole."""
        y = right.copy()
        y[0] = self._part(0, y[0], transposed=0)
        for k in range(1, len(y)):
            y[k] = self._part(k, y[k] + self.joined[k - 1].T @ y[k - 1], transposed=0)
        return y

    def backward(self, y: Array) -> Array:
        """x of the shape of y with L'x = y."""
        x = y.copy()
        x[-1] = self._part(-1, x[-1], transposed=1)
        for k in range(len(x) - 2, -1, -1):
            x[k] = self._part(k, x[k] + self.joined[k] @ x[k + 1], transposed=1)
        return x

    def _part(self, k: int, x: Array, transposed: int) -> Array:
        return np.asarray(lapack.dtrtrs(self.lower[k], x, lower=1, trans=transposed)[0])
