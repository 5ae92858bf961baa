"""Sums over the last month, quarter and year of what descriptors are made of, moved on session by session."""

from dataclasses import dataclass

import numpy as np

from optimizer.factors.panel import MONTH, QUARTER, YEAR, Codes, FactorPanel, Mask
from optimizer.typing import Array

BETA_HALF_LIFE = 63  # sessions (USE4: HBETA)
SPANS = (MONTH, QUARTER, YEAR)
DECAY = 0.5 ** (1.0 / BETA_HALF_LIFE)
DECAYED = 6  # the first rows of what a session adds, the last of which is also the first that spans count
LEAST_LOG = 1e-12  # a return of -100% has no logarithm; this is what it counts as


@dataclass(frozen=True, eq=False)
class Windows:
    """What the sessions up to a close add up to, name by name.

    seen     sessions so far
    decayed  (6, n) over a YEAR, half-life 63 sessions: m, m^2 where there is a return, r, m r, r^2, count
    boxes    (3, 4, n) over MONTH, QUARTER, YEAR: count of returns, log returns, turnover, count of turnovers
    """

    seen: int
    decayed: Array
    boxes: Array

    @classmethod
    def empty(cls, names: int) -> "Windows":
        """Before the first session."""
        return cls(0, np.zeros((DECAYED, names)), np.zeros((len(SPANS), 4, names)))

    def moved(self, panel: FactorPanel, day: int) -> "Windows":
        """After one more session, which enters while those that are too old leave."""
        entering = added(panel, day)
        decayed = self.decayed * DECAY + entering[:DECAYED]
        boxes = self.boxes + entering[DECAYED - 1 :]
        for i, span in enumerate(SPANS):
            if self.seen >= span:
                leaving = added(panel, day - span)
                boxes[i] -= leaving[DECAYED - 1 :]
                if span == YEAR:
                    decayed -= DECAY**YEAR * leaving[:DECAYED]
        return Windows(self.seen + 1, decayed, boxes)

    def over(self, place: Codes) -> "Windows":
        """The sums of other names: of each the place that it has here, -1 for one of which nothing was seen."""
        return Windows(self.seen, spread(self.decayed, place), spread(self.boxes, place))


def spread(values: Array | Mask, place: Codes, nothing: float = 0.0) -> Array:
    """(..., m) the last axis of (..., n) in another order: `nothing` where the place is -1.

    >>> spread(np.array([1.0, 2.0]), np.array([1, -1, 0])).tolist()
    [2.0, 0.0, 1.0]
    """
    return np.where(place >= 0, values[..., place], nothing)


def added(panel: FactorPanel, day: int) -> Array:
    """(9, n) what a session adds: m, m^2, r, m r, r^2, count, log return, turnover, count of turnovers.

    m is the market's return, by the weights of the close before (of the same close on the first session).
    """
    present = panel.present[day]
    returns = np.where(present, panel.returns[day], 0.0)
    weights = panel.weights[max(day - 1, 0)] * present
    if panel.estimation is not None:
        weights = weights * panel.estimation[max(day - 1, 0)]
    total = float(weights.sum())
    market = float(weights @ returns) / total if total > 0 else 0.0
    rows = np.zeros((9, len(returns)))
    rows[5] = present
    rows[0], rows[1] = market * rows[5], market**2 * rows[5]
    rows[2], rows[3], rows[4] = returns, market * returns, returns**2
    rows[6] = np.log1p(np.maximum(returns, LEAST_LOG - 1.0))
    if panel.traded is not None:
        size = 1.0 if panel.caps is None else np.where(panel.caps[day] > 0, panel.caps[day], np.nan)
        turnover = panel.traded[day] / size
        rows[8] = turnover > 0
        rows[7] = np.where(turnover > 0, turnover, 0.0)
    return rows
