"""`packfolio` in processes that a test can kill at any moment, forked from one that has loaded everything."""

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from fork_server import ROOT, call, server
from small_desk import make_desk


@dataclass
class Zygote:
    """Forks `packfolio` runs for the desk in `folder`, in the environment of the moment it was made."""

    folder: Path
    home: str = "home"
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)

    @property
    def output(self) -> Path:
        return self.folder / f"{self.home}.{id(self)}.out"

    def packfolio(
        self, *arguments: str, home: str | None = None, kill_when: Callable[[], bool] | None = None
    ) -> tuple[int, str]:
        """Exit status and output; -9 for a run that was killed, as soon as `kill_when` said so."""
        environment = {
            **{name: value for name, value in self.environment.items() if name != "PACKFOLIO_ANCHOR"},
            "COLUMNS": "200",
            "PACKFOLIO_HOME": str(self.folder / (home or self.home)),
            "PACKFOLIO_CONFIG": str(self.folder / "config"),
        }

        def watch(pid: int) -> None:
            while kill_when is not None:
                if kill_when():
                    kill(pid)
                if _ended(pid):
                    break
                time.sleep(0.002)

        with self.output.open("w") as said, Path(os.devnull).open() as nothing:
            descriptors = nothing.fileno(), said.fileno(), said.fileno()
            status = call(server(), ["packfolio", *arguments], ROOT, environment, descriptors, watch)
        return status, self.output.read_text(encoding="utf-8")

    def read(self, *arguments: str, home: str | None = None) -> Any:
        """The JSON document of a command that succeeds."""
        status, said = self.packfolio(*arguments, "--json", home=home)
        assert status == 0, said
        return json.loads(said)


def run_one_day(folder: Path) -> tuple[list[date], Any]:
    """The small desk with its fourth day from the end run; its sessions, and the answer: `built_once` as "together"."""
    days = make_desk(folder)
    return days, Zygote(folder).read("run", "--as-of", str(days[-4]))


def kill(pid: int) -> None:
    """As a power cut would: no handler runs."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _ended(pid: int) -> bool:
    """Whether the process is gone, or dead and about to be."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def at_once(*calls: Any) -> list[Any]:
    """The results of several calls made at the same time."""
    results: list[Any] = [None] * len(calls)

    def keep(place: int) -> None:
        results[place] = calls[place]()

    threads = [threading.Thread(target=keep, args=(place,)) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
