"""What a delivery of characteristics has wrong: rows are set aside with a reason, the rest goes on."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from difflib import SequenceMatcher
from math import isfinite

import numpy as np
import pyarrow as pa

from optimizer.errors import asked, how_many
from optimizer.factors.attribution import OTHER, SPECIFIC
from optimizer.factors.factor_model import MARKET
from optimizer.factors.panel import NEEDS
from resources.ledger.ledger import Connection
from resources.prices.columns import SYMBOL
from resources.prices.source import Delivery, Finding, shown
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

TURNED = 0.9  # of the names, or of a correlation with what is on record
ALIKE = 0.8  # of the letters
MOST_ALIKE = 20_000  # pairs of names that are compared: seconds
OWN_NAMES, SECTORS = frozenset([MARKET, SPECIFIC, OTHER, *NEEDS]), "sector:"

Row = Mapping[str, object]
Record = dict[str, dict[str, float]]  # name -> symbol -> value
Released = Collection[tuple[str, date, str]]  # symbol, date and code of rows that someone has looked at


def screened(con: Connection, delivery: Delivery, today: date, released: Released = ()) -> Delivery:
    """The delivery without the rows that cannot be believed, which are in `quarantined`, each with its reason.

    Set aside is what is no fact (a cell empty, no finite number, no symbol, a name that the model has itself), what
    becomes known after `today` or before the day it is of, what two lines tell differently, and what is some hundred
    times larger or smaller than its cross-section: percent for fraction, thousands for units, unless it is released.
    Of whole columns that tell nothing, turn their signs or have a new name like a known one, the desk is warned.
    """
    rows = delivery.rows.to_pylist()
    faults: dict[int, Fault] = {fault.place: fault for fault in _no_facts(rows)}
    facts = {place: row for place, row in enumerate(rows) if place not in faults}
    record = _on_record(con, facts.values())
    twice, repeated = _told_twice(facts, delivery.first_line)
    true = {(symbol, day) for symbol, day, code in released if code == UNITS_DIFFER}
    for fault in [*_known_when(facts, today), *twice, *_other_units(facts, record)]:
        row = rows[fault.place]
        if fault.code != UNITS_DIFFER or (row["symbol"], row["date"]) not in true:
            faults.setdefault(fault.place, fault)
    kept = np.ones(len(rows), bool)
    kept[[*faults, *repeated]] = False
    aside = quarantine(delivery, delivery.rows, list(faults.values()))
    told = (
        [Finding("DUPLICATE_SAME", "WARN", f"{how_many(len(repeated), 'row')} told twice", len(repeated))]
        if repeated
        else []
    )
    told += column_warnings([row for row, good in zip(rows, kept, strict=True) if good], record)
    return replace(
        delivery, rows=delivery.rows.filter(pa.array(kept)), quarantined=aside,
        warnings=(*delivery.warnings, *told, *summaries(aside)),
    )  # fmt: skip


def _no_facts(rows: Sequence[Row]) -> Iterator[Fault]:
    """The first of each row that is none."""
    for place, row in enumerate(rows):
        empty = [column for column, cell in row.items() if cell is None or cell == ""]
        value, symbol, name = row["value"], str(row["symbol"]), str(row["name"])
        if empty:
            yield Fault(place, "MISSING_VALUE", f"{empty[0]} is empty; fill it in, or leave the row out")
        elif isinstance(value, float) and not isfinite(value):
            yield Fault(place, "BAD_NUMBER", f"value is {value}; it must be a finite number")
        elif not re.fullmatch(SYMBOL, symbol):
            near = symbol.strip().upper()
            hint = f"; {asked([near])}" if re.fullmatch(SYMBOL, near) else ""
            said = f"symbol is {shown(symbol)}; a symbol has capitals, digits and . ^ = _ / - only{hint}"
            yield Fault(place, "BAD_SYMBOL", said)
        elif name in OWN_NAMES or name.startswith(SECTORS):
            yield Fault(
                place,
                "RESERVED_NAME",
                f"the model has a factor {shown(name)} of its own; choose another name",
            )


def _known_when(facts: Mapping[int, Row], today: date) -> Iterator[Fault]:
    for place, row in facts.items():
        known, day = row["known_at"], row["date"]
        if isinstance(known, date) and known > today:
            said = f"known_at is {known}, after today ({today}); correct it, or send the row when it is known"
            yield Fault(place, "FUTURE_KNOWN_AT", said)
        elif isinstance(known, date) and isinstance(day, date) and known < day:
            said = (
                f"known_at is {known}, before its date {day}; known_at is the day on which it was published"
            )
            yield Fault(place, "KNOWN_TOO_EARLY", said)


def _told_twice(facts: Mapping[int, Row], start: int) -> tuple[list[Fault], list[int]]:
    """Rows that contradict each other, and those that repeat one."""
    places: dict[tuple[object, ...], list[int]] = {}
    for place, row in facts.items():
        places.setdefault(tuple(row[key] for key in ("symbol", "date", "name", "known_at")), []).append(place)
    faults, repeated = [], []
    for same in (found for found in places.values() if len(found) > 1):
        values = [float(str(facts[place]["value"])) for place in same]
        if max(values) - min(values) <= SAME * max(map(abs, values)):
            repeated += same[1:]
            continue
        lines = ", ".join(str(place + start) for place in same[:10])
        faults += [
            Fault(place, "DUPLICATE_CONFLICT", f"lines {lines} tell different values of one fact")
            for place in same
        ]
    return faults, repeated


def _on_record(con: Connection, rows: Iterable[Row]) -> Record:
    """The newest values of all names on record, by symbol, of the names that are told and, empty, of the others."""
    told = {str(row["name"]) for row in rows}
    if not told:
        return {}
    names = con.execute(f"select distinct name from {LOG} order by 1").fetchall()
    found: Record = {str(name): {} for (name,) in names}
    newest = con.execute(
        f"select name, symbol, arg_max(value, (date, known_at, ingest_seq)) from {LOG} "
        "where name in (select unnest(?)) group by all order by all",
        [sorted(told)],
    ).fetchall()
    for name, symbol, value in newest:
        found[str(name)][str(symbol)] = float(value)
    return found


def _other_units(facts: Mapping[int, Row], record: Record) -> Iterator[Fault]:
    """Sizes far from those of the others: of the names on record, else of the delivery itself."""
    brought: dict[str, dict[object, float]] = {}
    for row in facts.values():
        brought.setdefault(str(row["name"]), {})[row["symbol"]] = abs(float(str(row["value"])))
    scales = {}
    for name, sizes in brought.items():
        known = [abs(value) for value in record.get(name, {}).values()]
        scales[name] = _scale(known if len(known) >= FEWEST else [*sizes.values()])
    for place, row in facts.items():
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


def column_warnings(rows: Sequence[Row], record: Record) -> Iterator[Finding]:
    """What is odd about a name as a whole: it tells nothing, turns its signs, or is new and like a known one."""
    columns: dict[str, dict[object, dict[str, float]]] = {}
    for row in rows:
        days = columns.setdefault(str(row["name"]), {})
        days.setdefault(row["date"], {})[str(row["symbol"])] = float(str(row["value"]))
    compared = 0
    for name, days in sorted(columns.items()):
        flat = [day for day, one in days.items() if len(one) >= FEWEST and len({*one.values()}) == 1]
        if flat:
            said = f"{shown(name)} is the same for all names on {len(flat)} dates, as {flat[0]}: its factor is then 0"
            yield Finding("NO_SPREAD", "WARN", said, len(flat))
        known = record.get(name, {})
        if known and _turned(days, known):
            said = f"{shown(name)} has the signs, or the order, of what is on record turned round; more must stay more"
            yield Finding("SIGNS_TURNED", "WARN", said)
        if name in record or compared > MOST_ALIKE:
            continue
        others = [*record, *(other for other in columns if other < name)]
        compared += len(others)
        if near := _alike(name, others):
            said = f"{shown(name)} is a new name, which makes a factor of its own; {asked(near)}"
            yield Finding("NAME_NEAR", "WARN", said)


def _turned(days: Mapping[object, Mapping[str, float]], known: Mapping[str, float]) -> bool:
    """Whether the first cross-section is what is on record with the other sign, or nearly."""
    first = days[min(days, key=str)]
    both = [symbol for symbol in first if symbol in known]
    told, before = (np.array([table[symbol] for symbol in both]) for table in (first, known))
    if len(both) < FEWEST or not told.any() or not before.any():
        return False
    turned = float((told * before < 0).mean())
    apart = np.ptp(told) > 0 and np.ptp(before) > 0
    return turned > TURNED or bool(apart and np.corrcoef(told, before)[0, 1] < -TURNED)


def _alike(name: str, others: Sequence[str]) -> list[str]:
    """Names that differ in case and signs alone, or by little; value_1 and value_2 are two."""

    def near(other: str) -> bool:
        one, two = (re.sub(r"[\W_]", "", told).casefold() for told in (name, other))
        numbered = re.sub(r"\d", "", one) == re.sub(r"\d", "", two)
        return one == two or (not numbered and SequenceMatcher(None, one, two).ratio() >= ALIKE)

    return [other for other in sorted({*others}) if near(other)]
