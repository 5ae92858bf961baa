"""The list nearest in money as a mixed-integer program of the names that are not decided."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optimizer.numerics.convex_limits import INF, Absolute, Largest, Limits, Linear
from optimizer.numerics.polyhedra import Polyhedron, outer, polyhedron
from optimizer.trading.lot_relaxation import TOLERANCE, RoundingProblem
from optimizer.trading.nearest.choices import Choices
from optimizer.typing import Array

UNSEEN = 1e-9  # of NAV: what a tangent may leave of a cost, or of an ellipsoidal limit
KINDS = 7
BOUGHT, SOLD, CLOSED, BUYS, SELLS, AWAY, ROOTED = range(KINDS)


@dataclass(frozen=True, eq=False)
class Outside:
    """What holds from outside: limits on holdings with tangents, and tangents (k, 3) to costs of the power 3/2.

    space  its first n columns are the holdings;  roots  name, slope and depth: cost >= slope x |trade| - depth
    """

    space: Polyhedron
    roots: Array

    @classmethod
    def of(cls, p: RoundingProblem) -> "Outside":
        """The limits but cash, turnover and bounds."""
        names = tuple(map(str, range(len(p.held))))
        rows = tuple(Linear(("-", "-"), row, high=bound) for row, bound in zip(p.rows, p.bounds, strict=True))
        space = polyhedron(
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
        return cls(space, np.zeros((0, 3)))

    def cut(self, p: RoundingProblem, trades: Array, rooted: Array) -> "Outside | None":
        """With tangents where trades (n,) break an ellipsoidal limit or cost more than `rooted` (n,); None: nowhere."""
        after = p.held + trades
        broken = tuple(norm for norm in p.norms if norm.violation(after) > UNSEEN)
        size = np.abs(trades)
        short = np.flatnonzero(p.curve.root * size**1.5 - rooted > UNSEEN)
        if not broken and not len(short):
            return None
        slope = 1.5 * p.curve.root[short] * np.sqrt(size[short])
        depth = slope * size[short] - p.curve.root[short] * size[short] ** 1.5
        roots = np.column_stack([short, slope, depth])
        return Outside(outer(self.space, broken, after), np.vstack([self.roots, roots]))


@dataclass(frozen=True, eq=False)
class Program:
    """Its columns: those of the limits on holdings (the n holdings first), then seven for each name with a choice.

    These are lots bought and sold, whether the whole holding is closed, whether any is bought, whether any is sold, the
    distance to the target, and the cost of the power 3/2. The first rows are those of the limits, then cash, then
    turnover.
    """

    problem: RoundingProblem
    outside: Outside
    choices: Choices

    @cached_property
    def names(self) -> NDArray[np.intp]:
        """(k,) the names with more than one choice."""
        return np.flatnonzero(self.choices.open)

    def own(self, kind: int) -> NDArray[np.intp]:
        """(k,) the columns of one kind."""
        k = len(self.names)
        return len(self.outside.space.floor) + kind * k + np.arange(k)

    @cached_property
    def _width(self) -> int:
        return len(self.outside.space.floor) + KINDS * len(self.names)

    @cached_property
    def _decided(self) -> Array:
        """(n,) the trades of the names with one choice, 0 for others."""
        trades = self.choices.first(self.problem) * self.problem.step
        trades[self.names] = 0.0
        return trades

    @cached_property
    def constant(self) -> float:
        """What the names with one choice cost."""
        p, trades = self.problem, self._decided
        away = np.abs(p.held + trades - p.wanted)
        away[self.names] = 0.0
        return float(away.sum() + p.curve.costs(trades).sum())

    @cached_property
    def whole(self) -> NDArray[np.bool_]:
        """(p,) which columns are whole numbers."""
        found = np.zeros(self._width, dtype=bool)
        found[len(self.outside.space.floor) : self.own(AWAY)[0] if len(self.names) else None] = True
        return found

    def _costs(self) -> "dict[int, float | Array]":
        """Kind of column -> what a unit costs, (k,)."""
        p, names = self.problem, self.names
        step, fixed = p.step[names], p.curve.fixed[names]
        buy, sell, held = p.curve.buy[names], p.curve.sell[names], p.held[names]
        closing = np.where(held > 0, held * sell, -held * buy) + fixed
        one = np.ones(len(names))
        return {
            BOUGHT: step * buy,
            SOLD: step * sell,
            CLOSED: closing,
            BUYS: fixed,
            SELLS: fixed,
            ROOTED: one,
        }

    @cached_property
    def cost(self) -> Array:
        """(p,) distance plus costs per unit of each column."""
        found = np.zeros(self._width)
        for kind, price in self._costs().items():
            found[self.own(kind)] = price
        found[self.own(AWAY)] = 1.0
        return found

    def lots(self, x: Array) -> Array:
        """(n,) the list that columns (p,) stand for."""
        found = self.choices.first(self.problem)
        bought, sold, closed = (np.rint(x[self.own(kind)]) for kind in (BOUGHT, SOLD, CLOSED))
        found[self.names] = np.where(closed > 0, self.problem.close[self.names], bought - sold)
        return found

    def trades(self, x: Array) -> Array:
        """(n,) what columns (p,) trade, whole or not, fractions of NAV."""
        return np.asarray(x[: len(self.problem.held)] - self.problem.held)

    def rooted(self, x: Array) -> Array:
        """(n,) the costs of the power 3/2 that columns (p,) count."""
        found = self.problem.curve.root * np.abs(self._decided) ** 1.5
        found[self.names] = x[self.own(ROOTED)]
        return found

    @cached_property
    def space(self) -> Polyhedron:
        """All rows and bounds."""
        base, p, it, names = self.outside.space, self.problem, self.choices, self.names
        n, width = len(p.held), len(base.floor)
        floor, ceiling = np.zeros(self._width), np.full(self._width, INF)
        floor[n:width], ceiling[n:width] = base.floor[n:], base.ceiling[n:]
        floor[:n] = ceiling[:n] = p.held + self._decided
        floor[names], ceiling[names] = -INF, INF
        ceiling[self.own(BOUGHT)], ceiling[self.own(SOLD)] = it.bought[1, names], it.sold[1, names]
        ceiling[self.own(CLOSED)] = it.closed[names]
        ceiling[self.own(BUYS)], ceiling[self.own(SELLS)] = it.bought[1, names] > 0, it.sold[1, names] > 0
        blocks = [*self._shared(), *self._links()]
        rows = np.zeros((len(base.rows) + sum(len(block[0]) for block in blocks), self._width))
        rows[: len(base.rows), :width] = base.rows
        rows[len(base.rows) :] = np.vstack([block[0] for block in blocks])
        low = np.concatenate([base.low, *(block[1] for block in blocks)])
        high = np.concatenate([base.high, *(block[2] for block in blocks)])
        return Polyhedron(rows, low, high, floor, ceiling, np.ones(len(rows)))

    def _shared(self) -> list[tuple[Array, Array, Array]]:
        """Rows, their least and their most: cash and turnover."""
        p, names, decided = self.problem, self.names, self._decided
        step, held, none = p.step[names], p.held[names], np.array([-INF])
        spent = {kind: p.cost_in_cash * price for kind, price in self._costs().items()}
        spent = spent | {BOUGHT: spent[BOUGHT] + step, SOLD: spent[SOLD] - step, CLOSED: spent[CLOSED] - held}
        traded: dict[int, float | Array] = {BOUGHT: step, SOLD: step, CLOSED: np.abs(held)}
        gone = float((decided + p.cost_in_cash * p.curve.costs(decided)).sum())
        turned = float(np.abs(decided).sum())
        return [
            (self._rows(prices).sum(axis=0, keepdims=True), none, np.array([most + TOLERANCE]))
            for prices, most in ((spent, p.cash - p.cash_min - gone), (traded, p.max_traded - turned))
        ]

    def _links(self) -> list[tuple[Array, Array, Array]]:
        """Rows, their least and their most: what ties the columns of each name."""
        p, names, it = self.problem, self.names, self.choices
        step, held, wanted = p.step[names], p.held[names], p.wanted[names]
        zero, none, more = np.zeros(len(names)), np.full(len(names), -INF), np.full(len(names), INF)
        (least_bought, most_bought), (least_sold, most_sold) = it.bought[:, names], it.sold[:, names]
        one = np.where(it.idle[names], 0.0, 1.0)
        below = held + np.floor((wanted - held) / step) * step
        short, over = wanted - below, below + step - wanted
        slope = (over - short) / step
        line = short - slope * below
        found = [
            (self._rows({-1: 1.0, BOUGHT: -step, SOLD: step, CLOSED: held}), held, held),
            # one of: buying, selling, closing, and nothing where that may be
            (self._rows({BUYS: 1.0, SELLS: 1.0, CLOSED: 1.0}), one, zero + 1.0),
            (self._rows({BOUGHT: 1.0, BUYS: -most_bought}), none, zero),
            (self._rows({SOLD: 1.0, SELLS: -most_sold}), none, zero),
            (self._rows({BOUGHT: 1.0, BUYS: -least_bought}), zero, more),
            (self._rows({SOLD: 1.0, SELLS: -least_sold}), zero, more),
            # the distance to the target, from both sides, and between the two numbers of lots around it
            (self._rows({-1: 1.0, AWAY: 1.0}), wanted, more),
            (self._rows({-1: -1.0, AWAY: 1.0}), -wanted, more),
            (self._rows({-1: -slope, AWAY: 1.0, CLOSED: np.maximum(line - np.abs(wanted), 0.0)}), line, more),
        ]
        return [*found, *self._roots()]

    def _roots(self) -> list[tuple[Array, Array, Array]]:
        place = np.full(len(self.problem.held), -1)
        place[self.names] = np.arange(len(self.names))
        cuts = self.outside.roots[place[self.outside.roots[:, 0].astype(int)] >= 0]
        at = place[cuts[:, 0].astype(int)]
        names, slope, which = self.names[at], cuts[:, 1], np.arange(len(at))
        rows = np.zeros((len(at), self._width))
        step, held = self.problem.step[names], np.abs(self.problem.held[names])
        for kind, factor in (
            (BOUGHT, slope * step),
            (SOLD, slope * step),
            (CLOSED, slope * held),
            (ROOTED, -1.0),
        ):
            rows[which, self.own(kind)[at]] = factor
        return [(rows, np.full(len(at), -INF), cuts[:, 2])]

    def _rows(self, terms: "dict[int, float | Array]") -> Array:
        """(k, p) a row a name: kind of column (-1: the holding) -> what it counts."""
        k = len(self.names)
        found = np.zeros((k, self._width))
        for kind, factor in terms.items():
            found[np.arange(k), self.names if kind < 0 else self.own(kind)] = factor
        return found
