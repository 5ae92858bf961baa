"""Quadratic programs of few rows and bounded columns, as a relaxed trade list has them: one column a traded name."""

import numpy as np

from optimizer.numerics.answers import NoAnswerError
from optimizer.typing import Array

SMALL = 200


def least_within(
    quadratic: Array, pull: Array, rows: Array, limits: Array, low: Array, high: Array
) -> tuple[Array, Array]:
    """argmin t'Qt / 2 + pull't subject to rows @ t <= limits and low <= t <= high, and the rows' multipliers (m,).

    quadratic (k, k);  rows (m, k). By DAQP where there are few columns, else, and where it gives up, by PIQP.
    Raises NoAnswerError.
    """
    scale = float(quadratic.diagonal().mean())
    square, linear = quadratic / scale, pull / scale
    if len(pull) <= SMALL:
        found = _daqp(square, linear, rows, limits, low, high)
        if found is not None:
            return found[0], found[1] * scale
    t, duals = _piqp(square, linear, rows, limits, low, high)
    return t, duals * scale


def _daqp(
    square: Array, linear: Array, rows: Array, limits: Array, low: Array, high: Array
) -> tuple[Array, Array] | None:
    import daqp

    k = len(linear)
    above = np.minimum(np.concatenate([high, limits]), 1e30)
    below = np.maximum(np.concatenate([low, np.full(len(limits), -np.inf)]), -1e30)
    sense = np.zeros(len(above), dtype=np.int32)
    t, _, flag, info = daqp.solve(
        square, linear, np.ascontiguousarray(rows), above, below, sense, primal_tol=1e-11, dual_tol=1e-11
    )
    return (t, np.array(info["lam"])[k:]) if flag == 1 else None


def _piqp(
    square: Array, linear: Array, rows: Array, limits: Array, low: Array, high: Array
) -> tuple[Array, Array]:
    import piqp

    solver = piqp.DenseSolver()
    solver.settings.eps_abs = solver.settings.eps_rel = 1e-10
    # its own settings, 1e-8 by default: the objective of a trade list is 1e-4
    solver.settings.eps_duality_gap_abs = solver.settings.eps_duality_gap_rel = 1e-12
    solver.settings.max_iter = 100
    solver.setup(
        np.asfortranarray(square), linear, None, None, np.asfortranarray(rows), None, limits, low, high
    )
    status = solver.solve()
    if status != piqp.PIQP_SOLVED:
        raise NoAnswerError("PIQP", str(status), infeasible=status == piqp.PIQP_PRIMAL_INFEASIBLE)
    return solver.result.x, solver.result.z_u
