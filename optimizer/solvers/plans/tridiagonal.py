"""Symmetric block tridiagonal systems: what joins one step of a plan to the next is a diagonal, or one block."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import blas, lapack

from optimizer.numerics.answers import NoAnswerError
from optimizer.typing import Array


@dataclass(frozen=True, eq=False)
class Tridiagonal:
    """The factor of blocks K_k on the diagonal and -C_k below and above it.

    inverses  (H, n, n) of the blocks once those before them are eliminated; the upper triangle of each transpose
    couplings C (H, n), or (H, n, n) where they are no diagonals; the first is not used
    """

    inverses: Array
    couplings: Array

    @classmethod
    def of(cls, blocks: Array, couplings: Array) -> "Tridiagonal":
        """Factors K (H, n, n), which is overwritten; raises NoAnswerError where the whole is not positive definite."""
        for k, block in enumerate(blocks):
            if k:
                c, before = couplings[k], blocks[k - 1]
                block -= c[:, None] * before * c if c.ndim == 1 else c @ blas.dsymm(1.0, before.T, c, lower=0)
            factor, bad = lapack.dpotrf(block.T, lower=0, clean=0)
            if bad:
                raise NoAnswerError("interior point", "the system is not positive definite", infeasible=False)
            # Only one triangle of each is read: to mirror them takes a fifth of the time.
            block.T[...] = lapack.dpotri(factor, lower=0, overwrite_c=1)[0]
        return cls(blocks, couplings)

    def solve(self, right: Array) -> Array:
        """x (H, n, c) with the whole system times x = right (H, n, c)."""
        x, last = right.copy(), len(right) - 1
        for k in range(1, last + 1):
            x[k] += self._couple(k, self._uncoupled(k - 1, x[k - 1]))
        x[last] = self._uncoupled(last, x[last])
        for k in range(last - 1, -1, -1):
            x[k] = self._uncoupled(k, x[k] + self._couple(k + 1, x[k + 1]))
        return x

    def _uncoupled(self, k: int, x: Array) -> Array:
        return np.asarray(blas.dsymm(1.0, self.inverses[k].T, x, lower=0))

    def _couple(self, k: int, x: Array) -> Array:
        c = self.couplings[k]
        return np.asarray(c[:, None] * x if c.ndim == 1 else c @ x)
