"""Backups: a consistent copy of the warehouse, its anchor and its payloads, and the way back."""

import errno
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import duckdb

from optimizer import DataError
from optimizer.errors import how_many
from resources.audit.anchor_verification import refuse_gone
from resources.audit.verification import verify
from resources.ledger import ledger
from resources.ledger.anchor_lines import ACCEPTED, BEFORE, INTENT
from resources.ledger.anchors import Anchors, append_line, may_sign, read_anchors, refuse_disputed
from resources.ledger.atomic_file import PART, copy_folder, copy_whole, force_to_disk, whole
from resources.ledger.ledger import file_sha256
from resources.ledger.record_error import refuse_no_file
from resources.ledger.signatures import signed, signing_key
from resources.store.code_version import code_version
from resources.store.duckdb_engine import attached, damage_told
from resources.store.file_lock import held
from resources.store.warehouse import LOCK_SECONDS, Warehouse

DATABASE, ANCHORS, PAYLOADS, MANIFEST = "warehouse.duckdb", "anchors.jsonl", "payloads", "manifest.json"
DECISIONS = "decisions.jsonl"
TOLD = {"count": int, "head": str, "sha256": str, "at": str, "files": dict}  # what a manifest holds
# What a file system answers that knows no hard links.
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
BESIDE = ("timestamps.jsonl", "witnesses.jsonl")  # what others said of the anchor's lines


@dataclass(frozen=True)
class Manifest:
    """What a backup holds: length and newest hash of its ledger, the digest of its database, and when it was made.

    files  path in the backup -> SHA-256 of every other file; those that earlier releases made have none
    """

    count: int
    head: str
    sha256: str
    at: str
    files: Mapping[str, str] = field(default_factory=dict)


def backup(warehouse: Warehouse, target: Path, at: datetime, decisions: Path | None = None) -> Manifest:
    """Copy everything to the new folder `target`; runs may go on, they wait for a moment.

    decisions  the service's log of proposals
    What was copied is verified before it gets its name: half a backup, or a faulty one, is none. Raises DataError when
    the folder exists, or lies in the home, for a warehouse with faults, and where there is none;
    RecordError for a damaged one.
    """
    warehouse.refuse_none()
    if target.resolve().is_relative_to(warehouse.home.resolve()):
        raise DataError(f"{target} lies in the home that it would save; name a folder on other storage")
    with held(warehouse.home / "backup.lock", LOCK_SECONDS, str(target)):
        if target.exists():
            raise DataError(f"{target} exists already; name a folder that does not")
        half = target.with_name(target.name + PART)
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(parents=True, mode=0o700)
        try:
            manifest = _copied(warehouse, half, at, decisions)
            half.replace(target)
        except BaseException:  # half a backup would fill the disk that was too small for it
            shutil.rmtree(half, ignore_errors=True)
            raise
    return manifest


def _copied(warehouse: Warehouse, half: Path, at: datetime, decisions: Path | None) -> Manifest:
    """Everything copied to the folder `half`, verified, on the disk, and its manifest written."""
    for place in filter(None, (*_beside(warehouse).values(), decisions)):
        refuse_no_file(place, "put the true file there")
    for name, place in _beside(warehouse).items():  # before the anchor: it then has the lines they speak of
        if place.exists():
            shutil.copyfile(place, half / name)
    rows, head = warehouse.copy(half / DATABASE, half / ANCHORS)
    # A link to a disk that is not mounted is no folder without files.
    if os.path.lexists(warehouse.home / PAYLOADS):
        copy_folder(warehouse.home / PAYLOADS, half / PAYLOADS)
    if decisions is not None and decisions.exists():
        shutil.copyfile(decisions, half / DECISIONS)
    with damage_told(warehouse.path):
        _refuse_faulty(half)
    manifest = Manifest(rows, head, file_sha256(half / DATABASE), at.isoformat(), _digests(half))
    told = asdict(manifest)
    told["digest"] = _digest(told)
    (half / MANIFEST).write_text(json.dumps(told) + "\n", encoding="utf-8")
    for file in half.rglob("*"):
        if file.is_file():
            force_to_disk(file)
    return manifest


def _digest(told: Mapping[str, object]) -> str:
    return ledger.sha256(json.dumps(told, sort_keys=True))


def _digests(folder: Path) -> dict[str, str]:
    """Path -> SHA-256 of every file of a backup but its database and manifest."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    found = {file.relative_to(folder).as_posix(): file_sha256(file) for file in files}
    return {name: digest for name, digest in found.items() if name not in (DATABASE, MANIFEST)}


def _refuse_faulty(half: Path) -> None:
    """Raises DataError for a copy whose hashes, recomputed from its rows, are not those of its ledger and anchor."""
    with duckdb.connect(str(half / DATABASE), read_only=True) as con:
        report = verify(con, read_anchors(half / ANCHORS))
    if report.faults:
        raise DataError(
            f"the warehouse has {how_many(len(report.faults), 'fault')}, the first: {report.faults[0]}; a backup of it "
            f"would be none: see `packfolio packs verify`, and keep the backups there are"
        )


def told_manifest(source: Path) -> Manifest:
    """The manifest of a backup, whose files nobody looks at; raises DataError where there is none that can be read."""
    try:
        if not (source / MANIFEST).is_file():  # a pipe would be waited for
            raise TypeError
        told = json.loads((source / MANIFEST).read_text(encoding="utf-8"))
        digest = told.pop("digest", None)  # earlier releases wrote none
        manifest = Manifest(**told)
        if any(type(getattr(manifest, name)) is not kind for name, kind in TOLD.items()):
            raise TypeError
    except (AttributeError, OSError, RecursionError, ValueError, TypeError):
        raise DataError(f"{source} is no backup: it has no readable {MANIFEST}") from None
    if digest not in (None, _digest(told)):
        raise DataError(f"{source / MANIFEST} was changed since the backup was made; use another backup")
    return manifest


def read_manifest(source: Path) -> Manifest:
    """The manifest of a backup; raises DataError unless every file is the one that was backed up."""
    manifest = told_manifest(source)
    if not (source / DATABASE).is_file() or file_sha256(source / DATABASE) != manifest.sha256:
        raise DataError(
            f"{source / DATABASE} is not the file that was backed up: its SHA-256 differs from {MANIFEST}"
        )
    found = _digests(source)
    other = [
        name for name in sorted({*found, *manifest.files}) if found.get(name) != manifest.files.get(name)
    ]
    if manifest.files and other:
        raise DataError(
            f"{source} is not what was backed up: {other[0]} was changed, added or taken away; use another backup"
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
    for place in (warehouse.path, warehouse.published):
        refuse_no_file(place, "move that away, and restore again")
    manifest = read_manifest(source)
    at = at.astimezone(UTC).replace(tzinfo=None)
    warehouse.home.mkdir(parents=True, exist_ok=True)
    with held(warehouse.home / "warehouse.lock", LOCK_SECONDS, str(warehouse.path)):
        lost = _loses(warehouse, manifest, reason)
        _copy_missing(source, warehouse, decisions)
        with whole(warehouse.path) as fresh:  # all else is in place: from here on no room is needed
            shutil.copyfile(source / DATABASE, fresh)
            force_to_disk(fresh)
            _refuse_another(fresh, manifest)
            aside = _set_aside(warehouse, at)
    if lost and reason:
        # The clock of a machine that was just set up is not believed over the ledger.
        with warehouse.disputed() as con:
            newest = con.execute('select max("at") from materializations').fetchall()[0][0]
        accept_break(warehouse, ledger.Stamp("by hand", newest or at, code_version(), "none"), reason)
    warehouse.publish()
    return aside


def _loses(warehouse: Warehouse, manifest: Manifest, reason: str | None) -> bool:
    """Whether a backup lacks what the anchor remembers; raises DataError where it does, without a reason."""
    there = read_anchors(warehouse.anchor)
    if not reason:
        refuse_disputed(there, warehouse.anchor)
    lost = bool(there.disputed) or _is_lost(there, manifest)
    if lost and not reason:
        newest = max((line.count for line in there.lines), default=0)
        raise DataError(
            f"the backup ends at ledger row {manifest.count}, the anchor remembers {newest}: what came after "
            f"would be lost; give --reason to accept that, and it goes on record"
        )
    return lost


def _copy_missing(source: Path, warehouse: Warehouse, decisions: Path | None) -> None:
    """Payloads that differ; decisions and the anchor where there is none, and before it what others said of it."""
    wanted = {DECISIONS: decisions} if decisions is not None else {}
    if not warehouse.anchor.exists():
        wanted |= {**_beside(warehouse), ANCHORS: warehouse.anchor}
    missing = {source / name: place for name, place in wanted.items() if not place.exists()}
    for file in sorted(file for file in (source / PAYLOADS).rglob("*") if file.is_file()):
        place = warehouse.home / file.relative_to(source)
        if not place.exists() or file_sha256(place) != file_sha256(file):
            missing[file] = place
    for file, place in missing.items():
        if file.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            copy_whole(file, place)


def _refuse_another(copy: Path, manifest: Manifest) -> None:
    """Raises DataError for a copy of the database that is not what was backed up: a disk may lie."""
    if file_sha256(copy) != manifest.sha256:
        raise DataError(
            f"what was copied to {copy.parent} is not what was read from the backup: the disk is not to be believed; "
            f"the warehouse that stood there stays"
        )


def _beside(warehouse: Warehouse) -> dict[str, Path]:
    return {name: warehouse.anchor.with_name(name) for name in BESIDE}


def _is_lost(anchors: Anchors, manifest: Manifest) -> bool:
    """Whether the anchor knows of rows that the backup does not hold, or holds otherwise."""
    done = [line for line in anchors.lines if line.kind != INTENT]
    return any(
        line.count > manifest.count or (line.count == manifest.count and line.head != manifest.head)
        for line in done
    )


def _set_aside(warehouse: Warehouse, at: datetime) -> Path | None:
    """A second name for the present database, its log of unfinished writes folded in; nothing is deleted."""
    log = warehouse.path.with_name(f"{warehouse.path.name}.wal")
    there = warehouse.path.exists()
    if there:
        # It cannot be opened, which may be why a backup is wanted.
        with suppress(duckdb.Error), attached(warehouse.path) as con:
            con.execute("checkpoint")
    name = f"warehouse.replaced-{at:%Y%m%dT%H%M%S}"
    free = (name if number == 1 else f"{name}-{number}" for number in count(1))
    aside = next(place for one in free if not (place := warehouse.home / f"{one}.duckdb").exists())
    if there:
        _name_too(warehouse.path, aside)
    if log.exists():  # of another database it would be read into the new one
        log.replace(aside.with_name(f"{aside.name}.wal"))
    return aside if there else None


def _name_too(path: Path, second: Path) -> None:
    """A second name for a file: at no moment is there none under the first, where the file system allows for that."""
    try:
        os.link(path, second)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        path.replace(second)


def accept_break(warehouse: Warehouse, stamp: ledger.Stamp, reason: str) -> int:
    """Record, in the ledger and in the anchor, that a ledger which differs from its anchor is accepted from here on.

    Gives the id of the ledger row. Changed cells stay faults: only the anchor's memory is at issue.
    Raises PolicyError, and writes nothing, for a key that cannot be read or that signs no more.
    """
    key = signing_key()
    signed({}, key)  # a key that cannot be read must show before anything is written
    with warehouse.disputed() as con:
        con.execute("begin")
        before = ledger.head(con)
        entry, said, inputs = before[0] + 1, ledger.sha256(reason), {"reason": reason}
        ledger.append_entry(con, stamp, entry, "accepted_break", said, 0, cells={}, given={}, inputs=inputs)
        after, there = ledger.head(con), read_anchors(warehouse.anchor)
        refuse_gone(there.lines, key)
        sound = there.settled and there.settled.state == before and not there.disputed
        if sound and may_sign(there, key):
            # Announced, for a kill to make no sound record unsound.
            append_line(warehouse.anchor, INTENT, *after, stamp.at, after=there)
            there = read_anchors(warehouse.anchor)
        con.execute("commit")
        told = {"accepted": reason, **({BEFORE: there.whole} if there.whole else {})}
        append_line(warehouse.anchor, ACCEPTED, *after, stamp.at, told, after=there)
    return entry
