"""Where an answer may lie: the limits, as solvers search them and as the audit reads them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from optimizer.numerics.convex_limits import Limits, Norm
from optimizer.numerics.polyhedra import Polyhedron, folded, polyhedron
from optimizer.numerics.shares.risk_share import Share
from optimizer.typing import Array


@dataclass(frozen=True, eq=False)
class FeasibleSet:
    """Where the answer may lie.

    limits   in the order of the rows of `frame`;  given: the space to search, if it is not that of the limits
    elastic  the space has slack columns, by which some limits may be missed
    start    (n,) weights near the answer, from which solvers may begin; the answer is the same without
    """

    limits: Limits
    given: Polyhedron | None = None
    elastic: bool = False
    start: Array | None = None

    @cached_property
    def space(self) -> Polyhedron:
        """The affine and absolute limits as rows alone, with columns for sales: for solvers that know nothing else."""
        if self.given is None and self.limits.raised:
            return polyhedron(self.limits)
        return self.frame

    @cached_property
    def frame(self) -> Polyhedron:
        """The same without columns for sales: what proofs and multipliers are about."""
        if self.given is not None:
            return self.given
        return self.space if self.limits.wide else folded(self.limits)

    @property
    def wide(self) -> bool:
        """Whether even the frame has more columns than weights."""
        return self.elastic or self.limits.wide

    def prices(self, multipliers: Array) -> Array:
        """Multipliers of the rows of `frame` from those of `space`; the same number more at the end are kept."""
        if self.space is self.frame:
            return multipliers
        space, own = self.space, len(self.limits.linear)
        return np.concatenate(
            [multipliers[:own], multipliers[list(space.bounds)], multipliers[len(space.rows) :]]
        )

    def violation(self, x: Array) -> float:
        """The largest violation at x (p,); without slack recomputed from the limits and the weights alone."""
        w = x[: len(self.limits.symbols)]
        if not self.elastic:
            return self.limits.violation(w)
        beside: list[Norm | Share] = [*self.limits.norms, *self.limits.shares]
        return max(self.space.violation(x), *(limit.violation(w) for limit in beside), 0.0)


def plain(limits: Limits, start: Array | None = None) -> FeasibleSet:
    """All that the limits allow; `start` as in FeasibleSet."""
    return FeasibleSet(limits, start=start)
