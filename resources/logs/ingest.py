"""Deliveries into the logs: each payload in one transaction, known ones skipped, bad rows set aside."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pyarrow as pa

from optimizer import DataError
from resources.ledger.ledger import Connection, Stamp, head
from resources.logs import characteristics
from resources.logs.calendars import Calendar, calendar_ends, desk_calendar
from resources.logs.calendars import default_as_of as default_as_of
from resources.logs.judged_again import told_on_record
from resources.logs.moved_rows import moved_rows
from resources.logs.recorded_actions import (
    ACTIONS,
    StatedActions,
    explained_deliveries,
    given_by_actions,
    left_behind,
    names_of_renames,
    stated_actions,
    tell_unknown_symbols,
    undone_renames,
)
from resources.logs.recorded_prices import (
    newest_closes_on_record,
    newest_price,
    no_longer_believed,
    prices_elsewhere,
)
from resources.logs.refused_files import REJECTED, is_among
from resources.logs.rows_around import rows_around
from resources.logs.storing import (
    NO_VALUES,
    Ingested,
    in_own_currencies,
    kept_payload,
    known_deliveries,
    not_storable,
    read_again,
    stated_currencies,
    store_delivery,
    store_rejection,
    taken_since,
    withdraw_gone,
)
from resources.prices.folder import can_be_read
from resources.prices.reference import SOURCE
from resources.prices.source import (
    PRICES,
    Delivery,
    FileRejected,
    Finding,
    delivered,
    refusing,
    splits_of,
)  # fmt: skip
from resources.screening.renames import Rename, renamed
from resources.screening.screen import screen
from resources.screening.stated.stated_payments import Payments
from resources.settings.configuration import Configuration
from resources.settings.sources import (
    YahooSettings,
    inbox_folders,
    load_overrides,
    open_reference,
    open_source,
    screening,
    wanted_sources,
)
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
            seen, mark, explained = self._seen(settings.name)
            for delivery in delivered(source, since, end, seen):
                progress(f"{settings.name}: {name_of(delivery)}")
                if isinstance(delivery, Delivery) and delivery.stated.num_rows:
                    self._take(settings.name, splits_of(delivery), mark)
                own += self._take(settings.name, delivery, mark, calendar, stated=bool(settings.currency))
            refused = {item.payload for item in own if item.status == REJECTED}
            whole = settings.name not in refused
            if whole and (start, end, place) == (None, None, None):
                withdraw_gone(self.warehouse, self.stamp, settings.name, refused)
                if explained:
                    own += self._from_record(
                        settings.name, mark, refused, calendar, stated=bool(settings.currency)
                    )
            done += own
        return [*done, *self._unheard_of()]

    def reference(self, progress: Progress) -> list[Ingested]:
        """What the reference folder says, and characteristics beside prices; no action explains these rows."""
        folders = open_reference(self.desk.sources, self.desk.folder)
        done: list[Ingested] = []
        with self.warehouse.live() as con:
            known, mark = known_deliveries(con, SOURCE), head(con)[0]
        for folder in folders:
            for delivery in delivered(folder, None, None, known.__contains__):
                progress(f"{SOURCE}: {name_of(delivery)}")
                done += self._take(SOURCE, delivery, mark)
        if folders and all(map(can_be_read, inbox_folders(self.desk.sources, self.desk.folder))):
            refused = {item.payload for item in done if item.status == REJECTED}
            withdraw_gone(self.warehouse, self.stamp, SOURCE, refused)
        return done

    def _from_record(
        self, source: str, mark: int, refused: Collection[str], calendar: Calendar, *, stated: bool
    ) -> list[Ingested]:
        """Judges the rows anew that an action explains and no file of the source, read whole, tells any more.

        refused  payloads that are there and cannot be read, such as half a copy: their rows wait for the next time
        """
        done: list[Ingested] = []
        with self.warehouse.write(self.stamp) as tx:
            for key, symbols in left_behind(tx.con, source, self._renames(source), mark).items():
                self.desk.keep(tx)
                actions = stated_actions(tx.con, self._renames(source))
                given = given_by_actions(tx.con, source, actions.renames)
                units = {} if stated else stated_currencies(tx.con, actions.renames)
                undone = undone_renames(tx.con)
                try:
                    deliveries = list(
                        told_on_record(tx.con, source, key, symbols, *given, undone, actions.renames)
                    )
                except DataError as error:  # said each time until it is answered
                    waits = Finding("JUDGED_ON_RECORD", "WARN", str(error), symbol=symbols[0])
                    done.append(Ingested(source, PRICES, key, "ingested", findings=(waits,)))
                    continue
                for told, path in deliveries:
                    if is_among(told.payload_name, refused):
                        continue
                    screened = read_again(tx.con, told)
                    if told.rows.num_rows:
                        screened = self._screened(tx.con, screened, calendar, actions, units)
                    done.append(store_delivery(tx, in_own_currencies(screened, units), path))
        return done

    def _newest(self, source: str) -> date | None:
        with self.warehouse.live() as con:
            return newest_price(con, [source])

    def _seen(self, source: str) -> tuple[Callable[[str], bool], int, bool]:
        """Whether a delivery is known, as of the ledger row that is given too, and whether actions explain any.

        One that an action explains which was stated later is read again, and so is a file that tells again what it
        told before it was changed, or that overrides shape again as before.
        """
        with self.warehouse.live() as con:
            again = explained_deliveries(con, source, self._renames(source))
            return (known_deliveries(con, source) - set(again)).__contains__, head(con)[0], bool(again)

    def _unheard_of(self) -> list[Ingested]:
        """Refuses the actions on symbols that nobody knows: asked when all prices are in, told once."""
        named = set[str]()
        for file in self.desk.portfolios.files:
            named.update(
                *(held.positions for held in file.holdings), () if file.universe == "all" else file.universe
            )
        for model in self.desk.portfolios.models.values():
            named.update(() if model.universe == "all" else model.universe)
        findings = tell_unknown_symbols(self.warehouse, self.stamp, named)
        refused = Ingested("reference", ACTIONS, f"{ACTIONS}.csv", REJECTED, findings=findings)
        return [refused] if findings else []

    def _take(
        self,
        source: str,
        delivery: Delivery | FileRejected,
        mark: int,
        calendar: Calendar | None = None,
        *,
        stated: bool = True,
    ) -> list[Ingested]:
        """What becomes of a payload, decided in the transaction that writes it; nothing where it was taken meanwhile.

        mark      the ledger row up to which it was looked for
        calendar  of prices, which are screened
        stated    whether the source states one currency
        """
        try:
            with self.warehouse.write(self.stamp) as tx:
                if isinstance(delivery, FileRejected):
                    self.desk.keep(tx)
                    return [store_rejection(tx, source, delivery)]
                if taken_since(tx.con, source, delivery.key, mark):
                    return []
                self.desk.keep(tx)
                delivery = read_again(tx.con, delivery)
                if calendar and delivery.log == PRICES:
                    actions = stated_actions(tx.con, self._renames(source))
                    units = {} if stated else stated_currencies(tx.con, actions.renames)
                    screened = self._screened(tx.con, delivery, calendar, actions, units)
                    delivery = in_own_currencies(screened, units)
                if delivery.log == characteristics.LOG:
                    true = load_overrides(self.desk.folder).of(source).releases
                    told = {(entry.symbol, entry.date, entry.code) for entry in true}
                    delivery = characteristics.screened(tx.con, delivery, self.today, told)
                return [store_delivery(tx, delivery, kept_payload(self.warehouse.home, delivery))]
        except FileRejected as refused:  # nothing of it was written: its reasons are, by themselves
            return self._take(source, refused, mark)
        except NO_VALUES as error:
            if isinstance(delivery, FileRejected):
                raise
            return self._take(source, not_storable(delivery, error), mark)

    def _screened(
        self,
        con: Connection,
        delivery: Delivery,
        calendar: Calendar,
        actions: StatedActions,
        units: Mapping[str, str],
    ) -> Delivery:
        """The delivery with what is wrong in it set aside; raises FileRejected for one that no check can read."""
        with refusing(delivery.payload_name, delivery.payload_sha256):
            screened = self._checked(con, delivery, calendar, actions, units)
        told = calendar_ends(calendar, delivery)
        return replace(screened, warnings=(*screened.warnings, *told))

    def _checked(
        self,
        con: Connection,
        delivery: Delivery,
        calendar: Calendar,
        stated: StatedActions,
        units: Mapping[str, str],
    ) -> Delivery:
        overrides = load_overrides(self.desk.folder)
        before = delivery.rows
        rows, told = renamed(before, stated.renames)
        delivery = replace(delivery, rows=rows, warnings=(*delivery.warnings, *told))
        record = newest_closes_on_record(con, delivery, units)
        elsewhere = prices_elsewhere(con, delivery.source, delivery.rows["symbol"].unique().to_pylist())
        context = screening(
            self.desk.sources, overrides, delivery.source, self.today, calendar.days, record, stated.splits
        )
        splits, cash = given_by_actions(con, delivery.source, stated.renames)
        payments = Payments(stated.dividends, cash, units)
        around = rows_around(con, delivery, record, units, {*splits, *cash})
        context = replace(
            context,
            recorded=around,
            elsewhere=elsewhere,
            from_actions=frozenset(splits),
            payments=payments,
            several=stated.several,
            begun=stated.begun,
        )
        screened = screen(delivery, context)
        names = names_of_renames(con, self._renames(delivery.source))
        moved = moved_rows(con, before, screened, names)
        return replace(screened, withdrawn=pa.concat_tables([no_longer_believed(con, screened), moved]))

    def _renames(self, source: str) -> tuple[Rename, ...]:
        return load_overrides(self.desk.folder).of(source).present_names()


def name_of(delivery: Delivery | FileRejected) -> str:
    """The payload's name."""
    return delivery.payload_name if isinstance(delivery, Delivery) else delivery.name
