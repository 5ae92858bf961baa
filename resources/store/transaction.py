"""One write: its rows, and the ledger row over them."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from optimizer import DataError
from resources.ledger import ledger
from resources.ledger.ledger import Connection, Entry, Stamp


@dataclass(frozen=True)
class Transaction:
    """One open write transaction; everything in it becomes visible together, or not at all."""

    con: Connection
    stamp: Stamp

    def next_id(self) -> int:
        """The id of the ledger row that the next write will get."""
        return ledger.head(self.con)[0] + 1

    def record(
        self,
        asset: str,
        frames: Mapping[str, pd.DataFrame | pa.Table],
        *,
        pack_id: str | None = None,
        portfolio_id: str | None = None,
        inputs: Mapping[str, str] | None = None,
    ) -> Entry:
        """Append `frames` (table -> rows) as one version of (asset, pack, portfolio); unchanged content writes nothing.

        Raises DataError when a frame has a column that its table lacks.
        """
        entry_id = self.next_id()
        keys = {"pack_id": pack_id, "portfolio_id": portfolio_id, "materialization": entry_id}
        staged = {table: self._stage(table, frame, keys) for table, frame in sorted(frames.items())}
        digests = {table: ledger.content_hash(self.con, name) for table, name in staged.items()}
        content = ledger.content_of({table: digest for table, (digest, _) in digests.items()})
        rows = sum(count for _, count in digests.values())
        before = ledger.latest(self.con, asset, pack_id, portfolio_id)
        if before is None or before.content_hash != content:
            for table, name in staged.items():
                self.con.execute(f"insert into {table} by name select * from {name}")
        for name in staged.values():
            self.con.execute(f"drop table temp.{name}")
        if before is not None and before.content_hash == content:
            return before
        return ledger.append_entry(
            self.con, self.stamp, entry_id, asset, content, rows,
            tables=frames, pack_id=pack_id, portfolio_id=portfolio_id, inputs=inputs,
        )  # fmt: skip

    def _stage(self, table: str, frame: pd.DataFrame | pa.Table, keys: Mapping[str, object]) -> str:
        """A temporary table with the types of `table`, the rows of `frame`, and its keys filled in."""
        name = f"staged_{table}"
        types = dict(ledger.columns(self.con, table))
        names = list(frame.columns if isinstance(frame, pd.DataFrame) else frame.column_names)
        if unknown := sorted(set(names) - set(types)):
            raise DataError(f"{table} has no columns {unknown}; it has {sorted(types)}")
        self.con.execute(f"create or replace temp table {name} as select * from {table} limit 0")
        constants = {key: value for key, value in keys.items() if key in types and key not in names}
        # DuckDB cannot read a view that runs backwards; a copy runs forwards
        self.con.register("incoming", frame.copy() if isinstance(frame, pd.DataFrame) else frame)
        selected = ", ".join([*(f'"{column}"' for column in names), *(f"? as {key}" for key in constants)])
        self.con.execute(
            f"insert into {name} by name select {selected} from incoming", list(constants.values())
        )
        self.con.unregister("incoming")
        return name
