"""`packfolio` in forked processes of one that has loaded everything: real processes to kill, without their start-up.

Each line on stdin is a JSON command {"home", "config", "arguments"}; the answers are {"pid"} and {"status"}.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def serve() -> None:
    import pipeline.runs  # what every run needs is loaded once
    from assets.plots import charts as plots
    from optimizer import solve

    assert plots and solve
    import matplotlib.pyplot

    assert matplotlib.pyplot
    for name in ("runs", "jobs", "stages"):
        del sys.modules[
            f"pipeline.{name}"
        ]  # these ask the environment where they are, and each fork has its own
        delattr(pipeline, name)

    for line in sys.stdin:
        command = json.loads(line)
        child = os.fork()
        if child == 0:
            _run(command)
        print(json.dumps({"pid": child}), flush=True)
        _, status = os.waitpid(child, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status)}), flush=True)


def _run(command: dict[str, Any]) -> None:
    os.environ |= {"PACKFOLIO_HOME": command["home"], "PACKFOLIO_CONFIG": command["config"]}
    said = os.open(command["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    sys.argv = ["packfolio", *command["arguments"]]
    from pipeline.cli import main

    status = 0
    try:
        main()
    except SystemExit as ended:
        status = int(ended.code or 0)
    except BaseException:  # noqa: BLE001  the fork must not run on into its parent's code
        import traceback

        traceback.print_exc()
        status = 70
    sys.stdout.flush()
    os._exit(status)


@dataclass
class Zygote:
    """A process that forks `packfolio` runs for the desk in `folder`."""

    folder: Path
    home: str = "home"
    _process: "subprocess.Popen[str] | None" = field(default=None, repr=False)

    def start(self) -> "Zygote":
        environment = {**os.environ, "COLUMNS": "200", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        environment.pop("PACKFOLIO_ANCHOR", None)
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment,
        )  # fmt: skip
        return self

    def stop(self) -> None:
        assert self._process
        self._process.communicate(timeout=30)

    @property
    def output(self) -> Path:
        return self.folder / f"{self.home}.{id(self)}.out"

    def packfolio(
        self, *arguments: str, home: str | None = None, kill_when: Callable[[], bool] | None = None
    ) -> tuple[int, str]:
        """Exit status and output; -9 for a run that was killed, as soon as `kill_when` said so."""
        assert self._process and self._process.stdin and self._process.stdout
        command = {
            "home": str(self.folder / (home or self.home)), "config": str(self.folder / "config"),
            "arguments": arguments, "output": str(self.output),
        }  # fmt: skip
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        pid = json.loads(self._process.stdout.readline())["pid"]
        while kill_when is not None:
            if kill_when():
                kill(pid)
            if _ended(pid):
                break
            time.sleep(0.002)
        status = json.loads(self._process.stdout.readline())["status"]
        return status, self.output.read_text(encoding="utf-8")

    def read(self, *arguments: str, home: str | None = None) -> Any:
        """The JSON document of a command that succeeds."""
        status, said = self.packfolio(*arguments, "--json", home=home)
        assert status == 0, said
        return json.loads(said)


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


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    serve()
