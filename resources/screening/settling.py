"""What becomes of a delivery's rows among those known already: believed, set aside, or believed again."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pyarrow as pa

from optimizer.errors import how_many
from resources.prices.rounding import significant
from resources.prices.series import Ints, Mask, Record, Series
from resources.prices.source import CARRIED, Delivery, Finding
from resources.screening.context import Context
from resources.screening.corroboration import Evidence
from resources.screening.doubts import Held, Judging
from resources.screening.jumps import Verdicts, judge
from resources.screening.merged import NEVER, Lost, Merged, merge, with_column
from resources.screening.row_checks import Fault
from resources.screening.stated.stated_payments import counted, paid
from resources.screening.stated.stated_splits import explained, told_by_adjusted, without_taken_back

KEEPING = ("MISSING_CLOSE", "NOT_FINITE", "NON_POSITIVE", "BAD_VOLUME", "NOT_A_SESSION", "DUPLICATE_CONFLICT")


@dataclass(frozen=True)
class Settled:
    """The verdicts on a delivery.

    rows     the delivery's rows, with the splits and dividends that others state for them
    held     of them those set aside
    again    rows set aside before and believed now, rows on record whose split or dividend is another now, and the
             delivery's `between`, with the `known_at` of each
    between  places of the delivery's rows that are among them: corrections of what a later file released
    aside    rows for `quarantine` besides those held: rows that carry the actions of others, as they state themselves,
             and rows on record that are no longer believed; with code and reason of each
    """

    rows: pa.Table
    held: list[Fault]
    again: pa.Table
    between: list[int]
    aside: tuple[pa.Table, list[str], list[str]]
    warnings: list[Finding]


def settle(
    delivery: Delivery, rows: pa.Table, order: Ints, lost: Mapping[str, Sequence[Lost]], known: Context
) -> Settled:
    """Judges a delivery's rows, those in the order, as one series with those recorded; rows (n,) of `PRICE_ROWS`.

    lost  symbol -> rows of the delivery without a usable price
    """
    rows = without_taken_back(rows, order, known.record, known.splits)
    merged = replace(merge(rows, order, known.recorded, delivery.known_at), begun=known.begun)
    before = _before(merged, known.record)
    series = merged.series(before)
    warnings: list[Finding] = []
    if known.payments.stated and delivery.basis != "total_return":
        filled, told = paid(merged, series, known.payments, known.splits, delivery)
        merged, series, warnings = _with_rows(merged, series, before, filled, told, warnings)
    if delivery.basis == "as_traded":
        filled, told = explained(merged, series, known.splits, known.from_actions, delivery, known.several)
        merged, series, warnings = _with_rows(merged, series, before, filled, told, warnings)
        filled, told = told_by_adjusted(merged.rows, series, merged.delivered)
        merged, series, warnings = _with_rows(merged, series, before, filled, told, warnings)
    restated = delivery.basis == "split_adjusted"
    evidence = Evidence(series, merged.rows, known.elsewhere, merged.delivered if restated else None)
    judging = Judging(
        evidence,
        known.jump_limits,
        known.released,
        _lost(lost, known, delivery.currency),
        splits=delivery.basis != "total_return",
    )
    verdicts = judge(series, *_looked(merged, series), judging)
    return _settled(merged, series, verdicts, warnings, delivery.known_at)


def _with_rows(
    merged: Merged,
    series: Series,
    before: Mapping[str, Record],
    rows: pa.Table,
    told: list[Finding],
    warnings: list[Finding],
) -> tuple[Merged, Series, list[Finding]]:
    if not told and rows is merged.rows:
        return merged, series, warnings
    merged = replace(merged, rows=rows)
    return merged, merged.series(before), [*warnings, *told]


def _before(merged: Merged, record: Mapping[str, Record]) -> dict[str, Record]:
    """The closes on record that stand before a symbol's first row: a row is not compared with a later day's."""
    if not record:
        return {}
    series = merged.series({})
    firsts = np.flatnonzero(series.first)
    days = {series.symbols[series.codes[place]]: int(series.days[place]) for place in firsts}
    return {name: known for name, known in record.items() if known.day < days.get(name, known.day)}


def _lost(lost: Mapping[str, Sequence[Lost]], known: Context, currency: str) -> dict[str, list[Lost]]:
    """What rows without a usable price state besides the actions, which reach the next row by themselves."""
    given = counted(known.payments, currency)
    both: defaultdict[str, dict[int, Lost]] = defaultdict(dict)
    for part in (known.recorded.lost, lost):
        for symbol, items in part.items():
            for item in items:
                told = Lost(
                    item.day,
                    1.0 if (symbol, item.day) in known.splits else item.split,
                    max(0.0, item.dividend - given.get((symbol, item.day), 0.0)),
                    item.close,
                )
                both[symbol][item.day] = told
    return {symbol: [items[day] for day in sorted(items)] for symbol, items in both.items()}


def _looked(merged: Merged, series: Series) -> tuple[np.typing.NDArray[np.int64], Mask]:
    """(places to be judged whatever their move, rows (n,) whose move is settled: on record, as the row before)."""
    count = merged.delivered
    on_record = np.zeros(len(merged.rows), bool)
    must = np.zeros(len(merged.rows), bool)
    recorded = merged.recorded
    if recorded.rows.num_rows:
        on_record[count:] = ~recorded.aside
        rows = merged.rows.slice(count)
        own = np.stack([rows[name].to_numpy() for name in ("split", "dividend")])
        must[count:] = recorded.aside | (own != np.stack([recorded.split, recorded.dividend])).any(axis=0)
    stands = on_record[series.order]
    settled = stands & np.concatenate([[False], stands[:-1]]) & ~series.first
    return np.flatnonzero(must[series.order]), settled


def _settled(
    merged: Merged, series: Series, verdicts: Verdicts, warnings: list[Finding], known_at: date | None
) -> Settled:
    rows, count = merged.rows, merged.delivered
    places = {int(series.order[place]): values for place, values in verdicts.carried.items()}
    for column, name in enumerate(("split", "dividend")):
        if places:
            values = rows[name].to_numpy().copy()
            values[list(places)] = significant(np.array([told[column] for told in places.values()]))
            rows = with_column(rows, name, values)
    held = {int(series.order[item.place]): item for item in verdicts.held}
    again, changed = _again(merged, rows, series, held, known_at)
    carrying = sorted(place for place in places if place < count or place in changed)
    aside = [(place, CARRIED, _carries(merged.rows, rows, place)) for place in carrying]
    for place, item in sorted(held.items()):
        if place >= count and not merged.is_aside(place):
            aside.append((place, item.code, f"it is no longer believed: {item.reason}"))
    own = merged.rows.take(pa.array([place for place, _, _ in aside], pa.int64()))
    codes, reasons = [code for _, code, _ in aside], [reason for _, _, reason in aside]
    return Settled(
        rows.slice(0, count),
        [Fault(place, item.code, item.reason) for place, item in held.items() if place < count],
        again,
        [place for place in merged.between if place not in held],
        (own, codes, reasons),
        [*warnings, *_told(own, codes, reasons), *_released(merged, again)],
    )


def _again(
    merged: Merged, rows: pa.Table, series: Series, held: Mapping[int, Held], known_at: date | None
) -> tuple[pa.Table, set[int]]:
    """Recorded rows that become rows of the log once more, and their places.

    One on record stays the word of its own day: a correction that comes later may be older than this delivery, and a
    delivery that comes late may be older than it. One set aside is believed by what is known now.
    """
    count, recorded = merged.delivered, merged.recorded
    if not recorded.rows.num_rows:
        return rows.slice(0, 0).append_column("known_at", pa.array([], pa.date32())), set()
    told = [rows[name].slice(count).to_numpy() for name in ("split", "dividend")]
    other = ~np.isclose(told[0], recorded.split, 1e-7, 0) | ~np.isclose(told[1], recorded.dividend, 1e-7, 0)
    used = np.zeros(len(rows), bool)
    used[series.order] = True
    used[list(held)] = False
    places = np.flatnonzero(used[count:] & (recorded.aside | other)) + count
    known, now = recorded.known_at.astype("datetime64[D]"), np.datetime64(known_at, "D")
    known[recorded.known_at == NEVER] = np.datetime64("NaT")
    since = now if np.isnat(now) else np.fmax(now, known)
    known = np.where(recorded.aside, since, known)[places - count]
    between = [place for place in merged.between if place not in held]
    known = np.append(known, np.array([merged.between[place] for place in between], "datetime64[D]"))
    places = np.append(places, np.array(between, np.int64))
    again = rows.take(pa.array(places)).append_column("known_at", pa.array(known, pa.date32()))
    return again, set(places.tolist())


def _carries(own: pa.Table, rows: pa.Table, place: int) -> str:
    now, alone = rows.slice(place, 1).to_pylist()[0], own.slice(place, 1).to_pylist()[0]
    split, dividend = alone["split"] or 1.0, alone["dividend"] or 0.0
    return (
        f"it carries the actions of rows set aside before it: split {now['split']:g} and dividend {now['dividend']:g}, "
        f"its own are {split:g} and {dividend:g}"
    )


def _told(own: pa.Table, codes: list[str], reasons: list[str]) -> Iterator[Finding]:
    for row, code, reason in zip(own.to_pylist(), codes, reasons, strict=True):
        name = code if code == CARRIED else "WITHDRAWN"
        yield Finding(
            name, "WARN", f"{row['symbol']} on {row['date']}: {reason}", 1, row["symbol"], row["date"]
        )


def _released(merged: Merged, again: pa.Table) -> Iterator[Finding]:
    """A warning for each symbol whose rows were set aside and are believed now."""
    waiting = merged.recorded.rows.select(["symbol", "date"]).filter(pa.array(merged.recorded.aside))
    waited = {*zip(waiting["symbol"].to_pylist(), waiting["date"].to_pylist(), strict=True)}
    days: defaultdict[str, list[date]] = defaultdict(list)
    for key in zip(again["symbol"].to_pylist(), again["date"].to_pylist(), strict=True):
        if key in waited:
            days[key[0]].append(key[1])
    for symbol, its in sorted(days.items()):
        said = (
            f"{how_many(len(its), 'row')} of {symbol} set aside before and believed now, by what came since"
        )
        yield Finding("RELEASED", "WARN", said, len(its), symbol, min(its))


def lost_rows(rows: pa.Table, faults: Iterable[Fault]) -> dict[str, list[Lost]]:
    """What rows without a usable price say of split and dividend, by symbol."""
    places = pa.array([fault.place for fault in faults if fault.code in KEEPING], pa.int64())
    bad = rows.select(["symbol", "date", "close", "split", "dividend"]).take(places).to_pylist()
    return agreed(
        (str(row["symbol"]), lost(row["date"], row["close"], row["split"], row["dividend"])) for row in bad
    )


def agreed(said: Iterable[tuple[str, Lost]]) -> dict[str, list[Lost]]:
    """Symbol -> what is said of its days; nothing of a day on which nothing, or two different things, are said."""
    told: dict[tuple[str, int], Lost | None] = {}
    for symbol, item in said:
        key = symbol, item.day
        same = item.actions == (told.get(key) or item).actions
        told[key] = item if key not in told or (told[key] and same) else None
    found: defaultdict[str, list[Lost]] = defaultdict(list)
    for (symbol, _), item_or_none in sorted(told.items(), key=lambda entry: entry[0]):
        if item_or_none is not None and item_or_none.actions != (1.0, 0.0):
            found[symbol].append(item_or_none)
    return dict(found)


def lost(day: date, close: float | None, split: float | None, dividend: float | None) -> Lost:
    """What a row without a usable price says; an impossible split or dividend is none."""
    good = split is not None and np.isfinite(split) and split > 0
    paid = dividend is not None and np.isfinite(dividend) and dividend > 0
    return Lost(
        int(np.datetime64(day, "D").astype(int)),
        float(split or 1) if good else 1.0,
        float(dividend or 0) if paid else 0.0,
        close,
    )
