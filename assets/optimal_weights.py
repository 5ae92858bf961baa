"""Stage 6: the best weights for each policy under all its limits, certified, or the reason why there are none."""

from typing import Any

import dagster as dg

from assets.plots.charts import risk_plot, weights_plot
from assets.posterior_returns import posterior_returns
from assets.shared.check_words import found as sentence
from assets.shared.computed import computed
from assets.shared.many import are_many, drawn, summed, worst
from assets.shared.materialized import materialized, preview, warnings_of
from assets.shared.partitions import OWNERS, PACKS
from resources.dagster_resources import DeskResource, WarehouseResource
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.store.warehouse import frame

ALL_ANSWERED = "every_portfolio_has_an_answer"
INPUTS = ["posterior_returns", "return_estimates", "covariances", "portfolio_snapshots"]
MEASURES = ("expected_return", "volatility", "sharpe", "notional", "cash", "turnover")
SHOWN = 30  # rows of a table in the UI


@dg.asset(
    partitions_def=PACKS, deps=[posterior_returns], group_name="portfolios", kinds={"python", "duckdb", "cvxpy"},
    owners=OWNERS, code_version="4",
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
            con, "optimal_weights", written.pack, written.entries, {} if stage.past else _shown(con, written.pack),
            check_results=[_check(con, written.pack, len(written.names))],
        )  # fmt: skip


def _check(con: Connection, pack: Pack, portfolios: int) -> dg.AssetCheckResult:
    rows = con.execute(
        "select s.name, r.reason from latest_optimization_results r "
        "join latest_portfolio_snapshots s using (pack_id, portfolio_id) "
        "where pack_id = ? and r.status not in ('optimal', 'no_trade') order by 1",
        [pack.id],
    ).fetchall()
    without = {str(name): str(reason) for name, reason in rows}
    return dg.AssetCheckResult(
        check_name=ALL_ANSWERED,
        passed=not without,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"without": without},
        description=sentence(without, f"All portfolios have weights ({portfolios}).", "without weights"),
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
    many = are_many(len(results))
    names = list((worst(results, "turnover") if many else results)["name"])
    plots = drawn(weights, names, lambda name, rows: weights_plot(name, rows.set_index("symbol")))
    told = {f"plot_{name}": plot for name, plot in plots.items()}
    results, said = results.drop(columns="warnings"), warnings_of(results)
    if many:
        return told | summed(results, ["status", "constraints_met"], MEASURES, "turnover")
    risky = weights[weights["risk_contribution"].notna()]
    risks = drawn(risky, names, lambda name, rows: risk_plot(name, rows.set_index("symbol")))
    told |= {f"risk_{name}": plot for name, plot in risks.items()}
    return {**told, "results": preview(results), "warnings": said, "weights": preview(weights, SHOWN)}
