"""Stage 8: what the trades change, as the service would answer for them."""

from decimal import Decimal

import dagster as dg
import pandas as pd

from assets.shared.check_words import found as sentence
from assets.shared.materialized import materialized, preview
from assets.shared.partitions import OWNERS, PACKS
from assets.shared.portfolio_rows import opened, record_each
from assets.trades import trades
from optimizer import PackfolioError
from optimizer.proposals.proposal import orders_impact
from resources.books.snapshots import Snapshot
from resources.dagster_resources import DeskResource, Stage, WarehouseResource
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.results.pack_estimates import evidence_with_scenarios, load_case
from resources.results.risk_outputs import impact_frame
from resources.store.warehouse import frame

COSTS_ALONE = "value_falls_by_the_costs_alone"
INPUTS = ["trades", "return_estimates", "covariances", "portfolio_snapshots"]


@dg.asset(
    partitions_def=PACKS, deps=[trades], group_name="portfolios", kinds={"python", "duckdb"}, owners=OWNERS,
    code_version="1",
    check_specs=[
        dg.AssetCheckSpec(COSTS_ALONE, asset="impact", description="Trading neither makes nor loses anything else."),
    ],
)  # fmt: skip
def impact(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, desk: DeskResource
) -> dg.MaterializeResult:
    """Value, risk, return, quality, concentration and exposures of each portfolio before and after its trades."""
    stage = warehouse.stage(context, desk)
    pack, snapshots, seen = opened(stage, context.partition_key, INPUTS)
    with stage.read() as con:
        frames = {
            snapshot: {"impact": _impact(context, con, stage, pack, snapshot)} for snapshot in snapshots
        }
    with stage.write() as tx:
        entries = record_each(tx, "impact", pack, frames, seen)
        shown = preview(_shown(tx.con, pack), 60)
        checks = [_check(tx.con, pack)]
        return materialized(tx.con, "impact", pack, entries, {"impact": shown}, check_results=checks)


def _impact(
    context: dg.AssetExecutionContext, con: Connection, stage: Stage, pack: Pack, snapshot: Snapshot
) -> pd.DataFrame:
    """The rows of one portfolio; none where it has no trades today, or what stops it, which stops no other."""
    orders = _orders(con, pack, snapshot)
    if snapshot.problem or orders is None:
        return impact_frame(None)
    try:
        found = evidence_with_scenarios(con, pack, snapshot.recipe())
        case = load_case(con, pack, snapshot, stage.desk.funds, found)
        policy, universe = case.inputs.policy, case.inputs.universe
        change = orders_impact(
            case.portfolio, case.prices, orders, case.evidence, policy, universe, case.mandate
        )
    except PackfolioError as error:
        context.log.warning(f"{snapshot.name}: its trades' impact cannot be told: {error}")
        return impact_frame(None)
    return impact_frame(change)


def _orders(con: Connection, pack: Pack, snapshot: Snapshot) -> dict[str, tuple[Decimal, Decimal]] | None:
    """Symbol -> (shares, negative when sold; cost); None where the trades could not be ordered."""
    listed = con.execute(
        "select symbol, action, quantity, cost from latest_trades where pack_id = ? and portfolio_id = ? order by 1",
        [pack.id, snapshot.portfolio_id],
    ).fetchall()
    signs = {"BUY": 1, "SELL": -1, "HOLD": 0}
    return (
        {s: (signs[action] * Decimal(str(q)), cost) for s, action, q, cost in listed if q} if listed else None
    )


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
            wrong, f"The value of {len(rows)} portfolios changes by costs alone.", "change by more"
        ),
    )


def _shown(con: Connection, pack: Pack) -> pd.DataFrame:
    return frame(
        con,
        "select s.name, i.metric, i.current, i.post, i.delta from latest_impact i "
        "join latest_portfolio_snapshots s using (pack_id, portfolio_id) where pack_id = ? order by 1, 2",
        [pack.id],
    )
