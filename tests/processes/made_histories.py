"""Dagster's databases as copies of those that were made first, and its migrations read once: half a second a home.

How the databases are made is tested by tests/pipeline/test_history_made.py.
"""

from collections.abc import Callable
from functools import cache
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import alembic.util

from pipeline.run_history import making, storage

MAKE, READ = making._make, alembic.util.load_python_file


def copy_made(place: Path, make: Callable[[str], Any]) -> None:
    """In the place of `making._make`."""
    place.parent.mkdir(parents=True, exist_ok=True)
    for suffix in making.BESIDE:
        place.with_name(place.name + suffix).unlink(missing_ok=True)
    half = place.with_suffix(".part")  # whole or not at all on a full disk too, as `_make`
    half.write_bytes(_made(place.name, make))
    half.replace(place)


@cache
def _made(name: str, make: Callable[[str], Any]) -> bytes:
    with TemporaryDirectory() as folder:
        MAKE(Path(folder) / name, make)
        return (Path(folder) / name).read_bytes()


def make_all() -> None:
    """Once, before processes are forked from this one."""
    for path, (make, _) in storage.DATABASES.items():
        _made(Path(path).name, make)


def read_migrations_once() -> None:
    """Whoever opens one of the databases reads sixty files of Dagster's to see which release made it."""
    alembic.util.load_python_file = _read


def _read(folder: str | PathLike[str], name: str | PathLike[str]) -> ModuleType:
    return READ(folder, name) if str(name) == "env.py" else _migration(str(folder), str(name))


@cache
def _migration(folder: str, name: str) -> ModuleType:
    return READ(folder, name)
