"""The risk of being away from the target, and how much of it each name bears alone: read once for all lists."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from optimizer.numerics.matrices import Index, LowRank, Matrix, dense, plus_diagonal, variances
from optimizer.typing import Array

RIDGE = 1e-6
FEW, MANY = 0.25, 600  # of names: a covariance in so few factors, or of so many names, is never made dense
KEPT = 0.7


@dataclass(frozen=True, eq=False)
class TrackingRisk:
    """A positive definite covariance, per year, and what each name bears of it alone.

    own  (n,) > 0: covariance - diag(own) is positive semidefinite

    >>> bool((TrackingRisk.of(covariance).own > 0).all())
    True
    """

    covariance: Matrix
    own: Array

    @classmethod
    def of(cls, covariance: Matrix) -> "TrackingRisk":
        """Of a positive semidefinite covariance, with a millionth of the mean variance more in each name.

        Of factors the specific variances are what the names bear alone, and nothing of size (n, n) is made.
        """
        n = len(covariance)
        ridge = RIDGE * float(variances(covariance).mean())
        firm = plus_diagonal(covariance, ridge, n)
        if isinstance(firm, LowRank) and (len(firm.root) <= FEW * n or n > MANY):
            return cls(firm, firm.diagonal)
        square = dense(firm)
        return cls(square, separable(square, alone(square)))

    @cached_property
    def variances(self) -> Array:
        """(n,) per year."""
        return np.array(variances(self.covariance))

    @cached_property
    def _rest(self) -> Array | None:
        """(n, n) the inverse of the covariance without KEPT of `own`; None for factors: their `own` is all there is."""
        if isinstance(self.covariance, LowRank):
            return None
        return np.asarray(np.linalg.inv(self.covariance - KEPT * np.diag(self.own)))

    def given_to(self, names: Index, share: Array) -> "TrackingRisk":
        """The same with `own` smaller everywhere, and larger for a few names, in proportion to share (k,) > 0.

        What is left of the covariance stays semidefinite, as its Schur complement in these names does.
        """
        if self._rest is None:
            return self
        scale = np.sqrt(share)
        block = self._rest[np.ix_(names, names)] * np.outer(scale, scale)
        own = KEPT * self.own
        own[names] += share / (float(np.linalg.eigvalsh(block)[-1]) * (1 + 1e-9))
        return TrackingRisk(self.covariance, own)


def alone(covariance: Array) -> Array:
    """(n,) the variance that the other names do not explain, 1 / (S^-1)_ii: the specific one in a factor model."""
    return np.asarray(1 / np.linalg.inv(covariance).diagonal())


def separable(covariance: Array, share: Array) -> Array:
    """(n,) the largest multiple of share (n,) > 0 whose diagonal leaves a positive definite covariance semidefinite."""
    scale = np.sqrt(share)
    lowest = float(np.linalg.eigvalsh(covariance / np.outer(scale, scale))[0])
    return np.asarray(max(lowest - 1e-9, 1e-12) * share)
