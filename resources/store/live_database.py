"""The live DuckDB file: one writer under a lock, and an anchor that is told of each commit before and after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import local

import duckdb

from optimizer import DataError
from resources.ledger import ledger
from resources.ledger.anchor_lines import BEGUN, CHECKPOINT, COMMIT, INTENT
from resources.ledger.anchors import Anchors, append_line, read_anchors, read_end
from resources.ledger.ledger import Connection, Stamp
from resources.ledger.ledger_tree import Head, LedgerTree
from resources.ledger.record_error import refuse_no_folder
from resources.ledger.signatures import signed, signing_key
from resources.store.continuity import refuse_another, refuse_earlier_clock, refuse_lost, refuse_planted
from resources.store.duckdb_engine import attached, cursor_of, damage_told, refuse_cut
from resources.store.file_lock import held
from resources.store.schema import VERSION, prepare_schema, schema_version
from resources.store.transaction import Transaction

LOCK_SECONDS = 120.0
PAYLOADS = "payloads"
FOLDERS = ("cache", "evidence", PAYLOADS)  # of the home, beside the warehouse


class LiveDatabase:
    """The live database of one home folder.

    home     folder of `warehouse.duckdb`, its published copy and its lock
    anchor   file outside the database that remembers (count, head hash) of the ledger after each commit
    connect  opens a database file read-write until the end of the block
    scratch  holds a part of another ledger, of which no tree can be made: nothing of it is ever proved
    """

    def __init__(
        self,
        home: Path,
        anchor: Path | None = None,
        connect: Callable[[Path], AbstractContextManager[Connection]] = attached,
        *,
        scratch: bool = False,
    ) -> None:
        self.home = home
        self.path = home / "warehouse.duckdb"
        self.published = home / "published.duckdb"
        self.anchor = anchor or home / "anchors.jsonl"
        self.tree = LedgerTree(home / "ledger.tree")
        self.scratch = scratch
        self._connect = connect

    @contextmanager
    def live(self) -> Iterator[Connection]:
        """The live database, for the pipeline's own short reads; waits for the writer before it.

        Raises RecordError for a warehouse that is lost, damaged, tampered with, or not the one that the anchor
        remembers.
        """
        if self.path in _KEPT.open:
            with damage_told(self.path), cursor_of(_KEPT.open[self.path].con) as con:
                refuse_another(con, self.path, read_end(self.anchor))
                yield con
            return
        with self._locked(), self._opened(read_end(self.anchor)) as con:
            yield con

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Until the end of the block, or a publish, all looks and writes of this thread share one opening.

        Each of them still asks the anchor. Other writers, and who proves, wait meanwhile: it is for seconds. Readers
        have their copy.
        """
        with ExitStack() as opened:
            _KEPT.open[self.path] = _Open(opened.enter_context(self.live()), opened)
            opened.callback(_KEPT.open.pop, self.path)
            yield

    def _close_kept(self) -> None:
        """Ends what is kept open before its block does: a file is copied when it is closed."""
        if self.path in _KEPT.open:
            _KEPT.open[self.path].until.close()

    @contextmanager
    def disputed(self) -> Iterator[Connection]:
        """The live database, whatever the anchor remembers: for those who restore it, or accept it as it is."""
        with self._locked(), self._opened(None) as con:
            yield con

    @contextmanager
    def _opened(self, anchors: Anchors | None) -> Iterator[Connection]:
        """The database, looked at before it is used, in the schema of this release; called with the lock held."""
        refuse_lost(self.path, self.published, anchors)
        ours = _UNTOUCHED.get(self.path, ()) == _state(self.path)
        try:
            with damage_told(self.path), self._connect(self.path) as con:
                con.execute("set python_enable_replacements = false")
                con.execute("set preserve_insertion_order = true")
                looked = ours  # nobody but this process has written since it looked
                if not looked:
                    refuse_cut(con, self.path, self.path)
                    if looked := schema_version(con) == VERSION:
                        refuse_planted(con, self.path)  # before anything is asked of it
                if anchors is not None and not self.scratch:
                    refuse_another(con, self.path, anchors)
                if prepare_schema(con, str(self.path), partial(self._announce, con)):
                    self._settle(ledger.head(con), utc_now())
                if not looked:
                    refuse_planted(con, self.path)
                ours = True
                yield con
        finally:
            if ours:
                _UNTOUCHED[self.path] = _state(self.path)

    def refuse_none(self, anchors: Anchors | None = None) -> None:
        """Raises RecordError for a warehouse that is lost, DataError where there never was one."""
        refuse_lost(self.path, self.published, read_anchors(self.anchor) if anchors is None else anchors)
        if not self.path.exists():
            raise DataError(f"there is no {self.path} yet: run `packfolio run` first, or set PACKFOLIO_HOME")

    def _locked(self) -> AbstractContextManager[None]:
        """Keeps other processes and threads out of the live database; waits for the one before."""
        self.home.mkdir(parents=True, exist_ok=True)
        for name in FOLDERS:
            refuse_no_folder(self.home / name)
        return held(self.home / "warehouse.lock", LOCK_SECONDS, f"{self.path}")

    @contextmanager
    def write(self, stamp: Stamp) -> Iterator[Transaction]:
        """One transaction: commits at the end of the block, rolls back when it raises.

        The anchor is told before the commit what the ledger is about to be, and after it that it is so: between the
        two a kill leaves a ledger that the anchor knows either way, and no other one passes for it.
        """
        signed({}, signing_key())  # a key that cannot be read must show before anything is written
        with self.live() as con:
            before = ledger.head(con)
            refuse_earlier_clock(con, stamp.at)
            con.execute("begin")
            try:
                yield Transaction(con, stamp)
                after = ledger.head(con)
                if after != before:
                    self._announce(con, before, after, stamp.at)
                con.execute("commit")
            except BaseException:
                with suppress(duckdb.TransactionException):  # a commit that failed has rolled back already
                    con.execute("rollback")
                raise
            if after != before:
                self._settle(after, stamp.at)

    def _announce(self, con: Connection, before: Head, after: Head, at: datetime) -> None:
        """Tell the anchor which commit comes next, with the root of the ledger's tree after it."""
        self._settle(before, at)
        rooted = {} if self.scratch else {"root": self.tree.grow(con, before, after)}
        append_line(self.anchor, INTENT, *after, at, rooted)

    def _settle(self, head: Head, at: datetime) -> None:
        """Tell the anchor what it does not know yet: a commit whose process was killed, or where it begins."""
        anchors = read_end(self.anchor)
        if anchors.pending and anchors.pending.state == head:
            append_line(self.anchor, COMMIT, *head, at, anchors.pending.rooted, after=anchors)
        elif head[0] and (anchors.settled is None or anchors.settled.state != head):
            append_line(self.anchor, BEGUN, *head, at, after=anchors)

    def state_root(self, at: datetime) -> None:
        """A line of the anchor with the root of the ledger's tree, for a ledger whose lines have none yet."""
        with self._locked(), self._opened(read_end(self.anchor)) as con:
            self._tell(con, CHECKPOINT, at, {"root": self.tree.grow(con)})

    def tell_anchor(self, kind: str, told: Mapping[str, str], new_key: Path | None = None) -> int:
        """Write a line about something else than a commit, such as a key; gives its number.

        Raises RecordError as `live` does.
        """
        with self._locked(), self._opened(read_end(self.anchor)) as con:
            self._tell(con, kind, utc_now(), told, new_key)
        return read_end(self.anchor).size

    def _tell(
        self, con: Connection, kind: str, at: datetime, told: Mapping[str, str], new_key: Path | None = None
    ) -> None:
        """A line of the anchor on the ledger as it is."""
        head = ledger.head(con)
        self._settle(head, at)
        append_line(self.anchor, kind, *head, at, told, new_key=new_key)


@dataclass(frozen=True)
class _Open:
    """A database that is kept open, and what closes it."""

    con: Connection
    until: ExitStack


class _Kept(local):
    """What each thread keeps open, by the path."""

    def __init__(self) -> None:
        self.open: dict[Path, _Open] = {}


_KEPT = _Kept()
State = tuple[tuple[int, int, int], ...]
_UNTOUCHED: dict[Path, State] = {}  # the files as this process left them


def _state(path: Path) -> State:
    """What changes with every write to a database file or to its log of unfinished writes."""
    parts = (path, path.with_name(path.name + ".wal"))
    found = [part.stat() for part in parts if part.exists()]
    return tuple((each.st_ino, each.st_ctime_ns, each.st_size) for each in found)


def utc_now() -> datetime:
    """The clock's time, as the warehouse keeps it."""
    return datetime.now(UTC).replace(tzinfo=None)
