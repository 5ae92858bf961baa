"""Everything Dagster loads: assets, jobs, schedule, sensors, resources."""

import dagster as dg

from assets.backtest_results import backtest_results
from assets.estimates import estimates
from assets.hedges import hedges
from assets.impact import impact
from assets.optimal_weights import optimal_weights
from assets.portfolio_snapshots import portfolio_snapshots
from assets.posterior_returns import posterior_returns
from assets.prices import prices, reference_data
from assets.pricing_pack import pricing_pack
from assets.trades import trades
from pipeline.environment import Environment
from pipeline.jobs import backfill, daily_run, ingest, pack_run, research
from pipeline.schedules import after_the_close, inbox_files, missing_sessions, stuck_runs
from resources.warehouse_resource import DeskResource, WarehouseResource

environment = Environment.of_process()

defs = dg.Definitions(
    assets=[
        prices, reference_data, pricing_pack, portfolio_snapshots, estimates, posterior_returns, optimal_weights,
        trades, impact, hedges, backtest_results,
    ],
    jobs=[daily_run, ingest, pack_run, research, backfill],
    schedules=[after_the_close],
    sensors=[inbox_files, missing_sessions, stuck_runs],
    resources={
        "warehouse": WarehouseResource(home=str(environment.home), anchor=str(environment.anchor)),
        "desk": DeskResource(folder=str(environment.config)),
    },
    executor=dg.in_process_executor,
)  # fmt: skip
