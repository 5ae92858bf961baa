"""Stage 3: each portfolio as the pack found it, so that no later stage reads a desk's file."""

import dagster as dg
import pandas as pd

from assets.pricing_pack import pricing_pack
from assets.shared.materialized import bullets, materialized, preview
from assets.shared.partitions import OWNERS, PACKS
from assets.shared.portfolio_rows import PortfolioConfig
from resources.books.paper import last_held
from resources.books.snapshots import take_snapshot
from resources.dagster_resources import DeskResource, WarehouseResource
from resources.store.warehouse import frame

COMPLETE = "complete"


@dg.asset(
    partitions_def=PACKS, deps=[pricing_pack], group_name="packs", kinds={"python", "duckdb"}, owners=OWNERS,
    code_version="2",
    check_specs=[
        dg.AssetCheckSpec(
            COMPLETE, asset="portfolio_snapshots", description="Every holding has a price, every currency its rates."
        ),
    ],
)  # fmt: skip
def portfolio_snapshots(
    context: dg.AssetExecutionContext,
    config: PortfolioConfig,
    warehouse: WarehouseResource,
    desk: DeskResource,
) -> dg.MaterializeResult:
    """Holdings, cash, policy, views, universe and benchmark of every portfolio, as they stand under the pack."""
    stage = warehouse.stage(context, desk)
    with stage.read() as con:
        pack = stage.pack(con, context.partition_key)
        wanted = stage.desk.portfolios
        files = [wanted.find(config.portfolio)] if config.portfolio else wanted.files
        taken = {}
        for file in files:
            before = last_held(con, pack, file) if file.mode == "paper" else None
            taken[take_snapshot(con, pack, before, file)] = before
    with stage.write() as tx:
        entries = [
            tx.record(
                "portfolio_snapshots", snapshot.frames(), pack_id=pack.id, portfolio_id=snapshot.portfolio_id,
                inputs={"pricing_pack": pack.content_hash} | ({"previous_pack": before.content_hash} if before else {}),
            )
            for snapshot, before in taken.items()
        ]  # fmt: skip
    with stage.read() as con:
        held = frame(
            con,
            "select s.name, h.symbol, h.quantity, h.cost_basis from latest_holdings h "
            "join latest_portfolio_snapshots s using (pack_id, portfolio_id) where pack_id = ? order by 1, 2",
            [pack.id],
        )
        problems = [f"{snapshot.name}: {snapshot.problem}" for snapshot in taken if snapshot.problem]
        excluded = pd.DataFrame(
            [(s.name, symbol, why) for s in taken for symbol, why in s.excluded.items()],
            columns=["portfolio", "symbol", "why"],
        )
        check = dg.AssetCheckResult(
            check_name=COMPLETE, passed=not problems, severity=dg.AssetCheckSeverity.ERROR,
            metadata={"problems": bullets(problems), "left_out": preview(excluded, 60)},
        )  # fmt: skip
        return materialized(
            con, "portfolio_snapshots", pack, entries,
            {"portfolios": len(taken), "holdings": preview(held, 60), "problems": "\n".join(problems)},
            check_results=[check],
        )  # fmt: skip
