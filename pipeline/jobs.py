"""The jobs: the daily run, ingestion alone, the backtest, and a backfill over past as-of dates in one process."""

from datetime import date

import dagster as dg

CHAIN = dg.AssetSelection.groups("packs", "model", "portfolios")
INGEST = dg.AssetSelection.groups("prices", "service")
RESEARCH = dg.AssetSelection.groups("research")

ingest = dg.define_asset_job(
    "ingest", selection=INGEST, description="Bring every source's new deliveries into the logs."
)
daily_run = dg.define_asset_job(
    "daily_run",
    selection=INGEST | CHAIN,
    description="Ingest, cut the pack of the as-of date, and run the chain to trades.",
)
pack_run = dg.define_asset_job(
    "pack_run",
    selection=CHAIN,
    description="The chain of one as-of date on what is on record, without ingesting.",
)
research = dg.define_asset_job(
    "research",
    selection=RESEARCH,
    description="Replay each policy through the past.",
)


class BackfillConfig(dg.Config):
    """The as-of dates to run, both ends included; sessions only."""

    start: str
    end: str


@dg.op
def run_past_packs(context: dg.OpExecutionContext, config: BackfillConfig) -> None:
    """Runs the chain for each past session in one process: seconds a pack instead of a launched run each."""
    from pipeline.runs import run_range  # it needs the definitions, of which this job is a part

    run_range(
        context.instance, date.fromisoformat(config.start), date.fromisoformat(config.end), context.log.info
    )


@dg.job(description="Run the chain for every session of a range of past as-of dates.")
def backfill() -> None:
    """Run the chain for every session of a range of past as-of dates."""
    run_past_packs()
