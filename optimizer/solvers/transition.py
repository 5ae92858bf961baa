"""The way from a held portfolio that breaks the limits towards one that keeps them, within the turnover limit."""

from dataclasses import dataclass, replace
from math import ceil, inf, isfinite

import numpy as np

from optimizer.numerics.convex_limits import INF, Limits, Norm, Polyhedron
from optimizer.numerics.lp import solve_lp
from optimizer.problem.feasible_set import Arena
from optimizer.problem.goals import Quadratic
from optimizer.problem.policy_limits import Setting
from optimizer.problem.trade_bounds import of_a_trade
from optimizer.solvers.conflicts import (
    LEAST_UNIT,
    Elastic,
    allowed,
    bound_of,
    elastic,
    explain,
    groups_of,
    least_relaxation,
)
from optimizer.solvers.solver_choice import optimum
from optimizer.typing import Array

HARD = ("max_turnover", "cash_min", "cash_max", "long_only")
MARGIN = 1e-7
NORM_MARGIN = 1e-5  # relative; less leaves a set without an inside, which no solver can search


@dataclass(frozen=True)
class Unmet:
    """A limit that does not hold yet.

    rebalances  how many of this turnover it takes until it can hold, this one included; infinite if never
    """

    limit: str
    value: float
    bound: float
    rebalances: float

    @property
    def text(self) -> str:
        """One sentence for the desk."""
        when = f"it can hold after {self.rebalances:.0f} rebalances" if isfinite(self.rebalances) else (
            "it cannot hold under this turnover limit"
        )  # fmt: skip
        return f"{self.limit} is not met yet: {self.value:.4g}, limit {self.bound:.4g}; {when}"


def transition(limits: Limits, margin: float | None = None) -> Arena:
    """Turnover, trades of names, cash and no shorting hold; of the others the sum of violations / bounds is least.

    Cash is let go over cash_max, as little as possible, only where turnover leaves no other way. Raises
    InfeasibleError where turnover does not even allow the least cash or the end of short positions.
    `margin` is what the least violation may grow by, so that there is a choice; None: as little as may do.
    """
    single = individual(limits)
    firm = (*HARD, *filter(of_a_trade, groups_of(single)))
    hard = firm if allowed(only(single, firm)) else tuple(h for h in firm if h != "cash_max")
    if not allowed(only(single, hard)):
        raise explain(only(single, hard))
    soft = tuple(group for group in groups_of(single) if group not in hard)
    problem = elastic(single, soft)
    prices = problem.cost(np.array([_price(single, group) for group in soft]))
    least = float(prices @ solve_lp(prices, problem.space).x)
    space = _capped(problem, prices, least, margin or MARGIN)
    arena = Arena(replace(problem.limits, norms=()), space, elastic=True)
    for norm in single.norms:
        arena = _with_norm(arena, norm, margin or NORM_MARGIN)
    return arena


def _price(limits: Limits, group: str) -> float:
    """1 / bound; cash above its maximum, where it must give way at all, gives way last."""
    unit = max(abs(bound_of(limits, group)), LEAST_UNIT)
    return 1e4 if group == "cash_max" else 1.0 / unit


def _capped(problem: Elastic, prices: Array, least: float, margin: float) -> Polyhedron:
    base = problem.space
    size = float(prices.max(initial=0.0)) or 1.0
    return replace(
        base,
        rows=np.vstack([base.rows, prices / size]),
        low=np.append(base.low, -INF),
        high=np.append(base.high, (least * (1 + margin) + margin) / size),
        scale=np.append(base.scale, 1.0),
    )


def _with_norm(arena: Arena, norm: Norm, margin: float) -> Arena:
    """The limit, or where the arena does not allow it, the least value it can have."""
    pull = norm.covariance @ norm.center
    distance = Quadratic(norm.covariance, -pull, norm.name, "root", 0.5 * float(norm.center @ pull))
    value = norm.value(optimum(distance, arena).weights)
    bound = max(norm.bound, value * (1 + margin))
    return replace(arena, limits=arena.limits.with_norms((replace(norm, bound=bound),)))


def untied(limits: Limits) -> Limits:
    """The same limits without those on what may be traded, turnover and restrictions."""
    for group in ("max_turnover", *filter(of_a_trade, groups_of(limits))):
        limits = limits.without(group)
    return limits


def tied(limits: Limits) -> bool:
    """Whether what is held binds what may be wanted."""
    return any(group == "max_turnover" or of_a_trade(group) for group in groups_of(limits))


def individual(limits: Limits) -> Limits:
    """The same limits with every bound a policy item of its own, so that one may give way without the others."""
    lower = tuple(
        group if group in HARD or of_a_trade(group) else f"min_weight {symbol}"
        for symbol, group in zip(limits.symbols, limits.lower_groups, strict=True)
    )
    upper = tuple(
        group if of_a_trade(group) else f"max_weight {symbol}"
        for symbol, group in zip(limits.symbols, limits.upper_groups, strict=True)
    )
    linear = tuple(replace(limit, groups=None) for limit in limits.linear)
    return replace(limits, lower_groups=lower, upper_groups=upper, linear=linear)


def only(limits: Limits, groups: tuple[str, ...]) -> Limits:
    """The affine and absolute limits of these policy items alone."""
    for group in groups_of(limits):
        if group not in groups:
            limits = limits.without(group)
    return replace(limits, norms=())


def unmet_limits(wanted: Limits, w: Array, setting: Setting) -> tuple[Unmet, ...]:
    """The limits that w breaks, the worst first; wanted: the policy's limits."""
    single = individual(wanted)
    found = []
    for group in groups_of(single):
        value, bound, excess = _standing(single, group, w)
        if excess > 10 * MARGIN:
            found.append(Unmet(group, value, bound, _rebalances(single, group, setting)))
    found += [
        Unmet(norm.name, norm.value(w), norm.bound, inf)
        for norm in single.norms
        if norm.violation(w) > 10 * MARGIN
    ]
    return tuple(sorted(found, key=lambda u: (-abs(u.value - u.bound), u.limit)))


def _standing(limits: Limits, group: str, w: Array) -> tuple[float, float, float]:
    """Value, bound and violation of one policy item at w."""
    for i in range(len(w)):
        if limits.lower_groups[i] == group:
            return float(w[i]), float(limits.lower[i]), float(limits.lower[i] - w[i])
        if limits.upper_groups[i] == group:
            return float(w[i]), float(limits.upper[i]), float(w[i] - limits.upper[i])
    for linear in limits.linear:
        value, sides = linear.value(w), []
        if linear.names[0] == group:
            sides.append((value, linear.low, linear.low - value))
        if linear.names[1] == group:
            sides.append((value, linear.high, value - linear.high))
        if sides:
            return max(sides, key=lambda side: side[2])
    for raised in limits.raised:
        if raised.name == group:
            return raised.value(w), raised.bound, raised.violation(w)
    raise KeyError(group)


def _rebalances(limits: Limits, group: str, setting: Setting) -> float:
    limit = setting.policy.max_turnover
    if not limit:
        return inf
    alone = only(limits, (*HARD, group))
    needed = limit + least_relaxation(alone, "max_turnover")
    return ceil(needed / limit - 1e-6) if isfinite(needed) else inf
