"""One write: its rows, and the ledger row over them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from optimizer import DataError
from resources.ledger import ledger, units
from resources.ledger.ledger import Connection, Entry, Stamp
from resources.ledger.tables import NOT_CONTENT, UNITS

if TYPE_CHECKING:  # whoever only reads the warehouse does without both
    import pandas as pd
    import pyarrow as pa

Rows: TypeAlias = "pd.DataFrame | pa.Table"
NOTHING = ledger.sha256(""), 0  # the content hash of no rows, and their number


@dataclass(frozen=True)
class Versions:
    """New versions of one asset under one pack, one for each of many portfolios.

    tables  table -> the rows of all of them, with a column `portfolio_id`
    stated  portfolio -> the tables that its version states; one of them may have no row of it
    shared  what they were all computed from: asset -> content hash
    own     portfolio -> the same, of what is its own
    told    portfolio -> what a reader must hear of it, where there is something
    """

    tables: Mapping[str, Rows]
    stated: Mapping[str, Collection[str]]
    shared: Mapping[str, str]
    own: Mapping[str, Mapping[str, str]]
    told: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Transaction:
    """One open write transaction; everything in it becomes visible together, or not at all."""

    con: Connection
    stamp: Stamp
    # Table -> its columns, as first asked: no table changes while the transaction is open.
    described: dict[str, list[tuple[str, str]]] = field(default_factory=dict, init=False)

    def next_id(self) -> int:
        """The id of the ledger row that the next write will get."""
        return ledger.head(self.con)[0] + 1

    def record(
        self,
        asset: str,
        frames: Mapping[str, Rows],
        *,
        pack_id: str | None = None,
        portfolio_id: str | None = None,
        inputs: Mapping[str, str] | None = None,
    ) -> Entry:
        """Append `frames` (table -> rows) as one version of (asset, pack, portfolio); unchanged content writes nothing.

        Raises DataError when a frame has a column that its table lacks.
        """
        if pack_id is not None and portfolio_id is not None:
            tables = {table: owned(rows, portfolio_id) for table, rows in frames.items()}
            new = Versions(tables, {portfolio_id: tuple(frames)}, {}, {portfolio_id: inputs or {}})
            return self.record_units(asset, pack_id, new)[0]
        entry_id = self.next_id()
        keys = {"pack_id": pack_id, "materialization": entry_id}
        staged = self._staged(frames, keys)
        digests = dict.fromkeys(frames, NOTHING)
        digests |= {table: ledger.content_hash(self.con, name) for table, name in staged.items()}
        for table, (_, count) in digests.items():
            ledger.whole(table, len(frames[table]), count)
        content = ledger.content_of({table: digest for table, (digest, _) in digests.items()})
        rows = sum(count for _, count in digests.values())
        before = ledger.latest(self.con, asset, pack_id)
        if before is None or before.content_hash != content:
            for table, name in staged.items():
                self._move(name, table)
        for name in staged.values():
            self.con.execute(f"drop table temp.{name}")
        if before is not None and before.content_hash == content:
            return before
        return ledger.append_entry(
            self.con, self.stamp, entry_id, asset, content, rows,
            cells=ledger.written_cells(self.con, entry_id, staged),
            given={table: len(frame) for table, frame in frames.items()},
            pack_id=pack_id, inputs=inputs,
        )  # fmt: skip

    def record_units(self, asset: str, pack_id: str, new: Versions) -> list[Entry]:
        """Append the versions whose content differs from their portfolio's latest, under one ledger row.

        The entries are in the order of `new.stated`. Raises DataError when a table has a column that it must not have.
        """
        entry_id = self.next_id()
        keys = {"pack_id": pack_id, "materialization": entry_id}
        staged = self._staged(new.tables, keys)
        contents = self._contents(staged, new)
        found = _entries(entry_id, contents, new.stated)
        before = units.newest_units(self.con, asset, pack_id, new.stated)
        changed = {
            portfolio: entry
            for portfolio, entry in found.items()
            if portfolio not in before or before[portfolio].content_hash != entry.content_hash
        }
        if changed:
            kept, own = "where portfolio_id in (select unnest(?::varchar[]))", [list(changed)]
            for table, name in staged.items():
                self._move(name, table, kept, own)
        for name in staged.values():
            self.con.execute(f"drop table temp.{name}")
        if changed:
            given = {
                table: sum(rows for owner, (_, rows) in contents.get(table, {}).items() if owner in changed)
                for table in new.tables
            }
            self._cover(entry_id, asset, pack_id, changed, given, new)
        return [changed.get(portfolio) or before[portfolio] for portfolio in found]

    def _contents(self, staged: Mapping[str, str], new: Versions) -> dict[str, units.Contents]:
        """Table -> portfolio -> (content hash, rows) of what is staged."""
        found = {}
        for table, name in staged.items():
            text = ledger.row_text(self._columns(table), NOT_CONTENT)
            found[table] = units.contents_by_unit(self.con, name, text)
            if stray := sorted(owner for owner in found[table] if table not in new.stated.get(owner, ())):
                raise DataError(f"{table} has rows of {stray[:5]}, which do not state it")
            ledger.whole(table, len(new.tables[table]), sum(rows for _, rows in found[table].values()))
        return found

    def _cover(
        self, entry_id: int, asset: str, pack_id: str, changed: Mapping[str, Entry], given: Mapping[str, int],
        new: Versions,
    ) -> None:  # fmt: skip
        """Keep a row for each changed unit, and chain the ledger row over them."""
        import pyarrow as pa

        cells: dict[str, dict[str, list[str]]] = {portfolio: {} for portfolio in changed}
        for table in sorted(table for table, rows in given.items() if rows):
            text = ledger.row_text(self._columns(table))
            for portfolio, digest, kept in units.cells_by_unit(self.con, table, text, entry_id):
                cells[portfolio][table] = [digest, kept]
        table = pa.table({
            "portfolio_id": list(changed),
            "input_hashes": [json.dumps(dict(new.own.get(p, {})), sort_keys=True) for p in changed],
            "content_hash": [entry.content_hash for entry in changed.values()],
            "rows": [entry.rows for entry in changed.values()],
            "cells": [json.dumps(cells[p]) for p in changed],
            "told": pa.array([json.dumps(new.told[p]) if p in new.told else None for p in changed], pa.string()),
        })  # fmt: skip
        keys = {"asset": asset, "pack_id": pack_id, "materialization": entry_id}
        name = self._stage(UNITS, table, keys)
        self._move(name, UNITS)
        self.con.execute(f"drop table temp.{name}")
        ((_, root, kept),) = units.unit_cells(self.con, f"materialization = {entry_id}")
        content = ledger.content_of({p: entry.content_hash for p, entry in changed.items()})
        ledger.append_entry(
            self.con, self.stamp, entry_id, asset, content, sum(entry.rows for entry in changed.values()),
            cells={UNITS: [root, kept]}, given={**given, UNITS: len(changed)}, pack_id=pack_id, inputs=new.shared,
        )  # fmt: skip

    def _columns(self, table: str) -> list[tuple[str, str]]:
        """(name, type) of each column of a table, and of what is staged for it."""
        if table not in self.described:
            self.described[table] = ledger.columns(self.con, table)
        return self.described[table]

    def _staged(self, tables: Mapping[str, Rows], keys: Mapping[str, object]) -> dict[str, str]:
        """Table -> the name of what is staged for it, of those that get rows."""
        for table, rows in sorted(tables.items()):
            types = dict(self._columns(table))
            if unknown := sorted(set(column_names(rows)) - set(types)):
                raise DataError(f"{table} has no columns {unknown}; it has {sorted(types)}")
        return {table: self._stage(table, rows, keys) for table, rows in sorted(tables.items()) if len(rows)}

    def _stage(self, table: str, frame: Rows, keys: Mapping[str, object]) -> str:
        """A temporary table with the types of `table`, the rows of `frame`, and its keys filled in."""
        name = f"staged_{table}"
        types = dict(self._columns(table))
        names = column_names(frame)
        # DuckDB 2.0 loses more than 122,880 rows that two threads insert into a table made by `create ... as`.
        described = ", ".join(f'"{column}" {kind}' for column, kind in types.items())
        self.con.execute(f"create or replace temp table {name} ({described})")
        constants = {key: value for key, value in keys.items() if key in types and key not in names}
        selected = ", ".join([*(f'"{column}"' for column in names), *(f"? as {key}" for key in constants)])
        self.con.register("incoming", _forwards(frame))
        self.con.execute(
            f"insert into {name} by name select {selected} from incoming", list(constants.values())
        )
        self.con.unregister("incoming")
        return name

    def _move(self, name: str, table: str, where: str = "", values: Sequence[object] = ()) -> None:
        """Inserts the wanted staged rows into their table."""
        self.con.execute(f"insert into {table} by name select * from {name} {where}", list(values))


def _entries(
    entry_id: int, contents: Mapping[str, units.Contents], stated: Mapping[str, Collection[str]]
) -> dict[str, Entry]:
    """Portfolio -> the entry that its staged rows would be."""
    entries = {}
    for portfolio, tables in stated.items():
        found = {table: contents.get(table, {}).get(portfolio, NOTHING) for table in tables}
        content = ledger.content_of({table: digest for table, (digest, _) in found.items()})
        rows = sum(count for _, count in found.values())
        entries[portfolio] = Entry(entry_id, content, rows, changed=True)
    return entries


def column_names(rows: Rows) -> list[str]:
    """The names of the columns, in their order."""
    import pandas as pd

    return list(rows.columns if isinstance(rows, pd.DataFrame) else rows.column_names)


def _forwards(rows: Rows) -> Rows:
    """The rows; DuckDB cannot read a view that runs backwards, and a copy runs forwards."""
    import pandas as pd

    return rows.copy() if isinstance(rows, pd.DataFrame) else rows


def owned(rows: Rows, portfolio_id: str) -> Rows:
    """Rows with the column of their portfolio."""
    import pandas as pd
    import pyarrow as pa

    if isinstance(rows, pd.DataFrame):
        return rows.assign(portfolio_id=portfolio_id)
    return rows.append_column("portfolio_id", pa.array([portfolio_id] * rows.num_rows, pa.string()))
