"""Target weights to whole lots, the problem: what may be traded, and what it costs to be away from the target.

Minimise  a (x - w)'S(x - w) + cost(x - held)  over holdings that a number of lots can reach, subject to
cash, turnover and the other limits. All amounts are fractions of the NAV before the trades.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optimizer.model.costs import CostCurve
from optimizer.numerics.convex_limits import Absolute, Largest, Norm
from optimizer.typing import Array

TOLERANCE = 1e-12


@dataclass(frozen=True, eq=False)
class RoundingProblem:
    """What is held and wanted, and what the holdings x must obey; every array is in the symbols' order.

    held, wanted  (n,) weights now and at the target
    step          (n,) weight of one lot
    covariance    (n, n) per year;  aversion  a, NAV per unit of annual tracking variance
    own           (n,) > 0, at most what each name bears alone: a S - diag(own) is positive semidefinite
    curve         costs of trades given in weights
    lower, upper  (n,) bounds of x
    rows, bounds  (m, n) and (m,): rows @ x <= bounds
    absolute, norms  convex limits that the descent keeps and the relaxation leaves out
    cash, cash_min  before the trades, and the least after them
    max_traded    limit of sum |x - held|, two-way
    min_trade     a trade is nothing or at least this
    """

    held: Array
    wanted: Array
    step: Array
    covariance: Array
    aversion: float
    own: Array
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

    @property
    def min_lots(self) -> Array:
        """(n,) least size of a trade in lots."""
        return np.maximum(np.ceil(self.min_trade / self.step - 1e-9), 1.0)

    @property
    def close(self) -> Array:
        """(n,) lots that sell the whole holding; it need not be whole."""
        return -self.held / self.step

    def objective(self, lots: Array) -> float:
        """Tracking penalty plus costs, fraction of NAV."""
        trades = lots * self.step
        miss = self.held + trades - self.wanted
        return float(self.aversion * miss @ self.covariance @ miss + self.curve.costs(trades).sum())


@dataclass(frozen=True, eq=False)
class Relaxation:
    """A convex problem's optimum, and what no permitted list goes below.

    weights  (n,) the optimum;  start: gives holdings (n,) near the best list, which few relaxations are asked for
    """

    weights: Array
    bound: float
    start: Callable[[], Array]


def permitted(problem: RoundingProblem, lots: Array) -> Array:
    """(n,) the nearest trade that is whole, large enough, and no larger than the holding unless short."""
    close, least = problem.close, problem.min_lots
    whole = np.rint(lots)
    whole = np.where((problem.lower >= 0) & (whole < close), close, whole)
    whole = np.where(np.abs(lots - close) < 1e-9, close, whole)
    edge = np.where(np.abs(lots) >= least / 2, np.copysign(least, lots), 0.0)
    edge = np.where((problem.lower >= 0) & (edge < close), 0.0, edge)
    return np.where(np.abs(whole) < least - 1e-9, edge, whole)


def neighbours(problem: RoundingProblem, lots: Array) -> tuple[Array, Array]:
    """(n,) the next permitted trades above and below."""
    close, least = problem.close, problem.min_lots
    up = np.floor(lots + 1e-9) + 1
    up = np.where((up > 0) & (up < least), least, up)
    up = np.where((up < 0) & (up > -least), 0.0, up)
    down = np.ceil(lots - 1e-9) - 1
    down = np.where((down > 0) & (down < least), 0.0, down)
    down = np.where((down < 0) & (down > -least), -least, down)
    beyond = (problem.lower >= 0) & (down < close)
    sellable = (-close >= least - 1e-9) & (lots > close + 1e-9)
    return up, np.where(beyond, np.where(sellable, close, lots), down)


def alone(covariance: Array) -> Array:
    """(n,) the variance that the other names do not explain, 1 / (S^-1)_ii: the specific one in a factor model."""
    return np.asarray(1 / np.linalg.inv(covariance).diagonal())


def separable(covariance: Array, share: Array) -> Array:
    """(n,) the largest multiple of share (n,) > 0 whose diagonal leaves a positive definite covariance semidefinite."""
    scale = np.sqrt(share)
    lowest = float(np.linalg.eigvalsh(covariance / np.outer(scale, scale))[0])
    return np.asarray(max(lowest - 1e-9, 1e-12) * share)
