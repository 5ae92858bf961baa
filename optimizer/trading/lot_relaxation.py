"""Target weights to whole lots, the problem: what may be traded, and what it costs to be away from the target.

Minimise  a (x - w)'S(x - w) + cost(x - held)  over holdings that a number of lots can reach, subject to
cash, turnover and the other limits. All amounts are fractions of the NAV before the trades.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optimizer.model.costs import CostCurve
from optimizer.numerics.convex_limits import Absolute, Largest, Norm
from optimizer.numerics.tracking_risk import TrackingRisk
from optimizer.typing import Array

TOLERANCE = 1e-12


@dataclass(frozen=True, eq=False)
class RoundingProblem:
    """What is held and wanted, and what the holdings x must obey; every array is in the symbols' order.

    held, wanted  (n,) weights now and at the target
    step          (n,) weight of one lot
    risk          S per year, and what each name bears of it alone
    aversion      a, NAV per unit of annual tracking variance
    curve         costs of trades given in weights
    lower, upper  (n,) bounds of x
    rows, bounds  (m, n) and (m,): rows @ x <= bounds
    absolute, norms  convex limits that the descent keeps and the relaxation leaves out
    cash, cash_min  before the trades, and the least after them, of the NAV that the costs leave
    max_traded    limit of sum |x - held|, two-way
    min_trade     a trade is nothing or at least this;  band  likewise; any holding may still be closed
    least         (n,) a holding is nothing or at least this, on its target's side; None: of no name
    """

    held: Array
    wanted: Array
    step: Array
    risk: TrackingRisk
    aversion: float
    curve: CostCurve
    lower: Array
    upper: Array
    rows: Array
    bounds: Array
    cash: float
    cash_min: float
    max_traded: float = np.inf
    min_trade: float = 0.0
    absolute: tuple[Absolute | Largest, ...] = ()
    norms: tuple[Norm, ...] = ()
    band: float = 0.0
    least: Array | None = None

    @property
    def cost_in_cash(self) -> float:
        """What a unit of costs takes of the cash above `cash_min`: this is a part of the NAV that costs lower."""
        return 1 - self.cash_min

    def charged(self, cash: float) -> float:
        """What a unit of costs weighs beside the objective's own terms, at a price of cash."""
        return 1 + self.cost_in_cash * cash

    @cached_property
    def own(self) -> Array:
        """(n,) > 0, what each name bears alone: a S - diag(own) is positive semidefinite."""
        return self.aversion * self.risk.own

    @cached_property
    def min_lots(self) -> Array:
        """(n,) least size of a trade in lots."""
        return np.asarray(np.maximum(np.ceil(max(self.min_trade, self.band) / self.step - 1e-9), 1.0))

    @cached_property
    def close(self) -> Array:
        """(n,) lots that sell the whole holding; it need not be whole."""
        return -self.held / self.step

    @cached_property
    def floor_lots(self) -> Array:
        """(n,) the largest sale in lots: the whole holding, and any where short positions may be had."""
        return np.where(self.lower >= 0, self.close, -np.inf)

    @cached_property
    def closable(self) -> NDArray[np.bool_]:
        """(n,) whether the whole holding, which may be less than a lot, is a trade that is large enough."""
        return np.asarray((self.held != 0) & (np.abs(self.held) >= self.min_trade - 1e-9 * self.step))

    @cached_property
    def edge(self) -> Array:
        """(n,) lots of the permitted trade that leads to the least position, or next beyond it."""
        side, least = np.where(self.wanted < 0, -1.0, 1.0), 0.0 if self.least is None else self.least
        lots = np.ceil((least - side * self.held) / self.step - 1e-9)
        lots = np.where((lots > 0) & (lots < self.min_lots), self.min_lots, lots)
        return np.asarray(side * np.where((lots < 0) & (lots > -self.min_lots), 0.0, lots))

    def between(self, x: Array) -> Array:
        """(n,) or (c, n): how far holdings that are more than nothing and less than the least are from either."""
        if self.least is None:
            return np.zeros_like(x)
        short = np.minimum(np.abs(x), self.least - np.abs(x))
        return np.where(short > 1e-9 * self.step, short, 0.0)

    def marginal(self, x: Array) -> Array:
        """(n,) S (x - w)."""
        return np.asarray(self.risk.covariance @ (x - self.wanted))

    def objective(self, lots: Array) -> float:
        """Tracking penalty plus costs, fraction of NAV."""
        trades = lots * self.step
        x = self.held + trades
        penalty = self.aversion * float((x - self.wanted) @ self.marginal(x))
        return penalty + float(self.curve.costs(trades).sum())


@dataclass(frozen=True, eq=False)
class Relaxation:
    """A convex problem's optimum, and what no permitted list goes below.

    weights  (n,) the optimum;  start: gives holdings (n,) near the best list, which few relaxations are asked for
    partial  (n,) how much the bound gains per unit of what a name bears alone: where a commission counts in part
    """

    weights: Array
    bound: float
    start: Callable[[], Array]
    partial: Array | None = None


def permitted(problem: RoundingProblem, lots: Array) -> Array:
    """(n,) a near trade that is whole, large enough, and no larger than the holding unless short; or closes it."""
    close, least = problem.close, problem.min_lots
    whole = np.maximum(np.rint(lots), problem.floor_lots)
    whole = np.where(np.abs(lots - close) < 1e-9, close, whole)
    edge = np.where(np.abs(lots) >= least / 2, np.copysign(least, lots), 0.0)
    edge = np.where(edge < problem.floor_lots, 0.0, edge)
    found = np.where(np.abs(whole) < least - 1e-9, edge, whole)
    remnant = problem.closable & (np.abs(close) < least)
    found = np.where(remnant & (np.abs(lots - close) < np.abs(lots - found)), close, found)
    if problem.least is None:
        return found
    none, some = np.where(problem.closable, close, 0.0), problem.edge
    nearer = np.where(np.abs(lots - none) <= np.abs(lots - some), none, some)
    return np.where(problem.between(problem.held + found * problem.step) > 0, nearer, found)


def neighbours(problem: RoundingProblem, lots: Array) -> tuple[Array, Array]:
    """(n,) the next permitted trades above and below."""
    close, least = problem.close, problem.min_lots
    up = np.floor(lots + 1e-9) + 1
    down = np.ceil(lots - 1e-9) - 1
    if (least > 1).any():
        up = np.where((up > 0) & (up < least), least, up)
        up = np.where((up < 0) & (up > -least), 0.0, up)
        down = np.where((down > 0) & (down < least), 0.0, down)
        down = np.where((down < 0) & (down > -least), -least, down)
    up = np.where(problem.closable & (close > lots + 1e-9), np.minimum(up, close), up)
    down = np.where(problem.closable & (close < lots - 1e-9), np.maximum(down, close), down)
    if problem.least is not None:
        up, down = _beyond(problem, lots, up), -_beyond(problem, lots, down, -1.0)
    return up, np.where(down < problem.floor_lots, lots, down)


def _beyond(problem: RoundingProblem, lots: Array, to: Array, side: float = 1.0) -> Array:
    """(n,) trades `to`, next to `lots` on a side, or what is next of nothing and the least where they are between."""
    none = np.where(problem.closable, problem.close, 0.0)
    ends = side * np.stack([none, problem.edge])
    next_ = np.where(ends > side * lots + 1e-9, ends, np.inf).min(axis=0)
    stuck = (problem.between(problem.held + to * problem.step) > 0) & np.isfinite(next_)
    return np.where(stuck, next_, side * to)
