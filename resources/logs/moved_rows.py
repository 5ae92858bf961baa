"""Rows that a payload told before under a name that a rename, stated or withdrawn since, no longer gives them."""

from collections.abc import Collection
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from resources.ledger.ledger import Connection
from resources.logs.recorded_prices import parsed_row
from resources.prices.source import PRICE_ROWS, Delivery
from resources.screening.doubts import WAITING


def moved_rows(con: Connection, delivery: Delivery, renamed: Collection[str]) -> pa.Table:
    """The rows, `PRICE_ROWS`, that earlier readings of a screened delivery left under names that it gives them no more.

    They are believed, or set aside, and nobody else told them since: to be withdrawn.

    renamed  symbols that any rename names, whether it stands or not
    """
    if not renamed or not delivery.rows.num_rows:
        return PRICE_ROWS.empty_table()
    ends, names = pc.min_max(delivery.rows["date"]), pa.array(sorted(renamed))
    payload = [delivery.source, delivery.payload_name, delivery.payload_sha256]
    asked = [*payload, sorted(renamed), ends["min"].as_py(), ends["max"].as_py()]
    rows = [*_believed(con, asked), *_waiting(con, asked)]
    if not rows:
        return PRICE_ROWS.empty_table()
    told = set[tuple[str, date]]()
    for table in (delivery.rows, delivery.quarantined):
        own = table.filter(pc.is_in(table["symbol"].cast(pa.string()), names))
        told.update(zip(own["symbol"].to_pylist(), own["date"].to_pylist(), strict=True))
    return pa.Table.from_pylist(
        [row for row in rows if (row["symbol"], row["date"]) not in told], schema=PRICE_ROWS
    )


READ_BEFORE = """select ingest_seq from ingests where source = $1 and log = 'prices' and payload_name = $2
    and payload_sha256 = $3 and status = 'ingested'"""


def _believed(con: Connection, asked: list[object]) -> list[dict[str, object]]:
    found = con.execute(
        f"""
        select {", ".join(PRICE_ROWS.names)} from (
            select * from believed_prices(null)
            where source = $1 and symbol in (select unnest($4)) and date between $5 and $6
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
        where log = 'prices' and source = $1 and symbol in (select unnest($4)) and date between $5 and $6
            and code in (select unnest($7)) and not exists (
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
