"""Large quadratic programs by columns that matter: solve for few, price the rest, take in what would help."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from optimizer.numerics.answers import Answer, NoAnswerError
from optimizer.numerics.convex_limits import INF
from optimizer.numerics.polyhedra import Polyhedron
from optimizer.typing import Array

FIRST, SHARE, DENSE, ROUNDS = 60, 0.08, 0.5, 60
PRICE_TOLERANCE = 1e-10

Mask = npt.NDArray[np.bool_]
Solver = Callable[[Array, Array, Polyhedron], Answer]


def by_candidates(P: Array, q: Array, space: Polyhedron, solver: Solver) -> Answer:
    """Least x'Px/2 + q'x in the polyhedron, most columns of the answer expected at their finite floor.

    Exact: it ends when no column outside has a reduced cost below 0. P (p, p), q (p,) scaled to O(1). Raises
    what the solver raises, on the whole problem too.
    """
    inside = _must(P, q, space) | _cheapest(P, q)
    at_floor = np.where(space.floor > -INF, space.floor, 0.0)
    for _ in range(ROUNDS):
        chosen = np.flatnonzero(inside)
        if len(chosen) > DENSE * len(q):
            break
        try:
            answer = _restricted(P, q, space, chosen, at_floor, solver)
        except NoAnswerError:
            inside |= _more(P, q, inside)
            continue
        reduced = P @ answer.x + q - answer.multipliers @ space.rows
        wanting = np.where(inside, 0.0, reduced)
        helpful = np.flatnonzero(wanting < -PRICE_TOLERANCE)
        if len(helpful) == 0:
            return answer
        best = helpful[np.argsort(wanting[helpful], kind="stable")][: max(FIRST, len(chosen) // 2)]
        inside[best] = True
    return solver(P, q, space)


def _must(P: Array, q: Array, space: Polyhedron) -> Mask:
    """Columns that cannot wait at their floor: without one, without a cost to be judged by (a scale, sales), and
    those of limits on one or two columns that are broken there."""
    must = (space.floor == -INF) | ((np.diag(P) == 0) & (q == 0))
    start = np.where(space.floor == -INF, 0.0, space.floor)
    value = space.rows @ start
    present = space.rows != 0
    broken = ((value < space.low) | (value > space.high)) & (present.sum(axis=1) <= 2)
    return np.asarray(must | present[broken].any(axis=0))


def _cheapest(P: Array, q: Array) -> Mask:
    """The columns with the least slope at the middle of the simplex."""
    count = max(FIRST, int(SHARE * len(q)))
    slope = P.mean(axis=1) + q
    chosen = np.zeros(len(q), dtype=bool)
    chosen[np.argsort(slope, kind="stable")[:count]] = True
    return chosen


def _more(P: Array, q: Array, inside: Mask) -> Mask:
    """Twice as many, the next by the same measure: too few columns can leave nothing allowed."""
    slope = np.where(inside, INF, P.mean(axis=1) + q)
    chosen = np.zeros(len(q), dtype=bool)
    chosen[np.argsort(slope, kind="stable")[: int(inside.sum())]] = True
    return chosen


def _restricted(
    P: Array, q: Array, space: Polyhedron, chosen: npt.NDArray[np.intp], at_floor: Array, solver: Solver
) -> Answer:
    """The answer over the chosen columns, the others at their floor; multipliers of all rows."""
    fixed = at_floor.copy()
    fixed[chosen] = 0.0
    shift, pull = space.rows @ fixed, (P @ fixed)[chosen] + q[chosen]
    rows = space.rows[:, chosen]
    floor, ceiling = space.floor[chosen], space.ceiling[chosen]
    kept = ~_idle(rows, space.low - shift, space.high - shift, floor, ceiling)
    small = Polyhedron(
        rows[kept], (space.low - shift)[kept], (space.high - shift)[kept], floor, ceiling, space.scale[kept]
    )
    answer = solver(P[np.ix_(chosen, chosen)], pull, small)
    x, multipliers = fixed, np.zeros(len(space.rows))
    x[chosen] = answer.x
    multipliers[kept] = answer.multipliers
    return Answer(x, multipliers, answer.solver)


def _idle(rows: Array, low: Array, high: Array, floor: Array, ceiling: Array) -> Mask:
    """Rows that the bounds of the columns keep by themselves."""
    up, down = np.maximum(rows, 0.0), np.minimum(rows, 0.0)
    with np.errstate(invalid="ignore"):
        most = np.where(up > 0, up * ceiling, 0.0).sum(axis=1) + np.where(down < 0, down * floor, 0.0).sum(
            axis=1
        )
        least = np.where(up > 0, up * floor, 0.0).sum(axis=1) + np.where(down < 0, down * ceiling, 0.0).sum(
            axis=1
        )
    return np.asarray((most <= high) & (least >= low))
