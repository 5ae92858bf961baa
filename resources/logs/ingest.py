"""Deliveries into the logs: each payload in one transaction, known ones skipped, bad rows set aside."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from optimizer.errors import DataError
from resources.logs.appending import Appended, append_log
from resources.logs.calendars import Calendar, load_calendar
from resources.logs.recorded_actions import (
    ACTIONS,
    explained_deliveries,
    stated_actions,
    tell_unknown_symbols,
)
from resources.logs.recorded_prices import (
    newest_closes_on_record,
    no_longer_believed,
    prices_elsewhere,
    rows_around,
)
from resources.logs.stated_dividends import with_dividends
from resources.prices.renames import Rename, renamed
from resources.prices.source import PRICES, Delivery, FileRejected, Finding
from resources.screening.screen import screen
from resources.settings.configuration import Configuration
from resources.settings.sources import (
    YahooSettings,
    load_overrides,
    open_reference,
    open_source,
    screening,
)
from resources.store.ledger import Connection, Stamp, append_entry, sha256
from resources.store.warehouse import Transaction, Warehouse

Progress = Callable[[str], None]


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

    def row(self) -> dict[str, object]:
        """The counts, for a table."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name != "findings"}


@dataclass(frozen=True)
class Inbox:
    """Where prices come from, on one day: warehouse, configuration, stamp and the clock's date."""

    warehouse: Warehouse
    desk: Configuration
    stamp: Stamp
    today: date

    @property
    def cache(self) -> Path:
        """Folder of the session files."""
        return self.warehouse.home / "cache"

    def prices(
        self, start: date | None, end: date | None, progress: Progress, only: str | None = None
    ) -> list[Ingested]:
        """Every enabled price source, or the one named `only`."""
        done: list[Ingested] = []
        overrides = load_overrides(self.desk.folder)
        for settings in self.desk.sources.sources:
            if not settings.enabled or only not in (None, settings.name):
                continue
            source = open_source(settings, self.desk.folder, overrides, self.today)
            calendar = load_calendar(settings.exchange, self.today, self.cache)
            since = start or (self._newest(settings.name) if isinstance(settings, YahooSettings) else None)
            deliveries = source.deliveries(since, end, self._seen(settings.name))
            for delivery in deliveries:
                progress(f"{settings.name}: {name_of(delivery)}")
                if isinstance(delivery, Delivery) and delivery.log == PRICES:
                    delivery = self._screened(delivery, calendar)
                    delivery = delivery if settings.currency else self._in_own_currencies(delivery)
                done.append(self._store(settings.name, delivery))
        return [*done, *self._unheard_of()]

    def reference(self, progress: Progress) -> list[Ingested]:
        """The reference folder and what the embedded sources say of their own symbols."""
        folder = open_reference(self.desk.sources, self.desk.folder)
        if folder is None:
            return []
        done = []
        for delivery in folder.deliveries(None, None, self._seen(folder.name)):
            progress(f"{folder.name}: {name_of(delivery)}")
            done.append(self._store(folder.name, delivery))
        return done

    def _newest(self, source: str) -> date | None:
        with self.warehouse.live() as con:
            return newest_price(con, [source])

    def _seen(self, source: str) -> Callable[[str], bool]:
        """Whether a delivery is known; one that an action explains which was stated later is read again."""
        with self.warehouse.live() as con:
            rows = con.execute("select delivery_key from ingests where source = ?", [source]).fetchall()
            known = {str(row[0]) for row in rows} - set(
                explained_deliveries(con, source, self._renames(source))
            )
        return known.__contains__

    def _unheard_of(self) -> list[Ingested]:
        """Refuses the actions on symbols that nobody knows: asked when all prices are in, told once."""
        named = set[str]()
        for file in self.desk.portfolios.files:
            named.update(
                *(held.positions for held in file.holdings), () if file.universe == "all" else file.universe
            )
        findings = tell_unknown_symbols(self.warehouse, self.stamp, named)
        refused = Ingested("reference", ACTIONS, f"{ACTIONS}.csv", "rejected", findings=findings)
        return [refused] if findings else []

    def _screened(self, delivery: Delivery, calendar: Calendar) -> Delivery:
        overrides = load_overrides(self.desk.folder)
        with self.warehouse.live() as con:
            stated = stated_actions(con, self._renames(delivery.source))
            rows, told = renamed(delivery.rows, stated.renames)
            delivery = replace(delivery, rows=rows, warnings=(*delivery.warnings, *told))
            record = newest_closes_on_record(con, delivery)
            delivery = with_dividends(delivery, stated.dividends, stated.splits, record)
            around, elsewhere = rows_around(con, delivery), prices_elsewhere(con, delivery.source)
            context = screening(
                self.desk.sources,
                overrides,
                delivery.source,
                self.today,
                calendar.days,
                record,
                stated.splits,
            )
            screened = screen(delivery, replace(context, recorded=around, elsewhere=elsewhere))
            return replace(screened, withdrawn=no_longer_believed(con, screened))

    def _renames(self, source: str) -> tuple[Rename, ...]:
        return load_overrides(self.desk.folder).of(source).present_names()

    def _in_own_currencies(self, delivery: Delivery) -> Delivery:
        """The delivery of a source that states no currency, in those of the securities on record."""
        with self.warehouse.live() as con:
            known = dict(
                con.execute(
                    "select symbol, arg_max(currency, (date, ingest_seq)) from securities group by symbol"
                ).fetchall()
            )
        symbols = delivery.rows["symbol"].to_pylist()
        if not any(known.get(symbol, delivery.currency) != delivery.currency for symbol in set(symbols)):
            return delivery
        told = pa.array([known.get(symbol, delivery.currency) for symbol in symbols]).dictionary_encode()
        return replace(delivery, rows=delivery.rows.append_column("currency", told))

    def _store(self, source: str, delivery: Delivery | FileRejected) -> Ingested:
        with self.warehouse.write(self.stamp) as tx:
            self.desk.keep(tx)
            if isinstance(delivery, FileRejected):
                return _store_rejection(tx, source, delivery)
            return store_delivery(tx, delivery, self._payload_path(delivery))

    def _payload_path(self, delivery: Delivery) -> str:
        """Where the raw payload is: the file, or a copy of bytes that nobody else keeps."""
        if isinstance(delivery.payload, Path):
            return str(delivery.payload)
        kept = self.warehouse.home / "payloads" / f"{delivery.payload_sha256[:16]}-{delivery.payload_name}"
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            half = kept.with_suffix(".part")
            half.write_bytes(delivery.payload)
            half.replace(kept)
        return str(kept.relative_to(self.warehouse.home))


def name_of(delivery: Delivery | FileRejected) -> str:
    """The payload's name."""
    return delivery.payload_name if isinstance(delivery, Delivery) else delivery.name


def log_rows(delivery: Delivery) -> pa.Table:
    """The delivery's rows with the constant columns of their log filled in."""
    rows = delivery.rows
    if delivery.withdrawn.num_rows:
        taken_back = pa.chunked_array(
            [pa.nulls(rows.num_rows, pa.bool_()), pa.repeat(True, delivery.withdrawn.num_rows)]
        )
        rows = pa.concat_tables([rows, delivery.withdrawn]).append_column("withdrawn", taken_back)
    count = rows.num_rows
    constants: dict[str, pa.Array] = {"source": _same_text(delivery.source, count)}
    if delivery.log == PRICES:
        constants |= {
            "currency": _same_text(delivery.currency, count),
            "basis": _same_text(delivery.basis, count),
            "simulated": pa.repeat(delivery.simulated, count),
            "known_at": pa.repeat(pa.scalar(delivery.known_at, pa.date32()), count),
        }
    for name, values in constants.items():
        if name not in rows.column_names:
            rows = rows.append_column(name, values)
    return rows


def _same_text(text: str, count: int) -> pa.Array:
    """A column of one text, which takes a byte a row."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int8)), pa.array([text]))


def store_delivery(tx: Transaction, delivery: Delivery, path: str) -> Ingested:
    """Everything of a screened delivery that is not on record, under one ledger row; `path` leads to its payload."""
    entry_id = tx.next_id()
    before = tx.con.execute(
        "select max(ingest_seq) from ingests where source = ? and delivery_key = ? and status = 'ingested'",
        [delivery.source, delivery.key],
    ).fetchall()[0][0]
    appended = append_log(tx.con, delivery.log, log_rows(delivery), entry_id, before)
    insert_rows(tx.con, "ingests", [_ingest_row(entry_id, delivery, path, appended)])
    if delivery.quarantined.num_rows:
        constants = {"ingest_seq": entry_id, "log": delivery.log, "source": delivery.source}
        insert_rows(tx.con, "quarantine", delivery.quarantined.to_pandas().assign(**constants))
    _insert_findings(tx.con, delivery.warnings, entry_id)
    _seal(tx, entry_id, delivery.log, appended.rows)
    return Ingested(
        delivery.source, delivery.log, delivery.payload_name, "ingested", appended.new, appended.corrected,
        appended.same, delivery.set_aside, delivery.warnings,
    )  # fmt: skip


def _store_rejection(tx: Transaction, source: str, refused: FileRejected) -> Ingested:
    """A refused file leaves its reasons on record once; nothing of its content."""
    outcome = Ingested(source, PRICES, refused.name, "rejected", findings=refused.findings)
    known = tx.con.execute(
        "select 1 from ingests where source = ? and payload_name = ? and payload_sha256 = ? and status = 'rejected'",
        [source, refused.name, refused.payload_sha256],
    ).fetchall()
    if known:
        return outcome
    entry_id = tx.next_id()
    row = {
        "ingest_seq": entry_id, "source": source, "log": PRICES, "payload_name": refused.name,
        "payload_sha256": refused.payload_sha256, "delivery_key": f"rejected:{refused.payload_sha256}",
        "status": "rejected", "rows_new": 0, "rows_corrected": 0, "rows_same": 0, "rows_quarantined": 0,
        "message": str(refused),
    }  # fmt: skip
    insert_rows(tx.con, "ingests", [row])
    _insert_findings(tx.con, refused.findings, entry_id)
    _seal(tx, entry_id, PRICES, 0)
    return outcome


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
            "value": float(finding.count), "message": finding.message, "materialization": entry_id,
        }
        for finding in findings
    ]  # fmt: skip
    if rows:
        insert_rows(con, "check_findings", rows)


def _seal(tx: Transaction, entry_id: int, log: str, rows: int) -> None:
    """The ledger row of an ingest: its content is the leaves it wrote."""
    leaves = tx.con.execute(
        "select date, hash from log_leaves where ingest_seq = ? order by date", [entry_id]
    ).fetchall()
    content = sha256("\n".join(f"{day}|{digest}" for day, digest in leaves))
    written = [log, "log_leaves", "ingests", "quarantine", "check_findings"]
    append_entry(tx.con, tx.stamp, entry_id, log, content, rows, tables=written)


def newest_price(con: Connection, sources: Iterable[str]) -> date | None:
    """The newest date on record of the given sources."""
    found = con.execute(
        "select max(date) from prices where source in (select unnest(?))", [list(sources)]
    ).fetchall()[0][0]
    return found if found is None else date(found.year, found.month, found.day)


def default_as_of(con: Connection, desk: Configuration, cache: Path, now: datetime) -> date:
    """The as-of date of a run that names none.

    The newest exchange session already closed where a source is live, else the newest date on record.
    Raises DataError when there is neither.
    """
    enabled = [source for source in desk.sources.sources if source.enabled]
    live = [source for source in enabled if source.live]
    if live:
        return load_calendar(live[0].exchange, now.astimezone(UTC).date(), cache).last_closed_session(now)
    newest = newest_price(con, [source.name for source in enabled])
    if newest is None:
        raise DataError("no prices are on record: check the sources in sources.yaml, then `packfolio ingest`")
    return newest
