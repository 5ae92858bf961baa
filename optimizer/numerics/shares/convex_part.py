"""The convex part, around one portfolio, of what a limit on a share of the variance allows: an ellipsoid."""

from dataclasses import dataclass

import numpy as np

from optimizer.numerics.convex_limits import Norm
from optimizer.numerics.shares.risk_share import Side
from optimizer.typing import Array


@dataclass(frozen=True, eq=False)
class ConvexPart(Norm):
    """All of it keeps the limit `side`; where its own bound is reached the share may be inside."""

    side: Side

    def per_share(self, w: Array) -> float:
        """Change of the bound of this norm per unit of the share's bound."""
        return self.side.share.variance(w) / (2.0 * self.bound)


def convex_part(side: Side, at: Array) -> ConvexPart | None:
    """The ellipsoid around (n,) weights; it holds them where they keep the limit. None where it is empty.

    w'Pw <= w'Nw holds where w'Pw <= 2 at'Nw - at'N at does, because w'Nw is convex: the concave-convex procedure.
    Source: Yuille & Rangarajan (2003), Neural Computation 15; Lipp & Boyd (2016), Optimization and Engineering 17.
    """
    over, under = side.split
    pull = under @ at
    center = np.asarray(np.linalg.solve(over, pull), dtype=float)
    square = float(center @ pull) - float(at @ pull)
    if square <= 0:
        return None
    return ConvexPart(side.name, over, center, float(np.sqrt(square)), side)
