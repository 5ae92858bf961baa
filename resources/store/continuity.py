"""Whether the warehouse goes on from what the anchor remembers; another one is refused, and never written or shown."""

from pathlib import Path

from resources.store import ledger
from resources.store.anchors import Anchors
from resources.store.catalog import unlike_release
from resources.store.ledger import Connection
from resources.store.record_error import RecordError
from resources.store.schema import schema_version

ACCEPT = "or accept it: `packfolio doctor db --accept REASON`, which stays on record"


def refuse_lost(path: Path, anchors: Anchors) -> None:
    """Raises RecordError where the anchor remembers a warehouse and the file is gone."""
    last = anchors.settled
    if last and last.count and not path.exists():
        raise RecordError(
            f"{path} is gone, and the anchor remembers {last.count} ledger rows: mount its disk, or "
            f"`packfolio restore` a backup; a new desk needs a PACKFOLIO_HOME and a PACKFOLIO_ANCHOR of its own"
        )


def refuse_another(con: Connection, path: Path, anchors: Anchors) -> None:
    """Raises RecordError for a ledger that is shorter, longer or another than the one that the anchor remembers."""
    last = anchors.settled
    if last is None:
        return
    there = schema_version(con) > 0
    head = ledger.head(con) if there else (0, ledger.GENESIS)
    problem = difference(anchors, head, ledger.hash_at(con, last.count) if there else None)
    if problem:
        raise RecordError(f"{path}: {problem}; `packfolio restore` the newest backup, {ACCEPT}")


def difference(anchors: Anchors, head: tuple[int, str], at_last: str | None) -> str | None:
    """How a ledger that ends with `head` differs from the anchor; None where it goes on from it.

    at_last  hash of the ledger row that the last settled line names
    """
    last, pending, (length, _) = anchors.settled, anchors.pending, head
    if last is None:
        return None
    if length < last.count:
        return f"the ledger ends at row {length}, the anchor remembers {last.count}: cut off, or an older copy put back"
    if last.count and at_last != last.head:
        return (
            f"ledger row {last.count} is not the one anchored at {last.at}: history was rewritten, or it is the "
            f"warehouse of another desk"
        )
    if length > last.count and last.numbered and not (pending and pending.state == head):
        return (
            f"the ledger ends at row {length}, the anchor at {last.count}: the rows after it were added by another "
            f"hand, or lines were cut off the anchor"
        )
    return None


def refuse_planted(con: Connection, path: Path) -> None:
    """Raises RecordError where the database holds what the release did not make: it could change what is written."""
    unlike = unlike_release(con)
    if unlike:
        raise RecordError(
            f"{path} is not as this release made it: {', '.join(list(unlike)[:5])}; nothing was read or written: see "
            f"`packfolio packs verify`, and `packfolio restore` the newest backup"
        )
