"""Stage 7: whole-lot trades towards the weights, each with its cost and its reason."""

from typing import Any

import dagster as dg

from assets.optimal_weights import optimal_weights
from assets.shared.check_words import found as sentence
from assets.shared.computed import computed
from assets.shared.many import are_many, summed
from assets.shared.materialized import bullets, materialized, preview, warnings_of
from assets.shared.partitions import OWNERS, PACKS
from optimizer.errors import how_many
from resources.dagster_resources import DeskResource, WarehouseResource
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.store.warehouse import frame

LIMITS_HOLD = "limits_hold_on_whole_lots"
CASH_HOLDS = "cash_is_not_negative"
INPUTS = ["optimal_weights", "posterior_returns", "covariances", "portfolio_snapshots"]
MEASURES = ("nav_before", "costs", "cost_bps", "turnover", "cash_after", "tracking_error")
SHOWN = 40  # orders in the UI


@dg.asset(
    partitions_def=PACKS, deps=[optimal_weights], group_name="portfolios", kinds={"python", "duckdb"}, owners=OWNERS,
    code_version="4",
    check_specs=[
        dg.AssetCheckSpec(LIMITS_HOLD, asset="trades", description="Every limit holds on the rounded holdings."),
        dg.AssetCheckSpec(CASH_HOLDS, asset="trades", description="Buys and costs are paid for."),
    ],
)  # fmt: skip
def trades(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, desk: DeskResource
) -> dg.MaterializeResult:
    """Orders per portfolio in execution order, with costs and rationale; HOLD rows included."""
    stage = warehouse.stage(context, desk)
    written = computed(stage, "trades", context.partition_key, INPUTS)
    pack = written.pack
    with stage.read() as con:
        return materialized(
            con,
            "trades",
            pack,
            written.entries,
            {} if stage.past else _shown(con, pack),
            check_results=_checks(con, pack),
        )


def _checks(con: Connection, pack: Pack) -> list[dg.AssetCheckResult]:
    rows = con.execute(
        "select s.name, t.constraints_met, t.cash_after, t.constraints, t.warnings from latest_trade_lists t "
        "join latest_portfolio_snapshots s using (pack_id, portfolio_id) where pack_id = ? order by 1",
        [pack.id],
    ).fetchall()
    broken = {str(name): f"{limits} {warnings}" for name, met, _, limits, warnings in rows if not met}
    overdrawn = {str(name): str(cash) for name, _, cash, _, _ in rows if cash is not None and cash < 0}
    return [
        dg.AssetCheckResult(
            check_name=name,
            passed=not found,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"portfolios": found},
            description=sentence(
                dict.fromkeys(found, fault), f"{right} in {how_many(len(rows), 'portfolio')}.", "found"
            ),
        )
        for name, found, right, fault in (
            (LIMITS_HOLD, broken, "Every limit holds", "a limit does not hold"),
            (CASH_HOLDS, overdrawn, "Cash is not negative", "cash is negative"),
        )
    ]


def _shown(con: Connection, pack: Pack) -> dict[str, Any]:
    """The orders and their totals for the UI."""
    orders = frame(
        con,
        "select s.name, t.action, t.symbol, t.quantity, t.price, t.value, t.cost, t.current_weight, t.target_weight, "
        "t.achieved_weight, t.simulated, t.rationale from latest_trades t "
        "join latest_portfolio_snapshots s using (pack_id, portfolio_id) where pack_id = ? order by 1, t.sequence",
        [pack.id],
    )
    totals = frame(
        con,
        "select s.name, t.nav_before, t.nav_after, t.costs, t.cost_bps, t.turnover, t.turnover_two_way, t.cash_after, "
        "t.tracking_error, t.constraints_met, t.warnings from latest_trade_lists t "
        "join latest_portfolio_snapshots s using (pack_id, portfolio_id) where pack_id = ? order by 1",
        [pack.id],
    )
    if are_many(len(totals)):
        return summed(totals.drop(columns="warnings"), ["constraints_met"], MEASURES, "cost_bps")
    shown = preview(totals.drop(columns="warnings"))
    reasons = [
        f"{row['name']}, {row['action']} {row['symbol']}: {row['rationale']}"
        for row in orders.to_dict("records")
    ]
    return {
        "totals": shown,
        "warnings": warnings_of(totals),
        "trades": preview(orders.drop(columns="rationale"), SHOWN),
        "reasons": bullets(reasons),
    }
