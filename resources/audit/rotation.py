"""Backups in a folder, one after the other: each under the time it was made, the oldest taken away."""

import re
import shutil
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from optimizer import DataError
from resources.audit.backup import backup_as
from resources.audit.manifests import DATABASE, MANIFEST, Manifest, told_manifest
from resources.ledger.atomic_file import PART
from resources.ledger.ledger import GENESIS, Connection, hash_at
from resources.store.duckdb_engine import connected
from resources.store.file_lock import held
from resources.store.live_database import PAYLOADS
from resources.store.warehouse import LOCK_SECONDS, Warehouse

NAME = "packfolio-%Y%m%dT%H%M%SZ"
KILLED = timedelta(days=1)
LATER = 60  # seconds: a desk that finds the name of its second taken takes a later one
OURS = re.compile(r"packfolio-\d{8}T\d{6}Z")
HALF = re.compile(OURS.pattern + r"(\.[0-9a-f]{8})?\.part")


class Rotated(NamedTuple):
    """A new backup, the names of those that were taken away, and of those that hold what the new one lacks."""

    place: Path
    manifest: Manifest
    gone: list[str]
    apart: list[str]


def backup_into(warehouse: Warehouse, folder: Path, at: datetime, decisions: Path, keep: int) -> Rotated:
    """A new backup in the folder, then only the newest `keep` of those whose rows and payloads it has too stay.

    Only whole backups with a name of ours count, and only these are taken away: not another desk's, nor what a restore
    or a lost disk left behind. Raises what `backup` raises; then none is taken away.
    """
    warehouse.refuse_none()
    # Of two at once that keep one, each would take the other's away.
    with held(warehouse.home / "rotation.lock", LOCK_SECONDS, str(folder)):
        _clear(folder, at)
        seconds = (at.astimezone(UTC) + timedelta(seconds=later) for later in range(LATER))
        names = [folder / one.strftime(NAME) for one in seconds]
        target, manifest = backup_as(warehouse, names, at, decisions)
        # By a clock that was set back the new one may be the oldest.
        there = [one for one in backups(folder) if one != target]
        with closing(connected(target / DATABASE)) as con:
            earlier = [one for one in there if _holds(con, manifest, one)]
        gone = [old for old in earlier[: max(0, len(earlier) + 1 - keep)] if _take_away(old)]
    apart = [one.name for one in there if one not in earlier]
    return Rotated(target, manifest, [old.name for old in gone], apart)


def _take_away(old: Path) -> bool:
    """Whether a backup was there to be taken away: a copy of this home may take the same."""
    half = old.with_name(old.name + PART)  # half taken away it would still count
    try:
        old.replace(half)
    except FileNotFoundError:
        return False
    _remove(half)
    return True


def _remove(half: Path) -> None:
    """Removes a folder that another process may be removing too; raises OSError where it stays."""
    while half.exists():
        with suppress(FileNotFoundError):
            shutil.rmtree(half)


def _holds(con: Connection, newest: Manifest, one: Path) -> bool:
    """Whether the newest backup, open as `con`, has every ledger row and payload of another."""
    try:
        told = told_manifest(one)
    except DataError:  # nobody knows what it holds
        return False
    payloads = {name: digest for name, digest in told.files.items() if name.startswith(f"{PAYLOADS}/")}
    return (hash_at(con, told.count) or GENESIS) == told.head and payloads.items() <= newest.files.items()


def _clear(folder: Path, at: datetime) -> None:
    """Take away what a killed backup left, a day and more ago: one that goes on is younger."""
    last = (at.astimezone(UTC) - KILLED).strftime(NAME) + PART
    for half in folder.glob(f"packfolio-*{PART}"):
        if HALF.fullmatch(half.name) and half.name < last:
            _remove(half)


def backups(folder: Path) -> list[Path]:
    """The whole backups of a folder, the oldest first."""
    if not folder.is_dir():
        return []
    return sorted(one for one in folder.iterdir() if OURS.fullmatch(one.name) and (one / MANIFEST).is_file())
