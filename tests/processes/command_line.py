"""Runs `packfolio` as its users do: in a process of its own, against a home and a configuration of its own."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest
from built_once import built_once
from fork_server import ROOT, call, server


@dataclass(frozen=True)
class Desk:
    home: Path
    config: Path

    @classmethod
    def example(cls, folder: Path) -> "Desk":
        """The shipped configuration, copied so that a test may edit it."""
        shutil.copytree(ROOT / "config", folder / "config")
        return cls(folder / "home", folder / "config")

    def packfolio(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "PACKFOLIO_HOME": str(self.home),
            "PACKFOLIO_CONFIG": str(self.config),
            "COLUMNS": "200",
        }
        environment.pop("PACKFOLIO_ANCHOR", None)
        with TemporaryFile("w+") as out, TemporaryFile("w+") as errors, Path(os.devnull).open() as nothing:
            descriptors = nothing.fileno(), out.fileno(), errors.fileno()
            status = call(server(), ["packfolio", *arguments], ROOT, environment, descriptors)
            out.seek(0)
            errors.seek(0)
            return subprocess.CompletedProcess(arguments, status, out.read(), errors.read())

    def read(self, *arguments: str) -> Any:
        """The JSON document of a command that succeeds."""
        done = self.packfolio(*arguments, "--json")
        assert done.returncode == 0, done.stderr + done.stdout
        return json.loads(done.stdout)


def example_with_prices(factory: pytest.TempPathFactory, folder: Path) -> Desk:
    """The example in `folder` with its prices on record; to take them in is most of a first run, so it is done once."""
    kept, _ = built_once(factory, "prices-of-the-example", _ingest_example)
    shutil.copytree(kept, folder, dirs_exist_ok=True, symlinks=True)
    return Desk(folder / "home", folder / "config")


def _ingest_example(folder: Path) -> None:
    done = Desk.example(folder).packfolio("ingest")
    assert done.returncode == 0, done.stderr + done.stdout
