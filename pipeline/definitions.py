"""Everything Dagster loads: the stages, and what starts them by itself."""

import dagster as dg

from pipeline import stages  # the module: Dagster takes a file with one Definitions object
from pipeline.alerts import alerts
from pipeline.backfill import backfill
from pipeline.schedules import after_the_close, inbox_files, missing_sessions, restatements, stuck_runs

defs = dg.Definitions.merge(
    stages.stages,
    dg.Definitions(
        jobs=[backfill],
        schedules=[after_the_close],
        sensors=[alerts, inbox_files, missing_sessions, restatements, stuck_runs],
    ),
)
