"""The panel of a backtest as each day knew it: what was listed, when to decide, which rates held."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimizer.backtests.market import Flags, Rows
from optimizer.errors import DataError, check_one_of
from optimizer.model.costs import CostModel
from optimizer.model.liquidity import LiquidityPanel
from optimizer.model.ranges import check_between, check_rate
from optimizer.model.sessions import TRADING_DAYS
from optimizer.typing import Array

Days = pd.Index | npt.NDArray[np.datetime64]
ENDS: Mapping[str, tuple[float, float]] = {
    "initial_value": (0.01, np.inf), "financing_spread": (-1.0, 1.0),
    "borrow_fees": (0.0, 10.0), "cash_min": (-10.0, 1.0), "band": (0.0, 1.0), "history_days": (1, np.inf),
    "min_history": (0, np.inf), "gap_days": (0, np.inf), "delisting_return": (-1.0, 10.0), "trials": (1, np.inf),
    "lot_size": (0.0, np.inf), "min_trade": (0.0, np.inf),
}  # fmt: skip
OPEN = ("band", "history_days")  # None is a setting too
PERIOD_CODES = {"daily": "D", "weekly": "W-FRI", "monthly": "M", "quarterly": "Q", "yearly": "Y"}


@dataclass(frozen=True)
class BacktestSettings:
    """Everything but the strategy and the prices; rates and weights are fractions, rates per year.

    initial_value     base currency
    costs             the model of every trade
    risk_free_rate    earned by cash, subtracted in ratios; a number or a series by date (the last known holds)
    financing_spread  what debt pays above it
    borrow_fees       per year, on the value of what is sold short; one for all or by symbol, 0 where not named
    cash_min          least cash of a decision, fraction of NAV; below 0 allows borrowing
    band              trade only when a weight is further than this from its target; None: always
    history_days      closes handed to the strategy; None: all that were known
    min_history       a name with fewer prices is not offered to the strategy
    gap_days          closes in a row without a price after which a name is given up
    delisting_return  of a name given up, on its last price; one for all or by symbol
    known             date -> prices as known at that close, for vintage data; None: final data cut by date
    trials            strategies tried before this one, for the deflated Sharpe ratio
    liquidity         of each close, for the square-root impact of `costs`; None: that of `costs` at every close
    closes            base currency for one share as traded, by date and symbol, for fees and lots; None: the prices
    lot_size          shares in a lot; 0: fractions of a share
    min_trade         least value of a trade, base currency
    payouts           (symbol, day from which on nobody holds it) -> cash for a unit of its price
    heirs             the same -> (another symbol, units of its price) for a unit of its price, besides the cash

    >>> BacktestSettings(risk_free_rate=0.02, min_history=60).gap_days
    5
    """

    initial_value: float = 1_000_000.0
    costs: CostModel = CostModel()  # noqa: RUF009  (frozen)
    risk_free_rate: float | pd.Series = 0.0
    financing_spread: float = 0.005
    borrow_fees: float | Mapping[str, float] = 0.0
    cash_min: float = 0.0
    band: float | None = None
    history_days: int | None = None
    min_history: int = TRADING_DAYS
    gap_days: int = 5
    delisting_return: float | Mapping[str, float] = 0.0
    known: Callable[[pd.Timestamp], pd.DataFrame] | None = None
    trials: int = 1
    liquidity: LiquidityPanel | None = None
    closes: pd.DataFrame | None = None
    lot_size: float = 0.0
    min_trade: float = 0.0
    payouts: Mapping[tuple[str, date], float] = field(default_factory=dict)
    heirs: Mapping[tuple[str, date], tuple[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises PolicyError for a setting that is no number, or out of its range: as a rate in percent is."""
        if not isinstance(self.risk_free_rate, pd.Series):
            check_rate("risk_free_rate", self.risk_free_rate)
        for name, ends in ENDS.items():
            given = getattr(self, name)
            if given is None and name in OPEN:
                continue
            for number in dict(given).values() if isinstance(given, Mapping | pd.Series) else (given,):
                check_between(name, number, *ends)


@dataclass(frozen=True, eq=False)
class Window:
    """What a strategy that reads arrays sees: (t, k) prices of k names in ascending order, and their (t,) dates.

    worth  NAV at the last close, base currency; None where nobody told
    """

    prices: Array
    dates: Days
    symbols: tuple[str, ...]
    worth: float | None = None


@dataclass(frozen=True, eq=False)
class History:
    """The panel as the strategy may see it."""

    data: pd.DataFrame
    settings: BacktestSettings

    @cached_property
    def dates(self) -> pd.DatetimeIndex:
        """(T,)."""
        return pd.DatetimeIndex(self.data.index)

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """(n,)."""
        return tuple(self.data.columns)

    @cached_property
    def place(self) -> dict[str, int]:
        """Symbol -> column."""
        return {symbol: i for i, symbol in enumerate(self.symbols)}

    @cached_property
    def prices(self) -> Array:
        """(T, n)."""
        return self.data.to_numpy()

    @cached_property
    def eligible(self) -> Flags:
        """(T, n) True where a name has a price and history enough."""
        priced = ~np.isnan(self.prices)
        if priced.all() and not self._seams:
            old = np.arange(1, len(priced) + 1) >= self.settings.min_history
            return np.broadcast_to(old[:, None], priced.shape)
        closes = np.cumsum(priced, axis=0)
        for column, end, begun in self._seams:
            closes[end:, column] = np.cumsum(priced[end:, column]) - priced[end:begun, column].sum()
        return np.asarray(priced & (closes >= self.settings.min_history))

    @cached_property
    def _seams(self) -> list[tuple[int, int, int]]:
        """(column, row of the end, first row after it) of shares that ended where their name is priced later."""
        found = []
        for symbol, day in sorted({*self.settings.payouts, *self.settings.heirs}):
            end, begun = (int(self.dates.searchsorted(pd.Timestamp(day), side)) for side in ("left", "right"))
            if symbol in self.place and np.isfinite(self.prices[begun:, self.place[symbol]]).any():
                found.append((self.place[symbol], end, begun))
        return found

    def _cut(self, prices: Array, columns: Rows, since: int, day: int) -> Array:
        """(t, k) prices of columns from a row to another, without those of another share that had a name before."""
        for column, end, begun in self._seams:
            if end <= day and begun > since and column in columns:
                prices = prices.copy()
                prices[: begun - since, columns.tolist().index(column)] = np.nan
        return prices

    def first_decision(self, start: pd.Timestamp | None, known_since: pd.Timestamp | None = None) -> int:
        """The row of the first close >= start with a name that is eligible, and not before anything was known."""
        if not len(self.dates):
            raise DataError("market_data has no day before end_date; move the dates")
        since = known_since if start is None else start
        earliest = 0 if since is None else int(self.dates.searchsorted(since))
        able = np.asarray(self.eligible.any(axis=1))
        first = earliest + int(np.argmax(able[earliest:])) if able[earliest:].any() else len(self.dates)
        if first >= len(self.dates) - 1 or (start is not None and first > earliest):
            raise DataError(
                f"no symbol has {self.settings.min_history} closes at the first decision"
                f"{'' if start is None else f' on {start.date()}'}; start later, or lower min_history"
            )
        return first

    def until(self, day: int) -> pd.DataFrame:
        """What was known at the close of that row: (t, k) prices of the k eligible names."""
        if self.settings.known is not None:
            return self._vintage(day)
        since = 0 if self.settings.history_days is None else max(0, day + 1 - self.settings.history_days)
        chosen = self.eligible[day]
        seen = self.data.iloc[since : day + 1] if chosen.all() else self.data.iloc[since : day + 1, chosen]
        if not self._seams:
            return seen
        cut = self._cut(seen.to_numpy(), np.flatnonzero(chosen), since, day)
        return pd.DataFrame(cut, seen.index, seen.columns)

    def window(self, day: int) -> tuple[Window, Rows]:
        """The same as arrays, and the (k,) columns of the panel that they show."""
        if self.settings.known is not None:
            seen = self._vintage(day)
            columns = np.array([self.place[symbol] for symbol in sorted(seen.columns)], dtype=np.intp)
            names = self._names(columns)
            return Window(
                seen[list(names)].to_numpy(dtype=float), pd.DatetimeIndex(seen.index), names
            ), columns
        since = 0 if self.settings.history_days is None else max(0, day + 1 - self.settings.history_days)
        rows, chosen = slice(since, day + 1), self.eligible[day][self._ascending]
        columns = self._ascending if chosen.all() else self._ascending[chosen]
        prices = self._sorted_prices[rows] if chosen.all() else self._sorted_prices[rows][:, chosen]
        prices = self._cut(prices, columns, since, day)
        return Window(prices, self._days[rows], self._names(columns)), columns

    @cached_property
    def _days(self) -> Days:
        return np.asarray(self.dates)

    @cached_property
    def _ascending(self) -> Rows:
        return np.array(sorted(range(len(self.symbols)), key=self.symbols.__getitem__), dtype=np.intp)

    @cached_property
    def _sorted_prices(self) -> Array:
        in_order = (np.diff(self._ascending) == 1).all()
        return self.prices if in_order else self.prices[:, self._ascending]

    def _names(self, columns: Rows) -> tuple[str, ...]:
        if len(columns) == len(self.symbols):
            return self._all_names
        return tuple(self.symbols[i] for i in columns.tolist())

    @cached_property
    def _all_names(self) -> tuple[str, ...]:
        return tuple(sorted(self.symbols))

    def _vintage(self, day: int) -> pd.DataFrame:
        as_of = self.dates[day]
        known = self.settings.known(as_of) if self.settings.known else self.data
        if len(known) and known.index[-1] > as_of:
            raise DataError(f"the data known on {as_of.date()} reach to {known.index[-1]}; cut them by date")
        return History(known, replace(self.settings, known=None)).until(len(known) - 1)


def decision_days(dates: pd.DatetimeIndex, frequency: str, first: int) -> list[int]:
    """The first row, then the last row of each period; a row needs a next one, at which it is executed."""
    check_one_of("rebalance_frequency", frequency, PERIOD_CODES)
    period = dates.to_period(PERIOD_CODES[frequency])
    ends = np.flatnonzero(np.diff(period.asi8))
    return [first, *(int(day) for day in ends if day > first)]


def growth(rates: Array, periods: float) -> Array:
    """(T,) growth of 1 from the close before, at the annual rate known there; `periods` closes a year."""
    return np.concatenate([[1.0], (1 + rates[:-1]) ** (1 / periods)])
