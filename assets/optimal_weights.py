"""Stage 6: the best weights for each policy under all its limits, certified, or the reason why there are none."""

from typing import Any

import dagster as dg
import numpy as np

from assets.plots.charts import risk_plot, weights_plot
from assets.posterior_returns import posterior_returns
from assets.shared.check_words import found as sentence
from assets.shared.materialized import materialized, preview, warnings_of
from assets.shared.partitions import OWNERS, PACKS
from assets.shared.portfolio_rows import Frames, opened, record_each
from optimizer import InfeasibleError, PackfolioError
from optimizer.problem.setting import Setting
from optimizer.proposals.proposal import believe, choose_weights
from resources.books.snapshots import Snapshot
from resources.dagster_resources import DeskResource, Stage, WarehouseResource
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.results.pack_estimates import Case, load_case
from resources.results.stage_outputs import (
    exposure_frame,
    failure_frame,
    result_frame,
    weight_frame,
)
from resources.settings.limit_words import reason_of
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
    pack, snapshots, seen = opened(stage, context.partition_key, INPUTS)
    answers = {snapshot: _answer(stage, pack, snapshot) for snapshot in snapshots}
    with stage.write() as tx:
        entries = record_each(tx, "optimal_weights", pack, answers, seen)
    with stage.read() as con:
        return materialized(
            con, "optimal_weights", pack, entries, _shown(con, pack), check_results=[_check(answers)]
        )


def _answer(stage: Stage, pack: Pack, snapshot: Snapshot) -> Frames:
    """The rows for one portfolio; what stops it stops no other."""
    if snapshot.problem:
        return _refusal(snapshot, "no_data", snapshot.problem)
    try:
        with stage.read() as con:
            case = load_case(con, pack, snapshot, stage.desk.funds)
        return _weights(case)
    except InfeasibleError as error:
        return _refusal(snapshot, "infeasible", reason_of(error))
    except PackfolioError as error:
        return _refusal(snapshot, "failed", str(error))


def _weights(case: Case) -> Frames:
    inputs = case.inputs
    _, believed = believe(case.evidence, inputs.universe, inputs.policy, case.mandate)
    solution = choose_weights(
        case.portfolio, case.prices, believed, inputs.policy, inputs.universe, case.mandate
    )
    held = case.portfolio.get_weights(case.prices)
    current = np.array([held.get(symbol, 0.0) for symbol in solution.symbols])
    setting = Setting(believed, inputs.policy, inputs.universe, current)
    return {
        "optimal_weights": weight_frame(solution, current, believed, inputs.simulated),
        "optimization_results": result_frame(solution, setting),
        "portfolio_exposures": exposure_frame(solution, inputs.universe),
    }


def _refusal(snapshot: Snapshot, status: str, reason: str) -> Frames:
    return {"optimization_results": failure_frame(snapshot.policy.method, status, reason)}


def _check(answers: dict[Snapshot, Frames]) -> dg.AssetCheckResult:
    without = {
        snapshot.name: str(frames["optimization_results"]["reason"].iloc[0])
        for snapshot, frames in answers.items()
        if "optimal_weights" not in frames
    }
    return dg.AssetCheckResult(
        check_name=ALL_ANSWERED,
        passed=not without,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"without": without},
        description=sentence(without, f"All {len(answers)} portfolios have weights.", "have no weights"),
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
