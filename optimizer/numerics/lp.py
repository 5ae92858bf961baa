"""Linear and mixed-integer programs by HiGHS, called directly."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import SolverError
from optimizer.numerics.answers import Answer, NoAnswerError
from optimizer.numerics.polyhedra import Polyhedron
from optimizer.typing import Array

if TYPE_CHECKING:
    import highspy

# Iterations and nodes, not seconds, end a program, so that it ends at the same answer everywhere. A tail of 2,000 days
# and 300 names takes 2,600 iterations.
ITERATIONS, NODES = 200_000, 3000
PARALLEL_COLUMNS = 1 << 13  # the rule's bit in HiGHS's presolve_rule_off
UNREACHED = 1e20  # what HiGHS takes for infinite
MIXED: dict[str, float | int] = {
    "mip_rel_gap": 0.0,
    "mip_feasibility_tolerance": 1e-9,
    "mip_allow_restart": False,  # a model presolved again to a few binaries may branch on them without end
    "random_seed": 0,
}


def solve_lp(cost: Array, space: Polyhedron, *, parallel: bool = True) -> Answer:
    """Least cost'x in the polyhedron; cost (p,). Raises NoAnswerError, SolverError when there is no least value or
    the iterations do not last.

    parallel  whether HiGHS may join columns that are alike, of which it prints what nothing can silence
    """
    size = float(np.abs(cost).max(initial=0.0)) or 1.0
    solver = make_solver()
    if not parallel:
        solver.setOptionValue("presolve_rule_off", PARALLEL_COLUMNS)
    _pass(solver, _model(cost / size, space), space)
    run(solver)
    solution = solver.getSolution()
    return Answer(np.array(solution.col_value), np.array(solution.row_dual) * size, "HiGHS")


@dataclass(frozen=True, eq=False)
class Mixed:
    """Columns x (p,), None where none were found, what no columns go below, and the iterations that it took."""

    x: Array | None
    bound: float
    iterations: int


def solve_mixed(
    cost: Array, space: Polyhedron, whole: NDArray[np.bool_], gap: float, nodes: int = NODES
) -> Mixed:
    """Least cost'x in the polyhedron with whole numbers where `whole` (p,) says, proven to within a gap.

    Raises NoAnswerError where there is none; where the nodes do not last, the bound is that of what is open.
    """
    import highspy

    solver = make_solver()
    for option, value in (*MIXED.items(), ("mip_abs_gap", gap), ("mip_max_nodes", nodes)):
        solver.setOptionValue(option, value)
    model = _model(cost, space)
    kinds = highspy.HighsVarType
    model.integrality_ = [kinds.kInteger if one else kinds.kContinuous for one in whole.tolist()]
    _pass(solver, model, space)
    solver.run()
    status, info = solver.getModelStatus(), solver.getInfo()
    if status in (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible):
        told, taken = solver.modelStatusToString(status), info.simplex_iteration_count
        raise NoAnswerError("HiGHS", told, infeasible=True, iterations=taken)
    found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    x = np.array(solver.getSolution().col_value) if found else None
    return Mixed(x, float(info.mip_dual_bound), info.simplex_iteration_count)


def inhabited(space: Polyhedron) -> bool:
    """Whether the polyhedron has a point; raises NoAnswerError where that is not found out."""
    try:
        solve_lp(np.zeros(space.rows.shape[1]), space, parallel=False)
    except NoAnswerError as stop:
        if stop.infeasible:
            return False
        raise
    return True


def make_solver() -> "highspy.Highs":
    """HiGHS, silent, on one thread, with tight tolerances."""
    import highspy

    solver = highspy.Highs()
    for option, value in (
        ("output_flag", False),
        ("threads", 1),
        ("simplex_iteration_limit", ITERATIONS),
        ("primal_feasibility_tolerance", 1e-10),
        ("dual_feasibility_tolerance", 1e-10),
    ):
        solver.setOptionValue(option, value)
    return solver


def run(solver: "highspy.Highs") -> None:
    """Solves what it holds; raises NoAnswerError, SolverError when there is no least value or the iterations end."""
    import highspy

    solver.run()
    status = solver.getModelStatus()
    if status in (highspy.HighsModelStatus.kUnknown, highspy.HighsModelStatus.kNotset):
        solver.setOptionValue("presolve", "off")
        solver.clearSolver()
        solver.run()
        status = solver.getModelStatus()
    if status == highspy.HighsModelStatus.kUnbounded:
        raise SolverError("the limits leave the objective without a bound; limit the weights or the notional")
    if status == highspy.HighsModelStatus.kIterationLimit:
        raise SolverError(
            f"a linear program of {solver.getNumRow():,} rows and {solver.getNumCol():,} columns was not at its end "
            f"after {ITERATIONS:,} iterations of the simplex method, and what it would find is not known; use fewer "
            f"names or scenarios"
        )
    if status != highspy.HighsModelStatus.kOptimal:
        infeasible = status in (
            highspy.HighsModelStatus.kInfeasible,
            highspy.HighsModelStatus.kUnboundedOrInfeasible,
        )
        raise NoAnswerError("HiGHS", solver.modelStatusToString(status), infeasible=infeasible)


def _pass(solver: "highspy.Highs", model: "highspy.HighsLp", space: Polyhedron) -> None:
    """Hands a model over; raises NoAnswerError where HiGHS refuses a number of it: what it then solves may crash."""
    import highspy

    if solver.passModel(model) == highspy.HighsStatus.kError:
        least, most = np.append(space.floor, space.low), np.append(space.ceiling, space.high)
        beyond = bool((least >= UNREACHED).any() or (most <= -UNREACHED).any())
        raise NoAnswerError("HiGHS", "the model has numbers that it does not take", infeasible=beyond)


def _model(cost: Array, space: Polyhedron) -> "highspy.HighsLp":
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
