"""Drawdowns of a series of daily returns as costs: they depend on the order of the days, so that these have no odds.

Drawdowns are of uncompounded returns, d_t = max(0, d_t-1 - r_t), which keeps them convex
(Chekhlov, Uryasev & Zabarankin 2005).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimizer.measures.performance import expected_shortfall
from optimizer.measures.portfolio_measures import drawdowns, worst_weights
from optimizer.problem.scenario_costs import Line, root_mean_square, unit_root
from optimizer.typing import Array

if TYPE_CHECKING:
    import cvxpy as cp

    from optimizer.problem.scenario_costs import Expressed


@dataclass(frozen=True)
class Drawdown:
    """A norm of the drawdowns d (T,), fractions of the value at the start.

    kind   "mean", "max", "ulcer" (root mean square, Martin & McCann 1989), or "tail": mean of the worst
           1 - level of them (CDaR)
    """

    kind: str
    level: float = 0.0

    @property
    def name(self) -> str:
        """As people call it."""
        names = {"mean": "average drawdown", "max": "maximum drawdown", "ulcer": "ulcer index"}
        return names.get(self.kind, f"CDaR at {100 * self.level:.4g}%")

    def value(self, r: Array) -> float:
        """The norm of the drawdowns."""
        d = drawdowns(r)
        match self.kind:
            case "mean":
                return float(d.mean())
            case "max":
                return float(d.max())
            case "ulcer":
                return root_mean_square(d)
            case _:
                return expected_shortfall(-d, self.level)

    def slope(self, r: Array) -> Array:
        """Minus, for each day, the weights of the drawdowns that its return is part of."""
        d = drawdowns(r)
        begins = np.maximum.accumulate(np.where(d == 0.0, np.arange(len(d)), -1))
        weights = self._weights(d)
        starts = np.zeros(len(d) + 1)
        np.add.at(starts, begins + 1, weights)
        # Drawdown t began after day `begins`; it counts for every day from there to t.
        reach = np.cumsum(weights[::-1])[::-1] - np.cumsum(starts[:0:-1])[::-1]
        return -np.asarray(np.maximum(reach, 0.0))

    def line(self, r: Array, g: Array) -> Line:
        """Minus b >= 0: day t's own drawdown needs the weight max(b_t - b_t+1, 0), and these may have the size 1."""
        b = np.maximum(-g, 0.0)
        return -b / max(1.0, self._size(np.maximum(b - np.append(b[1:], 0.0), 0.0))), 0.0

    def express(self, r: cp.Variable, unit: float) -> Expressed:
        """The norm of d with d_t >= d_t-1 - r_t, d >= 0."""
        import cvxpy as cp

        days = r.shape[0]
        d = cp.Variable(days, nonneg=True)
        rules = [d[0] >= -r[0], *([d[1:] >= d[:-1] - r[1:]] if days > 1 else [])]
        match self.kind:
            case "mean":
                return cp.sum(d) / days, rules
            case "max":
                return cp.max(d), rules
            case "ulcer":
                return cp.norm(d) / np.sqrt(days), rules
            case _:
                z = cp.Variable()
                return z + cp.sum(cp.pos(d - z)) / ((1.0 - self.level) * days), rules

    def _weights(self, d: Array) -> Array:
        """(T,) a subgradient of the norm at d."""
        match self.kind:
            case "mean":
                return np.full(len(d), 1.0 / len(d))
            case "max":
                return np.asarray(np.arange(len(d)) == int(np.argmax(d)), dtype=float)
            case "ulcer":
                return unit_root(d)
            case _:
                return worst_weights(d, self.level)

    def _size(self, weights: Array) -> float:
        """The least number by which weights >= 0 must be divided so that weights'd never exceeds the norm."""
        match self.kind:
            case "mean":
                return float(weights.max()) * len(weights)
            case "max":
                return float(weights.sum())
            case "ulcer":
                return float(np.linalg.norm(weights)) * float(np.sqrt(len(weights)))
            case _:
                most = (1.0 - self.level) * len(weights)
                return max(float(weights.max()) * most, float(weights.sum()))
