"""Backups: a consistent copy of the warehouse, its anchor and its payloads, and the way back."""

import errno
import json
import os
import platform
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import duckdb

from optimizer import DataError
from optimizer.errors import how_many
from resources.audit.anchor_verification import refuse_gone
from resources.audit.manifests import DATABASE, MANIFEST, Manifest, digest_of, digests, read_manifest
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
from resources.store.live_database import PAYLOADS
from resources.store.warehouse import LOCK_SECONDS, Warehouse

ANCHORS, DECISIONS = "anchors.jsonl", "decisions.jsonl"
# What a file system answers that knows no hard links.
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)  # by another, between the look and the naming
BESIDE = ("timestamps.jsonl", "witnesses.jsonl")  # what others said of the anchor's lines


def backup(warehouse: Warehouse, target: Path, at: datetime, decisions: Path | None = None) -> Manifest:
    """Copy everything to the new folder `target`; runs may go on, they wait for a moment.

    decisions  the service's log of proposals
    What was copied is verified before it gets its name: half a backup, or a faulty one, is none. Raises DataError when
    the folder exists, or lies in the home, for a warehouse with faults, and where there is none;
    RecordError for a damaged one.
    """
    return backup_as(warehouse, [target], at, decisions)[1]


def backup_as(
    warehouse: Warehouse, targets: Sequence[Path], at: datetime, decisions: Path | None
) -> tuple[Path, Manifest]:
    """A backup under the first of these names of one folder that nothing bears, and what `backup` gives and raises."""
    warehouse.refuse_none()
    target = targets[0]
    if target.resolve().is_relative_to(warehouse.home.resolve()):
        raise DataError(f"{target} lies in the home that it would save; name a folder on other storage")
    with held(warehouse.home / "backup.lock", LOCK_SECONDS, str(target)):
        if all(place.exists() for place in targets):
            raise _taken(target)
        half = half_of(target, warehouse.home)
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(parents=True, mode=0o700)
        try:
            manifest = _copied(warehouse, half, at, decisions)
            return _named(half, targets), manifest
        except BaseException:  # half a backup would fill the disk that was too small for it
            shutil.rmtree(half, ignore_errors=True)
            raise


def half_of(target: Path, home: Path) -> Path:
    """Where a home makes a backup: homes that back up into one folder at once do not share it."""
    desk = ledger.sha256(f"{platform.node()}:{home.resolve()}")[:8]
    return target.with_name(f"{target.name}.{desk}{PART}")


def _named(half: Path, targets: Sequence[Path]) -> Path:
    """The folder under the first name that is free: another desk may have taken one while this backup was made."""
    for target in targets:
        if target.exists():
            continue
        try:
            return half.replace(target)
        except OSError as error:
            if error.errno not in TAKEN:
                raise
    raise _taken(targets[0])


def _taken(target: Path) -> DataError:
    return DataError(f"{target} exists already; name a folder that does not")


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
    manifest = Manifest(rows, head, file_sha256(half / DATABASE), at.isoformat(), digests(half))
    told = asdict(manifest)
    told["digest"] = digest_of(told)
    (half / MANIFEST).write_text(json.dumps(told) + "\n", encoding="utf-8")
    for file in half.rglob("*"):
        if file.is_file():
            force_to_disk(file)
    return manifest


def _refuse_faulty(half: Path) -> None:
    """Raises DataError for a copy whose hashes, recomputed from its rows, are not those of its ledger and anchor."""
    with duckdb.connect(str(half / DATABASE), read_only=True) as con:
        report = verify(con, read_anchors(half / ANCHORS))
    if report.faults:
        raise DataError(
            f"the warehouse has {how_many(len(report.faults), 'fault')}, the first: {report.faults[0]}; a backup of it "
            f"would be none: see `packfolio packs verify`, and keep the backups there are"
        )


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
