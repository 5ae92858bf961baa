"""What every stage of portfolios does alike: open the pack with its portfolios, and write one version for each."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg
import pandas as pd
import pyarrow as pa

from optimizer import DataError
from resources.books.snapshots import Snapshot, kept_snapshots
from resources.dagster_resources import Stage
from resources.ledger.ledger import Connection, Entry
from resources.packs.packs import Pack
from resources.results.stage_inputs import Inputs, read_inputs
from resources.store.transaction import Rows, Transaction, Versions, owned

Frames = Mapping[str, Rows]


@dataclass(frozen=True)
class Batch:
    """What a stage says of many portfolios.

    tables  table -> the rows of all of them, with a column `portfolio_id`: Arrow, or a data frame
    stated  portfolio -> the tables that its version states, with rows or without; in the order of the answers
    told    portfolio -> what a reader must hear of it, where there is something
    """

    tables: Mapping[str, Rows]
    stated: Mapping[str, Collection[str]]
    told: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Mapping[Snapshot, Frames]) -> "Batch":
        """From the tables of each portfolio, which have no column `portfolio_id`."""
        parts: dict[str, list[Rows]] = {}
        for snapshot, frames in rows.items():
            for table, found in frames.items():
                parts.setdefault(table, []).append(owned(found, snapshot.portfolio_id))
        tables = {table: _joined(found) for table, found in parts.items()}
        return cls(tables, {snapshot.portfolio_id: tuple(frames) for snapshot, frames in rows.items()})


def _joined(parts: Sequence[Rows]) -> Rows:
    """One table of several, Arrow where one of them is."""
    frames = [part for part in parts if isinstance(part, pd.DataFrame)]
    if len(frames) == len(parts):
        return pd.concat(frames)
    arrow = [
        pa.Table.from_pandas(part, preserve_index=False) if isinstance(part, pd.DataFrame) else part
        for part in parts
    ]
    return pa.concat_tables(arrow, promote_options="permissive")


class PortfolioConfig(dg.Config):
    """Launch settings: one portfolio only, by UUID or name."""

    portfolio: str | None = None


def opened(
    con: Connection, stage: Stage, partition_key: str, inputs: Sequence[str]
) -> tuple[Pack, list[Snapshot], Inputs]:
    """The pack of a partition, every portfolio as it stands under it, and the versions of the assets `inputs`."""
    pack = stage.pack(con, partition_key)
    return pack, kept_snapshots(con, pack), read_inputs(con, pack, inputs)


def record_each(
    tx: Transaction, asset: str, pack: Pack, rows: Mapping[Snapshot, Frames] | Batch, seen: Inputs
) -> list[Entry]:
    """One version of the asset for each portfolio, with the versions of its inputs that it came from.

    rows  the tables of each portfolio; or, for thousands of them, one table for all in a `Batch`: the same is written
    One insert a table, and one ledger row for all portfolios whose content is not that of their latest version; none
    where nothing changed. Raises DataError where another run wrote newer inputs after they were `seen`: nothing
    computed from the older ones may take their place.
    """
    batch = rows if isinstance(rows, Batch) else Batch.of(rows)
    now = read_inputs(tx.con, pack, seen.assets, [*batch.stated])
    names = {} if isinstance(rows, Batch) else {snapshot.portfolio_id: snapshot.name for snapshot in rows}
    if late := [names.get(owner, owner) for owner in batch.stated if now.of(owner) != seen.of(owner)]:
        raise DataError(
            f"another run changed what {asset} of {', '.join(late[:5])} is computed from, while it was computed: "
            f"nothing of it was written; run it again"
        )
    if not batch.stated:
        return []
    new = Versions(batch.tables, batch.stated, seen.shared, seen.own, batch.told)
    return tx.record_units(asset, pack.id, new)
