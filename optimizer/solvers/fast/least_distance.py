"""How near weights within their bounds and the range of cash come to what is held: a sort, where an LP would do."""

import numpy as np

from optimizer.numerics.convex_limits import INF, Absolute, Limits

EXACT = 1e-8  # what the audit lets a bound be missed by
CLEARLY = 1e-4  # of NAV; what is missed by less is left to the solvers, whose answers keep limits to within rounding


def least_distance(limits: Limits, limit: Absolute, missed: float = EXACT) -> float:
    """The least value of an absolute limit, without sides that count differently, of weights that keep their bounds
    and the first affine limit, which is that of cash; infinite where none keep these to within `missed`.

    Every weight goes to its nearest bound; where their sum is then out of range the cheapest move on, which takes them
    further from the center: the sum is convex and separable, so that this is the least.
    """
    lower, upper, cash = limits.lower, limits.upper, limits.linear[0]
    near = np.minimum(np.maximum(limit.center, lower), upper)
    invested, least, most = float(near.sum()), cash.offset - cash.high, cash.offset - cash.low
    if (lower > upper + missed).any() or least - most > missed:
        return INF
    lacking, distance = max(least - invested, invested - most), limit.value(near)
    if lacking <= 0:
        return distance
    room = upper - near if invested < least else near - lower
    if float(room.sum()) < lacking - missed:
        return INF
    order = limit.coefficients.argsort(kind="stable")
    moved = np.minimum(room[order].cumsum(), lacking)
    moved[1:] -= moved[:-1].copy()
    return distance + float(limit.coefficients[order] @ moved)


def out_of_reach(limits: Limits) -> bool:
    """Whether an absolute limit, such as turnover, is clearly too narrow for the bounds and the range of cash."""
    return any(
        limit.row is None and least_distance(limits, limit, CLEARLY) > limit.bound + CLEARLY
        for limit in limits.absolute
    )
