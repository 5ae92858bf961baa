"""The backfill: the chain of every session of a range of past as-of dates, in one process."""

from datetime import date

import dagster as dg

from pipeline.runs import run_range


class BackfillConfig(dg.Config):
    """The as-of dates to run, both ends included; sessions only."""

    start: str
    end: str


@dg.op
def run_past_packs(context: dg.OpExecutionContext, config: BackfillConfig) -> None:
    """Runs the chain for each past session in one process: seconds a pack instead of a launched run each."""
    run_range(
        context.instance, date.fromisoformat(config.start), date.fromisoformat(config.end), context.log.info
    )


@dg.job(description="Run the chain for every session of a range of past as-of dates.")
def backfill() -> None:
    """Run the chain for every session of a range of past as-of dates."""
    run_past_packs()
