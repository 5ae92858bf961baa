"""The hash-chained record of every write: canonical hashes of rows, ledger rows, and the anchor outside the file."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from optimizer import DataError
from resources.ledger.tables import LOGS, NOT_CONTENT, ledger_column

GENESIS = "0" * 64
Connection = duckdb.DuckDBPyConnection


@dataclass(frozen=True)
class Stamp:
    """Who writes, when, with which code and configuration."""

    run_id: str
    at: datetime
    code_version: str
    config_hash: str


@dataclass(frozen=True)
class Entry:
    """A ledger row: one version of (asset, pack, portfolio), chained to the row before it."""

    id: int
    content_hash: str
    rows: int
    changed: bool


def sha256(text: str) -> str:
    """Hex SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def bytes_sha256(raw: bytes) -> str:
    """Hex SHA-256 of bytes."""
    return hashlib.sha256(raw).hexdigest()


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# Literals: to bind and fold chr(31) at every cell takes a sixth of reading the cells of a small warehouse.
BETWEEN, TWICE = "'\x1f'", "'\x1f\x1f'"


def columns(con: Connection, table: str) -> list[tuple[str, str]]:
    """(name, type) of each column of `table`, by name."""
    found = con.table(table)  # in a third of the time of a query for them
    return sorted(zip(found.columns, map(str, found.types), strict=True))


def row_text(described: list[tuple[str, str]], leave_out: frozenset[str] = frozenset()) -> str:
    """SQL for the canonical text of a row: `name=value` of every cell that is not NULL, in order of name.

    A column added later is NULL in old rows and so leaves their text unchanged.
    """
    parts = []
    for name, kind in described:
        if name in leave_out:
            continue
        cell = f'"{name}"::varchar'
        if kind == "VARCHAR":  # the separator may not be forged from inside a text
            cell = f'replace("{name}", {BETWEEN}, {TWICE})'
        parts.append(f"'{name}=' || {cell}")
    return f"concat_ws({BETWEEN}, {', '.join(parts)})"


def in_order(column: str) -> str:
    """SQL for the texts of a group under each other, ascending: sorted as a list, in half the time of `string_agg`."""
    return joined(f"list_sort(list({column}))")


def joined(texts: str) -> str:
    """SQL for the texts of a list under each other.

    `array_to_string` is a macro that names its list three times: to plan it takes longer than to join few rows.
    """
    return f"list_aggregate({texts}, 'string_agg', '')"


def content_hash(con: Connection, rows: str, described: list[tuple[str, str]]) -> tuple[str, int]:
    """SHA-256 over the content of rows, a table or SQL in brackets, whatever their order, and their number.

    Ids, run, times and the vendor's adjustment are left out, so that equal content has equal hashes.
    """
    text = row_text(described, NOT_CONTENT)
    found = con.execute(
        f"select coalesce({in_order('h')}, ''), count(*) from (select sha256({text}) as h from {rows})"
    ).fetchall()[0]
    return sha256(str(found[0])), int(found[1])


def content_of(digests: Mapping[str, str]) -> str:
    """The content hash of one version: over those of its tables."""
    return sha256("\n".join(f"{table}:{digest}" for table, digest in sorted(digests.items())))


def head(con: Connection) -> tuple[int, str]:
    """(number of ledger rows, hash of the newest one)."""
    found = con.execute("select max(id), arg_max(this_hash, id) from materializations").fetchall()[0]
    return (0, GENESIS) if found[0] is None else (int(found[0]), str(found[1]))


def hash_at(con: Connection, row: int) -> str | None:
    """The hash of one ledger row; None where there is none."""
    found = con.execute("select this_hash from materializations where id = ?", [row]).fetchall()
    return str(found[0][0]) if found else None


def latest(con: Connection, asset: str, pack_id: str | None) -> Entry | None:
    """The newest ledger row of an asset under a pack, of no single portfolio."""
    found = con.execute(
        "select id, content_hash, rows from materializations where asset = ? and pack_id is not distinct from ? "
        "and portfolio_id is null order by id desc limit 1",
        [asset, pack_id],
    ).fetchall()
    return Entry(int(found[0][0]), str(found[0][1]), int(found[0][2]), changed=False) if found else None


# Leaves have a check of their own, which names the date.
UNSPECIFIED = frozenset({"log_leaves"})


def cells_sql(table: str) -> str:
    """SQL for the cells of a ledger row in `table`, as two columns over the hashes `h` of the rows that it wrote.

    The first is a SHA-256 over every cell of them. The second is the first 8 hex digits of each row's own hash,
    ascending: enough to tell which row was touched.
    """
    kept = "''" if table in UNSPECIFIED else joined("[h[1:8] for h in list_sort(list(h))]")
    return f"sha256({in_order('h')}), {kept}"


def written_cells(con: Connection, entry_id: int, tables: Iterable[str]) -> dict[str, list[str]]:
    """Table -> [hash, rows] of everything the ledger row `entry_id` wrote; tables without rows are left out.

    The rows of the logs are covered through `log_leaves`, which hash them date by date.
    """
    cells: dict[str, list[str]] = {}
    for table in sorted(set(tables) - set(LOGS)):
        found = con.execute(
            f"select {cells_sql(table)} from (select sha256({row_text(columns(con, table))}) as h from {table} "
            f"where {ledger_column(table)} = ?) having count(*) > 0",
            [entry_id],
        ).fetchall()
        for digest, rows in found:
            cells[table] = [str(digest), str(rows)]
    return cells


LEDGER_FIELDS = (
    "id", "asset", "pack_id", "portfolio_id", "run_id", "at", "code_version", "config_hash", "input_hashes",
    "content_hash", "rows", "cells", "previous_hash",
)  # fmt: skip


def chain_hash(fields: Mapping[str, object]) -> str:
    """The hash of a ledger row: of its own fields, which cover the row before it and every cell it wrote."""
    return sha256(chain_text(fields))


def chain_text(fields: Mapping[str, object]) -> str:
    """The text of a ledger row that is hashed."""
    return json.dumps([fields[name] if name != "at" else str(fields[name]) for name in LEDGER_FIELDS])


def refuse_loss(con: Connection, entry_id: int, given: Mapping[str, int]) -> None:
    """Raises DataError unless each table holds as many rows of the ledger row `entry_id` as it was given.

    What lies there is read: a statement of DuckDB 2.0 can report rows that no later one finds.
    """
    counts = [
        f"select '{table}', count(*) from {table} where {ledger_column(table)} = {entry_id}"
        for table in sorted(given)
    ]
    for table, written in con.execute(" union all ".join(counts)).fetchall() if counts else ():
        whole(str(table), given[table], int(written))


def whole(table: str, given: int, written: int) -> None:
    """Raises DataError where not every row arrived; the transaction ends without any."""
    if given != written:
        raise DataError(
            f"{table}: {written:,} of {given:,} rows arrived, so nothing was written; report it with DuckDB's version"
        )


def append_entry(
    con: Connection,
    stamp: Stamp,
    entry_id: int,
    asset: str,
    content_hash: str,
    rows: int,
    *,
    cells: Mapping[str, Sequence[str]],
    given: Mapping[str, int],
    pack_id: str | None = None,
    inputs: Mapping[str, str] | None = None,
) -> Entry:
    """Chain the ledger row `entry_id` over what this transaction inserted under that id, which `cells` covers.

    given  table -> rows that were to be inserted. Raises DataError where another number lies there.
    """
    refuse_loss(con, entry_id, given)
    _, previous = head(con)
    fields: dict[str, object] = {
        "id": entry_id, "asset": asset, "pack_id": pack_id, "portfolio_id": None, "run_id": stamp.run_id,
        "at": stamp.at, "code_version": stamp.code_version, "config_hash": stamp.config_hash,
        "input_hashes": json.dumps(dict(inputs or {}), sort_keys=True), "content_hash": content_hash, "rows": rows,
        "cells": json.dumps(cells), "previous_hash": previous,
    }  # fmt: skip
    fields["this_hash"] = chain_hash(fields)
    names = ", ".join(f'"{name}"' for name in fields)
    marks = ", ".join("?" for _ in fields)
    con.execute(f"insert into materializations ({names}) values ({marks})", list(fields.values()))
    return Entry(entry_id, content_hash, rows, changed=True)
