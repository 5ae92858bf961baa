"""Backups in a folder, one after the other: each under the time it was made, the oldest taken away."""

import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from resources.audit.backup import MANIFEST, Manifest, backup
from resources.ledger.atomic_file import PART
from resources.store.warehouse import Warehouse

NAME = "packfolio-%Y%m%dT%H%M%SZ"
KILLED = timedelta(days=1)
OURS = re.compile(r"packfolio-\d{8}T\d{6}Z")


def backup_into(
    warehouse: Warehouse, folder: Path, at: datetime, decisions: Path, keep: int
) -> tuple[Path, Manifest, list[str]]:
    """A new backup in the folder, then only the newest `keep` stay; gives its place, manifest, and what was taken away.

    Only whole backups with a name of ours count, and only these are taken away. Raises what `backup` raises; then none
    is taken away.
    """
    target = folder / at.astimezone(UTC).strftime(NAME)
    _clear(folder, at)
    manifest = backup(warehouse, target, at, decisions)
    # By a clock that was set back the new one may be the oldest.
    earlier = [one for one in backups(folder) if one != target]
    gone = earlier[: max(0, len(earlier) + 1 - keep)]
    for old in gone:
        half = old.with_name(old.name + PART)  # half taken away it would still count
        old.replace(half)
        shutil.rmtree(half)
    return target, manifest, [old.name for old in gone]


def _clear(folder: Path, at: datetime) -> None:
    """Take away what a killed backup left, a day and more ago: one that goes on is younger."""
    last = (at.astimezone(UTC) - KILLED).strftime(NAME) + PART
    for half in folder.glob(f"packfolio-*{PART}"):
        if OURS.fullmatch(half.name.removesuffix(PART)) and half.name < last:
            shutil.rmtree(half)


def backups(folder: Path) -> list[Path]:
    """The whole backups of a folder, the oldest first."""
    if not folder.is_dir():
        return []
    return sorted(one for one in folder.iterdir() if OURS.fullmatch(one.name) and (one / MANIFEST).is_file())
