"""The fast lane: for each kind of goal the special algorithm that solves it without a modelling layer."""

from dataclasses import dataclass, replace

import numpy as np

from optimizer.fast.answers import Answer, NoAnswerError
from optimizer.fast.budgets import free_budgets, limited_budgets
from optimizer.fast.homogeneous import best_ratio
from optimizer.fast.lp import break_ties, solve_lp
from optimizer.fast.priced import solve_priced
from optimizer.fast.qp import solve_qp
from optimizer.fast.tail import least_tail, least_tail_within
from optimizer.fast.tangents import refine
from optimizer.goals import Goal, Quadratic, Ratio, RiskBudget, Scenario, Support, Tail
from optimizer.limits import Limits, Norm, Polyhedron, lifted
from optimizer.typing import Array

ROUNDING = 1e-13


@dataclass(frozen=True)
class Candidate:
    """An answer with what a certificate needs.

    x            (p,) the columns of the polyhedron, of which the first n are the weights
    multipliers  (m,) of the rows of `outer` at the weights
    support      the goal's own by default
    normals      of the ellipsoidal limits, for `outer`; none where the weights are exact enough to give them
    """

    x: Array
    multipliers: Array
    solver: str
    support: Support
    normals: tuple[Array | None, ...] = ()


def solve_fast(goal: Goal, limits: Limits, space: Polyhedron) -> Candidate:
    """The best weights by the goal's special algorithm; `space` holds the affine and absolute limits.

    Raises NoAnswerError, also where ellipsoidal limits bind and no algorithm here takes them.
    """
    if isinstance(goal, Quadratic | Ratio) and goal.doubt is not None:
        return refined(goal, limits, space, solve_fast(replace(goal, doubt=None), limits, space).x)
    match goal:
        case Quadratic():
            return _quadratic(goal, limits, space)
        case Ratio():
            answer = best_ratio(goal.gain, goal.covariance, space)
        case RiskBudget():
            answer = _budgets(goal, limits, space)
        case Tail():
            found = least_tail(goal.scenarios, goal.level, space)
            w = found.answer.x[: len(limits.symbols)]
            if broken(limits, w):
                return refined_tail(goal, limits, space, w)
            return _candidate(goal, limits, found.answer, goal.support(w, found.weights))
        case Scenario():
            raise NoAnswerError("none", f"no special algorithm for {goal.measure}", infeasible=False)
    if broken(limits, answer.x[: len(limits.symbols)]):
        return refined(goal, limits, space, answer.x)
    return _candidate(goal, limits, answer)


def refined(goal: Goal, limits: Limits, space: Polyhedron, x: Array) -> Candidate:
    """The best weights under ellipsoidal limits too, from columns x (p,) near them."""
    answer = refine(goal, limits.norms, space, x[: len(limits.symbols)])
    return Candidate(
        answer.x, answer.multipliers, answer.solver, goal.support(answer.x[: len(limits.symbols)])
    )


def refined_tail(goal: Tail, limits: Limits, space: Polyhedron, w: Array) -> Candidate:
    """The same for expected tail loss, from weights w (n,)."""
    found = least_tail_within(goal.scenarios, goal.level, space, limits.norms, w)
    x = found.answer.x
    support = goal.support(x[: len(w)], found.weights)
    return Candidate(x, found.answer.multipliers, found.answer.solver, support)


def broken(limits: Limits, w: Array) -> list[Norm]:
    """The ellipsoidal limits that w breaks."""
    return [norm for norm in limits.norms if norm.violation(w) > 0]


def _candidate(goal: Goal, limits: Limits, answer: Answer, support: Support | None = None) -> Candidate:
    multipliers = np.append(answer.multipliers, np.zeros(len(limits.norms)))
    w = answer.x[: len(limits.symbols)]
    return Candidate(answer.x, multipliers, answer.solver, support or goal.support(w))


def _quadratic(goal: Quadratic, limits: Limits, space: Polyhedron) -> Candidate:
    n, p = len(limits.symbols), space.rows.shape[1]
    P, q = np.zeros((p, p)), np.zeros(p)
    q[:n] = goal.q
    if goal.P is not None:
        P[:n, :n] = goal.P
    answer = solve_qp(P, q, space) if goal.P is not None else solve_lp(q, space)
    if goal.ties is not None:
        answer = break_ties(q, answer, goal.ties, space)
    held_back = broken(limits, answer.x[:n])
    if not held_back:
        return _candidate(goal, limits, answer)
    for norm in held_back:
        answer, price = solve_priced(P, q, norm, space)
        w = answer.x[:n]
        if not broken(limits, w):
            prices = [-price * tangent_scale(norm, w) if other is norm else 0.0 for other in limits.norms]
            return Candidate(answer.x, np.append(answer.multipliers, prices), answer.solver, goal.support(w))
    return refined(goal, limits, space, answer.x)


def tangent_scale(norm: Norm, w: Array) -> float:
    """What `outer` divides the limit's row by at w."""
    return float(np.abs(norm.tangent(w).row).max()) or 1.0


def _budgets(goal: RiskBudget, limits: Limits, space: Polyhedron) -> Answer:
    """The free answer, as fully invested as allowed, where it keeps every limit; else the limited one."""
    held = np.flatnonzero(goal.budgets > 0)
    y = np.zeros(len(goal.budgets))
    y[held] = free_budgets(goal.covariance[np.ix_(held, held)], goal.budgets[held])
    budget = limits.linear[0]
    w = y * (budget.offset - max(budget.low, 0.0)) / y.sum()
    if limits.violation(w) <= ROUNDING and space.rows.shape[1] == len(lifted(limits, w)):
        return Answer(lifted(limits, w), np.zeros(len(space.rows)), "Newton")
    return limited_budgets(goal.covariance, goal.budgets, space)
