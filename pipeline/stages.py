"""The stages as Dagster runs them: assets with their resources and jobs; schedules and the backfill stand above."""

import dagster as dg

import assets
from pipeline.environment import Environment, keep_private
from pipeline.jobs import daily_run, ingest, pack_run, research
from resources.dagster_resources import DeskResource, PublishedResource, WarehouseResource

environment = Environment.of_process()
keep_private()  # Dagster's own processes come this way

stages = dg.Definitions(
    assets=dg.load_assets_from_package_module(assets),
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
