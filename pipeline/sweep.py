"""Runs whose process was killed stay STARTED in Dagster's history; this marks them as failed."""

import os
from pathlib import Path

import dagster as dg

PROCESS_TAG = "packfolio/process"


def process_tag() -> dict[str, str]:
    """The tag by which a run can be told from one whose process is gone: process number and its start."""
    return {PROCESS_TAG: f"{os.getpid()}:{_started(os.getpid())}"}


def sweep(instance: dg.DagsterInstance) -> list[str]:
    """Ids of the runs that are marked as failed because their process no longer exists."""
    running = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING])
    swept = []
    for run in instance.get_runs(running):
        tag = run.tags.get(PROCESS_TAG)
        if tag and not _alive(tag):
            instance.report_run_failed(run, f"the process of this run ({tag}) is gone: it was killed")
            swept.append(run.run_id)
    return swept


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
