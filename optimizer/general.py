"""The general lane: any goal under any limits through cvxpy, for what the fast lane does not take."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fast.answers import NoAnswerError
from optimizer.goals import Goal, Quadratic, Ratio, RiskBudget, Tail
from optimizer.limits import INF, Norm, Polyhedron
from optimizer.typing import Array

if TYPE_CHECKING:
    import cvxpy as cp

# Each rung is tried until one is within its own tolerance; the audit, not the rung, decides what is accepted.
LADDER: tuple[tuple[str, dict[str, float]], ...] = (
    ("CLARABEL", {"tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11, "time_limit": 120.0}),
    ("CLARABEL", {"tol_gap_abs": 1e-9, "tol_gap_rel": 1e-9, "tol_feas": 1e-9, "time_limit": 120.0}),
    ("CLARABEL", {"time_limit": 120.0}),
)


def solve_general(goal: Goal, n: int, space: Polyhedron, norms: tuple[Norm, ...]) -> tuple[Array, str]:
    """The best columns x (p,), the n weights first, and the solver's name, by the first solver that says `optimal`.

    Raises NoAnswerError; `infeasible` as soon as one solver proves it.
    """
    import cvxpy as cp

    x = cp.Variable(space.rows.shape[1])
    scale: cp.Variable | float = cp.Variable(nonneg=True) if goal.homogeneous else 1.0
    cost, own = express(goal, x[:n])
    problem = cp.Problem(cp.Minimize(cost), [*rules(x, scale, space, norms), *own])
    solver = status = ""
    for solver, settings in LADDER:
        status = _run(problem, solver, settings)
        if status == cp.OPTIMAL:
            size = scale.value if isinstance(scale, cp.Variable) else 1.0
            return np.asarray(x.value) / float(size), solver
        if status == cp.INFEASIBLE:
            raise NoAnswerError(solver, status, infeasible=True)
    raise NoAnswerError(solver, status, infeasible=False)


def _run(problem: cp.Problem, solver: str, settings: dict[str, float]) -> str:
    import cvxpy as cp

    try:
        with np.errstate(invalid="ignore"), warnings.catch_warnings():
            # cvxpy warns of an inaccurate answer; its status says the same, and the next rung is tried.
            warnings.filterwarnings("ignore", "Solution may be inaccurate", UserWarning)
            problem.solve(solver=solver, **settings)
    except cp.SolverError as error:
        return str(error)
    return str(problem.status)


def rules(
    x: cp.Variable, scale: cp.Expression | float, space: Polyhedron, norms: tuple[Norm, ...]
) -> list[cp.Constraint]:
    """The polyhedron and the ellipsoidal limits as constraints on x (p,), bounds multiplied by the scale."""
    import cvxpy as cp

    equal = space.low == space.high
    highs, lows = ~equal & (space.high < INF), ~equal & (space.low > -INF)
    found = []
    for chosen, bound, sign in ((highs, space.high, 1.0), (lows, space.low, -1.0)):
        if chosen.any():
            found.append(sign * (space.rows[chosen] @ x) <= sign * bound[chosen] * scale)
    if equal.any():
        found.append(space.rows[equal] @ x == space.low[equal] * scale)
    for chosen, bound, sign in (
        (space.ceiling < INF, space.ceiling, 1.0),
        (space.floor > -INF, space.floor, -1.0),
    ):
        if chosen.any():
            found.append(sign * x[np.flatnonzero(chosen)] <= sign * bound[chosen] * scale)
    for norm in norms:
        unit = float(np.sqrt(np.trace(norm.covariance) / len(norm.center))) or 1.0
        away = root(norm.covariance / unit**2).T @ (x[: len(norm.center)] - norm.center * scale)
        found.append(cp.norm(away) <= norm.bound / unit * scale)
    return found


def express(goal: Goal, w: cp.Expression) -> tuple[cp.Expression, list[cp.Constraint]]:
    """The goal's cost, scaled to O(1), and the rules of its own; homogeneous goals in y = w x scale."""
    import cvxpy as cp

    match goal:
        case Quadratic():
            diagonal = np.abs(goal.q) if goal.P is None else np.diag(goal.P)
            size = float(diagonal.mean()) or 1.0
            curved = 0.0 if goal.P is None else 0.5 * cp.sum_squares(root(goal.P / size).T @ w)
            return curved + (goal.q / size) @ w, []
        case Ratio():
            unit = float(np.abs(goal.gain).max()) or 1.0
            size = float(np.diag(goal.covariance).mean())
            return cp.sum_squares(root(goal.covariance / size).T @ w), [(goal.gain / unit) @ w == 1]
        case RiskBudget():
            kept = np.flatnonzero(goal.budgets > 0)
            size = float(np.sqrt(np.diag(goal.covariance).mean()))
            risk = 0.5 * cp.sum_squares(root(goal.covariance / size**2).T @ w)
            return risk - goal.budgets[kept] @ cp.log(w[kept]), []
        case Tail():
            size = float(np.abs(goal.scenarios).max()) or 1.0
            losses = -(goal.scenarios / size) @ w
            worst, beyond = cp.Variable(), cp.Variable(len(goal.scenarios), nonneg=True)
            count = (1.0 - goal.level) * len(goal.scenarios)
            return worst + cp.sum(beyond) / count, [losses <= worst + beyond]


def root(covariance: Array) -> Array:
    """F (n, k) with F F' = covariance, for a singular one too."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > values[-1] * 1e-14
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept]))
