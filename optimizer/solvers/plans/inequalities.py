"""A plan's program in the form that an interior point method walks: scaled, each inequality with a slack and a price.

Purchases b and sales s = b - t of each step's trade t = w less the weights before stand beside the weights.
"""

from dataclasses import dataclass, replace

import numpy as np

from optimizer.numerics.polish import Mask
from optimizer.solvers.plans.program import Prices, Program
from optimizer.typing import Array

EQUALITY, NOISE = 1e-7, 1e-15
LOWER, UPPER, BUY, SELL, FALL, RISE = range(6)
Split = tuple[Array, Array, Array, Array]


@dataclass(frozen=True, eq=False)
class Point:
    """Weights w, purchases b (H, n), multipliers y of equal rows (H, m), slacks and prices of all inequalities."""

    w: Array
    b: Array
    y: Array
    slacks: Array
    prices: Array

    def moved(self, by: "Point", share: float) -> "Point":
        """Each part, moved by a share of its change."""
        return Point(
            self.w + share * by.w, self.b + share * by.b, self.y + share * by.y,
            self.slacks + share * by.slacks, self.prices + share * by.prices,
        )  # fmt: skip


def divided(given: Program, size: float) -> Program:
    """The program with all its costs divided by a size."""
    curve = given.curve
    curve = replace(curve, buy=curve.buy / size, sell=curve.sell / size, root=curve.root / size)
    link = None if given.link is None else given.link / size
    return replace(given, P=given.P / size, q=given.q / size, curve=curve, link=link)


class Scaled:
    """One program, scaled to costs of the order of 1, and what does not change from one iteration to the next.

    Inequalities are one vector, in parts: box (6, H, n) in the order of LOWER ... RISE; sides (2, H, m) of the rows;
    turn (H,); norm (H, j). Those that the program does not have keep a slack of 1 and a price of 0.
    """

    def __init__(self, given: Program) -> None:
        curved = float(np.diag(given.P).mean())
        self.size = max(curved, float(np.abs(given.q).mean())) or 1.0
        self.it = it = divided(given, self.size)
        steps, n = it.q.shape
        self.limited = bool(np.isfinite(it.turnover).all())
        # A name whose trades cost nothing needs no purchases and sales of its own: nothing keeps them finite.
        self.priced = (it.curve.buy + it.curve.sell + it.curve.root > 0) | self.limited
        ends = np.array([it.lower, it.upper, np.zeros(n), np.zeros(n), it.down, it.up])
        box = np.isfinite(ends)
        box[BUY] = box[SELL] = self.priced
        self.ends = np.where(np.isfinite(ends), ends, 0.0)[:, None]
        self.equal = it.low == it.high
        sides = np.array([np.isfinite(it.low) & ~self.equal, np.isfinite(it.high) & ~self.equal])
        shapes = ((6, steps, n), sides.shape, (steps,), (steps, len(it.norms)))
        self.shapes = shapes
        self.cuts = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])[:-1]
        turn, norm = np.full(shapes[2], self.limited), np.ones(shapes[3], dtype=bool)
        parts = (np.repeat(box[:, None], steps, axis=1), sides, turn, norm)
        self.there: Mask = np.concatenate([part.ravel() for part in parts])
        self.count = int(self.there.sum())
        self.low = np.where(np.isfinite(it.low), it.low, 0.0)
        self.high = np.where(np.isfinite(it.high), it.high, 0.0)
        # Each step's block as far as it is the same at every point, and what joins a step to the one before.
        self.blocks = np.repeat(it.P[None], steps, axis=0)
        self.couplings = np.zeros_like(self.blocks)
        if it.link is not None:
            self.blocks += it.link
            self.blocks[:-1] += it.link
            self.couplings += it.link
        # Fresh pages cost more than the sums.
        self.workspace = (np.empty_like(self.blocks), np.empty_like(self.blocks))

    def split(self, all_of: Array) -> Split:
        """The parts of one vector over the inequalities, as views."""
        box, sides, turn, norm = np.split(all_of, self.cuts)
        shapes = self.shapes
        return box.reshape(shapes[0]), sides.reshape(shapes[1]), turn, norm.reshape(shapes[3])

    def rows(self, w: Array) -> Array:
        """(H, m) the value of each row."""
        return np.asarray((self.it.rows @ w[:, :, None])[:, :, 0])

    def held(self, prices: Array) -> Array:
        """(H, n) what prices (H, m) of the rows come to in weights."""
        return np.asarray((prices[:, None, :] @ self.it.rows)[:, 0])

    def residuals(self, at: Point) -> Array:
        """What each inequality leaves less its slack; what rounding leaves is none: prices would multiply it."""
        it, w, b, ends = self.it, at.w, at.b, self.ends
        t, rows = it.trades(w), self.rows(w)
        box = np.array([w - ends[LOWER], ends[UPPER] - w, b, b - t, t + ends[FALL], ends[RISE] - t])
        turn = (it.turnover if self.limited else 0.0) - (b - 0.5 * t).sum(axis=1)
        norm = np.empty(self.shapes[3])
        for j, limit in enumerate(it.norms):
            away = w - limit.center
            norm[:, j] = 0.5 * (limit.bound - ((away @ limit.covariance) * away).sum(axis=1) / limit.bound)
        off = together(box, np.array([rows - self.low, self.high - rows]), turn, norm) - at.slacks
        off[~self.there | (np.abs(off) <= NOISE)] = 0.0
        return off

    def changes(self, at: Point, w: Array, b: Array, rows: Array) -> Array:
        """How what each inequality leaves changes with weights and purchases (H, n), and rows (H, m) of them."""
        t = differences(w)
        norm = np.empty(self.shapes[3])
        for j, limit in enumerate(self.it.norms):
            norm[:, j] = -(((at.w - limit.center) @ limit.covariance) * w).sum(axis=1) / limit.bound
        turn = -(b - 0.5 * t).sum(axis=1)
        return together(np.array([w, -w, b, b - t, t, -t]), np.array([rows, -rows]), turn, norm)

    def transposed(self, at: Point, box: Array, sides: Array, turn: Array, norm: Array) -> Split:
        """What amounts of the inequalities add up to, in weights, purchases and trades; the last is empty."""
        w = box[LOWER] - box[UPPER] + self.held(sides[0] - sides[1])
        for j, limit in enumerate(self.it.norms):
            w -= norm[:, j, None] * ((at.w - limit.center) @ limit.covariance) / limit.bound
        b = box[BUY] + box[SELL] - turn[:, None] * self.priced
        return w, b, box[FALL] - box[RISE] - box[SELL] + 0.5 * turn[:, None], norm[:0]

    def cost_slopes(self, at: Point) -> tuple[Array, Array, Array]:
        """Of the cost in weights, purchases and trades."""
        it, curve = self.it, self.it.curve
        t = it.trades(at.w)
        bought, sold = np.broadcast_to(curve.buy, t.shape), np.broadcast_to(curve.sell, t.shape)
        if curve.rooted:
            bought = bought + 1.5 * curve.root * np.sqrt(np.maximum(at.b, 0.0))
            sold = sold + 1.5 * curve.root * np.sqrt(np.maximum(at.b - t, 0.0))
        linked = 0.0 if it.link is None else t @ it.link
        return at.w @ it.P + it.q, (bought + sold) * self.priced, linked - sold * self.priced

    def found(self, at: Point) -> Prices:
        """The plan at a point and its prices, in the scaled program."""
        box, sides, turn, norm = self.split(at.prices)
        cost, pull = self.cost_slopes(at), self.transposed(at, box, sides, turn, norm)
        return Prices(at.w, cost[2] - pull[2], np.where(self.equal, at.y, sides[0] - sides[1]), turn, norm)


def together(*parts: Array) -> Array:
    """Parts of the inequalities as one vector."""
    return np.concatenate([part.ravel() for part in parts])


def differences(w: Array) -> Array:
    """(H, n) each step less the one before, the first less 0."""
    t = w.copy()
    t[1:] -= w[:-1]
    return t
