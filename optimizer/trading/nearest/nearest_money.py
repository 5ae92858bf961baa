"""Target weights to whole lots by money: the least sum of |money wanted - money held|, plus what the trades cost.

A mixed-integer program, solved and bounded by HiGHS. What is curved, ellipsoidal limits and the costs of the power 3/2,
is held from outside by tangents where the last list broke it (Kelley 1960), so that every bound is true of all lists.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.convex_limits import (
    INF,
    Absolute,
    Largest,
    Limits,
    Linear,
    Polyhedron,
    outer,
    polyhedron,
)
from optimizer.numerics.lp import solve_mixed
from optimizer.trading.lot_descent import Walk
from optimizer.trading.lot_relaxation import TOLERANCE, RoundingProblem
from optimizer.trading.rounding import Rounded, round_trades
from optimizer.typing import Array

CUTS = 40
UNSEEN = 1e-9  # of NAV: what a tangent may leave of a cost, or of an ellipsoidal limit
FARTHEST = 1.5  # NAV: the largest trade of a name that nothing else bounds is this beyond its target


def nearest_money(problem: RoundingProblem, gap: float) -> Rounded:
    """The permitted list of least distance in money plus costs, proven to within a gap of NAV where it can be.

    Where no list keeps all limits, the list nearest in risk says how far they are broken, and none breaks them further.
    """
    try:
        return _search(problem, gap)
    except NoAnswerError:
        near = round_trades(problem, gap)
    x = problem.held + near.lots * problem.step
    wide = replace(
        problem,
        lower=np.minimum(problem.lower, x),
        upper=np.maximum(problem.upper, x),
        bounds=np.maximum(problem.bounds, problem.rows @ x + TOLERANCE),
        absolute=tuple(replace(a, bound=max(a.bound, a.value(x) + TOLERANCE)) for a in problem.absolute),
        norms=tuple(replace(a, bound=max(a.bound, a.value(x) + TOLERANCE)) for a in problem.norms),
    )
    try:
        found = _search(wide, gap)
    except NoAnswerError:  # cash or turnover is broken too, which the list is refused for
        return replace(near, objective=distance(problem, near.lots), bound=0.0)
    return replace(found, penalty=Walk(problem, found.lots).penalty)


def distance(problem: RoundingProblem, lots: Array) -> float:
    """Sum of |holding - target| plus costs of a list (n,) in lots, fraction of NAV."""
    trades = lots * problem.step
    away = np.abs(problem.held + trades - problem.wanted)
    return float(away.sum() + problem.curve.costs(trades).sum())


def _search(problem: RoundingProblem, gap: float) -> Rounded:
    """The best list; raises NoAnswerError where no list keeps the limits."""
    n = len(problem.held)
    program = Program(problem)
    space, bound, found = program.space, 0.0, None
    for _ in range(CUTS):
        mixed = solve_mixed(program.cost, space, program.whole, gap)
        bound = max(bound, mixed.bound)
        if mixed.x is None:
            break
        lots = program.lots(mixed.x)
        if _kept(problem, lots) and (found is None or distance(problem, lots) < distance(problem, found)):
            found = lots
        if found is not None and distance(problem, found) - bound <= gap:
            break
        holdings = problem.held + lots * problem.step
        broken = tuple(norm for norm in problem.norms if norm.violation(holdings) > UNSEEN)
        curved = program.curved(lots * problem.step, mixed.x)
        if not broken and curved is None:
            break
        space = outer(space, broken, mixed.x[:n])
        space = space if curved is None else _joined(space, curved)
    if found is None:
        raise NoAnswerError("HiGHS", "no list within the nodes", infeasible=False)
    return Rounded(found, distance(problem, found), min(bound, distance(problem, found)), 0.0)


def _kept(problem: RoundingProblem, lots: Array) -> bool:
    """Whether a list keeps all limits as far as HiGHS tells; exact money is counted where the list is written."""
    near = replace(problem, cash=problem.cash + UNSEEN, max_traded=problem.max_traded + UNSEEN)
    return Walk(near, lots).penalty <= UNSEEN


def _joined(space: Polyhedron, rows: Array) -> Polyhedron:
    """With rows (k, p) that are at most their last column's number, which is the bound."""
    k = len(rows)
    return replace(
        space,
        rows=np.vstack([space.rows, rows[:, :-1]]),
        low=np.append(space.low, np.full(k, -INF)),
        high=np.append(space.high, rows[:, -1]),
        scale=np.append(space.scale, np.ones(k)),
    )


@dataclass(frozen=True, eq=False)
class Program:
    """The mixed-integer program of a rounding problem.

    Its columns: those of the limits on holdings (the n holdings first), then for each name nine: bought and sold, the
    lots of both, whether the whole holding is closed, whether it is bought, whether sold, the distance to the target,
    and the cost of the power 3/2.
    """

    problem: RoundingProblem

    @cached_property
    def limits(self) -> Polyhedron:
        """The limits on the holdings but cash and turnover."""
        p = self.problem
        n = len(p.held)
        names = tuple(map(str, range(n)))
        rows = tuple(Linear(("-", "-"), row, high=bound) for row, bound in zip(p.rows, p.bounds, strict=True))
        return polyhedron(
            Limits(
                names,
                p.lower,
                p.upper,
                names,
                names,
                rows,
                tuple(limit for limit in p.absolute if isinstance(limit, Absolute)),
                largest=tuple(limit for limit in p.absolute if isinstance(limit, Largest)),
            )
        )

    def _own(self, kind: int) -> NDArray[np.intp]:
        """(n,) the columns of one kind."""
        return len(self.limits.floor) + kind * len(self.problem.held) + np.arange(len(self.problem.held))

    @cached_property
    def _reach(self) -> Array:
        """(n,) the most that a name's holding changes."""
        p = self.problem
        ends = np.maximum(
            np.abs(np.clip(p.lower, -FARTHEST, FARTHEST)), np.abs(np.clip(p.upper, -FARTHEST, FARTHEST))
        )
        far = np.maximum(ends, np.abs(p.wanted) + FARTHEST * (p.upper > FARTHEST)) + np.abs(p.held) + p.step
        return np.asarray(np.minimum(far, max(p.max_traded, 0.0)) + TOLERANCE)

    @property
    def _closable(self) -> NDArray[np.bool_]:
        """(n,) whether the whole holding is a trade of its own: no whole number of lots, and large enough."""
        p = self.problem
        odd = np.abs(p.close - np.rint(p.close)) > 1e-9
        return np.asarray(odd & (np.abs(p.close) >= p.min_lots - 1e-9))

    @property
    def whole(self) -> NDArray[np.bool_]:
        """(p,) which columns are whole numbers."""
        found = np.zeros(len(self.space.floor), dtype=bool)
        for kind in (2, 3, 4, 5, 6):
            found[self._own(kind)] = True
        return found

    @property
    def cost(self) -> Array:
        """(p,) distance plus costs per unit of each column."""
        curve, found = self.problem.curve, np.zeros(len(self.space.floor))
        for kind, price in (
            (0, curve.buy),
            (1, curve.sell),
            (5, curve.fixed),
            (6, curve.fixed),
            (7, 1.0),
            (8, 1.0),
        ):
            found[self._own(kind)] = price
        return found

    def lots(self, x: Array) -> Array:
        """(n,) the list that columns (p,) stand for."""
        bought, sold, closed = (np.rint(x[self._own(kind)]) for kind in (2, 3, 4))
        return np.asarray(np.where(closed > 0, self.problem.close, bought - sold))

    def curved(self, trades: Array, x: Array) -> Array | None:
        """Tangents (k, p + 1), their bounds last, to the costs of the power 3/2 of trades (n,) that x counts short."""
        root, size = self.problem.curve.root, np.abs(trades)
        short = np.flatnonzero(root * size**1.5 - x[self._own(8)] > UNSEEN)
        if not len(short):
            return None
        rows = np.zeros((len(short), len(x) + 1))
        slope, place = 1.5 * root * np.sqrt(size), np.arange(len(short))
        for kind in (0, 1):
            rows[place, self._own(kind)[short]] = slope[short]
        rows[place, self._own(8)[short]] = -1.0
        rows[:, -1] = (slope * size - root * size**1.5)[short]
        return rows

    @cached_property
    def space(self) -> Polyhedron:
        """All rows and bounds."""
        base, p = self.limits, self.problem
        n, width = len(p.held), len(base.floor)
        floor, ceiling = np.append(base.floor, np.zeros(9 * n)), np.append(base.ceiling, np.full(9 * n, INF))
        most = np.floor(self._reach / p.step + 1e-9)
        shorts = p.lower < 0
        ceiling[self._own(2)] = most
        ceiling[self._own(3)] = np.where(shorts, most, np.floor(np.maximum(-p.close, 0.0) + 1e-9))
        ceiling[self._own(4)] = self._closable
        ceiling[self._own(5)] = ceiling[self._own(6)] = 1.0
        blocks = self._links()
        rows = np.zeros((len(base.rows) + sum(len(block[0]) for block in blocks), width + 9 * n))
        rows[: len(base.rows), :width] = base.rows
        rows[len(base.rows) :] = np.vstack([block[0] for block in blocks])
        low = np.concatenate([base.low, *(block[1] for block in blocks)])
        high = np.concatenate([base.high, *(block[2] for block in blocks)])
        return Polyhedron(rows, low, high, floor, ceiling, np.ones(len(rows)))

    def _links(self) -> list[tuple[Array, Array, Array]]:
        """Rows, their least and their most: what ties the columns of each name, cash and turnover."""
        p = self.problem
        n, long = len(p.held), np.maximum(p.held, 0.0)
        short, none = np.maximum(-p.held, 0.0), np.full(len(p.held), -INF)
        zero, least = np.zeros(n), p.min_lots * p.step
        reach = self._reach
        found = [
            # holding = held + bought - sold; bought and sold in lots, or the whole holding
            (self._rows({-1: 1.0, 0: -1.0, 1: 1.0}), p.held, p.held),
            (self._rows({0: 1.0, 2: -p.step, 4: -short}), zero, zero),
            (self._rows({1: 1.0, 3: -p.step, 4: -long}), zero, zero),
            # who buys does not sell, what is closed is not traded besides, and nothing is traded by less than the least
            (self._rows({5: 1.0, 6: 1.0}), none, zero + 1.0),
            (self._rows({0: 1.0, 5: -reach}), none, zero),
            (self._rows({1: 1.0, 6: -reach}), none, zero),
            (self._rows({2: p.step, 3: p.step, 4: reach}), none, reach),
            (self._rows({0: 1.0, 5: -least, 4: least}), zero, zero + INF),
            (self._rows({1: 1.0, 6: -least, 4: least}), zero, zero + INF),
            # the distance to the target, from both sides
            (self._rows({-1: -1.0, 7: 1.0}), -p.wanted, zero + INF),
            (self._rows({-1: 1.0, 7: 1.0}), p.wanted, zero + INF),
        ]
        spent: dict[int, float | Array] = {
            0: 1.0 + p.curve.buy,
            1: -1.0 + p.curve.sell,
            5: p.curve.fixed,
            6: p.curve.fixed,
            8: 1.0,
        }
        traded: dict[int, float | Array] = {0: 1.0, 1: 1.0}
        for prices, most in ((spent, p.cash - p.cash_min), (traded, p.max_traded)):
            if most < INF:
                total = self._rows(prices).sum(axis=0, keepdims=True)
                found.append((total, np.array([-INF]), np.array([most + TOLERANCE])))
        return found

    def _rows(self, terms: "dict[int, float | Array]") -> Array:
        """(n, p) a row a name: kind of column (-1: the holding) -> what it counts."""
        n = len(self.problem.held)
        found = np.zeros((n, len(self.limits.floor) + 9 * n))
        for kind, factor in terms.items():
            found[np.arange(n), np.arange(n) if kind < 0 else self._own(kind)] = factor
        return found
