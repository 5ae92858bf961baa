"""Linear programs by HiGHS, called directly."""

from typing import TYPE_CHECKING

import numpy as np

from optimizer.errors import SolverError
from optimizer.numerics.answers import Answer, NoAnswerError
from optimizer.numerics.convex_limits import Polyhedron
from optimizer.numerics.qp import solve_qp
from optimizer.typing import Array

if TYPE_CHECKING:
    import highspy

TIME_LIMIT_SECONDS = 120.0
TIE = 1e-9


def solve_lp(cost: Array, space: Polyhedron) -> Answer:
    """Least cost'x in the polyhedron; cost (p,). Raises NoAnswerError, SolverError when there is no least value."""
    size = float(np.abs(cost).max(initial=0.0)) or 1.0
    solver = make_solver()
    solver.passModel(_model(cost / size, space))
    run(solver)
    solution = solver.getSolution()
    return Answer(np.array(solution.col_value), np.array(solution.row_dual) * size, "HiGHS")


def make_solver() -> "highspy.Highs":
    """HiGHS, silent, on one thread, with tight tolerances."""
    import highspy

    solver = highspy.Highs()
    for option, value in (
        ("output_flag", False),
        ("threads", 1),
        ("time_limit", TIME_LIMIT_SECONDS),
        ("primal_feasibility_tolerance", 1e-10),
        ("dual_feasibility_tolerance", 1e-10),
    ):
        solver.setOptionValue(option, value)
    return solver


def run(solver: "highspy.Highs") -> None:
    """Solves what it holds; raises NoAnswerError, SolverError when there is no least value."""
    import highspy

    solver.run()
    status = solver.getModelStatus()
    if status == highspy.HighsModelStatus.kUnknown:
        solver.setOptionValue("presolve", "off")
        solver.clearSolver()
        solver.run()
        status = solver.getModelStatus()
    if status == highspy.HighsModelStatus.kUnbounded:
        raise SolverError("the limits leave the objective without a bound; limit the weights or the notional")
    if status != highspy.HighsModelStatus.kOptimal:
        infeasible = status in (
            highspy.HighsModelStatus.kInfeasible,
            highspy.HighsModelStatus.kUnboundedOrInfeasible,
        )
        raise NoAnswerError("HiGHS", solver.modelStatusToString(status), infeasible=infeasible)


def _model(cost: Array, space: Polyhedron) -> object:
    import highspy

    rows, columns = space.rows.shape
    present = space.rows != 0
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = columns, rows
    model.col_cost_ = cost
    model.col_lower_, model.col_upper_ = space.floor, space.ceiling
    model.row_lower_, model.row_upper_ = space.low, space.high
    matrix = model.a_matrix_
    matrix.format_ = highspy.MatrixFormat.kRowwise
    matrix.num_col_, matrix.num_row_ = columns, rows
    matrix.start_ = np.concatenate([[0], np.cumsum(present.sum(axis=1))]).astype(np.int32)
    matrix.index_ = np.nonzero(present)[1].astype(np.int32)
    matrix.value_ = space.rows[present]
    return model


def break_ties(cost: Array, answer: Answer, covariance: Array, space: Polyhedron) -> Answer:
    """Of all x with the least cost the one of least w'Sw; the answer is optimal, its multipliers prove the face.

    cost (p,), covariance (n, n) of the first columns. By complementary slackness the optimal face is where rows
    with a multiplier and columns with a reduced cost stay at their bounds.
    """
    reduced = cost - answer.multipliers @ space.rows
    worth = TIE * float(np.abs(cost).max())
    free = np.abs(reduced) <= worth
    priced = np.abs(answer.multipliers) > worth
    if free.sum() <= priced.sum():
        return answer
    fixed = space.rows[:, ~free] @ answer.x[~free]
    low, high = space.low - fixed, space.high - fixed
    low[priced] = high[priced] = np.where(answer.multipliers > 0, low, high)[priced]
    face = Polyhedron(space.rows[:, free], low, high, space.floor[free], space.ceiling[free], space.scale)
    P = np.zeros((len(cost), len(cost)))
    P[: len(covariance), : len(covariance)] = covariance
    P = P[np.ix_(free, free)]
    fixed_w = np.where(free, 0.0, answer.x)[: len(covariance)]
    q = np.zeros(len(cost))
    q[: len(covariance)] = covariance @ fixed_w
    x = answer.x.copy()
    x[free] = solve_qp(P, q[free], face).x
    return Answer(x, answer.multipliers, f"{answer.solver}, least risk among equals")
