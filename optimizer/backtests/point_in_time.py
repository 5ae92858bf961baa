"""Prices with the day on which each became known, and the panel that any one day could have seen."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from optimizer.arguments import typed
from optimizer.errors import DataError
from optimizer.model.returns import total_return_index

NEEDED = ("symbol", "date", "known_at", "close")
DEFAULTS = {"dividend": 0.0, "split": 1.0, "withdrawn": False}


@typed
@dataclass(frozen=True, eq=False)
class Vintages:
    """What became known when.

    rows  in order of delivery: symbol, date, known_at (the day from which on the row is known), close as traded or
          any other price, dividend (cash per share, 0 where left out), split (share multiplier, 1 where left out),
          withdrawn (from then on the day has no price, False where left out); of several rows of one symbol and date
          the one that became known last holds
    Raises DataError for a missing column or value.

    >>> rows = pd.DataFrame({'symbol': ['A'], 'date': ['2024-01-02'], 'known_at': ['2024-01-03'], 'close': [5.0]})
    >>> Vintages(rows).first.date().isoformat()
    '2024-01-03'
    """

    rows: pd.DataFrame

    def __post_init__(self) -> None:
        missing = [name for name in NEEDED if name not in self.rows.columns]
        if missing:
            raise DataError(f"vintage rows lack {', '.join(missing)}; each needs {', '.join(NEEDED)}")
        if self.rows.empty or self.rows[list(NEEDED)].isna().to_numpy().any():
            raise DataError(
                "a vintage row lacks a value, or there is none; a row of unknown age cannot be used"
            )

    @cached_property
    def first(self) -> pd.Timestamp:
        """The day on which the first row became known."""
        return pd.Timestamp(self._ordered["known_at"].iloc[0])

    def known_on(self, as_of: pd.Timestamp) -> pd.DataFrame:
        """(t, k) total-return prices of the k symbols priced by then, at most t dates <= as_of; NaN where none.

        Raises DataError for a day before the first one known.
        """
        if as_of < self.first:
            raise DataError(
                f"nothing was known on {as_of.date()}: the first price became known on {self.first.date()}; "
                f"start there or later, or use knowledge='final'"
            )
        rows = self._ordered.iloc[: int(self._ordered["known_at"].searchsorted(as_of, side="right"))]
        rows = _believed(rows[rows["date"] <= as_of])
        days, row = np.unique(rows["date"].to_numpy(), return_inverse=True)
        symbols, column = np.unique(rows["symbol"].to_numpy(), return_inverse=True)
        table = {name: np.full((len(days), len(symbols)), np.nan) for name in ("close", "dividend", "split")}
        for name, values in table.items():
            values[row, column] = rows[name].to_numpy(dtype=float)
        prices = total_return_index(table["close"], table["dividend"], table["split"])
        return pd.DataFrame(prices, pd.DatetimeIndex(days), list(symbols))

    @cached_property
    def _ordered(self) -> pd.DataFrame:
        days = {name: pd.to_datetime(self.rows[name]) for name in ("date", "known_at")}
        absent = {name: value for name, value in DEFAULTS.items() if name not in self.rows.columns}
        symbols = self.rows["symbol"].astype(str).astype(object)
        told = self.rows.assign(**days, **absent, symbol=symbols)
        return told.sort_values("known_at", kind="stable", ignore_index=True)


def _believed(rows: pd.DataFrame) -> pd.DataFrame:
    """The last row of each symbol and date, where it is not one that takes the price back."""
    _, day = np.unique(rows["date"].to_numpy(), return_inverse=True)
    symbols, symbol = np.unique(rows["symbol"].to_numpy(), return_inverse=True)
    cells = day * len(symbols) + symbol
    _, place = np.unique(cells[::-1], return_index=True)
    last = len(cells) - 1 - place
    return pd.DataFrame(rows.iloc[last[~rows["withdrawn"].to_numpy(dtype=bool)[last]]])
