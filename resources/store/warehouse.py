"""The one door to the DuckDB file: one writer under a lock, many readers of a published copy."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import duckdb
import pandas as pd
import pyarrow as pa
from filelock import FileLock, Timeout

from optimizer import DataError
from resources.store import anchors, ledger
from resources.store.duckdb_engine import attached
from resources.store.ledger import Connection, Entry, Stamp
from resources.store.schema import VERSION, prepare_schema, refuse_newer, schema_version
from resources.store.signatures import signed, signing_key
from resources.tree.ledger_tree import LedgerTree

LOCK_SECONDS = 120.0
CLOCK_SLACK = timedelta(hours=1)


class PackLike(Protocol):
    """What an output needs to know of the pack it was computed from."""

    @property
    def id(self) -> str:
        """The pack's ID."""


@dataclass(frozen=True)
class Transaction:
    """One open write transaction; everything in it becomes visible together, or not at all."""

    con: Connection
    stamp: Stamp

    def next_id(self) -> int:
        """The id of the ledger row that the next write will get."""
        return ledger.head(self.con)[0] + 1

    def record(
        self,
        asset: str,
        frames: Mapping[str, pd.DataFrame | pa.Table],
        *,
        pack_id: str | None = None,
        portfolio_id: str | None = None,
        inputs: Mapping[str, str] | None = None,
    ) -> Entry:
        """Append `frames` (table -> rows) as one version of (asset, pack, portfolio); unchanged content writes nothing.

        Raises DataError when a frame has a column that its table lacks.
        """
        entry_id = self.next_id()
        keys = {"pack_id": pack_id, "portfolio_id": portfolio_id, "materialization": entry_id}
        staged = {table: self._stage(table, frame, keys) for table, frame in sorted(frames.items())}
        digests = {table: ledger.content_hash(self.con, name) for table, name in staged.items()}
        content = ledger.sha256("\n".join(f"{table}:{digest}" for table, (digest, _) in digests.items()))
        rows = sum(count for _, count in digests.values())
        before = ledger.latest(self.con, asset, pack_id, portfolio_id)
        if before is None or before.content_hash != content:
            for table, name in staged.items():
                self.con.execute(f"insert into {table} by name select * from {name}")
        for name in staged.values():
            self.con.execute(f"drop table temp.{name}")
        if before is not None and before.content_hash == content:
            return before
        return ledger.append_entry(
            self.con, self.stamp, entry_id, asset, content, rows,
            tables=frames, pack_id=pack_id, portfolio_id=portfolio_id, inputs=inputs,
        )  # fmt: skip

    def _stage(self, table: str, frame: pd.DataFrame | pa.Table, keys: Mapping[str, object]) -> str:
        """A temporary table with the types of `table`, the rows of `frame`, and its keys filled in."""
        name = f"staged_{table}"
        types = dict(ledger.columns(self.con, table))
        names = list(frame.columns if isinstance(frame, pd.DataFrame) else frame.column_names)
        if unknown := sorted(set(names) - set(types)):
            raise DataError(f"{table} has no columns {unknown}; it has {sorted(types)}")
        self.con.execute(f"create or replace temp table {name} as select * from {table} limit 0")
        constants = {key: value for key, value in keys.items() if key in types and key not in names}
        # DuckDB cannot read a view that runs backwards; a copy runs forwards
        self.con.register("incoming", frame.copy() if isinstance(frame, pd.DataFrame) else frame)
        selected = ", ".join([*(f'"{column}"' for column in names), *(f"? as {key}" for key in constants)])
        self.con.execute(
            f"insert into {name} by name select {selected} from incoming", list(constants.values())
        )
        self.con.unregister("incoming")
        return name


class Warehouse:
    """The warehouse of one home folder.

    home     folder of `warehouse.duckdb`, its published copy and its lock
    anchor   file outside the database that remembers (count, head hash) of the ledger after each commit
    connect  opens a database file read-write until the end of the block
    """

    def __init__(
        self,
        home: Path,
        anchor: Path | None = None,
        connect: Callable[[Path], AbstractContextManager[Connection]] = attached,
    ) -> None:
        self.home = home
        self.path = home / "warehouse.duckdb"
        self.published = home / "published.duckdb"
        self.anchor = anchor or home / "anchors.jsonl"
        self.tree = LedgerTree(home / "ledger.tree")
        self._connect = connect

    @contextmanager
    def live(self) -> Iterator[Connection]:
        """The live database, for the pipeline's own short reads; waits for the writer before it."""
        with self._locked(), self._connect(self.path) as con:
            self._prepare(con)
            yield con

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keeps other processes and threads out of the live database; waits for the one before."""
        self.home.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.home / "warehouse.lock", timeout=LOCK_SECONDS):
                yield
        except Timeout:
            raise DataError(
                f"{self.path} has been locked by another process for {LOCK_SECONDS:.0f} s; wait for that run to end, "
                f"or see `packfolio doctor`"
            ) from None

    @contextmanager
    def write(self, stamp: Stamp) -> Iterator[Transaction]:
        """One transaction: commits at the end of the block, rolls back when it raises; then the anchor follows."""
        signed({}, signing_key())  # a key that cannot be read must show before anything is written
        with self.live() as con:
            before = ledger.head(con)
            _refuse_earlier_clock(con, stamp)
            con.execute("begin")
            try:
                yield Transaction(con, stamp)
                after = ledger.head(con)
                root = self.tree.grow(con) if after != before else ""
                con.execute("commit")
            except BaseException:
                with suppress(duckdb.TransactionException):  # a commit that failed has rolled back already
                    con.execute("rollback")
                raise
            if after != before:
                anchors.write_anchor(self.anchor, *after, stamp.at, root=root)

    def _prepare(self, con: Connection) -> None:
        """The schema of this release, anchored where that took a step; deterministic settings for every connection."""
        con.execute("set python_enable_replacements = false")
        con.execute("set preserve_insertion_order = true")
        if prepare_schema(con, str(self.path)):
            at, root = datetime.now(UTC).replace(tzinfo=None), self.tree.grow(con)
            anchors.write_anchor(self.anchor, *ledger.head(con), at, root=root)

    def publish(self) -> Path:
        """Replace the published copy by the present state, atomically; open readers keep what they have."""
        fresh = self.home / "published.tmp"
        try:
            self.copy(fresh)
        except OSError:
            fresh.unlink(missing_ok=True)  # half a copy would fill the disk that was too small for it
            raise
        fresh.replace(self.published)
        return self.published

    def copy(self, target: Path) -> tuple[int, str]:
        """Copy the present state to `target`, on the disk when this returns; gives (count, head) of its ledger."""
        with self._locked():
            with self._connect(self.path) as con:
                self._prepare(con)
                found = ledger.head(con)
                con.execute("checkpoint")
            shutil.copyfile(self.path, target)
        with target.open("rb") as file:
            os.fsync(file.fileno())
        return found

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """The published copy, read-only: what the CLI, the API and the screen see while a run writes.

        Raises DataError before the first run.
        """
        con = self.open_published()
        try:
            yield con
        finally:
            con.close()

    def open_published(self) -> Connection:
        """A connection to the published copy, made anew where an older release left it; the caller closes it.

        Raises DataError before the first run, and for a copy of a newer release.
        """
        if not self.published.exists():
            raise DataError(
                f"there is no {self.published} yet: run `packfolio run` first, or set PACKFOLIO_HOME"
            )
        con = duckdb.connect(str(self.published), read_only=True)
        found = schema_version(con)
        if found < VERSION:
            con.close()
            self.publish()
            con = duckdb.connect(str(self.published), read_only=True)
        try:
            refuse_newer(found, str(self.published))
            con.execute("set enable_external_access = false")
        except BaseException:
            con.close()
            raise
        return con


def _refuse_earlier_clock(con: Connection, stamp: Stamp) -> None:
    """A clock that is behind would set today's prices aside as future ones, and date what is known too early."""
    newest = con.execute('select "at" from materializations order by id desc limit 1').fetchall()
    if newest and newest[0][0] - stamp.at > CLOCK_SLACK:
        raise DataError(
            f"the clock says {stamp.at:%Y-%m-%d %H:%M} UTC, but the newest ledger row was written at "
            f"{newest[0][0]:%Y-%m-%d %H:%M}: set the clock right; if it was ahead then, "
            f"`packfolio doctor db --accept REASON` puts that on record, and runs go on"
        )


def frame(con: Connection, sql: str, params: list[object] | None = None) -> pd.DataFrame:
    """The result of a query as a data frame."""
    return con.execute(sql, params or []).df()
