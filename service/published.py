"""The published warehouse as the service reads it: always the newest copy, and never in the writer's way."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from sys import getsizeof
from threading import Lock
from types import FunctionType, ModuleType
from typing import Any, TypeVar

import duckdb
import numpy as np
import pandas as pd

from optimizer import DataError
from resources.ledger.ledger import Connection
from resources.ledger.record_error import refuse_no_file
from resources.store.duckdb_engine import cursor_of, damage_told, open_copy
from resources.store.warehouse import LOST_COPY, Warehouse

Value = TypeVar("Value")
Version = tuple[int, int, int]
KEPT, KEPT_BYTES = 512, 512 << 20


class Memory:
    """What was computed before, by key; estimates of a thousand names take ten megabytes, and callers name the keys."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: dict[tuple[Any, ...], tuple[Any, int]] = {}
        self._bytes = 0

    def keep(self, key: tuple[Any, ...], compute: Callable[[], Value]) -> Value:
        """The value of the key, computed at its first use; beyond 512 of them, or 512 MB, the oldest makes room."""
        with self._lock:
            if key in self._kept:
                found: Value = self._kept[key][0]
                return found
        value = compute()
        size = _bytes(value)
        with self._lock:
            self._bytes += size - self._kept.get(key, (None, 0))[1]
            self._kept[key] = value, size
            while len(self._kept) > 1 and (len(self._kept) > KEPT or self._bytes > KEPT_BYTES):
                self._bytes -= self._kept.pop(next(iter(self._kept)))[1]
        return value


def _bytes(value: object) -> int:
    """What a value takes with all that it refers to, but for code."""
    seen, waiting, total = set[int](), [value], 0
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, type | ModuleType):
            continue
        seen.add(id(one))
        # a view's size is what it shows
        total += one.nbytes if isinstance(one, np.ndarray) else getsizeof(one)
        if isinstance(one, FunctionType):
            waiting += one.__closure__ or ()
        elif not isinstance(one, pd.DataFrame | pd.Series | pd.Index):  # they count what they hold themselves
            waiting += gc.get_referents(one)
    return total


class Copy:
    """One state of the published copy while somebody reads it: its connection, and what was computed from it."""

    def __init__(self, con: Connection, version: Version) -> None:
        self.con, self.version, self.memory, self.readers = con, version, Memory(), 0


class Published:
    """The newest state of the published copy, opened anew when a run has replaced the file.

    A reader keeps the state that he began with; the next one gets the newest, however long the first may take: neither
    a publish nor a reader ever waits for another reader. A state that was replaced is closed when its last reader has
    gone. What was computed from one state goes with it; `lasting` is for what no later one can change.
    """

    def __init__(self, warehouse: Warehouse, seconds: float = 15.0) -> None:
        self.warehouse, self.seconds = warehouse, seconds
        self._lock = Lock()
        self._newest: Copy | None = None
        self.lasting = Memory()

    def version(self) -> Version:
        """What tells one published copy from the next; raises DataError before the first run, or for no file."""
        refuse_no_file(self.warehouse.published, LOST_COPY)
        try:
            found = self.warehouse.published.stat()
        except FileNotFoundError:
            raise DataError(
                f"there is no {self.warehouse.published} yet: run `packfolio run` first, or set PACKFOLIO_HOME"
            ) from None
        return found.st_ino, found.st_mtime_ns, found.st_size

    @contextmanager
    def read(self) -> Iterator[tuple[Connection, Memory]]:
        """A cursor on the newest copy, and the memory of that copy; raises TimeoutError for a query without end."""
        with self._lock:
            copy = self._open()
            copy.readers += 1
        cursor = cursor_of(copy.con)
        try:
            with damage_told(self.warehouse.published):
                yield cursor, copy.memory
        except duckdb.InterruptException:
            raise TimeoutError(f"a query took more than {self.seconds:g} seconds") from None
        finally:
            cursor.close()
            with self._lock:
                copy.readers -= 1
                self._close(copy)

    def _open(self) -> Copy:
        """The newest copy; called with the lock held. One replaced while it is opened is the next reader's."""
        version = self.version()
        if self._newest is None or self._newest.version != version:
            self.warehouse.open_published().close()  # made anew where an older release left it; refused from a newer
            replaced, self._newest = (
                self._newest,
                Copy(open_copy(self.warehouse.published, self.seconds), version),
            )
            if replaced is not None:
                self._close(replaced)
        return self._newest

    def _close(self, copy: Copy) -> None:
        """Closes a copy that was replaced and that nobody reads; called with the lock held."""
        if copy is not self._newest and not copy.readers:
            copy.con.close()

    def close(self) -> None:
        """Lets go of the newest copy; who still reads it ends first."""
        with self._lock:
            newest, self._newest = self._newest, None
            if newest is not None:
                self._close(newest)
