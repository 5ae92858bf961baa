"""Runs whose process was killed stay STARTED in Dagster's history; this marks them as failed."""

import os
from pathlib import Path

import dagster as dg

PROCESS_TAG = "packfolio/process"


def process_tag() -> dict[str, str]:
    """The tag by which a run can be told from one whose process is gone: process number and its start."""
    return {PROCESS_TAG: f"{os.getpid()}:{_started(os.getpid())}"}


def stuck(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """The runs that count as running and whose process no longer exists."""
    running = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING])
    return [
        run
        for run in instance.get_runs(running)
        if PROCESS_TAG in run.tags and not _alive(run.tags[PROCESS_TAG])
    ]


def sweep(instance: dg.DagsterInstance) -> list[str]:
    """Marks the stuck runs as failed; gives their ids."""
    found = stuck(instance)
    for run in found:
        said = f"the process of this run ({run.tags[PROCESS_TAG]}) is gone: it was killed"
        instance.report_run_failed(run, said)
    return [run.run_id for run in found]


def _alive(tag: str) -> bool:
    number, _, started = tag.partition(":")
    return _started(int(number)) == started


def _started(number: int) -> str:
    """When a process started, in clock ticks since boot; empty when there is none."""
    try:
        stat = Path(f"/proc/{number}/stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]
