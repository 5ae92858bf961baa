"""Stage 9: what every scenario would cost each portfolio, and the hedges against it."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets.impact import impact
from assets.plots.risk_charts import losses_plot
from assets.shared.many import are_many, summed
from assets.shared.materialized import materialized, preview
from assets.shared.partitions import OWNERS, PACKS
from assets.shared.portfolio_rows import opened, record_each
from optimizer import PackfolioError
from resources.books.snapshots import Snapshot
from resources.dagster_resources import DeskResource, Stage, WarehouseResource
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.results.pack_estimates import load_case
from resources.results.risk_outputs import Hedged, hedge_frames, hedged
from resources.results.scenario_inputs import Exposed, read_exposed
from resources.settings.playbooks import HEDGES, SCENARIOS, Playbooks
from resources.store.warehouse import frame

ALL_STRESSED = "every_portfolio_is_stressed"
INPUTS = ["portfolio_snapshots"]
SHOWN = 20  # rows of a table in the UI
Answer = tuple[Exposed | None, list[Hedged], str | None]


@dg.asset(
    partitions_def=PACKS, deps=[impact], group_name="portfolios", kinds={"python", "duckdb"}, owners=OWNERS,
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
    pack, snapshots, seen = opened(stage, context.partition_key, INPUTS)
    with stage.read() as con:
        answers = {s: _answer(con, stage, pack, s, books) for s in snapshots if books.scenarios}
    frames = {snapshot: hedge_frames(book, found) for snapshot, (book, found, _) in answers.items()}
    with stage.write() as tx:
        entries = record_each(tx, "hedges", pack, frames, seen)
        result = materialized(
            tx.con, "hedges", pack, entries, _shown(tx.con, pack), check_results=[_check(answers, books)]
        )
    stage.warehouse.publish()
    return result


def _check(answers: Mapping[Snapshot, Answer], books: Playbooks) -> dg.AssetCheckResult:
    without = {snapshot.name: reason for snapshot, (_, _, reason) in answers.items() if reason}
    lacking = books.without(SCENARIOS, HEDGES)
    told = {**without, **({"left out": lacking} if lacking else {})}
    return dg.AssetCheckResult(
        check_name=ALL_STRESSED, passed=not without, severity=dg.AssetCheckSeverity.WARN, metadata=told
    )


def _answer(con: Connection, stage: Stage, pack: Pack, snapshot: Snapshot, books: Playbooks) -> Answer:
    """The scenarios over one portfolio, or why there are none; what stops it stops no other."""
    if snapshot.problem:
        return None, [], snapshot.problem
    try:
        case = load_case(con, pack, snapshot, stage.desk.funds)
        book = read_exposed(con, pack, case, stage.desk.funds, books)
        scenarios = books.scenarios.values() if book.values else ()
        return book, [hedged(book, found, books.instruments, books.hedge_limits) for found in scenarios], None
    except PackfolioError as error:
        return None, [], str(error)


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
        if nav := navs.get(str(portfolio)):
            shares = rows.assign(profit=rows["profit"] / nav, standard_error=rows["standard_error"] / nav)
            plots[f"losses_{portfolio}"] = losses_plot(str(portfolio), shares)
    return {**plots, "losses": preview(losses, SHOWN), "hedges": preview(chosen, SHOWN)}
