"""Runs whose process was killed stay STARTED in Dagster's history; this marks them as failed, and tells quiet ones."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

PROCESS_TAG = "packfolio/process"
STATUS = dg.DagsterRunStatus
UNFINISHED = [STATUS.NOT_STARTED, STATUS.STARTING, STATUS.STARTED, STATUS.CANCELING]
NO_PROCESS_SECONDS = 600.0  # a run that never came to a process in this time comes to none
QUIET_SECONDS = 900.0  # a run that said nothing for so long is worth a look
SLACK_SECONDS = 2.0  # between a process's start and the line that tells its number
DEAD = ("Z", "X")  # states of a process that has ended and was not waited for


@dataclass(frozen=True)
class Stuck:
    """A run that does not go on: which, since when (seconds since 1970 UTC), and why it is thought so."""

    run_id: str
    job: str
    partition: str
    since: float
    why: str

    def __str__(self) -> str:
        of = f" of {self.partition}" if self.partition else ""
        since = time.strftime("%Y-%m-%d %H:%M", time.gmtime(self.since))
        return f"{self.job}{of} ({self.run_id}) since {since}: {self.why}"


def process_tag() -> dict[str, str]:
    """The tag by which a run can be told from one whose process is gone: process number and its start."""
    return {PROCESS_TAG: f"{os.getpid()}:{_started(os.getpid())}"}


def stuck(instance: dg.DagsterInstance, now: float | None = None) -> list[Stuck]:
    """The runs that count as going on and whose process no longer exists, whoever started them.

    Runs of the command line carry their process as a tag; of those that Dagster's daemon and pages start its own line
    in the run's history tells it.
    """
    clock = time.time() if now is None else now
    records = instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED))
    return [found for record in records if (found := _dead(instance, record, clock))]


def quiet(instance: dg.DagsterInstance, now: float | None = None) -> list[Stuck]:
    """The runs whose process lives and that have said nothing for a quarter of an hour."""
    clock, found = time.time() if now is None else now, []
    for record in instance.get_run_records(dg.RunsFilter(statuses=[STATUS.STARTED, STATUS.CANCELING])):
        newest = instance.get_records_for_run(record.dagster_run.run_id, limit=1, ascending=False).records
        since = newest[0].timestamp if newest else record.create_timestamp.timestamp()
        if clock - since > QUIET_SECONDS and not _dead(instance, record, clock):
            said = f"its process lives and has said nothing for {(clock - since) / 60:.0f} minutes"
            found.append(_told(record, since, said))
    return found


def sweep(instance: dg.DagsterInstance) -> list[str]:
    """Marks the stuck runs as failed; gives their ids."""
    found = stuck(instance)
    for one in found:
        run = instance.get_run_by_id(one.run_id)
        if run is not None and not run.is_finished:
            instance.report_run_failed(run, one.why)
    return [one.run_id for one in found]


def _dead(instance: dg.DagsterInstance, record: dg.RunRecord, now: float) -> Stuck | None:
    """Why a run that counts as going on does not, if so; a run that waits for its turn has no process yet."""
    run, since = record.dagster_run, record.start_time or record.create_timestamp.timestamp()
    if PROCESS_TAG in run.tags:
        tag = run.tags[PROCESS_TAG]
        gone = None if _alive(tag) else f"the process of this run ({tag}) is gone: it was killed"
    elif told := _process_told(instance, run.run_id):
        number, at = told
        gone = (
            None if _lives_since(number, at) else f"the process of this run ({number}) is gone: it was killed"
        )
    else:
        waited = now - since > NO_PROCESS_SECONDS
        gone = f"it came to no process in {NO_PROCESS_SECONDS / 60:.0f} minutes" if waited else None
    return _told(record, since, gone) if gone else None


def _told(record: dg.RunRecord, since: float, why: str) -> Stuck:
    run = record.dagster_run
    return Stuck(run.run_id, run.job_name, run.tags.get("dagster/partition", ""), since, why)


def _process_told(instance: dg.DagsterInstance, run_id: str) -> tuple[int, float] | None:
    """The process that Dagster says it started for a run, and when it said so."""
    for entry in reversed(instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)):
        metadata = entry.dagster_event.engine_event_data.metadata if entry.dagster_event else {}
        if "pid" in metadata and (number := str(metadata["pid"].value)).isdigit():
            return int(number), entry.timestamp
    return None


def _alive(tag: str) -> bool:
    number, _, started = tag.partition(":")
    return _started(int(number)) == started


def _lives_since(number: int, told: float) -> bool:
    """Whether the process lives, and is not a later one of the same number."""
    ticks = _started(number)
    if not ticks:
        return False
    uptime = float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0])
    started = time.time() - uptime + int(ticks) / os.sysconf("SC_CLK_TCK")
    return started <= told + SLACK_SECONDS


def _started(number: int) -> str:
    """When a process started, in clock ticks since boot; empty when there is none, or one that has ended."""
    try:
        stat = Path(f"/proc/{number}/stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in DEAD else fields[19]
