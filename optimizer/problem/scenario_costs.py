"""Risks of a series of daily returns: a convex cost, a line below it, and its cvxpy form.

Each class holds one cost f of the portfolio's returns r (T,), given by four functions:

value    f(r)
slope    (T,) a subgradient at r
line     from any g (T,), say a solver's multipliers, the nearest slope for which f(s) >= offset + slope's is
         known to hold for every s; that f is the greatest of such lines makes the bound of the audit sharp
express  f for cvxpy, of returns divided by `unit`, up to a positive factor

Means are over days of equal odds, or of the odds (T,) that a cost was given, positive and adding up to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from optimizer.measures.portfolio_measures import entropic_weights
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
    the odds is at most ln 1 / (1 - level); never below CVaR at the same level."""

    level: float
    odds: Array | None = None

    @property
    def name(self) -> str:
        """EVaR with its level."""
        return f"EVaR at {100 * self.level:.4g}%"

    def value(self, r: Array) -> float:
        """min over z of z ln(mean(exp(-r / z)) / (1 - level))."""
        return -float(entropic_weights(r, self.level, self.odds) @ r)

    def slope(self, r: Array) -> Array:
        """Minus the weights that attain it."""
        return -entropic_weights(r, self.level, self.odds)

    def line(self, r: Array, g: Array) -> Line:
        """Minus weights, mixed with equal ones until their entropy is small enough."""
        weights, allowed = _shares(-g), -np.log1p(-self.level)
        held = weights[weights > 0]
        entropy = float(held @ np.log(per_day(weights, self.odds)[weights > 0]))
        mix = max(0.0, 1.0 - allowed / entropy) if entropy > 0 else 0.0
        return -((1.0 - mix) * weights + mix * part(np.ones(len(r)), self.odds)), 0.0

    def express(self, r: cp.Variable, unit: float) -> Expressed:
        """t + z ln 1 / ((1 - level) T) with sum of z exp((-r - t) / z) <= z."""
        import cvxpy as cp

        days = r.shape[0]
        t, z, u = cp.Variable(), cp.Variable(nonneg=True), cp.Variable(days)
        if self.odds is not None:
            # The odds stand in the exponent: as factors of u they would spread its scale over many digits.
            cone = cp.constraints.ExpCone(-r - t + z * np.log(self.odds), z * np.ones(days), u)
            return t - z * np.log(1.0 - self.level), [cone, cp.sum(u) <= z]
        cone = cp.constraints.ExpCone(-r - t, z * np.ones(days), u)
        return t - z * np.log((1.0 - self.level) * days), [cone, cp.sum(u) <= z]


@dataclass(frozen=True)
class MeanAbsoluteDeviation:
    """mean |r - mean r| (Konno & Yamazaki 1991)."""

    odds: Array | None = None
    name: str = "mean absolute deviation"

    def value(self, r: Array) -> float:
        """mean |r - mean r|."""
        return mean(np.abs(r - mean(r, self.odds)), self.odds)

    def slope(self, r: Array) -> Array:
        """The signs x odds, less their sum x odds."""
        signs = part(np.sign(r - mean(r, self.odds)), self.odds)
        return signs - part(np.full(len(r), signs.sum()), self.odds)

    def line(self, r: Array, g: Array) -> Line:
        """Entries that add up to 0 and, divided by the odds, lie within 2 of each other."""
        centred = g - part(np.full(len(g), g.sum()), self.odds)
        return centred / max(1.0, 0.5 * float(np.ptp(per_day(centred, self.odds)))), 0.0

    def express(self, r: cp.Variable, unit: float) -> Expressed:
        """mean |r - mean r|."""
        import cvxpy as cp

        centre = cp.Variable()
        if self.odds is not None:
            return self.odds @ cp.abs(r - centre), [centre == self.odds @ r]
        return cp.sum(cp.abs(r - centre)) / r.shape[0], [r.shape[0] * centre == cp.sum(r)]


@dataclass(frozen=True)
class SemiDeviation:
    """sqrt(mean max(mean r - r, 0)^2): deviation below the portfolio's own mean (Markowitz 1959)."""

    odds: Array | None = None
    name: str = "semi-deviation"

    def value(self, r: Array) -> float:
        """sqrt(mean max(mean r - r, 0)^2)."""
        return root_mean_square(np.maximum(mean(r, self.odds) - r, 0.0), self.odds)

    def slope(self, r: Array) -> Array:
        """Minus the shortfalls, scaled, less their sum x odds."""
        short = unit_root(np.maximum(mean(r, self.odds) - r, 0.0), self.odds)
        return part(np.full(len(r), short.sum()), self.odds) - short

    def line(self, r: Array, g: Array) -> Line:
        """(sum s) x odds - s, s >= 0 and s / odds of root mean square 1 at most; the least such s has a 0."""
        height = per_day(g, self.odds)
        height = float(height.max()) - height
        short = part(height / max(1.0, root_mean_square(height, self.odds)), self.odds)
        return part(np.full(len(g), short.sum()), self.odds) - short, 0.0

    def express(self, r: cp.Variable, unit: float) -> Expressed:
        """|max(mean r - r, 0)| / sqrt(T)."""
        import cvxpy as cp

        centre = cp.Variable()
        if self.odds is not None:
            return cp.norm(cp.multiply(np.sqrt(self.odds), cp.pos(centre - r))), [centre == self.odds @ r]
        return cp.norm(cp.pos(centre - r)) / np.sqrt(r.shape[0]), [r.shape[0] * centre == cp.sum(r)]


@dataclass(frozen=True)
class LowerPartialMoment:
    """Shortfall below a threshold (Fishburn 1977): its mean (order 1) or root mean square (order 2).

    threshold  return per day
    """

    threshold: float
    order: int
    odds: Array | None = None

    @property
    def name(self) -> str:
        """With its order."""
        return f"lower partial moment {self.order}"

    def value(self, r: Array) -> float:
        """mean max(threshold - r, 0), or the root of the mean square."""
        short = np.maximum(self.threshold - r, 0.0)
        return mean(short, self.odds) if self.order == 1 else root_mean_square(short, self.odds)

    def slope(self, r: Array) -> Array:
        """Minus the days of shortfall, equally or by their size."""
        short = np.maximum(self.threshold - r, 0.0)
        return -part(np.sign(short), self.odds) if self.order == 1 else -unit_root(short, self.odds)

    def line(self, r: Array, g: Array) -> Line:
        """p'(threshold - r), p / odds each in [0, 1], or >= 0 with a root mean square of 1 at most."""
        height = per_day(np.maximum(-g, 0.0), self.odds)
        size = max(1.0, root_mean_square(height, self.odds))
        p = part(np.minimum(height, 1.0) if self.order == 1 else height / size, self.odds)
        return -p, self.threshold * float(p.sum())

    def express(self, r: cp.Variable, unit: float) -> Expressed:
        """The same."""
        import cvxpy as cp

        short, days = cp.pos(self.threshold / unit - r), r.shape[0]
        if self.odds is not None:
            root = cp.multiply(np.sqrt(self.odds), short)
            return (self.odds @ short if self.order == 1 else cp.norm(root)), []
        return (cp.sum(short) / days if self.order == 1 else cp.norm(short) / np.sqrt(days)), []


@dataclass(frozen=True)
class GrowthLoss:
    """-mean ln(1 + r): least where the value grows fastest (Kelly 1956)."""

    odds: Array | None = None
    name: str = "growth per year"

    def value(self, r: Array) -> float:
        """-mean ln(1 + r), infinite where everything can be lost."""
        return -mean(np.log1p(r), self.odds) if r.min() > -1.0 else float("inf")

    def slope(self, r: Array) -> Array:
        """-odds / (1 + r)."""
        return -part(1.0 / (1.0 + r), self.odds)

    def line(self, r: Array, g: Array) -> Line:
        """The tangent where the slope is g."""
        at = 1.0 / np.maximum(-per_day(g, self.odds), 1e-9) - 1.0
        slope = self.slope(at)
        return slope, self.value(at) - float(slope @ at)

    def express(self, r: cp.Variable, unit: float) -> Expressed:
        """-mean ln(1 + unit r)."""
        import cvxpy as cp

        if self.odds is not None:
            return -(self.odds @ cp.log(1.0 + unit * r)) / unit, []
        return -cp.sum(cp.log(1.0 + unit * r)) / (unit * r.shape[0]), []


def _shares(weights: Array) -> Array:
    """(T,) not negative, adding up to 1; equal where nothing is positive."""
    kept = np.maximum(weights, 0.0)
    total = float(kept.sum())
    return kept / total if total > 0 else np.full(len(kept), 1.0 / len(kept))


def mean(x: Array, odds: Array | None) -> float:
    """Of x (T,) over days of these odds, equal ones for None."""
    return float(x.mean()) if odds is None else float(odds @ x)


def part(x: Array, odds: Array | None) -> Array:
    """(T,) what each day adds to the mean of x."""
    return np.asarray(x / len(x) if odds is None else odds * x)


def per_day(parts: Array, odds: Array | None) -> Array:
    """(T,) the x whose parts these are."""
    return np.asarray(parts * len(parts) if odds is None else parts / odds)


def root_mean_square(values: Array, odds: Array | None = None) -> float:
    """sqrt(mean values^2)."""
    return float(np.sqrt(mean(values**2, odds)))


def unit_root(values: Array, odds: Array | None = None) -> Array:
    """(T,) the gradient of the root mean square; 0 at 0."""
    size = root_mean_square(values, odds)
    return part(values, odds) / size if size > 0 else np.zeros(len(values))
