"""Everything Dagster loads: the stages, and what starts them by itself."""

import dagster as dg

from pipeline.backfill import backfill
from pipeline.schedules import after_the_close, inbox_files, missing_sessions, restatements, stuck_runs
from pipeline.stages import stages

defs = dg.Definitions.merge(
    stages,
    dg.Definitions(
        jobs=[backfill],
        schedules=[after_the_close],
        sensors=[inbox_files, missing_sessions, restatements, stuck_runs],
    ),
)
