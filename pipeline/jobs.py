"""The jobs: the daily run, ingestion alone, one pack, the backtest."""

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
