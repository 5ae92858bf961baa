"""Stage 3: each portfolio as the pack found it, so that no later stage reads a desk's file."""

import dagster as dg
import pandas as pd

from assets.pricing_pack import pricing_pack
from assets.shared.check_words import found as sentence
from assets.shared.materialized import bullets, materialized, preview
from assets.shared.partitions import OWNERS, PACKS
from assets.shared.portfolio_rows import PortfolioConfig
from resources.books.day_before import DayBefore, day_before, out_of_date
from resources.books.snapshots import Snapshot, take_snapshot
from resources.dagster_resources import DeskResource, WarehouseResource
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.settings.portfolios import PortfolioFile
from resources.store.warehouse import frame

COMPLETE = "complete"
IN_ORDER = "paper_days_in_order"


def taken_from(con: Connection, pack: Pack, file: PortfolioFile) -> tuple[DayBefore | None, Snapshot]:
    """A portfolio under a pack, and the day before that a paper book's rests on."""
    before = day_before(con, pack, file) if file.mode == "paper" else None
    return before, take_snapshot(con, pack, before, file)


@dg.asset(
    partitions_def=PACKS, deps=[pricing_pack], group_name="packs", kinds={"python", "duckdb"}, owners=OWNERS,
    code_version="3",
    check_specs=[
        dg.AssetCheckSpec(
            COMPLETE, asset="portfolio_snapshots", description="Every holding has a price, every currency its rates."
        ),
        dg.AssetCheckSpec(
            IN_ORDER, asset="portfolio_snapshots",
            description="No later day of a paper book was computed before this one.",
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
        seen = {file.name: taken_from(con, pack, file) for file in files}
    with stage.write() as tx:
        entries, taken = [], []
        for file in files:
            before, snapshot = seen[file.name]
            if file.mode == "paper" and before != day_before(tx.con, pack, file):  # another run came between
                before, snapshot = taken_from(tx.con, pack, file)
            inputs = {"pricing_pack": pack.content_hash}
            if before and before.rests_on:
                inputs |= {"previous_pack": before.pack.content_hash, "previous_state": before.state}
            taken.append(snapshot)
            entries.append(
                tx.record(
                    "portfolio_snapshots", snapshot.frames(), pack_id=pack.id, portfolio_id=snapshot.portfolio_id,
                    inputs=inputs,
                )
            )  # fmt: skip
        skipped = [late for late in out_of_date(tx.con) if late.skipped and late.before == pack.id]
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
            description=sentence(problems, f"All {len(taken)} portfolios are complete.", "are not complete"),
        )  # fmt: skip
        order = dg.AssetCheckResult(
            check_name=IN_ORDER, passed=not skipped, severity=dg.AssetCheckSeverity.ERROR,
            metadata={late.portfolio: str(late) for late in skipped},
            description=sentence([str(late) for late in skipped], "Every day rests on its day before.", "out of order"),
        )  # fmt: skip
        return materialized(
            con, "portfolio_snapshots", pack, entries,
            {"portfolios": len(taken), "holdings": preview(held, 60), "problems": "\n".join(problems)},
            check_results=[check, order],
        )  # fmt: skip
