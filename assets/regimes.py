"""The phase of the economy that the published figures look like, as known on the pack's date."""

import dagster as dg

from assets.materialized import bullets, materialized, preview
from assets.partitions import OWNERS, PACKS
from assets.pricing_pack import pricing_pack
from optimizer.regime_detector import Detection, detect
from resources.macro import read_macro, regime_frames
from resources.warehouse import frame
from resources.warehouse_resource import DeskResource, WarehouseResource

READABLE = "its_indicators_can_be_read"
NOTHING = "no macro series are on record: put macro_series.csv into the reference folder"


@dg.asset(
    partitions_def=PACKS, deps=[pricing_pack], group_name="model", kinds={"python", "duckdb"}, owners=OWNERS,
    code_version="1",
    check_specs=[
        dg.AssetCheckSpec(READABLE, asset="regimes", description="What there is of macro series is enough, and new."),
    ],
)  # fmt: skip
def regimes(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, desk: DeskResource
) -> dg.MaterializeResult:
    """Scores of the regimes, no probabilities; no regime without macro series, and then it says so."""
    stage = warehouse.stage(context, desk)
    books = stage.desk.playbooks
    with stage.read() as con:
        pack = stage.pack(con, context.partition_key)
        series = read_macro(con, pack)
    found = detect(series, pack.as_of, books.detector) if books else Detection((), {})
    with stage.write() as tx:
        inputs = {"pricing_pack": pack.content_hash}
        entry = tx.record("regimes", regime_frames(found), pack_id=pack.id, inputs=inputs)
    check = dg.AssetCheckResult(
        check_name=READABLE,
        passed=not (series and found.problems),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"problems": bullets(found.problems if series else [NOTHING])},
    )
    with stage.read() as con:
        drivers = "select * exclude (pack_id, materialization) from latest_regime_drivers where pack_id = ? order by 1"
        shown = {
            "regime": found.regime or (found.problems[0] if series and found.problems else NOTHING),
            "scores": preview(regime_frames(found)["regimes"]),
            "drivers": preview(frame(con, drivers, [pack.id])),
        }
        return materialized(con, "regimes", pack, [entry], shown, check_results=[check])
