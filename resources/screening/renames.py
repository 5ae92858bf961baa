"""Symbols that changed: a row is kept under the name that its company has now."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from optimizer import DataError
from optimizer.errors import how_many
from resources.prices.rows import days_of
from resources.prices.source import Finding


@dataclass(frozen=True)
class Rename:
    """Rows of `old` dated before `effective` (days since 1970) belong to `new`."""

    old: str
    new: str
    effective: int


@dataclass(frozen=True)
class Segment:
    """Days since..until - 1, on which a symbol meant the company that is called `name` now."""

    since: float
    until: float
    name: str


def segments(renames: Iterable[Rename]) -> dict[str, list[Segment]]:
    """Each old symbol's days and the present name of the company that had it then, whatever the order of `renames`.

    A name that was renamed again is followed to its end; a ticker that several companies had in turn has a segment
    for each. Renames of one day happen at once. Raises DataError where a symbol gets two names on one day.
    """
    by_old: dict[str, dict[int, str]] = {}
    for rename in renames:
        known = by_old.setdefault(rename.old, {}).setdefault(rename.effective, rename.new)
        if known != rename.new:
            day = np.datetime64(rename.effective, "D")
            raise DataError(
                f"{rename.old} is renamed twice on {day}, to {known} and to {rename.new}; keep one in "
                "corporate_actions.csv or overrides.yaml"
            )
    return {old: list(_segments(old, by_old)) for old in sorted(by_old)}


def _segments(old: str, by_old: dict[str, dict[int, str]]) -> Iterator[Segment]:
    since = -np.inf
    for day in sorted(by_old[old]):
        name, at = by_old[old][day], day
        while later := [after for after in by_old.get(name, ()) if after > at]:
            at = min(later)
            name = by_old[name][at]
        yield Segment(since, day, name)
        since = day


def present_name(names: Mapping[str, Sequence[Segment]], symbol: str, day: int) -> str:
    """The present name of the company that had a symbol on a day; `names` as from `segments`."""
    return next((part.name for part in names.get(symbol, ()) if part.since <= day < part.until), symbol)


def renamed(rows: pa.Table, renames: Iterable[Rename]) -> tuple[pa.Table, list[Finding]]:
    """The rows with renamed symbols under their present names, and a warning for each rename that applied."""
    if not rows.num_rows:
        return rows, []
    symbol = rows["symbol"].combine_chunks()
    names = symbol.dictionary.to_pylist()
    known = {old: parts for old, parts in segments(renames).items() if old in names}
    if not known:
        return rows, []
    days = days_of(rows)
    told = symbol.indices.to_numpy()
    codes, warnings = told.copy(), []
    for old, parts in known.items():
        own = told == names.index(old)
        for part in parts:
            where = own & (days >= part.since) & (days < part.until)
            if not (count := int(where.sum())):
                continue
            if part.name not in names:
                names.append(part.name)
            codes[where] = names.index(part.name)
            said = f"{how_many(count, 'row')} of {old} kept as {part.name}, its later name"
            warnings.append(Finding("RENAMED", "WARN", said, count, part.name))
    array = pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(names, pa.string()))
    return rows.set_column(0, rows.schema.field("symbol"), array), warnings
