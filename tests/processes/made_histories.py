"""Dagster's databases as copies of those that were made first: to make them takes a quarter of a second a home.

How they are made is tested by tests/pipeline/test_history_made.py.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.run_history import making

MAKE = making._make


def copy_made(place: Path, make: Callable[[str], Any]) -> None:
    """In the place of `making._make`."""
    place.parent.mkdir(parents=True, exist_ok=True)
    for suffix in making.BESIDE:
        place.with_name(place.name + suffix).unlink(missing_ok=True)
    place.write_bytes(_made(place.name, make))


@cache
def _made(name: str, make: Callable[[str], Any]) -> bytes:
    with TemporaryDirectory() as folder:
        MAKE(Path(folder) / name, make)
        return (Path(folder) / name).read_bytes()


def make_all() -> None:
    """Once, before processes are forked from this one."""
    for path, (make, _) in making.DATABASES.items():
        _made(Path(path).name, make)
