"""Quadratic and ratio goals under one absolute limit (turnover), told in trades: most names are not traded at all.

A column is a purchase or a sale of one name, and the first of all is what is held, of which there is 1. Columns join
while their reduced cost says that they help, so that thousands of names need hundreds of columns and no n x n numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from optimizer.numerics.answers import Answer, NoAnswerError
from optimizer.numerics.convex_limits import INF
from optimizer.numerics.matrices import Index, Matrix, block
from optimizer.numerics.polyhedra import Polyhedron
from optimizer.typing import Array

ROUNDS, FIRST, SHARE, TOLERANCE = 50, 24, 0.06, 1e-10

# From the covariance (k, k) and the linear part (k,) of columns, and their polyhedron, to the answer in them.
Solver = Callable[[Array, Array, Polyhedron], Answer]
Slope = Callable[[Array], Array]


def by_trades(P: Matrix, linear: Array, frame: Polyhedron, solver: Solver, slope: Slope) -> Answer:
    """The best of a frame with one kink, by its trades; multipliers of the frame's rows. Raises NoAnswerError.

    P (n, n), linear (n,);  slope: of the goal's cost by the weights (n,), at weights (n,)
    """
    book = Book(frame, np.clip(frame.kinks[0].center, frame.floor, frame.ceiling))
    # (2, n) purchases and sales that have joined.
    may = np.array([book.base < frame.ceiling, book.base > frame.floor])
    inside = may & _promising(slope(book.base), may)
    for _ in range(ROUNDS):
        columns = Columns(*inside.nonzero())
        try:
            found = solver(*columns.told(P, linear, book.base), book.space(columns))
        except NoAnswerError:
            if (inside == may).all():
                raise
            inside = may.copy()
            continue
        w, y = columns.weights(book.base, found.x), found.multipliers[:-1]
        reduced = np.where(may & ~inside, book.reduced(slope(w), y), 0.0)
        if not (reduced < 0).any():
            return Answer(w, y, f"{found.solver}, trades that help")
        most = max(FIRST, len(columns.names) // 2)
        inside |= (reduced < 0) & (reduced <= np.partition(reduced, most - 1, axis=None)[most - 1])
    raise NoAnswerError("trades", f"still join after {ROUNDS} rounds", infeasible=False)


def _promising(slope: Array, may: Array) -> Array:
    """(2, n) the purchases of the names with the least slope and the sales of those with the greatest."""
    n = len(slope)
    count = min(max(FIRST, int(SHARE * n)), n)
    chosen = np.zeros((2, n), dtype=bool)
    for side, order in enumerate((slope, -slope)):
        chosen[side, np.argsort(np.where(may[side], order, INF), kind="stable")[:count]] = True
    return chosen


@dataclass(frozen=True)
class Columns:
    """After the first, of each its side (k,), 0 for a purchase and 1 for a sale, and its name (k,)."""

    side: Index
    names: Index

    @property
    def signs(self) -> Array:
        """(k,) 1 for a purchase, -1 for a sale."""
        return np.where(self.side == 0, 1.0, -1.0)

    def told(self, P: Matrix, linear: Array, base: Array) -> tuple[Array, Array]:
        """P and the linear part in columns: (k + 1, k + 1) and (k + 1,)."""
        k, held = len(self.names), P @ base
        distinct, place = np.unique(self.names, return_inverse=True)
        square = np.empty((k + 1, k + 1))
        square[1:, 1:] = block(P, distinct)[np.ix_(place, place)] * np.outer(self.signs, self.signs)
        square[0, 0], square[0, 1:] = base @ held, self.signs * held[self.names]
        square[1:, 0] = square[0, 1:]
        return square, np.append(linear @ base, self.signs * linear[self.names])

    def weights(self, base: Array, x: Array) -> Array:
        """(n,) what is held after the trades x[1:]."""
        traded = np.bincount(self.names, self.signs * x[1:], minlength=len(base))
        return np.asarray(base + traded, dtype=float)


@dataclass(frozen=True)
class Book:
    """What is held (n,), as near to the kink's center as allowed, and what it may become."""

    frame: Polyhedron
    base: Array

    def space(self, columns: Columns) -> Polyhedron:
        """The frame in columns; the last row says that there is 1 of what is held."""
        frame, kink, names = self.frame, self.frame.kinks[0], columns.names
        rows = np.zeros((len(frame.rows) + 1, len(names) + 1))
        rows[:-1, 0], rows[:-1, 1:] = frame.rows @ self.base, frame.rows[:, names] * columns.signs
        rows[frame.bounds[0], 0] = kink.value(self.base)
        rows[frame.bounds[0], 1:] = kink.coefficients[names]
        rows[-1, 0] = 1.0
        room = np.where(
            columns.side == 0, (frame.ceiling - self.base)[names], (self.base - frame.floor)[names]
        )
        return replace(
            frame,
            rows=rows,
            low=np.append(frame.low, 1.0),
            high=np.append(frame.high, 1.0),
            floor=np.zeros(len(names) + 1),
            ceiling=np.append(INF, room),
            scale=np.append(frame.scale, 1.0),
            bounds=(),
            kinks=(),
        )

    def reduced(self, slope: Array, y: Array) -> Array:
        """(2, n) the reduced costs of purchases and sales; 0 where they are rounding errors."""
        along = slope - y @ self.frame.rows
        price = max(-float(y[self.frame.bounds[0]]), 0.0) * self.frame.kinks[0].coefficients
        found = np.array([along + price, price - along])
        return np.where(np.abs(found) > TOLERANCE * float(np.abs(slope).max()), found, 0.0)
