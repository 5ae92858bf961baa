"""Rows that a payload told before under a name that a rename, stated or withdrawn since, no longer gives them."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from optimizer import DataError
from resources.ledger.ledger import Connection
from resources.ledger.tables import SAME_VALUE
from resources.logs.recorded_prices import Key, Row, parsed_row
from resources.logs.storing import ON_RECORD
from resources.prices.source import PRICE_ROWS, Delivery
from resources.screening.doubts import WAITING
from resources.screening.renames import Rename


def moved_rows(con: Connection, before: pa.Table, delivery: Delivery, renamed: Collection[str]) -> pa.Table:
    """The rows, `PRICE_ROWS`, under names that a screened delivery gives them no more: to be withdrawn.

    They are believed, or set aside. The delivery tells them under another name now, whoever told the same close under
    this one too; or an earlier reading of its payload told them so. What a later payload tells is left to that.

    before   its rows by the names that it states; what it takes back already is so unless it tells it
    renamed  symbols that any rename names, whether it stands or not
    """
    if not renamed or not delivery.rows.num_rows:
        return PRICE_ROWS.empty_table()
    ends, names = pc.min_max(before["date"]), pa.array(sorted(renamed))
    payload = [delivery.source, delivery.payload_name, delivery.payload_sha256]
    told = set().union(*(_keys(table, names) for table in (delivery.rows, delivery.quarantined)))
    own = before.filter(pc.is_in(before["symbol"].cast(pa.string()), names)).select([*KEY, "close"])
    con.register(
        "stated",
        own.filter(pa.array([key not in told for key in zip(*_columns(own), strict=True)], pa.bool_())),
    )
    readings = READ_BEFORE if not delivery.key.endswith(ON_RECORD) else f"{READ_BEFORE} and false"
    days = ends["min"].as_py(), ends["max"].as_py()
    rows = _told(con, [*payload, sorted(renamed), *days], readings, delivery.later)
    rows += delivery.withdrawn.to_pylist()
    con.unregister("stated")
    return pa.Table.from_pylist(
        [row for row in rows if (row["symbol"], row["date"]) not in told], schema=PRICE_ROWS
    )


def moved_back(
    con: Connection, payload: Sequence[str], undone: Collection[Rename], standing: Iterable[Rename]
) -> list[tuple[str, Row]]:
    """(old name, row under the name that it has now) of what a payload told first and renames moved that stand no more.

    payload   its source, name and hash
    standing  the other renames: what one of them moved before goes back to its own name, and is renamed again
    Raises DataError where more rows stand under the new name than the renames moved: some are its own.
    """
    found: dict[Key, tuple[str, Row]] = {}
    con.register("stated", PRICE_ROWS.empty_table())
    for rename in undone:
        before = _names_before(rename, [*undone, *standing])
        moved = con.execute(
            f"select symbol, o.old, max(value) from check_findings join (select unnest($4::varchar[]) as old) o "
            f"on code = 'RENAMED' and contains(message, ' of ' || o.old || ' kept as ') "
            f"where materialization in ({READ_BEFORE}) group by all order by all",
            [*payload, [*before]],
        ).fetchall()
        for name in dict.fromkeys(name for name, _, _ in moved):
            counts = {old: count for told, old, count in moved if told == name}
            rows = _told(con, [*payload, [name], date.min, _day_before(rename.effective)], READ_BEFORE)
            for row in rows:
                day = row["date"]
                had = [one for one in counts if day <= _day_before(before[one])]
                old = min(had, key=before.__getitem__, default=rename.old)
                counts[old] = counts.get(old, 0) - 1
                found[name, day] = old, row
            if min(counts.values()) < 0:
                raise DataError(
                    f"{payload[1]} is gone, it told rows of {rename.old} and of {name}, and the rename of the one to "
                    f"the other is withdrawn: which are whose it alone can tell; put it back, what else was stated "
                    f"late of its rows waits for it too"
                )
    con.unregister("stated")
    return list(found.values())


def _names_before(rename: Rename, every: Iterable[Rename]) -> dict[str, int]:
    """Name that the company had before a rename -> days since 1970 of the rename that ended it."""
    names = {rename.old: rename.effective}
    for one in sorted(every, key=lambda one: -one.effective):
        if one.effective < names.get(one.new, one.effective):
            names[one.old] = one.effective
    return names


def _day_before(day: int) -> date:
    return date(1970, 1, 1) + timedelta(days=day - 1)


def _keys(rows: pa.Table, names: pa.Array) -> set[Key]:
    return set(zip(*_columns(rows.filter(pc.is_in(rows["symbol"].cast(pa.string()), names))), strict=True))


def _columns(rows: pa.Table) -> list[list[Any]]:
    return [rows[name].to_pylist() for name in KEY]


KEY = ("symbol", "date")
CLOSE = PRICE_ROWS.names.index("close")
SAME = f"coalesce(abs(t.close - n.close) <= {SAME_VALUE} * n.close, false)"
READ_BEFORE = """select ingest_seq from ingests where source = $1 and log = 'prices' and payload_name = $2
    and payload_sha256 = $3 and status = 'ingested'"""


def _told(con: Connection, asked: list[object], readings: str, later: Sequence[int] = ()) -> list[Row]:
    """Rows that are believed, or wait: those of `stated`, and whose close this payload said first.

    Another that only judged a row again did not tell it.
    """
    found = con.execute(
        f"""
        with told as (
            select * exclude raw, try_cast(split_part(raw, ',', {CLOSE + 1}) as double) as close, raw
            from (select symbol, date, ingest_seq, raw from quarantine
                where source = $1 and log = 'prices' and symbol in (select unnest($4)) and date between $5 and $6
                    and code in (select unnest($7)))
            union all
            select symbol, date, ingest_seq, close, null from prices
            where source = $1 and symbol in (select unnest($4)) and date between $5 and $6 and withdrawn is null
        ), newest as (
            select * from told t where not exists (
                select 1 from prices p where p.source = $1 and p.symbol = t.symbol and p.date = t.date and p.withdrawn
                and (p.ingest_seq > t.ingest_seq or p.ingest_seq = t.ingest_seq and t.raw is null))
            qualify row_number() over (partition by symbol, date order by ingest_seq desc, raw nulls first) = 1
        ), others as (
            select n.symbol, n.date, coalesce(max(t.ingest_seq) filter (not {SAME}), 0) as seq
            from newest n join told t using (symbol, date) group by all
        ), first as (
            select n.symbol, n.date, min(t.ingest_seq) as seq
            from newest n join others o using (symbol, date) join told t using (symbol, date)
            where t.ingest_seq > o.seq and {SAME} group by all
        )
        select {", ".join(f"p.{name}" for name in PRICE_ROWS.names if name not in KEY)}, n.symbol, n.date, n.raw
        from newest n join first f using (symbol, date) left join prices p on n.raw is null
            and p.source = $1 and p.symbol = n.symbol and p.date = n.date and p.ingest_seq = n.ingest_seq
            and p.withdrawn is null
        where n.ingest_seq not in {(*later, 0)} and (f.seq in ({readings})
            or exists (from stated t where t.symbol = n.symbol and t.date = n.date and {SAME}))
        order by n.symbol, n.date
        """,
        [*asked, list(WAITING)],
    ).fetchall()
    names = [*(name for name in PRICE_ROWS.names if name not in KEY), *KEY]
    rows = [
        {**dict(zip(names, row, strict=False)), **(_without_key(parsed_row(row[-1])) if row[-1] else {})}
        for row in found
    ]
    return [row for row in rows if row["close"]]


def _without_key(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in KEY}
