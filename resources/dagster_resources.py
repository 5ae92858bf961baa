"""Dagster's doors to the outside world: the warehouse and the desk's configuration, as resources."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
from dagster_duckdb import DuckDBResource

from optimizer import DataError
from resources.ledger import ledger
from resources.ledger.ledger import Connection, Stamp
from resources.ledger.ledger_tree import Head
from resources.logs.calendars import desk_calendar
from resources.packs.packs import Pack, newest_fresh, parse_pack_id
from resources.settings.configuration import Configuration, load_configuration
from resources.store.code_version import code_version
from resources.store.duckdb_engine import refuse_foreign_log
from resources.store.transaction import Transaction
from resources.store.warehouse import Warehouse

PAST = "packfolio/past"  # the tag of a run that is a day of a backfill


class DeskResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """What the desk edits: the folder of its configuration, read anew by each run."""

    folder: str

    def load(self) -> Configuration:
        """The configuration as it stands now; raises PolicyError with every mistake in it."""
        return load_configuration(Path(self.folder))


class WarehouseResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The warehouse of one home folder, as a resource of Dagster."""

    home: str
    anchor: str | None = None
    decisions: str | None = None
    scratch: bool = False  # a replay's, see Warehouse

    @property
    def decision_log(self) -> Path:
        """The file in which the service records what it proposed."""
        return Path(self.decisions) if self.decisions else Path(self.home) / "decisions.jsonl"

    def open(self) -> Warehouse:
        """The warehouse."""
        home = Path(self.home)
        return Warehouse(home, Path(self.anchor) if self.anchor else None, scratch=self.scratch)

    def stage(self, context: dg.AssetExecutionContext, desk: DeskResource) -> "Stage":
        """The warehouse as one stage of one run sees it."""
        configuration = desk.load()
        stamp = Stamp(
            context.run_id, datetime.now(UTC).replace(tzinfo=None), code_version(), configuration.digest
        )
        return Stage(self.open(), configuration, stamp, past=context.op_execution_context.has_tag(PAST))


class PublishedResource(DuckDBResource):
    """The published, read-only copy as Dagster's own DuckDB resource: for a desk's own assets and notebooks."""

    @classmethod
    def of_home(cls, home: Path) -> "PublishedResource":
        """The copy of a home; no connection to it can write, or read another file."""
        settings = {"access_mode": "READ_ONLY", "enable_external_access": False}
        return cls(database=str(Warehouse(home).published), connection_config=settings)

    @contextmanager
    def get_connection(self) -> Iterator[Connection]:
        """A connection, closed at the end of the block; raises DataError before the first run."""
        if not Path(self.database).exists():
            raise DataError(
                f"there is no {self.database} yet: run `packfolio run` first, or set PACKFOLIO_HOME"
            )
        refuse_foreign_log(Path(self.database))
        with super().get_connection() as con, closing(con):
            yield con


@dataclass(frozen=True)
class Stage:
    """What a stage works with: the warehouse, the configuration, and the stamp its writes carry.

    past  whether it is a day of a backfill: Dagster forgets its pictures, and readers get all of its days at the end
    """

    warehouse: Warehouse
    desk: Configuration
    stamp: Stamp
    past: bool = False
    # The newest ledger row of each look.
    seen: list[Head] = field(default_factory=list, init=False)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A short look at the live warehouse."""
        with self.warehouse.live() as con:
            self.seen.append(ledger.head(con))
            yield con

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """One transaction, which also keeps the configuration that replay needs.

        Raises DataError where a backup was put back since the stage looked: its rows would rest on none.
        """
        with self.warehouse.write(self.stamp) as tx:
            if any((ledger.hash_at(tx.con, count) or ledger.GENESIS) != head for count, head in self.seen):
                raise DataError(
                    "the warehouse was restored while this stage computed, and what it read is not on record any more: "
                    "nothing was written; run it again"
                )
            self.desk.keep(tx)
            yield tx

    def publish(self) -> None:
        """Shows readers what is written."""
        if not self.past:
            self.warehouse.publish()

    def pack(self, con: Connection, partition_key: str) -> Pack:
        """The newest fresh pack of a partition's as-of date; the key names the date, the pack may be a revision."""
        return newest_fresh(con, parse_pack_id(partition_key)[0])

    def sessions(self, start: date, end: date) -> tuple[date, ...]:
        """Sessions of the first enabled source's exchange in start..end."""
        exchange = next(source.exchange for source in self.desk.sources.sources if source.enabled)
        today, cache = self.stamp.at.date(), self.warehouse.home / "cache"
        return desk_calendar(self.desk, exchange, today, cache).sessions(start, end)
