"""Rows judged again: those on record that an action explains which came later, where no file tells them any more."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from optimizer.errors import how_many, some_of
from resources.ledger.ledger import Connection
from resources.logs.moved_rows import moved_back
from resources.logs.recorded_prices import Key, Row, set_aside
from resources.logs.storing import ON_RECORD
from resources.prices.source import PRICE_ROWS, Delivery, Finding
from resources.screening.doubts import WAITING
from resources.screening.renames import Rename
from resources.settings.sources import days_since_1970

# A delivery tells all its rows in one of each.
ALIKE = ("known_at", "currency", "basis", "simulated")


def told_on_record(
    con: Connection,
    source: str,
    key: str,
    symbols: list[str],
    splits: Collection[tuple[str, int]],
    dividends: Collection[tuple[str, int]],
    undone: Collection[Rename] = (),
    standing: Iterable[Rename] = (),
) -> Iterator[tuple[Delivery, str]]:
    """What is left on record of a delivery's rows of some symbols, as deliveries of it, each with its payload's path.

    splits, dividends  (symbol, days since 1970) of rows that have theirs from actions: not their own
    undone, standing   renames that stand no more: what they moved is told under its old name; and those that do
    Of a split or dividend that the rows do not state nothing is known; rows that wait are told again. Raises DataError
    where what such a rename moved cannot be told.
    """
    named = con.execute(
        "select ingest_seq, payload_name, payload_sha256, payload_path, known_at from ingests "
        "where source = $1 and delivery_key in ($2, $3) and status = 'ingested' order by ingest_seq",
        [source, key, key + ON_RECORD],
    ).fetchall()
    seqs = [int(seq) for seq, *_ in named]
    _, name, sha, path, known = named[-1]
    back = moved_back(con, [source, name, sha], undone, standing)
    told = _left_on_record(con, source, symbols, seqs, known, back, {"split": splits, "dividend": dividends})
    (until,) = con.execute(
        "select max(date) from prices where source = ? and ingest_seq in (select unnest(?))",
        [source, seqs],
    ).fetchall()[0]
    if not told:  # all of it stands under other names, or was taken back: that was looked at is on record
        yield Delivery(source, key + ON_RECORD, name, sha, Path(path), PRICE_ROWS.empty_table()), path
    for (known_at, currency, basis, simulated), its in sorted(told.items(), key=str):
        rows, withdrawn, finding = _told_again(name, symbols, its)
        yield Delivery(
            source, key + ON_RECORD, name, sha, Path(path), rows, basis, simulated, currency, known_at, until,
            withdrawn=withdrawn, warnings=(finding,),
        ), path  # fmt: skip


def _left_on_record(
    con: Connection,
    source: str,
    symbols: list[str],
    seqs: list[int],
    known: date | None,
    back: Sequence[tuple[str, Row]],
    given: Mapping[str, Collection[tuple[str, int]]],
) -> dict[tuple[Any, ...], list[Row]]:
    """What rows of a delivery have alike -> those rows: moved under another name, believed, and waiting."""
    aside, own = set_aside(con, source, symbols)
    own |= set_aside(con, source, sorted({row["symbol"] for _, row in back}))[1] if back else {}
    told: defaultdict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for old, row in back:
        as_told = _own_words(row, own, given) | {"symbol": old, "was": row}
        told[known, *_usual(con, source, row["symbol"])].append(as_told)
    moved = {(row["symbol"], row["date"]) for _, row in back}
    for row in _believed(con, source, seqs, symbols):
        if (row["symbol"], row["date"]) not in moved:
            told[tuple(row[name] for name in ALIKE)].append(_own_words(row, own, given))
    waiting = [row for row in aside if row["ingest_seq"] in seqs and row["code"] in WAITING and row["close"]]
    for row in waiting:
        if (row["symbol"], row["date"]) not in moved:
            told[row["known_at"], *_usual(con, source, row["symbol"])].append(row)
    return told


def _told_again(name: str, symbols: list[str], its: list[Row]) -> tuple[pa.Table, pa.Table, Finding]:
    """The rows as they are told now, those that they take the place of, and what is said of them."""
    rows = [{name: row[name] for name in PRICE_ROWS.names} for row in sorted(its, key=_place)]
    said = (
        f"{name} does not tell {how_many(len(its), 'row')} of {some_of(symbols, 10)} any more that an action "
        "explains which was stated since: judged by what is on record of them"
    )
    return (
        pa.Table.from_pylist(rows, schema=PRICE_ROWS),
        pa.Table.from_pylist([row["was"] for row in its if "was" in row], schema=PRICE_ROWS),
        Finding("JUDGED_ON_RECORD", "WARN", said, len(its), symbols[0]),
    )


def _place(row: Row) -> Any:
    return row["date"], row["symbol"]


def _believed(con: Connection, source: str, seqs: list[int], symbols: list[str]) -> list[Row]:
    """The newest rows on record of the symbols that stand under these ledger rows."""
    found = con.sql(
        f"""
        select {", ".join((*PRICE_ROWS.names, *ALIKE))} from (
            select * from believed_prices(null) where source = $1 and symbol in (select unnest($2))
            qualify row_number() over (partition by symbol, date order by ingest_seq desc) = 1
        ) where ingest_seq in (select unnest($3)) order by symbol, date
        """,
        params=[source, symbols, seqs],
    )
    return list(found.to_arrow_table().to_pylist())


def _usual(con: Connection, source: str, symbol: str) -> tuple[str, str, bool]:
    """Currency, basis and whether simulated of a symbol's newest row, with which rows that wait are compared."""
    found = con.execute(
        "select currency, basis, simulated from prices where source = ? "
        "order by symbol = ? desc, ingest_seq desc limit 1",
        [source, symbol],
    ).fetchall()
    return found[0]


def _own_words(row: Row, own: Mapping[Key, Row], given: Mapping[str, Collection[tuple[str, int]]]) -> Row:
    """A row with the split and dividend that it states itself."""
    key = row["symbol"], row["date"]
    day = row["symbol"], days_since_1970(row["date"])
    said = {
        name: None if value == nothing or (key not in own and day in given[name]) else value
        for name, nothing in (("split", 1.0), ("dividend", 0.0))
        for value in [own.get(key, row)[name]]
    }
    return {**row, **said}
