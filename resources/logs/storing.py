"""What becomes of one payload: its rows in the logs, those set aside, its findings, under one ledger row."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from optimizer.errors import how_many
from resources.ledger.atomic_file import write_whole
from resources.ledger.ledger import Connection, Stamp, append_entry, file_sha256, sha256, written_cells
from resources.logs.appending import ANEW, Appended, append_log
from resources.logs.refused_files import REJECTED, WITHDRAWN, gone_files, refused_files
from resources.prices.rows import symbol_codes
from resources.prices.source import PRICES, Delivery, FileRejected, Finding, shown
from resources.screening.renames import Rename, present_name, segments
from resources.screening.row_checks import ROUNDED
from resources.store.live_database import PAYLOADS
from resources.store.transaction import Transaction
from resources.store.warehouse import Warehouse

# What a table or a driver says to values that are none; a disk or a lock that refuses is another matter.
NO_VALUES = (
    duckdb.DataError,
    duckdb.IntegrityError,
    duckdb.InvalidInputException,
    UnicodeError,
    pa.ArrowInvalid,
)


@dataclass(frozen=True)
class Ingested:
    """What became of one payload."""

    source: str
    log: str
    payload: str
    status: str
    new: int = 0
    corrected: int = 0
    same: int = 0
    quarantined: int = 0
    findings: tuple[Finding, ...] = ()
    symbols: frozenset[str] = frozenset()

    def row(self) -> dict[str, object]:
        """The counts, for a table."""
        hidden = ("findings", "symbols")
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name not in hidden}


def log_rows(delivery: Delivery) -> pa.Table:
    """The delivery's rows with the constant columns of their log filled in, and whether they were judged anew."""
    rows = delivery.rows
    if anew := len(delivery.anew):
        rows = rows.append_column(ANEW, pa.array(np.arange(rows.num_rows) >= rows.num_rows - anew))
    if delivery.withdrawn.num_rows:
        taken_back = pa.chunked_array(
            [pa.nulls(rows.num_rows, pa.bool_()), pa.repeat(True, delivery.withdrawn.num_rows)]
        )
        rows = pa.concat_tables([rows, delivery.withdrawn], promote_options="default")
        rows = rows.append_column("withdrawn", taken_back)
    count = rows.num_rows
    constants: dict[str, pa.Array] = {"source": _same_text(delivery.source, count)}
    if delivery.log == PRICES:
        constants |= {
            "currency": _same_text(delivery.currency, count),
            "basis": _same_text(delivery.basis, count),
            "simulated": pa.repeat(delivery.simulated, count),
            "known_at": _known_at(delivery, count),
        }
    for name, values in constants.items():
        if name not in rows.column_names:
            rows = rows.append_column(name, values)
    return rows


def _known_at(delivery: Delivery, count: int) -> pa.Array:
    told, now = delivery.rows.num_rows - len(delivery.anew), pa.scalar(delivery.known_at, pa.date32())
    taken_back = count - delivery.rows.num_rows
    return pa.concat_arrays([pa.repeat(now, told), delivery.anew, pa.repeat(now, taken_back)])


def _same_text(text: str, count: int) -> pa.Array:
    """A column of one text, which takes a byte a row."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int8)), pa.array([text]))


def stated_currencies(con: Connection, renames: Iterable[Rename]) -> dict[str, str]:
    """Symbol -> currency, as the securities on record say, also of a name that the share had then."""
    names = segments(renames)
    # The newest word of a symbol, but of each date where it was of several companies.
    rows = con.execute(
        "select datediff('day', date '1970-01-01', date), ingest_seq, symbol, currency from securities "
        "qualify row_number() over (partition by symbol, case when symbol in (select unnest(?::varchar[])) "
        "then date end order by date desc, ingest_seq desc) = 1",
        [list(names)],
    ).fetchall()
    told = [
        (present_name(names, symbol, day), day, seq, symbol, currency) for day, seq, symbol, currency in rows
    ]
    # The newest last; of one date and delivery the word under the name of that date.
    told.sort(key=lambda row: (row[1], row[2], row[0] != row[3], row[3]))
    own = {str(symbol): str(currency) for *_, symbol, currency in told}
    return own | {name: str(currency) for name, *_, currency in told}


def in_own_currencies(delivery: Delivery, units: Mapping[str, str]) -> Delivery:
    """The delivery with the currency of each symbol that `units` knows in place of its source's."""
    told = [symbol_codes(table["symbol"]) for table in (delivery.rows, delivery.withdrawn)]
    own = [[units.get(symbol, delivery.currency) for symbol in symbols] for _, symbols in told]
    if {*own[0], *own[1]} <= {delivery.currency}:
        return delivery
    rows, withdrawn = (
        table.append_column("currency", pa.array(currencies, pa.string()).take(pa.array(codes)))
        for table, currencies, (codes, _) in zip((delivery.rows, delivery.withdrawn), own, told, strict=True)
    )
    return replace(delivery, rows=rows, withdrawn=withdrawn)


# End of the key of what was judged again from the record, since no file tells it any more.
ON_RECORD = ":on_record"
# Of a row `i` of `ingests`: the payload of that name has not told anything else since, nor was it read in another way.
STILL_SO = f"""not exists (select 1 from ingests l where l.source = i.source and l.log = i.log and
    l.payload_name = i.payload_name and l.delivery_key <> i.delivery_key and l.status = 'ingested' and
    l.ingest_seq > i.ingest_seq and not ends_with(l.delivery_key, '{ON_RECORD}'))"""


def known_deliveries(con: Connection, source: str) -> set[str]:
    """The keys of a source's deliveries that were read as they are."""
    rows = con.execute(
        f"select delivery_key from ingests i where source = ? and {STILL_SO}", [source]
    ).fetchall()
    return {str(row[0]) for row in rows}


def taken_since(con: Connection, source: str, key: str, mark: int) -> bool:
    """Whether another process took a delivery after the ledger row `mark`: it is accepted once."""
    found = con.execute(
        "select 1 from ingests where source = ? and delivery_key = ? and ingest_seq > ? limit 1",
        [source, key, mark],
    )
    return bool(found.fetchall())


def read_again(con: Connection, delivery: Delivery) -> Delivery:
    """The delivery with the ledger rows of payloads that came `later`; none where it is read first.

    A payload has come when its name told it first, and anew where it told another in between.
    """
    rows = con.execute(
        "select ingest_seq, payload_name, payload_sha256 from ingests where source = $1 and log = $2 "
        "and status = 'ingested' and exists (from ingests where source = $1 and log = $2 and payload_name = $3 "
        "and payload_sha256 = $4 and status = 'ingested') order by ingest_seq",
        [delivery.source, delivery.log, delivery.payload_name, delivery.payload_sha256],
    ).fetchall()
    tells, came = dict[str, tuple[str, int]](), dict[int, int]()
    own: int | None = None
    for seq, name, sha in rows:
        if tells.get(name, ("", 0))[0] != sha:
            tells[name] = sha, seq
        came[seq] = tells[name][1]
        if name == delivery.payload_name:
            told = sha == delivery.payload_sha256
            own = came[seq] if told else own if delivery.key.endswith(ON_RECORD) else None
    later = tuple(seq for seq, first in came.items() if first > own) if own else ()
    return replace(delivery, later=later)


def kept_payload(home: Path, delivery: Delivery) -> str:
    """Where the raw payload is: the file, or a copy of bytes that nobody else keeps."""
    if isinstance(delivery.payload, Path):
        return str(delivery.payload)
    name = re.sub(r"[^\w.^=-]", "_", delivery.payload_name)  # no part of it may lead elsewhere
    kept = home / PAYLOADS / f"{delivery.payload_sha256[:16]}-{name}"
    if not kept.exists() or file_sha256(kept) != delivery.payload_sha256:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_whole(kept, delivery.payload)
    return str(kept.relative_to(home))


def store_delivery(tx: Transaction, delivery: Delivery, path: str) -> Ingested:
    """Everything of a screened delivery that is not on record, under one ledger row; `path` leads to its payload."""
    entry_id = tx.next_id()
    appended = append_log(tx.con, delivery.log, log_rows(delivery), entry_id, delivery.later)
    if appended.rounded:
        said = f"{how_many(appended.rounded, 'row')} on record with more decimals; those are kept"
        warning = Finding(ROUNDED, "WARN", said, appended.rounded)
        delivery = replace(delivery, warnings=(*delivery.warnings, warning))
    insert_rows(tx.con, "ingests", [_ingest_row(entry_id, delivery, path, appended)])
    if delivery.quarantined.num_rows:
        constants = {"ingest_seq": entry_id, "log": delivery.log, "source": delivery.source}
        insert_rows(tx.con, "quarantine", delivery.quarantined.to_pandas().assign(**constants))
    _insert_findings(tx.con, delivery.warnings, entry_id)
    _seal(tx, entry_id, delivery.log, appended.rows, delivery.quarantined.num_rows, len(delivery.warnings))
    return Ingested(
        delivery.source, delivery.log, delivery.payload_name, "ingested", appended.new, appended.corrected,
        appended.same, delivery.set_aside, delivery.warnings, _symbols(delivery),
    )  # fmt: skip


def _symbols(delivery: Delivery) -> frozenset[str]:
    """The symbols of a delivery of prices, those of rows set aside among them."""
    if delivery.log != PRICES:
        return frozenset()
    told = (delivery.rows["symbol"], delivery.quarantined["symbol"])
    return frozenset(symbol for column in told for symbol in column.unique().to_pylist() if symbol)


def store_rejection(tx: Transaction, source: str, refused: FileRejected) -> Ingested:
    """A refused file leaves its reasons on record once; nothing of its content."""
    outcome = Ingested(source, refused.log, refused.name, REJECTED, findings=refused.findings)
    known = [(file.source, file.name, file.sha256) for file in refused_files(tx.con)]
    if (source, refused.name, refused.payload_sha256) not in known:
        said, findings = str(refused), refused.findings
        record_status(tx, source, refused.log, refused.name, refused.payload_sha256, REJECTED, said, findings)
    return outcome


def not_storable(delivery: Delivery, error: Exception) -> FileRejected:
    """A delivery whose values no table takes is refused like one that cannot be read."""
    said = f"the log takes no such values ({shown(str(error))}); correct them, and send it again"
    faults = [Finding("NOT_STORABLE", "FAIL", said)]
    return FileRejected(delivery.payload_name, faults, delivery.payload_sha256, delivery.log)


def record_status(
    tx: Transaction, source: str, log: str, name: str, sha: str, status: str, message: str,
    findings: Collection[Finding],
) -> None:  # fmt: skip
    """A row of `ingests` about a payload that brings nothing into the logs."""
    entry_id = tx.next_id()
    row = {
        "ingest_seq": entry_id, "source": source, "log": log, "payload_name": name, "payload_sha256": sha,
        "delivery_key": f"{status}:{sha}", "status": status, "rows_new": 0, "rows_corrected": 0, "rows_same": 0,
        "rows_quarantined": 0, "message": message,
    }  # fmt: skip
    insert_rows(tx.con, "ingests", [row])
    _insert_findings(tx.con, findings, entry_id)
    _seal(tx, entry_id, log, 0, 0, len(findings))


def withdraw_gone(warehouse: Warehouse, stamp: Stamp, source: str, refused: Collection[str]) -> None:
    """Puts on record which refused payloads of a source, read whole, are gone; `refused` as in `gone_files`."""
    with warehouse.live() as con:
        if not gone_files(con, source, refused):
            return
    with warehouse.write(stamp) as tx:
        for file in gone_files(tx.con, source, refused):
            record_status(tx, source, file.log, file.name, file.sha256, WITHDRAWN, "it is gone", ())


def _ingest_row(entry_id: int, delivery: Delivery, path: str, appended: Appended) -> dict[str, object]:
    return {
        "ingest_seq": entry_id, "source": delivery.source, "log": delivery.log, "payload_name": delivery.payload_name,
        "payload_sha256": delivery.payload_sha256, "delivery_key": delivery.key, "payload_path": path,
        "known_at": delivery.known_at, "status": "ingested", "rows_new": appended.new,
        "rows_corrected": appended.corrected, "rows_same": appended.same,
        "rows_quarantined": delivery.set_aside,
    }  # fmt: skip


def insert_rows(con: Connection, table: str, rows: list[dict[str, object]] | pd.DataFrame) -> None:
    """Rows by name, under a ledger row that the caller appends in the same transaction."""
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows)
    con.register("incoming_rows", frame)
    con.execute(f"insert into {table} by name select * from incoming_rows")
    con.unregister("incoming_rows")


def _insert_findings(con: Connection, findings: Iterable[Finding], entry_id: int) -> None:
    rows: list[dict[str, object]] = [
        {
            "code": finding.code, "severity": finding.severity, "symbol": finding.symbol, "date": finding.day,
            "value": float(finding.count) if finding.value is None else finding.value,
            "message": finding.message, "materialization": entry_id,
        }
        for finding in findings
    ]  # fmt: skip
    if rows:
        insert_rows(con, "check_findings", rows)


def _seal(tx: Transaction, entry_id: int, log: str, rows: int, aside: int, findings: int) -> None:
    """The ledger row of an ingest, over so many rows of the log, set aside, and found; its content is its leaves."""
    leaves = tx.con.execute(
        "select date, hash from log_leaves where ingest_seq = ? order by date", [entry_id]
    ).fetchall()
    content = sha256("\n".join(f"{day}|{digest}" for day, digest in leaves))
    given = {log: rows, "ingests": 1, "quarantine": aside, "check_findings": findings}
    cells = written_cells(tx.con, entry_id, [*(table for table in given if given[table]), "log_leaves"])
    append_entry(tx.con, tx.stamp, entry_id, log, content, rows, cells=cells, given=given)
