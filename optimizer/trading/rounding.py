"""Target weights to whole lots, the answer: a deterministic descent over lots from the rounded relaxation.

Start from the relaxation rounded to permitted trades. While a limit is broken, make the move (one lot, one
eighth of what is missing, or no trade) that costs least per unit of violation removed; then make the best
improving move, or the best improving exchange of two names, until there is none. The gap to the relaxation's
bound is reported. Ties go to the first symbol, so the answer depends on nothing but the input.
"""

import heapq
from dataclasses import dataclass, replace

import numpy as np

from optimizer.errors import InfeasibleError, SolverError
from optimizer.trading.lot_relaxation import TOLERANCE, Relaxation, RoundingProblem, neighbours, permitted
from optimizer.trading.perspective_bound import relax, sharpened
from optimizer.typing import Array

HARD = 1e9
PAIRS = 64
FIRST_MOVES = 32
MOVES_PER_NAME = 40
TOGETHER, KEPT = 32, 0.5  # moves taken at once, each of which must keep half of its gain beside the others
BRANCHED_NAMES = 16
NODES = 300
DESCENTS = 20
ENOUGH = 1e-5
WORTH = 1e-9  # a hundred-thousandth of a basis point: smaller gains are not worth a move
WHOLE = 1e-6


@dataclass(frozen=True, eq=False)
class Rounded:
    """An answer in lots: (n,) signed trades, its objective, and the proven bound (fractions of NAV)."""

    lots: Array
    objective: float
    bound: float
    penalty: float


@dataclass(eq=False)
class _Walk:
    """A point of the descent with what every move needs: gradient, cash, traded value, limits."""

    problem: RoundingProblem
    lots: Array

    def __post_init__(self) -> None:
        p = self.problem
        self.diagonal = p.covariance.diagonal().copy()
        self.gradient = 2 * p.aversion * (p.covariance @ (p.held + self.lots * p.step - p.wanted))
        self._settle()

    def _settle(self) -> None:
        p = self.problem
        trades = self.lots * p.step
        self.weights = p.held + trades
        self.costs = p.curve.costs(trades)
        self.cash = float(p.cash - trades.sum() - self.costs.sum())
        self.traded = float(np.abs(trades).sum())
        self.row_values = p.rows @ self.weights
        self.box = _outside(p, self.weights)
        self.penalty = self._penalty()

    def _penalty(self) -> float:
        """What limits are broken by, as `weigh` counts it, where the walk stands."""
        p = self.problem
        hard = _over(np.array([p.cash_min - self.cash, self.traded - p.max_traded])).sum()
        soft = self.box.sum() + _over(self.row_values - p.bounds).sum()
        over = [limit.value(self.weights) - limit.bound for limit in p.absolute]
        over += [norm.value(self.weights) - norm.bound for norm in p.norms]
        return float(HARD * hard + soft + _over(np.array(over)).sum())

    def weigh(self, to: Array) -> tuple[Array, Array]:
        """(c, n) changes of the objective, and penalties, when one name's trade becomes `to` (c, n)."""
        p = self.problem
        move = (to - self.lots) * p.step
        dearer = p.curve.costs(to * p.step) - self.costs
        gain = self.gradient * move + p.aversion * self.diagonal * move * move + dearer
        traded = self.traded + (np.abs(to) - np.abs(self.lots)) * p.step
        hard = _over(p.cash_min - (self.cash - move - dearer)) + _over(traded - p.max_traded)
        soft = self.box.sum() - self.box + _outside(p, self.weights + move)
        room = (self.row_values - p.bounds)[:, None, None]
        soft = soft + _over(room + p.rows[:, None, :] * move).sum(axis=0)
        for limit in p.absolute:
            soft = soft + _over(limit.after(self.weights, move) - limit.bound)
        for norm in p.norms:
            pull = norm.covariance @ (self.weights - norm.center)
            square = norm.value(self.weights) ** 2 + 2 * pull * move + norm.covariance.diagonal() * move**2
            soft = soft + _over(np.sqrt(np.maximum(square, 0)) - norm.bound)
        return gain, np.asarray(HARD * hard + soft)

    def take(self, names: list[int], to: list[float]) -> None:
        """Changes the named trades, in lots."""
        p = self.problem
        move = (np.asarray(to) - self.lots[names]) * p.step[names]
        self.lots[names] = to
        self.gradient += 2 * p.aversion * (move @ p.covariance[names])
        self._settle()


def _over(excess: Array) -> Array:
    return np.where(excess > TOLERANCE, excess, 0.0)


def _outside(p: RoundingProblem, weights: Array) -> Array:
    return _over(weights - p.upper) + _over(p.lower - weights)


def round_trades(problem: RoundingProblem) -> Rounded:
    """Whole-lot trades near the optimum, with the proven bound; `penalty` > 0: a limit cannot be met in lots.

    The descent starts from the first relaxation that has an answer: with all limits, with cash and turnover
    only, or none, which starts from what is held and proves nothing.
    """
    try:
        problem, near = sharpened(problem)
        relaxed = relax(problem, near)
    except (InfeasibleError, SolverError):
        return descend(problem, _loosely_relaxed(problem))
    found = descend(problem, relaxed)
    if found.penalty > TOLERANCE:
        found = descend(problem, replace(relaxed, start=lambda: relaxed.weights))
    small = np.count_nonzero(problem.upper > problem.lower) <= BRANCHED_NAMES
    return search(problem, relaxed, found) if small else found


def _loosely_relaxed(problem: RoundingProblem) -> Relaxation:
    try:
        return relax(_hard_limits_only(problem))
    except (InfeasibleError, SolverError):
        return Relaxation(problem.held, 0.0, lambda: problem.held)


def descend(problem: RoundingProblem, relaxed: Relaxation) -> Rounded:
    """The descent from a relaxation, rounded; its bound is the relaxation's."""
    walk = _Walk(problem, permitted(problem, (relaxed.start() - problem.held) / problem.step))
    for _ in range(MOVES_PER_NAME * len(problem.held) + 100):
        broken = walk.penalty > TOLERANCE
        if not (_repair(walk) or _repair_by_two(walk) if broken else _improve(walk) or _exchange(walk)):
            break
    return Rounded(walk.lots, problem.objective(walk.lots), relaxed.bound, walk.penalty)


def search(problem: RoundingProblem, relaxed: Relaxation, best: Rounded) -> Rounded:
    """Branch and bound over the relaxation (Land & Doig 1960), least bound first, for at most NODES nodes.

    A node splits the trades of one name between two neighbouring permitted ones, or between none and some. A child's
    bound is never below its parent's. What is reported is the least bound of what was not searched to its end.
    """
    open_nodes = [(relaxed.bound, 0, problem, relaxed)]
    count = 0
    while open_nodes and count < NODES and _worth(best) - open_nodes[0][0] > ENOUGH:
        bound, _, node, at = heapq.heappop(open_nodes)
        best = _better(best, _rounded(problem, at))
        for child in _split(problem, node, at):
            count += 1
            try:
                inner = relax(child)
            except InfeasibleError:
                continue
            except SolverError:
                inner = at  # the parent's bound holds for its parts
            if count % DESCENTS == 1:
                best = _better(best, descend(problem, inner))
            inner = replace(inner, bound=max(inner.bound, bound))
            if inner.bound < _worth(best):
                heapq.heappush(open_nodes, (inner.bound, count, child, inner))
    return replace(best, bound=min([best.objective, *(node[0] for node in open_nodes[:1])]))


def _worth(found: Rounded) -> float:
    """Its objective; infinite for a list that breaks a limit."""
    return found.objective if found.penalty <= TOLERANCE else np.inf


def _better(best: Rounded, other: Rounded) -> Rounded:
    return other if _worth(other) < _worth(best) else best


def _rounded(problem: RoundingProblem, relaxed: Relaxation) -> Rounded:
    """A relaxation's optimum in permitted trades, as it is."""
    lots = permitted(problem, (relaxed.weights - problem.held) / problem.step)
    return Rounded(lots, problem.objective(lots), relaxed.bound, _Walk(problem, lots).penalty)


def _split(
    problem: RoundingProblem, node: RoundingProblem, relaxed: Relaxation
) -> tuple[RoundingProblem, ...]:
    """The node's two halves at its relaxed optimum; none when each name has only one trade left."""
    lots = (relaxed.weights - problem.held) / problem.step
    near = permitted(problem, lots)
    above, below = neighbours(problem, near)
    least_buy, least_sale = neighbours(problem, np.zeros_like(lots))
    whole = np.abs(near - lots) <= WHOLE
    under = near < lots
    # the two permitted trades around the optimum; around a whole one no trade and some, else this one and the next
    around = (np.where(under, near, below), np.where(under, above, near))
    some = (np.where(near > 0, 0.0, least_sale), np.where(near > 0, least_buy, 0.0))
    first = tuple(np.where(whole, one, other) for one, other in zip(some, around, strict=True))
    miss = problem.aversion * problem.covariance.diagonal() * problem.step**2
    for low, high, weight in (
        (*first, miss * (near - lots) ** 2 + problem.curve.fixed * (near != 0)),
        (near, above, miss),
        (below, near, miss),
    ):
        ceiling, floor = problem.held + low * problem.step, problem.held + high * problem.step
        inside = (ceiling < node.upper - TOLERANCE) & (floor > node.lower + TOLERANCE)
        open_ = (
            (high > low) & inside & (ceiling >= node.lower - TOLERANCE) & (floor <= node.upper + TOLERANCE)
        )
        if open_.any():
            name = int(np.argmax(np.where(open_, weight, -1.0)))
            upper, lower = node.upper.copy(), node.lower.copy()
            upper[name], lower[name] = ceiling[name], floor[name]
            return replace(node, upper=upper), replace(node, lower=lower)
    return ()


def _hard_limits_only(problem: RoundingProblem) -> RoundingProblem:
    shorting = problem.lower < 0
    return replace(
        problem,
        lower=np.where(shorting, problem.lower, 0.0),
        upper=np.maximum(problem.upper, problem.held),
        rows=np.zeros((0, len(problem.held))),
        bounds=np.zeros(0),
    )


def _repair(walk: _Walk) -> bool:
    """The move that removes violation at the least cost per unit; False when none removes any."""
    p = walk.problem
    short = max(p.cash_min - walk.cash, walk.traded - p.max_traded)
    missing = short if short > TOLERANCE else walk.penalty
    stride = np.floor(missing / 8 / p.step)
    up, down = neighbours(p, walk.lots)
    bulk_up, bulk_down = permitted(p, walk.lots + stride), permitted(p, walk.lots - stride)
    to = np.stack([down, up, np.zeros_like(up), bulk_down, bulk_up])
    gain, penalty = walk.weigh(to)
    removed = walk.penalty - penalty
    score = np.where(removed > TOLERANCE, gain / np.maximum(removed, TOLERANCE), np.inf)
    return _take_best(walk, to, score)


def _repair_by_two(walk: _Walk) -> bool:
    """Two moves that together remove violation where none alone does; False when no such pair is found.

    The first is one of the FIRST_MOVES that break the least, the second the best answer to it.
    """
    p, start = walk.problem, walk.penalty
    to = np.stack([*neighbours(p, walk.lots)[::-1], np.zeros(len(walk.lots))])
    _, penalty = walk.weigh(to)
    penalty = np.where(to == walk.lots, np.inf, penalty)
    for flat in np.argsort(penalty, axis=None, kind="stable")[:FIRST_MOVES]:
        name = int(flat % to.shape[1])
        before = float(walk.lots[name])
        walk.take([name], [float(to.flat[flat])])
        answers = np.stack([*neighbours(p, walk.lots)[::-1], np.zeros(len(walk.lots))])
        gain, after = walk.weigh(answers)
        if _take_best(walk, answers, np.where(after < start - TOLERANCE, gain + p.aversion * after, np.inf)):
            return True
        walk.take([name], [before])
    return False


def _improve(walk: _Walk) -> bool:
    """The one-name moves that lower the objective most within the limits, together; False when none does."""
    p = walk.problem
    up, down = neighbours(p, walk.lots)
    newton = walk.lots - walk.gradient / (2 * p.aversion * walk.diagonal * p.step)
    to = np.stack([down, up, np.zeros_like(up), permitted(p, newton)])
    gain, penalty = walk.weigh(to)
    score = np.where((penalty <= TOLERANCE) & (gain < -WORTH), gain, np.inf)
    return _take_several(walk, to, score) or _take_best(walk, to, score)


def _take_several(walk: _Walk, to: Array, score: Array) -> bool:
    """The best moves of different names that are worth it after those before them; False when a limit stops them."""
    p, least = walk.problem, score.min(axis=0)
    names = np.argsort(least, kind="stable")[: min(TOGETHER, int(np.isfinite(least).sum()))]
    if len(names) < 2:
        return False
    wanted = to[score[:, names].argmin(axis=0), names]
    move = (wanted - walk.lots[names]) * p.step[names]
    cross = 2 * p.aversion * p.covariance[np.ix_(names, names)] * np.outer(move, move)
    chosen: list[int] = []
    for i, gain in enumerate(least[names].tolist()):
        if gain + float(cross[i, chosen].sum()) < KEPT * gain:
            chosen.append(i)
    before, together = walk.lots[names[chosen]].tolist(), names[chosen].tolist()
    walk.take(together, wanted[chosen].tolist())
    if walk.penalty > TOLERANCE:
        walk.take(together, before)
        return False
    return True


def _take_best(walk: _Walk, to: Array, score: Array) -> bool:
    best = int(np.argmin(score))
    if not np.isfinite(score.flat[best]):
        return False
    name = best % score.shape[1]
    walk.take([name], [float(to.flat[best])])
    return True


def _exchange(walk: _Walk) -> bool:
    """The pair of one-lot moves, one up and one down, that lowers the objective most; False when none does.

    Only the PAIRS most promising names of each direction are paired.
    """
    p = walk.problem
    to = np.stack(neighbours(p, walk.lots))
    gain, _ = walk.weigh(to)
    gain = np.where(np.abs(to - walk.lots) > 0, gain, np.inf)
    ups, downs = (np.argsort(row, kind="stable")[:PAIRS] for row in gain)
    steps = (to - walk.lots) * p.step
    cross = 2 * p.aversion * p.covariance[np.ix_(ups, downs)] * np.outer(steps[0, ups], steps[1, downs])
    total = gain[0, ups][:, None] + gain[1, downs] + cross
    total[ups[:, None] == downs] = np.inf
    worth = np.flatnonzero(total < -WORTH)
    for flat in worth[np.argsort(total.flat[worth], kind="stable")[:PAIRS]]:
        i, j = int(ups[flat // len(downs)]), int(downs[flat % len(downs)])
        before = walk.lots[[i, j]].tolist()
        walk.take([i, j], [float(to[0, i]), float(to[1, j])])
        if walk.penalty <= TOLERANCE:
            return True
        walk.take([i, j], before)
    return False
