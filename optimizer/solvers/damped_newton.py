"""Risk budgets where an exponential cone makes a solver diverge or end too early: damped Newton steps.

Each step is a quadratic or second-order cone program, which solvers do well; -sum b ln y is self-concordant, so that
steps of length 1 / (1 + decrement) converge from any start (Nesterov & Nemirovskii 1994; with a tail loss, which has
kinks, Tran-Dinh, Kyrillidis & Cevher 2015).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.convex_limits import Norm
from optimizer.numerics.matrices import dense, variances
from optimizer.numerics.polyhedra import Polyhedron
from optimizer.problem.goals import RiskBudget, some_risk
from optimizer.problem.tails.tail_goals import RobustTail, TailBudget
from optimizer.solvers.fast.risk_budgets import LEAST
from optimizer.solvers.general import Found, climb, cone, normal_of, prices_of, root, rules, tail_loss
from optimizer.typing import Array

if TYPE_CHECKING:
    import cvxpy as cp

STEPS, SHARPENINGS, SETTLED = 60, 6, 1e-9


def budgets_by_steps(goal: RiskBudget | TailBudget, space: Polyhedron, norms: tuple[Norm, ...]) -> Found:
    """The columns x (p,) of least risk-budget cost.

    Raises NoAnswerError, infeasible where some name with a budget cannot be held; DataError where all can be
    without risk.
    """
    import cvxpy as cp

    p, kept = space.rows.shape[1], np.flatnonzero(goal.budgets > 0)
    x, scale, least = cp.Variable(p), cp.Variable(nonneg=True), cp.Variable()
    risk = _variance(goal, x) if isinstance(goal, RiskBudget) else _tail(goal, x)
    n = risk.names
    loadings = goal.loadings if isinstance(goal, RiskBudget) else None
    wanted = (np.eye(n) if loadings is None else loadings)[kept]

    def limits(size: cp.Expression | float) -> tuple[list[cp.Constraint], list[cp.SOC]]:
        return rules(x, size, space), [cone(norm, x[:n], size) for norm in norms]

    def read(solver: str) -> tuple[Array, str]:
        return np.append(x.value, 1.0 if scale.value is None else scale.value), solver

    flat, cones = limits(1.0)
    widest = cp.Problem(cp.Maximize(least), [*flat, *cones, wanted @ x[:n] >= least, least <= 1])
    point, solver = climb(widest, read)
    if float((wanted @ point[:n]).min()) <= LEAST:
        raise NoAnswerError(solver, "some name with a risk budget cannot be held", infeasible=True)
    point = point / risk.size(point[:n])
    flat, cones = limits(scale)
    for _ in range(STEPS):
        y = wanted @ point[:n]
        near = cp.sum_squares(cp.multiply(np.sqrt(goal.budgets[kept]) / y, wanted @ x[:n] - 2 * y))
        model = cp.Problem(cp.Minimize(risk.cost + near / 2), [*flat, *cones, *risk.own])
        best, solver = climb(model, read)
        step = best - point
        change = wanted @ step[:n]
        bend = goal.budgets[kept] / y**2
        decrement = float(np.sqrt(risk.curved(step[:n]) + bend @ change**2))
        if decrement < SETTLED:
            break
        shrinks = float(np.max(-change / y, initial=0.0))
        length = 1.0 if decrement < 0.25 and shrinks < 1 else 1.0 / (1.0 + max(decrement, shrinks))
        point = point + length * step
    normals = tuple(normal_of(*pair) for pair in zip(norms, cones, strict=True))
    return Found(point[:p] / point[p], f"{solver}, damped Newton", prices_of(goal, risk.own), normals)


def robust_by_steps(goal: RobustTail, found: Found, space: Polyhedron, norms: tuple[Norm, ...]) -> Found:
    """The same answer sharper: |w| by its second-order model, whose quadratic programs end nearer than a cone does."""
    import cvxpy as cp

    n, unit, x = (
        goal.scenarios.shape[1],
        float(np.abs(goal.scenarios).mean()) or 1.0,
        cp.Variable(len(found.x)),
    )
    loss, own = tail_loss(goal, x[:n], unit)
    cones = [cone(norm, x[:n], 1.0) for norm in norms]
    flat = [*rules(x, 1.0, space), *cones, *own]
    for _ in range(SHARPENINGS):
        w = found.x[:n]
        length = float(np.linalg.norm(w))
        away = w / length
        across = np.eye(n) - np.outer(away, away)
        model = away @ x[:n] + cp.sum_squares(across @ (x[:n] - w)) / (2 * length)

        def read(solver: str, away: Array = away) -> Found:
            prices = np.append(own[0].dual_value, away)
            normals = tuple(normal_of(*pair) for pair in zip(norms, cones, strict=True))
            return Found(np.asarray(x.value), f"{solver}, Newton", prices, normals)

        before = found.x
        found = climb(cp.Problem(cp.Minimize(loss + goal.penalty / unit * model), flat), read)
        if float(np.abs(found.x - before).max()) < SETTLED:
            break
    return found


@dataclass(frozen=True)
class _Risk:
    """A risk in units in which it is 1 at the answer.

    cost, own  for cvxpy;  names  n;  size  of a mix (n,), above 0;  curved  the square of a step (n,) by its own bend
    """

    cost: cp.Expression
    own: list[cp.Constraint]
    names: int
    size: Callable[[Array], float]
    curved: Callable[[Array], float]


def _variance(goal: RiskBudget, x: cp.Variable) -> _Risk:
    import cvxpy as cp

    factor = root(dense(goal.covariance) / float(variances(goal.covariance).mean())).T
    n = factor.shape[1]

    def size(w: Array) -> float:
        some_risk(w, goal.covariance, goal.measure)
        return float(np.linalg.norm(factor @ w))

    def curved(step: Array) -> float:
        return float(np.sum((factor @ step) ** 2))

    return _Risk(cp.sum_squares(factor @ x[:n]) / 2, [], n, size, curved)


def _tail(goal: TailBudget, x: cp.Variable) -> _Risk:
    unit, n = float(np.abs(goal.scenarios).mean()) or 1.0, goal.scenarios.shape[1]
    cost, own = tail_loss(goal, x[:n], unit)
    return _Risk(cost, own, n, lambda w: goal.some_loss(w, goal.measure) / unit, lambda step: 0.0)
