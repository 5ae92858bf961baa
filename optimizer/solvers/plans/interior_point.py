"""A primal-dual interior point method for plans, whose systems are block tridiagonal (Mehrotra 1992; Rao et al. 1998).

Purchases b and sales s = b - t of each step's trade t = w less the weights before are eliminated name by name, so that
an iteration costs one factorisation of an (n, n) block a step.
"""

from dataclasses import dataclass, replace

import numpy as np

from optimizer.numerics.answers import NoAnswerError
from optimizer.solvers.plans.program import Program
from optimizer.solvers.plans.tridiagonal import Tridiagonal
from optimizer.typing import Array

ITERATIONS = 80
ENOUGH, NEAR, WORSE = 1e-7, 1e-5, 1e3  # of what `_wrong` measures; rounding makes it worse in the end
ROOM, PRICE = 2.0, 0.3  # of an equal weight, and of the costs' size: where slacks and prices start
SHARE = 0.995  # of the way to the nearest bound
EQUALITY, NOISE, DIVERGED = 1e-7, 1e-15, 1e9
LOWER, UPPER, BUY, SELL, FALL, RISE = range(6)
Parts = tuple[Array, Array, Array, Array]


@dataclass(frozen=True, eq=False)
class Prices:
    """A plan's multipliers, by which its optimality is proved.

    plan   (H, n) weights;  links (H, n) what one more of each trade costs at the margin
    rows   (H, m) positive where held up by `low`, negative where held down by `high`
    turnover, norms  (H,), (H, j) of these limits, >= 0
    """

    plan: Array
    links: Array
    rows: Array
    turnover: Array
    norms: Array


@dataclass(frozen=True, eq=False)
class _Point:
    """Weights and purchases (H, n), multipliers of equal rows (H, m), and of each inequality its slack and price.

    box    (6, H, n) in the order of LOWER ... RISE;  sides (2, H, m);  turn (H,);  norm (H, j)
    """

    w: Array
    b: Array
    y: Array
    slacks: tuple[Array, Array, Array, Array]
    prices: Parts


def solve_plan(given: Program) -> Prices:
    """The best plan and its prices; raises NoAnswerError where no iteration comes near."""
    return _Solver(given).run()


class _Solver:
    """One program, scaled to costs of the order of 1, and what does not change from one iteration to the next."""

    def __init__(self, given: Program) -> None:
        curved = float(np.diag(given.P).mean())
        self.size = size = max(curved, float(np.abs(given.q).mean())) or 1.0
        curve = replace(
            given.curve,
            buy=given.curve.buy / size,
            sell=given.curve.sell / size,
            root=given.curve.root / size,
        )
        link = None if given.link is None else given.link / size
        self.it = it = replace(given, P=given.P / size, q=given.q / size, curve=curve, link=link)
        shape = it.q.shape
        self.limited = bool(np.isfinite(it.turnover).all())
        # A name whose trades cost nothing needs no purchases and sales of its own: nothing keeps them finite.
        self.priced = (curve.buy + curve.sell + curve.root > 0) | self.limited
        ends = np.array([it.lower, it.upper, np.zeros(shape[1]), np.zeros(shape[1]), it.down, it.up])
        there = np.isfinite(ends)
        there[BUY] = there[SELL] = self.priced
        self.ends = np.where(np.isfinite(ends), ends, 0.0)
        self.equal = it.low == it.high
        sides = np.array([np.isfinite(it.low) & ~self.equal, np.isfinite(it.high) & ~self.equal])
        turn = np.full(shape[0], self.limited)
        norm = np.ones((shape[0], len(it.norms)), dtype=bool)
        self.there = (np.repeat(there[:, None], shape[0], axis=1), sides, turn, norm)
        self.count = sum(int(mask.sum()) for mask in self.there)
        self.low = np.where(np.isfinite(it.low), it.low, 0.0)
        self.high = np.where(np.isfinite(it.high), it.high, 0.0)

    def run(self) -> Prices:
        at, least = self._start(), np.inf
        best: _Point | None = None
        for _ in range(ITERATIONS):
            residuals = self._residuals(at)
            equal = np.where(self.equal, self._rows(at.w) - self.low, 0.0)
            mu = self._mu(at.slacks, at.prices)
            wrong = self._wrong(at, residuals, equal, mu)
            if wrong < least:
                best, least = at, wrong
            if wrong <= ENOUGH or wrong > WORSE * least:
                break
            if max(float(part.max(initial=0.0)) for part in at.prices) > DIVERGED:
                raise NoAnswerError("interior point", "prices without a bound", infeasible=True)
            try:
                at = self._step(at, residuals, equal, mu)
            except NoAnswerError:
                break  # rounding leaves a system without a factor: the best point so far is as good as it gets
        if best is None or least > NEAR:
            raise NoAnswerError("interior point", "no point comes near the optimum", infeasible=False)
        return self._found(best)

    def _wrong(self, at: _Point, residuals: list[Array], equal: Array, mu: float) -> float:
        """How far a point is from the optimum, per step: limits missed, slopes times names, slacks times prices."""
        missing = max(float(np.abs(r).max(initial=0.0)) for r in (*residuals, equal))
        slope = max(float(np.abs(part).max()) for part in self._slopes(at))
        return float(max(missing, slope * at.w.shape[1], mu * self.count / self.it.steps))

    def _start(self) -> _Point:
        it, n = self.it, self.it.q.shape[1]
        width = np.minimum(it.upper - it.lower, 1.0)
        room = np.minimum(0.25 * width, ROOM / n)
        w = np.repeat(np.clip(it.held, it.lower + room, it.upper - room)[None], it.steps, axis=0)
        b = np.where(self.priced, np.maximum(it.trades(w), 0.0) + ROOM / n, 0.0)
        blank = tuple(np.ones(mask.shape) for mask in self.there)
        at = _Point(w, b, np.zeros(it.low.shape), blank, blank)  # type: ignore[arg-type]
        slacks = tuple(
            np.where(m, np.maximum(v, ROOM / n), 1.0)
            for m, v in zip(self.there, self._values(at), strict=True)
        )
        prices = tuple(
            np.where(m, PRICE * ROOM / n / s, 0.0) for m, s in zip(self.there, slacks, strict=True)
        )
        return replace(at, slacks=slacks, prices=prices)  # type: ignore[arg-type]

    def _rows(self, w: Array) -> Array:
        return np.asarray((self.it.rows @ w[:, :, None])[:, :, 0])

    def _held(self, prices: Array) -> Array:
        """(H, n) what prices (H, m) of the rows come to in weights."""
        return np.asarray((prices[:, None, :] @ self.it.rows)[:, 0])

    def _values(self, at: _Point) -> tuple[Array, Array, Array, Array]:
        """What each inequality leaves."""
        it, w, b = self.it, at.w, at.b
        t, ends, rows = it.trades(w), self.ends, self._rows(w)
        box = np.array([w - ends[LOWER], ends[UPPER] - w, b, b - t, t + ends[FALL], ends[RISE] - t])
        turn = (it.turnover if self.limited else 0.0) - (b - 0.5 * t).sum(axis=1)
        norm = np.empty((it.steps, len(it.norms)))
        for j, limit in enumerate(it.norms):
            away = w - limit.center
            norm[:, j] = 0.5 * (limit.bound - ((away @ limit.covariance) * away).sum(axis=1) / limit.bound)
        return box, np.array([rows - self.low, self.high - rows]), turn, norm

    def _residuals(self, at: _Point) -> list[Array]:
        """What each inequality leaves less its slack; what rounding leaves is none: prices would multiply it."""
        parts = zip(self.there, self._values(at), at.slacks, strict=True)
        return [np.where(m & (np.abs(v - s) > NOISE), v - s, 0.0) for m, v, s in parts]

    def _transposed(
        self, at: _Point, box: Array, sides: Array, turn: Array, norm: Array
    ) -> tuple[Array, Array, Array]:
        """What amounts of the inequalities add up to, in weights, purchases and trades."""
        w = box[LOWER] - box[UPPER] + self._held(sides[0] - sides[1])
        for j, limit in enumerate(self.it.norms):
            w -= norm[:, j, None] * ((at.w - limit.center) @ limit.covariance) / limit.bound
        b = box[BUY] + box[SELL] - turn[:, None] * self.priced
        return w, b, box[FALL] - box[RISE] - box[SELL] + 0.5 * turn[:, None]

    def _cost_slopes(self, at: _Point) -> tuple[Array, Array, Array]:
        """Of the cost in weights, purchases and trades."""
        it, curve = self.it, self.it.curve
        t = it.trades(at.w)
        bought, sold = np.broadcast_to(curve.buy, t.shape), np.broadcast_to(curve.sell, t.shape)
        if curve.rooted:
            bought = bought + 1.5 * curve.root * np.sqrt(np.maximum(at.b, 0.0))
            sold = sold + 1.5 * curve.root * np.sqrt(np.maximum(at.b - t, 0.0))
        linked = 0.0 if it.link is None else t @ it.link
        return at.w @ it.P + it.q, (bought + sold) * self.priced, linked - sold * self.priced

    @staticmethod
    def _in_weights(w: Array, t: Array) -> Array:
        """Slopes in weights and in trades, as slopes in weights."""
        total = w + t
        total[:-1] -= t[1:]
        return total

    def _slopes(self, at: _Point) -> tuple[Array, Array]:
        cost, pull = self._cost_slopes(at), self._transposed(at, *at.prices)
        held = self._held(at.y)
        return self._in_weights(cost[0] - pull[0] - held, cost[2] - pull[2]), cost[1] - pull[1]

    def _mu(self, slacks: tuple[Array, ...], prices: tuple[Array, ...]) -> float:
        total = sum(float((s * z)[m].sum()) for m, s, z in zip(self.there, slacks, prices, strict=True))
        return total / max(self.count, 1)

    def _step(self, at: _Point, residuals: list[Array], equal: Array, mu: float) -> _Point:
        system = _System(self, at)
        aims = [np.zeros(mask.shape) for mask in self.there]
        move = system.direction(residuals, equal, aims)
        far = min(reach(at.slacks, move.slacks, 1.0), reach(at.prices, move.prices, 1.0))
        ahead = self._mu(moved(at.slacks, move.slacks, far), moved(at.prices, move.prices, far))
        centring = (ahead / mu) ** 3 * mu
        aims = [
            np.where(m, centring - ds * dz, 0.0)
            for m, ds, dz in zip(self.there, move.slacks, move.prices, strict=True)
        ]
        move = system.direction(residuals, equal, aims)
        # One length for both: the slopes change with the weights, and two lengths would leave them apart.
        far = min(reach(at.slacks, move.slacks, SHARE), reach(at.prices, move.prices, SHARE))
        return _Point(
            at.w + far * move.w, at.b + far * move.b, at.y + far * move.y,
            moved(at.slacks, move.slacks, far), moved(at.prices, move.prices, far),
        )  # fmt: skip

    def _found(self, at: _Point) -> Prices:
        box, sides, turn, norm = at.prices
        cost, pull = self._cost_slopes(at), self._transposed(at, box, sides, turn, norm)
        rows = np.where(self.equal, at.y, sides[0] - sides[1])
        size = self.size
        return Prices(at.w, size * (cost[2] - pull[2]), size * rows, size * turn, size * norm)


def moved(at: Parts, by: Parts, share: float) -> Parts:
    """Each part, moved by a share of its change."""
    return (at[0] + share * by[0], at[1] + share * by[1], at[2] + share * by[2], at[3] + share * by[3])


def reach(at: Parts, by: Parts, share: float) -> float:
    """How much of the change leaves every number above 0, of which no more than a share is taken."""
    worst = 0.0
    for value, change in zip(at, by, strict=True):
        speed = np.divide(-change, value, out=np.zeros_like(value), where=value > 0)
        worst = max(worst, float(speed.max(initial=0.0)))
    return min(1.0, share / worst) if worst > 0 else 1.0


def diagonals(blocks: Array) -> Array:
    """(H, n) those of blocks (H, n, n), to be written to."""
    steps, n, _ = blocks.shape
    return blocks.reshape(steps, n * n)[:, :: n + 1]


class _System:
    """The Newton system at a point, factored once for the predictor and the corrector."""

    def __init__(self, solver: _Solver, at: _Point) -> None:
        self.solver, self.at = solver, at
        it, curve = solver.it, solver.it.curve
        steps = it.steps
        self.weights = box, sides, turn, norm = [z / s for z, s in zip(at.prices, at.slacks, strict=True)]
        buying, selling = box[BUY], box[SELL]
        if curve.rooted:
            buying = buying + 0.75 * curve.root / np.sqrt(at.slacks[0][BUY])
            selling = selling + 0.75 * curve.root / np.sqrt(at.slacks[0][SELL])
        self.both = np.where(solver.priced, buying + selling, 1.0)
        self.selling = selling
        self.share = selling / self.both
        trading = self.share * buying + box[FALL] + box[RISE]
        blocks = np.repeat(it.P[None], steps, axis=0)
        pull = it.rows * (sides[0] + sides[1] + solver.equal / EQUALITY)[:, :, None]
        blocks += np.matmul(it.rows.transpose(0, 2, 1), pull)
        for j, limit in enumerate(it.norms):
            slope = (at.w - limit.center) @ limit.covariance / limit.bound
            blocks += (at.prices[3][:, j] / limit.bound)[:, None, None] * limit.covariance
            blocks += norm[:, j, None, None] * slope[:, :, None] * slope[:, None, :]
        own = box[LOWER] + box[UPPER] + trading
        own[:-1] += trading[1:]
        diagonals(blocks)[:] += own
        couplings = trading
        if it.link is not None:
            blocks += it.link
            blocks[:-1] += it.link
            couplings = np.repeat(it.link[None], steps, axis=0)
            diagonals(couplings)[:] += trading
        self.factor = Tridiagonal.of(blocks, couplings)
        if solver.limited:
            self._border(turn)

    def _border(self, turn: Array) -> None:
        """The turnover limits join all names of two steps: a column of the border each."""
        steps, n = self.share.shape
        self.slope = 0.5 - self.share
        border = np.zeros((steps, n, steps))
        for k in range(steps):
            border[k, :, k] = self.slope[k]
            if k:
                border[k - 1, :, k] = -self.slope[k]
        self.border, self.solved = border, self.factor.solve(border)
        inner = np.tensordot(border, self.solved, ((0, 1), (0, 1)))
        inner.flat[:: steps + 1] += (1.0 / self.both).sum(axis=1) + 1.0 / turn
        self.inner = inner

    def direction(self, residuals: list[Array], equal: Array, aims: list[Array]) -> _Point:
        """Newton's step to slack x price = what it is + `aims` less what it is; residuals to 0."""
        solver, at, it = self.solver, self.at, self.solver.it
        toward = [
            np.where(m, a / s - th * r, 0.0)
            for m, a, s, th, r in zip(solver.there, aims, at.slacks, self.weights, residuals, strict=True)
        ]
        # The turnover limits are solved for by the change of their prices: whole ones would cancel, and lose digits.
        turned, toward[2] = toward[2], at.prices[2]
        pull, cost = solver._transposed(at, *toward), solver._cost_slopes(at)
        held = solver._held(at.y - equal / EQUALITY)
        right_b = (pull[1] - cost[1]) * solver.priced
        right_t = pull[2] - cost[2] + self.share * right_b
        right = solver._in_weights(pull[0] - cost[0] + held, right_t)
        w = self.factor.solve(right[:, :, None])[:, :, 0]
        price = np.zeros(it.steps)
        if solver.limited:
            off = turned / self.weights[2] - at.slacks[2] + (right_b / self.both).sum(axis=1)
            price = np.linalg.solve(self.inner, off - np.tensordot(self.border, w, ((0, 1), (0, 1))))
            w = w + self.solved @ price
        t = np.diff(w, axis=0, prepend=0.0)
        b = np.where(solver.priced, (right_b + self.selling * t - price[:, None]) / self.both, 0.0)
        rows = solver._rows(w)
        y = np.where(solver.equal, -(equal + rows) / EQUALITY, 0.0)
        norm = np.empty((it.steps, len(it.norms)))
        for j, limit in enumerate(it.norms):
            norm[:, j] = -(((at.w - limit.center) @ limit.covariance) * w).sum(axis=1) / limit.bound
        changes = (
            np.array([w, -w, b, b - t, t, -t]), np.array([rows, -rows]), -(b - 0.5 * t).sum(axis=1), norm,
        )  # fmt: skip
        slacks = tuple(
            np.where(m, c + r, 0.0) for m, c, r in zip(solver.there, changes, residuals, strict=True)
        )
        prices = tuple(
            np.where(m, a / s - z - th * d, 0.0)
            for m, a, s, z, th, d in zip(
                solver.there, aims, at.slacks, at.prices, self.weights, slacks, strict=True
            )
        )
        return _Point(w, b, y, slacks, prices)  # type: ignore[arg-type]
