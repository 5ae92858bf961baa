"""What every stage of portfolios does alike: open the pack with its portfolios, and write one version for each."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from optimizer import DataError
from resources.books.snapshots import Snapshot, read_snapshots
from resources.dagster_resources import Stage
from resources.ledger.ledger import Entry
from resources.packs.packs import Pack
from resources.results.stage_inputs import Inputs, read_inputs
from resources.store.transaction import Transaction

Frames = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Batch:
    """What a stage says of many portfolios.

    tables  table -> the rows of all of them, with a column `portfolio_id`: Arrow, or a data frame
    stated  portfolio -> the tables that its version states, with rows or without; in the order of the answers
    """

    tables: Mapping[str, pa.Table]
    stated: Mapping[str, Collection[str]]


class PortfolioConfig(dg.Config):
    """Launch settings: one portfolio only, by UUID or name."""

    portfolio: str | None = None


def opened(stage: Stage, partition_key: str, inputs: Sequence[str]) -> tuple[Pack, list[Snapshot], Inputs]:
    """The pack of a partition, every portfolio as it stands under it, and the versions of the assets `inputs`."""
    with stage.read() as con:
        pack = stage.pack(con, partition_key)
        return pack, read_snapshots(con, pack), read_inputs(con, pack, inputs)


def record_each(
    tx: Transaction, asset: str, pack: Pack, rows: Mapping[Snapshot, Frames] | Batch, seen: Inputs
) -> list[Entry]:
    """One version of the asset for each portfolio, with the versions of its inputs that it came from.

    Raises DataError where another run wrote newer inputs after they were `seen`: nothing computed from the older ones
    may take their place.
    """
    now = read_inputs(tx.con, pack, seen.assets)
    named = (
        {portfolio: portfolio for portfolio in rows.stated}
        if isinstance(rows, Batch)
        else {snapshot.portfolio_id: snapshot.name for snapshot in rows}
    )
    if late := [name for portfolio, name in named.items() if now.of(portfolio) != seen.of(portfolio)]:
        raise DataError(
            f"another run changed what {asset} of {', '.join(late[:5])} is computed from, while it was computed: "
            f"nothing of it was written; run it again"
        )
    each = (
        {portfolio: _of(rows, portfolio) for portfolio in named}
        if isinstance(rows, Batch)
        else {snapshot.portfolio_id: frames for snapshot, frames in rows.items()}
    )
    return [
        tx.record(asset, frames, pack_id=pack.id, portfolio_id=name, inputs=seen.of(name))
        for name, frames in each.items()
    ]


def _of(batch: Batch, name: str) -> dict[str, pa.Table]:
    nothing = pa.table({"portfolio_id": pa.array([], pa.string())})
    return {
        table: rows.filter(pc.equal(rows["portfolio_id"], name))
        for table in batch.stated[name]
        for rows in [batch.tables.get(table, nothing)]
    }
