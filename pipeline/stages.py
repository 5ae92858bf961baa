"""The stages as Dagster runs them: assets with their resources and jobs; schedules and the backfill stand above."""

from datetime import timedelta
from pathlib import Path

import dagster as dg

import assets
from pipeline.environment import Environment, keep_private
from pipeline.jobs import daily_run, ingest, pack_run, research
from resources.dagster_resources import DeskResource, PublishedResource, WarehouseResource
from resources.settings.configuration import has_live_source

environment = Environment.of_process()
keep_private()  # Dagster's own processes come this way

# The longest that an exchange is closed, a weekend with a holiday on either side, and the evening after: Dagster knows
# no holidays. A single missed session is told at once by the sensors `missing_sessions` and `alerts`.
EACH_SESSION = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=4, hours=6))
DAILY_GROUPS = ("prices", "packs", "model", "portfolios")


def watched(spec: dg.AssetSpec, *, live: bool) -> dg.AssetSpec:
    """Where a source is live, the assets of the daily run must be there each session."""
    if not live or spec.group_name not in DAILY_GROUPS:
        return spec
    fresh: dg.AssetSpec = dg.apply_freshness_policy(spec, EACH_SESSION)
    return fresh


def found_assets(config: Path) -> list[dg.AssetsDefinition]:
    """Every stage; a desk whose prices end in the past, as the example's do, is never late."""
    live = has_live_source(config)
    loaded = dg.load_assets_from_package_module(assets)
    made = [one for one in loaded if isinstance(one, dg.AssetsDefinition)]
    return [one.map_asset_specs(lambda spec: watched(spec, live=live)) for one in made]


stages = dg.Definitions(
    assets=found_assets(environment.config),
    jobs=[daily_run, ingest, pack_run, research],
    resources={
        "warehouse": WarehouseResource(
            home=str(environment.home), anchor=str(environment.anchor), decisions=str(environment.decisions)
        ),
        "desk": DeskResource(folder=str(environment.config)),
        "duckdb": PublishedResource.of_home(environment.home),
    },
    executor=dg.in_process_executor,
)
