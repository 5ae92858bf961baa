"""Target weights to whole lots, the moves: a deterministic descent over lots.

While a limit is broken, make the move (one lot, one eighth of what is missing, or no trade) that costs least per unit
of violation removed; then make the best improving move, or the best improving exchange of two names, until there is
none or the list is near enough to what no list can go below. Ties go to the first symbol, so the answer depends on
nothing but the input.
"""

import numpy as np
from numpy.typing import NDArray

from optimizer.numerics.matrices import Index, between, product_of_few
from optimizer.trading.lot_relaxation import TOLERANCE, RoundingProblem, neighbours, permitted
from optimizer.typing import Array

HARD = 1e9
PAIRS = 64
FIRST_MOVES = 32
MOVES_PER_NAME = 40
TOGETHER, KEPT = 32, 0.5  # moves taken at once, each of which must keep half of its gain beside the others
MANY = 8  # lots in an eighth of what is missing: one at a time, the cheapest per unit, would never get there
WORTH = 1e-9  # a hundred-thousandth of a basis point: smaller gains are not worth a move
FINE = 0.01  # and neither are gains of less than a hundredth of the gap that may be left


class Walk:
    """A point of the descent with what every move needs: gradient, cash, traded value, limits.

    lots   (n,) signed trades, changed in place
    worth  smaller gains are not worth a move
    """

    def __init__(self, problem: RoundingProblem, lots: Array, worth: float = WORTH) -> None:
        self.problem, self.lots, self.worth = problem, lots, worth
        self.diagonal = problem.risk.variances
        self.gradient = 2 * problem.aversion * problem.marginal(problem.held + lots * problem.step)
        self._settle()

    @property
    def objective(self) -> float:
        """Tracking penalty plus costs, fraction of NAV."""
        return float(0.5 * self.gradient @ (self.weights - self.problem.wanted) + self.costs.sum())

    @property
    def broken(self) -> bool:
        """Whether a limit is."""
        return self.penalty > TOLERANCE

    @property
    def missing(self) -> float:
        """What the hard limits are broken by, or else the others."""
        p = self.problem
        short = max(-self.room, self.traded - p.max_traded)
        return short if short > TOLERANCE else self.penalty

    def _settle(self) -> None:
        p = self.problem
        trades = self.lots * p.step
        self.weights = p.held + trades
        self.costs = p.curve.costs(trades)
        self.room = float(p.cash - p.cash_min - trades.sum() - p.cost_in_cash * self.costs.sum())
        self.traded = float(np.abs(trades).sum())
        self.row_values = p.rows @ self.weights
        self.box = _outside(p, self.weights)
        self.penalty = self._penalty()

    def _penalty(self) -> float:
        """What limits are broken by, as `weigh` counts it, where the walk stands."""
        p = self.problem
        hard = sum(it for it in (-self.room, self.traded - p.max_traded) if it > TOLERANCE)
        soft = float(self.box.sum())
        if len(p.bounds):
            soft += float(_over(self.row_values - p.bounds).sum())
        over = [limit.value(self.weights) - limit.bound for limit in (*p.absolute, *p.norms)]
        return HARD * hard + soft + sum(it for it in over if it > TOLERANCE)

    def weigh(self, to: Array) -> tuple[Array, Array]:
        """(c, n) changes of the objective, and penalties, when one name's trade becomes `to` (c, n)."""
        p = self.problem
        move = (to - self.lots) * p.step
        dearer = p.curve.costs(to * p.step) - self.costs
        gain = self.gradient * move + p.aversion * self.diagonal * move * move + dearer
        hard = _over(move + p.cost_in_cash * dearer - self.room)
        if p.max_traded < np.inf:
            hard += _over((np.abs(to) - np.abs(self.lots)) * p.step + (self.traded - p.max_traded))
        soft = self.box.sum() - self.box + _outside(p, self.weights + move)
        if len(p.bounds):
            room = (self.row_values - p.bounds)[:, None, None]
            soft = soft + _over(room + p.rows[:, None, :] * move).sum(axis=0)
        for limit in p.absolute:
            soft = soft + _over(limit.after(self.weights, move) - limit.bound)
        for norm in p.norms:
            pull = norm.covariance @ (self.weights - norm.center)
            square = norm.value(self.weights) ** 2 + 2 * pull * move + norm.covariance.diagonal() * move**2
            soft = soft + _over(np.sqrt(np.maximum(square, 0)) - norm.bound)
        return gain, HARD * hard + soft

    def take(self, names: list[int], to: list[float]) -> None:
        """Changes the named trades, in lots."""
        p, places = self.problem, np.array(names, dtype=np.intp)
        move = (np.asarray(to) - self.lots[places]) * p.step[places]
        self.lots[places] = to
        self.gradient += 2 * p.aversion * product_of_few(p.risk.covariance, places, move)
        self._settle()


def _over(excess: Array) -> Array:
    return np.where(excess > TOLERANCE, excess, 0.0)


def _outside(p: RoundingProblem, weights: Array) -> Array:
    outside = _over(np.maximum(weights - p.upper, p.lower - weights))
    return outside if p.least is None else np.maximum(outside, p.between(weights))


def walked(problem: RoundingProblem, start: Array, bound: float, gap: float) -> Walk:
    """The walk from holdings (n,), rounded to permitted trades, to its end, or to within a gap of the bound."""
    lots = permitted(problem, (start - problem.held) / problem.step)
    walk, enough = Walk(problem, lots, max(WORTH, FINE * gap)), bound + gap
    for _ in range(MOVES_PER_NAME * len(problem.held) + 100):
        if walk.broken:
            moved = _repair(walk) or _repair_by_two(walk)
        else:
            moved = walk.objective > enough and (_improve(walk) or _exchange(walk))
        if not moved:
            break
    return walk


def _repair(walk: Walk) -> bool:
    """The move that removes violation at the least cost per unit; False when none removes any."""
    p = walk.problem
    stride = np.floor(walk.missing / 8 / p.step)
    up, down = neighbours(p, walk.lots)
    bulk_up, bulk_down = permitted(p, walk.lots + stride), permitted(p, walk.lots - stride)
    far = stride >= MANY
    down, up = np.where(far, bulk_down, down), np.where(far, bulk_up, up)
    to = np.array([down, up, np.zeros(len(up)), bulk_down, bulk_up])
    gain, penalty = walk.weigh(to)
    removed = walk.penalty - penalty
    # What rounding leaves of the hard penalty is no violation less.
    removed = np.where(to == walk.lots, 0.0, removed)
    score = np.where(removed > TOLERANCE, gain / np.maximum(removed, TOLERANCE), np.inf)
    return _take_best(walk, to, score)


def _repair_by_two(walk: Walk) -> bool:
    """Two moves that together remove violation where none alone does; False when no such pair is found.

    The first is one of the FIRST_MOVES that break the least, the second the best answer to it: one lot, no trade, or as
    many lots as weigh what is missing then.
    """
    p, start = walk.problem, walk.penalty
    to = np.array([*neighbours(p, walk.lots)[::-1], np.zeros(len(walk.lots))])
    _, penalty = walk.weigh(to)
    penalty = np.where(to == walk.lots, np.inf, penalty)
    for flat in np.argsort(penalty, axis=None, kind="stable")[:FIRST_MOVES]:
        name = int(flat % to.shape[1])
        before = float(walk.lots[name])
        walk.take([name], [float(to.flat[flat])])
        stride = np.ceil(walk.missing / p.step)
        many = (permitted(p, walk.lots - stride), permitted(p, walk.lots + stride))
        answers = np.array([*neighbours(p, walk.lots)[::-1], np.zeros(len(walk.lots)), *many])
        gain, after = walk.weigh(answers)
        if _take_best(walk, answers, np.where(after < start - TOLERANCE, gain + p.aversion * after, np.inf)):
            return True
        walk.take([name], [before])
    return False


def _improve(walk: Walk) -> bool:
    """The one-name moves that lower the objective most within the limits, together; False when none does."""
    p = walk.problem
    up, down = neighbours(p, walk.lots)
    newton = walk.lots - walk.gradient / (2 * p.aversion * walk.diagonal * p.step)
    to = np.array([down, up, np.zeros(len(up)), permitted(p, newton)])
    gain, penalty = walk.weigh(to)
    score = np.where((penalty <= TOLERANCE) & (gain < -walk.worth), gain, np.inf)
    return _take_several(walk, to, score) or _take_best(walk, to, score)


def _take_several(walk: Walk, to: Array, score: Array) -> bool:
    """The best moves of different names that are worth it after those before them; False when a limit stops them."""
    p, least = walk.problem, score.min(axis=0)
    names = np.argsort(least, kind="stable")[: min(TOGETHER, int(np.isfinite(least).sum()))]
    if len(names) < 2:
        return False
    wanted = to[score[:, names].argmin(axis=0), names]
    move = (wanted - walk.lots[names]) * p.step[names]
    cross = 2 * p.aversion * between(p.risk.covariance, names, names) * np.outer(move, move)
    chosen: list[int] = []
    for i, gain in enumerate(least[names].tolist()):
        if gain + float(cross[i, chosen].sum()) < KEPT * gain:
            chosen.append(i)
    before, together = walk.lots[names[chosen]].tolist(), names[chosen].tolist()
    walk.take(together, wanted[chosen].tolist())
    if walk.broken:
        walk.take(together, before)
        return False
    return True


def _take_best(walk: Walk, to: Array, score: Array) -> bool:
    best = int(np.argmin(score))
    if not np.isfinite(score.flat[best]):
        return False
    name = best % score.shape[1]
    walk.take([name], [float(to.flat[best])])
    return True


def _exchange(walk: Walk) -> bool:
    """The pair of one-lot moves, one up and one down, that lowers the objective most; False when none does.

    Only the PAIRS most promising names of each direction are paired.
    """
    p = walk.problem
    to = np.array(neighbours(p, walk.lots))
    gain, _ = walk.weigh(to)
    gain = np.where(np.abs(to - walk.lots) > 0, gain, np.inf)
    ups, downs = (np.argsort(row, kind="stable")[:PAIRS] for row in gain)
    steps = (to - walk.lots) * p.step
    cross = 2 * p.aversion * between(p.risk.covariance, ups, downs) * np.outer(steps[0, ups], steps[1, downs])
    total = gain[0, ups][:, None] + gain[1, downs] + cross
    total[ups[:, None] == downs] = np.inf
    total[~_affordable(walk, steps, ups, downs)] = np.inf
    worth = np.flatnonzero(total < -walk.worth)
    for flat in worth[np.argsort(total.flat[worth], kind="stable")[:PAIRS]]:
        i, j = int(ups[flat // len(downs)]), int(downs[flat % len(downs)])
        before = walk.lots[[i, j]].tolist()
        walk.take([i, j], [float(to[0, i]), float(to[1, j])])
        if not walk.broken:
            return True
        walk.take([i, j], before)
    return False


def _affordable(walk: Walk, steps: Array, ups: Index, downs: Index) -> NDArray[np.bool_]:
    """(u, d) whether cash, turnover, bounds and rows allow a step up and one down; steps (2, n) in weights."""
    p, trades = walk.problem, walk.lots * walk.problem.step
    dearer = p.curve.costs(trades + steps) - walk.costs
    longer = np.abs(trades + steps) - np.abs(trades)
    spent, turned, inside = steps + p.cost_in_cash * dearer, longer, _outside(p, walk.weights + steps) <= 0
    fits = inside[0, ups][:, None] & inside[1, downs]
    fits &= spent[0, ups][:, None] + spent[1, downs] <= walk.room + TOLERANCE
    fits &= turned[0, ups][:, None] + turned[1, downs] <= p.max_traded - walk.traded + TOLERANCE
    for row, room in zip(p.rows, p.bounds - walk.row_values, strict=True):
        fits &= (row * steps[0])[ups][:, None] + (row * steps[1])[downs] <= room + TOLERANCE
    return np.asarray(fits)
