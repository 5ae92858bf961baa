"""The servers that the commands become: a SIGTERM to the command ends them all, and frees their port."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from ports import free_port, listens
from small_desk import make_desk
from source_tree import ROOT

pytestmark = pytest.mark.slow


def children_of(session: int) -> list[str]:
    """The programs that still run in a session of processes."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, _, _, own = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(own) == session and state != "Z":
                    found.append((folder / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
    return found


def as_a_job_of_a_script() -> None:
    """Behind `&` and nohup a process does not hear SIGINT, and no process that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
@pytest.mark.parametrize("command", ["screen", "ui"])
def test_sigterm_ends_all_that_the_command_started(command: str, tmp_path: Path) -> None:
    make_desk(tmp_path)
    port = free_port()
    environment = {
        **os.environ,
        "PACKFOLIO_HOME": str(tmp_path / "home"),
        "PACKFOLIO_CONFIG": str(tmp_path / "config"),
    }
    with (tmp_path / "said.txt").open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", command, "--port", str(port)],
            cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
            preexec_fn=as_a_job_of_a_script,
        )  # fmt: skip
    try:
        end = time.monotonic() + 180
        while not listens(port) and time.monotonic() < end:
            assert process.poll() is None, (tmp_path / "said.txt").read_text()
            time.sleep(0.2)
        assert listens(port)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        while (left := children_of(process.pid)) and time.monotonic() < end:
            time.sleep(0.2)
        assert left == []
        assert not listens(port)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
