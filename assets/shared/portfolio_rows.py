"""What every stage of portfolios does alike: open the pack with its portfolios, and write one version for each."""

from collections.abc import Mapping, Sequence

import dagster as dg
import pandas as pd

from optimizer import DataError
from resources.books.snapshots import Snapshot, read_snapshots
from resources.dagster_resources import Stage
from resources.ledger.ledger import Entry
from resources.packs.packs import Pack
from resources.results.stage_inputs import Inputs, read_inputs
from resources.store.transaction import Transaction

Frames = Mapping[str, pd.DataFrame]


class PortfolioConfig(dg.Config):
    """Launch settings: one portfolio only, by UUID or name."""

    portfolio: str | None = None


def opened(stage: Stage, partition_key: str, inputs: Sequence[str]) -> tuple[Pack, list[Snapshot], Inputs]:
    """The pack of a partition, every portfolio as it stands under it, and the versions of the assets `inputs`."""
    with stage.read() as con:
        pack = stage.pack(con, partition_key)
        return pack, read_snapshots(con, pack), read_inputs(con, pack, inputs)


def record_each(
    tx: Transaction, asset: str, pack: Pack, rows: Mapping[Snapshot, Frames], seen: Inputs
) -> list[Entry]:
    """One version of the asset for each portfolio, with the versions of its inputs that it came from.

    Raises DataError where another run wrote newer inputs after they were `seen`: nothing computed from the older ones
    may take their place.
    """
    now = read_inputs(tx.con, pack, seen.assets)
    if late := [
        snapshot.name for snapshot in rows if now.of(snapshot.portfolio_id) != seen.of(snapshot.portfolio_id)
    ]:
        raise DataError(
            f"another run changed what {asset} of {', '.join(late[:5])} is computed from, while it was computed: "
            f"nothing of it was written; run it again"
        )
    return [
        tx.record(
            asset, frames, pack_id=pack.id, portfolio_id=snapshot.portfolio_id, inputs=seen.of(snapshot.portfolio_id)
        )
        for snapshot, frames in rows.items()
    ]  # fmt: skip
