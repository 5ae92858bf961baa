"""Stage 8a: what each portfolio may lose, and whether what earlier packs said of that came true."""

import dagster as dg

from assets.impact import impact
from assets.shared.check_words import found as sentence
from assets.shared.computed import Written, computed
from assets.shared.many import are_many, spread
from assets.shared.materialized import bullets, materialized, preview
from assets.shared.partitions import OWNERS, PACKS
from resources.dagster_resources import DeskResource, WarehouseResource
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.results.tails.backtests import Judged, judged
from resources.settings.playbook_schemas.tail_risk import TailFile
from resources.store.warehouse import frame

ALL_TOLD = "every_portfolio_has_a_tail"
FORETOLD = "losses_were_foretold"
INPUTS = [
    "trades", "factor_model", "portfolio_snapshots", "previous_portfolio_snapshots", "previous_impact",
]  # fmt: skip


@dg.asset(
    partitions_def=PACKS, deps=[impact], group_name="portfolios", kinds={"python", "duckdb"}, owners=OWNERS,
    code_version="1",
    check_specs=[
        dg.AssetCheckSpec(ALL_TOLD, asset="tail_risk", description="Of every portfolio it is told what it may lose."),
        dg.AssetCheckSpec(
            FORETOLD, asset="tail_risk",
            description="Losses beyond earlier packs' value at risk are as many, as apart and as large as said.",
        ),
    ],
)  # fmt: skip
def tail_risk(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, desk: DeskResource
) -> dg.MaterializeResult:
    """Value at risk and expected shortfall as held and as proposed, and what was earned since the pack before."""
    stage = warehouse.stage(context, desk)
    settings = stage.desk.playbooks.tail
    written = computed(stage, "tail_risk", context.partition_key, INPUTS, due=bool(settings.levels))
    with stage.read() as con:
        found = judged(con, written.pack, settings)
        tables = {} if stage.past else _shown(con, written)
        shown = {**tables, "backtests": bullets([str(one) for one in found.tested])}
        checks = [_told(written), _foretold(found, settings)]
        return materialized(con, "tail_risk", written.pack, written.entries, shown, check_results=checks)


def _told(written: Written) -> dg.AssetCheckResult:
    lines = written.lines()
    return dg.AssetCheckResult(
        check_name=ALL_TOLD,
        passed=not lines,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"untold": bullets(lines)},
        description=sentence(
            lines, f"All portfolios are told ({len(written.names)}).", "without a part of it"
        ),
    )


def _foretold(found: Judged, settings: TailFile) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=FORETOLD,
        passed=not found.failed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "tested": len(found.tested),
            "most_periods": found.periods,
            "least_packs": settings.least_packs,
        },
        description=found.sentence(settings),
    )


def _shown(con: Connection, written: Written) -> dict[str, dg.TableMetadataValue]:
    pack: Pack = written.pack
    tails = frame(
        con,
        "select s.name, t.book, t.method, t.level, t.value_at_risk, t.expected_shortfall, t.scenarios "
        "from latest_tail_risk t join latest_portfolio_snapshots s using (pack_id, portfolio_id) where pack_id = ? "
        "order by all",
        [pack.id],
    )
    earned = frame(
        con,
        "select s.name, h.previous_pack, h.kind, h.part, h.exposure, h.return, h.money "
        "from latest_held_returns h join latest_portfolio_snapshots s using (pack_id, portfolio_id) "
        "where pack_id = ? and h.kind <> 'symbol' order by 1, 3, abs(h.money) desc, 4",
        [pack.id],
    )
    if are_many(len(written.names)):
        tails = spread(tails, ["value_at_risk", "expected_shortfall"])
        earned = spread(earned[earned["kind"] == "held"], ["return"])
    return {"tails": preview(tails, 60), "earned": preview(earned, 60)}
