"""The published warehouse as the service reads it: always the newest copy, and never in the writer's way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, Lock
from typing import Any, TypeVar

from optimizer import DataError
from resources.store.duckdb_engine import damage_told
from resources.store.ledger import Connection
from resources.store.warehouse import Warehouse

Value = TypeVar("Value")
Version = tuple[int, int, int]
KEPT = 512


class Memory:
    """What was computed before, by key."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: dict[tuple[Any, ...], Any] = {}

    def keep(self, key: tuple[Any, ...], compute: Callable[[], Value]) -> Value:
        """The value of the key, computed at its first use; the oldest of 512 makes room."""
        with self._lock:
            if key in self._kept:
                found: Value = self._kept[key]
                return found
        value = compute()
        with self._lock:
            self._kept[key] = value
            while len(self._kept) > KEPT:
                del self._kept[next(iter(self._kept))]
        return value


class Published:
    """One open connection to the published copy, reopened when a run has replaced the file.

    DuckDB keeps one database per path while anyone has it open, so the old one is closed before the new one is
    opened: readers finish first, and those that come meanwhile wait. A reader holds it for milliseconds, never
    while it solves. What was computed from one copy goes with it; `lasting` is for what no later copy can change.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self._changed = Condition()
        self._readers = 0
        self._version: Version | None = None
        self._con: Connection | None = None
        self._memory = Memory()
        self.lasting = Memory()

    def version(self) -> Version:
        """What tells one published copy from the next; raises DataError before the first run."""
        try:
            found = self.warehouse.published.stat()
        except FileNotFoundError:
            raise DataError(
                f"there is no {self.warehouse.published} yet: run `packfolio run` first, or set PACKFOLIO_HOME"
            ) from None
        return found.st_ino, found.st_mtime_ns, found.st_size

    @contextmanager
    def read(self) -> Iterator[tuple[Connection, Memory]]:
        """A cursor on the newest copy, and the memory of that copy."""
        with self._changed:
            con, memory = self._open()
            self._readers += 1
        cursor = con.cursor()
        try:
            with damage_told(self.warehouse.published):
                yield cursor, memory
        finally:
            cursor.close()
            with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    def _open(self) -> tuple[Connection, Memory]:
        """The connection of the newest copy; called with the lock held."""
        while self._con is None or self._version != self.version():
            if self._readers:
                self._changed.wait()
                continue
            if self._con is not None:
                self._con.close()
            self._con, self._memory = None, Memory()
            self._version = self.version()
            self._con = self.warehouse.open_published()
        return self._con, self._memory

    def close(self) -> None:
        """Closes the connection once its readers are done."""
        with self._changed:
            while self._readers:
                self._changed.wait()
            if self._con is not None:
                self._con.close()
            self._con = None
