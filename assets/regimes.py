"""The phase of the economy that the published figures look like, as known on the pack's date."""

import dagster as dg

from assets.pricing_pack import pricing_pack
from assets.shared.check_words import found as sentence
from assets.shared.materialized import bullets, materialized, preview
from assets.shared.partitions import OWNERS, PACKS
from optimizer import detect
from optimizer.risk.regime_detector import Detection
from resources.dagster_resources import DeskResource, WarehouseResource
from resources.packs.macro import read_macro, regime_frames
from resources.settings.playbooks import REGIME_RULES

READABLE = "its_indicators_can_be_read"
NOTHING = (
    "no macro series were on record when the pack was cut: put macro_series.csv into the reference folder"
)


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
    lacking = books.without(REGIME_RULES)
    with stage.write() as tx:  # milliseconds: one look at the warehouse, and one write
        pack = stage.pack(tx.con, context.partition_key)
        series = read_macro(tx.con, pack)
        found = detect(series, pack.as_of, books.detector) if books.detector else Detection((), {})
        frames = regime_frames(found)
        entry = tx.record("regimes", frames, pack_id=pack.id, inputs={"pricing_pack": pack.content_hash})
        shown = {
            "regime": found.regime
            or lacking
            or (found.problems[0] if series and found.problems else NOTHING),
            "scores": preview(frames["regimes"]),
            "drivers": preview(frames["regime_drivers"]),
        }
        return materialized(
            tx.con, "regimes", pack, [entry], shown, check_results=[_check(found, bool(series))]
        )


def _said(found: Detection) -> str:
    """What the detector makes of the series."""
    seen = f"The series look like {found.regime}." if found.regime else "No regime is detected."
    return sentence(found.problems, seen, "silent")


def _check(found: Detection, known: bool) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=READABLE,
        passed=not (known and found.problems),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"problems": bullets(found.problems if known else [NOTHING])},
        description=_said(found) if known else NOTHING,
    )
