"""What every stage of portfolios does alike: open the pack with its portfolios, and write one version for each."""

from collections.abc import Mapping, Sequence

import dagster as dg
import pandas as pd

from resources.books.snapshots import Snapshot, read_snapshots
from resources.dagster_resources import Stage
from resources.packs.packs import Pack
from resources.results.stage_outputs import inputs_of
from resources.store.ledger import Entry
from resources.store.transaction import Transaction

Frames = Mapping[str, pd.DataFrame]


class PortfolioConfig(dg.Config):
    """Launch settings: one portfolio only, by UUID or name."""

    portfolio: str | None = None


def opened(stage: Stage, partition_key: str) -> tuple[Pack, list[Snapshot]]:
    """The pack of a partition, and every portfolio as it stands under it."""
    with stage.read() as con:
        pack = stage.pack(con, partition_key)
        return pack, read_snapshots(con, pack)


def record_each(
    tx: Transaction, asset: str, pack: Pack, rows: Mapping[Snapshot, Frames], inputs: Sequence[str]
) -> list[Entry]:
    """One version of the asset for each portfolio, with the versions of its `inputs` that it came from."""
    return [
        tx.record(
            asset, frames, pack_id=pack.id, portfolio_id=snapshot.portfolio_id,
            inputs=inputs_of(tx.con, pack, inputs, snapshot.portfolio_id),
        )
        for snapshot, frames in rows.items()
    ]  # fmt: skip
