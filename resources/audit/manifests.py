"""What a backup says of itself: how far its ledger goes, and the digest of every file in it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from optimizer import DataError
from resources.ledger import ledger
from resources.ledger.ledger import file_sha256

DATABASE, MANIFEST = "warehouse.duckdb", "manifest.json"
TOLD = {"count": int, "head": str, "sha256": str, "at": str, "files": dict}  # what a manifest holds


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


def digest_of(told: Mapping[str, object]) -> str:
    """The hash that a manifest bears, over all else that it tells."""
    return ledger.sha256(json.dumps(told, sort_keys=True))


def digests(folder: Path) -> dict[str, str]:
    """Path -> SHA-256 of every file of a backup but its database and manifest."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    found = {file.relative_to(folder).as_posix(): file_sha256(file) for file in files}
    return {name: digest for name, digest in found.items() if name not in (DATABASE, MANIFEST)}


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
    if digest not in (None, digest_of(told)):
        raise DataError(f"{source / MANIFEST} was changed since the backup was made; use another backup")
    return manifest


def read_manifest(source: Path) -> Manifest:
    """The manifest of a backup; raises DataError unless every file is the one that was backed up."""
    manifest = told_manifest(source)
    if not (source / DATABASE).is_file() or file_sha256(source / DATABASE) != manifest.sha256:
        raise DataError(
            f"{source / DATABASE} is not the file that was backed up: its SHA-256 differs from {MANIFEST}"
        )
    found = digests(source)
    other = [
        name for name in sorted({*found, *manifest.files}) if found.get(name) != manifest.files.get(name)
    ]
    if manifest.files and other:
        raise DataError(
            f"{source} is not what was backed up: {other[0]} was changed, added or taken away; use another backup"
        )
    return manifest
