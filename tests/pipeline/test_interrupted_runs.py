"""Runs that die, whoever started them: found by the process that Dagster told, or by its absence."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.events import EngineEventData

from pipeline.jobs import ingest
from pipeline.run_history import interrupted_runs
from pipeline.run_history.interrupted_runs import NO_PROCESS_SECONDS, QUIET_SECONDS, quiet, stuck, sweep

Status = dg.DagsterRunStatus


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def run(instance: dg.DagsterInstance, status: Status, pid: int | None = None, **tags: str) -> str:
    """A run as the daemon leaves it: of a status, with the line that tells its process where it got so far."""
    made = instance.add_run(
        dg.DagsterRun(
            job_name=ingest.name, run_id=dg.DagsterRun(job_name="x").run_id, status=status, tags=tags
        )
    )
    if pid is not None:
        instance.report_engine_event(
            f"Started process for run (pid: {pid}).", made, EngineEventData.in_process(pid)
        )
    return made.run_id


def ended() -> int:
    """The number of a process that is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("status", [Status.STARTING, Status.STARTED, Status.CANCELING])
def test_a_run_of_the_daemon_whose_process_is_gone_is_marked_as_failed(
    instance: dg.DagsterInstance, status: Status
) -> None:
    dead = run(instance, status, ended(), **{"dagster/partition": "PP_2024-01-02"})
    alive = run(instance, status, os.getpid())
    (found,) = stuck(instance)
    assert (found.run_id, found.partition) == (dead, "PP_2024-01-02")
    assert f"ingest of PP_2024-01-02 ({dead}) since 20" in str(found) and "it was killed" in str(found)
    assert sweep(instance) == [dead] and sweep(instance) == []
    assert instance.get_run_by_id(dead).status == Status.FAILURE  # type: ignore[union-attr]
    assert instance.get_run_by_id(alive).status == status  # type: ignore[union-attr]


def test_a_later_process_of_the_same_number_is_another(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        run(instance, Status.STARTED, process.pid)
        assert stuck(instance) == []
        started = interrupted_runs._started(process.pid)
        # The number was given out again a minute later.
        later = str(int(started) + 60 * os.sysconf("SC_CLK_TCK"))
        monkeypatch.setattr(interrupted_runs, "_started", lambda number: later)
        assert len(stuck(instance)) == 1
    finally:
        process.kill()
        process.wait()


def test_a_process_that_ended_and_was_not_waited_for_is_gone(instance: dg.DagsterInstance) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    run(instance, Status.STARTED, process.pid)
    end = time.monotonic() + 20
    while not stuck(instance) and time.monotonic() < end:
        time.sleep(0.05)
    assert len(stuck(instance)) == 1  # still a zombie: nobody has waited for it
    process.wait()


@pytest.mark.parametrize("status", [Status.NOT_STARTED, Status.STARTING])
def test_a_run_that_came_to_no_process_is_stuck_after_ten_minutes(
    instance: dg.DagsterInstance, status: Status
) -> None:
    run(instance, status)
    assert stuck(instance, time.time() + NO_PROCESS_SECONDS - 5) == []
    (found,) = stuck(instance, time.time() + NO_PROCESS_SECONDS + 5)
    assert "it came to no process in 10 minutes" in str(found)


def test_a_run_that_lives_and_says_nothing_is_named_and_left(instance: dg.DagsterInstance) -> None:
    silent = run(instance, Status.STARTED, os.getpid())
    assert quiet(instance, time.time() + QUIET_SECONDS - 5) == []
    (found,) = quiet(instance, time.time() + QUIET_SECONDS + 5)
    assert found.run_id == silent and "its process lives and has said nothing for 15 minutes" in str(found)
    assert sweep(instance) == []
