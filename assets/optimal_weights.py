"""Stage 6: the best weights for each policy under all its limits, certified, or the reason why there are none."""

from typing import Any

import dagster as dg
import numpy as np

from assets.plots.charts import risk_plot, weights_plot
from assets.posterior_returns import posterior_returns
from assets.shared.many import are_many, drawn, summed, worst
from assets.shared.materialized import materialized, preview, warnings_of
from assets.shared.partitions import OWNERS, PACKS
from assets.shared.portfolio_rows import Frames, opened, record_each
from optimizer import InfeasibleError, PackfolioError, Policy
from optimizer.problem.setting import Setting
from optimizer.proposals.proposal import believe, choose_weights
from resources.books.snapshots import Snapshot
from resources.dagster_resources import DeskResource, Stage, WarehouseResource
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.results.pack_estimates import Case, load_case
from resources.results.rebalancing import NO_TRADE, decision_of, policy_of_day, quiet_result
from resources.results.stage_outputs import (
    exposure_frame,
    failure_frame,
    result_frame,
    weight_frame,
)
from resources.settings.limit_words import reason_of
from resources.store.warehouse import frame

ALL_ANSWERED = "every_portfolio_has_an_answer"
MEASURES = ("expected_return", "volatility", "sharpe", "notional", "cash", "turnover")
SHOWN = 30  # rows of a table in the UI
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
        decision = decision_of(case, pack.as_of)
        if decision is not None and not decision.trades:
            return quiet_result(case, decision)
        return _weights(case, policy_of_day(case, pack.as_of))
    except InfeasibleError as error:
        return _refusal(snapshot, "infeasible", reason_of(error))
    except PackfolioError as error:
        return _refusal(snapshot, "failed", str(error))


def _weights(case: Case, policy: Policy) -> Frames:
    inputs = case.inputs
    _, believed = believe(case.evidence, inputs.universe, policy, case.mandate)
    solution = choose_weights(case.portfolio, case.prices, believed, policy, inputs.universe, case.mandate)
    held = case.portfolio.get_weights(case.prices)
    current = np.array([held.get(symbol, 0.0) for symbol in solution.symbols])
    setting = Setting(believed, policy, inputs.universe, current)
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
        if "optimal_weights" not in frames and frames["optimization_results"]["status"].iloc[0] != NO_TRADE
    }
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
