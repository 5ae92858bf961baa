"""The Newton system of a plan's interior point method: block tridiagonal, bordered by the turnover limits.

Purchases and sales are eliminated name by name, so that it costs one factorisation of an (n, n) block a step.
"""

import numpy as np

from optimizer.solvers.plans.inequalities import (
    BUY,
    EQUALITY,
    FALL,
    LOWER,
    RISE,
    SELL,
    UPPER,
    Point,
    Scaled,
    differences,
)
from optimizer.solvers.plans.tridiagonal import Tridiagonal
from optimizer.typing import Array


class NewtonSystem:
    """The system at a point, factored once for the predictor and the corrector."""

    def __init__(self, solver: Scaled, at: Point) -> None:
        self.solver, self.at = solver, at
        it, curve = solver.it, solver.it.curve
        self.cost = solver.cost_slopes(at)
        self.weights = at.prices / at.slacks
        box, sides, turn, norm = solver.split(self.weights)
        buying, selling = box[BUY], box[SELL]
        if curve.rooted:
            slacks = solver.split(at.slacks)[0]
            buying = buying + 0.75 * curve.root / np.sqrt(slacks[BUY])
            selling = selling + 0.75 * curve.root / np.sqrt(slacks[SELL])
        self.both = np.where(solver.priced, buying + selling, 1.0)
        self.selling, self.turn = selling, turn
        self.share = selling / self.both
        trading = self.share * buying + box[FALL] + box[RISE]
        pull = it.rows * (sides[0] + sides[1] + solver.equal / EQUALITY)[:, :, None]
        blocks, couplings = solver.workspace
        np.matmul(it.rows.transpose(0, 2, 1), pull, out=blocks)
        blocks += solver.blocks
        prices = solver.split(at.prices)[3]
        for j, limit in enumerate(it.norms):
            slope = (at.w - limit.center) @ limit.covariance / limit.bound
            blocks += (prices[:, j] / limit.bound)[:, None, None] * limit.covariance
            blocks += norm[:, j, None, None] * slope[:, :, None] * slope[:, None, :]
        own = box[LOWER] + box[UPPER] + trading
        own[:-1] += trading[1:]
        diagonals(blocks)[:] += own
        couplings[:] = solver.couplings
        diagonals(couplings)[:] += trading
        self.factor = Tridiagonal.of(blocks, couplings)
        if solver.limited:
            self._border()

    def _border(self) -> None:
        """The turnover limits join all names of two steps: a column of the border each."""
        steps, n = self.share.shape
        slope = 0.5 - self.share
        border = np.zeros((steps, n, steps))
        for k in range(steps):
            border[k, :, k] = slope[k]
            if k:
                border[k - 1, :, k] = -slope[k]
        # B'(LL')^-1 B = (L^-1 B)'(L^-1 B): half a solve is enough.
        self.border = border = self.factor.forward(border).reshape(steps * n, steps)
        inner = border.T @ border
        inner.flat[:: steps + 1] += (1.0 / self.both).sum(axis=1) + 1.0 / self.turn
        self.inner = inner

    def direction(self, residuals: Array, equal: Array, aims: Array) -> Point:
        """Newton's step to slack x price = what it is + `aims` less what it is; residuals to 0."""
        solver, at = self.solver, self.at
        aimed = aims / at.slacks
        box, sides, turned, norm = solver.split(aimed - self.weights * residuals)
        # The turnover limits are solved for by the change of their prices: whole ones would cancel, and lose digits.
        pull = solver.transposed(at, box, sides, solver.split(at.prices)[2], norm)
        cost, held = self.cost, solver.held(at.y - equal / EQUALITY)
        right_b = (pull[1] - cost[1]) * solver.priced
        right = in_weights(pull[0] - cost[0] + held, pull[2] - cost[2] + self.share * right_b)
        half, price = self.factor.forward(right), np.zeros(len(right))
        if solver.limited:
            slack = solver.split(at.slacks)[2]
            off = turned / self.turn - slack + (right_b / self.both).sum(axis=1)
            price = np.linalg.solve(self.inner, off - self.border.T @ half.ravel())
            half += (self.border @ price).reshape(half.shape)
        w = self.factor.backward(half)
        change = right_b + self.selling * differences(w) - price[:, None]
        b = np.where(solver.priced, change / self.both, 0.0)
        rows = solver.rows(w)
        y = np.where(solver.equal, -(equal + rows) / EQUALITY, 0.0)
        slacks = np.where(solver.there, solver.changes(at, w, b, rows) + residuals, 0.0)
        prices = np.where(solver.there, aimed - at.prices - self.weights * slacks, 0.0)
        return Point(w, b, y, slacks, prices)


def in_weights(w: Array, t: Array) -> Array:
    """Slopes in weights and in trades, as slopes in weights."""
    total = w + t
    total[:-1] -= t[1:]
    return total


def diagonals(blocks: Array) -> Array:
    """(H, n) those of blocks (H, n, n), to be written to."""
    steps, n, _ = blocks.shape
    return blocks.reshape(steps, n * n)[:, :: n + 1]
