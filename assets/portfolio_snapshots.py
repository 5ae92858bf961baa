"""Stage 3: each portfolio as the pack found it, so that no later stage reads a desk's file."""

from collections.abc import Mapping, Sequence

import dagster as dg
import pandas as pd

from assets.pricing_pack import pricing_pack
from assets.shared.check_words import found as sentence
from assets.shared.materialized import bullets, materialized, preview
from assets.shared.partitions import OWNERS, PACKS
from assets.shared.portfolio_rows import PortfolioConfig, record_each
from resources.accounts.known import Account, accounts_of, find_account
from resources.books.day_before import DayBefore, day_before, skipped_before
from resources.books.snapshots import Snapshot
from resources.books.take_snapshots import take_snapshots
from resources.dagster_resources import DeskResource, WarehouseResource
from resources.ledger.ledger import Connection, Entry, head
from resources.packs.packs import Pack
from resources.results.stage_inputs import Inputs
from resources.store.transaction import Transaction
from resources.store.warehouse import frame

COMPLETE = "complete"
IN_ORDER = "paper_days_in_order"


def days_before(con: Connection, pack: Pack, accounts: Sequence[Account]) -> dict[str, DayBefore | None]:
    """Id -> the day before that a paper book's rests on."""
    return {one.id: day_before(con, pack, one) for one in accounts if one.mode == "paper"}


def _record(
    tx: Transaction, pack: Pack, taken: Sequence[Snapshot], before: Mapping[str, DayBefore | None]
) -> list[Entry]:
    """One version each; a paper book's names what it rests on."""
    rested = [one for one in taken if (day := before.get(one.portfolio_id)) is not None and day.rests_on]
    shared = Inputs((), {"pricing_pack": pack.content_hash}, {})
    resting = {one.portfolio_id for one in rested}
    alone = {one: one.frames() for one in taken if one.portfolio_id not in resting}
    entries = record_each(tx, "portfolio_snapshots", pack, alone, shared)
    for one in rested:
        day = before[one.portfolio_id]
        if day is not None:
            inputs = {**shared.shared, "previous_pack": day.pack.content_hash, "previous_state": day.state}
            entries.append(
                tx.record(
                    "portfolio_snapshots", one.frames(), pack_id=pack.id, portfolio_id=one.portfolio_id,
                    inputs=inputs,
                )
            )  # fmt: skip
    return entries


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
        accounts = accounts_of(con, pack, stage.desk.portfolios)
        if config.portfolio:
            accounts = [find_account(accounts, config.portfolio)]
        seen, before = head(con), days_before(con, pack, accounts)
        taken = take_snapshots(con, pack, accounts, before)
    with stage.write() as tx:
        now = before if head(tx.con) == seen else days_before(tx.con, pack, accounts)
        if now != before:  # another run came between
            before, taken = now, take_snapshots(tx.con, pack, accounts, now)
        entries = _record(tx, pack, taken, before)
        skipped = skipped_before(tx.con, pack)
    with stage.read() as con:
        held = frame(
            con,
            "select s.name, h.symbol, h.quantity, h.cost_basis from latest_holdings h "
            "join latest_portfolio_snapshots s using (pack_id, portfolio_id) where pack_id = ? order by 1, 2",
            [pack.id],
        )
        order = dg.AssetCheckResult(
            check_name=IN_ORDER, passed=not skipped, severity=dg.AssetCheckSeverity.ERROR,
            metadata={late.portfolio: str(late) for late in skipped},
            description=sentence([str(late) for late in skipped], "Every day rests on its day before.", "out of order"),
        )  # fmt: skip
        return materialized(
            con, "portfolio_snapshots", pack, entries,
            {"portfolios": len(taken), "holdings": preview(held, 60), "problems": "\n".join(_problems(taken))},
            check_results=[_complete(taken), order],
        )  # fmt: skip


def _problems(taken: Sequence[Snapshot]) -> list[str]:
    return [f"{snapshot.name}: {snapshot.problem}" for snapshot in taken if snapshot.problem]


def _complete(taken: Sequence[Snapshot]) -> dg.AssetCheckResult:
    problems = _problems(taken)
    excluded = pd.DataFrame(
        [(one.name, symbol, why) for one in taken for symbol, why in one.excluded.items()],
        columns=["portfolio", "symbol", "why"],
    )
    return dg.AssetCheckResult(
        check_name=COMPLETE,
        passed=not problems,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"problems": bullets(problems), "left_out": preview(excluded, 60)},
        description=sentence(problems, f"All portfolios are complete ({len(taken)}).", "not complete"),
    )
