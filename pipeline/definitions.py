"""Everything Dagster loads: the stages, and what starts them by itself."""

import dagster as dg

from pipeline import stages  # the module: Dagster takes a file with one Definitions object
from pipeline.alerts import alerts
from pipeline.backfill import backfill
from pipeline.jobs import backup, purge_runs
from pipeline.schedules import (
    after_the_close,
    inbox_files,
    missing_sessions,
    nightly_backup,
    restatements,
    stuck_runs,
    weekly_purge,
)

defs = dg.Definitions.merge(
    stages.stages,
    dg.Definitions(
        jobs=[backfill, backup, purge_runs],
        schedules=[after_the_close, nightly_backup, weekly_purge],
        sensors=[alerts, inbox_files, missing_sessions, restatements, stuck_runs],
    ),
)
