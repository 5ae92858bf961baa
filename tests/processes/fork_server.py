"""Commands in forked processes of one that has loaded everything: real processes, without their start-up.

`python fork_server.py serve SOCKET` leaves a server behind, which ends when its stdin is closed. `python
fork_server.py call SOCKET packfolio ...` is a stand-in for `packfolio ...`, `call SOCKET python -` for a Python that
reads its program, and `call SOCKET python -m MODULE ...` for one that runs a module.
"""

import fcntl
import gc
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 400.0  # seconds


def _serve(address: str) -> None:
    _load()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # those who attend a call end by themselves
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(address)
        door.listen(64)
        if os.fork() > 0:
            os._exit(0)  # who started it need not wait any more
        while sys.stdin not in (ready := select.select([door, sys.stdin], [], [])[0]):
            assert door in ready
            caller, _ = door.accept()
            with caller:
                if os.fork() == 0:
                    door.close()
                    _attend(caller)
    shutil.rmtree(Path(address).parent)


# What else commands load when they need it, besides what is ours.
LATER = (
    "assets.plots.charts", "dagster._core.definitions.repository_definition.repository_data_builder",
    "dagster._core.execution.execute_in_process", "dagster._core.executor.in_process", "dagster._core.instance.factory",
    "dagster._core.instance.runs.run_domain", "dagster._core.secrets.env_file", "dagster._core.storage.legacy_storage",
    "dagster._core.storage.noop_compute_log_manager", "dagster._core.storage.root", "dagster._core.storage.schedules",
    "daqp", "highspy", "matplotlib.backends.backend_agg", "matplotlib.pyplot", "optimizer.backtests.attribution",
    "optimizer.backtests.walk_forward", "optimizer.proposals.frontier", "rich.ansi", "rich.progress", "shellingham",
    "typer.completion", "typer.main", "upath.implementations.local",
)  # fmt: skip


def _load() -> None:
    """What every run needs, but for the modules that ask the environment where they are: each fork has its own."""
    gc.set_threshold(200_000, 100, 1000)
    # Partitions begin at no desk's first pack: those of many desks run here.
    os.environ["PACKFOLIO_CONFIG"] = os.devnull
    import pipeline.commands
    import pipeline.runs
    import resources
    from optimizer import solve
    from resources.logs.calendars import build_sessions
    from resources.store.catalog import released_catalog
    from resources.store.code_version import code_version, environment_text

    ours = [
        found.name
        for package in (pipeline.commands, resources)
        for found in walk_packages(package.__path__, f"{package.__name__}.")
    ]
    for name in (*LATER, "pipeline.cli", "pipeline.doctor", *ours):
        import_module(name)
    import made_histories
    from parsed_once import parse_once

    parse_once()
    made_histories.read_migrations_once()
    made_histories.make_all()
    made_histories.making._make = made_histories.copy_made
    assert solve and released_catalog() and code_version() and environment_text()
    build_sessions("XNYS", datetime.now(UTC).year + 2)
    for name in ("runs", "jobs", "stages"):
        del sys.modules[f"pipeline.{name}"]
        delattr(pipeline, name)
    gc.freeze()  # no fork looks for garbage among these


def _attend(caller: socket.socket) -> None:
    """Forks the process of one call, and tells the caller its number and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, descriptors, *_ = socket.recv_fds(caller, 8, 3)
    with caller.makefile("rb") as stream:
        call = json.loads(stream.read(int.from_bytes(head, "big")))
    child = os.fork()
    if child == 0:
        caller.close()
        for place, descriptor in enumerate(descriptors):
            os.dup2(descriptor, place)
            os.close(descriptor)
        _run(call)
    for descriptor in descriptors:
        os.close(descriptor)
    caller.sendall(f"{child}\n".encode())
    _, status = os.waitpid(child, 0)
    with suppress(OSError):  # a caller that was killed does not ask
        caller.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _run(call: dict[str, object]) -> None:
    os.environ.clear()
    os.environ.update(call["environment"])  # type: ignore[call-overload]
    os.chdir(str(call["folder"]))
    sys.argv = list(call["words"])  # type: ignore[call-overload]
    status = 0
    try:
        if sys.argv[0] == "packfolio":
            from pipeline.cli import command

            command()
        elif sys.argv[1:2] == ["-m"]:
            sys.argv = sys.argv[2:]
            sys.path.insert(0, "")
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        else:
            sys.modules["__main__"] = program = types.ModuleType("__main__")
            exec(compile(sys.stdin.read(), "<stdin>", "exec"), program.__dict__)  # noqa: S102  as `python -` does
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001  the fork must not run on into its parent's code
        import traceback

        traceback.print_exc()
        status = 70
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


@cache
def server() -> str:
    """The address of the server that all processes of a run share; it ends with the last of them that asked."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"of-{os.getpid()}")
    folder = Path(tempfile.gettempdir()) / f"packfolio-fork-{run}"
    folder.mkdir(mode=0o700, exist_ok=True)
    address, alive = str(folder / "door"), folder / "alive"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if alive.exists():
            os.open(alive, os.O_WRONLY | os.O_NONBLOCK)  # open as long as this process is there
            return address
        os.mkfifo(alive)
        os.open(alive, os.O_RDWR)
        with alive.open() as stdin:
            environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
            subprocess.run(
                [sys.executable, "-W", "ignore", __file__, "serve", address],
                stdin=stdin, stdout=subprocess.DEVNULL, cwd=ROOT, env=environment, check=True,
            )  # fmt: skip
    return address


def call(
    address: str,
    words: list[str],
    folder: Path,
    environment: Mapping[str, str],
    descriptors: tuple[int, int, int],
    started: Callable[[int], None] = lambda pid: None,
) -> int:
    """The exit status of a command, -9 when it was killed; `started` is told the number of its process."""
    body = json.dumps({"words": words, "folder": str(folder), "environment": dict(environment)}).encode()
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(LONGEST)
        line.connect(address)
        socket.send_fds(line, [len(body).to_bytes(8, "big")], descriptors)
        line.sendall(body)
        line.shutdown(socket.SHUT_WR)
        with line.makefile("r") as said:
            started(int(said.readline()))
            return int(said.readline())


def _call(address: str, words: list[str]) -> int:
    def forward(pid: int) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, frame: os.kill(pid, number))

    return call(address, words, Path.cwd(), os.environ, (0, 1, 2), forward)


if __name__ == "__main__":
    action, address, *words = sys.argv[1:]
    if action == "serve":
        sys.path.insert(0, str(ROOT))
        _serve(address)
        os._exit(0)  # what is frozen would be told as leaked
    else:
        sys.exit(_call(address, words))
