"""Backups: a consistent copy of the warehouse, its anchor and its payloads, and the way back."""

import json
import shutil
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import duckdb
from filelock import FileLock

from optimizer import DataError
from resources.audit.verification import verify
from resources.prices.source import file_sha256
from resources.store import ledger
from resources.store.anchors import read_anchors, write_anchor
from resources.store.warehouse import LOCK_SECONDS, Warehouse

DATABASE, ANCHORS, PAYLOADS, MANIFEST = "warehouse.duckdb", "anchors.jsonl", "payloads", "manifest.json"
DECISIONS = "decisions.jsonl"


@dataclass(frozen=True)
class Manifest:
    """What a backup holds: length and newest hash of its ledger, the digest of its database, and when it was made."""

    count: int
    head: str
    sha256: str
    at: str


def backup(warehouse: Warehouse, target: Path, at: datetime, decisions: Path | None = None) -> Manifest:
    """Copy everything to the new folder `target`; runs may go on, they wait for a moment.

    decisions  the service's log of proposals
    What was copied is verified before it gets its name: half a backup, or a faulty one, is none. Raises DataError when
    the folder exists, for a backup is never written over another, and for a warehouse with faults.
    """
    if target.exists():
        raise DataError(f"{target} exists already; name a folder that does not")
    half = target.with_name(target.name + ".part")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True, mode=0o700)
    count, head = warehouse.copy(half / DATABASE)
    if warehouse.anchor.exists():
        shutil.copyfile(warehouse.anchor, half / ANCHORS)
    if (warehouse.home / PAYLOADS).exists():
        shutil.copytree(warehouse.home / PAYLOADS, half / PAYLOADS)
    if decisions is not None and decisions.exists():
        shutil.copyfile(decisions, half / DECISIONS)
    _refuse_faulty(half)
    manifest = Manifest(count, head, file_sha256(half / DATABASE), at.isoformat())
    (half / MANIFEST).write_text(json.dumps(asdict(manifest)) + "\n", encoding="utf-8")
    half.replace(target)
    return manifest


def _refuse_faulty(half: Path) -> None:
    """Raises DataError for a copy whose hashes, recomputed from its rows, are not those of its ledger and anchor."""
    with duckdb.connect(str(half / DATABASE), read_only=True) as con:
        report = verify(con, read_anchors(half / ANCHORS))
    if report.faults:
        shutil.rmtree(half)
        raise DataError(
            f"the warehouse has {len(report.faults)} faults, the first: {report.faults[0]}; a backup of it would be "
            f"none: see `packfolio packs verify`, and keep the backups there are"
        )


def read_manifest(source: Path) -> Manifest:
    """The manifest of a backup; raises DataError unless the database is the one that was backed up."""
    try:
        manifest = Manifest(**json.loads((source / MANIFEST).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise DataError(f"{source} is no backup: it has no readable {MANIFEST}") from None
    if file_sha256(source / DATABASE) != manifest.sha256:
        raise DataError(
            f"{source / DATABASE} is not the file that was backed up: its SHA-256 differs from {MANIFEST}"
        )
    return manifest


def restore(
    warehouse: Warehouse, source: Path, at: datetime, reason: str | None = None, decisions: Path | None = None
) -> Path | None:
    """Put a backup in the warehouse's place; gives where the replaced one was set aside, if any.

    decisions  where the service's log of proposals belongs; one that is there is kept
    reason  needed when the anchor remembers a ledger that the backup does not continue: it goes on record there
    Raises DataError for a damaged backup, and for a loss without a reason.
    """
    manifest = read_manifest(source)
    anchors = read_anchors(warehouse.anchor)
    lost = any(line.count > manifest.count for line in anchors.lines) or any(
        line.count == manifest.count and line.head != manifest.head for line in anchors.lines
    )
    if lost and not reason:
        newest = max(line.count for line in anchors.lines)
        raise DataError(
            f"the backup ends at ledger row {manifest.count}, the anchor remembers {newest}: what came after would be "
            f"lost; give --reason to accept that, and it goes on record"
        )
    warehouse.home.mkdir(parents=True, exist_ok=True)
    with FileLock(warehouse.home / "warehouse.lock", timeout=LOCK_SECONDS):
        aside = _set_aside(warehouse, at)
        fresh = warehouse.home / "restored.tmp"
        shutil.copyfile(source / DATABASE, fresh)
        fresh.replace(warehouse.path)
    if (source / PAYLOADS).exists():
        shutil.copytree(source / PAYLOADS, warehouse.home / PAYLOADS, dirs_exist_ok=True)
    for place, name in ((warehouse.anchor, ANCHORS), (decisions, DECISIONS)):
        if place is not None and not place.exists() and (source / name).exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, place)
    if lost:
        write_anchor(warehouse.anchor, manifest.count, manifest.head, at, accepted=reason)
    warehouse.publish()
    return aside


def _set_aside(warehouse: Warehouse, at: datetime) -> Path | None:
    """Move the present database away, its log of unfinished writes folded in; nothing is deleted."""
    if not warehouse.path.exists():
        return None
    try:
        with duckdb.connect(str(warehouse.path)) as con:
            con.execute("checkpoint")
    except duckdb.Error:  # it cannot be opened, which may be why a backup is wanted
        pass
    aside = warehouse.home / f"warehouse.replaced-{at:%Y%m%dT%H%M%S}.duckdb"
    for suffix in ("", ".wal"):
        part = warehouse.path.with_name(warehouse.path.name + suffix)
        if part.exists():
            part.replace(aside.with_name(aside.name + suffix))
    return aside


def accept_break(warehouse: Warehouse, stamp: ledger.Stamp, reason: str) -> int:
    """Record, in the ledger and in the anchor, that a ledger which differs from its anchor is accepted from here on.

    Gives the id of the ledger row. Changed cells stay faults: only the anchor's memory is at issue.
    """
    with warehouse.live() as con:
        con.execute("begin")
        entry = ledger.head(con)[0] + 1
        ledger.append_entry(
            con,
            stamp,
            entry,
            "accepted_break",
            ledger.sha256(reason),
            0,
            tables=(),
            inputs={"reason": reason},
        )
        con.execute("commit")
        write_anchor(warehouse.anchor, *ledger.head(con), stamp.at, accepted=reason)
    return entry
