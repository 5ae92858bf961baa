"""What no list goes below at given prices of cash, turnover and the other limits, and the trades that this leaves."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from optimizer.numerics.polyhedra import Polyhedron
from optimizer.trading.lot_relaxation import TOLERANCE, RoundingProblem
from optimizer.trading.nearest.choices import Choices
from optimizer.typing import Array

NONE = 1e-9  # what solvers leave of a reduced cost that is none
LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class Prices:
    """A Lagrangian of the list nearest in money: each name by itself, what the limits share at a price.

    space  the limits on holdings, whose first n columns these are;  rows  (m,) prices of its rows, > 0 of a lower side
    cash, turnover  prices >= 0 of a unit of each
    """

    problem: RoundingProblem
    choices: Choices
    space: Polyhedron
    rows: Array
    cash: float
    turnover: float

    def value(self, lots: Array) -> Array:
        """(n,) what a list (n,) costs name by name."""
        p = self.problem
        trades = lots * p.step
        after = p.held + trades
        costs = p.charged(self.cash) * p.curve.costs(trades)
        return np.asarray(
            np.abs(after - p.wanted)
            + costs
            + self.cash * trades
            + self.turnover * np.abs(trades)
            + self._pull * after
        )

    @cached_property
    def _priced(self) -> Array:
        """(m,) the prices, none where a side has no bound."""
        free = np.where(self.rows > 0, np.isinf(self.space.low), np.isinf(self.space.high))
        return np.where(free, 0.0, self.rows)

    @cached_property
    def _pull(self) -> Array:
        return np.asarray(-(self._priced @ self.space.rows)[: len(self.problem.held)])

    @cached_property
    def bound(self) -> float:
        """What no list within the limits goes below; -inf where the prices prove nothing."""
        p, space, rows = self.problem, self.space, self._priced
        n = len(p.held)
        sides = np.where(rows > 0, space.low, space.high)
        shared = float(rows[rows != 0] @ sides[rows != 0])
        more = -(rows @ space.rows)[n:]
        more = np.where(np.abs(more) > NONE, more, 0.0)
        ends = np.where(more > 0, space.floor[n:], space.ceiling[n:])
        shared += float(more[more != 0] @ ends[more != 0])
        shared -= self.cash * (p.cash - p.cash_min + TOLERANCE) if self.cash else 0.0
        shared -= self.turnover * (p.max_traded + TOLERANCE) if self.turnover else 0.0
        return shared + float(self._best.sum())

    @cached_property
    def _least(self) -> tuple[Array, Array]:
        """(n,) the lots bought, and those sold, that cost least."""
        return _bottom(self.value, *self.choices.bought), _bottom(
            lambda k: self.value(-k), *self.choices.sold
        )

    @cached_property
    def _worth(self) -> tuple[Array, Array, Array, Array]:
        """(n,) what the cheapest purchase, sale, nothing, and closing cost; infinite where not to be had."""
        it, (bought, sold) = self.choices, self._least
        return (
            np.where(it.bought[1] > 0, self.value(bought), np.inf),
            np.where(it.sold[1] > 0, self.value(-sold), np.inf),
            np.where(it.idle, self.value(np.zeros_like(sold)), np.inf),
            np.where(it.closed, self.value(self.problem.close), np.inf),
        )

    @cached_property
    def _best(self) -> Array:
        return np.asarray(np.min(self._worth, axis=0))

    def within(self, room: float) -> Choices:
        """The trades of lists that may cost up to `room` more than the bound; all others cost more."""
        most = self._best + room + LEAST
        # What may not be had is worth infinity, which is within a room without end.
        buying, selling, idle, closing = (np.isfinite(worth) & (worth <= most) for worth in self._worth)
        bought, sold = self._least
        sides = [
            np.where(some, _level(value, least, side[0], side[1], most), 0.0)
            for some, value, least, side in (
                (buying, self.value, bought, self.choices.bought),
                (selling, lambda k: self.value(-k), sold, self.choices.sold),
            )
        ]
        return replace(self.choices, bought=sides[0], sold=sides[1], idle=idle, closed=closing)


def _bottom(value: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """(n,) the whole numbers from low to high with the least of a convex value."""
    low, high = low.copy(), high.copy()
    while (low < high).any():
        middle = np.floor(0.5 * (low + high))
        rising = value(middle + 1) >= value(middle)
        low, high = np.where(rising | (low >= high), low, middle + 1), np.where(rising, middle, high)
    return low


def _level(value: Callable[[Array], Array], least: Array, low: Array, high: Array, most: Array) -> Array:
    """(2, n) the first and the last whole number from low to high whose convex value is at most `most`."""
    first, last = low.copy(), least.copy()
    while (first < last).any():
        middle = np.floor(0.5 * (first + last))
        inside = value(middle) <= most
        first, last = np.where(inside, first, np.minimum(middle + 1, last)), np.where(inside, middle, last)
    low = first
    first, last = least.copy(), high.copy()
    while (first < last).any():
        middle = np.ceil(0.5 * (first + last))
        inside = value(middle) <= most
        first, last = np.where(inside, middle, first), np.where(inside, last, np.maximum(middle - 1, first))
    return np.stack([low, first])
