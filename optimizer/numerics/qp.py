"""Convex quadratic programs by dense solvers: DAQP where small, PIQP where large (facts of speed: benchmarks)."""

from functools import partial

import numpy as np

from optimizer.numerics.answers import Answer, NoAnswerError
from optimizer.numerics.column_generation import by_candidates
from optimizer.numerics.convex_limits import INF
from optimizer.numerics.lp import inhabited
from optimizer.numerics.polish import polish
from optimizer.numerics.polyhedra import Polyhedron
from optimizer.typing import Array

SMALL, MANY, LARGE = 50, 150, 1000
TOLERANCE = 1e-10


def solve_qp(P: Array, q: Array, space: Polyhedron) -> Answer:
    """Least x'Px/2 + q'x in the polyhedron; P (p, p) positive semidefinite, q (p,).

    Raises NoAnswerError. The objective is scaled to O(1) first: daily covariances are 1e-4.
    """
    diagonal = np.diag(P)
    curved = float(diagonal.sum()) / max(int(np.count_nonzero(diagonal)), 1)
    size = max(curved, float(np.abs(q).max())) or 1.0
    solver = _dense if len(q) <= MANY else partial(by_candidates, solver=_dense)
    answer = solver(P / size, q / size, space)
    return Answer(answer.x, answer.multipliers * size, answer.solver)


def solve_qp_exactly(P: Array, q: Array, space: Polyhedron) -> Answer:
    """The same by the active set alone, to the last digits whatever the number of names; raises NoAnswerError."""
    size = max(float(np.diag(P).max()), float(np.abs(q).max())) or 1.0
    answer = _daqp(P / size, q / size, space)
    return Answer(answer.x, answer.multipliers * size, answer.solver)


def _dense(P: Array, q: Array, space: Polyhedron) -> Answer:
    first, second = (_daqp, _piqp) if len(q) <= SMALL else (_piqp, _daqp)
    try:
        return first(P, q, space)
    except NoAnswerError as stop:
        if len(q) > LARGE:
            raise
        # A second opinion costs little here, and a false "infeasible" much.
        try:
            return second(P, q, space)
        except NoAnswerError as other:
            raise _verdict(stop, other, space) from None


def _verdict(first: NoAnswerError, second: NoAnswerError, space: Polyhedron) -> NoAnswerError:
    """Infeasible where both say so, or one and a linear program: DAQP calls feasible programs infeasible at times."""
    if first.infeasible and second.infeasible:
        return second
    if (first.infeasible or second.infeasible) and inhabited(space):
        return NoAnswerError("DAQP and PIQP", "no answer where there is one", infeasible=False)
    return second if second.infeasible else first


def _daqp(P: Array, q: Array, space: Polyhedron) -> Answer:
    import daqp

    high = np.concatenate([space.ceiling, space.high])
    low = np.concatenate([space.floor, space.low])
    sense = np.where(high == low, 5, 0).astype(np.int32)
    big = 1e30
    x, _, flag, info = daqp.solve(
        np.ascontiguousarray(P),
        np.ascontiguousarray(q),
        np.ascontiguousarray(space.rows),
        np.minimum(high, big),
        np.maximum(low, -big),
        sense,
        primal_tol=1e-11,
        dual_tol=1e-11,
    )
    if flag != 1:
        raise NoAnswerError("DAQP", f"exit flag {flag}", infeasible=flag == -1)
    prices = np.array(info["lam"])
    # DAQP reads its answer off a factor of P, so that a bound it holds comes back rounded: either side of 0.
    at_floor, at_ceiling = prices[: len(q)] < 0, prices[: len(q)] > 0
    x = np.where(at_floor, space.floor, np.where(at_ceiling, space.ceiling, x))
    exact: tuple[Array, Array] | None = (x, -prices[len(q) :])
    while exact is not None:
        x, multipliers = exact
        if (space.floor <= x).all() and (x <= space.ceiling).all():
            break
        exact = polish(P, q, space, x, multipliers)  # a bound that it rests on and does not hold is held too
    return Answer(x, multipliers, "DAQP")


def _piqp(P: Array, q: Array, space: Polyhedron) -> Answer:
    import piqp

    equal = space.low == space.high
    bounded = ~equal & ((space.low > -INF) | (space.high < INF))
    solver = piqp.DenseSolver()
    solver.settings.eps_abs = TOLERANCE
    solver.settings.eps_rel = 0.0
    solver.settings.eps_duality_gap_abs = TOLERANCE
    solver.settings.eps_duality_gap_rel = 0.0
    solver.setup(
        np.asfortranarray(P),
        q,
        np.asfortranarray(space.rows[equal]),
        space.low[equal],
        np.asfortranarray(space.rows[bounded]),
        space.low[bounded],
        space.high[bounded],
        space.floor,
        space.ceiling,
    )
    status = solver.solve()
    if status != piqp.PIQP_SOLVED:
        raise NoAnswerError("PIQP", str(status), infeasible=status == piqp.PIQP_PRIMAL_INFEASIBLE)
    multipliers = np.zeros(len(space.rows))
    multipliers[equal] = -np.array(solver.result.y)
    multipliers[bounded] = np.array(solver.result.z_l) - np.array(solver.result.z_u)
    x = np.array(solver.result.x)
    exact = polish(P, q, space, x, multipliers)
    return Answer(x, multipliers, "PIQP") if exact is None else Answer(*exact, "PIQP")
