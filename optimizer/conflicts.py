"""What to say and do when limits contradict each other: the smallest set in conflict, and the way out."""

from dataclasses import dataclass, replace

import numpy as np

from optimizer.arena import plain
from optimizer.errors import Conflict, InfeasibleError
from optimizer.fast.answers import NoAnswerError
from optimizer.fast.lp import solve_lp
from optimizer.goals import Quadratic
from optimizer.lanes import optimum
from optimizer.limits import INF, Absolute, Limits, Linear, Norm, Polyhedron, polyhedron
from optimizer.typing import Array

SLACK_TOLERANCE = 1e-8


@dataclass(frozen=True)
class Elastic:
    """A polyhedron in which policy items may give way: its last columns say by how much, in own units.

    groups  the policy items, in the order of those columns
    limits  the limits in the order of its rows, bounds that may give way among them as rows
    """

    space: Polyhedron
    groups: tuple[str, ...]
    limits: Limits

    def cost(self, prices: Array) -> Array:
        """(p,) prices (k,) on the slack columns."""
        whole = np.zeros(self.space.rows.shape[1])
        whole[len(whole) - len(self.groups) :] = prices
        return whole


def groups_of(limits: Limits) -> tuple[str, ...]:
    """The policy items behind the affine and absolute limits, each once, in the order of the policy."""
    finite = [
        *(g for g, b in zip(limits.lower_groups, limits.lower, strict=True) if b > -INF),
        *(g for g, b in zip(limits.upper_groups, limits.upper, strict=True) if b < INF),
    ]
    for limit in limits.linear:
        low, high = limit.groups or limit.names
        finite += [low] * (limit.low > -INF) + [high] * (limit.high < INF)
    return tuple(dict.fromkeys([*finite, *(limit.name for limit in limits.absolute)]))


def elastic(limits: Limits, soft: tuple[str, ...]) -> Elastic:
    """The limits with one slack column, >= 0, for each policy item that may give way."""
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
    firm = replace(
        limits,
        lower=np.where([g in soft for g in limits.lower_groups], -INF, limits.lower),
        upper=np.where([g in soft for g in limits.upper_groups], INF, limits.upper),
        linear=tuple(half for limit in limits.linear for half in _halves(limit)) + tuple(bounds),
    )
    base = polyhedron(firm)
    columns = np.zeros((len(base.rows), len(soft)))
    for i, linear in enumerate(firm.linear):
        for sign, group in zip((1.0, -1.0), linear.groups or linear.names, strict=True):
            if group in soft:
                columns[i, soft.index(group)] = sign / base.scale[i]
    ceiling = base.ceiling.copy()
    for absolute, row in zip(firm.absolute, base.bounds, strict=True):
        if absolute.name in soft:
            columns[row, soft.index(absolute.name)] = -1.0
            ceiling[n:] = INF
    k = len(soft)
    space = Polyhedron(
        np.hstack([base.rows, columns]),
        base.low,
        base.high,
        np.append(base.floor, np.zeros(k)),
        np.append(ceiling, np.full(k, INF)),
        base.scale,
        base.bounds,
    )
    return Elastic(space, soft, firm)


def _halves(limit: Linear) -> tuple[Linear, ...]:
    """The two sides apart, so that each can give way alone."""
    low, high = limit.groups or limit.names
    sides = (
        replace(limit, names=(low, "-"), groups=None, high=INF),
        replace(limit, names=("-", high), groups=None, low=-INF),
    )
    return tuple(half for half in sides if half.low > -INF or half.high < INF)


def allowed(limits: Limits) -> bool:
    """Whether any weights keep all limits."""
    if not limits.norms:
        return feasible(limits)
    norm, *others = limits.norms
    return least_norm(replace(limits, norms=tuple(others)), norm) <= norm.bound


def least_norm(limits: Limits, norm: Norm) -> float:
    """The least value of an ellipsoidal limit among weights that keep the given ones; infinite where none do."""
    pull = norm.covariance @ norm.center
    distance = Quadratic(norm.covariance, -pull, norm.name, "root", 0.5 * float(norm.center @ pull))
    try:
        return norm.value(optimum(distance, plain(limits)).weights)
    except NoAnswerError:
        return INF


def feasible(limits: Limits) -> bool:
    """Whether any weights keep the affine and absolute limits."""
    space = polyhedron(limits)
    try:
        solve_lp(np.zeros(space.rows.shape[1]), space)
    except NoAnswerError as stop:
        if stop.infeasible:
            return False
        raise
    return True


def least_relaxation(limits: Limits, group: str) -> float:
    """By how much one policy item must give way if all others stay; infinite where that does not help."""
    problem = elastic(limits, (group,))
    try:
        return float(solve_lp(problem.cost(np.ones(1)), problem.space).x[-1])
    except NoAnswerError as stop:
        if stop.infeasible:
            return INF
        raise


def conflicting(limits: Limits) -> tuple[str, ...]:
    """A smallest set of policy items that cannot hold together (deletion filter; Chinneck & Dravnieks 1991)."""
    kept = limits
    for group in (*groups_of(limits), *(norm.name for norm in limits.norms)):
        rest = kept.without(group)
        if not allowed(rest):
            kept = rest
    return (*groups_of(kept), *(norm.name for norm in kept.norms))


def explain(limits: Limits) -> InfeasibleError:
    """The error that names the limits in conflict and what each must give."""
    if not feasible(limits):
        limits = replace(limits, norms=())
    groups = conflicting(limits)
    norms = {norm.name: norm for norm in limits.norms}
    conflicts = tuple(
        Conflict(
            group,
            bound_of(limits, group),
            least_norm(limits.without(group), norms[group]) - norms[group].bound
            if group in norms
            else (least_relaxation(limits, group) if not norms.keys() & set(groups) else INF),
        )
        for group in groups
    )
    helpful = [str(c) for c in conflicts if np.isfinite(c.relaxation) and c.limit != "long_only"]
    others = [c.limit for c in conflicts if not np.isfinite(c.relaxation) or c.limit == "long_only"]
    also = f" (in conflict with {', '.join(others)})" if others else ""
    return InfeasibleError(
        f"no portfolio keeps all limits; relax one of: {'; '.join(helpful)}{also}", conflicts
    )


def bound_of(limits: Limits, group: str) -> float:
    """The tightest bound that a policy item sets."""
    lows = [b for g, b in zip(limits.lower_groups, limits.lower, strict=True) if g == group]
    highs = [b for g, b in zip(limits.upper_groups, limits.upper, strict=True) if g == group]
    for limit in limits.linear:
        low_group, high_group = limit.groups or limit.names
        lows += [limit.low] * (low_group == group)
        highs += [limit.high] * (high_group == group)
    curved: list[Absolute | Norm] = [*limits.absolute, *limits.norms]
    highs += [limit.bound for limit in curved if limit.name == group]
    return float(max(lows)) if lows else float(min(highs))
