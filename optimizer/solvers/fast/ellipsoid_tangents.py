"""Ellipsoids in any smooth problem, as limits or around its mean: Newton's method on their tangents.

Sequential quadratic programming. A doubted mean is a limit on how wrong it may be, whose price is 1.
"""

import numpy as np

from optimizer.numerics.answers import Answer, NoAnswerError
from optimizer.numerics.convex_limits import Norm
from optimizer.numerics.homogeneous import best_ratio
from optimizer.numerics.matrices import dense
from optimizer.numerics.polyhedra import Polyhedron, outer
from optimizer.numerics.qp import solve_qp
from optimizer.problem.goals import Goal, Quadratic, Ratio, RiskBudget, Traded, doubt_slope
from optimizer.problem.scenario_goals import Scenario, Tail
from optimizer.problem.tails.tail_goals import RobustTail, TailBudget, TailRatio
from optimizer.solvers.fast.limit_curvature import cone_curvature, priced_curvature
from optimizer.solvers.fast.risk_budgets import limited_budgets
from optimizer.typing import Array

STEPS, WHOLE = 80, 12
SETTLED, ROUNDED, NEAR = 1e-12, 1e-7, 1e-5


def refine(
    goal: Goal, norms: tuple[Norm, ...], space: Polyhedron, w: Array, prices: Array | None = None
) -> Answer:
    """The best columns (p,) under all limits, from weights w (n,) near it; multipliers of the rows of `outer`.

    Each round solves the problem with the limits replaced by their tangents at the last weights and their
    curvature, times their price, in the cost; `prices` (k,) of the limits to start with.
    Raises NoAnswerError where that does not settle.
    """
    n = len(w)
    prices, last = np.zeros(len(norms)) if prices is None else prices, np.inf
    for step in range(STEPS):
        base = outer(space, norms, w)
        answer = _round(goal, base, norms, w, prices)
        moved = float(np.abs(answer.x[:n] - w).max())
        first = len(space.rows)
        found = np.maximum(-answer.multipliers[first:] / base.scale[first:], 0.0)
        # Many limits, or fewer days than names, leave more than SETTLED to rounding, which no further step lessens.
        if moved < SETTLED or (step > WHOLE and last <= moved < ROUNDED):
            break
        last = moved
        # Whole steps settle in a few rounds or swing around the answer; half of one ends the swinging.
        length = 1.0 if step < WHOLE else 0.5
        w, prices = w + length * (answer.x[:n] - w), prices + length * (found - prices)
    if moved < NEAR:
        return answer
    raise NoAnswerError(answer.solver, f"tangents still moved by {moved:.1e}", infeasible=False)


def _round(goal: Goal, base: Polyhedron, norms: tuple[Norm, ...], w: Array, prices: Array) -> Answer:
    n, p = len(w), base.rows.shape[1]
    if isinstance(goal, Quadratic | Ratio) and goal.doubt is not None:
        norms, prices = (*norms, Norm("doubt", goal.doubt, np.zeros(n), 0.0)), np.append(prices, 1.0)
    match goal:
        case Quadratic():
            P, q = np.zeros((p, p)), np.zeros(p)
            bend = priced_curvature(norms, w, prices)
            P[:n, :n] = bend if goal.P is None else dense(goal.P) + bend
            q[:n] = goal.q + doubt_slope(goal.doubt, w) - bend @ w
            return solve_qp(P, q, base)
        case Ratio():
            gain = goal.gain - doubt_slope(goal.doubt, w)
            size, reward = float(np.abs(gain).max()), float(gain @ w)
            if not reward > 0:
                raise NoAnswerError("Newton", "the worst mean gains nothing here", infeasible=False)
            scale = size / reward
            # `best_ratio` divides its multipliers by this; its quadratic program needs them whole.
            worth = scale**2 * float(w @ goal.covariance @ w) / size
            bend = cone_curvature(norms, w, prices * worth, scale, p)
            return best_ratio(gain, dense(goal.covariance), base, bend)
        case RiskBudget():
            scale = 1.0 / float(np.sqrt(w @ goal.covariance @ w))
            bend = cone_curvature(norms, w, prices, scale, p)
            return limited_budgets(dense(goal.covariance), goal.budgets, base, bend)
        case Tail() | Scenario() | Traded() | TailRatio() | TailBudget() | RobustTail():
            raise NoAnswerError("Newton", f"{goal.measure} is not smooth", infeasible=False)
