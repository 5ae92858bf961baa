"""The fast lane: for each kind of goal the special algorithm that solves it without a modelling layer."""

from dataclasses import dataclass, replace

import numpy as np

from optimizer.numerics.answers import Answer, NoAnswerError
from optimizer.numerics.convex_limits import Limits, Norm
from optimizer.numerics.lp import solve_lp
from optimizer.numerics.matrices import block, dense
from optimizer.numerics.ties import break_ties
from optimizer.problem.feasible_set import FeasibleSet
from optimizer.problem.gini import GiniMeanDifference
from optimizer.problem.goals import Goal, Quadratic, Ratio, RiskBudget, Traded
from optimizer.problem.scenario_goals import Scenario, Tail
from optimizer.problem.support import Support
from optimizer.problem.tails.tail_goals import RobustTail, TailBudget, TailRatio
from optimizer.solvers.fast.cvar_ellipsoids import least_tail_within
from optimizer.solvers.fast.cvar_generation import least_tail
from optimizer.solvers.fast.ellipsoid_limit import solve_priced
from optimizer.solvers.fast.ellipsoid_tangents import refine
from optimizer.solvers.fast.gini_newton import least_difference
from optimizer.solvers.fast.quadratic import best_ratio_in, least_in
from optimizer.solvers.fast.risk_budgets import free_budgets, limited_budgets
from optimizer.typing import Array

ROUNDING = 1e-13
FEW = 3  # limits, of which one alone may be all that binds; to try more of them one by one takes most of the time


@dataclass(frozen=True)
class Candidate:
    """An answer with what a certificate needs.

    x            (n,) the weights, where the feasible set has slack (p,) the columns of its space
    multipliers  (m,) of the rows of `outer` of the feasible set's frame at the weights
    support      the goal's own by default
    normals      of the ellipsoidal limits, for `outer`; none where the weights are exact enough to give them
    """

    x: Array
    multipliers: Array
    solver: str
    support: Support
    normals: tuple[Array | None, ...] = ()


def solve_fast(goal: Goal, feasible: FeasibleSet) -> Candidate:
    """The best weights by the goal's special algorithm.

    Raises NoAnswerError, also where ellipsoidal limits bind and no algorithm here takes them.
    """
    if isinstance(goal, Quadratic | Ratio) and goal.doubt is not None:
        return refined(goal, feasible, solve_fast(replace(goal, doubt=None), feasible).x)
    match goal:
        case Quadratic():
            return _quadratic(goal, feasible)
        case Ratio():
            answer = best_ratio_in(goal.gain, goal.covariance, feasible)
        case RiskBudget():
            answer = _budgets(goal, feasible)
        case Tail():
            return _tail(goal, feasible)
        case Scenario(risk=GiniMeanDifference() as risk):
            return _difference(goal, risk, feasible)
        case Scenario() | Traded() | TailRatio() | TailBudget() | RobustTail():
            raise NoAnswerError("none", f"no special algorithm for {goal.measure}", infeasible=False)
    if broken(feasible.limits, answer.x[: len(feasible.limits.symbols)]):
        return refined(goal, feasible, answer.x)
    return _candidate(goal, feasible, answer)


def refined(goal: Goal, feasible: FeasibleSet, x: Array, prices: Array | None = None) -> Candidate:
    """The best weights under ellipsoidal limits too, from columns x (p,) and prices (k,) of these limits near them."""
    n = len(feasible.limits.symbols)
    answer = refine(goal, feasible.limits.norms, feasible.space, x[:n], prices)
    support = goal.support(answer.x[:n])
    return Candidate(answer.x, feasible.prices(answer.multipliers), answer.solver, support)


def refined_tail(goal: Tail, feasible: FeasibleSet, w: Array) -> Candidate:
    """The same for expected tail loss, from weights w (n,)."""
    found = least_tail_within(goal.scenarios, goal.level, feasible.space, feasible.limits.norms, w, goal.most)
    answer = found.answer
    support = goal.support(answer.x[: len(w)], found.weights)
    return Candidate(answer.x, feasible.prices(answer.multipliers), answer.solver, support)


def _tail(goal: Tail, feasible: FeasibleSet) -> Candidate:
    found = least_tail(goal.scenarios, goal.level, feasible.space, goal.most)
    w = found.answer.x[: len(feasible.limits.symbols)]
    if broken(feasible.limits, w):
        return refined_tail(goal, feasible, w)
    answer = replace(found.answer, multipliers=feasible.prices(found.answer.multipliers))
    return _candidate(goal, feasible, answer, goal.support(w, found.weights))


def _difference(goal: Scenario, risk: GiniMeanDifference, feasible: FeasibleSet) -> Candidate:
    found = least_difference(risk, goal.scenarios, feasible.space)
    w = found.answer.x[: len(feasible.limits.symbols)]
    held_back = broken(feasible.limits, w)
    if held_back:
        raise NoAnswerError("Newton", f"{held_back[0].name} binds", infeasible=False)
    answer = replace(found.answer, multipliers=feasible.prices(found.answer.multipliers))
    return _candidate(goal, feasible, answer, goal.support(w, found.slope))


def broken(limits: Limits, w: Array) -> list[Norm]:
    """The ellipsoidal limits that w breaks."""
    return [norm for norm in limits.norms if norm.violation(w) > 0]


def _candidate(
    goal: Goal, feasible: FeasibleSet, answer: Answer, support: Support | None = None
) -> Candidate:
    """The answer, whose multipliers are of the frame's rows, where no ellipsoidal limit binds."""
    multipliers = np.append(answer.multipliers, np.zeros(len(feasible.limits.norms)))
    w = answer.x[: len(feasible.limits.symbols)]
    return Candidate(answer.x, multipliers, answer.solver, support or goal.support(w))


def _quadratic(goal: Quadratic, feasible: FeasibleSet) -> Candidate:
    limits = feasible.limits
    n = len(limits.symbols)
    if goal.center is not None and not feasible.elastic and limits.violation(goal.center) <= ROUNDING:
        found = Answer(goal.center, np.zeros(len(feasible.frame.rows)), "closed form")
        return _candidate(goal, feasible, found)
    answer = _linear(goal, feasible) if goal.P is None else least_in(goal.P, goal.q, feasible)
    held_back = broken(limits, answer.x[:n])
    if not held_back:
        return _candidate(goal, feasible, answer)
    for norm in held_back if len(held_back) <= FEW else ():
        answer, price = solve_priced(goal.P, goal.q, norm, feasible)
        w = answer.x[:n]
        if not broken(limits, w):
            prices = [-price * tangent_scale(norm, w) if other is norm else 0.0 for other in limits.norms]
            return Candidate(answer.x, np.append(answer.multipliers, prices), answer.solver, goal.support(w))
    return refined(goal, feasible, answer.x)


def _linear(goal: Quadratic, feasible: FeasibleSet) -> Answer:
    """The vertex of least cost, or where several are, the least risky of them."""
    space = feasible.space
    q = np.zeros(space.rows.shape[1])
    q[: len(goal.q)] = goal.q
    answer = solve_lp(q, space)
    if goal.ties is not None:
        answer = break_ties(q, answer, goal.ties, space)
    return replace(answer, multipliers=feasible.prices(answer.multipliers))


def tangent_scale(norm: Norm, w: Array) -> float:
    """What `outer` divides the limit's row by at w."""
    return float(np.abs(norm.tangent(w).row).max()) or 1.0


def _budgets(goal: RiskBudget, feasible: FeasibleSet) -> Answer:
    """The free answer, as fully invested as allowed, where it exists and keeps every limit; else the limited one."""
    w = None if feasible.elastic else _without_limits(goal, feasible.limits)
    if w is not None and feasible.limits.violation(w) <= ROUNDING:
        return Answer(w, np.zeros(len(feasible.frame.rows)), "Newton")
    answer = limited_budgets(dense(goal.covariance), goal.budgets, feasible.space)
    return replace(answer, multipliers=feasible.prices(answer.multipliers))


def _without_limits(goal: RiskBudget, limits: Limits) -> Array | None:
    """(n,) the weights whose risk shares are the budgets; None where a riskless mix leaves them without a bottom."""
    held = np.flatnonzero(goal.budgets > 0)
    y = np.zeros(len(goal.budgets))
    among = goal.covariance if len(held) == len(y) else block(goal.covariance, held)
    try:
        y[held] = free_budgets(among, goal.budgets[held])
    except NoAnswerError:
        return None
    budget = limits.linear[0]
    return np.asarray(y * (budget.offset - max(budget.low, 0.0)) / y.sum())
