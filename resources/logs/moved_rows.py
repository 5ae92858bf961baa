"""Rows that a payload told before under a name that a rename, stated or withdrawn since, no longer gives them."""

from collections.abc import Collection

import pyarrow as pa

from resources.ledger.ledger import Connection
from resources.logs.recorded_prices import parsed_row
from resources.prices.source import PRICE_ROWS, Delivery
from resources.screening.doubts import WAITING


def moved_rows(con: Connection, delivery: Delivery, renamed: Collection[str]) -> pa.Table:
    """The rows, `PRICE_ROWS`, that earlier readings of a screened delivery left under names that it gives them no more.

    They are believed, or set aside, and nobody else told them since: to be withdrawn.

    renamed  symbols that any rename names, whether it stands or not
    """
    days = delivery.rows["date"].to_pylist() + delivery.quarantined["date"].to_pylist()
    told = {
        *zip(*(delivery.rows[name].to_pylist() for name in ("symbol", "date")), strict=True),
        *zip(*(delivery.quarantined[name].to_pylist() for name in ("symbol", "date")), strict=True),
    }
    days = [day for day in days if day is not None]
    if not renamed or not days:
        return PRICE_ROWS.empty_table()
    asked = [delivery.source, delivery.key, sorted(renamed), min(days), max(days)]
    rows = [
        row
        for row in _believed(con, asked) + _waiting(con, asked)
        if (row["symbol"], row["date"]) not in told
    ]
    return pa.Table.from_pylist(rows, schema=PRICE_ROWS)


READ_BEFORE = "select ingest_seq from ingests where source = $1 and delivery_key = $2 and status = 'ingested'"


def _believed(con: Connection, asked: list[object]) -> list[dict[str, object]]:
    found = con.execute(
        f"""
        select {", ".join(PRICE_ROWS.names)} from (
            select * from believed_prices(null)
            where source = $1 and symbol in (select unnest($3)) and date between $4 and $5
            qualify row_number() over (partition by symbol, date order by ingest_seq desc) = 1
        ) where ingest_seq in ({READ_BEFORE}) order by symbol, date
        """,
        asked,
    ).fetchall()
    return [dict(zip(PRICE_ROWS.names, row, strict=True)) for row in found]


def _waiting(con: Connection, asked: list[object]) -> list[dict[str, object]]:
    found = con.execute(
        f"""
        select symbol, date, raw from quarantine q
        where log = 'prices' and source = $1 and symbol in (select unnest($3)) and date between $4 and $5
            and code in (select unnest($6)) and not exists (
                select 1 from prices p
                where p.source = q.source and p.symbol = q.symbol and p.date = q.date and p.ingest_seq >= q.ingest_seq)
        qualify row_number() over (partition by symbol, date order by ingest_seq desc) = 1
            and ingest_seq in ({READ_BEFORE})
        order by symbol, date
        """,
        [*asked, list(WAITING)],
    ).fetchall()
    rows = [{**parsed_row(raw), "symbol": symbol, "date": day} for symbol, day, raw in found]
    return [row for row in rows if row["close"]]
