"""A limit on the share of the variance that a part of the portfolio contributes; what it allows is not convex."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optimizer.numerics.matrices import Matrix, dense, variances
from optimizer.typing import Array

INSIDE = 1e-7  # of the variance: how far within its bound a share is sought, so that rounding breaks none
METRIC_RIDGE = (
    0.01  # of the variances: a covariance of fewer days than names tells directions apart by nothing
)
NO_RISK = 1e-12  # of the greatest variance: what is left of rounding in a name that never moved
ALL_CASH = 1e-18  # squared weights: solvers leave a billionth where there is none
CURVED = 0.1  # curvature added to both parts of a split, in shares of the bound


@dataclass(frozen=True, eq=False)
class Share:
    """low <= w'Aw / w'Sw <= high: contributions to the variance add up to it (Euler's rule).

    names  what the lower and the upper side are called
    risk   (n, n) S, per year
    part   the linear map A, of (n,) or (n, k);  diagonal  (n,) of A
    group  the policy item that sets the upper side for many names; "" where it is this one's own
    Source: Menchero & Davis (2011), Risk contribution is exposure times volatility times correlation; Meucci (2009),
    Managing diversification.
    """

    names: tuple[str, str]
    risk: Matrix
    part: Callable[[Array], Array]
    diagonal: Array
    low: float = -np.inf
    high: float = np.inf
    group: str = ""

    def variance(self, w: Array) -> float:
        """w'Sw."""
        return float(w @ (self.risk @ w))

    def value(self, w: Array) -> float:
        """The share; 0 where there is no risk to share."""
        variance = self.variance(w)
        return float(w @ self.part(w)) / variance if variance > self._none * float(w @ w) else 0.0

    @cached_property
    def _none(self) -> float:
        """The variance that is none."""
        return NO_RISK * float(variances(self.risk).max())

    @property
    def alone(self) -> Array:
        """(n,) the share in a portfolio of one name alone."""
        own = variances(self.risk)
        return np.asarray(np.divide(self.diagonal, own, out=np.zeros(len(own)), where=self.moving))

    @property
    def moving(self) -> NDArray[np.bool_]:
        """(n,) the names that have a risk."""
        return np.asarray(variances(self.risk) > self._none)

    def violation(self, w: Array) -> float:
        """By how much the share leaves [low, high]; 0 inside, and where all is cash."""
        return max(0.0, *(side.excess(w) for side in self.sides))

    @cached_property
    def sides(self) -> "tuple[Side, ...]":
        """The sides that have a bound."""
        return tuple(Side(self, upper) for upper in (False, True) if np.isfinite(self._bound(upper)))

    def _bound(self, upper: bool) -> float:
        return self.high if upper else self.low


@dataclass(frozen=True, eq=False)
class Side:
    """One side of a limit on a share: w'Qw <= 0, Q being the difference of two positive definite forms."""

    share: Share
    upper: bool

    @property
    def name(self) -> str:
        """What the side is called."""
        return self.share.names[self.upper]

    @property
    def bound(self) -> float:
        """The share at which it ends."""
        return self.share._bound(self.upper)

    def excess(self, w: Array) -> float:
        """By how much the share passes the bound; below 0 inside, and 0 where all is cash, which shares out nothing."""
        if float(w @ w) <= ALL_CASH:
            return 0.0
        away = self.share.value(w) - self.bound
        return away if self.upper else -away

    @property
    def passed_alone(self) -> Array:
        """(n,) by how much a portfolio of one name alone passes the bound; 0 inside."""
        away = self.share.alone - self.bound
        return np.maximum(away if self.upper else -away, 0.0)

    @cached_property
    def form(self) -> Array:
        """(n, n) Q."""
        n = len(self.share.risk)
        mapped = self.share.part(np.eye(n))
        sign = 1.0 if self.upper else -1.0
        aim = self.bound - sign * INSIDE
        return sign * (0.5 * (mapped + mapped.T) - aim * dense(self.share.risk))

    @cached_property
    def split(self) -> tuple[Array, Array]:
        """(n, n) each: P and N, positive definite, with Q = P - N and little in common in the metric of S."""
        risk = dense(self.share.risk)
        metric = risk + METRIC_RIDGE * np.diag(risk.diagonal())
        root = np.linalg.cholesky(
            metric + 1e-12 * float(np.trace(metric)) / len(metric) * np.eye(len(metric))
        )
        inner = np.linalg.solve(root, np.linalg.solve(root, self.form).T)
        values, vectors = np.linalg.eigh(0.5 * (inner + inner.T))
        added = CURVED * max(abs(self.bound), 0.05)
        spread = root @ vectors
        over = (spread * (np.maximum(values, 0.0) + added)) @ spread.T
        under = (spread * (np.maximum(-values, 0.0) + added)) @ spread.T
        return 0.5 * (over + over.T), 0.5 * (under + under.T)
