"""What to say and do when limits contradict each other: the smallest set in conflict, and the way out."""

from dataclasses import dataclass, replace

import numpy as np

from optimizer.errors import Conflict, InfeasibleError
from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.convex_limits import (
    INF,
    Absolute,
    Largest,
    Limits,
    Linear,
    Norm,
    Polyhedron,
    outer,
    polyhedron,
)
from optimizer.numerics.lp import inhabited, solve_lp
from optimizer.problem.feasible_set import plain
from optimizer.problem.goals import Quadratic
from optimizer.solvers.general import solve_general
from optimizer.solvers.solver_choice import optimum
from optimizer.typing import Array

SLACK_TOLERANCE, CUTS = 1e-8, 300
LEAST_UNIT = 0.01  # of a bound that is 0 or near it, when shares of bounds are compared


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
    return tuple(dict.fromkeys([*finite, *(limit.name for limit in limits.raised)]))


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
    for raised, row in zip(firm.raised, base.bounds, strict=True):
        if raised.name in soft:
            columns[row, soft.index(raised.name)] = -1.0
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
        return inhabited(polyhedron(limits))
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


def least_relaxation(limits: Limits, group: str) -> float:
    """By how much one policy item must give way if all others stay; infinite where that does not help."""
    for norm in limits.norms:
        if norm.name == group:
            return least_norm(limits.without(group), norm) - norm.bound
    problem = elastic(limits, (group,))
    price = problem.cost(np.ones(1))
    try:
        return float(_least_slack(problem, price, limits.norms)[-1])
    except NoAnswerError as stop:
        if stop.infeasible:
            return INF
        raise


def _least_slack(problem: Elastic, price: Array, norms: tuple[Norm, ...]) -> Array:
    """The columns (p,) of least price'x: a linear program, with ellipsoidal limits a conic one."""
    if not norms:
        return solve_lp(price, problem.space).x
    try:
        found = solve_general(Quadratic(None, price, "slack", "negative"), len(price), problem.space, norms)
        return np.maximum(found.x, problem.space.floor)
    except NoAnswerError as stop:
        if stop.infeasible:
            raise
    # Cutting planes (Kelley 1960): slower, and always with an answer.
    space = problem.space
    for _ in range(CUTS):
        x = solve_lp(price, space).x
        w = x[: len(problem.limits.symbols)]
        broken = tuple(norm for norm in norms if norm.violation(w) > SLACK_TOLERANCE)
        if not broken:
            break
        space = outer(space, broken, w)
    return x


def conflicting(limits: Limits) -> Limits:
    """A smallest set of limits that cannot hold together (deletion filter; Chinneck & Dravnieks 1991)."""
    kept = limits
    for group in every_group(limits):
        rest = kept.without(group)
        if not allowed(rest):
            kept = rest
    return kept


def every_group(limits: Limits) -> tuple[str, ...]:
    """All policy items, the ellipsoidal ones last."""
    return (*groups_of(limits), *(norm.name for norm in limits.norms))


def explain(limits: Limits) -> InfeasibleError:
    """The error that names the limits of one smallest conflict and what makes a portfolio possible.

    Those of which each alone will do are in every conflict, and so among these; where none does, the least that several
    must give together is told.
    """
    flat = replace(limits, norms=())
    kept = conflicting(limits if inhabited(polyhedron(limits)) else flat)
    conflicts = tuple(_conflict(limits, kept, group) for group in every_group(kept))
    alone = [c for c in conflicts if c.enough and c.limit != "long_only"]
    if alone:
        told = f"relax one of: {'; '.join(map(str, alone))}"
    else:
        finite = [str(c) for c in conflicts if np.isfinite(c.relaxation) and c.limit != "long_only"]
        first = (
            f"{'; or '.join(finite)} for one conflict to end"
            if finite
            else "no single limit ends the conflict"
        )
        told = f"{first}; then other limits conflict as well"
        if way := joint_relaxation(limits):
            told += f"; relax together: {' and '.join(map(str, way))}"
    return InfeasibleError(f"no portfolio keeps all limits; {told}", conflicts)


def joint_relaxation(limits: Limits) -> tuple[Conflict, ...]:
    """The least that several limits must give together, in shares of their bounds; () where no shorting forbids all."""
    soft = tuple(group for group in groups_of(limits) if group != "long_only")
    problem = elastic(limits, soft)
    price = problem.cost(np.array([1.0 / max(abs(bound_of(limits, group)), LEAST_UNIT) for group in soft]))
    for kept in range(len(limits.norms), -1, -1):
        try:
            x = _least_slack(problem, price, limits.norms[:kept])
        except NoAnswerError as stop:
            if stop.infeasible:
                continue
            raise
        w, slacks = x[: len(limits.symbols)], x[len(x) - len(soft) :]
        given = dict(zip(soft, slacks.tolist(), strict=True))
        given |= {norm.name: norm.violation(w) for norm in limits.norms[kept:]}
        return tuple(
            Conflict(group, bound_of(limits, group), amount, enough=False)
            for group, amount in given.items()
            if amount > SLACK_TOLERANCE
        )
    return ()


def _conflict(limits: Limits, kept: Limits, group: str) -> Conflict:
    """What one item of the conflict `kept` must give: so that all limits hold, else so that this conflict ends."""
    everywhere = least_relaxation(limits, group)
    enough = bool(np.isfinite(everywhere))
    return Conflict(
        group, bound_of(limits, group), everywhere if enough else least_relaxation(kept, group), enough
    )


def bound_of(limits: Limits, group: str) -> float:
    """The tightest bound that a policy item sets."""
    lows = [b for g, b in zip(limits.lower_groups, limits.lower, strict=True) if g == group]
    highs = [b for g, b in zip(limits.upper_groups, limits.upper, strict=True) if g == group]
    for limit in limits.linear:
        low_group, high_group = limit.groups or limit.names
        lows += [limit.low] * (low_group == group and limit.low > -INF)
        highs += [limit.high] * (high_group == group and limit.high < INF)
    curved: list[Absolute | Largest | Norm] = [*limits.raised, *limits.norms]
    highs += [limit.bound for limit in curved if limit.name == group]
    return float(max(lows)) if lows else float(min(highs))
