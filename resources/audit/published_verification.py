"""The copy that readers see, against the digests that the anchor has of what was published."""

from contextlib import suppress

from resources.audit.faults import ADDED, CHANGED, Fault
from resources.ledger.anchors import Anchors, read_anchors
from resources.ledger.ledger import file_sha256
from resources.ledger.record_error import RecordError, refuse_no_file
from resources.store.duckdb_engine import refuse_foreign_log
from resources.store.warehouse import LOST_COPY, Warehouse

COPY = "published copy"


def check_published(warehouse: Warehouse, anchors: Anchors) -> tuple[list[Fault], list[str]]:
    """The copy that readers see against the digests that were recorded at publishing: (faults, notes)."""
    try:
        refuse_no_file(warehouse.published, LOST_COPY)
        refuse_foreign_log(warehouse.published)
    except RecordError as error:
        return [Fault(COPY, ADDED, str(error))], []
    if not warehouse.published.exists():
        return [], ["there is no published copy: readers see nothing until the next run"]
    for look in (anchors, None, None):
        # A run may publish while this looks: its line comes before its file, so the file is read first then.
        digest = file_sha256(warehouse.published)
        now = look or read_anchors(warehouse.anchor)
        faults, notes = _judged(warehouse, digest, now)
        if not faults:
            return [], notes
    return faults, notes


def _judged(warehouse: Warehouse, digest: str, anchors: Anchors) -> tuple[list[Fault], list[str]]:
    known = [line.told["sha256"] for line in anchors.published]
    unfinished = warehouse.published.with_suffix(".tmp")
    if anchors.disputed:
        return [], [
            "what the anchor says of the published copy is not believed while its own lines are at issue"
        ]
    if not known:
        return [], ["no digest of the published copy is on record yet: the next run leaves its own"]
    if digest == known[-1]:
        return [], []
    said = "the published copy is an older one"
    # A kill leaves the one before, and no older one; before the first since a break was accepted stood any.
    if unfinished.is_file() and (len(known) == 1 or digest == known[-2]):
        with suppress(FileNotFoundError):  # it may take its place meanwhile
            if file_sha256(unfinished) == known[-1]:
                return [], [f"{said}: a publish was cut short, the next one replaces it"]
    if digest in known:
        return [Fault(COPY, CHANGED, f"{said} than the last that was published: it was put back")], []
    remedy = "`packfolio ingest` publishes the true state and keeps this one as evidence"
    return [Fault(COPY, CHANGED, f"{warehouse.published} is not the file that was published; {remedy}")], []
