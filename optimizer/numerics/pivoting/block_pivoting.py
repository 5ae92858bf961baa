"""Quadratic programs by block pivoting (Portugal, Judice & Vicente 1994): guess which bounds hold, solve for the rest.

Each round solves the optimality conditions as equations in the free weights, sends every weight that leaves its
range to its bound, and frees every weight whose slope points inside. A weighted absolute distance (turnover) takes
no columns of its own: its center is a kink at which weights wait as others do at a bound, and its bound is one more
row, with a sign a weight.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optimizer.numerics.answers import Answer, NoAnswerError
from optimizer.numerics.convex_limits import INF
from optimizer.numerics.matrices import Index, Matrix, Part
from optimizer.numerics.pivoting.pivot_equations import least_on_rows
from optimizer.numerics.polyhedra import Polyhedron
from optimizer.typing import Array

ROUNDS, PATIENCE = 100, 15
NEAR = 25  # rounds after which a start was not near: most settle in three
FIRST, SHARE, ROOM = 24, 0.06, 2.0
PRIMAL, ROW, DUAL = 1e-13, 1e-12, 1e-11
TOUCH, TRADED = 1e-9, 0.12

Mask = npt.NDArray[np.bool_]


@dataclass
class Guess:
    """Which bounds hold.

    free  (n,) weights that rest on no bound;  at: (n,) where the others rest
    side  (n,) 1 above the center of the absolute limit, -1 below, 0 on it
    held  (m,) 1 for a row at its upper bound, -1 for one at its lower, 0 for neither
    """

    free: Mask
    at: Array
    side: Array
    held: Array


@dataclass(frozen=True)
class Point:
    """The best point of a guess: weights (n,), multipliers (m,) of the rows, slope (n,) of the cost less theirs.

    sure  False where the guess has no best point, and this is only a point on the way
    """

    x: Array
    multipliers: Array
    slope: Array
    sure: bool


@dataclass(frozen=True)
class Moves:
    """What is wrong with a guess.

    fall, rise  (n,) free weights beyond their lower or upper end, low or high (n,)
    up, down    (n,) by how much the slope of a resting weight points inside; 0 where it does not
    weights     (n,) those of which one of these is true
    held        (m,) the rows' state after the round
    """

    fall: Mask
    rise: Mask
    low: Array
    high: Array
    up: Array
    down: Array
    weights: Mask
    held: Array

    def wrong(self, guess: Guess) -> Mask:
        """(n + m,) the weights and rows that have to change."""
        return np.concatenate([self.weights, self.held != guess.held])


class Pivots:
    """Least x'Px/2 + q'x in a frame; with `gain` (n,) the greatest gain'x / sqrt(x'Px), q then being 0.

    frame  a polyhedron with at most one kink; raises NoAnswerError for more
    """

    def __init__(self, P: Matrix, q: Array, frame: Polyhedron, gain: Array | None = None) -> None:
        if len(frame.kinks) > 1:
            raise NoAnswerError("active set", "more than one absolute limit", infeasible=False)
        self.P, self.gain, self.frame = P, gain, frame
        self.kink = frame.kinks[0] if frame.kinks else None
        self.center = np.full(len(q), -INF) if self.kink is None else self.kink.center
        self.bend = -1 if self.kink is None else frame.bounds[0]
        # Weights are told as distances from here, where most of them rest: only the others have to be multiplied.
        self.base = np.clip(0.0 if self.kink is None else self.center, frame.floor, frame.ceiling)
        self.q = q + P @ self.base if self.base.any() else q
        self.size = float(np.abs(self.q).max())
        self.strength = 1.0
        self.above, self.below = np.maximum(frame.floor, self.center), np.minimum(frame.ceiling, self.center)
        self.ranges = frame.low < frame.high
        self.loose = bool(self.ranges.any())

    def run(self, start: Array | None = None) -> Answer:
        """The answer with the multipliers of the frame's rows; NoAnswerError where the pivots do not settle.

        start  (n,) weights near the answer, whose bounds are the first guess
        """
        if start is not None:
            try:
                return self._settle(self._at(start), NEAR)
            except NoAnswerError:
                pass  # too far from the answer to begin at
        return self._settle(self._among_few() if self.kink is None else self._around_center())

    def _settle(self, guess: Guess, rounds: int = ROUNDS) -> Answer:
        fewest, patience = 2 * len(self.q), PATIENCE
        for _ in range(rounds):
            point = self._solve(guess)
            moves = self._judge(guess, point)
            wrong = moves.wrong(guess)
            count = int(np.count_nonzero(wrong))
            if count == 0 and point.sure:
                return Answer(point.x, point.multipliers, "active set")
            fewest, patience = (count, PATIENCE) if count < fewest else (fewest, patience - 1)
            if patience < 0 and count:
                # Murty's rule: one change a round, always the last, cannot go round in circles.
                wrong[: np.flatnonzero(wrong)[-1]] = False
            self._move(guess, moves, wrong)
        raise NoAnswerError("active set", f"unsettled after {rounds} rounds", infeasible=False)

    def _among_few(self) -> Guess:
        """The weights with the least slope at equal weights are free, the others rest on their floor."""
        n, frame = len(self.q), self.frame
        slope = self.P @ np.full(n, 1.0 / n)
        if self.gain is None:
            slope = slope + self.q
        else:
            average = float(self.gain.mean())
            slope = max(average / float(slope.mean() or 1.0), 0.0) * slope - self.gain
        order = np.argsort(slope, kind="stable")
        room = np.cumsum(np.minimum(frame.ceiling[order], 1.0))
        count = max(FIRST, int(SHARE * n), int(np.searchsorted(room, ROOM)) + 1)
        return self._first(order[:count], np.zeros(n))

    def _around_center(self) -> Guess:
        """All rest on the center but the best to buy and the best to sell."""
        frame, base = self.frame, self.base
        slope = self.q if self.gain is None else self.q - self.gain
        order = np.argsort(slope, kind="stable")
        count = max(FIRST // 3, int(TRADED * len(order)))
        buys = order[base[order] < frame.ceiling[order]][:count]
        sales = order[base[order] > frame.floor[order]][-count:]
        side = np.sign(base - self.center)
        side[sales] = np.where(base[sales] > self.center[sales], 1.0, -1.0)
        side[buys] = np.where(base[buys] < self.center[buys], -1.0, 1.0)
        return self._first(np.union1d(buys, sales), side)

    def _at(self, start: Array) -> Guess:
        """The bounds and rows that a point rests on; one that is held beyond its bounds is on their side of it."""
        frame = self.frame
        start = np.clip(start, frame.floor, frame.ceiling)
        side = np.sign(start - self.center)
        rests = (start <= frame.floor) | (start >= frame.ceiling) | (side == 0)
        guess = self._first((~rests).nonzero()[0], side)
        guess.at = start
        value = frame.rows @ start
        if self.kink is not None:
            value[self.bend] = self.kink.value(start)
        touched = np.where(value >= frame.high - TOUCH, 1.0, np.where(value <= frame.low + TOUCH, -1.0, 0.0))
        guess.held = np.where(frame.low == frame.high, 1.0, touched)
        return guess

    def _first(self, chosen: Index, side: Array) -> Guess:
        free = np.zeros(len(side), dtype=bool)
        free[chosen] = True
        held = np.where(self.frame.low == self.frame.high, 1.0, 0.0)
        if self.kink is not None:
            held[self.bend] = 1.0
        return Guess(free, self.base.copy(), side, held)

    def _solve(self, guess: Guess) -> Point:
        """The optimality conditions of the guess, for a ratio also their answer to one unit of gain."""
        free, rows = guess.free.nonzero()[0], guess.held.nonzero()[0]
        away = np.where(guess.free, 0.0, guess.at - self.base)
        resting = away.nonzero()[0]
        k = len(free)
        own = self.frame.rows[rows]
        active, target = self._rows(guess, rows, own, self.base + away)
        part = Part(self.P, np.concatenate([free, resting]))
        right = np.zeros((k + len(rows), 1 if self.gain is None else 2))
        right[:k, 0] = -self.q[free]
        if len(resting):
            right[:k, 0] -= part.pull(k, away[resting])
        right[k:, 0] = target
        if self.gain is not None:
            right[:k, 1] = self.gain[free]
        solved = least_on_rows(part.block(k), active[:, free], right)
        step = np.zeros((len(self.q), right.shape[1]))
        step[free] = solved[:k]
        step[resting, 0] = away[resting]
        return self._point(guess, step, part.products(step), rows, own, solved[k:])

    def _rows(self, guess: Guess, rows: Index, own: Array, start: Array) -> tuple[Array, Array]:
        """The held rows (r, n), whose numbers in the frame are `own`, and what they must make of a step from start."""
        target = np.where(guess.held > 0, self.frame.high, self.frame.low)[rows] - own @ start
        if self.kink is None or guess.held[self.bend] == 0:
            return own, target
        active, place = own.copy(), int(rows.searchsorted(self.bend))
        active[place] = guess.side * self.kink.coefficients
        target[place] = self.kink.bound - active[place] @ (start - self.center)
        return active, target

    def _point(
        self, guess: Guess, step: Array, slopes: Array, rows: Index, own: Array, found: Array
    ) -> Point:
        slope, y, x, sure = self.q + slopes[0], found[:, 0], self.base + step[:, 0], True
        if self.gain is not None:
            # Along x + strength times the step a unit of gain adds, the ratio is greatest at this strength.
            risk, worth = float(x @ slope), float(self.gain @ x)
            if sure := worth > 0 and risk > 0:
                self.strength = risk / worth
            x = x + self.strength * step[:, 1]
            slope = slope + self.strength * (slopes[1] - self.gain)
            y = y + self.strength * found[:, 1]
        resting = ~guess.free
        x[resting] = guess.at[resting]
        multipliers = np.zeros(len(guess.held))
        multipliers[rows] = y
        return Point(x, multipliers, slope - y @ own, sure and bool(np.isfinite(x).all()))

    def _judge(self, guess: Guess, point: Point) -> Moves:
        frame, x, held = self.frame, point.x, guess.held
        low, high, up, down = frame.floor, frame.ceiling, point.slope, point.slope
        bent = self.kink is not None and held[self.bend] != 0
        if self.kink is not None and bent:
            low = np.where(guess.side > 0, self.above, low)
            high = np.where(guess.side < 0, self.below, high)
            price = max(-point.multipliers[self.bend], 0.0) * self.kink.coefficients
            back = -price
            up = up + np.where(guess.at >= self.center, price, back)
            down = down + np.where(guess.at > self.center, price, back)
        tiny = DUAL * max(self.size, float(np.abs(point.slope).max()), float(np.abs(point.multipliers).max()))
        rests = ~guess.free
        upward = rests & (up < -tiny) & (guess.at < frame.ceiling)
        downward = rests & (down > tiny) & (guess.at > frame.floor)
        wants_up, wants_down = np.where(upward, -up, 0.0), np.where(downward, down, 0.0)
        fall, rise = guess.free & (x < low - PRIMAL), guess.free & (x > high + PRIMAL)
        weights = fall | rise | upward | downward
        if not self.loose:
            return Moves(fall, rise, low, high, wants_up, wants_down, weights, held)
        released = (held * point.multipliers > tiny) & self.ranges
        # The bound of the absolute limit gives way last: it is what keeps all weights from moving at once.
        if bent and weights.any():
            released[self.bend] = False
        after = np.where(released, 0.0, held)
        if not held.all():
            # Rows are judged where the weights will be: those that overshoot would break most of them.
            self._hold_broken(after, held == 0, np.minimum(np.maximum(x, low), high))
        return Moves(fall, rise, low, high, wants_up, wants_down, weights, after)

    def _hold_broken(self, held: Array, open_rows: Mask, x: Array) -> None:
        """The open rows that x (n,) breaks are held from now on."""
        value = self.frame.rows @ x
        if self.kink is not None:
            value[self.bend] = self.kink.value(x)
        held[open_rows & (value > self.frame.high + ROW)] = 1.0
        held[open_rows & (value < self.frame.low - ROW)] = -1.0

    def _move(self, guess: Guess, moves: Moves, chosen: Mask) -> None:
        n = len(self.q)
        fall, rise, held = moves.fall & chosen[:n], moves.rise & chosen[:n], np.where(
            chosen[n:], moves.held, guess.held
        )  # fmt: skip
        want = np.where(chosen[:n], moves.up + moves.down, 0.0)
        wanting = want.nonzero()[0]
        most = max(FIRST, int(np.count_nonzero(guess.free)) // 2)
        wanting = wanting[np.argsort(-want[wanting], kind="stable")[:most]]
        upward = moves.up[wanting] > 0
        above = np.where(
            upward, guess.at[wanting] >= self.center[wanting], guess.at[wanting] > self.center[wanting]
        )
        guess.side[wanting] = np.where(above, 1.0, -1.0)
        guess.at[fall], guess.at[rise] = moves.low[fall], moves.high[rise]
        stopped, before = fall | rise, guess.side.copy()
        guess.side[stopped] = np.sign(guess.at - self.center)[stopped]
        guess.free[stopped], guess.free[wanting] = False, True
        guess.held = held
        self._give_rows_a_weight(guess, moves)
        if self.kink is not None and held[self.bend] != 0:
            self._keep_both_sides(guess, before, stopped)

    def _give_rows_a_weight(self, guess: Guess, moves: Moves) -> None:
        """A row that holds needs a free weight to hold it."""
        for row in guess.held.nonzero()[0]:
            members = self.frame.rows[row]
            if row != self.bend and not ((members != 0) & guess.free).any():
                guess.free[int(np.argmax(np.abs(members) * (1.0 - guess.at)))] = True

    def _keep_both_sides(self, guess: Guess, before: Array, stopped: Mask) -> None:
        """A bound of the absolute limit needs weights on both sides: of one alone it says what the budget says."""
        for sign in (1.0, -1.0):
            last = stopped & (before == sign)
            if last.any() and not (guess.free & (guess.side == sign)).any():
                room = np.where(
                    last, np.abs(np.where(sign > 0, self.frame.ceiling, self.frame.floor) - self.center), -1.0
                )
                i = int(np.argmax(np.minimum(room, 1.0)))
                guess.free[i], guess.side[i] = True, sign
