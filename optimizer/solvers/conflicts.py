"""What to say when limits contradict each other: a smallest set in conflict, and the least that makes a portfolio."""

from collections import deque
from dataclasses import replace

import numpy as np

from optimizer.errors import Conflict, InfeasibleError
from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.convex_limits import INF, LONG_ONLY, Limits, Norm
from optimizer.numerics.lp import inhabited
from optimizer.numerics.polyhedra import polyhedron
from optimizer.problem.feasible_set import plain
from optimizer.problem.goals import Quadratic
from optimizer.solvers.elastic import (
    LEAST_UNIT,
    SLACK_TOLERANCE,
    bound_of,
    elastic,
    groups_of,
    least_slack,
    most_of,
    unit_of,
    widened,
)
from optimizer.solvers.fast.least_distance import out_of_reach
from optimizer.solvers.solver_choice import Optimum, optimum

ROOMY = 1e-4  # of a curved limit; less leaves a set without an inside, which no solver can search
FLAT_ROOM = 1e-6
TOLD, TOGETHER, CONFLICTS_SOUGHT = 3, 3, 12


def allowed(limits: Limits) -> bool:
    """Whether any weights keep all limits."""
    if out_of_reach(limits):
        return False
    if not limits.norms:
        return inhabited(polyhedron(limits))
    norm, *others = limits.norms
    return least_norm(replace(limits, norms=tuple(others)), norm) <= norm.bound


def tightened(limits: Limits, share: float = ROOMY) -> Limits:
    """The same with ellipsoidal limits less by a ten-thousandth."""
    return replace(
        limits, norms=tuple(replace(norm, bound=norm.bound * (1 - share)) for norm in limits.norms)
    )


def calmest(norm: Norm) -> Quadratic:
    """The goal whose best weights have the least value of an ellipsoidal limit."""
    pull = norm.covariance @ norm.center
    return Quadratic(norm.covariance, -pull, norm.name, "root", 0.5 * float(norm.center @ pull))


def least_norm(limits: Limits, norm: Norm) -> float:
    """The least value of an ellipsoidal limit among weights that keep the given ones; infinite where none do."""
    try:
        found: Optimum = optimum(calmest(norm), plain(limits))
    except NoAnswerError:
        return INF
    return norm.value(found.weights)


def least_relaxation(limits: Limits, group: str) -> float:
    """By how much one policy item must give way if all others stay; infinite where that does not help."""
    return least_relaxations(limits, (group,)).get(group, INF)


def least_relaxations(limits: Limits, groups: tuple[str, ...]) -> dict[str, float]:
    """By how much some policy items must give way together if all others stay; {} where that does not help.

    The sum of shares of their bounds is least; ellipsoidal limits give what is then still needed, one after the other.
    """
    held = tuple(norm for norm in limits.norms if norm.name not in groups)
    curved = tuple(norm for norm in limits.norms if norm.name in groups)
    flat = tuple(group for group in groups_of(limits) if group in groups)
    given: dict[str, float] = {}
    if flat:
        problem = elastic(limits, flat)
        try:
            x = least_slack(
                problem.space, problem.cost(np.array([1.0 / unit_of(limits, g) for g in flat])), held
            ).x
        except NoAnswerError as stop:
            if stop.infeasible:
                return {}
            raise
        given = problem.given(x)
    if flat and curved:
        given = {
            group: amount * (1 + ROOMY) + FLAT_ROOM * (amount > SLACK_TOLERANCE)
            for group, amount in given.items()
        }
    wide = widened(replace(limits, norms=()), given)
    for norm in curved:
        least = least_norm(wide.with_norms(held), norm)
        if not np.isfinite(least):
            return {}
        bound = max(norm.bound, least * (1 + ROOMY) if len(groups) > 1 else least)
        given[norm.name] = bound - norm.bound
        held = (*held, replace(norm, bound=bound))
    return given


def conflicting(limits: Limits) -> Limits:
    """A smallest set of limits that cannot hold together (deletion filter; Chinneck & Dravnieks 1991)."""
    kept = limits if allowed(replace(limits, norms=())) else replace(limits, norms=())
    for group in every_group(kept):
        rest = kept.without(group)
        if not allowed(rest):
            kept = rest
    return kept


def every_group(limits: Limits) -> tuple[str, ...]:
    """All policy items, the ellipsoidal ones last."""
    return (*groups_of(limits), *(norm.name for norm in limits.norms))


def explain(limits: Limits, written: Limits | None = None) -> InfeasibleError:
    """The error that names the limits of one smallest conflict and what makes a portfolio possible.

    Those of which each alone will do are in every conflict, and so among these; where none does, the smallest sets that
    will do together are told, up to three.
    written  the limits with the bounds that messages give; the same by default
    """
    limits, told = limits.revealed(), (written or limits).revealed()
    kept = conflicting(limits)
    conflicts = tuple(_conflict(limits, told, kept, group) for group in every_group(kept))
    alone = tuple((c,) for c in conflicts if c.enough and c.limit != LONG_ONLY)
    return InfeasibleError.of(conflicts, alone or ways_out(limits, kept, told))


def ways_out(limits: Limits, kept: Limits, written: Limits) -> tuple[tuple[Conflict, ...], ...]:
    """The smallest sets of limits that make a portfolio possible together, up to three, each by the least it takes.

    kept  a smallest conflict: one of its limits is in each set. What ends it and leaves another conflict is joined by
    each limit of that one (Reiter 1987), to sets of three; where these do not do, all limits together.
    """
    found: list[frozenset[str]] = []
    seen: set[frozenset[str]] = set()
    queue = deque(frozenset((group,)) for group in every_group(kept) if group != LONG_ONLY)
    sought = 0
    while queue and len(found) < TOLD and sought < CONFLICTS_SOUGHT:
        chosen = queue.popleft()
        if chosen in seen or any(smaller <= chosen for smaller in found):
            continue
        seen.add(chosen)
        rest = limits.without(*chosen)
        if allowed(rest):
            found.append(chosen)
        elif len(chosen) < TOGETHER:
            sought += 1
            queue.extend(chosen | {group} for group in every_group(conflicting(rest)) if group != LONG_ONLY)
    sets = (tuple(group for group in every_group(limits) if group in chosen) for chosen in found)
    ways = tuple(filter(None, (_together(limits, written, groups) for groups in sets)))
    ways = tuple(
        sorted(
            ways, key=lambda way: (len(way), sum(c.relaxation / max(abs(c.bound), LEAST_UNIT) for c in way))
        )
    )
    return ways or tuple(filter(None, (_all_together(limits, written),)))


def _together(limits: Limits, written: Limits, groups: tuple[str, ...]) -> tuple[Conflict, ...]:
    """What these limits give together, with room where limits are curved; () where no room makes it enough."""
    given = least_relaxations(tightened(limits, 2 * ROOMY), groups)
    return tuple(
        _gives(written, group, amount, ROOMY * amount if limits.norms else 0.0, enough=False)
        for group, amount in given.items()
        if amount > SLACK_TOLERANCE
    )


def _gives(written: Limits, group: str, amount: float, room: float = 0.0, *, enough: bool) -> Conflict:
    return Conflict(group, bound_of(written, group), amount, enough, room, most=most_of(written, group))


def _all_together(limits: Limits, written: Limits) -> tuple[Conflict, ...]:
    """The least that all limits must give together; () where no shorting forbids all. Curved ones give way last."""
    flat = tuple(group for group in groups_of(limits) if group != LONG_ONLY)
    names = tuple(norm.name for norm in limits.norms)
    ways = (_together(limits, written, (*flat, *names[kept:])) for kept in range(len(names), -1, -1))
    return next(filter(None, ways), ())


def _conflict(limits: Limits, written: Limits, kept: Limits, group: str) -> Conflict:
    """What one item of the conflict `kept` must give: so that all limits hold, else so that this conflict ends."""
    everywhere = least_relaxation(limits, group)
    room = least_relaxation(tightened(limits, 2 * ROOMY), group) - everywhere if limits.norms else 0.0
    if np.isfinite(everywhere) and np.isfinite(room):
        return _gives(written, group, everywhere, max(room, 0.0), enough=True)
    return _gives(written, group, least_relaxation(kept, group), enough=False)
