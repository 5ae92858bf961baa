"""Checkpoints: lines of the anchor with the root of the ledger's tree, which auditors and witnesses keep."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from optimizer import DataError
from resources.ledger.anchor_lines import INTENT, REVOKED, ROTATED, Anchor
from resources.ledger.anchors import read_anchors, refuse_disputed
from resources.ledger.cosignatures import cosigned_beside, read_cosigned
from resources.ledger.ledger import head
from resources.ledger.signatures import SIGNATURE, PublicKey, signing_key
from resources.store.warehouse import Warehouse


def rooted_lines(store: Warehouse, at: datetime) -> list[Anchor]:
    """The lines of the anchor that have a root, oldest first, since the last break that was accepted.

    One is written, at `at`, where there is none, or the newest is from before the desk had the key that signs now.
    Raises DataError where nothing was recorded yet, RecordError for an anchor with odd lines.
    """
    lines = _rooted(store)
    if not lines or not _of_our_key(lines[-1]):
        with store.live() as con:
            if not head(con)[0]:
                raise DataError("nothing is on record yet: run `packfolio run` first")
        store.state_root(at)
        lines = _rooted(store)
    return lines


def _rooted(store: Warehouse) -> list[Anchor]:
    anchors = read_anchors(store.anchor)
    refuse_disputed(anchors, store.anchor)
    since = anchors.accepted.place if anchors.accepted else 0
    return [line for line in anchors.lines if line.place >= since and line.kind != INTENT and line.root]


def _of_our_key(line: Anchor) -> bool:
    key = signing_key()
    return key is None or PublicKey.of_private(key).fits(line.fields, line.told.get(SIGNATURE))


def lines_about_keys(anchor: Path) -> list[dict[str, Any]]:
    """The lines by which a key was handed over or revoked, as they stand in the anchor."""
    return [dict(line.told) for line in read_anchors(anchor).lines if line.kind in (ROTATED, REVOKED)]


def cosignatures(anchor: Path) -> list[dict[str, Any]]:
    """What witnesses signed, from the file beside the anchor; raises RecordError for a line that is none."""
    return [dict(one.told) for one in read_cosigned(cosigned_beside(anchor))]


def linked_sizes(lines: Sequence[Anchor], since: Sequence[int], count: int, newest: int) -> list[int]:
    """Numbers of rows of the checkpoints to which a proof of `count` rows links.

    They are the `newest` ones, the last of each month, and those of `since`.
    """
    earlier = [line for line in lines if 0 < line.count < count]
    months = {line.at[:7]: line.count for line in earlier}
    last = sorted({line.count for line in earlier})[-newest:]
    return sorted({*last, *months.values(), *since} - {count})
