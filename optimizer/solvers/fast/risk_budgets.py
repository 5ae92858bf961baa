"""Risk budgets: Newton's method on y'Sy/2 - sum b ln y (Spinu 2013), with limits by quadratic steps."""

from dataclasses import replace

import numpy as np

from optimizer.numerics.answers import Answer, NoAnswerError
from optimizer.numerics.convex_limits import INF
from optimizer.numerics.homogeneous import cone
from optimizer.numerics.lp import solve_lp
from optimizer.numerics.matrices import Matrix, dense, variances
from optimizer.numerics.pivoting.block_pivoting import Pivots
from optimizer.numerics.polyhedra import Polyhedron
from optimizer.numerics.qp import SMALL, solve_qp
from optimizer.problem.goals import RiskBudget, some_risk
from optimizer.typing import Array

STEPS = 100
DECREMENT, NEAR = 1e-15, 1e-14
WHOLE, GUESSES = 0.5, 5
LEAST = 1e-6  # less of NAV is as good as nothing, and its logarithm has no bottom
DIRECT = 60


def free_budgets(covariance: Matrix, budgets: Array) -> Array:
    """y (n,) > 0 with y_i (S y)_i = b_i: risk shares equal the budgets; budgets (n,) > 0, covariance (n, n).

    Raises NoAnswerError where Newton's method does not settle (a riskless direction has no bottom).
    """
    own = variances(covariance)
    y = _first_guess(covariance, own, budgets)
    for _ in range(STEPS):
        pull = budgets / y
        slope = covariance @ y - pull
        step = _newton_step(covariance, own, pull / y, slope)
        decrease = -float(slope @ step)
        whole = bool(np.abs(step / y).max() < WHOLE)
        y = y + (step if whole else _line_search(covariance, budgets, y, step, decrease) * step)
        if whole and decrease < DECREMENT:  # this step has squared it
            return np.asarray(y)
    if decrease < NEAR:
        return np.asarray(y)  # as near as this covariance lets it come; the audit decides
    raise NoAnswerError("Newton", f"decrement {decrease:.1e} after {STEPS} steps", infeasible=False)


def _first_guess(covariance: Matrix, own: Array, budgets: Array) -> Array:
    """A few rounds of y <- y sqrt(b / y (S y)), whose rest point is the answer; they stop where S y is negative."""
    y = np.sqrt(budgets / own)
    variance = float(y @ covariance @ y)
    if not variance > 0:
        raise NoAnswerError("Newton", "a mix without risk has no best size", infeasible=False)
    y /= np.sqrt(variance)
    for _ in range(GUESSES):
        reach = covariance @ y
        if not (reach > 0).all():
            break
        y = np.sqrt(y * budgets / reach)
    return np.asarray(y)


def _newton_step(covariance: Matrix, own: Array, diagonal: Array, slope: Array) -> Array:
    """-(S + diag d)^-1 slope; for many names by conjugate gradients, scaled by the diagonal (Hestenes & Stiefel).

    own  (n,) the diagonal of S
    """
    if len(slope) <= DIRECT:
        try:
            system = dense(covariance).copy()
            system.flat[:: len(slope) + 1] += diagonal
            return np.asarray(-np.linalg.solve(system, slope))
        except np.linalg.LinAlgError as error:
            raise NoAnswerError("Newton", str(error), infeasible=False) from error
    scale = 1.0 / (own + diagonal)
    step, residual = np.zeros_like(slope), -slope
    direction = scale * residual
    worth = first = float(residual @ direction)
    for _ in range(len(slope)):
        if worth <= 1e-4 * min(1.0, first) * first:
            break
        image = covariance @ direction + diagonal * direction
        length = worth / float(direction @ image)
        step, residual = step + length * direction, residual - length * image
        before, worth = worth, float(residual @ (scale * residual))
        direction = scale * residual + worth / before * direction
    return step


def limited_budgets(
    covariance: Array, budgets: Array, base: Polyhedron, curvature: Array | None = None
) -> Answer:
    """The w of least w'Sw/2 - sum b ln w, up to scale, in the polyhedron; x of the answer is (p,).

    `curvature` (p + 1, p + 1) joins the cost of (y, scale).
    Raises NoAnswerError, infeasible when the limits allow no weights that are positive wherever the budget is;
    DataError when they allow such weights without risk.
    """
    n, p = len(budgets), base.rows.shape[1]
    problem = cone(base)
    bend = np.zeros((p + 1, p + 1)) if curvature is None else curvature
    x = _interior(budgets, base)
    x = np.append(x, 1.0) / some_risk(x[:n], covariance, RiskBudget.measure)
    for _ in range(STEPS):
        P = bend.copy()
        P[:n, :n] += covariance
        slope = P @ x
        slope[:n] -= _pull(budgets, x[:n])
        hessian = P.copy()
        hessian[np.arange(n), np.arange(n)] += _pull(budgets, x[:n]) / np.where(budgets > 0, x[:n], 1.0)
        answer = _step(hessian, slope - hessian @ x, problem.space, x)
        step = answer.x - x
        decrease = -float(slope @ step)
        if decrease < 1e-14:
            # The multipliers are those of the step's end, where what Newton's model leaves out is of its square.
            x = answer.x
            break
        x = x + _line_search(P, budgets, x, step, decrease) * step
    else:
        raise NoAnswerError(answer.solver, f"no convergence in {STEPS} steps", infeasible=False)
    x, scale = x[:p], x[p]
    if scale <= 0:
        raise NoAnswerError(answer.solver, "weights without a scale", infeasible=False)
    # At the best y, y'Sy = 1; the audit's cost is that of w = y / scale, in which multipliers are the same.
    return Answer(x / scale, problem.multipliers(answer.multipliers, len(base.rows)), answer.solver)


def _step(hessian: Array, linear: Array, space: Polyhedron, x: Array) -> Answer:
    """The quadratic program of one round: with many names by pivots from the bounds that x rests on."""
    if len(x) > SMALL:
        try:
            return Pivots(hessian, linear, space).run(x)
        except NoAnswerError:
            pass  # a guess that does not settle proves nothing; the general solver decides
    # In units in which every column bends alike: small weights bend by b / y^2, large ones by a variance.
    bends = np.diag(hessian)
    unit = 1.0 / np.sqrt(np.where(bends > 0, bends, 1.0))
    inner = replace(space, rows=space.rows * unit, floor=space.floor / unit, ceiling=space.ceiling / unit)
    answer = solve_qp(hessian * np.outer(unit, unit), linear * unit, inner)
    return replace(answer, x=answer.x * unit)


def _pull(budgets: Array, y: Array) -> Array:
    """(n,) b / y, 0 where there is no budget."""
    return np.divide(budgets, y, out=np.zeros_like(y), where=budgets > 0)


def _line_search(P: Matrix, budgets: Array, x: Array, step: Array, decrease: float) -> float:
    """A length at which x'Px/2 - sum b ln x falls enough; x (p,) starts with the n budgeted columns."""
    n = len(budgets)
    kept = np.flatnonzero(budgets > 0)

    def cost(at: Array) -> float:
        return 0.5 * float(at @ P @ at) - float(budgets[kept] @ np.log(at[:n][kept]))

    falling = kept[step[kept] < 0]
    length = min(1.0, 0.99 * float((-x[falling] / step[falling]).min(initial=INF)))
    start = cost(x)
    for _ in range(60):
        if cost(x + length * step) <= start - 0.25 * length * decrease + 1e-15 * abs(start):
            return length
        length /= 2
    return 0.0


def _interior(budgets: Array, base: Polyhedron) -> Array:
    """x (p,) in the polyhedron whose least budgeted weight is greatest."""
    p = base.rows.shape[1]
    kept = np.flatnonzero(budgets > 0)
    rows = np.zeros((len(base.rows) + len(kept), p + 1))
    rows[: len(base.rows), :p] = base.rows
    rows[np.arange(len(base.rows), len(rows)), kept] = 1.0
    rows[len(base.rows) :, p] = -1.0
    space = Polyhedron(
        rows,
        np.append(base.low, np.zeros(len(kept))),
        np.append(base.high, np.full(len(kept), INF)),
        np.append(base.floor, 0.0),
        np.append(base.ceiling, 1.0),
        np.ones(len(rows)),
    )
    cost = np.zeros(p + 1)
    cost[p] = -1.0
    x = solve_lp(cost, space).x
    if x[p] <= LEAST:
        raise NoAnswerError("HiGHS", "some name with a risk budget cannot be held", infeasible=True)
    return x[:p]
