"""What Dagster's history says of earlier attempts: a run that failed is asked for again, each time after longer."""

from dataclasses import dataclass

import dagster as dg

FIRST_WAIT = 300.0  # seconds; doubled by each attempt
# Dagster's own tags.
RUN_KEY, SENSOR, PARTITION = ("dagster/run_key", "dagster/sensor_name", "dagster/partition")


@dataclass(frozen=True)
class Attempts:
    """The runs of one piece of work.

    ended    how many ended, well or not
    running  whether one goes on
    failed   whether the last to end did not end well; it had the run key `key`
    last     when it ended, seconds since 1970 UTC
    """

    ended: int = 0
    running: bool = False
    failed: bool = False
    key: str = ""
    last: float = 0.0

    def due(self, now: float, attempt: int) -> bool:
        """Whether that attempt (1 is the first) may start: each waits twice as long as the one before."""
        return not self.running and (attempt == 1 or now - self.last >= FIRST_WAIT * 2 ** (attempt - 2))


def attempts(
    context: dg.SensorEvaluationContext, tags: dict[str, str], job: str, newest: int | None = None
) -> Attempts:
    """The runs of a job that carry the tags, all or the newest; none where the context knows no instance (a test)."""
    try:
        instance = context.instance
    except dg.DagsterInvariantViolationError:
        return Attempts()
    records = instance.get_run_records(dg.RunsFilter(job_name=job, tags=dict(tags)), limit=newest)
    ended = [record for record in records if record.dagster_run.is_finished]
    running = len(ended) < len(records)
    if not ended:
        return Attempts(running=running)
    last = max(ended, key=lambda record: record.end_time or 0.0)
    run = last.dagster_run
    key = run.tags.get(RUN_KEY, "")
    return Attempts(len(ended), running, not run.is_success, key, last.end_time or 0.0)
