"""What deploy/ starts, started here beside each other: a run goes from the web page to a worker and is served."""

import hashlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from deployed import COMPOSE, DEPLOY, OURS, UNITS, unit
from ports import free_port
from postgres import answer, postgres
from small_desk import make_desk
from source_tree import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("deploy")]
PORTS = ("3000", "8786", "8000", "8501")
KEY = "a key of the desk"
PACK = "PP_2024-02-29"
LAUNCH = """mutation ($location: String!) { launchRun(executionParams: {
  selector: {repositoryLocationName: $location, repositoryName: "__repository__", jobName: "daily_run"},
  runConfigData: {}, mode: "default", executionMetadata: {tags: [{key: "dagster/partition", value: "%s"}]}
}) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
ASK = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


class Host:
    """One machine: its folder in place of the image's, its ports in place of the wanted ones, its processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = {wanted: str(free_port()) for wanted in PORTS}
        self.started: dict[str, subprocess.Popen[bytes]] = {}

    def here(self, text: str) -> str:
        """A word of a command or of its environment, as it reads on this machine."""
        for old, new in (
            ("0.0.0.0", "127.0.0.1"),  # noqa: S104  what is replaced
            ("scheduler:", "127.0.0.1:"), ("//api:", "//127.0.0.1:"), ("$$", "$"),
            ("/opt/packfolio/.venv/bin/", ""), ("/opt/packfolio", str(self.folder)), ("/desk", str(self.folder)),
            ("/run/secrets/keys", str(self.folder / "keys.txt")), *self.port.items(),
        ):  # fmt: skip
            text = text.replace(old, new)
        return text

    def start(self, name: str, words: list[str], given: dict[str, str]) -> None:
        environment = {
            **os.environ, **{key: self.here(value) for key, value in given.items()},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        with (self.folder / f"{name}.log").open("wb") as said:
            self.started[name] = subprocess.Popen(
                [self.here(word) for word in words], env=environment, cwd=self.folder, stdout=said, stderr=said,
                start_new_session=True,
            )  # fmt: skip

    def url(self, port: str, path: str) -> str:
        return f"http://127.0.0.1:{self.port[port]}{path}"

    def ready(self, name: str, address: str) -> None:
        for _ in range(600):
            assert self.started[name].poll() is None, (self.folder / f"{name}.log").read_text()[-2000:]
            try:
                if requests.get(address, timeout=5).ok:
                    return
            except requests.ConnectionError:
                pass
            time.sleep(0.2)
        raise TimeoutError(f"{name} does not answer at {address}")

    def stop(self) -> list[str]:
        """What ended otherwise than asked to, or left a child behind."""
        odd = []
        for name, process in reversed(self.started.items()):
            process.terminate()
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                odd.append(f"{name} did not end on SIGTERM")
        odd += [
            f"{name} left a child behind" for name, process in self.started.items() if outlived(process.pid)
        ]
        return odd


def outlived(group: int) -> bool:
    """Whether something of a process group is there half a minute after its first process ended; it is killed then."""
    for _ in range(60):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.5)
    os.killpg(group, signal.SIGKILL)
    return True


@contextmanager
def host(folder: Path) -> Iterator[Host]:
    made = Host(folder)
    make_desk(folder)
    config = folder / "config" / "pipeline.yaml"
    fleet = f"engine: dask, shard: 1, address: 'tcp://127.0.0.1:{made.port['8786']}', files: '{folder}/fleet'"
    config.write_text(f"{config.read_text('utf-8')}fleet: {{{fleet}}}\n", "utf-8")
    (folder / "keys.txt").write_text(hashlib.sha256(KEY.encode()).hexdigest() + "\n", "utf-8")
    try:
        yield made
    finally:
        made.stop()


def asked(address: str, query: str, **variables: str) -> dict[str, Any]:
    told = requests.post(address, json={"query": query, "variables": variables}, timeout=120)
    found: dict[str, Any] = told.json()
    assert "errors" not in found, found
    return dict(found["data"])


def handed_over(made: Host) -> int:
    """How many steps of tasks Dask's scheduler has seen."""
    from distributed import Client

    with Client(f"tcp://127.0.0.1:{made.port['8786']}", timeout="20s", set_as_default=False) as client:
        return int(client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.transition_counter))


def runs_and_is_served(made: Host, prefix: str, key: dict[str, str]) -> None:
    """A run asked for on the web page ends well on the worker; the API and the screen answer."""
    made.ready("web", made.url("3000", f"{prefix}/server_info"))
    graphql = made.url("3000", f"{prefix}/graphql")
    launched = asked(graphql, LAUNCH % PACK, location="pipeline.definitions")["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    for _ in range(600):
        status = asked(graphql, ASK, id=launched["run"]["runId"])["runOrError"]["status"]
        if status in ("SUCCESS", "FAILURE", "CANCELED"):
            break
        time.sleep(0.5)
    logs = "".join(path.read_text("utf-8", "replace")[-3000:] for path in made.folder.glob("*.log"))
    assert status == "SUCCESS", logs
    assert handed_over(made) > 0, "no shard was sent to the worker"
    made.ready("screen", made.url("8501", "/_stcore/health"))
    assert PACK in requests.get(made.url("8000", "/v1/packs"), headers=key, timeout=30).text


def test_all_of_compose(tmp_path: Path) -> None:
    services = {name: COMPOSE["services"][name] for name in OURS}
    with host(tmp_path) as made, postgres() as server:
        (tmp_path / "dagster.yaml").write_bytes((DEPLOY / "dagster-postgres.yaml").read_bytes())
        image = {"PACKFOLIO_HOME": "/desk/home", "PACKFOLIO_CONFIG": "/desk/config", "OMP_NUM_THREADS": "1"}
        secret = {"PACKFOLIO_API_KEY": KEY}
        for name, service in services.items():
            made.start(name, service["command"], image | service["environment"] | secret | server)
            if name == "prepare":
                assert made.started.pop(name).wait(30) == 0
        runs_and_is_served(made, "/dagster", {"X-API-Key": KEY})
        assert requests.get(made.url("8000", "/v1/packs"), timeout=30).status_code == 401
        assert answer(server, "select status, count(*) from runs group by 1").startswith("SUCCESS|")
        assert made.stop() == []


def test_all_units_of_systemd(tmp_path: Path) -> None:
    given = dict(
        line.split("=", 1)
        for line in (DEPLOY / "systemd" / "packfolio.env").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    )
    with host(tmp_path) as made:
        for path in sorted(UNITS, key=lambda path: "scheduler" not in path.name):
            name = path.stem.removeprefix("packfolio-").rstrip("@")
            made.start(name, shlex.split(unit(path)["Service"]["ExecStart"]), given)
        runs_and_is_served(made, "", {})
        assert made.stop() == []
