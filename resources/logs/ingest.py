"""Deliveries into the logs: each payload in one transaction, known ones skipped, bad rows set aside."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from optimizer.errors import DataError
from resources.logs.calendars import Calendar, calendar_ends, desk_calendar
from resources.logs.recorded_prices import known_splits, newest_closes_on_record
from resources.logs.refused_files import REJECTED, WITHDRAWN, refused_files
from resources.logs.storing import Ingested, record_status, store_delivery, store_rejection
from resources.prices.source import PRICES, Delivery, FileRejected, refusing
from resources.screening.screen import screen
from resources.settings.configuration import Configuration
from resources.settings.sources import (
    YahooSettings,
    load_overrides,
    open_reference,
    open_source,
    screening,
    wanted_sources,
)
from resources.store.ledger import Connection, Stamp
from resources.store.warehouse import Warehouse

Progress = Callable[[str], None]


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
        """Every enabled price source, or the one that `only` names, or the file or folder of one.

        Raises PolicyError that lists the sources where `only` is none of them.
        """
        done: list[Ingested] = []
        overrides = load_overrides(self.desk.folder)
        for settings, place in wanted_sources(self.desk.sources, self.desk.folder, only):
            source = open_source(settings, self.desk.folder, overrides, self.today, place)
            calendar = desk_calendar(self.desk, settings.exchange, self.today, self.cache)
            since = start or (self._newest(settings.name) if isinstance(settings, YahooSettings) else None)
            own: list[Ingested] = []
            for delivery in source.deliveries(since, end, self._seen(settings.name)):
                progress(f"{settings.name}: {name_of(delivery)}")
                if isinstance(delivery, Delivery) and delivery.log == PRICES:
                    delivery = self._screened(delivery, calendar)
                own.append(self._store(settings.name, delivery))
            if (start, end, place) == (None, None, None):
                self._withdraw(settings.name, own)
            done += own
        return done

    def reference(self, progress: Progress) -> list[Ingested]:
        """The reference folder and what the embedded sources say of their own symbols."""
        folder = open_reference(self.desk.sources, self.desk.folder)
        if folder is None:
            return []
        done = []
        for delivery in folder.deliveries(None, None, self._seen(folder.name)):
            progress(f"{folder.name}: {name_of(delivery)}")
            done.append(self._store(folder.name, delivery))
        self._withdraw(folder.name, done)
        return done

    def _withdraw(self, source: str, done: Sequence[Ingested]) -> None:
        """Puts on record which refused payloads of a source, read whole, are no longer there to be read."""
        still = {item.payload for item in done if item.status == REJECTED}
        with self.warehouse.live() as con:
            gone = [file for file in refused_files(con) if file.source == source and file.name not in still]
        if gone:
            with self.warehouse.write(self.stamp) as tx:
                for file in gone:
                    record_status(
                        tx, file.source, file.log, file.name, file.sha256, WITHDRAWN, "it is gone", ()
                    )

    def _newest(self, source: str) -> date | None:
        with self.warehouse.live() as con:
            return newest_price(con, [source])

    def _seen(self, source: str) -> Callable[[str], bool]:
        """Whether a delivery is known; one that holds back a split is read again once an action explains it."""
        with self.warehouse.live() as con:
            rows = con.execute(
                """
                select delivery_key from ingests where source = $1 and ingest_seq not in (
                    select q.ingest_seq from quarantine q join corporate_actions a
                    on a.symbol = q.symbol and a.kind = 'split' and a.ingest_seq > q.ingest_seq
                    where q.source = $1 and q.code = 'SPLIT_UNEXPLAINED')
                """,
                [source],
            ).fetchall()
        known = {str(row[0]) for row in rows}
        return known.__contains__

    def _screened(self, delivery: Delivery, calendar: Calendar) -> Delivery | FileRejected:
        """The delivery with what is wrong in it set aside; one that no check can read is refused."""
        with self.warehouse.live() as con:
            record, splits = newest_closes_on_record(con, delivery), known_splits(con)
        overrides = load_overrides(self.desk.folder)
        context = screening(
            self.desk.sources, overrides, delivery.source, self.today, calendar.days, record, splits
        )
        try:
            with refusing(delivery.payload_name, delivery.payload_sha256):
                screened = screen(delivery, context)
        except FileRejected as refused:
            return refused
        told = calendar_ends(calendar, delivery)
        return replace(screened, warnings=(*screened.warnings, *told))

    def _store(self, source: str, delivery: Delivery | FileRejected) -> Ingested:
        with self.warehouse.write(self.stamp) as tx:
            self.desk.keep(tx)
            if isinstance(delivery, FileRejected):
                return store_rejection(tx, source, delivery)
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
        today = now.astimezone(UTC).date()
        return desk_calendar(desk, live[0].exchange, today, cache).last_closed_session(now)
    newest = newest_price(con, [source.name for source in enabled])
    if newest is None:
        raise DataError("no prices are on record: check the sources in sources.yaml, then `packfolio ingest`")
    return newest
