"""Desks that are built once a session, whatever number of processes run the tests."""

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from filelock import FileLock

Told = TypeVar("Told")


def built_once(
    factory: pytest.TempPathFactory, name: str, build: Callable[[Path], Told]
) -> tuple[Path, Told]:
    """The folder of a desk, and what `build` told of it; the first process that asks builds, the others wait.

    Mutants of code that builds no desk find them in PACKFOLIO_TEST_DESK.
    """
    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    base = Path(os.environ.get("PACKFOLIO_TEST_DESK", base))
    folder, told = base / name, base / f"{name}.told"
    with FileLock(base / f"{name}.lock"):
        if not told.exists():
            folder.mkdir(exist_ok=True)
            told.write_bytes(pickle.dumps(build(folder)))
    return folder, pickle.loads(told.read_bytes())  # noqa: S301  written by this very run


def own_copy(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], Told]) -> tuple[Path, Told]:
    """The same, in a copy of the folder that no other process sees: for tests that write in it."""
    folder, told = built_once(factory, name, build)
    mine = factory.mktemp(f"{name}-of-one-process") / name
    shutil.copytree(folder, mine, symlinks=True)
    return mine, told
