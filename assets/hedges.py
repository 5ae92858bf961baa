"""Stage 9: what every scenario would cost each portfolio, and the hedges against it."""

from typing import Any

import dagster as dg

from assets.plots.risk_charts import losses_plot
from assets.shared.check_words import found as sentence
from assets.shared.computed import Written, computed
from assets.shared.many import are_many, summed
from assets.shared.materialized import materialized, preview
from assets.shared.partitions import OWNERS, PACKS
from assets.tail_risk import tail_risk
from resources.dagster_resources import DeskResource, WarehouseResource
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.settings.playbooks import HEDGES, SCENARIOS, Playbooks
from resources.store.warehouse import frame

ALL_STRESSED = "every_portfolio_is_stressed"
INPUTS = ["factor_model", "portfolio_snapshots"]
SHOWN = 20  # rows of a table in the UI


@dg.asset(
    partitions_def=PACKS, deps=[tail_risk], group_name="portfolios", kinds={"python", "duckdb"}, owners=OWNERS,
    code_version="1",
    check_specs=[
        dg.AssetCheckSpec(ALL_STRESSED, asset="hedges", description="Every portfolio can be priced under scenarios."),
    ],
)  # fmt: skip
def hedges(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, desk: DeskResource
) -> dg.MaterializeResult:
    """Loss of what is held today under each scenario of the registry, and the hedges that gain under it."""
    stage = warehouse.stage(context, desk)
    books = stage.desk.playbooks
    written = computed(stage, "hedges", context.partition_key, INPUTS, due=bool(books.scenarios))
    with stage.read() as con:
        result = materialized(
            con, "hedges", written.pack, written.entries, {} if stage.past else _shown(con, written.pack),
            check_results=[_check(written, books)],
        )  # fmt: skip
    stage.publish()
    return result


def _check(written: Written, books: Playbooks) -> dg.AssetCheckResult:
    without = {
        name: "; ".join(said)
        for portfolio, name in written.names.items()
        if (said := written.told.get(portfolio))
    }
    lacking = books.without(SCENARIOS, HEDGES)
    told = {**without, **({"left out": lacking} if lacking else {})}
    return dg.AssetCheckResult(
        check_name=ALL_STRESSED,
        passed=not without,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=told,
        description=sentence(
            without, lacking or f"All portfolios were stressed ({len(written.names)}).", "not stressed"
        ),
    )


def _shown(con: Connection, pack: Pack) -> dict[str, Any]:
    """The worst scenarios and the hedges against them, for the UI."""
    losses = frame(
        con,
        "select s.name, l.scenario_id, l.profit, l.standard_error, l.replayed, l.hedge_offset, l.hedge_cost, "
        "l.residual_loss, l.note from latest_scenario_losses l "
        "join latest_portfolio_snapshots s using (pack_id, portfolio_id) where pack_id = ? order by 1, l.profit, 2",
        [pack.id],
    )
    chosen = frame(
        con,
        "select s.name, h.scenario_id, h.action, h.instrument, h.option_type, h.quantity, h.notional, "
        "h.expected_offset, h.estimated_cost from latest_hedges h "
        "join latest_portfolio_snapshots s using (pack_id, portfolio_id) where pack_id = ? "
        "order by 1, 2, h.sequence",
        [pack.id],
    )
    worth = frame(
        con,
        "select s.name, t.nav_before from latest_trade_lists t "
        "join latest_portfolio_snapshots s using (pack_id, portfolio_id) where pack_id = ? and t.nav_before > 0 "
        "order by 1",
        [pack.id],
    )
    navs = {str(name): float(nav) for name, nav in zip(worth["name"], worth["nav_before"], strict=True)}
    if are_many(losses["name"].nunique()):
        nav_of = losses["name"].map(navs)
        parts = losses.assign(loss=-losses["profit"] / nav_of, residual=losses["residual_loss"] / nav_of)
        told = parts[["name", "scenario_id", "loss", "residual", "hedge_cost", "note"]]
        return dict(summed(told, ["scenario_id"], ["loss", "residual"], "loss"))
    plots = {}
    for portfolio, rows in losses.groupby("name"):
        if (nav := navs.get(str(portfolio))) and rows["profit"].any():  # of cash alone it would be empty
            shares = rows.assign(profit=rows["profit"] / nav, standard_error=rows["standard_error"] / nav)
            plots[f"losses_{portfolio}"] = losses_plot(str(portfolio), shares)
    return {**plots, "losses": preview(losses, SHOWN), "hedges": preview(chosen, SHOWN)}
