"""`packfolio` typed into this very process: quick, and its code can be watched; journeys start real processes."""

import io
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from made_histories import copy_made

import pipeline.cli
from pipeline.run_history import making

# These ask the environment where they are.
LOADED = (
    "alerts",
    "stages",
    "runs",
    "backfill",
    "jobs",
    "schedules",
    "definitions",
    "rerun",
)


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of standard output, without the spaces that fill a table's last column."""
        return [line.rstrip() for line in self.out.splitlines()]


@dataclass(frozen=True)
class Terminal:
    """A desk's folder: its configuration in `config`, its home in `home`."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def config(self) -> Path:
        return self.folder / "config"

    def __call__(self, *words: str) -> Said:
        out, err = io.StringIO(), io.StringIO()
        status = 0
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(sys, "argv", ["packfolio", *words])
            try:
                pipeline.cli.command()
            except SystemExit as ended:
                status = int(ended.code or 0)
            finally:
                logging.disable(logging.NOTSET)
        return Said(status, out.getvalue(), err.getvalue())

    def read(self, *words: str, status: int = 0) -> Any:
        """The JSON document of a command that ends with a status."""
        said = self(*words, "--json")
        assert said.status == status, said
        return json.loads(said.out)


@contextmanager
def terminal(folder: Path) -> Iterator[Terminal]:
    """A terminal at a desk; environment and modules are put back afterwards."""
    kept = {name: sys.modules.pop(name) for name in _loaded()}
    environment = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("PACKFOLIO_")]:
        del os.environ[name]
    os.environ |= {
        "PACKFOLIO_HOME": str(folder / "home"),
        "PACKFOLIO_CONFIG": str(folder / "config"),
    }
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(making, "_make", copy_made)
            yield Terminal(folder)
    finally:
        os.environ.clear()
        os.environ.update(environment)
        for name in _loaded():
            del sys.modules[name]
        sys.modules.update(kept)
        for name, module in kept.items():
            setattr(pipeline, name.removeprefix("pipeline."), module)


def _loaded() -> list[str]:
    for name in LOADED:
        if hasattr(pipeline, name):
            delattr(pipeline, name)
    return [f"pipeline.{name}" for name in LOADED if f"pipeline.{name}" in sys.modules]
