"""Stage 8, in a job of its own: each policy replayed through the past that the pack saw."""

from collections.abc import Callable, Mapping

import dagster as dg
import pandas as pd

from assets.plots.charts import backtest_plot
from assets.plots.factor_charts import factors_plot
from assets.plots.risk_charts import frontier_plot, monthly_plot
from assets.shared.check_words import found as sentence
from assets.shared.materialized import materialized, preview
from assets.shared.partitions import OWNERS, PACKS
from assets.shared.portfolio_rows import PortfolioConfig, opened, record_each
from optimizer import PackfolioError, monthly_table
from optimizer.backtests.report import KNOWLEDGE
from resources.books.snapshots import Snapshot
from resources.dagster_resources import DeskResource, Stage, WarehouseResource
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.results.attribution.backtests import backtest_parts, part_rows
from resources.results.attribution.summary import path_of
from resources.results.estimates.pack_estimates import load_case
from resources.results.factor_models.fitting import asks_for_factors
from resources.results.frontiers import efficient_frontier
from resources.results.many import FEW
from resources.results.replays.checkpoints import Checkpoints
from resources.results.replays.pack_backtests import (
    POLICY,
    attribution,
    backtest,
    backtest_frames,
    replay_past,
)
from resources.settings.policies.limit_words import reason_of
from resources.settings.policies.policy_grid import is_variant
from resources.store.warehouse import frame

ALL_REPLAYED = "every_policy_was_replayed"
INPUTS = ["portfolio_snapshots", "return_estimates", "covariances"]
SUMMARY = (
    "select s.name, b.strategy, b.metric, b.value from latest_backtest_summary b "
    "join latest_portfolio_snapshots s using (pack_id, portfolio_id) where pack_id = ? order by all"
)
Tables = dict[str, pd.DataFrame]
SHOWN = ("annual_return", "volatility", "sharpe", "max_drawdown", "turnover", "cost_drag")


@dg.asset(
    partitions_def=PACKS, deps=INPUTS, group_name="research",
    kinds={"python", "duckdb"}, owners=OWNERS, code_version="5",
    check_specs=[
        dg.AssetCheckSpec(ALL_REPLAYED, asset="backtest_results", description="No policy failed on the way."),
    ],
)  # fmt: skip
def backtest_results(
    context: dg.AssetExecutionContext,
    config: PortfolioConfig,
    warehouse: WarehouseResource,
    desk: DeskResource,
) -> dg.MaterializeResult:
    """Walk-forward: decisions at one close, trades at the next, costs, no look-ahead; views stay out of the past."""
    stage = warehouse.stage(context, desk)
    with stage.read() as con:
        pack, snapshots, seen = opened(con, stage, context.partition_key, INPUTS)
    ready = [s for s in snapshots if config.portfolio in (None, s.name, s.portfolio_id)]
    frames: dict[Snapshot, Tables] = {}
    failed: dict[str, str] = {}
    notes: list[str] = []
    kept = {snapshot: _kept(stage, pack, snapshot) for snapshot in ready}
    for snapshot in ready:
        try:
            frames[snapshot], told = _replay(
                stage, pack, snapshot, kept[snapshot], _teller(context, snapshot)
            )
            notes += [f"{snapshot.name}: {note}" for note in told]
        except PackfolioError as error:
            failed[snapshot.name] = snapshot.problem or reason_of(error)
    for note in notes:
        context.log.warning(note)
    with stage.write() as tx:
        entries = record_each(tx, "backtest_results", pack, frames, seen)
    for checkpoints in kept.values():
        checkpoints.finish()
    stage.warehouse.publish()
    check = dg.AssetCheckResult(
        check_name=ALL_REPLAYED,
        passed=not failed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=dict(failed),
        description=sentence(failed, f"All policies were replayed ({len(ready)}).", "not replayed"),
    )
    with stage.read() as con:
        extra = {**_shown(stage, con, pack, frames), "warnings": "\n".join(notes)}
        return materialized(con, "backtest_results", pack, entries, extra, check_results=[check])


def _shown(
    stage: Stage, con: Connection, pack: Pack, frames: Mapping[Snapshot, Tables]
) -> dict[str, dg.MetadataValue | str]:
    """What Dagster shows of the replays: the first ones' plots, and the measures of all."""
    looked_at = [] if stage.warehouse.scratch else list(frames.items())[:FEW]
    plots = {
        title: picture
        for s, tables in looked_at
        for title, picture in _plots(stage, con, pack, s, tables).items()
    }
    measures = preview(frame(con, SUMMARY, [pack.id]), 160)
    return {**plots, "summary": measures, "knowledge": KNOWLEDGE[stage.desk.backtest.knowledge]}


def _teller(context: dg.AssetExecutionContext, snapshot: Snapshot) -> Callable[[int, int], None]:
    """Says how far a replay is, in tenths: Dagster keeps what is said."""

    def tell(done: int, of: int) -> None:
        if 10 * done // of > 10 * (done - 1) // of:
            context.log.info(f"{snapshot.name}: {done} of {of} decisions")

    return tell


def _replay(
    stage: Stage, pack: Pack, snapshot: Snapshot, decisions: Checkpoints, progress: Callable[[int, int], None]
) -> tuple[dict[str, pd.DataFrame], tuple[str, ...]]:
    """The tables of a portfolio, and what its replay warns of."""
    settings = stage.desk.backtest
    with stage.read() as con:
        case = load_case(con, pack, snapshot, stage.desk.funds)
        past = replay_past(con, pack, case, settings)
    replay = backtest(case, past, settings, pack.as_of, decisions, progress)
    frames = backtest_frames(replay, attribution(replay, past), past.simulated)
    if not (stage.desk.factor_model or asks_for_factors(snapshot.recipe())):
        return frames, replay.notes
    try:
        with stage.read() as con:
            parts = part_rows(backtest_parts(con, pack, case, past, replay)).assign(simulated=past.simulated)
    except PackfolioError as error:
        return frames, (*replay.notes, f"its return is not told by factor: {error}")
    return frames | {"backtest_factors": parts}, replay.notes


def _kept(stage: Stage, pack: Pack, snapshot: Snapshot) -> Checkpoints:
    """Where a replay of the same pack, portfolio, configuration and code leaves its decisions until it is on record."""
    stamp = stage.stamp
    key = "\n".join([pack.content_hash, repr(snapshot), stamp.config_hash, stamp.code_version])
    return Checkpoints(stage.warehouse.home / "cache", key)


def _plots(
    stage: Stage, con: Connection, pack: Pack, snapshot: Snapshot, tables: dict[str, pd.DataFrame]
) -> dict[str, dg.MarkdownMetadataValue]:
    """Equity and drawdown, returns by month, and the frontier with what is held and what is wanted today."""
    rows, name = tables["backtest_results"], snapshot.name
    # A sweep's variants are in the tables: a picture has no room.
    drawn = rows[~rows["strategy"].map(is_variant)]
    # What is lost stays lost.
    nav = drawn.pivot(index="date", columns="strategy", values="nav").ffill().dropna()
    simulated = bool(rows["simulated"].any())
    own = rows[rows["strategy"] == POLICY].set_index("date")["return"]
    found = {
        f"plot_{name}": backtest_plot(name, nav, simulated),
        f"monthly_{name}": monthly_plot(name, monthly_table(own), simulated),
    }
    points = efficient_frontier(con, pack, load_case(con, pack, snapshot, stage.desk.funds))
    if "backtest_factors" in tables:
        found[f"factors_{name}"] = factors_plot(name, path_of(tables["backtest_factors"]), simulated)
    return found | ({f"frontier_{name}": frontier_plot(name, *points)} if points else {})
