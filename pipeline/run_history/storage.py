"""Dagster's history on SQLite as a daily run needs it: connections stay open, and an event is stored once, packed.

Dagster's own storages open a database anew for every statement, make one for every run, and keep what an asset tells of
itself three times. `dagster.yaml` names these in their place; a home whose file names others keeps them.
"""

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as db
from dagster import EventLogEntry
from dagster._core.execution.plan.outputs import StepOutputData
from dagster._core.storage.event_log.sqlite import consolidated_sqlite_event_log
from dagster._core.storage.event_log.sqlite.consolidated_sqlite_event_log import (
    ConsolidatedSqliteEventLogStorage,
)
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sql import create_engine
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData

from pipeline.run_history.making import Databases, make_alone

SHORT = 500  # characters: what Dagster searches for is shorter, events and pictures are longer
PACKED = b"zlib text\0"


def _address(base_dir: str, db_name: str) -> str:
    """The address of a database, as SQLAlchemy reads it back: of a path as it is, it takes %20 for a space."""
    place = Path(base_dir).absolute() / f"{db_name}.db"
    return db.URL.create("sqlite", database=str(place)).render_as_string()


for _storage in (sqlite_run_storage, consolidated_sqlite_event_log, sqlite_schedule_storage):
    # Dagster's own writes the path as it is, and has no setting for it.
    _storage.create_db_conn_string = _address  # type: ignore[attr-defined]


def _engine(address: str) -> db.Engine:
    """An engine that keeps its connections; a commit need not outlive a power cut, the ledger's does."""
    engine = create_engine(address, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})

    @db.event.listens_for(engine, "connect")
    def _opened(connection: Any, _: object) -> None:
        connection.execute("pragma synchronous = normal")
        connection.row_factory = lambda cursor, row: tuple(map(unpacked, row))

    @db.event.listens_for(engine, "before_cursor_execute", retval=True)
    def _asked(_c: object, _k: object, sql: str, values: Any, _x: object, many: bool) -> tuple[str, Any]:
        return sql, [tuple(map(packed, row)) for row in values] if many else tuple(map(packed, values))

    return engine


def packed(value: object) -> object:
    """A long text as compressed bytes; anything else as it is."""
    return PACKED + zlib.compress(value.encode()) if isinstance(value, str) and len(value) > SHORT else value


def unpacked(value: object) -> object:
    """What was packed."""
    if isinstance(value, bytes) and value.startswith(PACKED):
        return zlib.decompress(value[len(PACKED) :]).decode()
    return value


class EventHistory(ConsolidatedSqliteEventLogStorage):
    """The events of all runs in one database, `event_log.db`."""

    @cached_property
    def _kept(self) -> db.Engine:
        return _engine(self._conn_string)

    @contextmanager
    def _connect(self) -> Iterator[db.Connection]:
        with self._kept.begin() as connection:
            yield connection

    @cached_property
    def _schema(self) -> db.Inspector:
        """The tables as they were first seen: Dagster asks for them with every event."""
        return db.inspect(self._kept)

    def has_table(self, table_name: str) -> bool:
        """Whether there is a table, or was when it was first asked for."""
        return self._schema.has_table(table_name)

    def _has_asset_key_col_on_connection(self, conn: db.Connection, column_name: str) -> bool:
        return any(column["name"] == column_name for column in self._schema.get_columns("asset_keys"))

    def upgrade(self) -> None:
        """Bring the tables to this Dagster's schema, and look at them anew."""
        super().upgrade()  # type: ignore[no-untyped-call]
        vars(self).pop("_schema", None)

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event; what an asset tells of itself is in its materialization, and not in the step's output too."""
        super().store_event(_without_copy(event))

    def compact(self) -> None:
        """Give the room of deleted runs back to the disk; waits for who writes."""
        with self._kept.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(db.text("vacuum"))

    def dispose(self) -> None:
        """Close the connections."""
        super().dispose()  # type: ignore[no-untyped-call]
        self._kept.dispose()


class RunHistory(SqliteRunStorage):
    """The runs, in `runs.db`."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "RunHistory":
        """As `dagster.yaml` says; Dagster opens it first, and all its databases are whole from here on."""
        make_alone(Path(config_value["base_dir"]), DATABASES)
        return cls.from_local(inst_data=inst_data, **config_value)

    @cached_property
    def _kept(self) -> db.Engine:
        return _engine(self._conn_string)

    @contextmanager
    def connect(self) -> Iterator[db.Connection]:
        """A connection in a transaction."""
        with self._kept.begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Close the connections."""
        super().dispose()
        self._kept.dispose()


DATABASES: Databases = {
    "runs.db": (RunHistory.from_local, "runs"),
    "event_log.db": (EventHistory, "event_logs"),
    "schedules/schedules.db": (SqliteScheduleStorage.from_local, "instigators"),
}


def _without_copy(event: EventLogEntry) -> EventLogEntry:
    told = event.dagster_event
    data = told.event_specific_data if told else None
    if told is None or not isinstance(data, StepOutputData) or not data.metadata:
        return event
    return event._replace(dagster_event=told._replace(event_specific_data=data._replace(metadata={})))
