"""Fast lane, general lane, certificate: the one place where an answer is accepted."""

from dataclasses import dataclass, replace

import numpy as np

from optimizer.arena import Arena
from optimizer.audit import GAP_TOLERANCE, RADIUS, Certificate, certify
from optimizer.errors import SolverError
from optimizer.fast.answers import NoAnswerError
from optimizer.fast.lane import Candidate, refined, refined_tail, solve_fast
from optimizer.fast.lp import solve_lp
from optimizer.fast.tail import least_tail
from optimizer.general import solve_general
from optimizer.goals import Goal, Quadratic, Scenario, Support, Tail, at_kink, doubted
from optimizer.limits import Polyhedron, outer
from optimizer.typing import Array


@dataclass(frozen=True, eq=False)
class Optimum:
    """Weights of least cost with the proof.

    weights (n,);  space: the arena's frame, with tangents of the ellipsoidal limits at the weights
    multipliers (m,) of its rows;  support: the goal's line that they prove it with;  notes: fallbacks taken
    """

    weights: Array
    space: Polyhedron
    multipliers: Array
    lane: str
    solver: str
    certificate: Certificate
    support: Support
    notes: tuple[str, ...] = ()


def optimum(goal: Goal, arena: Arena) -> Optimum:
    """The certified answer of the first lane that has one.

    Raises NoAnswerError when the limits contradict each other, SolverError when no lane is confirmed.
    """
    reasons: list[str] = []
    for lane, attempt in LANES.items():
        if lane == "fast" and isinstance(goal, Scenario):
            continue  # it has no algorithm for these
        try:
            best = certified(lane, arena, attempt(goal, arena), goal)
        except NoAnswerError as stop:
            if stop.infeasible:
                raise
            reasons.append(f"{lane} lane: {stop}")
            continue
        if best.certificate.ok:
            return replace(best, notes=tuple(reasons))
        proof = best.certificate
        reasons.append(
            f"{lane} lane ({best.solver}): violation {proof.primal_residual:.1e}, gap {proof.relative_gap:.1e}"
        )
    raise SolverError(
        f"no answer could be certified; {'; '.join(reasons)}: report the policy and the estimates"
    )


def _fast(goal: Goal, arena: Arena) -> Candidate:
    return solve_fast(goal, arena)


def _general(goal: Goal, arena: Arena) -> Candidate:
    """The solver's answer, sharpened by tangents where ellipsoidal limits are in play and that settles."""
    n, norms = len(arena.limits.symbols), arena.limits.norms
    found = solve_general(goal, n, arena.space, norms)
    x = found.x
    none = np.zeros(len(arena.frame.rows) + len(norms))
    if isinstance(goal, Scenario):
        return Candidate(x, none, found.solver, goal.support(x[:n], found.prices), found.normals)
    if isinstance(goal, Quadratic):
        plain_answer = Candidate(x, none, found.solver, goal.support(x[:n], found.prices), found.normals)
    else:
        plain_answer = Candidate(x, none, found.solver, goal.support(x[:n]), found.normals)
    if (not norms and not doubted(goal)) or at_kink(goal, x[:n]):
        return plain_answer
    try:
        return refined_tail(goal, arena, x[:n]) if isinstance(goal, Tail) else refined(goal, arena, x)
    except NoAnswerError:
        return plain_answer  # the audit decides on it


LANES = {"fast": _fast, "general": _general}


def certified(lane: str, arena: Arena, found: Candidate, goal: Goal) -> Optimum:
    """With the solver's multipliers, or where they do not prove it, with those of one linear program."""
    w = found.x[: len(arena.limits.symbols)]
    frame = outer(arena.frame, arena.limits.norms, w, found.normals)
    violation = arena.violation(found.x)
    multipliers, support = found.multipliers, found.support
    certificate = certify(violation, frame, support, w, multipliers)
    if certificate.relative_gap > GAP_TOLERANCE:
        multipliers, support = _reproved(goal, support, arena, w, found.normals)
        certificate = certify(violation, frame, support, w, multipliers)
    return Optimum(w, frame, multipliers, lane, found.solver, certificate, support)


def _reproved(
    goal: Goal, support: Support, arena: Arena, w: Array, normals: tuple[Array | None, ...]
) -> tuple[Array, Support]:
    space = outer(arena.space, arena.limits.norms, w, normals)
    if isinstance(goal, Tail):
        found = least_tail(goal.scenarios, goal.level, space)
        return arena.prices(found.answer.multipliers), goal.support(w, found.weights)
    slope = np.zeros(space.rows.shape[1])
    slope[: len(w)] = support.slope
    box = replace(space, floor=np.maximum(space.floor, -RADIUS), ceiling=np.minimum(space.ceiling, RADIUS))
    return arena.prices(solve_lp(slope, box).multipliers), support
