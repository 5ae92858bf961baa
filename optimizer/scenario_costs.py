"""Risks of a series of equally likely daily returns: a convex cost, a line below it, and its cvxpy form.

Each class holds one cost f of the portfolio's returns r (T,), given by four functions:

value    f(r)
slope    (T,) a subgradient at r
line     from any g (T,), say a solver's multipliers, the nearest slope for which f(s) >= offset + slope's is
         known to hold for every s; that f is the greatest of such lines makes the bound of the audit sharp
express  f for cvxpy, of returns divided by `unit`, up to a positive factor

Drawdowns are of uncompounded returns, d_t = max(0, d_t-1 - r_t), which keeps them convex
(Chekhlov, Uryasev & Zabarankin 2005).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from optimizer.measures import drawdowns, entropic_weights, worst_weights
from optimizer.performance import expected_shortfall
from optimizer.typing import Array

if TYPE_CHECKING:
    import cvxpy as cp

    Expressed = tuple[cp.Expression, list[cp.Constraint]]

Line = tuple[Array, float]


class Cost(Protocol):
    """A convex cost of daily returns (T,)."""

    @property
    def name(self) -> str:
        """What the cost is called in messages."""

    def value(self, r: Array) -> float:
        """The cost, a fraction per day unless said otherwise."""

    def slope(self, r: Array) -> Array:
        """(T,) a subgradient."""

    def line(self, r: Array, g: Array) -> Line:
        """A slope (T,) near g and an offset, never above the cost."""

    def express(self, r: cp.Variable, unit: float) -> Expressed:
        """The cost of r x unit for cvxpy, up to a positive factor, and what its variables obey."""


@dataclass(frozen=True)
class WorstRealization:
    """The loss on the worst day (Young 1998)."""

    name: str = "worst realization"

    def value(self, r: Array) -> float:
        """max -r."""
        return -float(r.min())

    def slope(self, r: Array) -> Array:
        """-1 on the worst day."""
        slope = np.zeros(len(r))
        slope[int(np.argmin(r))] = -1.0
        return slope

    def line(self, r: Array, g: Array) -> Line:
        """Minus an average over days."""
        return -_shares(-g), 0.0

    def express(self, r: cp.Variable, unit: float) -> Expressed:
        """max -r."""
        import cvxpy as cp

        return cp.max(-r), []


@dataclass(frozen=True)
class EntropicTail:
    """Entropic value at risk (Ahmadi-Javid 2012): the largest mean loss under weights whose entropy relative to
    equal ones is at most ln 1 / (1 - level); never below CVaR at the same level."""

    level: float

    @property
    def name(self) -> str:
        """EVaR with its level."""
        return f"EVaR {self.level:.4g}"

    def value(self, r: Array) -> float:
        """min over z of z ln(mean(exp(-r / z)) / (1 - level))."""
        return -float(entropic_weights(r, self.level) @ r)

    def slope(self, r: Array) -> Array:
        """Minus the weights that attain it."""
        return -entropic_weights(r, self.level)

    def line(self, r: Array, g: Array) -> Line:
        """Minus weights, mixed with equal ones until their entropy is small enough."""
        weights, allowed = _shares(-g), -np.log1p(-self.level)
        held = weights[weights > 0]
        entropy = float(held @ np.log(held * len(r)))
        mix = max(0.0, 1.0 - allowed / entropy) if entropy > 0 else 0.0
        return -((1.0 - mix) * weights + mix / len(r)), 0.0

    def express(self, r: cp.Variable, unit: float) -> Expressed:
        """t + z ln 1 / ((1 - level) T) with sum of z exp((-r - t) / z) <= z."""
        import cvxpy as cp

        days = r.shape[0]
        t, z, u = cp.Variable(), cp.Variable(nonneg=True), cp.Variable(days)
        cone = cp.constraints.ExpCone(-r - t, z * np.ones(days), u)
        return t - z * np.log((1.0 - self.level) * days), [cone, cp.sum(u) <= z]


@dataclass(frozen=True)
class MeanAbsoluteDeviation:
    """mean |r - mean r| (Konno & Yamazaki 1991)."""

    name: str = "mean absolute deviation"

    def value(self, r: Array) -> float:
        """mean |r - mean r|."""
        return float(np.abs(r - r.mean()).mean())

    def slope(self, r: Array) -> Array:
        """The signs, less their mean, / T."""
        signs = np.sign(r - r.mean()) / len(r)
        return np.asarray(signs - signs.mean())

    def line(self, r: Array, g: Array) -> Line:
        """Entries that add up to 0 and lie within 2 / T of each other."""
        centred = g - g.mean()
        return centred / max(1.0, 0.5 * len(g) * float(np.ptp(centred))), 0.0

    def express(self, r: cp.Variable, unit: float) -> Expressed:
        """mean |r - mean r|."""
        import cvxpy as cp

        mean = cp.Variable()
        return cp.sum(cp.abs(r - mean)) / r.shape[0], [r.shape[0] * mean == cp.sum(r)]


@dataclass(frozen=True)
class SemiDeviation:
    """sqrt(mean max(mean r - r, 0)^2): deviation below the portfolio's own mean (Markowitz 1959)."""

    name: str = "semi-deviation"

    def value(self, r: Array) -> float:
        """sqrt(mean max(mean r - r, 0)^2)."""
        return _root_mean_square(np.maximum(r.mean() - r, 0.0))

    def slope(self, r: Array) -> Array:
        """Minus the shortfalls, scaled, less their mean."""
        short = _unit_root(np.maximum(r.mean() - r, 0.0))
        return np.asarray(short.mean() - short)

    def line(self, r: Array, g: Array) -> Line:
        """mean p - p with p >= 0 of length 1 / sqrt(T) at most; the least such p has a 0."""
        short = float(g.max()) - g
        short = short / max(1.0, float(np.linalg.norm(short)) * np.sqrt(len(g)))
        return np.asarray(short.mean() - short), 0.0

    def express(self, r: cp.Variable, unit: float) -> Expressed:
        """|max(mean r - r, 0)| / sqrt(T)."""
        import cvxpy as cp

        mean = cp.Variable()
        return cp.norm(cp.pos(mean - r)) / np.sqrt(r.shape[0]), [r.shape[0] * mean == cp.sum(r)]


@dataclass(frozen=True)
class LowerPartialMoment:
    """Shortfall below a threshold (Fishburn 1977): its mean (order 1) or root mean square (order 2).

    threshold  return per day
    """

    threshold: float
    order: int

    @property
    def name(self) -> str:
        """With its order."""
        return f"lower partial moment {self.order}"

    def value(self, r: Array) -> float:
        """mean max(threshold - r, 0), or the root of the mean square."""
        short = np.maximum(self.threshold - r, 0.0)
        return float(short.mean()) if self.order == 1 else _root_mean_square(short)

    def slope(self, r: Array) -> Array:
        """Minus the days of shortfall, equally or by their size."""
        short = np.maximum(self.threshold - r, 0.0)
        return -np.sign(short) / len(r) if self.order == 1 else -_unit_root(short)

    def line(self, r: Array, g: Array) -> Line:
        """p'(threshold - r), each p in [0, 1 / T], or p >= 0 of length 1 / sqrt(T) at most."""
        p = np.maximum(-g, 0.0)
        size = max(1.0, float(np.linalg.norm(p)) * np.sqrt(len(g)))
        p = np.minimum(p, 1.0 / len(g)) if self.order == 1 else p / size
        return -p, self.threshold * float(p.sum())

    def express(self, r: cp.Variable, unit: float) -> Expressed:
        """The same."""
        import cvxpy as cp

        short, days = cp.pos(self.threshold / unit - r), r.shape[0]
        return (cp.sum(short) / days if self.order == 1 else cp.norm(short) / np.sqrt(days)), []


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
        return names.get(self.kind, f"CDaR {self.level:.4g}")

    def value(self, r: Array) -> float:
        """The norm of the drawdowns."""
        d = drawdowns(r)
        match self.kind:
            case "mean":
                return float(d.mean())
            case "max":
                return float(d.max())
            case "ulcer":
                return _root_mean_square(d)
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
                return _unit_root(d)
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


@dataclass(frozen=True)
class GrowthLoss:
    """-mean ln(1 + r): least where the value grows fastest (Kelly 1956)."""

    name: str = "growth per year"

    def value(self, r: Array) -> float:
        """-mean ln(1 + r), infinite where everything can be lost."""
        return -float(np.log1p(r).mean()) if r.min() > -1.0 else float("inf")

    def slope(self, r: Array) -> Array:
        """-1 / (T (1 + r))."""
        return -1.0 / (len(r) * (1.0 + r))

    def line(self, r: Array, g: Array) -> Line:
        """The tangent where the slope is g."""
        at = 1.0 / (len(g) * np.maximum(-g, 1e-9 / len(g))) - 1.0
        slope = self.slope(at)
        return slope, self.value(at) - float(slope @ at)

    def express(self, r: cp.Variable, unit: float) -> Expressed:
        """-mean ln(1 + unit r)."""
        import cvxpy as cp

        return -cp.sum(cp.log(1.0 + unit * r)) / (unit * r.shape[0]), []


def _shares(weights: Array) -> Array:
    """(T,) not negative, adding up to 1; equal where nothing is positive."""
    kept = np.maximum(weights, 0.0)
    total = float(kept.sum())
    return kept / total if total > 0 else np.full(len(kept), 1.0 / len(kept))


def _root_mean_square(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _unit_root(values: Array) -> Array:
    """(T,) the gradient of the root mean square; 0 at 0."""
    size = _root_mean_square(values)
    return values / (len(values) * size) if size > 0 else np.zeros(len(values))
