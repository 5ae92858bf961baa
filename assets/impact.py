"""Stage 8: what the trades change, as the service would answer for them."""

from typing import Any

import dagster as dg

from assets.plots.factor_charts import factor_risk_plot
from assets.shared.check_words import found as sentence
from assets.shared.computed import computed
from assets.shared.many import are_many, spread
from assets.shared.materialized import materialized, preview
from assets.shared.partitions import OWNERS, PACKS
from assets.trades import trades
from resources.dagster_resources import DeskResource, WarehouseResource
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.store.warehouse import frame

COSTS_ALONE = "value_falls_by_the_costs_alone"
INPUTS = ["trades", "return_estimates", "covariances", "factor_model", "portfolio_snapshots"]


@dg.asset(
    partitions_def=PACKS, deps=[trades], group_name="portfolios", kinds={"python", "duckdb"}, owners=OWNERS,
    code_version="2",
    check_specs=[
        dg.AssetCheckSpec(COSTS_ALONE, asset="impact", description="Trading neither makes nor loses anything else."),
    ],
)  # fmt: skip
def impact(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, desk: DeskResource
) -> dg.MaterializeResult:
    """Value, risk, return, quality, concentration and exposures of each portfolio before and after its trades."""
    stage = warehouse.stage(context, desk)
    written = computed(stage, "impact", context.partition_key, INPUTS)
    for said in written.lines():
        context.log.warning(said)
    pack = written.pack
    with stage.read() as con:
        shown = {} if stage.past else _shown(con, pack, len(written.names))
        return materialized(con, "impact", pack, written.entries, shown, check_results=[_check(con, pack)])


def _check(con: Connection, pack: Pack) -> dg.AssetCheckResult:
    rows = con.execute(
        "select s.name, i.delta, t.costs from latest_impact i join latest_trade_lists t using (pack_id, portfolio_id) "
        "join latest_portfolio_snapshots s using (pack_id, portfolio_id) where pack_id = ? and i.metric = 'value' "
        "order by 1",
        [pack.id],
    ).fetchall()
    wrong = {
        str(name): f"{delta} against costs of {costs}"
        for name, delta, costs in rows
        if abs(delta + float(costs)) > 0.005
    }
    return dg.AssetCheckResult(
        check_name=COSTS_ALONE,
        passed=not wrong,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata=dict(wrong),
        description=sentence(
            wrong, f"Values change by costs alone (portfolios: {len(rows)}).", "changed by more"
        ),
    )


def _by_factor(con: Connection, pack: Pack, portfolios: int) -> dict[str, dg.MarkdownMetadataValue]:
    """A picture of each portfolio with a factor model, where they are few."""
    if are_many(portfolios):
        return {}
    rows = frame(
        con,
        "select s.name, r.side, r.part, r.exposure, r.contribution from latest_factor_risks r "
        "join latest_portfolio_snapshots s using (pack_id, portfolio_id) where pack_id = ? and r.basis = 'total' "
        "and r.kind in ('factor', 'specific') order by all",
        [pack.id],
    )
    return {f"factors_{name}": factor_risk_plot(str(name), found) for name, found in rows.groupby("name")}


def _shown(con: Connection, pack: Pack, portfolios: int) -> dict[str, Any]:
    """What changes for each portfolio, or how that is spread over many, and pictures by factor, for the UI."""
    shown = frame(
        con,
        "select s.name, i.metric, i.current, i.post, i.delta from latest_impact i "
        "join latest_portfolio_snapshots s using (pack_id, portfolio_id) where pack_id = ? order by 1, 2",
        [pack.id],
    )
    if are_many(portfolios):
        shown = spread(
            shown.pivot(index="name", columns="metric", values="delta"), sorted(shown["metric"].unique())
        )
    return {"impact": preview(shown, 60), **_by_factor(con, pack, portfolios)}
