"""Prices of some symbols as a pack saw them, as arrays."""

from dataclasses import dataclass
from datetime import date

import numpy as np
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
