"""What a delivery of characteristics has wrong: rows are set aside with a reason, the rest goes on."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa

from resources.ledger.ledger import Connection
from resources.prices.source import Delivery, Finding
from resources.screening.row_checks import Fault
from resources.screening.screen import quarantine, summaries

LOG, UNITS_DIFFER = "characteristics", "OTHER_UNITS"
FEWEST = 8  # names by which a cross-section can be told
UNITS = (
    1.3  # decimal places: twenty times is on the way to a hundred, and further than names differ by chance
)
ROBUST = 4.0  # times the spread of the cross-section, in which most names lie
LEAST_SPREAD = 0.1  # decimal places
SAME = 1e-9

Sizes = Mapping[str, list[float]]
Released = Collection[tuple[str, date, str]]  # symbol, date and code of rows that someone has looked at


def screened(con: Connection, delivery: Delivery, today: date, released: Released = ()) -> Delivery:
    """The delivery without the rows that cannot be believed, which are in `quarantined`, each with its reason.

    Set aside is what becomes known after `today` or before the day it is of, what two lines tell differently, and what
    is some hundred times larger or smaller than its cross-section: percent for fraction,
    thousands for units, unless it is released.
    """
    rows = delivery.rows.to_pylist()
    faults: dict[int, Fault] = {}
    twice, repeated = _told_twice(rows, delivery.first_line or 0)
    true = {(symbol, day) for symbol, day, code in released if code == UNITS_DIFFER}
    for fault in [*_known_when(rows, today), *twice, *_other_units(rows, _on_record(con, rows))]:
        row = rows[fault.place]
        if fault.code != UNITS_DIFFER or (row["symbol"], row["date"]) not in true:
            faults.setdefault(fault.place, fault)
    kept = np.ones(len(rows), bool)
    kept[[*faults, *repeated]] = False
    aside = quarantine(delivery, delivery.rows, list(faults.values()))
    told = (
        [Finding("DUPLICATE_SAME", "WARN", f"{len(repeated)} rows are there twice", len(repeated))]
        if repeated
        else []
    )
    return replace(
        delivery, rows=delivery.rows.filter(pa.array(kept)), quarantined=aside,
        warnings=(*delivery.warnings, *told, *summaries(aside)),
    )  # fmt: skip


def _known_when(rows: list[dict[str, object]], today: date) -> Iterator[Fault]:
    for place, row in enumerate(rows):
        known, day = row["known_at"], row["date"]
        if isinstance(known, date) and known > today:
            said = f"known_at is {known}, after today ({today}); correct it, or send the row when it is known"
            yield Fault(place, "FUTURE_KNOWN_AT", said)
        elif isinstance(known, date) and isinstance(day, date) and known < day:
            said = (
                f"known_at is {known}, before its date {day}; known_at is the day on which it was published"
            )
            yield Fault(place, "KNOWN_TOO_EARLY", said)


def _told_twice(rows: list[dict[str, object]], start: int) -> tuple[list[Fault], list[int]]:
    """Rows that contradict each other, and those that repeat one."""
    places: dict[tuple[object, ...], list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(tuple(row[key] for key in ("symbol", "date", "name", "known_at")), []).append(place)
    faults, repeated = [], []
    for same in (found for found in places.values() if len(found) > 1):
        values = [float(str(rows[place]["value"])) for place in same]
        if max(values) - min(values) <= SAME * max(map(abs, values)):
            repeated += same[1:]
            continue
        lines = ", ".join(str(place + start) for place in same[:10])
        faults += [
            Fault(place, "DUPLICATE_CONFLICT", f"lines {lines} tell different values of one fact")
            for place in same
        ]
    return faults, repeated


def _on_record(con: Connection, rows: list[dict[str, object]]) -> Sizes:
    """The newest sizes of each name on record, a symbol each."""
    found = con.execute(
        f"select name, arg_max(abs(value), (date, known_at, ingest_seq)) from {LOG} "
        "where name in (select unnest(?)) group by name, symbol order by all",
        [sorted({str(row["name"]) for row in rows})],
    ).fetchall()
    sizes: dict[str, list[float]] = {}
    for name, size in found:
        sizes.setdefault(str(name), []).append(float(size))
    return sizes


def _other_units(rows: list[dict[str, object]], on_record: Sizes) -> Iterator[Fault]:
    """Sizes far from those of the others: of the names on record, else of the delivery itself."""
    brought: dict[str, dict[object, float]] = {}
    for row in rows:
        brought.setdefault(str(row["name"]), {})[row["symbol"]] = abs(float(str(row["value"])))
    scales = {
        name: _scale(known if len(known := on_record.get(name, [])) >= FEWEST else [*sizes.values()])
        for name, sizes in brought.items()
    }
    for place, row in enumerate(rows):
        size, scale = abs(float(str(row["value"]))), scales[str(row["name"])]
        if scale is None or size == 0:
            continue
        middle, spread = scale
        gap = np.log10(size) - middle
        if abs(gap) > max(UNITS, ROBUST * spread):
            said = (
                f"{row['name']} of {row['symbol']} is {row['value']:g}, {10 ** abs(gap):.0f} times "
                f"{'more' if gap > 0 else 'less'} than the {10**middle:.3g} of the others; are its units theirs?"
            )
            yield Fault(place, UNITS_DIFFER, said)


def _scale(sizes: list[float]) -> tuple[float, float] | None:
    """Median and robust spread of the decimal logarithms; None of too few."""
    logs = np.log10([size for size in sizes if size > 0])
    if len(logs) < FEWEST:
        return None
    middle = float(np.median(logs))
    return middle, max(LEAST_SPREAD, 1.4826 * float(np.median(np.abs(logs - middle))))
