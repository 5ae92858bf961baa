"""A plan as a convex program: what each step's weights cost, what the trades between the steps cost, and the limits."""

from dataclasses import dataclass

import numpy as np

from optimizer.model.costs import CostCurve
from optimizer.numerics.convex_limits import Norm
from optimizer.typing import Array


@dataclass(frozen=True, eq=False)
class Program:
    """Least sum over steps of w'Pw/2 + q'w + trading costs of w less the weights before it.

    P, q          (n, n) positive semidefinite and the same at every step; (H, n)
    held          (n,) the weights before the first step
    curve         rates of each step's trades per unit of weight; link (n, n): t'link t/2 more, None for nothing
    lower, upper  (n,) of every step's weights;  down, up  (n,) by how much each may fall and rise in a step
    rows          (H, m, n) with low, high (H, m) of row x weights;  turnover (H,) the most of sum |t| / 2, or inf
    norms         ellipsoidal limits of every step's weights
    """

    P: Array
    q: Array
    held: Array
    curve: CostCurve
    link: Array | None
    lower: Array
    upper: Array
    down: Array
    up: Array
    rows: Array
    low: Array
    high: Array
    turnover: Array
    norms: tuple[Norm, ...] = ()

    @property
    def steps(self) -> int:
        """H."""
        return len(self.q)

    def trades(self, plan: Array) -> Array:
        """(H, n) what is traded at each step of a plan (H, n)."""
        t = plan.copy()
        t[1:] -= plan[:-1]
        t[0] -= self.held
        return np.asarray(t)

    def trading_costs(self, plan: Array) -> Array:
        """(H,) of each step's trades."""
        t = self.trades(plan)
        once = (
            np.where(t > 0, self.curve.buy, self.curve.sell) * np.abs(t) + self.curve.root * np.abs(t) ** 1.5
        )
        curved = 0.0 if self.link is None else 0.5 * np.einsum("hi,ij,hj->h", t, self.link, t)
        return np.asarray(once.sum(axis=1) + curved)

    def holding_costs(self, plan: Array) -> Array:
        """(H,) of each step's weights."""
        return np.asarray(0.5 * ((plan @ self.P) * plan).sum(axis=1) + (self.q * plan).sum(axis=1))

    def violation(self, plan: Array) -> float:
        """The largest violation of any limit at any step."""
        t = self.trades(plan)
        value = np.einsum("hmn,hn->hm", self.rows, plan)
        turned = 0.5 * np.abs(t).sum(axis=1) - self.turnover
        parts = (
            self.lower - plan,
            plan - self.upper,
            -t - self.down,
            t - self.up,
            self.low - value,
            value - self.high,
        )
        flat = max(float(part.max(initial=0.0)) for part in (*parts, turned))
        return max([flat, *(norm.violation(w) for norm in self.norms for w in plan)])


@dataclass(frozen=True, eq=False)
class Prices:
    """A plan's multipliers, by which its optimality is proved.

    plan   (H, n) weights;  links (H, n) what one more of each trade costs at the margin
    rows   (H, m) positive where held up by `low`, negative where held down by `high`
    turnover, norms  (H,), (H, j) of these limits, >= 0
    """

    plan: Array
    links: Array
    rows: Array
    turnover: Array
    norms: Array

    def scaled(self, size: float) -> "Prices":
        """The same for costs that are `size` times as large."""
        return Prices(self.plan, size * self.links, size * self.rows, size * self.turnover, size * self.norms)
