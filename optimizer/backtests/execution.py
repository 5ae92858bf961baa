"""How a rebalancing is carried out: trades that pay their own costs, in whole lots, none too small."""

from dataclasses import dataclass, replace
from functools import cached_property
from math import nan

import numpy as np

from optimizer.backtests.market import Flags
from optimizer.errors import DataError, InfeasibleError
from optimizer.model.costs import CostCurve, CostModel
from optimizer.typing import Array

SETTLED = 1e-12
DUST = 1e-12
ROUNDS = 60
WHOLE = 1e-9  # a count of lots this near to a whole number is one


@dataclass(frozen=True, eq=False)
class Order:
    """What one close is asked for: (n,) weights, what is held and tradable there, and the least cash.

    held    (n,) values at the last marks;  prices  (n,) NaN where a name is not traded
    closed  (n,) the names that are not traded; None: all are
    """

    weights: Array
    held: Array
    nav: float
    prices: Array
    closed: Flags | None
    cash_min: float


@dataclass(frozen=True, eq=False)
class Pricing:
    """How the trades of the market's names are made and paid for.

    roots      (T, n) coefficients of |value|^1.5 at each close, NaN where no volume is known; None: the model's own
    closes     (T, n) base currency for one share as traded, which fees and lots count; None: the market's prices are
    lot        shares in a lot; 0: fractions
    min_trade  least value of a trade, base currency
    """

    model: CostModel
    symbols: tuple[str, ...]
    roots: Array | None = None
    closes: Array | None = None
    lot: float = 0.0
    min_trade: float = 0.0

    @cached_property
    def _linear(self) -> CostModel:
        return self.model if self.roots is None else replace(self.model, root_impact=0.0)

    @cached_property
    def _fixed(self) -> CostCurve:
        return self._linear.curve(self.symbols)

    def at(self, day: int, prices: Array) -> CostCurve:
        """The curve at the close of a day with (n,) prices; a name without one is not traded."""
        if self.model.per_share:
            shares = self._share_prices(day, prices)
            curve = self._linear.curve(self.symbols, np.where(np.isnan(shares), 1.0, shares))
        else:
            curve = self._fixed
        return curve if self.roots is None else replace(curve, root=np.nan_to_num(self.roots[day]))

    def trades(self, day: int, order: Order) -> tuple[Array, Array]:
        """(n,) traded values and their costs, in base currency.

        A name that cannot be traded, or whose trade would be too small, stays as it is; the others give way where cash
        would fall below `cash_min`. Lots are rounded so that they leave no less cash.
        Raises InfeasibleError where costs use up the NAV, DataError for a trade in a name of unknown volume or share
        price.
        """
        curve, stuck = self.at(day, order.prices), order.closed
        traded, costs = _settled_trades(order, stuck, curve)
        while self.min_trade and (small := (np.abs(traded) < self.min_trade) & (traded != 0)).any():
            stuck = small if stuck is None else stuck | small
            traded, costs = _settled_trades(order, stuck, curve)
        if self.lot:
            traded = self._in_lots(traded, self._share_prices(day, order.prices), order.held)
            costs = curve.costs(traded)
        self._require_known(day, traded)
        return traded, costs

    def _share_prices(self, day: int, prices: Array) -> Array:
        return prices if self.closes is None else self.closes[day]

    def _in_lots(self, traded: Array, prices: Array, held: Array) -> Array:
        """The values in whole lots: less is bought, more is sold, and no holding that is to be cut turns short."""
        one = np.where(np.isnan(prices), 1.0, prices) * self.lot
        whole = np.floor(traded / one + WHOLE) * one
        cut = (traded < 0) & (traded >= -held)
        whole = np.where(cut, np.maximum(whole, -held), whole)
        whole[(whole > 0) & (whole < self.min_trade)] = 0.0
        return np.where(traded == -held, traded, whole)

    def _require_known(self, day: int, traded: Array) -> None:
        for table, what, other in (
            (self.roots, "volume", "drop root_impact"),
            (self.closes, "price of one share", "give it in closes"),
        ):
            if table is not None and (unknown := np.isnan(table[day]) & (traded != 0)).any():
                raise DataError(
                    f"{self.symbols[int(np.argmax(unknown))]} is traded at close {day + 1} of the panel without a "
                    f"known {what}; start later, or {other}"
                )


def _targets(after: float, order: Order, stuck: Flags | None) -> Array:
    """(n,) values wanted of a NAV after costs; what can be traded gives way to what is stuck."""
    if stuck is None:
        return order.weights * after
    wanted, kept = np.where(stuck, 0.0, order.weights), np.where(stuck, order.held, 0.0)
    room = (1 - order.cash_min) * after - kept.sum()
    total = wanted.sum() * after
    scale = min(1.0, max(room, 0.0) / total) if total > 0 else 1.0
    return np.asarray(wanted * after * scale + kept)


def _settled_trades(order: Order, stuck: Flags | None, curve: CostCurve) -> tuple[Array, Array]:
    """(n,) traded values whose costs (n,) leave the NAV that they aim at: the fixed point of nav - costs(trades).

    Found by the secant of what is left less what was aimed at, and from below: the trades leave no less.
    """
    nav = order.nav
    after, before, excess_before = nav, nan, nan
    for _ in range(ROUNDS):
        trades = _targets(after, order, stuck) - order.held
        trades[np.abs(trades) <= DUST * nav] = 0.0
        costs = curve.costs(trades)
        cost = float(costs.sum())
        if cost >= nav:
            raise InfeasibleError(f"costs of {cost:.2f} use up the NAV of {nav:.2f}; lower the commission")
        excess = nav - cost - after
        if 0 <= excess <= SETTLED * nav:
            return trades, costs
        slope = (excess - excess_before) / (after - before) if after != before else -1.0
        step = excess / slope if slope < -0.5 else -excess
        after, before, excess_before = after - step - SETTLED / 2 * nav, after, excess
    raise InfeasibleError(f"trades and their costs of {cost:.2f} do not settle; lower the costs")
