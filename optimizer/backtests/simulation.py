"""An account through time: shares and cash, marked at every close; all arithmetic of the backtest is here."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from optimizer.backtests.execution import Order, Pricing
from optimizer.backtests.market import Market, Rows
from optimizer.typing import Array

Reason = Literal["rebalance", "stopped", "exchanged", "ruined"]


@dataclass(frozen=True, eq=False)
class Fills:
    """The trades of one close: names (k,) as columns, signed shares, prices, costs (k,), and why.

    "exchanged" is no trade: shares of a name that ceased to be became those of its heir, and cash where it paid some.
    """

    day: int
    names: Rows
    shares: Array
    prices: Array
    costs: Array
    reason: Reason


@dataclass(eq=False)
class Account:
    """Shares (n,) and cash at the close of `day`, and what every close up to it was worth.

    opening  the cash it began with
    delisting  (n,) return on its last price of a name that is given up
    fees     (n,) of a name sold short, from one close to the next, per unit of its value at the first; borrowed: what
             was paid of these so far
    nav, cash_path  (T,) filled up to `day`;  fills and holdings (day, shares) after each change
    ruined   whether all was lost: the NAV of `day` is then 0, and nothing follows
    """

    market: Market
    cash: float
    day: int
    delisting: Array
    fees: Array
    shares: Array = field(init=False)
    nav: Array = field(init=False)
    cash_path: Array = field(init=False)
    fills: list[Fills] = field(default_factory=list)
    holdings: list[tuple[int, Array]] = field(default_factory=list)
    opening: float = field(init=False)
    ruined: bool = field(default=False, init=False)
    borrowed: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        days, n = self.market.marks.shape
        self.shares, self.opening = np.zeros(n), self.cash
        self.nav, self.cash_path = np.full(days, np.nan), np.full(days, np.nan)
        self._record()

    def fund(self, day: int) -> None:
        """Begins at the close of `day`: what lies before the first trade earns and counts nothing."""
        self.day = day
        self.holdings.clear()
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
        while self.day < day and not self.ruined:
            self._hold(self._next_stop(day) if self.market.stops else day)
            if self.market.stops:
                gone = np.flatnonzero(self.market.ended[self.day] & (self.shares != 0))
                if len(gone):
                    self._give_up(gone)

    def _next_stop(self, day: int) -> int:
        held = np.flatnonzero(self.shares)
        rows = np.flatnonzero(self.market.ended[self.day + 1 : day + 1, held].any(axis=1))
        return self.day + 1 + int(rows[0]) if len(rows) else day

    def _hold(self, day: int) -> None:
        """Holds until the close of `day`, or of the first day on which fees made a debt of the cash."""
        cash, fees = self._cash_until(day)
        span = slice(self.day + 1, self.day + 1 + len(cash))
        self.cash_path[span] = cash
        # summed row by row, not by BLAS: a row's last bits must not depend on how many rows follow it
        if np.count_nonzero(self.shares) == len(self.shares):
            worth = self.market.marks[span] * self.shares
        else:
            held = np.flatnonzero(self.shares)
            worth = self.market.marks[span].take(held, axis=1) * self.shares[held]
        nav = worth.sum(axis=1) + cash
        self.nav[span] = nav
        lasted = int(np.argmax(nav <= 0)) + 1 if nav.min() <= 0 else len(nav)
        self.borrowed += float(fees[:lasted].sum())
        self.day, self.cash = self.day + lasted, float(cash[-1])
        if nav[lasted - 1] <= 0:
            self._ruin(self.day)

    def _cash_until(self, day: int) -> tuple[Array, Array]:
        """(t,) cash and fees at the closes until that of `day`, or the first at which cash is a debt and was none."""
        span = slice(self.day + 1, day + 1)
        growth = (self.market.earned if self.cash >= 0 else self.market.paid)[span].cumprod()
        cash, fees = self.cash * growth, np.zeros(len(growth))
        if len(short := np.flatnonzero((self.shares < 0) & (self.fees > 0))):
            lent = self.market.marks[self.day : day].take(short, axis=1) * (-self.shares * self.fees)[short]
            fees = lent.sum(axis=1)
            # a fee is paid at the close that it is due at, and what is left of cash goes on earning
            cash -= growth * np.cumsum(fees / growth)
            if self.cash >= 0 > cash.min():
                cash = cash[: int(np.argmax(cash < 0)) + 1]
        return cash, fees

    def _ruin(self, day: int) -> None:
        """Closes everything at the close of `day`; a loss beyond the last of the NAV is the lender's."""
        names, self.day = np.flatnonzero(self.shares), day
        fill = Fills(
            day, names, -self.shares[names], self.market.marks[day, names], np.zeros(len(names)), "ruined"
        )
        self.fills.append(fill)
        self.shares, self.cash, self.ruined = np.zeros_like(self.shares), 0.0, True
        self._record()

    def _give_up(self, names: Rows) -> None:
        ends = [self.market.payouts.get((self.day, name)) for name in names.tolist()]
        inherited = np.array([end is not None and end.heir is not None for end in ends])
        paid = self.market.marks[self.day, names] * (1 + self.delisting[names])
        for place, end in enumerate(ends):
            paid[place] = paid[place] if end is None else end.cash
        shares, self.shares = self.shares[names], self.shares.copy()
        self.cash += float(shares @ paid)
        self.shares[names] = 0.0
        self._fill(names[~inherited], -shares[~inherited], paid[~inherited], "stopped")
        for name, held, cash, end in zip(names.tolist(), shares.tolist(), paid.tolist(), ends, strict=True):
            if end is not None and end.heir is not None:
                price, got = float(self.market.marks[self.day, end.heir]), held * end.units
                self.shares[end.heir] += got
                both = np.array([name, end.heir])
                worth = np.array([cash + end.units * price, price])
                self._fill(both, np.array([-held, got]), worth, "exchanged")
        self._record()
        if self.nav[self.day] <= 0:
            self._ruin(self.day)

    def _fill(self, names: Rows, shares: Array, prices: Array, reason: Reason) -> None:
        if len(names):
            self.fills.append(Fills(self.day, names, shares, prices, np.zeros(len(names)), reason))

    def rebalance(self, weights: Array, pricing: Pricing, cash_min: float) -> None:
        """Trades to the weights (n,) of the NAV after costs, at this close, as `Pricing.trades` can."""
        prices = self.market.traded[self.day]
        closed = None
        if not self.market.whole and (absent := np.isnan(prices)).any():
            closed = absent
        order = Order(weights, self.values(), float(self.nav[self.day]), prices, closed, cash_min)
        traded, costs = pricing.trades(self.day, order)
        names = traded.nonzero()[0]
        at, moved = prices[names], traded[names] / prices[names]
        sold_out = names[-traded[names] == order.held[names]]
        self.shares = self.shares.copy()
        self.shares[names] += moved
        self.shares[sold_out] = 0.0
        self.cash += -float(traded.sum()) - float(costs.sum())
        self.fills.append(Fills(self.day, names, moved, at, costs[names], "rebalance"))
        self._record()

    def _record(self) -> None:
        """Notes the day's worth; every change of the shares makes a new array, so that the old one can be kept."""
        self.nav[self.day] = self.values().sum() + self.cash
        self.cash_path[self.day] = self.cash
        self.holdings.append((self.day, self.shares))
