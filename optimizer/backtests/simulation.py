"""An account through time: shares and cash, marked at every close; all arithmetic of the backtest is here."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from math import nan
from typing import Literal

import numpy as np
import numpy.typing as npt

from optimizer.errors import DataError, PolicyError
from optimizer.model.costs import CostCurve, CostModel
from optimizer.typing import Array

Reason = Literal["rebalance", "stopped"]
Rows = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]
SETTLED = 1e-12
DUST = 1e-12
ROUNDS = 60


@dataclass(frozen=True, eq=False)
class Market:
    """What can be traded and at what price, at T closes of n names.

    traded   (T, n) prices, NaN where there is none that day
    marks    (T, n) the last price so far, NaN before the first
    ended    (T, n) True on the one day on which a name that stopped is given up
    whole    whether every name has a price at every close
    stops    whether any name ever stops
    earned, paid  (T,) growth of 1 of cash, and of debt, from the previous close
    """

    traded: Array
    marks: Array
    ended: Flags
    whole: bool
    stops: bool
    earned: Array
    paid: Array


def make_market(prices: Array, earned: Array, paid: Array, gap_days: int) -> Market:
    """The market of (T, n) prices; a name is given up after `gap_days` closes in a row without a price.

    Raises DataError for a price that is not positive.
    """
    if ((prices <= 0) | np.isinf(prices)).any():
        raise DataError("market_data has a price that is not a positive number; correct or drop it")
    absent = np.isnan(prices)
    ended = np.zeros_like(absent)
    if not absent.any():
        return Market(prices, prices, ended, True, False, earned, paid)
    rows = np.where(absent, 0, np.arange(len(prices))[:, None])
    last = np.maximum.accumulate(rows, axis=0)
    marks = np.take_along_axis(prices, last, axis=0)
    missing_for = np.arange(len(prices))[:, None] - last
    ended = absent & (missing_for == gap_days) & ~np.isnan(marks)
    return Market(prices, marks, ended, False, bool(ended.any()), earned, paid)


@dataclass(frozen=True, eq=False)
class Pricing:
    """The cost model of the market's names; its curve depends on prices only with a fee per share.

    roots  (T, n) coefficients of |value|^1.5 at each close, NaN where no volume is known; None: the model's own
    """

    model: CostModel
    symbols: tuple[str, ...]
    roots: Array | None = None

    @cached_property
    def _linear(self) -> CostModel:
        return self.model if self.roots is None else replace(self.model, root_impact=0.0)

    @cached_property
    def _fixed(self) -> CostCurve:
        return self._linear.curve(self.symbols)

    def at(self, day: int, prices: Array) -> CostCurve:
        """The curve at the close of a day with (n,) prices; a name without one is not traded."""
        curve = self._fixed
        if self.model.per_share:
            curve = self._linear.curve(self.symbols, np.where(np.isnan(prices), 1.0, prices))
        return curve if self.roots is None else replace(curve, root=np.nan_to_num(self.roots[day]))

    def require_volume(self, day: int, names: Rows) -> None:
        """Raises DataError for a trade in a name of unknown volume."""
        if self.roots is not None and (unknown := names[np.isnan(self.roots[day, names])]).size:
            raise DataError(
                f"{self.symbols[unknown[0]]} is traded at close {day + 1} of the panel without a known volume; start "
                f"later, or drop root_impact"
            )


@dataclass(frozen=True, eq=False)
class Fills:
    """The trades of one close: names (k,) as columns, signed shares, prices, costs (k,), and why."""

    day: int
    names: Rows
    shares: Array
    prices: Array
    costs: Array
    reason: Reason


@dataclass(eq=False)
class Account:
    """Shares (n,) and cash at the close of `day`, and what every close up to it was worth.

    nav, cash_path  (T,) filled up to `day`;  fills and holdings (day, shares, weights) after each change
    """

    market: Market
    cash: float
    day: int
    delisting: Array
    shares: Array = field(init=False)
    nav: Array = field(init=False)
    cash_path: Array = field(init=False)
    fills: list[Fills] = field(default_factory=list)
    holdings: list[tuple[int, Array]] = field(default_factory=list)

    def __post_init__(self) -> None:
        days, n = self.market.marks.shape
        self.shares = np.zeros(n)
        self.nav, self.cash_path = np.full(days, np.nan), np.full(days, np.nan)
        self._record()

    def values(self) -> Array:
        """(n,) value of each holding at the last mark."""
        worth: Array = self.shares * self.market.marks[self.day]
        if not self.market.whole:
            worth[self.shares == 0] = 0.0
        return worth

    def weights(self) -> Array:
        """(n,) fractions of the NAV."""
        return np.asarray(self.values() / self.nav[self.day])

    def advance(self, day: int) -> None:
        """Holds until the close of `day`, giving up names that stop on the way."""
        while self.day < day:
            if not self.market.stops:
                self._hold(day)
                return
            self._hold(self._next_stop(day))
            gone = np.flatnonzero(self.market.ended[self.day] & (self.shares != 0))
            if len(gone):
                self._give_up(gone)

    def _next_stop(self, day: int) -> int:
        held = np.flatnonzero(self.shares)
        rows = np.flatnonzero(self.market.ended[self.day + 1 : day + 1, held].any(axis=1))
        return self.day + 1 + int(rows[0]) if len(rows) else day

    def _hold(self, day: int) -> None:
        span = slice(self.day + 1, day + 1)
        growth = self.market.earned[span] if self.cash >= 0 else self.market.paid[span]
        cash = self.cash * growth.cumprod()
        self.cash_path[span] = cash
        # summed row by row, not by BLAS: a row's last bits must not depend on how many rows follow it
        if np.count_nonzero(self.shares) == len(self.shares):
            worth = self.market.marks[span] * self.shares
        else:
            held = np.flatnonzero(self.shares)
            worth = self.market.marks[span].take(held, axis=1) * self.shares[held]
        self.nav[span] = worth.sum(axis=1) + cash
        self.day, self.cash = day, float(cash[-1])

    def _give_up(self, names: Rows) -> None:
        shares, marks = self.shares[names], self.market.marks[self.day, names]
        prices = marks * (1 + self.delisting[names])
        self.cash += float(shares @ prices)
        self.shares = self.shares.copy()
        self.shares[names] = 0.0
        self.fills.append(Fills(self.day, names, -shares, prices, np.zeros(len(names)), "stopped"))
        self._record()

    def rebalance(self, weights: Array, pricing: Pricing, cash_min: float) -> None:
        """Trades to the weights (n,) of the NAV after costs, at this close.

        A name without a price today is not traded: its holding stays, its target stays in cash, and the others
        give way where cash would fall below `cash_min` (fraction of the NAV).
        """
        market, nav = self.market, float(self.nav[self.day])
        prices = market.traded[self.day]
        held, wanted, stuck = self.values(), weights, None
        if not market.whole and (closed := np.isnan(prices)).any():
            wanted, stuck = np.where(closed, 0.0, weights), np.where(closed, held, 0.0)
        traded, costs = _settled_trades(nav, wanted, stuck, held, pricing.at(self.day, prices), cash_min)
        names = traded.nonzero()[0]
        pricing.require_volume(self.day, names)
        at, moved = prices[names], traded[names] / prices[names]
        self.shares = self.shares.copy()
        self.shares[names] += moved
        self.shares[names[wanted[names] == 0]] = 0.0
        self.cash += -float(traded.sum()) - float(costs.sum())
        self.fills.append(Fills(self.day, names, moved, at, costs[names], "rebalance"))
        self._record()

    def _record(self) -> None:
        """Notes the day's worth; every change of the shares makes a new array, so that the old one can be kept."""
        self.nav[self.day] = self.values().sum() + self.cash
        self.cash_path[self.day] = self.cash
        self.holdings.append((self.day, self.shares))


def _targets(after: float, wanted: Array, stuck: Array | None, cash_min: float) -> Array:
    """(n,) values wanted of a NAV after costs; what can be traded gives way to what is stuck."""
    if stuck is None:
        return wanted * after
    room = (1 - cash_min) * after - stuck.sum()
    total = wanted.sum() * after
    scale = min(1.0, max(room, 0.0) / total) if total > 0 else 1.0
    return wanted * after * scale + stuck


def _settled_trades(
    nav: float, wanted: Array, stuck: Array | None, held: Array, curve: CostCurve, cash_min: float
) -> tuple[Array, Array]:
    """(n,) traded values whose costs (n,) leave the NAV that they aim at: the fixed point of nav - costs(trades).

    Found by the secant of what is left less what was aimed at, and from below: the trades leave no less.
    """
    after, before, excess_before = nav, nan, nan
    for _ in range(ROUNDS):
        trades = _targets(after, wanted, stuck, cash_min) - held
        trades[np.abs(trades) <= DUST * nav] = 0.0
        costs = curve.costs(trades)
        cost = float(costs.sum())
        if cost >= nav:
            raise PolicyError(f"costs of {cost:.2f} use up the NAV of {nav:.2f}; lower the commission")
        excess = nav - cost - after
        if 0 <= excess <= SETTLED * nav:
            return trades, costs
        slope = (excess - excess_before) / (after - before) if after != before else -1.0
        step = excess / slope if slope < -0.5 else -excess
        after, before, excess_before = after - step - SETTLED / 2 * nav, after, excess
    raise PolicyError(f"trades and their costs of {cost:.2f} do not settle; lower the costs")
