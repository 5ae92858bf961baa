"""Stage 7: whole-lot trades towards the weights, each with its cost and its reason."""

from dataclasses import replace
from typing import Any

import dagster as dg
import pandas as pd

from assets.optimal_weights import optimal_weights
from assets.shared.materialized import bullets, materialized, preview, warnings_of
from assets.shared.partitions import OWNERS, PACKS
from assets.shared.portfolio_rows import opened, record_each
from optimizer import PackfolioError
from optimizer.problem.methods import reads_means
from optimizer.proposals.proposal import Beliefs, believe, expected_returns, order_trades, view_effects
from optimizer.trading.rationale import Reasons
from resources.books.orders import past_reasons
from resources.books.snapshots import Snapshot
from resources.dagster_resources import DeskResource, Stage, WarehouseResource
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.results.pack_estimates import load_case
from resources.results.rebalancing import decision_of, is_quiet, policy_of_day, quiet_list
from resources.results.stage_outputs import no_trades, read_bindings, read_given, trade_frames
from resources.settings.limit_words import reason_of
from resources.store.warehouse import frame

LIMITS_HOLD = "limits_hold_on_whole_lots"
CASH_HOLDS = "cash_is_not_negative"
INPUTS = ["optimal_weights", "posterior_returns", "covariances", "portfolio_snapshots"]


@dg.asset(
    partitions_def=PACKS, deps=[optimal_weights], group_name="portfolios", kinds={"python", "duckdb"}, owners=OWNERS,
    code_version="3",
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
    pack, snapshots, seen = opened(stage, context.partition_key, INPUTS)
    with stage.read() as con:
        frames = {snapshot: _orders(con, stage, pack, snapshot) for snapshot in snapshots}
    with stage.write() as tx:
        entries = record_each(tx, "trades", pack, frames, seen)
    stage.warehouse.publish()
    with stage.read() as con:
        return materialized(con, "trades", pack, entries, _shown(con, pack), check_results=_checks(con, pack))


def _orders(con: Connection, stage: Stage, pack: Pack, snapshot: Snapshot) -> dict[str, pd.DataFrame]:
    """The trade rows of one portfolio; none where it has no weights today, a warning where none can be ordered."""
    target = dict(
        con.execute(
            "select symbol, weight from latest_optimal_weights where pack_id = ? and portfolio_id = ? order by symbol",
            [pack.id, snapshot.portfolio_id],
        ).fetchall()
    )
    quiet = not target and snapshot.standing is not None and is_quiet(con, pack, snapshot.portfolio_id)
    if snapshot.problem or not (target or quiet):
        return no_trades()
    case = load_case(con, pack, snapshot, stage.desk.funds)
    decision = decision_of(case, pack.as_of)
    if quiet and decision is not None:
        return quiet_list(case, decision)
    inputs, policy = case.inputs, policy_of_day(case, pack.as_of)
    beliefs, believed = believe(case.evidence, inputs.universe, policy, case.mandate)
    try:
        answer = order_trades(
            case.portfolio, case.prices, target, believed, policy, inputs.universe, case.mandate,
            _reasons(con, pack, snapshot, beliefs if reads_means(policy) else None),
        )  # fmt: skip
    except PackfolioError as error:
        return no_trades(reason_of(error))
    return trade_frames(answer, inputs.currencies, inputs.rates, inputs.simulated)


def _reasons(con: Connection, pack: Pack, snapshot: Snapshot, beliefs: Beliefs | None) -> Reasons:
    """What the stages before, and the pack before, know of the causes."""
    diagnostics = con.execute(
        "select diagnostics from latest_optimization_results where pack_id = ? and portfolio_id = ?",
        [pack.id, snapshot.portfolio_id],
    ).fetchall()[0][0]
    return replace(
        past_reasons(con, pack, snapshot.portfolio_id),
        binding=read_bindings(diagnostics),
        gave=read_given(diagnostics),
        returns=expected_returns(beliefs),
        views=view_effects(beliefs),
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
        )
        for name, found in ((LIMITS_HOLD, broken), (CASH_HOLDS, overdrawn))
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
    shown = preview(totals.drop(columns="warnings"))
    reasons = [
        f"{row['name']}, {row['action']} {row['symbol']}: {row['rationale']}"
        for row in orders.to_dict("records")
    ]
    return {
        "totals": shown,
        "warnings": warnings_of(totals),
        "trades": preview(orders.drop(columns="rationale"), 80),
        "reasons": bullets(reasons),
    }
