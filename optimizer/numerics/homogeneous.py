"""Ratio problems as quadratic programs in y = w x scale with a free scale (Charnes & Cooper 1962)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optimizer.numerics.answers import Answer, NoAnswerError
from optimizer.numerics.convex_limits import INF
from optimizer.numerics.polyhedra import Polyhedron
from optimizer.numerics.qp import solve_qp
from optimizer.typing import Array


@dataclass(frozen=True)
class Cone:
    """All (x, scale) with x / scale in a polyhedron.

    source, sign  for the first rows: the polyhedron's row each came from, and -1 where it was turned around
    """

    space: Polyhedron
    source: npt.NDArray[np.intp]
    sign: Array

    def multipliers(self, found: Array, count: int) -> Array:
        """(count,) multipliers of the polyhedron's own rows from those of the cone's."""
        own = self.sign * found[: len(self.source)]
        return np.bincount(self.source, own, minlength=count).astype(float)


def cone(base: Polyhedron, normal: Array | None = None) -> Cone:
    """Bounds multiplied by a free scale >= 0 in the last column; with `normal` (p,), a last row normal'x = 1."""
    p = base.rows.shape[1]
    highs, lows = np.flatnonzero(base.high < INF), np.flatnonzero((base.low > -INF) & (base.low < base.high))
    equal = base.low[highs] == base.high[highs]
    # A ceiling that the non-negative others already imply costs a row and changes nothing.
    ceilings, floors = np.flatnonzero(base.ceiling < _implied(base)), np.flatnonzero(base.floor != 0)
    floors = floors[base.floor[floors] > -INF]
    unit = np.eye(p)
    blocks = [
        np.column_stack([base.rows[highs], -base.high[highs]]),
        np.column_stack([-base.rows[lows], base.low[lows]]),
        np.column_stack([unit[ceilings], -base.ceiling[ceilings]]),
        np.column_stack([-unit[floors], base.floor[floors]]),
    ]
    rows = np.vstack([*blocks, *([] if normal is None else [np.append(normal, 0.0)])])
    low, high = np.full(len(rows), -INF), np.zeros(len(rows))
    low[: len(highs)][equal] = 0.0
    if normal is not None:
        low[-1] = high[-1] = 1.0
    free = np.where(base.floor == 0, 0.0, -INF)
    space = Polyhedron(rows, low, high, np.append(free, 0.0), np.full(p + 1, INF), np.ones(len(rows)))
    sign = np.repeat([1.0, -1.0], [len(highs), len(lows)])
    return Cone(space, np.concatenate([highs, lows]), sign)


def _implied(base: Polyhedron) -> Array:
    """(p,) the largest value each column can reach by a row of ones with non-negative columns; else infinity."""
    most = np.full(len(base.floor), INF)
    if np.any(base.floor < 0):
        return most
    for row, low, high in zip(base.rows, base.low, base.high, strict=True):
        for side, bound in ((row, high), (-row, -low)):
            if bound < INF and np.all(side >= 0):
                with np.errstate(divide="ignore"):
                    most = np.minimum(most, np.where(side > 0, bound / np.where(side > 0, side, 1.0), INF))
    return most


def best_ratio(gain: Array, covariance: Array, base: Polyhedron, curvature: Array | None = None) -> Answer:
    """The w of greatest gain'w / sqrt(w'Sw) in the polyhedron, by least y'Sy/2 with gain'y = 1.

    gain (n,), covariance (n, n); x of the answer is (p,). `curvature` (p + 1, p + 1) joins the cost of (y, scale)
    without counting in the answer's multipliers. Raises NoAnswerError, infeasible when no gain is positive.
    """
    n, p = len(gain), base.rows.shape[1]
    size = float(np.abs(gain).max()) or 1.0
    normal = np.zeros(p)
    normal[:n] = gain / size
    problem = cone(base, normal)
    P = np.zeros((p + 1, p + 1)) if curvature is None else curvature.copy()
    P[:n, :n] += covariance
    answer = solve_qp(P, np.zeros(p + 1), problem.space)
    y, scale = answer.x[:p], answer.x[p]
    if not scale > 0:
        raise NoAnswerError(answer.solver, "the limits leave the weights without a bound", infeasible=False)
    worth = float(y[:n] @ covariance @ y[:n]) / size or 1.0
    return Answer(y / scale, problem.multipliers(answer.multipliers, len(base.rows)) / worth, answer.solver)
