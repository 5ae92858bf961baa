"""Prices of some symbols as a pack saw them, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimizer import total_return_index
from optimizer.model.sessions import days_of
from optimizer.typing import Array


@dataclass(frozen=True)
class Panel:
    """Prices of some symbols as a pack saw them.

    dates      (T,) ascending
    close, dividend, split  (T, n) as traded; NaN where a symbol has no price that day
    currency, simulated, basis  (n,) of each symbol's newest row; "" and False without one
    in_kind    (T, n) value of what a share spun off, per share after the day's split; None where nothing was
    """

    symbols: tuple[str, ...]
    dates: tuple[date, ...]
    close: Array
    dividend: Array
    split: Array
    currency: tuple[str, ...]
    simulated: tuple[bool, ...]
    basis: tuple[str, ...]
    in_kind: Array | None = None

    @property
    def paid(self) -> Array:
        """(T, n) what a share paid, in cash and in shares of others, per share before the day's split."""
        return self.dividend if self.in_kind is None else self.dividend + self.in_kind * self.split

    def total_return(self) -> pd.DataFrame:
        """Total-return prices (T x n) of close, dividends, spin-offs and splits, anchored at the newest close."""
        return self.table(total_return_index(self.close, self.paid, self.split))

    def table(self, values: Array) -> pd.DataFrame:
        """(T, n) values by date and symbol."""
        return pd.DataFrame(values, pd.DatetimeIndex(self.days, name="date"), list(self.symbols))

    def last_close(self, column: int) -> tuple[date, float] | None:
        """(date, close) of a symbol's newest price."""
        row = self._newest[column]
        return None if row < 0 else (self.dates[row], float(self.close[row, column]))

    @cached_property
    def _newest(self) -> list[int]:
        """(n,) the row of each symbol's newest price; -1 without one."""
        rows = np.arange(len(self.dates))[:, None]
        found: list[int] = np.where(np.isfinite(self.close), rows, -1).max(axis=0, initial=-1).tolist()
        return found

    def old_closes(self, newest: date) -> dict[str, date]:
        """Symbol -> day of its newest price, of those that have none of the desk's newest priced day."""
        found = {symbol: self.last_close(column) for column, symbol in enumerate(self.symbols)}
        return {symbol: told[0] for symbol, told in found.items() if told and told[0] < newest}

    @cached_property
    def places(self) -> dict[str, int]:
        """Symbol -> its column."""
        return {symbol: column for column, symbol in enumerate(self.symbols)}

    @cached_property
    def days(self) -> npt.NDArray[np.datetime64]:
        """(T,) the dates, as numpy counts with them."""
        return days_of(self.dates)

    def select(self, symbols: Sequence[str], start: date = date.min, end: date = date.max) -> "Panel":
        """Some of the symbols from `start` to `end`, as if they alone had been read: dates on which one is priced."""
        columns = [self.places[symbol] for symbol in symbols]
        first, last = (
            np.searchsorted(self.days, [np.datetime64(start)], "left"),
            np.searchsorted(self.days, [np.datetime64(end)], "right"),
        )
        window = slice(int(first[0]), int(last[0]))
        close = self.close[window][:, columns]
        priced = np.isfinite(close)
        rows, seen = np.flatnonzero(priced.any(axis=1)), np.asarray(priced.any(axis=0))
        spun = None if self.in_kind is None else self.in_kind[window][:, columns][rows]
        known = list(zip(columns, map(bool, seen), strict=True))
        window_dates = self.dates[window]
        return Panel(
            tuple(symbols),
            tuple(window_dates[row] for row in rows.tolist()),
            close[rows], self.dividend[window][:, columns][rows], self.split[window][:, columns][rows],
            currency=tuple(self.currency[i] if priced else "" for i, priced in known),
            simulated=tuple(self.simulated[i] and priced for i, priced in known),
            basis=tuple(self.basis[i] if priced else "" for i, priced in known), in_kind=spun,
        )  # fmt: skip
