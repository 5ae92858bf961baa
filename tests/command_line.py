"""Runs `packfolio` as its users do: in a process of its own, against a home and a configuration of its own."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


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
        return subprocess.run(
            [sys.executable, "-m", "pipeline.cli", *arguments],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip

    def read(self, *arguments: str) -> Any:
        """The JSON document of a command that succeeds."""
        done = self.packfolio(*arguments, "--json")
        assert done.returncode == 0, done.stderr + done.stdout
        return json.loads(done.stdout)
