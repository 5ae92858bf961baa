"""Everything Dagster loads: assets, jobs, schedule, sensors, resources."""

import dagster as dg

import assets
from pipeline.environment import Environment
from pipeline.jobs import backfill, daily_run, ingest, pack_run, research
from pipeline.schedules import after_the_close, inbox_files, missing_sessions, restatements, stuck_runs
from resources.warehouse_resource import DeskResource, WarehouseResource

environment = Environment.of_process()

defs = dg.Definitions(
    assets=dg.load_assets_from_package_module(assets),
    jobs=[daily_run, ingest, pack_run, research, backfill],
    schedules=[after_the_close],
    sensors=[inbox_files, missing_sessions, restatements, stuck_runs],
    resources={
        "warehouse": WarehouseResource(
            home=str(environment.home), anchor=str(environment.anchor), decisions=str(environment.decisions)
        ),
        "desk": DeskResource(folder=str(environment.config)),
    },
    executor=dg.in_process_executor,
)  # fmt: skip
