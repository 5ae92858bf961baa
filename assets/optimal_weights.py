"""Stage 6: the best weights for each policy under all its limits, certified, or the reason why there are none."""

from typing import Any

import dagster as dg

from assets.plots.charts import risk_plot, weights_plot
from assets.posterior_returns import posterior_returns
from assets.shared.computed import computed
from assets.shared.materialized import materialized, preview, warnings_of
from assets.shared.partitions import OWNERS, PACKS
from resources.dagster_resources import DeskResource, WarehouseResource
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.store.warehouse import frame

ALL_ANSWERED = "every_portfolio_has_an_answer"
INPUTS = ["posterior_returns", "return_estimates", "covariances", "portfolio_snapshots"]


@dg.asset(
    partitions_def=PACKS, deps=[posterior_returns], group_name="portfolios", kinds={"python", "duckdb", "cvxpy"},
    owners=OWNERS, code_version="3",
    check_specs=[
        dg.AssetCheckSpec(ALL_ANSWERED, asset="optimal_weights", description="No portfolio is without weights today."),
    ],
)  # fmt: skip
def optimal_weights(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, desk: DeskResource
) -> dg.MaterializeResult:
    """Target weights per portfolio with their certificate; a portfolio without an answer gets its reason."""
    stage = warehouse.stage(context, desk)
    written = computed(stage, "optimal_weights", context.partition_key, INPUTS)
    with stage.read() as con:
        return materialized(
            con, "optimal_weights", written.pack, written.entries, _shown(con, written.pack),
            check_results=[_check(con, written.pack)],
        )  # fmt: skip


def _check(con: Connection, pack: Pack) -> dg.AssetCheckResult:
    rows = con.execute(
        "select s.name, r.reason from latest_optimization_results r "
        "join latest_portfolio_snapshots s using (pack_id, portfolio_id) "
        "where pack_id = ? and r.status <> 'optimal' order by 1",
        [pack.id],
    ).fetchall()
    without = {str(name): str(reason) for name, reason in rows}
    return dg.AssetCheckResult(
        check_name=ALL_ANSWERED,
        passed=not without,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"without": without},
    )


def _shown(con: Connection, pack: Pack) -> dict[str, Any]:
    """Results, weights and plots for the UI."""
    results = frame(
        con,
        "select s.name, r.method, r.status, r.expected_return, r.volatility, r.sharpe, r.notional, r.cash, r.turnover, "
        "r.constraints_met, r.solver, r.reason, r.warnings from latest_optimization_results r "
        "join latest_portfolio_snapshots s using (pack_id, portfolio_id) where pack_id = ? order by 1",
        [pack.id],
    )
    weights = frame(
        con,
        "select s.name, w.symbol, w.current_weight, w.weight, w.lower, w.upper, w.risk_contribution, w.binding, "
        "w.simulated from latest_optimal_weights w join latest_portfolio_snapshots s using (pack_id, portfolio_id) "
        "where pack_id = ? order by 1, w.weight desc, 2",
        [pack.id],
    )
    plots = {
        f"plot_{name}": weights_plot(str(name), rows.set_index("symbol"))
        for name, rows in weights.groupby("name")
    }
    risks = {
        f"risk_{name}": risk_plot(str(name), rows.set_index("symbol"))
        for name, rows in weights.groupby("name")
        if rows["risk_contribution"].notna().any()
    }
    shown = preview(results.drop(columns="warnings"))
    return {
        **plots,
        **risks,
        "results": shown,
        "warnings": warnings_of(results),
        "weights": preview(weights, 60),
    }
