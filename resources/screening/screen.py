"""The checks every price row passes before it enters the log: bad rows are set aside, odd ones noted."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa

from optimizer.errors import how_many
from resources.prices.series import Mask, Record, Series, make_series, sorted_places
from resources.prices.source import QUARANTINE, Delivery, Finding
from resources.screening.context import Context
from resources.screening.price_warnings import watch
from resources.screening.row_checks import Fault, duplicates, high_low, row_faults
from resources.screening.settling import lost_rows, settle

AT_ONCE = 10_000  # rows spelled out at a time: of half a million that takes a part of a gigabyte


def screen(delivery: Delivery, context: Context) -> Delivery:
    """The delivery with its bad rows in `quarantined`, its good ones in `rows`, and a finding for each kind.

    Rows that were set aside before and are believed now come after its own. Nothing is repaired, but a split or
    dividend that only a corporate action, an adjusted close or a row set aside tells is filled in, with a warning.
    """
    if delivery.rows.num_rows == 0:
        return delivery
    rows, warnings = delivery.rows, list[Finding]()
    faults = list(row_faults(rows, context.today, context.sessions, context.released))
    kept = _without(rows.num_rows, None, faults)
    order = sorted_places(rows, kept)
    twice, dropped, told_twice = duplicates(order, rows, delivery)
    if twice or dropped:
        kept = _without(rows.num_rows, kept, twice, dropped)
        order = order if kept is None else order[kept[order]]
    settled = settle(delivery, rows, order, lost_rows(rows, [*faults, *twice]), context)
    series = make_series(settled.rows, order, context.record, context.begun)
    held = np.flatnonzero(np.isin(order, [fault.place for fault in settled.held]))
    kept = _without(rows.num_rows, kept, settled.held, settled.between)
    warnings += [
        *told_twice,
        *settled.warnings,
        *high_low(rows, series),
        *not_delivered(series, context.record),
    ]
    warnings += watch(series, settled.rows, held, context.sessions, context.watch_limits)
    aside = quarantine(delivery, rows, [*faults, *twice, *settled.held])
    believed, again = settled.rows if kept is None else settled.rows.filter(pa.array(kept)), settled.again
    return replace(
        delivery,
        rows=pa.concat_tables([believed, again.drop_columns("known_at")]) if again.num_rows else believed,
        anew=again["known_at"].combine_chunks(),
        lines=None
        if delivery.lines is None or again.num_rows
        else delivery.lines[slice(None) if kept is None else kept],
        quarantined=pa.concat_tables([aside, kept_beside(*settled.aside)]),
        warnings=(*delivery.warnings, *warnings, *summaries(aside)),
    )


def not_delivered(series: Series, record: Mapping[str, Record]) -> Iterator[Finding]:
    """A warning that names symbols which were there to the last day on record and are not in a newer file."""
    newest = max((known.day for known in record.values()), default=0)
    present = set(np.array(series.symbols, dtype=object)[np.unique(series.codes)])
    if len(present) < 2 or not record or int(series.days.max()) <= newest:
        return
    absent = sorted(name for name, known in record.items() if known.day == newest and name not in present)
    if absent:
        said = f"{how_many(len(absent), 'symbol')} no longer delivered: {', '.join(absent[:10])}"
        yield Finding("NOT_DELIVERED", "WARN", said, len(absent), absent[0])


def quarantine(delivery: Delivery, rows: pa.Table, faults: list[Fault]) -> pa.Table:
    """The `QUARANTINE` rows of all faults, in the order of the payload."""
    if not faults:
        return QUARANTINE.empty_table()
    faults = sorted(faults, key=lambda fault: fault.place)
    places = np.array([fault.place for fault in faults])
    lines = places + delivery.first_line if delivery.lines is None else delivery.lines[places]
    codes, reasons = [fault.code for fault in faults], [fault.reason for fault in faults]
    return _quarantined(rows.take(pa.array(places)), pa.array(lines, pa.int64()), codes, reasons)


def kept_beside(rows: pa.Table, codes: list[str], reasons: list[str]) -> pa.Table:
    """The `QUARANTINE` rows of rows that stand in no line of the payload, or are believed all the same."""
    return _quarantined(rows, pa.nulls(len(rows), pa.int64()), codes, reasons)


def _quarantined(rows: pa.Table, lines: pa.Array, codes: list[str], reasons: list[str]) -> pa.Table:
    raw = [
        ",".join("" if cell is None else str(cell) for cell in row.values())
        for part in rows.to_batches(AT_ONCE)
        for row in part.to_pylist()
    ]
    columns = {"symbol": rows["symbol"].cast(pa.string()), "date": rows["date"], "line": lines}
    told = {"code": codes, "reason": reasons, "raw": raw}
    return pa.table(
        columns | {name: pa.array(texts, pa.string()) for name, texts in told.items()}, schema=QUARANTINE
    )


def _without(
    size: int, kept: Mask | None, faults: list[Fault], places: list[int] | None = None
) -> Mask | None:
    if not faults and not places:
        return kept
    mask = np.ones(size, bool) if kept is None else kept.copy()
    mask[[fault.place for fault in faults] + (places or [])] = False
    return mask


def summaries(aside: pa.Table) -> Iterator[Finding]:
    """One QUAR finding a code."""
    codes, symbols = aside["code"].to_pylist(), aside["symbol"].to_pylist()
    for code, count in sorted(Counter(codes).items()):
        place = codes.index(code)
        who = sorted({symbol for symbol, its in zip(symbols, codes, strict=True) if its == code and symbol})
        row = {name: aside[name][place].as_py() for name in ("symbol", "date", "line", "reason")}
        of = ", ".join(who[:10]) or "no symbol"
        said = f"{how_many(count, 'row')} of {of} set aside; line {row['line']}: {row['reason']}"
        yield Finding(code, "QUAR", said, count, row["symbol"], row["date"], row["line"])
