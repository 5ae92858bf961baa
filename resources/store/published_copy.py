"""The published copy: one that a killed publish made is put in place, a forged one is kept as evidence."""

import shutil
from datetime import datetime
from pathlib import Path

from resources.ledger.anchor_lines import FORGED, PUBLISHED
from resources.ledger.anchors import Anchors, append_line, read_anchors, refuse_disputed
from resources.ledger.ledger import file_sha256
from resources.ledger.ledger_tree import Head
from resources.store.duckdb_engine import logs_of


def end_cut(fresh: Path, published: Path, anchor: Path) -> None:
    """Puts in place what a killed publish told the anchor of: no kill leaves readers more than one copy behind."""
    if not fresh.exists() or not published.exists() or logs_of(published):
        return
    anchors = read_anchors(anchor)  # the line of the copy before may be far from the end
    refuse_disputed(anchors, anchor)
    known = [line.told["sha256"] for line in anchors.published]
    # The first copy since a break was accepted takes the place of one of which no line tells.
    if file_sha256(fresh) in known[-1:] and (len(known) == 1 or file_sha256(published) in known):
        fresh.replace(published)


def keep_evidence(published: Path, anchor: Path, anchors: Anchors, head: Head, at: datetime) -> None:
    """Sets aside what stands in the readers' place and was never published, and puts it on record once."""
    known, told = (
        {line.told["sha256"] for line in anchors.since_accepted(kind)} for kind in (PUBLISHED, FORGED)
    )
    logs = logs_of(published)
    copy = [published] if known and published.exists() else []
    found = {place: file_sha256(place) for place in (*copy, *logs)}
    for place in (place for place, digest in found.items() if digest not in known):
        kept = published.parent / "evidence" / f"published-{found[place][:16]}{place.suffix}"
        kept.parent.mkdir(exist_ok=True)
        shutil.copyfile(place, kept)
        if found[place] not in told:  # a publish that was killed has told it already
            append_line(anchor, FORGED, *head, at, {"sha256": found[place], "kept": kept.name})
    for log in logs:
        log.unlink()
