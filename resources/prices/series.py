"""A delivery's rows as arrays, sorted by symbol and date, with each day's growth over the day before."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from optimizer.typing import Array
from resources.prices.rows import days_of, symbol_codes

Ints = npt.NDArray[np.int64]
Days = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
# Symbol -> days since 1970 from which on it is another company's than before.
Begun = Mapping[str, Collection[int]]


@dataclass(frozen=True)
class Record:
    """A symbol's newest close on record."""

    day: int
    close: float


@dataclass(frozen=True)
class Series:
    """Price rows sorted by symbol and date; arrays are (n,).

    order     their places in the delivery
    codes     index into `symbols`
    days      days since 1970
    first     whether a row is its symbol's first here
    previous  close of the row before, or on record; NaN where there is none, or it is of the company before
    previous_day  its day
    growth    (close x split + dividend) / previous, 1 = unchanged; NaN where there is no previous close
    """

    symbols: list[str]
    order: Ints
    codes: Days
    days: Days
    close: Array
    split: Array
    dividend: Array
    first: Mask
    previous: Array
    previous_day: Days
    growth: Array

    def __len__(self) -> int:
        return len(self.order)

    def bounds(self) -> Ints:
        """Where each symbol's rows start, and the end, (symbols + 1,)."""
        return np.append(np.flatnonzero(self.first), len(self))


def make_series(
    rows: pa.Table, order: Ints, record: Mapping[str, Record], begun: Begun = MappingProxyType({})
) -> Series:
    """The rows in an order (n,), as `sorted_places` gives it, as a series; `record` gives what stands before them."""
    codes, symbols = symbol_codes(rows["symbol"])
    days = days_of(rows)
    everything = len(order) == len(codes) and bool((order[:1] == 0).all() and (np.diff(order) == 1).all())

    def picked(values: npt.NDArray[np.generic]) -> Array:
        return values if everything else values[order]  # type: ignore[return-value]

    codes, days = (codes, days) if everything else (codes[order], days[order])
    close = picked(rows["close"].to_numpy())
    split = picked(filled(rows["split"], 1.0))
    dividend = picked(filled(rows["dividend"], 0.0))
    first = np.diff(codes, prepend=-1) != 0
    previous = np.empty_like(close)
    previous[1:] = close[:-1]
    previous_day = np.empty_like(days)
    previous_day[1:] = days[:-1]
    growth = close * split
    growth += dividend
    for place in np.flatnonzero(first):
        known = record.get(symbols[codes[place]])
        earlier = known is not None and known.day <= days[place]
        previous[place] = known.close if known and earlier else np.nan
        previous_day[place] = known.day if known and earlier else days[place]
        # The same day told again: nothing happened between.
        if known is not None and known.day == days[place]:
            growth[place] = close[place]
    previous[_of_another(symbols, codes, days, previous_day, begun)] = np.nan
    growth /= previous
    return Series(symbols, order, codes, days, close, split, dividend, first, previous, previous_day, growth)


def _of_another(symbols: list[str], codes: Days, days: Days, previous_day: Days, begun: Begun) -> Ints:
    """Places of the first rows of companies whose symbol another had before."""
    found = [np.array([], np.int64)]
    for symbol in sorted(begun.keys() & set(symbols)):
        own = np.flatnonzero(codes == symbols.index(symbol))
        starts = np.sort(np.array(list(begun[symbol]), np.int64))
        # The newest company that has it on the day of each row, and on that of the row before.
        now, then = (np.searchsorted(starts, told[own], side="right") for told in (days, previous_day))
        found.append(own[now > then])
    return np.concatenate(found)


def sorted_places(rows: pa.Table, kept: Mask | None = None) -> Ints:
    """Places of the rows (those of mask `kept`, if given) by symbol and day; equal ones stay in their order."""
    codes, days = symbol_codes(rows["symbol"])[0], days_of(rows)
    places = np.arange(len(codes)) if kept is None else np.flatnonzero(kept)
    if len(places) < 2:
        return places
    codes, days = (codes, days) if kept is None else (codes[places], days[places])
    step = np.diff(codes)
    if ((step > 0) | ((step == 0) & (np.diff(days) > 0))).all():
        return places
    offset = days - days.min()
    # Numpy sorts 16-bit numbers by radix: ten times faster.
    if offset.max() < 1 << 16 and codes.max() < 1 << 16:
        by_day = np.argsort(offset.astype(np.uint16), kind="stable")
        by_code = np.argsort(codes[by_day].astype(np.uint16), kind="stable")
        return places[by_day[by_code]]
    return places[np.lexsort((days, codes))]


def filled(column: pa.ChunkedArray, value: float) -> Array:
    """A column as (n,) doubles, with `value` for null."""
    numbers: Array = (column.fill_null(value) if column.null_count else column).to_numpy()
    return numbers
