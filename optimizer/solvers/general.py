"""The general lane: any goal under any limits through cvxpy, for what the fast lane does not take."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.convex_limits import INF, Norm
from optimizer.numerics.matrices import dense, variances
from optimizer.numerics.polyhedra import Polyhedron
from optimizer.problem.goals import Goal, Quadratic, Ratio, RiskBudget, Traded
from optimizer.problem.scenario_goals import Scenario, Tail
from optimizer.problem.tails.tail_goals import RobustTail, TailBudget, TailRatio
from optimizer.typing import Array

if TYPE_CHECKING:
    import cvxpy as cp

Answer = TypeVar("Answer")

# Each rung is tried until one is within its own tolerance; the audit, not the rung, decides what is accepted. Its own
# 200 iterations end a rung, not a clock: the same inputs give the same answer.
LADDER: tuple[tuple[str, dict[str, float | bool]], ...] = (
    ("CLARABEL", {"tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11}),
    ("CLARABEL", {"tol_gap_abs": 1e-9, "tol_gap_rel": 1e-9, "tol_feas": 1e-9}),
    ("CLARABEL", {}),
    ("CLARABEL", {"static_regularization_constant": 1e-10}),
    ("CLARABEL", {"equilibrate_enable": False}),
    ("CLARABEL", {"tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "max_step_fraction": 0.8}),
)


@dataclass(frozen=True)
class Found:
    """What the general lane returns.

    x        (p,) columns, the n weights first;  solver: its name
    prices   multipliers for the goal's `support`: (T,) of the portfolio's returns, (n,) of a doubted mean, or None
    normals  of each ellipsoidal limit (n,), None where it does not bind
    """

    x: Array
    solver: str
    prices: Array | None
    normals: tuple[Array | None, ...]


def solve_general(
    goal: Goal,
    n: int,
    space: Polyhedron,
    norms: tuple[Norm, ...],
    accepts: Callable[[Found], bool] | None = None,
) -> Found:
    """The best columns by the first solver that says `optimal`, else by the first that comes near.

    accepts  where given, it decides instead of what the solvers say
    Raises NoAnswerError; `infeasible` as soon as one solver proves it.
    """
    import cvxpy as cp

    x = cp.Variable(space.rows.shape[1])
    scale: cp.Variable | float = cp.Variable(nonneg=True) if goal.homogeneous else 1.0
    cost, own = express(goal, x[:n])
    cones = [cone(norm, x[: len(norm.center)], scale) for norm in norms]

    def read(solver: str) -> Found | None:
        size = float(scale.value if isinstance(scale, cp.Variable) else 1.0)
        if not size > 0:  # weights without a scale are no answer, whatever the solver calls it
            return None
        normals = tuple(normal_of(*pair) for pair in zip(norms, cones, strict=True))
        return Found(np.asarray(x.value) / size, solver, prices_of(goal, own), normals)

    return climb(cp.Problem(cp.Minimize(cost), [*rules(x, scale, space), *cones, *own]), read, accepts)


def climb(
    problem: cp.Problem, read: Callable[[str], Answer | None], accepts: Callable[[Answer], bool] | None = None
) -> Answer:
    """What `read` takes from the first answer called `optimal`, else from the first that comes near; given the solver.

    `accepts`, where given, decides instead of what the solver calls its answer; where `read` takes nothing, the next
    solver is asked.

    Raises NoAnswerError; `infeasible` as soon as one solver proves it.
    """
    import cvxpy as cp

    solver = status = ""
    near: Answer | None = None
    for solver, settings in LADDER:
        status = run(problem, solver, settings)
        if status == cp.INFEASIBLE:
            raise NoAnswerError(solver, status, infeasible=True)
        if status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE):
            continue
        answer = read(solver)
        if answer is None:
            continue
        if accepts(answer) if accepts else status == cp.OPTIMAL:
            return answer
        near = answer if near is None else near
    if near is None:
        raise NoAnswerError(solver, status, infeasible=False)
    return near  # the audit decides on it


def run(problem: cp.Problem, solver: str, settings: dict[str, float | bool]) -> str:
    """Solves it once; its status, or what the solver says of its failure."""
    import cvxpy as cp

    try:
        with np.errstate(over="ignore", invalid="ignore"), warnings.catch_warnings():
            # cvxpy warns of an inaccurate answer; its status says the same, and the next rung is tried.
            warnings.filterwarnings("ignore", "Solution may be inaccurate", UserWarning)
            # A solver kept warm would keep the settings of the rung before.
            problem.solve(solver=solver, warm_start=False, **settings)
    except cp.SolverError as error:
        return str(error)
    return str(problem.status)


def rules(x: cp.Variable, scale: cp.Expression | float, space: Polyhedron) -> list[cp.Constraint]:
    """The polyhedron as constraints on x (p,), bounds multiplied by the scale."""

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
    return found


def cone(norm: Norm, w: cp.Expression, scale: cp.Expression | float) -> cp.SOC:
    """An ellipsoidal limit on w (n,), bound multiplied by the scale."""
    import cvxpy as cp

    factor, unit = factored(norm)
    return cp.SOC(norm.bound / unit * scale, factor.T @ (w - norm.center * scale))


def factored(norm: Norm) -> tuple[Array, float]:
    """F (n, k) and a unit with unit^2 F F' = covariance; normals are read with the very F that the solver had.

    Where variances are equal the eigenvectors, and so F, change with the last bits of the matrix.
    """
    unit = float(np.sqrt(np.trace(norm.covariance) / len(norm.center))) or 1.0
    return root(norm.covariance / unit**2), unit


def prices_of(goal: Goal, own: list[cp.Constraint]) -> Array | None:
    """What the goal's own first rule says of the slope of its cost, where that can have kinks."""
    match goal:
        case Scenario():
            return -np.asarray(own[0].dual_value)
        case Traded():
            return -np.asarray(own[0].dual_value) * size_of(goal.base)
        case TailRatio() | TailBudget():
            return np.asarray(own[0].dual_value)
        case RobustTail():
            price, direction = own[1].dual_value
            away = -np.ravel(direction) / max(float(np.ravel(price)[0]), 1e-300)
            return np.append(own[0].dual_value, away)
        case Ratio() if goal.fees is not None:
            unit = float(np.abs(goal.gain).max()) or 1.0
            return -unit * np.ravel(own[0].dual_value) / max(float(own[1].dual_value), 1e-300)
        case Quadratic() if goal.doubt is not None:
            price, direction = own[0].dual_value
            size = max(float(np.linalg.norm(direction)), float(np.ravel(price)[0]), 1.0)
            return -root(goal.doubt) @ np.ravel(direction) / size
        case _:
            return None


def normal_of(norm: Norm, found: cp.SOC) -> Array | None:
    """(n,) the normal by which the solver's multipliers hold w inside the limit; None where they do not."""
    direction = found.dual_value[1]
    size = float(np.linalg.norm(direction))
    if size <= 1e-9:
        return None
    factor, unit = factored(norm)
    return -unit * (factor @ np.ravel(direction)) / size


def express(goal: Goal, w: cp.Expression) -> tuple[cp.Expression, list[cp.Constraint]]:
    """The goal's cost, scaled to O(1), and the rules of its own; homogeneous goals in y = w x scale."""
    import cvxpy as cp

    match goal:
        case Traded():
            return _traded(goal, w)
        case Quadratic():
            return _quadratic(goal, w)
        case Ratio():
            return _ratio(goal, w)
        case RiskBudget():
            kept = np.flatnonzero(goal.budgets > 0)
            size = float(np.sqrt(variances(goal.covariance).mean()))
            risk = 0.5 * cp.sum_squares(root(dense(goal.covariance) / size**2).T @ w)
            return risk - goal.budgets[kept] @ cp.log(w[kept]), []
        case Tail():
            return tail_loss(goal, w, float(np.abs(goal.scenarios).max()) or 1.0)
        case TailRatio():
            unit = float(np.abs(goal.gain).max()) or 1.0
            loss, own = tail_loss(goal, w, float(np.abs(goal.scenarios).mean()) or 1.0)
            return loss, [*own, (goal.gain / unit) @ w >= 1]
        case TailBudget():
            loss, own = tail_loss(goal, w, float(np.abs(goal.scenarios).mean()) or 1.0)
            kept = np.flatnonzero(goal.budgets > 0)
            return loss - goal.budgets[kept] @ cp.log(w[kept]), own
        case RobustTail():
            size = float(np.abs(goal.scenarios).mean()) or 1.0
            loss, own = tail_loss(goal, w, size)
            length = cp.Variable()
            return loss + goal.penalty / size * length, [*own, cp.SOC(length, w)]
        case Scenario():
            unit = float(np.abs(goal.scenarios).mean()) or 1.0
            returns = cp.Variable(len(goal.scenarios))
            link = returns == (goal.scenarios / unit) @ w + goal.cash / unit
            cost, own = goal.risk.express(returns, unit)
            return cost, [link, *own]


def _traded(goal: Traded, w: cp.Expression) -> tuple[cp.Expression, list[cp.Constraint]]:
    """A goal and what it costs to trade there from what is held."""
    import cvxpy as cp

    base, own = express(goal.base, w)
    size, t = size_of(goal.base), cp.Variable(len(goal.held))
    cost = (goal.curve.buy / size) @ cp.pos(t) + (goal.curve.sell / size) @ cp.neg(t)
    if goal.curve.root.any():
        cost += (goal.curve.root / size) @ cp.power(cp.abs(t), 1.5)
    if goal.fees.any():
        cost += (goal.fees / size) @ cp.neg(t + goal.held)
    return base + cost, [t == w - goal.held, *own]


def _quadratic(goal: Quadratic, w: cp.Expression) -> tuple[cp.Expression, list[cp.Constraint]]:
    """Half w'Pw + q'w, and the doubt about the means."""
    import cvxpy as cp

    size = size_of(goal)
    curved = 0.0 if goal.P is None else 0.5 * cp.sum_squares(root(dense(goal.P) / size).T @ w)
    if goal.doubt is None:
        return curved + (goal.q / size) @ w, []
    doubt = cp.Variable()
    return curved + (goal.q / size) @ w + doubt, [cp.SOC(doubt, root(goal.doubt).T @ w / size)]


def _ratio(goal: Ratio, w: cp.Expression) -> tuple[cp.Expression, list[cp.Constraint]]:
    """The least risk at one unit of gain, after doubt and fees."""
    import cvxpy as cp

    unit = float(np.abs(goal.gain).max()) or 1.0
    size = float(variances(goal.covariance).mean())
    risk = cp.sum_squares(root(dense(goal.covariance) / size).T @ w)
    doubt = 0.0 if goal.doubt is None else cp.norm(root(goal.doubt).T @ w)
    if goal.fees is None:
        return risk, [(goal.gain / unit) @ w - doubt / unit >= 1]
    short = cp.Variable(len(goal.fees), nonneg=True)
    return risk, [short >= -w, (goal.gain / unit) @ w - doubt / unit - (goal.fees / unit) @ short >= 1]


def tail_loss(
    goal: Tail | TailRatio | TailBudget | RobustTail, w: cp.Expression, size: float
) -> tuple[cp.Expression, list[cp.Constraint]]:
    """The mean loss in the worst scenarios / size, and its rule (Rockafellar & Uryasev 2000)."""
    import cvxpy as cp

    losses = -(goal.scenarios / size) @ w
    worst, beyond = cp.Variable(), cp.Variable(len(goal.scenarios), nonneg=True)
    if goal.odds is not None:
        return worst + goal.most @ beyond, [losses <= worst + beyond]
    count = (1.0 - goal.level) * len(goal.scenarios)
    return worst + cp.sum(beyond) / count, [losses <= worst + beyond]


def size_of(goal: Quadratic) -> float:
    """What a quadratic cost is divided by to be of the order of 1."""
    diagonal = np.abs(goal.q) if goal.P is None else variances(goal.P)
    return float(diagonal.mean()) or 1.0


def root(covariance: Array) -> Array:
    """F (n, k) with F F' = covariance, for a singular one too."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > values[-1] * 1e-14
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept]))
