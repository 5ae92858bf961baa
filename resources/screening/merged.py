"""A delivery's rows among those on record and those set aside before: one series, judged as a whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from optimizer.typing import Array
from resources.ledger.tables import SAME_VALUE
from resources.prices.rows import days_of, symbol_codes
from resources.prices.series import (
    Begun,
    Ints,
    Mask,
    Record,
    Series,
    filled,
    make_series,
    sorted_places,
)
from resources.prices.source import PRICE_ROWS

NEVER = np.iinfo(np.int32).min
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Lost:
    """What a row without a usable price says: split and dividend (none: 1 and 0), and its close if it has one."""

    day: int
    split: float
    dividend: float
    close: float | None = None

    @property
    def actions(self) -> tuple[float, float]:
        """Split and dividend."""
        return self.split, self.dividend

    def repeats(self, series: Series, place: int) -> bool:
        """Whether it says what the row at a place says (Friday's row, sent again on Saturday)."""
        said = (self.close, self.split, self.dividend)
        return said == (series.close[place], series.split[place], series.dividend[place])


@dataclass(frozen=True)
class Recorded:
    """What is known already around a delivery, of its source.

    rows             `PRICE_ROWS`, one a symbol and day, with the split and dividend that each row states itself
    aside            (n,) whether the row is set aside
    split, dividend  (n,) as they stand in the log, where a row carries those of rows set aside before it; NaN of those
    known_at         (n,) days since 1970; NEVER without one
    said_at          (n,) the same of the file that told the row last before another released it: a correction that
                     was sent between the two corrects it
    since            (n,) whether a payload tells it that came after the delivery's, which is read again
    lost             symbol -> rows without a usable price, by day
    given            (symbol, day) of rows whose split or dividend is that of an action
    """

    rows: pa.Table = field(default_factory=PRICE_ROWS.empty_table)
    aside: Mask = field(default_factory=lambda: np.zeros(0, bool))
    split: Array = field(default_factory=lambda: np.zeros(0))
    dividend: Array = field(default_factory=lambda: np.zeros(0))
    known_at: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    said_at: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    since: Mask = field(default_factory=lambda: np.zeros(0, bool))
    lost: Mapping[str, Sequence[Lost]] = field(default_factory=dict)
    given: frozenset[tuple[str, int]] = frozenset()


@dataclass(frozen=True)
class Merged:
    """A delivery's rows, then those recorded; `order` has the places of those that make up the series.

    delivered  how many of the rows are the delivery's
    between    place of a delivery's row that corrects one which a later file released -> when that was, days since 1970
    begun      as `make_series` takes it
    """

    rows: pa.Table
    order: Ints
    delivered: int
    recorded: Recorded
    between: Mapping[int, int] = field(default_factory=dict)
    begun: Begun = field(default_factory=dict)

    def series(self, before: Mapping[str, Record]) -> Series:
        """The rows in their order; `before` gives the close that stands before them."""
        return make_series(self.rows, self.order, before, self.begun)

    def is_aside(self, place: int) -> bool:
        """Whether a row was set aside before this delivery."""
        return place >= self.delivered and bool(self.recorded.aside[place - self.delivered])


def merge(rows: pa.Table, order: Ints, recorded: Recorded, known_at: date | None) -> Merged:
    """The rows of both, one of each symbol and day: the delivery's, unless it was known before the recorded one, or is
    read again and others have told another value since.

    Where the delivery cannot know a split or dividend (NULL), the recorded one stands.
    """
    if recorded.rows.num_rows == 0:
        return Merged(rows, order, rows.num_rows, recorded)
    both = pa.concat_tables([rows, recorded.rows]).unify_dictionaries()
    codes, _ = symbol_codes(both["symbol"])
    days = days_of(both)
    use = np.arange(len(both)) >= rows.num_rows
    use[order] = True
    order = sorted_places(both, use)
    twice = (np.diff(codes[order]) == 0) & (np.diff(days[order]) == 0)
    told, stood = order[:-1][twice], order[1:][twice]
    since, released = (known[stood - rows.num_rows] for known in (recorded.said_at, recorded.known_at))
    waits = recorded.aside[stood - rows.num_rows]
    now = NEVER if known_at is None else int(np.datetime64(known_at, "D").astype(int))
    outdated = (since > now) & (now != NEVER) & ~waits | _told_otherwise(both, told, stood, recorded)
    use[told[outdated]] = False
    use[stood[~outdated]] = False
    both = _completed(both, told[~outdated], stood[~outdated])
    late = ~outdated & ~waits & (released > now) & (now != NEVER)
    between = dict(zip(told[late].tolist(), released[late].tolist(), strict=True))
    return Merged(both, order[use[order]], rows.num_rows, recorded, between)


def _told_otherwise(rows: pa.Table, told: Places, stood: Places, recorded: Recorded) -> Mask:
    """Which recorded rows came `since`, with another close, or another split or dividend than the delivery tells."""
    if not recorded.since.any():
        return np.zeros(len(told), bool)
    found = recorded.since[stood - (len(rows) - len(recorded.since))]
    close, split, dividend = (rows[name].to_numpy() for name in ("close", "split", "dividend"))
    other = [
        np.abs(one[told] - one[stood]) > SAME_VALUE * np.abs(one[stood]) for one in (close, split, dividend)
    ]
    symbols, days = rows["symbol"].take(pa.array(stood)).to_pylist(), days_of(rows)[stood].tolist()
    own = np.array([key not in recorded.given for key in zip(symbols, days, strict=True)], bool)
    differs: Mask = found & (other[0] | own & (other[1] | other[2]))
    return differs


def _completed(rows: pa.Table, told: Places, stood: Places) -> pa.Table:
    for name in ("split", "dividend"):
        values = rows[name].to_numpy().copy()
        unknown = np.isnan(values[told])
        values[told[unknown]] = values[stood[unknown]]
        rows = with_column(rows, name, values)
    return rows


def with_column(rows: pa.Table, name: str, values: Array) -> pa.Table:
    """The rows with other values (NaN for null) in a column."""
    place = rows.schema.get_field_index(name)
    return rows.set_column(place, rows.schema.field(name), pa.array(values, from_pandas=True))


def stated(rows: pa.Table) -> tuple[Array, Array]:
    """(split, dividend) of each row, (n,) each; none where the row states none."""
    return filled(rows["split"], 1.0), filled(rows["dividend"], 0.0)
