"""Running a pack's chain again, in a scratch warehouse: as it was recorded, or as it would have been."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg

from assets.backtest_results import backtest_results
from assets.estimates import estimates
from assets.optimal_weights import optimal_weights
from assets.portfolio_snapshots import portfolio_snapshots
from assets.posterior_returns import posterior_returns
from assets.pricing_pack import pricing_pack
from assets.trades import trades
from optimizer.errors import DataError
from pipeline.environment import Environment
from pipeline.runs import why
from resources.packs import Pack, find_pack, pack_id
from resources.replaying import compare, prepare_scratch, recorded_configuration, was_backtested
from resources.warehouse import Warehouse
from resources.warehouse_resource import DeskResource, WarehouseResource

CHAIN = [pricing_pack, portfolio_snapshots, estimates, posterior_returns, optimal_weights, trades]


def replay(environment: Environment, wanted: str, config: Path | None = None) -> dict[str, Any]:
    """What the chain of a pack gives today against what is on record.

    config  another configuration than the recorded one: what would we have done?
    Raises DataError when there is nothing to replay, or when the replay itself fails.
    """
    store = Warehouse(environment.home, environment.anchor)
    with TemporaryDirectory(dir=environment.home, prefix="replay-") as folder:
        home, desk = Path(folder) / "home", config or Path(folder) / "config"
        with store.read() as then:
            pack = find_pack(then, wanted)
            recorded = recorded_configuration(then, pack, Path(folder) / "config")
            chain = [*CHAIN, backtest_results] if config is None and was_backtested(then, pack) else CHAIN
        prepare_scratch(store.published, pack, home)
        _run(chain, pack, home, desk)
        with store.read() as then, Warehouse(home).live() as now:
            return {"configuration": str(config) if config else recorded, **compare(then, now, pack)}


def _run(chain: list[Any], pack: Pack, home: Path, config: Path) -> None:
    resources = {"warehouse": WarehouseResource(home=str(home)), "desk": DeskResource(folder=str(config))}
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            chain,
            instance=instance,
            partition_key=pack_id(pack.as_of),
            resources=resources,
            raise_on_error=False,
        )
    if not result.success:
        raise DataError(f"the replay of {pack.id} failed: {why(result)}")
