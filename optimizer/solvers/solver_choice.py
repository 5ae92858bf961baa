"""Fast lane, general lane, certificate: the one place where an answer is accepted."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from optimizer.errors import DataError, SolverError
from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.lp import inhabited, solve_lp
from optimizer.numerics.matrices import dense, variances
from optimizer.numerics.polyhedra import Polyhedron, outer
from optimizer.problem.feasible_set import FeasibleSet
from optimizer.problem.goals import (
    Goal,
    Quadratic,
    Ratio,
    RiskBudget,
    Traded,
    at_kink,
    doubted,
    some_risk,
    without_algorithm,
)
from optimizer.problem.scenario_costs import GrowthLoss, WorstRealization
from optimizer.problem.scenario_goals import Scenario, Tail
from optimizer.problem.support import Support
from optimizer.problem.tails.tail_goals import RobustTail, TailBudget, TailRatio
from optimizer.solvers.audit import GAP_TOLERANCE, RADIUS, Certificate, certify
from optimizer.solvers.damped_newton import budgets_by_steps, robust_by_steps
from optimizer.solvers.fast.cvar_generation import least_tail
from optimizer.solvers.fast.dispatch import Candidate, refined, refined_tail, solve_fast
from optimizer.solvers.fast.least_distance import out_of_reach
from optimizer.solvers.fast.risk_budgets import LEAST
from optimizer.solvers.general import Found, solve_general
from optimizer.solvers.newton_refinement import sharpened, sharpened_ratio, sharpened_within
from optimizer.typing import Array

# Goals whose line comes from a solver's multipliers of the days.
OverScenarios = Scenario | TailRatio | TailBudget | RobustTail
NOTHING_LEFT = "the limits leave nothing to choose from"
RUIN = -1.0 + 1e-9
HEDGED = 1e-6  # of a correlation: risks that small have no shares that can be told from rounding


@dataclass(frozen=True, eq=False)
class Optimum:
    """Weights of least cost with the proof.

    weights (n,);  space: the feasible set's frame, with tangents of the ellipsoidal limits at the weights
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


class NoScaleError(SolverError):
    """The best weights that the limits allow a goal with a free scale are within reach of rounding."""


def _remedy(goal: Goal) -> str:
    """What to do where nothing was certified."""
    if isinstance(goal, Ratio | RiskBudget):
        own = np.sqrt(variances(goal.covariance))
        safe = np.where(own > 0, own, 1.0)
        least = float(np.linalg.eigvalsh(dense(goal.covariance) / np.outer(safe, safe))[0])
        if least < HEDGED:
            return (
                f"some names hedge or copy each other almost exactly (least eigenvalue of their correlation "
                f"{least:.0e}); use more history or a shrunk covariance"
            )
    return "report the policy and the estimates"


def optimum(goal: Goal, feasible: FeasibleSet) -> Optimum:
    """The certified answer of the first lane that has one.

    Raises NoAnswerError when the limits contradict each other, SolverError when no lane is confirmed; a
    NoScaleError where next to nothing is held.
    """
    if not feasible.elastic and out_of_reach(feasible.limits):
        raise NoAnswerError("a sort", NOTHING_LEFT, infeasible=True)
    reasons: list[str] = []
    for lane, attempt in LANES.items():
        if lane == "fast" and without_algorithm(goal):
            continue
        try:
            found = attempt(goal, feasible)
            if vanishing(goal, found.x[: len(feasible.limits.symbols)]):
                raise NoScaleError(f"no weight above {LEAST:g} of NAV")
            best = certified(lane, feasible, found, goal)
        except NoAnswerError as stop:
            if stop.infeasible:
                raise
            reasons.append(f"{lane} lane: {stop}")
            continue
        if best.certificate.ok:
            return replace(best, notes=tuple(reasons)) if reasons else best
        proof = best.certificate
        if isinstance(goal, Ratio):
            some_risk(best.weights, goal.covariance, goal.measure, beside_the_riskiest=True)
        reasons.append(
            f"{lane} lane ({best.solver}): violation {proof.primal_residual:.1e}, gap {proof.relative_gap:.1e}"
        )
    if not inhabited(feasible.space) or not rewarding(goal, feasible):
        raise NoAnswerError("HiGHS", NOTHING_LEFT, infeasible=True)
    raise SolverError(f"no answer could be certified; {'; '.join(reasons)}: {_remedy(goal)}")


def vanishing(goal: Goal, w: Array) -> bool:
    """Whether the free scale of a goal has left weights (n,) within reach of rounding.

    Limits scale with the weights and tolerances do not: weights of 1e-15 in all names seem to keep every limit.
    """
    return goal.homogeneous and float(np.abs(w).max()) <= LEAST


def rewarding(goal: Goal, feasible: FeasibleSet) -> bool:
    """Whether a ratio's gain can be above 0, and growth be without ruin. DataError where nothing is lost in a tail."""
    if isinstance(goal, TailRatio | TailBudget):
        refuse_without_loss(goal, feasible)
    if isinstance(goal, Scenario) and isinstance(goal.risk, GrowthLoss):
        safest = optimum(replace(goal, risk=WorstRealization()), feasible).weights
        return float(goal.returns(safest).min()) > RUIN
    if not isinstance(goal, Ratio | TailRatio):
        return True
    gain = optimum(Quadratic(None, -goal.gain, "gain", "negative"), feasible)
    return float(goal.gain @ gain.weights) > 1e-9 * float(np.abs(goal.gain).max())


def refuse_without_loss(goal: TailRatio | TailBudget, feasible: FeasibleSet) -> None:
    """Raises DataError where an allowed portfolio loses nothing on its worst days: no ratio or share of it is best."""
    least = optimum(Tail(goal.scenarios, 0.0, goal.level, goal.measure, goal.odds), feasible).weights
    if goal.loss(least) <= LEAST * float(np.abs(goal.scenarios).max()):
        raise DataError(
            f"an allowed portfolio loses nothing on its worst {100 * (1 - goal.level):.3g}% of the scenarios, so the "
            f"{goal.measure} has no best value; use more history, a higher tail_level or another method"
        )


def _fast(goal: Goal, feasible: FeasibleSet) -> Candidate:
    return solve_fast(goal, feasible)


def _general(goal: Goal, feasible: FeasibleSet) -> Candidate:
    """The solver's answer, sharpened by tangents where ellipsoidal limits are in play and that settles."""
    n, norms = len(feasible.limits.symbols), feasible.limits.norms
    found = _conic(goal, feasible)
    x = found.x
    none = np.zeros(len(feasible.frame.rows) + len(norms))
    if isinstance(goal, OverScenarios):
        return _scenario_candidate(goal, feasible, found)
    if isinstance(goal, RiskBudget) and goal.loadings is not None:
        return Candidate(x, none, found.solver, goal.support(x[:n]), found.normals)
    if isinstance(goal, Traded):
        return _traded_candidate(goal, feasible, found)
    if isinstance(goal, Quadratic | Ratio):
        plain_answer = Candidate(x, none, found.solver, goal.support(x[:n], found.prices), found.normals)
    else:
        plain_answer = Candidate(x, none, found.solver, goal.support(x[:n]), found.normals)
    if isinstance(goal, Ratio) and goal.fees is not None:
        return _charged_candidate(goal, feasible, plain_answer)
    if (not norms and not doubted(goal)) or at_kink(goal, x[:n]):
        return plain_answer
    try:
        if isinstance(goal, Tail):
            return refined_tail(goal, feasible, x[:n])
        return refined(goal, feasible, x, limit_prices(goal, feasible, x[:n], plain_answer.support))
    except NoAnswerError:
        return plain_answer  # the audit decides on it


def _traded_candidate(goal: Traded, feasible: FeasibleSet, found: Found) -> Candidate:
    n, norms = len(feasible.limits.symbols), feasible.limits.norms
    none = np.zeros(len(feasible.frame.rows) + len(norms))
    near = Candidate(found.x, none, found.solver, goal.support(found.x[:n], found.prices), found.normals)
    if not (norms or doubted(goal.base) or goal.fees.any()):
        exact = sharpened(goal, feasible.space, found.x)
    elif certified("general", feasible, near, goal).certificate.ok:
        return near
    else:
        prices = limit_prices(goal, feasible, found.x[:n], near.support)
        exact = sharpened_within(goal, feasible.space, norms, found.x, prices)
    return _refined(goal, feasible, near, exact)


def _charged_candidate(goal: Ratio, feasible: FeasibleSet, near: Candidate) -> Candidate:
    """The solver's answer of a ratio after borrow fees where it is certified, else that to the last digits."""
    if certified("general", feasible, near, goal).certificate.ok:
        return near
    n, norms = len(feasible.limits.symbols), feasible.limits.norms
    prices = limit_prices(goal, feasible, near.x[:n], near.support)
    return _refined(goal, feasible, near, sharpened_ratio(goal, feasible.space, norms, near.x, prices))


def _refined(
    goal: Traded | Ratio, feasible: FeasibleSet, near: Candidate, exact: tuple[Array, Array, Array] | None
) -> Candidate:
    """The answer to the last digits (weights, multipliers, pull), still to be certified; without it the one near."""
    if exact is None:
        return near
    x, multipliers, pull = exact
    return Candidate(
        x, feasible.prices(multipliers), near.solver, goal.support(x[: len(feasible.limits.symbols)], pull)
    )


def limit_prices(goal: Goal, feasible: FeasibleSet, w: Array, support: Support) -> Array | None:
    """(k,) what the ellipsoidal limits cost at w (n,), by one linear program over their tangents."""
    norms = feasible.limits.norms
    if not norms:
        return None
    multipliers, _ = _reproved(goal, support, feasible, w, (None,) * len(norms))
    scale = outer(feasible.frame, norms, w).scale[-len(norms) :]
    return np.asarray(np.maximum(-multipliers[-len(norms) :] / scale, 0.0))


def _scenario_candidate(goal: OverScenarios, feasible: FeasibleSet, found: Found) -> Candidate:
    none = np.zeros(len(feasible.frame.rows) + len(feasible.limits.norms))
    support = goal.support(found.x[: len(feasible.limits.symbols)], found.prices)
    return Candidate(found.x, none, found.solver, support, found.normals)


def _accepts(goal: Goal, feasible: FeasibleSet) -> Callable[[Found], bool] | None:
    """Whether the audit confirms an answer as it is; None for goals whose answers are sharpened first."""
    if not isinstance(goal, OverScenarios):
        return None
    return lambda found: (
        certified("general", feasible, _scenario_candidate(goal, feasible, found), goal).certificate.ok
    )


def _conic(goal: Goal, feasible: FeasibleSet) -> Found:
    if isinstance(goal, TailBudget) or (isinstance(goal, RiskBudget) and goal.loadings is not None):
        return budgets_by_steps(goal, feasible.space, feasible.limits.norms)
    n = len(feasible.limits.symbols)
    try:
        found = solve_general(goal, n, feasible.space, feasible.limits.norms, _accepts(goal, feasible))
    except NoAnswerError as stop:
        if stop.infeasible or not isinstance(goal, RiskBudget):
            raise
    else:
        accepts = _accepts(goal, feasible)
        if isinstance(goal, RobustTail) and accepts and not accepts(found) and not at_kink(goal, found.x[:n]):
            return robust_by_steps(goal, found, feasible.space, feasible.limits.norms)
        if not isinstance(goal, RiskBudget) or found.x[:n][goal.budgets > 0].min() > LEAST:
            return found
    # Where a name with a budget cannot be held, an exponential cone may end at weights without a sign or a scale.
    return budgets_by_steps(goal, feasible.space, feasible.limits.norms)


LANES = {"fast": _fast, "general": _general}


def certified(lane: str, feasible: FeasibleSet, found: Candidate, goal: Goal) -> Optimum:
    """With the solver's multipliers, or where they do not prove it, with those of one linear program."""
    w = found.x[: len(feasible.limits.symbols)]
    frame = outer(feasible.frame, feasible.limits.norms, w, found.normals)
    violation = feasible.violation(found.x)
    multipliers, support = found.multipliers, found.support
    certificate = certify(violation, frame, support, w, multipliers)
    if certificate.relative_gap > GAP_TOLERANCE:
        multipliers, support = _reproved(goal, support, feasible, w, found.normals)
        certificate = certify(violation, frame, support, w, multipliers)
    return Optimum(w, frame, multipliers, lane, found.solver, certificate, support)


def _reproved(
    goal: Goal, support: Support, feasible: FeasibleSet, w: Array, normals: tuple[Array | None, ...]
) -> tuple[Array, Support]:
    space = outer(feasible.space, feasible.limits.norms, w, normals)
    if isinstance(goal, Tail):
        found = least_tail(goal.scenarios, goal.level, space, goal.most)
        return feasible.prices(found.answer.multipliers), goal.support(w, found.weights)
    slope = np.zeros(space.rows.shape[1])
    slope[: len(w)] = support.slope
    box = replace(space, floor=np.maximum(space.floor, -RADIUS), ceiling=np.minimum(space.ceiling, RADIUS))
    return feasible.prices(solve_lp(slope, box).multipliers), support
