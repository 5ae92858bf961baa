"""What a row can have wrong by itself, or with its twin."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from optimizer.errors import how_many
from resources.ledger.tables import SAME_VALUE
from resources.prices.columns import SYMBOL
from resources.prices.rows import days_of, symbol_codes
from resources.prices.series import Days, Ints, Mask, Series
from resources.prices.source import Delivery, Finding, shown
from resources.screening.doubts import Release

PRICES = ("open", "high", "low", "close")
NOT_A_SESSION = "NOT_A_SESSION"
LINES_TOLD = 10
ROUNDED = "DUPLICATE_ROUNDED"
ROUNDING = 0.005  # relative: what rounding to a cent may move a price of a dollar


@dataclass(frozen=True, slots=True)
class Fault:
    """A row set aside: its place in the delivery, the code, and the reason."""

    place: int
    code: str
    reason: str


def row_faults(rows: pa.Table, today: date, sessions: Days, released: frozenset[Release]) -> Iterator[Fault]:
    """The first fault of each row that has one."""
    found: dict[int, Fault] = {}
    for fault in [
        *_symbol_faults(rows),
        *_number_faults(rows),
        *_date_faults(rows, today, sessions, released),
    ]:
        found.setdefault(fault.place, fault)
    yield from found.values()


def _symbol_faults(rows: pa.Table) -> Iterator[Fault]:
    codes, symbols = symbol_codes(rows["symbol"])
    bad = np.array([re.fullmatch(SYMBOL, symbol) is None for symbol in symbols])
    if bad.any():
        for place in np.flatnonzero(bad[codes]):
            name = shown(symbols[codes[place]], 60)
            said = f"'{name}' is no symbol: capitals, digits and . - _ / ^ =, not first + - = @"
            yield Fault(int(place), "BAD_SYMBOL", said)


def _number_faults(rows: pa.Table) -> Iterator[Fault]:
    if rows["close"].null_count:
        for place in np.flatnonzero(pc.is_null(rows["close"]).to_numpy()):
            yield Fault(int(place), "MISSING_CLOSE", "there is no close")
    for name in (*PRICES, "dividend", "split", "volume"):
        ends = pc.min_max(rows[name]).as_py()
        least, most = ends["min"], ends["max"]
        if least is None:
            continue
        if not (np.isfinite(least) and np.isfinite(most)):
            values = rows[name].to_numpy()
            for place in np.flatnonzero(np.isinf(values)):
                yield Fault(int(place), "NOT_FINITE", f"{name} is {values[place]}; it must be finite")
        zero_allowed = name in ("dividend", "volume")
        if least < 0 or (least == 0 and not zero_allowed):
            values = rows[name].to_numpy()
            code = "NON_POSITIVE" if name in PRICES else f"BAD_{name.upper()}"
            must = ">= 0" if zero_allowed else "> 0"
            for place in np.flatnonzero(values < 0 if zero_allowed else values <= 0):
                yield Fault(int(place), code, f"{name} is {values[place]:g}; it must be {must}")


def _date_faults(
    rows: pa.Table, today: date, sessions: Days, released: frozenset[Release]
) -> Iterator[Fault]:
    days = days_of(rows)
    first, last = int(days.min()), int(days.max())
    span = np.arange(first, last + 1, dtype=np.int64)
    now = np.datetime64(today).astype(np.int64)
    # Before the calendar begins, every weekday may have been a session.
    trading = np.isin(span, sessions) | ((span < sessions[0]) & np.is_busday(span.astype("datetime64[D]")))
    wrong: Mask = ~trading | (span > now)
    if not wrong.any():
        return
    symbols = rows["symbol"]
    for place in np.flatnonzero(wrong[days - first]):
        day = np.datetime64(int(days[place]), "D").item()
        if days[place] > now:
            yield Fault(int(place), "FUTURE_DATE", f"{day} is after today, {today}")
        elif (symbols[int(place)].as_py(), int(days[place]), NOT_A_SESSION) not in released:
            yield Fault(int(place), NOT_A_SESSION, f"the exchange did not trade on {day}, a {day:%A}")


def duplicates(
    order: Ints, rows: pa.Table, delivery: Delivery
) -> tuple[list[Fault], list[int], list[Finding]]:
    """Rows of equal symbol and date, of those in the order: (conflicting ones, surplus equal ones, a warning)."""
    codes, days = symbol_codes(rows["symbol"])[0][order], days_of(rows)[order]
    again = (np.diff(days) == 0) & (np.diff(codes) == 0)
    if not again.any():
        return [], [], []
    starts = np.flatnonzero(again & np.concatenate([[True], ~again[:-1]]))
    twins = order[np.concatenate([[False], again]) | np.concatenate([again, [False]])]
    values = rows.take(pa.array(twins)).drop_columns(["vendor_adj_close"]).to_pylist()
    row_at = dict(zip(twins.tolist(), values, strict=True))
    faults: list[Fault] = []
    surplus: list[int] = []
    other: dict[str, list[tuple[str, date]]] = {"volume": [], "rounded": []}
    for start in starts:
        end = start + 1
        while end <= len(again) and again[end - 1]:
            end += 1
        places = sorted(order[start:end].tolist())
        told = [row_at[place] for place in places]
        best = max(range(len(told)), key=lambda place: _worth(told[place]))
        kept = told[best]
        if all(_is_rounded(row, kept) for row in told):
            surplus += [place for place in places if place != places[best]]
            for row in (row for row in told if row != kept):
                how = "volume" if row | {"volume": 0} == kept | {"volume": 0} else "rounded"
                other[how].append((row["symbol"], row["date"]))
            continue
        at = [
            place + delivery.first_line if delivery.lines is None else delivery.lines[place]
            for place in places
        ]
        more = f" and {len(at) - LINES_TOLD} more" if len(at) > LINES_TOLD else ""
        told_lines = ", ".join(map(str, at[:LINES_TOLD])) + more
        said = f"lines {told_lines} give different values for the same symbol and date; send one"
        faults += [Fault(place, "DUPLICATE_CONFLICT", said) for place in places]
    if not surplus:
        return faults, surplus, []
    return faults, surplus, list(_told_twice(len(surplus), other))


def _worth(row: Mapping[str, Any]) -> tuple[float, ...]:
    """Of rows that tell the same the one with the finest prices, then the largest volume, then the largest close."""
    return max(_decimals(row[name]) for name in PRICES), row["volume"] or 0, row["close"] or 0


def _decimals(price: float | None) -> int:
    """The decimals in which a price is told: two at least, for closing zeros are not seen."""
    exponent = 0 if price is None else Decimal(repr(price)).normalize().as_tuple().exponent
    return max(2, -int(exponent))


def _is_rounded(row: Mapping[str, Any], kept: Mapping[str, Any]) -> bool:
    """Whether a row tells what the kept one does, its prices but for a step of the coarser one's last decimal."""
    if any(row[name] != kept[name] for name in row if name not in (*PRICES, "volume")):
        return False
    pairs = [(row[name], kept[name]) for name in PRICES if row[name] != kept[name]]
    return all(None not in pair and _a_step_away(*pair) for pair in pairs)


def _a_step_away(one: float, other: float) -> bool:
    step = 10.0 ** -min(_decimals(one), _decimals(other))
    return abs(one - other) <= min(step * (1 + SAME_VALUE), ROUNDING * abs(other))


def _told_twice(surplus: int, other: Mapping[str, list[tuple[str, date]]]) -> Iterator[Finding]:
    """Warnings about rows left out beside their twin; `other` are those that differ, in volume or rounding."""
    volumes, rounded = other["volume"], other["rounded"]
    if rounded:
        symbol, day = rounded[0]
        rows = how_many(len(rounded), "row")
        said = f"{rows} told twice with prices rounded otherwise, the first {symbol} of {day}; the finer one is kept"
        yield Finding(ROUNDED, "WARN", said, len(rounded), symbol, day)
    if same := surplus - len(volumes) - len(rounded):
        said = f"{how_many(same, 'row')} told twice with the same values; one of each is kept"
        yield Finding("DUPLICATE_SAME", "WARN", said, same)
    if volumes:
        symbol, day = volumes[0]
        rows = how_many(len(volumes), "row")
        said = f"{rows} told twice with another volume, the first {symbol} of {day}; the larger is kept"
        yield Finding("DUPLICATE_VOLUME", "WARN", said, len(volumes), symbol, day)


def high_low(rows: pa.Table, series: Series) -> Iterator[Finding]:
    """A warning for each symbol with a close outside low..high, or a low above its high."""
    if rows["high"].null_count == len(rows) or rows["low"].null_count == len(rows):
        return
    high, low, close = (rows[name].to_numpy() for name in ("high", "low", "close"))
    outside = (high < low) | (close > high * (1 + 1e-6)) | (close < low * (1 - 1e-6))
    if not outside.any():
        return
    flagged = np.flatnonzero(outside[series.order])
    for code in np.unique(series.codes[flagged]):
        its = flagged[series.codes[flagged] == code]
        symbol, day = series.symbols[code], np.datetime64(int(series.days[its[0]]), "D").item()
        found = how_many(len(its), "close")
        said = f"{symbol} has {found} outside low..high, or its low above the high; the first on {day}"
        yield Finding("HIGH_LOW", "WARN", said, len(its), symbol, day)
