"""Affine limits as rows and bounds, as solvers take them: a polyhedron, and one around ellipsoidal limits too."""

from dataclasses import dataclass, replace

import numpy as np

from optimizer.numerics.convex_limits import INF, Absolute, Largest, Limits, Norm
from optimizer.typing import Array


@dataclass(frozen=True)
class Polyhedron:
    """low <= rows @ x <= high and floor <= x <= ceiling, with x = (w, sales where an absolute limit needs them).

    rows    (m, p);  low, high  (m,);  floor, ceiling  (p,)
    scale   (m,) the limit's row was divided by this; a multiplier per own unit is multiplier / scale
    bounds  the rows that hold the bounds of the absolute limits, then of those on the largest weights
    kinks   absolute limits kept as they are, without sales; their rows are empty and bear only their multiplier
    """

    rows: Array
    low: Array
    high: Array
    floor: Array
    ceiling: Array
    scale: Array
    bounds: tuple[int, ...] = ()
    kinks: tuple[Absolute, ...] = ()

    def violation(self, x: Array) -> float:
        """The largest violation of a row or bound at x (p,), rows in the limits' own units."""
        value = self.rows @ x
        rows = np.maximum(self.low - value, value - self.high) * self.scale
        columns = np.maximum(self.floor - x, x - self.ceiling)
        return max(float(rows.max(initial=0.0)), float(columns.max(initial=0.0)))


def polyhedron(limits: Limits) -> Polyhedron:
    """The affine limits as rows, then for each absolute one the links of its sales and the row of its bound.

    Sales s >= center - w, s >= 0 make |w - center| = w - center + 2 s at the least s; where a bound of w tells the
    side, no s is needed.
    """
    n, m = len(limits.symbols), len(limits.linear)
    open_sides = [np.flatnonzero(_side(limits, absolute) == 0) for absolute in limits.absolute]
    width = n + sum(len(names) for names in open_sides)
    rows = np.zeros((m + width - n + len(open_sides), width))
    low, high, scale = np.full(len(rows), -INF), np.full(len(rows), INF), np.ones(len(rows))
    for i, limit in enumerate(limits.linear):
        scale[i] = float(np.abs(limit.row).max(initial=0.0)) or 1.0
        rows[i, :n] = limit.row / scale[i]
        low[i], high[i] = (limit.low - limit.offset) / scale[i], (limit.high - limit.offset) / scale[i]
    floor, ceiling = np.zeros(width), np.full(width, INF)
    floor[:n], ceiling[:n] = limits.lower, limits.upper
    row, column, bounds = m, n, []
    for absolute, names in zip(limits.absolute, open_sides, strict=True):
        own = np.arange(column, column + len(names))
        links = np.arange(row, row + len(names))
        rows[links, names], rows[links, own] = 1.0, 1.0
        low[links] = absolute.center[names]
        row, column = row + len(names), column + len(names)
        signed = np.where(_side(limits, absolute) < 0, -1.0, 1.0) * absolute.coefficients
        rows[row, :n] = signed if absolute.row is None else signed + absolute.row
        rows[row, own] = 2 * absolute.coefficients[names]
        high[row] = absolute.bound + float(signed @ absolute.center)
        bounds.append(row)
        row += 1
    space = Polyhedron(rows, low, high, floor, ceiling, scale, tuple(bounds))
    for largest in limits.largest:
        space = _with_largest(space, largest, limits.lower)
    return space


def _with_largest(space: Polyhedron, limit: Largest, lower: Array) -> Polyhedron:
    """With rows and columns for it: count x t + sum s <= bound, s >= |w| - t, s and t >= 0 (Ogryczak & Tamir 2003).

    lower  (n,) of the weights: where it is not below 0, |w| is w
    """
    n, (m, p) = len(lower), space.rows.shape
    short = np.flatnonzero(lower < 0)
    names = np.append(np.arange(n), short)
    links = np.zeros((len(names) + 1, p + n + 1))
    own = np.arange(len(names))
    links[own, names] = np.where(own < n, -1.0, 1.0)
    links[own, p + names], links[own, -1] = 1.0, 1.0
    links[-1, p:-1], links[-1, -1] = 1.0, float(limit.count)
    return replace(
        space,
        rows=np.vstack([np.hstack([space.rows, np.zeros((m, n + 1))]), links]),
        low=np.concatenate([space.low, np.zeros(len(names)), [-INF]]),
        high=np.concatenate([space.high, np.full(len(names), INF), [limit.bound]]),
        floor=np.append(space.floor, np.zeros(n + 1)),
        ceiling=np.append(space.ceiling, np.full(n + 1, INF)),
        scale=np.append(space.scale, np.ones(len(links))),
        bounds=(*space.bounds, m + len(names)),
    )


def folded(limits: Limits) -> Polyhedron:
    """The affine limits as rows, in the weights alone; absolute ones as kinks, with an empty row for their price."""
    n, m = len(limits.symbols), len(limits.linear)
    count = m + len(limits.absolute)
    rows = np.zeros((count, n))
    low, high, scale = np.full(count, -INF), np.full(count, INF), np.ones(count)
    for i, limit in enumerate(limits.linear):
        scale[i] = float(np.abs(limit.row).max(initial=0.0)) or 1.0
        rows[i] = limit.row / scale[i]
        low[i], high[i] = (limit.low - limit.offset) / scale[i], (limit.high - limit.offset) / scale[i]
    high[m:] = [absolute.bound for absolute in limits.absolute]
    bounds = tuple(range(m, count))
    return Polyhedron(rows, low, high, limits.lower, limits.upper, scale, bounds, limits.absolute)


def _side(limits: Limits, absolute: Absolute) -> Array:
    """(n,) 1 where the bounds keep w above the center, -1 below, 0 where it may be either."""
    return np.where(limits.lower >= absolute.center, 1, np.where(limits.upper <= absolute.center, -1, 0))


def outer(
    space: Polyhedron, norms: tuple[Norm, ...], w: Array, normals: tuple[Array | None, ...] = ()
) -> Polyhedron:
    """A polyhedron that contains all that `space` and the ellipsoidal limits allow and touches these at w.

    normals  for each limit a normal of its own (n,), where a solver knows it better than w does; None = at w
    The rows of the ellipsoidal limits come last; w (n,) fills the first columns.
    """
    if not norms:
        return space
    tangents = [
        norm.tangent(w) if normal is None else norm.halfspace(normal)
        for norm, normal in zip(norms, normals or (None,) * len(norms), strict=True)
    ]
    scale = np.array([np.abs(tangent.row).max() or 1.0 for tangent in tangents])
    rows = np.zeros((len(norms), space.rows.shape[1]))
    rows[:, : len(w)] = np.array([tangent.row for tangent in tangents]) / scale[:, None]
    high = np.array([tangent.high - tangent.offset for tangent in tangents]) / scale
    return replace(
        space,
        rows=np.vstack([space.rows, rows]),
        low=np.append(space.low, np.full(len(norms), -INF)),
        high=np.append(space.high, high),
        scale=np.append(space.scale, scale),
    )
