"""One write: its rows, and the ledger row over them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from optimizer import DataError
from resources.ledger import ledger, units
from resources.ledger.ledger import Connection, Entry, Stamp
from resources.ledger.tables import UNITS

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
        digests |= {
            table: ledger.content_hash(self.con, rows, self._columns(table)) for table, rows in staged.items()
        }
        for table, (_, count) in digests.items():
            ledger.whole(table, len(frames[table]), count)
        content = ledger.content_of({table: digest for table, (digest, _) in digests.items()})
        rows = sum(count for _, count in digests.values())
        before = ledger.latest(self.con, asset, pack_id)
        if before is None or before.content_hash != content:
            for table, given in staged.items():
                self._move(given, table)
        for table in staged:
            self._drop(table)
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
        hashed = {table: self._hashed(table, rows, new) for table, rows in staged.items()}
        found = _entries(entry_id, hashed, new.stated)
        before = units.newest_units(self.con, asset, pack_id, new.stated)
        changed = {
            portfolio: entry
            for portfolio, entry in found.items()
            if portfolio not in before or before[portfolio].content_hash != entry.content_hash
        }
        marks = {}
        if changed:
            kept, own = "where portfolio_id in (select unnest(?::varchar[]))", [list(changed)]
            for table, rows in staged.items():
                marks[table] = self._mark(table, f"{rows} {kept}", own)
                self._move(rows, table, kept, own)
        for table in staged:
            self._drop(table)
        if changed:
            self._cover(entry_id, asset, pack_id, changed, hashed, new)
            self._refuse_others(entry_id, marks)
        return [changed.get(portfolio) or before[portfolio] for portfolio in found]

    def _hashed(self, table: str, rows: str, new: Versions) -> dict[str, units.Hashed]:
        """What is staged of each portfolio."""
        found = units.hashed_units(self.con, rows, self._columns(table))
        if stray := sorted(owner for owner in found if table not in new.stated.get(owner, ())):
            raise DataError(f"{table} has rows of {stray[:5]}, which do not state it")
        ledger.whole(table, len(new.tables[table]), sum(its.rows for its in found.values()))
        return found

    def _mark(self, table: str, source: str, values: Sequence[object]) -> int:
        """A quick hash over all cells of the rows of a source in the form of `table`."""
        cells = ", ".join(f'"{column}"' for column, _ in self._columns(table))
        ((mark,),) = self.con.execute(f"select sum(hash({cells})) from {source}", list(values)).fetchall()
        return int(mark or 0)

    def _refuse_others(self, entry_id: int, marks: Mapping[str, int]) -> None:
        """Raises DataError where other rows, or more or fewer, lie under a ledger row than were hashed and moved."""
        for table, mark in marks.items():
            if self._mark(table, f"{table} where materialization = ?", [entry_id]) != mark:
                raise DataError(
                    f"{table} has other rows than it was given, so nothing was written: look for a trigger, or report "
                    "it with DuckDB's version"
                )

    def _cover(
        self, entry_id: int, asset: str, pack_id: str, changed: Mapping[str, Entry],
        hashed: Mapping[str, Mapping[str, units.Hashed]], new: Versions,
    ) -> None:  # fmt: skip
        """Keep a row for each changed unit, and chain the ledger row over them."""
        import pyarrow as pa

        cells = [
            {table: [found[p].cells, found[p].kept] for table, found in hashed.items() if p in found}
            for p in changed
        ]
        given = {
            table: sum(its.rows for owner, its in hashed.get(table, {}).items() if owner in changed)
            for table in new.tables
        }
        table = pa.table({
            "portfolio_id": list(changed),
            "input_hashes": [json.dumps(dict(new.own.get(p, {})), sort_keys=True) for p in changed],
            "content_hash": [entry.content_hash for entry in changed.values()],
            "rows": [entry.rows for entry in changed.values()],
            "cells": [json.dumps(each) for each in cells],
            "told": pa.array([json.dumps(new.told[p]) if p in new.told else None for p in changed], pa.string()),
        })  # fmt: skip
        keys = {"asset": asset, "pack_id": pack_id, "materialization": entry_id}
        self._move(self._stage(UNITS, table, keys), UNITS)
        self._drop(UNITS)
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
        """Table -> what is staged for it, of those that get rows."""
        for table, rows in sorted(tables.items()):
            types = dict(self._columns(table))
            if unknown := sorted(set(column_names(rows)) - set(types)):
                raise DataError(f"{table} has no columns {unknown}; it has {sorted(types)}")
        return {table: self._stage(table, rows, keys) for table, rows in sorted(tables.items()) if len(rows)}

    def _stage(self, table: str, frame: Rows, keys: Mapping[str, object]) -> str:
        """SQL for the rows of `frame` with the columns and types of `table`, its keys filled in.

        To keep them in a temporary table first costs as much as to move them, and their memory once more.
        """
        types, names = dict(self._columns(table)), column_names(frame)
        known = {key: _literal(value) for key, value in keys.items()} | {it: f'"{it}"' for it in names}
        cells = ", ".join(
            f'{known.get(column, "null")}::{kind} as "{column}"' for column, kind in types.items()
        )
        self.con.register(f"incoming_{table}", _forwards(frame))
        return f"(select {cells} from incoming_{table})"

    def _drop(self, table: str) -> None:
        """Lets go of what was staged for a table."""
        self.con.unregister(f"incoming_{table}")

    def _move(self, rows: str, table: str, where: str = "", values: Sequence[object] = ()) -> None:
        """Inserts the wanted staged rows into their table."""
        self.con.execute(f"insert into {table} by name from {rows} {where}", list(values))


def _entries(
    entry_id: int, hashed: Mapping[str, Mapping[str, units.Hashed]], stated: Mapping[str, Collection[str]]
) -> dict[str, Entry]:
    """Portfolio -> the entry that its staged rows would be."""
    nothing = units.Hashed(*NOTHING, "", "")
    entries = {}
    for portfolio, tables in stated.items():
        found = {table: hashed.get(table, {}).get(portfolio, nothing) for table in tables}
        content = ledger.content_of({table: its.content for table, its in found.items()})
        rows = sum(its.rows for its in found.values())
        entries[portfolio] = Entry(entry_id, content, rows, changed=True)
    return entries


def _literal(value: object) -> str:
    """A key as SQL."""
    if isinstance(value, str):
        return "'{}'".format(value.replace("'", "''"))
    return "null" if value is None else str(value)


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
