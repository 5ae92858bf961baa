"""Limits that give way by priority: of each level the violation is made least, and kept so for those after it.

The way from a held portfolio towards its limits within the turnover limit is one such hierarchy.
"""

from dataclasses import dataclass, field, replace
from math import inf, isfinite

import numpy as np

from optimizer.errors import how_many
from optimizer.numerics.convex_limits import INF, Limits, Norm
from optimizer.numerics.polyhedra import Polyhedron
from optimizer.problem.feasible_set import FeasibleSet
from optimizer.problem.goals import Goal
from optimizer.problem.priorities import levels_of
from optimizer.problem.setting import Setting
from optimizer.problem.trade_bounds import of_a_trade
from optimizer.solvers.conflicts import allowed, calmest, explain
from optimizer.solvers.elastic import HARD, elastic, groups_of, individual, least_slack, only, unit_of
from optimizer.solvers.plans.rebalances import rebalances_until
from optimizer.solvers.solver_choice import optimum
from optimizer.typing import Array

MARGIN = 1e-7
NORM_MARGIN = 1e-5  # relative; less leaves a set without an inside, which no solver can search
TRANSITION = 0  # the priority of what gives way for the sake of turnover alone

Levels = tuple[tuple[int, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Unmet:
    """A limit that does not hold.

    rebalances  how many it takes until it can hold, this one included; infinite if never
    priority    by which it gave way; 0 where the held positions alone keep it from being met
    unit        printed after the numbers
    """

    limit: str
    value: float
    bound: float
    rebalances: float
    priority: int = TRANSITION
    unit: str = ""

    @property
    def text(self) -> str:
        """One sentence for the desk."""
        value, bound = f"{self.value:.4g}{self.unit}", f"{self.bound:.4g}{self.unit}"
        if self.priority:
            gave = f"{abs(self.value - self.bound):.4g}{self.unit}"
            return (
                f"{self.limit} gives way by {gave}, by its priority {self.priority}: {value}, limit {bound}"
            )
        when = "it cannot hold under the limits on trades"
        if isfinite(self.rebalances):
            when = f"it can hold after {how_many(round(self.rebalances), 'rebalance')}"
        return f"{self.limit} is not met yet: {value}, limit {bound}; {when}"


@dataclass(frozen=True, eq=False)
class Level:
    """The limits of one priority after they gave way as little as those before them allow.

    violation  the sum of their violations, each in shares of its bound
    proven     no portfolio that keeps the levels before has less
    feasible   what is left to choose from
    weights    (n,) that keep this level and those before; None where none were looked for yet
    """

    priority: int
    violation: float
    proven: float
    feasible: FeasibleSet
    weights: Array | None


@dataclass(frozen=True)
class Least:
    """How the least of something is found among the weights that are left: here among all of them."""

    def flat(self, feasible: FeasibleSet, price: Array) -> tuple[Array, float, float]:
        """Weights (n,) of the least price'x of the columns (p,), that least, and the bound on it."""
        found = least_slack(feasible.space, price, feasible.limits.norms)
        return found.x[: len(feasible.limits.symbols)], found.value, found.proven()

    def calm(self, feasible: FeasibleSet, norm: Norm, near: Array | None) -> tuple[Array, float]:
        """Weights (n,) of the least value of an ellipsoidal limit, and the bound on it; near (n,): some allowed."""
        found = optimum(calmest(norm), feasible)
        value = norm.value(found.weights)
        return found.weights, float(np.sqrt(max(value**2 - 2 * max(found.certificate.gap, 0.0), 0.0)))

    def best(self, goal: Goal, feasible: FeasibleSet) -> float:
        """The goal's best value."""
        return goal.value(optimum(goal, feasible).weights)


@dataclass(frozen=True)
class PriorityLevel:
    """What the limits of one priority gave, and what keeping them so far cost.

    gave       the limits that do not hold, with value and bound in their own units
    violation  the sum of their violations, each divided by its bound (0.01 at least)
    proven     no portfolio that keeps what comes before this level has less
    cost       by how much the objective is worse than without the limits of this level and those after it, in the
               goal's own unit; NaN where the goal has no best value without them
    cost_bps   the same in basis points; NaN for a goal that is no return and no risk (a ratio, risk budgets)
    measure    what the objective is called
    """

    priority: int
    gave: tuple[Unmet, ...]
    violation: float
    proven: float
    cost: float
    cost_bps: float
    measure: str = "objective"

    @property
    def text(self) -> str:
        """One sentence for the desk."""
        gave = ", ".join(limit.limit for limit in self.gave) or "nothing"
        amount = f"{self.cost_bps:.2g} bps" if isfinite(self.cost_bps) else f"{self.cost:.4g}"
        cost = f"; keeping it so far costs {amount} of the {self.measure}" if isfinite(self.cost) else ""
        return f"priority {self.priority}: {gave} gives way, by {100 * self.violation:.4g}% of the bounds in all{cost}"


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """What is left to choose from before any level, and after each.

    limits, order  what it was made of, as in `hierarchy`;  least  by which it was
    """

    start: FeasibleSet
    limits: Limits
    order: Levels
    least: Least
    levels: tuple[Level, ...] = field(default=())

    @property
    def feasible(self) -> FeasibleSet:
        """Where the answer lies."""
        return self.levels[-1].feasible if self.levels else self.start


def hierarchy(
    limits: Limits, levels: Levels, margin: float | None = None, least: Least | None = None
) -> Hierarchy:
    """The limits of no level hold; of the others each level gives way by its least violation, in that order.

    limits  every bound a policy item of its own
    margin  what a least violation may grow by, so that there is a choice; None: as little as may do
    least   how the least violations are found; None: among all weights
    Flat limits of a level come before curved ones. Raises NoAnswerError where what holds always allows nothing,
    SolverError where a least violation cannot be proven.
    """
    yielding = {group for _, groups in levels for group in groups}
    curved = {norm.name: norm for norm in limits.norms}
    problem = elastic(limits, tuple(group for group in groups_of(limits) if group in yielding))
    firm = tuple(norm for norm in limits.norms if norm.name not in yielding)
    feasible = FeasibleSet(replace(problem.limits, norms=firm), problem.space, elastic=True)
    least, weights = least or Least(), None
    found = Hierarchy(feasible, limits, levels, least)
    for priority, groups in levels:
        prices = np.array([1.0 / unit_of(limits, g) if g in groups else 0.0 for g in problem.groups])
        violation, proven = 0.0, 0.0
        if prices.any():
            price = problem.cost(prices)
            weights, violation, proven = least.flat(feasible, price)
            capped = _capped(feasible.space, price, violation, margin or MARGIN)
            feasible = replace(feasible, given=capped)
        for norm in (curved[group] for group in groups if group in curved):
            feasible, excess, bound, weights = _with_norm(
                feasible, norm, margin or NORM_MARGIN, least, weights
            )
            unit = unit_of(limits, norm.name)
            violation, proven = violation + excess / unit, proven + bound / unit
        level = Level(priority, violation, proven, feasible, weights)
        found = replace(found, levels=(*found.levels, level))
    return found


def _capped(base: Polyhedron, prices: Array, least: float, margin: float) -> Polyhedron:
    size = float(prices.max(initial=0.0)) or 1.0
    return replace(
        base,
        rows=np.vstack([base.rows, prices / size]),
        low=np.append(base.low, -INF),
        high=np.append(base.high, (least * (1 + margin) + margin) / size),
        scale=np.append(base.scale, 1.0),
    )


def _with_norm(
    feasible: FeasibleSet, norm: Norm, margin: float, least: Least, near: Array | None
) -> tuple[FeasibleSet, float, float, Array]:
    """With the limit, or where the set does not allow it the least value it can have; its excess, the bound on that,
    and weights (n,) that have it.
    """
    weights, proven = least.calm(feasible, norm, near)
    value = norm.value(weights)
    bound = max(norm.bound, value * (1 + margin))
    narrower = replace(feasible, limits=feasible.limits.with_norms((replace(norm, bound=bound),)))
    return narrower, max(value - norm.bound, 0.0), max(proven - norm.bound, 0.0), weights


def transition(limits: Limits, own: Levels) -> Levels:
    """Turnover, trades of names, cash and no-shorting hold; all others give way before those with priorities.

    Cash is let go over cash_max, as little as possible, only where turnover leaves no other way. Raises
    InfeasibleError where turnover does not even allow the least cash or the end of short positions.
    limits  every bound a policy item of its own
    """
    named = {group for _, groups in own for group in groups}
    hard = tuple(g for g in (*HARD, *filter(of_a_trade, groups_of(limits))) if g not in named)
    first: Levels = ()
    if not allowed(only(limits, hard)):
        hard = tuple(group for group in hard if group != "cash_max")
        first = ((TRANSITION, ("cash_max",)),)
        if not allowed(only(limits, hard)):
            raise explain(only(limits, hard))
    flat = tuple(g for g in groups_of(limits) if g not in (*hard, *named, *(first and ("cash_max",))))
    curved = tuple((TRANSITION, (norm.name,)) for norm in limits.norms if norm.name not in named)
    return (*first, (TRANSITION, flat), *curved, *own)


def untied(limits: Limits) -> Limits:
    """The same limits without those on what may be traded, turnover and restrictions."""
    return limits.without("max_turnover", *filter(of_a_trade, groups_of(limits)))


def tied(limits: Limits) -> bool:
    """Whether what is held binds what may be wanted."""
    return any(group == "max_turnover" or of_a_trade(group) for group in groups_of(limits))


def unmet_limits(wanted: Limits, w: Array, setting: Setting) -> tuple[Unmet, ...]:
    """The limits that w breaks, the worst first; wanted: the policy's limits."""
    single = individual(wanted)
    hard = only(single, HARD)
    priority = {name: level for level, names in levels_of(wanted, setting.policy).items() for name in names}
    found = []
    for group in groups_of(single):
        value, bound, excess = _standing(single, group, w)
        if excess > 10 * MARGIN:
            level = priority.get(group, TRANSITION)
            when = inf if level else rebalances_until(group, single, hard, setting.held)
            found.append(Unmet(group, value, bound, when, level))
    found += [
        Unmet(norm.name, norm.value(w), norm.bound, inf, priority.get(norm.name, TRANSITION))
        for norm in single.norms
        if norm.violation(w) > 10 * MARGIN
    ]
    return tuple(sorted(found, key=lambda u: (-abs(u.value - u.bound), u.limit)))


def _standing(limits: Limits, group: str, w: Array) -> tuple[float, float, float]:
    """Value, bound and violation of one policy item at w."""
    if group in limits.lower_groups:
        i = limits.lower_groups.index(group)
        return float(w[i]), float(limits.lower[i]), float(limits.lower[i] - w[i])
    if group in limits.upper_groups:
        i = limits.upper_groups.index(group)
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
