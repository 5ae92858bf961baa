"""A fleet as it stands in production, opt-in: processes and a Dask cluster of which a worker is killed, and a soak.

PACKFOLIO_FLEET_ACCOUNTS: accounts of each of the three answered models; 670 make 2,000, 3,267 make a soak of 10,000.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fleet_desk import MODELS, STAMP, FleetDesk, make_fleet_desk
from postgres import answer, postgres
from small_desk import make_desk
from source_tree import ROOT

from assets import hedges, impact, optimal_weights, posterior_returns, tail_risk, trades
from assets.shared.computed import Written, computed
from resources.audit.verification import verify
from resources.dagster_resources import Stage
from resources.fleet import engines
from resources.results.accounts.answers import Answers

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("fleet")]
EACH = int(os.environ.get("PACKFOLIO_FLEET_ACCOUNTS", "60"))
ANSWERED = ("views", "tails", "market")
CHAIN = (posterior_returns, optimal_weights, trades, impact, tail_risk, hedges)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> FleetDesk:
    """Many accounts of the models that are answered, and a few of those that are not."""
    numbers = {model: EACH if model in ANSWERED else max(1, EACH // 33) for model in MODELS}
    return make_fleet_desk(tmp_path_factory.mktemp("fleet"), numbers)


@pytest.fixture(scope="module")
def serial(desk: FleetDesk) -> Answers:
    return desk.answers("optimal_weights")


def rows(answers: Answers) -> dict[str, Any]:
    return {name: table.to_pylist() for name, table in sorted(answers.tables.items())}


def when(ready: Any, do: Any) -> threading.Thread:
    """Does something in the middle of a computation: as soon as `ready` says so."""

    def wait() -> None:
        for _ in range(3000):
            if ready():
                do()
                return
            time.sleep(0.05)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_a_process_that_is_killed_costs_nobody_an_answer(desk: FleetDesk, serial: Answers) -> None:
    fleet = desk.under(engine="processes", workers=2, shard=10, retries=2)
    pool = engines._pool(2)
    killed = when(
        lambda: pool._processes and len(pool._processes) == 2,
        lambda: os.kill(next(iter(pool._processes)), signal.SIGKILL),
    )
    found = fleet.answers("optimal_weights")
    killed.join()
    assert rows(found) == rows(serial)
    assert found.told == serial.told


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler with two worker processes; its address, and the workers."""
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker"]
    told = folder / "scheduler.json"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))}
    started = [
        subprocess.Popen(
            [*dask, "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(told)],
            env=environment, **quiet,
        )
    ]  # fmt: skip
    try:
        for _ in range(600):
            if told.exists():
                break
            time.sleep(0.1)
        for _ in range(2):
            started.append(  # noqa: PERF401  what was started is stopped, whatever happens
                subprocess.Popen(
                    [*worker, "--scheduler-file", str(told), "--nthreads", "1", "--no-nanny", "--no-dashboard"],
                    env=environment, **quiet,
                )
            )  # fmt: skip
        from distributed import Client

        with Client(scheduler_file=str(told), timeout="60s", set_as_default=False) as client:
            client.wait_for_workers(2, timeout=120)
            address = client.scheduler.address
        yield address, started[1:]
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_a_dask_worker_that_is_killed_costs_nobody_an_answer(
    desk: FleetDesk, serial: Answers, tmp_path: Path
) -> None:
    pytest.importorskip("distributed", reason="packfolio[dask] is not installed")
    with cluster(tmp_path) as (address, workers):
        fleet = desk.under(engine="dask", address=address, shard=5, files=str(tmp_path / "files"))
        killed = when((tmp_path / "files" / "run").exists, lambda: (time.sleep(1), workers[0].kill()))
        found = fleet.answers("optimal_weights")
        killed.join()
        assert workers[0].poll() is not None
        assert workers[1].poll() is None
    assert rows(found) == rows(serial)
    assert found.told == serial.told


def test_a_scheduler_that_does_not_answer_is_named(desk: FleetDesk, tmp_path: Path) -> None:
    from optimizer import DataError

    fleet = desk.under(engine="dask", address="tcp://127.0.0.1:9", shard=5)
    with pytest.raises(DataError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        fleet.answers("posterior_returns")


def test_a_soak_answers_the_good_names_the_bad_and_verifies(desk: FleetDesk) -> None:
    stage = Stage(desk.warehouse, desk.desk, replace(STAMP, config_hash=desk.desk.digest))

    def run() -> dict[str, Written]:
        return {
            module.__name__.rpartition(".")[2]: computed(
                stage, module.__name__.rpartition(".")[2], desk.pack.id, module.INPUTS
            )
            for module in CHAIN
        }

    run()
    again = run()
    bad = {name for name in again["trades"].names if name.partition("-")[0] not in ANSWERED}
    assert len(again["trades"].names) - len(bad) == EACH * len(ANSWERED)
    with desk.warehouse.live() as con:
        reasons = dict(
            con.execute(
                "select portfolio_id, reason from latest_optimization_results where status <> 'optimal'"
            ).fetchall()
        )
        assert set(reasons) == bad
        assert all(reasons.values())
        assert again["optimal_weights"].answers.stated == {}
        assert verify(con, desk.warehouse.anchor).faults == []


def test_dagster_keeps_its_history_in_postgres(tmp_path: Path) -> None:
    make_desk(tmp_path)
    home = tmp_path / "home"
    (home / "dagster").mkdir(parents=True)
    shutil.copy(ROOT / "deploy" / "dagster-postgres.yaml", home / "dagster" / "dagster.yaml")
    with postgres() as server:
        environment = {
            **os.environ, **server, "PACKFOLIO_HOME": str(home), "PACKFOLIO_CONFIG": str(tmp_path / "config"),
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", "run"], env=environment, cwd=ROOT, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + done.stdout
        assert answer(server, "select status, count(*) from runs group by 1").startswith("SUCCESS|")
    assert not list((home / "dagster").rglob("*.db"))
