"""What may be traded of each name: lots bought or sold, nothing, or all that is held."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from optimizer.numerics.answers import NoAnswerError
from optimizer.trading.lot_relaxation import TOLERANCE, RoundingProblem
from optimizer.typing import Array

FARTHEST = 1.5  # NAV: the largest holding of a name that nothing else bounds is this beyond its target
WHOLE = 1e-9

Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Choices:
    """The lots of each name.

    bought, sold  (2, n) the least and the most, which is 0 where none may be
    idle, closed  (n,) whether it may stay as it is, and whether the whole of what no number of lots sells may be traded
    """

    bought: Array
    sold: Array
    idle: Flags
    closed: Flags

    @property
    def some(self) -> Flags:
        """(n,) whether there is any."""
        return np.asarray((self.bought[1] > 0) | (self.sold[1] > 0) | self.idle | self.closed)

    @property
    def open(self) -> Flags:
        """(n,) whether there is more than one."""
        lots = [np.where(most > 0, most - least + 1, 0.0) for least, most in (self.bought, self.sold)]
        return np.asarray(lots[0] + lots[1] + self.idle + self.closed > 1)

    def first(self, problem: RoundingProblem) -> Array:
        """(n,) one of them."""
        traded = np.where(self.bought[1] > 0, self.bought[0], -self.sold[0])
        return np.where(self.idle, 0.0, np.where(self.closed, problem.close, traded))


def choices_of(problem: RoundingProblem) -> Choices:
    """All that the bounds of the holdings and the turnover allow; NoAnswerError where a name has none.

    Where a name is held by a least or not at all, the second is a choice by itself beside the lots.
    """
    p = problem
    far = np.maximum(np.abs(p.wanted), np.abs(p.held)) + FARTHEST
    least = np.zeros_like(p.held) if p.least is None else p.least
    long, alone = p.wanted > 0, least > 0
    low = np.maximum(np.where(alone & long, np.maximum(p.lower, least), p.lower), -far) - p.held
    high = np.minimum(np.where(alone & ~long, np.minimum(p.upper, -least), p.upper), far) - p.held
    none = (p.lower <= TOLERANCE) & (p.upper >= -TOLERANCE)
    most = max(p.max_traded, 0.0) + TOLERANCE
    apart = (np.abs(p.close - np.rint(p.close)) > WHOLE) | (np.abs(p.close) < p.min_lots)
    found = Choices(
        _between(low, high, most, p),
        _between(-high, -low, most, p),
        (low <= TOLERANCE) & (high >= -TOLERANCE) | alone & none & (p.held == 0),
        p.closable & (apart | alone) & (np.abs(p.held) <= most) & none,
    )
    if not found.some.all():
        raise NoAnswerError("none", "a name has no trade within its bounds", infeasible=True)
    return found


def _between(low: Array, high: Array, most: float, p: RoundingProblem) -> Array:
    """(2, n) the least and the most lots of trades from low to high; 0 where there are none."""
    least = np.maximum(np.ceil(low / p.step - WHOLE), p.min_lots)
    largest = np.floor(np.minimum(high, most) / p.step + WHOLE)
    none = largest < least
    return np.stack([np.where(none, 0.0, least), np.where(none, 0.0, largest)])


def towards_target(problem: RoundingProblem, choices: Choices) -> Choices:
    """Those from what is held to one lot beyond the target, where a name has any of them."""
    away = (problem.wanted - problem.held) / problem.step
    sides = [
        np.stack([least, np.where(far > 0, np.minimum(most, np.maximum(np.ceil(far), least)), 0.0)])
        for (least, most), far in ((choices.bought, away), (choices.sold, -away))
    ]
    near = replace(choices, bought=sides[0], sold=sides[1])
    kept = near.some
    return replace(
        near,
        bought=np.where(kept, near.bought, choices.bought),
        sold=np.where(kept, near.sold, choices.sold),
    )
