"""From a rounded answer to the vertex of its active set: exact zeros, exact bounds, exact multipliers."""

import numpy as np
import numpy.typing as npt

from optimizer.numerics.polyhedra import Polyhedron
from optimizer.typing import Array

Mask = npt.NDArray[np.bool_]

FEASIBLE = 1e-12
# Of multipliers, beside costs of the order of 1: rows that differ in their last bits alone give any.
SENSIBLE = 1e9


def polish(P: Array, q: Array, space: Polyhedron, x: Array, multipliers: Array) -> tuple[Array, Array] | None:
    """The solution of the optimality conditions with the bounds held that (x, multipliers) say are active.

    P (p, p), q (p,), x (p,), multipliers (m,). A bound is active where its multiplier exceeds its slack, or x is on
    or beyond it. None where the conditions have no unique solution, or theirs is not allowed or not optimal: then
    the guess is wrong.
    """
    reduced = P @ x + q - multipliers @ space.rows
    at_floor = x - space.floor <= np.maximum(reduced, 0.0)
    at_ceiling = (space.ceiling - x <= np.maximum(-reduced, 0.0)) & ~at_floor
    value = space.rows @ x
    at_low = (value - space.low < multipliers) | (space.low == space.high)
    at_high = (space.high - value < -multipliers) & ~at_low
    free, rows = ~(at_floor | at_ceiling), at_low | at_high
    exact = np.where(at_floor, space.floor, np.where(at_ceiling, space.ceiling, 0.0))
    solved = _solve(P, q, space, exact, free, rows, np.where(at_low, space.low, space.high))
    if solved is None:
        return None
    exact[free], y = solved[: free.sum()], np.zeros(len(multipliers))
    y[rows] = solved[free.sum() :]
    return (exact, y) if _optimal(P, q, space, exact, y) else None


def _solve(
    P: Array, q: Array, space: Polyhedron, fixed: Array, free: Mask, rows: Mask, target: Array
) -> Array | None:
    count, held = int(free.sum()), int(rows.sum())
    active = space.rows[np.ix_(rows, free)]
    system = np.zeros((count + held, count + held))
    system[:count, :count] = P[np.ix_(free, free)]
    system[:count, count:] = -active.T
    system[count:, :count] = active
    right = np.concatenate([-(q + P @ fixed)[free], target[rows] - space.rows[rows] @ fixed])
    try:
        found = np.linalg.solve(system, right)
    except np.linalg.LinAlgError:
        return None
    if np.abs(found).max(initial=0.0) > SENSIBLE:
        found = np.linalg.lstsq(system, right, rcond=FEASIBLE)[0]
    return np.asarray(found)


def _optimal(P: Array, q: Array, space: Polyhedron, x: Array, y: Array) -> bool:
    """Whether every bound holds and every multiplier pushes the right way, up to rounding."""
    value, reduced = space.rows @ x, P @ x + q - y @ space.rows
    small = FEASIBLE * max(1.0, float(np.abs(x).max(initial=0.0)))
    wrong = max(
        float(np.max(space.floor - x, initial=0.0)),
        float(np.max(x - space.ceiling, initial=0.0)),
        float(np.max(space.low - value, initial=0.0)),
        float(np.max(value - space.high, initial=0.0)),
    )
    tiny = FEASIBLE * max(1.0, float(np.abs(reduced).max(initial=0.0)))
    pulls_down = (reduced > tiny) & (x > space.floor + small)
    pulls_up = (reduced < -tiny) & (x < space.ceiling - small)
    held_up = (y > tiny) & (value > space.low + small)
    held_down = (y < -tiny) & (value < space.high - small)
    return wrong <= small and not (pulls_down.any() or pulls_up.any() or held_up.any() or held_down.any())
