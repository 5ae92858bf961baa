"""Prices of some symbols as a pack saw them, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimizer import total_return_index
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
        index = total_return_index(self.close, self.paid, self.split)
        return pd.DataFrame(
            index, index=pd.DatetimeIndex(self.dates, name="date"), columns=list(self.symbols)
        )

    def last_close(self, column: int) -> tuple[date, float] | None:
        """(date, close) of a symbol's newest price."""
        priced = np.flatnonzero(np.isfinite(self.close[:, column]))
        return (self.dates[priced[-1]], float(self.close[priced[-1], column])) if len(priced) else None

    def old_closes(self, newest: date) -> dict[str, date]:
        """Symbol -> day of its newest price, of those that have none of the desk's newest priced day."""
        found = {symbol: self.last_close(column) for column, symbol in enumerate(self.symbols)}
        return {symbol: told[0] for symbol, told in found.items() if told and told[0] < newest}

    @cached_property
    def places(self) -> dict[str, int]:
        """Symbol -> its column."""
        return {symbol: column for column, symbol in enumerate(self.symbols)}

    @cached_property
    def _days(self) -> npt.NDArray[np.datetime64]:
        return np.array(self.dates, "datetime64[D]")

    def select(self, symbols: Sequence[str], start: date = date.min, end: date = date.max) -> "Panel":
        """Some of the symbols from `start` to `end`, as if they alone had been read: dates on which one is priced."""
        columns = [self.places[symbol] for symbol in symbols]
        first, last = (
            np.searchsorted(self._days, [np.datetime64(start)], "left"),
            np.searchsorted(self._days, [np.datetime64(end)], "right"),
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
