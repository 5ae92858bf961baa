"""Stage 5: what each portfolio believes of returns, after its views."""

from typing import Any

import dagster as dg
import pandas as pd

from assets.plots.charts import posterior_plot
from assets.shared.many import are_many, spread
from assets.shared.materialized import bullets, materialized, preview
from assets.shared.partitions import OWNERS, PACKS
from assets.shared.portfolio_rows import opened, record_each
from optimizer import PackfolioError
from optimizer.proposals.proposal import Beliefs, believe
from resources.books.snapshots import Snapshot
from resources.dagster_resources import DeskResource, Stage, WarehouseResource
from resources.ledger.ledger import Connection
from resources.packs.pack_prices import simulated_symbols
from resources.packs.packs import Pack
from resources.results.pack_estimates import load_case
from resources.results.stage_outputs import belief_frame
from resources.store.warehouse import frame

INPUTS = ["return_estimates", "covariances", "portfolio_snapshots"]


@dg.asset(
    partitions_def=PACKS, deps=["return_estimates", "covariances"], group_name="model", kinds={"python", "duckdb"},
    owners=OWNERS, code_version="1",
)  # fmt: skip
def posterior_returns(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, desk: DeskResource
) -> dg.MaterializeResult:
    """Black-Litterman: equilibrium (prior) and posterior expected total returns per portfolio and symbol."""
    stage = warehouse.stage(context, desk)
    pack, snapshots, seen = opened(stage, context.partition_key, INPUTS)
    with stage.read() as con:
        formed = {snapshot: _beliefs(con, stage, pack, snapshot) for snapshot in snapshots}
        symbols = sorted({symbol for snapshot in formed for symbol in snapshot.symbols})
        simulated = simulated_symbols(con, pack, symbols)
    rows = {snapshot: {"posterior_returns": _rows(belief, simulated)} for snapshot, belief in formed.items()}
    beliefs = {snapshot: belief for snapshot, belief in formed.items() if belief is not None}
    with stage.write() as tx:
        entries = record_each(tx, "posterior_returns", pack, rows, seen)
    with stage.read() as con:
        shown = frame(
            con,
            "select s.name, p.symbol, prior_return, posterior_return, posterior_volatility, p.simulated "
            "from latest_posterior_returns p join latest_portfolio_snapshots s using (pack_id, portfolio_id) "
            "where pack_id = ? order by 1, 2",
            [pack.id],
        )
        warnings = [
            f"{snapshot.name}: {said}" for snapshot, belief in beliefs.items() for said in belief.warnings
        ]
        if are_many(len(rows)):
            extra: dict[str, Any] = {
                "portfolios": len(rows), "without_beliefs": len(rows) - len(beliefs), "warnings": len(warnings),
                "spread": preview(spread(shown, ["prior_return", "posterior_return", "posterior_volatility"])),
            }  # fmt: skip
        else:
            plots = {f"plot_{s.name}": posterior_plot(s.name, told, simulated) for s, told in beliefs.items()}
            extra = {**plots, "warnings": bullets(warnings), "posterior": preview(shown, 30)}
        return materialized(con, "posterior_returns", pack, entries, extra)


def _rows(belief: Beliefs | None, simulated: frozenset[str]) -> pd.DataFrame:
    """No rows without beliefs, so that those of an earlier run no longer count."""
    return pd.DataFrame(columns=["symbol"]) if belief is None else belief_frame(belief, simulated)


def _beliefs(con: Connection, stage: Stage, pack: Pack, snapshot: Snapshot) -> Beliefs | None:
    """The beliefs of one portfolio; None where it has none today: the next stage records the reason."""
    if snapshot.problem:
        return None
    try:
        case = load_case(con, pack, snapshot, stage.desk.funds)
        return believe(case.evidence, case.inputs.universe, case.inputs.policy, case.mandate)[0]
    except PackfolioError:
        return None
