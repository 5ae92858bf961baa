"""Whether the warehouse goes on from what the anchor remembers; another one is refused, and never written or shown."""

from datetime import datetime, timedelta
from pathlib import Path

from optimizer import DataError
from resources.ledger import ledger
from resources.ledger.anchor_lines import ACCEPTED
from resources.ledger.anchors import Anchors
from resources.ledger.ledger import Connection
from resources.ledger.record_error import RecordError, refuse_no_file
from resources.store.catalog import unlike_release
from resources.store.duckdb_engine import logs_of
from resources.store.schema import REMEDY, VERSION, schema_version

CLOCK_SLACK = timedelta(hours=1)
NO_ANCHOR = (
    "the ledger has rows and its anchor no line, though each row is announced there: put the file back, mount its "
    "disk, or copy the old one to where PACKFOLIO_ANCHOR now says"
)
ACCEPT = "or accept it: `packfolio doctor db --accept REASON`, which stays on record"


def refuse_lost(path: Path, published: Path, anchors: Anchors | None) -> None:
    """Raises RecordError where the file is gone, and the anchor remembers it, or readers have a copy of it.

    anchors  None where only what stands in the file's place and is none is refused
    """
    for place in (path, *logs_of(path)):
        refuse_no_file(place, "mount its disk, or move that away and `packfolio restore` a backup")
    if anchors is None or path.exists():
        return
    remedy = (
        "mount its disk, or `packfolio restore` a backup; a new desk needs a PACKFOLIO_HOME and a PACKFOLIO_ANCHOR of "
        "its own"
    )
    if anchors.settled and anchors.settled.count:
        raise RecordError(
            f"{path} is gone, and the anchor remembers {anchors.settled.count} ledger rows: {remedy}"
        )
    if published.exists():
        raise RecordError(f"{path} is gone, and readers still have a copy of it, {published}: {remedy}")


def refuse_another(con: Connection, path: Path, anchors: Anchors) -> None:
    """Raises RecordError for a ledger that is shorter, longer or another than the one that the anchor remembers."""
    if problem := unlike_anchor(con, anchors):
        raise RecordError(f"{path}: {problem}; {REMEDY}, {ACCEPT}")


def unlike_anchor(con: Connection, anchors: Anchors) -> str | None:
    """How the ledger of a database, of whatever release, differs from the anchor; None where it goes on from it."""
    there, last, pending = schema_version(con), anchors.settled, anchors.pending
    head = ledger.head(con) if there else (0, ledger.GENESIS)
    length, announced = head[0], pending is not None and pending.state == head
    if last is None:
        return NO_ANCHOR if length and not announced else None
    if length < last.count:
        return f"the ledger ends at row {length}, the anchor remembers {last.count}: cut off, or an older copy put back"
    if last.count and (head[1] if length == last.count else ledger.hash_at(con, last.count)) != last.head:
        return (
            f"ledger row {last.count} is not the one anchored at {last.at}: history was rewritten, or it is the "
            f"warehouse of another desk"
        )
    if last.kind == ACCEPTED and last.numbered and not _is_accepted(con, last.count):
        return f"line {last.place} of the anchor accepts a break that the ledger knows nothing of"
    # Only releases before this schema wrote lines without a number, and rows without a line.
    if length > last.count and not announced and (last.numbered or there == VERSION):
        return (
            f"the ledger ends at row {length}, the anchor at {last.count}: the rows after it were added by another "
            f"hand, or lines were cut off the anchor"
        )
    return None


def _is_accepted(con: Connection, entry: int) -> bool:
    found = con.execute("select asset from materializations where id = ?", [entry]).fetchall()
    return found == [("accepted_break",)]


def refuse_no_ledger(con: Connection, path: Path) -> None:
    """Raises RecordError where the ledger is not the table that this release makes: nothing can be asked of it."""
    unlike = unlike_release(con) if schema_version(con) == VERSION else {}
    parts = ("table materializations", "column materializations.")
    if lost := [name for name in unlike if name.startswith(parts)]:
        said = f"{path}: its ledger is not the table that this release made ({lost[0]})"
        raise RecordError(f"{said}: {REMEDY}")


def refuse_planted(con: Connection, path: Path) -> None:
    """Raises RecordError where the database holds what the release did not make: it could change what is written."""
    unlike = unlike_release(con)
    if unlike:
        raise RecordError(
            f"{path} is not as this release made it: {', '.join(list(unlike)[:5])}; nothing was read or written: see "
            f"`packfolio packs verify`, and {REMEDY}"
        )


def refuse_earlier_clock(con: Connection, now: datetime) -> None:
    """A clock that is behind would set today's prices aside as future ones, and date what is known too early."""
    newest = con.execute('select "at" from materializations order by id desc limit 1').fetchall()
    if newest and newest[0][0] - now > CLOCK_SLACK:
        raise DataError(
            f"the clock says {now:%Y-%m-%d %H:%M} UTC, but the newest ledger row was written at "
            f"{newest[0][0]:%Y-%m-%d %H:%M}: set the clock right; if it was ahead then, "
            f"`packfolio doctor db --accept REASON` puts that on record, and runs go on"
        )
