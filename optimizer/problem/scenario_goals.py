"""Goals on scenarios of returns: the tail's mean loss (CVaR), and any convex cost of the returns by period."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from optimizer.measures.performance import expected_shortfall
from optimizer.measures.portfolio_measures import worst_weights
from optimizer.problem.scenario_costs import Cost
from optimizer.problem.support import Support
from optimizer.typing import Array


@dataclass(frozen=True)
class Tail:
    """Least expected loss in the worst 1 - level of the scenarios (Rockafellar & Uryasev 2000).

    scenarios  (T, n) returns in excess of cash, a row a period;  cash  what cash alone earns in one
    odds       (T,) of the days, positive and adding up to 1; None for equal ones
    """

    scenarios: Array
    cash: float
    level: float
    measure: str
    odds: Array | None = None
    homogeneous: ClassVar[bool] = False

    def value(self, w: Array) -> float:
        """Expected tail loss per day, positive for a loss."""
        returns = self.scenarios @ w
        if self.odds is not None:
            return -float(worst_weights(-returns, self.level, self.odds) @ returns) - self.cash
        return expected_shortfall(returns, self.level) - self.cash

    @property
    def most(self) -> float | Array:
        """The greatest weight that a day, or each day (T,), has in the tail."""
        share = 1.0 - self.level
        return 1.0 / (share * len(self.scenarios)) if self.odds is None else self.odds / share

    def rate(self, w: Array) -> float:
        """The value is the cost."""
        return 1.0

    def support(self, w: Array, weights: Array | None = None) -> Support:
        """A line from scenario weights (T,), each <= odds / (1 - level), summing to 1: the worst ones by default."""
        if weights is None:
            weights = worst_weights(-(self.scenarios @ w), self.level, self.odds)
        cost, slope = self.value(w), -(self.scenarios.T @ weights)
        # Cash alone loses nothing; it is judged against a hundredth of the largest daily move instead.
        floor = 0.01 * max(float(self.scenarios.max()), -float(self.scenarios.min()))
        loss = cost + self.cash
        return Support(slope, -self.cash, max(abs(loss), floor), loss - float(slope @ w))


@dataclass(frozen=True)
class Scenario:
    """Least cost of the portfolio's returns by period, cash included.

    scenarios  (T, n) returns in excess of cash, a row a period;  cash  what cash alone earns in one
    report     what people read per unit of the cost: 1, or less the periods of a year for growth per year
    """

    scenarios: Array
    cash: float
    risk: Cost
    report: float = 1.0
    homogeneous: ClassVar[bool] = False

    @property
    def measure(self) -> str:
        """What the cost is called."""
        return self.risk.name

    def returns(self, w: Array) -> Array:
        """(T,) the portfolio's."""
        return np.asarray(self.scenarios @ w + self.cash)

    def value(self, w: Array) -> float:
        """The cost in the unit people read: a fraction per day, or as the cost's own docstring says."""
        return self.report * self.risk.value(self.returns(w))

    def rate(self, w: Array) -> float:
        """Change of `value` per unit of cost."""
        return self.report

    def support(self, w: Array, multipliers: Array | None = None) -> Support:
        """A line from multipliers (T,) of the returns; where the cost has a kink, a solver's fit all sides of it."""
        returns = self.returns(w)
        g = self.risk.slope(returns) if multipliers is None else multipliers
        line, start = self.risk.line(returns, g)
        slope, cost = self.scenarios.T @ line, self.risk.value(returns)
        offset = start + self.cash * float(line.sum())
        # Without risk a cost is 0; it is judged against a hundredth of one name's instead.
        floor = 0.01 * float(np.abs(self.scenarios).mean())
        size = max(abs(cost), float(np.abs(slope) @ np.abs(w)), floor)
        return Support(slope, offset, size, cost - offset - float(slope @ w))
