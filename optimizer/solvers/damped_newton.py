"""Risk budgets under ellipsoidal limits where an exponential cone makes a solver diverge: damped Newton steps.

Each step is a second-order cone program, which solvers do well; -sum b ln y is self-concordant, so that steps of
length 1 / (1 + decrement) converge from any start (Nesterov & Nemirovskii 1994).
"""

from __future__ import annotations

import numpy as np

from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.convex_limits import Norm, Polyhedron
from optimizer.numerics.matrices import dense, variances
from optimizer.problem.goals import RiskBudget, some_risk
from optimizer.solvers.fast.risk_budgets import LEAST
from optimizer.solvers.general import Found, climb, cone, normal_of, root, rules
from optimizer.typing import Array

STEPS, SETTLED = 60, 1e-9


def budgets_by_steps(goal: RiskBudget, space: Polyhedron, norms: tuple[Norm, ...]) -> Found:
    """The columns x (p,) of least risk-budget cost.

    Raises NoAnswerError, infeasible where some name with a budget cannot be held; DataError where all can be
    without risk.
    """
    import cvxpy as cp

    n, p = len(goal.covariance), space.rows.shape[1]
    kept = np.flatnonzero(goal.budgets > 0)
    wanted = (np.eye(n) if goal.loadings is None else goal.loadings)[kept]
    factor = root(dense(goal.covariance) / float(variances(goal.covariance).mean())).T
    x, scale, least = cp.Variable(p), cp.Variable(nonneg=True), cp.Variable()

    def limits(size: cp.Expression | float) -> tuple[list[cp.Constraint], list[cp.SOC]]:
        return rules(x, size, space), [cone(norm, x[:n], size) for norm in norms]

    def read(solver: str) -> tuple[Array, str]:
        return np.append(x.value, 1.0 if scale.value is None else scale.value), solver

    flat, cones = limits(1.0)
    widest = cp.Problem(cp.Maximize(least), [*flat, *cones, wanted @ x[:n] >= least, least <= 1])
    point, solver = climb(widest, read)
    if float((wanted @ point[:n]).min()) <= LEAST:
        raise NoAnswerError(solver, "some name with a risk budget cannot be held", infeasible=True)
    some_risk(point[:n], goal.covariance, goal.measure)
    point = point / float(np.linalg.norm(factor @ point[:n]))
    flat, cones = limits(scale)
    for _ in range(STEPS):
        y = wanted @ point[:n]
        near = cp.sum_squares(cp.multiply(np.sqrt(goal.budgets[kept]) / y, wanted @ x[:n] - 2 * y))
        best, solver = climb(
            cp.Problem(cp.Minimize(cp.sum_squares(factor @ x[:n]) + near), [*flat, *cones]), read
        )
        step = best - point
        change = wanted @ step[:n]
        bend = goal.budgets[kept] / y**2
        decrement = float(np.sqrt(np.sum((factor @ step[:n]) ** 2) + bend @ change**2))
        if decrement < SETTLED:
            break
        shrinks = float(np.max(-change / y, initial=0.0))
        length = 1.0 if decrement < 0.25 and shrinks < 1 else 1.0 / (1.0 + max(decrement, shrinks))
        point = point + length * step
    normals = tuple(normal_of(*pair) for pair in zip(norms, cones, strict=True))
    return Found(point[:p] / point[p], f"{solver}, damped Newton", None, normals)
