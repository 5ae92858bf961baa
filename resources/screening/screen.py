"""The checks every price row passes before it enters the log: bad rows are set aside, odd ones noted."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import pyarrow as pa

from resources.prices.renames import Rename, renamed
from resources.prices.series import Days, Mask, Record, Series, make_series
from resources.prices.source import QUARANTINE, Delivery, Finding
from resources.screening.jumps import JumpLimits, Release, jumps
from resources.screening.price_warnings import WatchLimits, watch
from resources.screening.row_checks import Fault, duplicates, high_low, row_faults


@dataclass(frozen=True)
class Context:
    """What the checks compare a delivery with.

    today     the clock's date: later rows are set aside
    sessions  (s,) int32 days since 1970 on which the exchange trades, ascending
    record    newest close of each symbol of this source on record
    splits    (symbol, days since 1970) -> shares after per share before, from the corporate actions
    released  (symbol, day, code): rows that someone has looked at and found true
    """

    today: date
    sessions: Days
    record: Mapping[str, Record] = field(default_factory=dict)
    splits: Mapping[tuple[str, int], float] = field(default_factory=dict)
    released: frozenset[Release] = frozenset()
    renames: tuple[Rename, ...] = ()
    jump_limits: JumpLimits = field(default_factory=JumpLimits)
    watch_limits: WatchLimits = field(default_factory=WatchLimits)


def screen(delivery: Delivery, context: Context) -> Delivery:
    """The delivery with its bad rows in `quarantined`, its good ones in `rows`, and a finding for each kind.

    Nothing is repaired, but a split that only the corporate actions know is filled in, with a warning.
    """
    if delivery.rows.num_rows == 0:
        return delivery
    rows, warnings = renamed(delivery.rows, context.renames)
    faults = list(row_faults(rows, context.today, context.sessions, context.released))
    kept = _without(rows.num_rows, None, faults)
    series = make_series(rows, kept, context.record)
    twice, dropped, told_twice = duplicates(series, rows, delivery)
    if twice or dropped:
        kept = _without(rows.num_rows, kept, twice, dropped)
        series = make_series(rows, kept, context.record)
    if delivery.basis == "as_traded":
        rows, filled = explained(rows, series, context.splits)
        series = make_series(rows, kept, context.record) if filled else series
        warnings += filled
    held = list(jumps(series, context.record, context.released, context.jump_limits))
    jumped = [Fault(int(series.order[item.place]), item.code, item.reason) for item in held]
    kept = _without(rows.num_rows, kept, jumped)
    warnings += [*told_twice, *high_low(rows, series), *not_delivered(series, context.record)]
    warnings += watch(series, rows, [item.place for item in held], context.sessions, context.watch_limits)
    aside = quarantine(delivery, rows, [*faults, *twice, *jumped])
    return replace(
        delivery,
        rows=rows if kept is None else rows.filter(pa.array(kept)),
        lines=delivery.lines if kept is None or delivery.lines is None else delivery.lines[kept],
        quarantined=aside,
        warnings=(*delivery.warnings, *warnings, *_summaries(aside)),
    )


def explained(
    rows: pa.Table, series: Series, splits: Mapping[tuple[str, int], float]
) -> tuple[pa.Table, list[Finding]]:
    """The rows with the splits that only the corporate actions know, and a warning for each."""
    codes = {name: code for code, name in enumerate(series.symbols)}
    bounds, firsts = (
        series.bounds(),
        {int(series.codes[place]): index for index, place in enumerate(series.bounds()[:-1])},
    )
    filled, warnings = None, []
    for (symbol, day), ratio in splits.items():
        index = firsts.get(codes.get(symbol, -1))
        if index is None:
            continue
        start, end = bounds[index], bounds[index + 1]
        place = start + np.searchsorted(series.days[start:end], day)
        if place < end and series.days[place] == day and series.split[place] == 1 and ratio != 1:
            filled = np.array(rows["split"].to_numpy()) if filled is None else filled
            filled[series.order[place]] = ratio
            when = np.datetime64(day, "D").item()
            said = f"{symbol} splits {ratio:g}:1 on {when} by the corporate actions; the file does not say so"
            warnings.append(Finding("SPLIT_FROM_ACTION", "WARN", said, 1, symbol, when))
    if filled is None:
        return rows, []
    place = rows.schema.get_field_index("split")
    return rows.set_column(place, rows.schema.field("split"), pa.array(filled, from_pandas=True)), warnings


def not_delivered(series: Series, record: Mapping[str, Record]) -> Iterator[Finding]:
    """A warning that names symbols which were there to the last day on record and are not in a newer file."""
    newest = max((known.day for known in record.values()), default=0)
    present = set(np.array(series.symbols, dtype=object)[np.unique(series.codes)])
    if len(present) < 2 or not record or int(series.days.max()) <= newest:
        return
    absent = sorted(name for name, known in record.items() if known.day == newest and name not in present)
    if absent:
        said = f"{len(absent)} symbols are no longer delivered: {', '.join(absent[:10])}"
        yield Finding("NOT_DELIVERED", "WARN", said, len(absent), absent[0])


def quarantine(delivery: Delivery, rows: pa.Table, faults: list[Fault]) -> pa.Table:
    """The `QUARANTINE` rows of all faults, in the order of the payload."""
    if not faults:
        return QUARANTINE.empty_table()
    faults = sorted(faults, key=lambda fault: fault.place)
    places = np.array([fault.place for fault in faults])
    bad = rows.take(pa.array(places))
    lines = places + delivery.first_line if delivery.lines is None else delivery.lines[places]
    raw = [",".join("" if cell is None else str(cell) for cell in row.values()) for row in bad.to_pylist()]
    return pa.table(
        {
            "symbol": bad["symbol"].cast(pa.string()),
            "date": bad["date"],
            "line": pa.array(lines, pa.int64()),
            "code": pa.array([fault.code for fault in faults], pa.string()),
            "reason": pa.array([fault.reason for fault in faults], pa.string()),
            "raw": pa.array(raw, pa.string()),
        },
        schema=QUARANTINE,
    )


def _without(
    size: int, kept: Mask | None, faults: list[Fault], places: list[int] | None = None
) -> Mask | None:
    if not faults and not places:
        return kept
    mask = np.ones(size, bool) if kept is None else kept.copy()
    mask[[fault.place for fault in faults] + (places or [])] = False
    return mask


def _summaries(aside: pa.Table) -> Iterator[Finding]:
    """One QUAR finding a code."""
    codes, symbols = aside["code"].to_pylist(), aside["symbol"].to_pylist()
    for code, count in sorted(Counter(codes).items()):
        place = codes.index(code)
        who = sorted({symbol for symbol, its in zip(symbols, codes, strict=True) if its == code and symbol})
        row = {name: aside[name][place].as_py() for name in ("symbol", "date", "line", "reason")}
        of = ", ".join(who[:10]) or "no symbol"
        said = f"{count} rows of {of} set aside; line {row['line']}: {row['reason']}"
        yield Finding(code, "QUAR", said, count, row["symbol"], row["date"], row["line"])
