"""Limits that may give way: a polyhedron with a column for each, which says by how much, and the least of these."""

from dataclasses import dataclass, replace

import numpy as np

from optimizer.errors import SolverError
from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.convex_limits import INF, LONG_ONLY, Absolute, Hidden, Largest, Limits, Linear, Norm
from optimizer.numerics.lp import solve_lp
from optimizer.numerics.polyhedra import Polyhedron, outer, polyhedron
from optimizer.problem.goals import Quadratic
from optimizer.problem.trade_bounds import of_a_trade
from optimizer.solvers.audit import RADIUS, lower_bound
from optimizer.solvers.general import solve_general
from optimizer.typing import Array

SLACK_TOLERANCE, CUTS = 1e-8, 300
UNPROVEN = 1e-6  # between a least violation and its bound, in shares of bounds
HARD = ("max_turnover", "cash_min", "cash_max", LONG_ONLY)  # what holds before what is on the way
LEAST_UNIT = 0.01  # of a bound that is 0 or near it, when shares of bounds are compared


@dataclass(frozen=True)
class Elastic:
    """A polyhedron in which policy items may give way: its last columns say by how much, in `sizes`.

    groups  the policy items, in the order of those columns
    limits  the limits in the order of its rows, bounds that may give way among them as rows
    sizes   (k,) own units to one of a column: 1, and more of a large bound, for proofs look no further than RADIUS
    """

    space: Polyhedron
    groups: tuple[str, ...]
    limits: Limits
    sizes: Array

    def cost(self, prices: Array) -> Array:
        """(p,) prices (k,) in own units on the slack columns."""
        whole = np.zeros(self.space.rows.shape[1])
        whole[len(whole) - len(self.groups) :] = prices * self.sizes
        return whole

    def given(self, x: Array) -> dict[str, float]:
        """By how much each policy item gives way in columns x (p,), in its own unit."""
        return dict(zip(self.groups, (x[len(x) - len(self.groups) :] * self.sizes).tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class LeastSlack:
    """Columns (p,) of least price'x, and a polyhedron around all that is allowed that touches it there."""

    x: Array
    price: Array
    touching: Polyhedron

    @property
    def value(self) -> float:
        """price'x."""
        return float(self.price @ self.x)

    def proven(self) -> float:
        """What weak duality proves no columns to go below; SolverError where that stays away from what was found."""
        around = self.touching
        box = replace(
            around, floor=np.maximum(around.floor, -RADIUS), ceiling=np.minimum(around.ceiling, RADIUS)
        )
        least = lower_bound(around, self.price, solve_lp(self.price, box).multipliers)
        if self.value - least > UNPROVEN * max(1.0, self.value):
            raise SolverError(
                f"the least violation found is {self.value:.6g}, and no more than {least:.6g} is proven; report "
                f"the policy"
            )
        return min(max(least, 0.0), self.value)


def groups_of(limits: Limits) -> tuple[str, ...]:
    """The policy items behind the affine and absolute limits, each once, in the order of the policy."""
    finite = [
        *(g for g, b in zip(limits.lower_groups, limits.lower, strict=True) if b > -INF),
        *(g for g, b in zip(limits.upper_groups, limits.upper, strict=True) if b < INF),
    ]
    for limit in limits.linear:
        low, high = limit.groups or limit.names
        finite += [low] * bool(limit.low > -INF) + [high] * bool(limit.high < INF)
    return tuple(dict.fromkeys([*finite, *(limit.name for limit in limits.raised)]))


def elastic(limits: Limits, soft: tuple[str, ...]) -> Elastic:
    """The limits with one slack column, >= 0, for each policy item that may give way."""
    n, k = len(limits.symbols), len(soft)
    firm = _softened(limits, soft)
    base = polyhedron(firm)
    columns = np.zeros((len(base.rows), len(soft)))
    sizes = np.array([max(1.0, abs(bound_of(limits, group)) / (RADIUS / 4)) for group in soft])
    place = {group: column for column, group in enumerate(soft)}
    for i, linear in enumerate(firm.linear):
        low, high = linear.groups or linear.names
        for sign, group in ((1.0, low), (-1.0, high)):
            if group in place:
                columns[i, place[group]] = sign * sizes[place[group]] / base.scale[i]
    ceiling = base.ceiling.copy()
    for raised, row in zip(firm.raised, base.bounds, strict=True):
        if raised.name in place:
            columns[row, place[raised.name]] = -sizes[place[raised.name]]
            ceiling[n:] = INF
    space = Polyhedron(
        np.hstack([base.rows, columns]),
        base.low,
        base.high,
        np.append(base.floor, np.zeros(k)),
        np.append(ceiling, np.full(k, INF)),
        base.scale,
        base.bounds,
    )
    return Elastic(space, soft, firm, sizes)


def _softened(limits: Limits, soft: tuple[str, ...]) -> Limits:
    """The same limits, those of the items that may give way as rows of one side each."""
    n = len(limits.symbols)
    bounds = [
        *(
            Linear((group, "-"), row, low=bound)
            for group, row, bound in zip(limits.lower_groups, np.eye(n), limits.lower, strict=True)
            if group in soft and bound > -INF
        ),
        *(
            Linear(("-", group), row, high=bound)
            for group, row, bound in zip(limits.upper_groups, np.eye(n), limits.upper, strict=True)
            if group in soft and bound < INF
        ),
    ]
    return replace(
        limits,
        lower=np.where(
            [g in soft for g in limits.lower_groups], np.minimum(limits.floors, limits.lower), limits.lower
        ),
        upper=np.where([g in soft for g in limits.upper_groups], INF, limits.upper),
        linear=tuple(half for limit in limits.linear for half in _halves(limit)) + tuple(bounds),
    )


def _halves(limit: Linear) -> tuple[Linear, ...]:
    """The two sides apart, so that each can give way alone."""
    low, high = limit.groups or limit.names
    sides = (
        replace(limit, names=(low, "-"), groups=None, high=INF),
        replace(limit, names=("-", high), groups=None, low=-INF),
    )
    return tuple(half for half in sides if half.low > -INF or half.high < INF)


def least_slack(space: Polyhedron, price: Array, norms: tuple[Norm, ...] = ()) -> LeastSlack:
    """The columns of least price'x that keep ellipsoidal limits as well: a linear program, with these a conic one.

    Raises NoAnswerError where no columns are allowed.
    """
    if not norms:
        return LeastSlack(solve_lp(price, space).x, price, space)
    x, touching = _least_within(space, price, norms)
    return LeastSlack(x, price, touching)


def _least_within(space: Polyhedron, price: Array, norms: tuple[Norm, ...]) -> tuple[Array, Polyhedron]:
    """The columns, and a polyhedron around all that is allowed that touches it there."""
    n = len(norms[0].center)
    try:
        found = solve_general(Quadratic(None, price, "slack", "negative"), len(price), space, norms)
        x = np.maximum(found.x, space.floor)
        return x, outer(space, norms, x[:n], found.normals)
    except NoAnswerError as stop:
        if stop.infeasible:
            raise
    # Cutting planes (Kelley 1960): slower, and always with an answer.
    for _ in range(CUTS):
        x = solve_lp(price, space).x
        broken = tuple(norm for norm in norms if norm.violation(x[:n]) > SLACK_TOLERANCE)
        if not broken:
            break
        space = outer(space, broken, x[:n])
    return x, space


def unit_of(limits: Limits, group: str) -> float:
    """What a violation of a policy item is divided by to compare it with others: its bound, 0.01 at least."""
    return max(abs(bound_of(limits, group)), LEAST_UNIT)


def bound_of(limits: Limits, group: str) -> float:
    """The tightest bound that a policy item sets, in its own unit."""
    if group in limits.trades:
        return limits.trades[group]
    lows = [b for g, b in zip(limits.lower_groups, limits.lower, strict=True) if g == group]
    highs = [b for g, b in zip(limits.upper_groups, limits.upper, strict=True) if g == group]
    for limit in limits.linear:
        low_group, high_group = limit.groups or limit.names
        lows += [limit.low] * bool(low_group == group and limit.low > -INF)
        highs += [limit.high] * bool(high_group == group and limit.high < INF)
    curved: list[Absolute | Largest | Norm] = [*limits.raised, *limits.norms]
    highs += [limit.bound for limit in curved if limit.name == group]
    return float(max(lows)) if lows else float(min(highs))


def most_of(limits: Limits, group: str) -> float:
    """By how much a policy item can give way before it is no limit: without short positions to that of no weights."""
    if limits.floor < 0 or group in limits.trades or group in limits.upper_groups:
        return INF
    lows = [b for g, b in zip(limits.lower_groups, limits.lower, strict=True) if g == group]
    for limit in limits.linear:
        low, high = limit.groups or limit.names
        if low == group and limit.low > -INF:
            lows.append(limit.low - limit.offset if (limit.row >= 0).all() else INF)
        if high == group and limit.high < INF:
            lows.append(INF)
    return max(lows, default=INF)


def widened(limits: Limits, given: dict[str, float]) -> Limits:
    """The limits with policy items relaxed by so much, in their own units; no short positions come of it."""
    gave = [
        np.array([given.get(group, 0.0) for group in side])
        for side in (limits.lower_groups, limits.upper_groups)
    ]
    linear = []
    for limit in limits.linear:
        low, high = limit.groups or limit.names
        linear.append(
            replace(limit, low=limit.low - given.get(low, 0.0), high=limit.high + given.get(high, 0.0))
        )
    return replace(
        limits,
        lower=np.where(gave[0] > 0, np.maximum(limits.lower - gave[0], limits.floors), limits.lower),
        upper=limits.upper + gave[1],
        linear=tuple(linear),
        absolute=tuple(replace(a, bound=a.bound + given.get(a.name, 0.0)) for a in limits.absolute),
        largest=tuple(replace(a, bound=a.bound + given.get(a.name, 0.0)) for a in limits.largest),
        norms=tuple(replace(norm, bound=norm.bound + given.get(norm.name, 0.0)) for norm in limits.norms),
    )


def only(limits: Limits, groups: tuple[str, ...]) -> Limits:
    """The affine and absolute limits of these policy items alone."""
    others = (group for group in groups_of(limits) if group not in groups)
    return replace(limits.without(*others), norms=())


def individual(limits: Limits) -> Limits:
    """The same limits with every bound a policy item of its own, so that one may give way without the others."""
    lower = tuple(
        group if group == LONG_ONLY or of_a_trade(group) else f"min_weight {symbol}"
        for symbol, group in zip(limits.symbols, limits.lower_groups, strict=True)
    )
    upper = tuple(
        group if of_a_trade(group) else f"max_weight {symbol}"
        for symbol, group in zip(limits.symbols, limits.upper_groups, strict=True)
    )
    linear = tuple(replace(limit, groups=None) for limit in limits.linear)
    behind = tuple(_own_bound(bound, limits.symbols) for bound in limits.behind)
    return replace(limits, lower_groups=lower, upper_groups=upper, linear=linear, behind=behind)


def _own_bound(bound: Hidden, symbols: tuple[str, ...]) -> Hidden:
    if of_a_trade(bound.item):
        return bound
    return bound._replace(item=f"{'min' if bound.low > -INF else 'max'}_weight {symbols[bound.place]}")
