"""Running a pack's chain again, in a scratch warehouse: as it was recorded, or as it would have been."""

from pathlib import Path
from typing import Any

import dagster as dg

import assets
from optimizer import DataError
from pipeline.environment import Environment
from pipeline.jobs import CHAIN, RESEARCH
from pipeline.run_history.failed_steps import is_record_fault, why
from resources.audit.replay import compare, prepare_scratch, recorded_configuration, was_backtested
from resources.dagster_resources import DeskResource, WarehouseResource
from resources.ledger.record_error import RecordError
from resources.packs.packs import Pack, find_pack, pack_id
from resources.store.warehouse import Warehouse


def replay(environment: Environment, wanted: str, config: Path | None = None) -> dict[str, Any]:
    """What the chain of a pack gives today against what is on record.

    config  another configuration than the recorded one: what would we have done?
    Raises DataError when there is nothing to replay, or when the replay itself fails.
    """
    store = Warehouse(environment.home, environment.anchor)
    with store.room("replay-") as folder:
        home, desk, tested = folder / "home", config or folder / "config", folder / "tested"
        with store.read() as then:
            pack = find_pack(then, wanted)
            recorded = recorded_configuration(then, pack, folder / "config")
            backtested = config is None and was_backtested(then, pack)
            if backtested:
                recorded_configuration(then, pack, tested, backtests=True)
        prepare_scratch(store.published, pack, home)
        _run(CHAIN, pack, home, desk)
        if backtested:
            _run(RESEARCH, pack, home, tested)
        with store.read() as then, Warehouse(home, scratch=True).live() as now:
            return {"configuration": str(config) if config else recorded, **compare(then, now, pack)}


def _run(chain: dg.AssetSelection, pack: Pack, home: Path, config: Path) -> None:
    resources = {
        "warehouse": WarehouseResource(home=str(home), scratch=True),
        "desk": DeskResource(folder=str(config)),
    }
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [
                found
                for found in dg.load_assets_from_package_module(assets)
                if isinstance(found, dg.AssetsDefinition)
            ],
            selection=chain,
            instance=instance,
            partition_key=pack_id(pack.as_of),
            resources=resources,
            raise_on_error=False,
        )
    if not result.success:
        kind = RecordError if is_record_fault(result) else DataError
        raise kind(f"the replay of {pack.id} failed: {why(result)}")
