"""What a trade list is: its lines, its totals, and its limits recomputed on whole lots."""

from dataclasses import dataclass
from decimal import Decimal
from math import nan
from typing import NamedTuple

from optimizer.model.portfolio import Action, Trade
from optimizer.tax.taxes import Taxes
from optimizer.trading.rationale import Numbers

MET = 1e-9


class TradeRow(NamedTuple):
    """One line: a trade, or a HOLD for a name that is held or wanted and does not change.

    quantity     shares traded, >= 0;  price per share, value and cost in the base currency
    local_price  in the symbol's own currency;  fx_rate base currency per unit of it
    current_weight, target_weight   fractions of the NAV before;  achieved_weight of the NAV after costs
    """

    symbol: str
    action: Action
    quantity: Decimal
    price: Decimal
    value: Decimal
    cost: Decimal
    current_quantity: Decimal
    target_quantity: Decimal
    current_weight: float
    target_weight: float
    achieved_weight: float
    local_price: Decimal
    fx_rate: Decimal
    rationale: str
    numbers: Numbers


@dataclass(frozen=True, slots=True)
class LimitCheck:
    """One limit recomputed on the rounded holdings; slack >= 0 means it holds, in the limit's own unit."""

    constraint: str
    limit: float
    achieved: float
    slack: float
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the limit holds within 1e-9."""
        return self.slack >= -MET

    @property
    def text(self) -> str:
        """What a warning says of it."""
        achieved, limit = f"{self.achieved:.4g}{self.unit}", f"{self.limit:.4g}{self.unit}"
        return f"{self.constraint} is {achieved} after rounding to whole lots, its limit is {limit}"


@dataclass(frozen=True, slots=True)
class BrokenByTarget(LimitCheck):
    """A limit that the target weights break before any lot is rounded; `target` is what they reach of it."""

    target: float = nan

    @property
    def by_lots(self) -> bool:
        """Whether whole lots break it by more than the target does."""
        return abs(self.achieved - self.target) > abs(self.target - self.limit)

    @property
    def text(self) -> str:
        """What a warning says of it."""
        achieved, limit, target = (f"{it:.4g}{self.unit}" for it in (self.achieved, self.limit, self.target))
        return f"{self.constraint} is {achieved} in whole lots, its limit is {limit}: the target has {target}"


@dataclass(frozen=True)
class TradeList:
    """Trades in execution order (sales first, the largest first) and what they add up to.

    bought + costs = sold + (cash_before - cash_after), and nav_after = nav_before - costs, exactly.
    turnover          one-way, half of the traded value / NAV before;  turnover_two_way is twice that
    cost_bps          costs / NAV before, in bps
    tracking_error    of the rounded holdings against the target, per year, a fraction
    objective, bound  tracking penalty (with `rounding` money the money that is away from the target) plus costs, and
                      what no permitted list can go below; fractions of NAV
    taxes             of the sales, where the portfolio says how it is taxed; they are paid later, so that no sum here
                      includes them

    >>> build_trades(book, quotes, {'BONDS': 1.0}, estimates, policy, universe).costs > 0
    True
    """

    rows: tuple[TradeRow, ...]
    nav_before: Decimal
    nav_after: Decimal
    cash_before: Decimal
    cash_after: Decimal
    bought: Decimal
    sold: Decimal
    costs: Decimal
    tracking_error: float
    objective: float
    bound: float
    constraints: tuple[LimitCheck, ...]
    warnings: tuple[str, ...]
    taxes: Taxes | None = None

    @property
    def traded_value(self) -> Decimal:
        """Buys + sales."""
        return self.bought + self.sold

    @property
    def turnover_two_way(self) -> float:
        """Traded value / NAV before."""
        return float(self.traded_value / self.nav_before) if self.nav_before else 0.0

    @property
    def turnover(self) -> float:
        """Half of the traded value / NAV before."""
        return self.turnover_two_way / 2

    @property
    def cost_bps(self) -> float:
        """Costs / NAV before x 10,000."""
        return float(self.costs / self.nav_before) * 1e4 if self.nav_before else 0.0

    @property
    def gap(self) -> float:
        """How far the objective may be from the best permitted list, fraction of NAV."""
        return max(self.objective - self.bound, 0.0)

    @property
    def constraints_met(self) -> bool:
        """Whether every limit holds on the rounded holdings."""
        return all(check.met for check in self.constraints)

    def weights(self) -> dict[str, float]:
        """Weights after the trades, by symbol ascending; cash is what is missing to 1."""
        return {row.symbol: row.achieved_weight for row in sorted(self.rows, key=lambda r: r.symbol)}

    def trades(self) -> list[Trade]:
        """The library's trades: signed quantities, in execution order, without HOLD."""
        sign = {"BUY": 1, "SELL": -1}
        return [
            Trade(r.symbol, sign[r.action] * r.quantity, r.price, r.cost)
            for r in self.rows
            if r.action != "HOLD"
        ]
