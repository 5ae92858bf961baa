"""The one door to the DuckDB file: one writer under a lock, many readers of a published copy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from optimizer import DataError, PolicyError
from resources.ledger import ledger
from resources.ledger.anchor_lines import PUBLISHED
from resources.ledger.anchors import Anchors, append_line, read_anchors, read_end
from resources.ledger.ledger import Connection, file_sha256
from resources.ledger.ledger_tree import Head
from resources.ledger.record_error import refuse_no_file
from resources.store.continuity import refuse_another, refuse_no_ledger, refuse_planted, unlike_anchor
from resources.store.duckdb_engine import attached, connected, damage_told, logs_of, refuse_cut
from resources.store.file_lock import shared_lock
from resources.store.live_database import LOCK_SECONDS as LOCK_SECONDS
from resources.store.live_database import LiveDatabase, utc_now
from resources.store.published_copy import end_cut, keep_evidence
from resources.store.schema import VERSION, prepare_schema, refuse_newer, schema_version
from resources.store.transaction import Transaction as Transaction

if TYPE_CHECKING:
    import pandas as pd
LOST_COPY = "move that away: `packfolio ingest` publishes the true state again"


@dataclass(frozen=True)
class Look:
    """A copy of the live database, the anchor when it was made, and how the ledger then differed from it, if it did."""

    con: Connection
    anchors: Anchors
    unlike: str | None


class Warehouse(LiveDatabase):
    """The warehouse of one home folder: its live database, and the copies that are made of it."""

    def publish(self) -> Path:
        """Replace the published copy by the present state, atomically; open readers keep what they have.

        A copy that is the present state already stays as it is, and a replay's has no readers.
        The anchor remembers the digest of each copy. One in its place that was never published is kept as evidence.
        Raises RecordError as `live` does: a good copy is never replaced by a warehouse that is not to be believed.
        """
        fresh = self.home / "published.tmp"
        self._close_kept()
        for place in (self.published, *logs_of(self.published)):
            refuse_no_file(place, LOST_COPY)
        refuse_no_file(fresh, "move that away, it is made again")
        with self._locked():
            end_cut(fresh, self.published, self.anchor)
            if self.scratch or self._is_published():
                return self.published
            try:
                head = self._copied(fresh)
                self._settle(head, utc_now())
                digest, anchors = file_sha256(fresh), read_anchors(self.anchor)
                known = anchors.published
                keep_evidence(self.published, self.anchor, anchors, head, utc_now())
                if not known or known[-1].told["sha256"] != digest:
                    append_line(self.anchor, PUBLISHED, *head, utc_now(), {"sha256": digest})
            except (OSError, PolicyError):
                # what was told stands, or it would pass for put back
                end_cut(fresh, self.published, self.anchor)
                fresh.unlink(missing_ok=True)  # half a copy would fill the disk that was too small for it
                raise
            fresh.replace(self.published)
        return self.published

    def _is_published(self) -> bool:
        """Whether the copy is the one that was published last, and nothing was written since."""
        anchors = read_end(self.anchor)
        last = next(iter(reversed(anchors.published)), None)
        if last is None or anchors.settled is None or not self.published.exists():
            return False
        if logs_of(self.published):
            return False
        with self._opened(anchors) as con:
            head = ledger.head(con)
        return last.state == head and file_sha256(self.published) == last.told["sha256"]

    def copy(self, target: Path, anchor: Path) -> Head:
        """Copy the present state to `target`, and the anchor as of then; gives (count, head) of its ledger.

        The copy is on the disk when this returns. Raises RecordError as `live` does.
        """
        with self._locked():
            found = self._copied(target)
            if self.anchor.exists():
                shutil.copyfile(self.anchor, anchor)
            return found

    def _copied(self, target: Path) -> Head:
        with self._opened(read_end(self.anchor)) as con:
            found = ledger.head(con)
            con.execute("checkpoint")
        if target.is_symlink():  # which would be written through
            target.unlink()
        with damage_told(self.path):
            shutil.copyfile(self.path, target)
        with target.open("rb") as file:
            os.fsync(file.fileno())
        return found

    def refuse_unlike(self) -> None:
        """Raises RecordError as `live` does; where the home may only be read a copy is asked."""
        if self._writable():
            with self.live():
                return
        with self.snapshot() as look:
            refuse_planted(look.con, self.path)
            refuse_another(look.con, self.path, look.anchors)

    @contextmanager
    def looked_at(self) -> Iterator[Connection]:
        """The live database, whatever the anchor remembers; where the home may only be read a copy of it."""
        if self._writable():
            with self.disputed() as con:
                yield con
        else:
            with self.snapshot() as look:
                yield look.con

    def _writable(self) -> bool:
        return os.access(self.home, os.W_OK)

    @contextmanager
    def room(self, prefix: str) -> Iterator[Path]:
        """A folder until the end of the block: in the home, or among the machine's where the home may only be read."""
        place = self.home if self._writable() else None
        with TemporaryDirectory(prefix=prefix, suffix=".tmp", dir=place) as folder:
            yield Path(folder)

    @contextmanager
    def snapshot(self) -> Iterator[Look]:
        """A copy of the live database as it stands, and the anchor as of then; needs no right to write in the home.

        Raises RecordError for a warehouse that is lost or damaged, DataError where there never was one.
        """
        with self.room("look-") as folder:
            place = folder / self.path.name
            with (
                self._locked()
                if self._writable()
                else shared_lock(self.home / "warehouse.lock", LOCK_SECONDS, f"{self.path}")
            ):
                anchors = read_anchors(self.anchor)
                self.refuse_none(anchors)
                for suffix in ("", ".wal"):
                    part = self.path.with_name(self.path.name + suffix)
                    if part.exists():
                        shutil.copyfile(part, place.with_name(part.name))
            with damage_told(self.path), attached(place) as con:
                con.execute("set python_enable_replacements = false")
                con.execute("set enable_external_access = false")
                refuse_cut(con, place, self.path)
                refuse_no_ledger(con, self.path)
                unlike = unlike_anchor(con, anchors)
                prepare_schema(con, str(self.path))
                yield Look(con, anchors, unlike)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """The published copy, read-only: what the CLI, the API and the screen see while a run writes.

        Raises DataError before the first run, RecordError for a damaged copy.
        """
        with damage_told(self.published):
            con = self.open_published()
            try:
                yield con
            finally:
                con.close()

    def open_published(self) -> Connection:
        """A connection to the published copy, made anew where an older release left it; the caller closes it.

        Raises DataError before the first run, and for a copy of a newer release; RecordError for a damaged one.
        """
        refuse_no_file(self.published, LOST_COPY)
        if not self.published.exists():
            raise DataError(
                f"there is no {self.published} yet: run `packfolio run` first, or set PACKFOLIO_HOME"
            )
        with damage_told(self.published):
            con = connected(self.published)
            found = schema_version(con)
            if found < VERSION:
                con.close()
                self.publish()
                con = connected(self.published)
            try:
                refuse_newer(found, str(self.published))
                con.execute("set enable_external_access = false")
            except BaseException:
                con.close()
                raise
            return con


def frame(con: Connection, sql: str, params: list[object] | None = None) -> pd.DataFrame:
    """The result of a query as a data frame."""
    return con.execute(sql, params or []).df()
