"""Units: the versions of many portfolios that one ledger row covers, by a Merkle root over a row for each of them.

A unit's row in `materialization_units` says what was computed for its portfolio, from what, and the hash of every row
written for it. The leaf of a unit holds the SHA-256 of that row; leaves stand in order of portfolio. So the ledger row
proves each unit by a path of a few hashes, without the others.
"""

from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import itemgetter
from typing import TypeAlias

from resources.ledger.ledger import Connection, Entry, cells_sql, columns, in_order, row_text
from resources.ledger.ledger_tree import tree_of
from resources.ledger.tables import UNITS

# Portfolio -> (content hash of its rows in a table, their number).
Contents: TypeAlias = Mapping[str, tuple[str, int]]


def unit_hashes(con: Connection, where: str = "true") -> list[tuple[int, str, str]]:
    """(ledger row, portfolio, hash of the unit's row), in the order of the leaves."""
    text = row_text(columns(con, UNITS))
    return con.execute(
        f"select materialization, portfolio_id, sha256({text}) as h from {UNITS} where {where} order by all"
    ).fetchall()


def unit_cells(con: Connection, where: str = "true") -> list[tuple[int, str, str]]:
    """(ledger row, Merkle root over its units, first 8 hex digits of each unit's hash in order of portfolio)."""
    found = []
    for entry, units in groupby(unit_hashes(con, where), itemgetter(0)):
        hashes = [digest for _, _, digest in units]
        root = tree_of([bytes.fromhex(digest) for digest in hashes]).root(len(hashes)).hex()
        found.append((entry, root, "".join(digest[:8] for digest in hashes)))
    return found


def newest_units(
    con: Connection, asset: str, pack_id: str, portfolios: Iterable[str] | None = None
) -> dict[str, Entry]:
    """Portfolio -> the newest version of (asset, pack, portfolio), of those that have one."""
    wanted = None if portfolios is None else list(portfolios)
    found = con.execute(
        "select portfolio_id, max(materialization), arg_max(content_hash, materialization), "
        "arg_max(rows, materialization) from versions where asset = $1 and pack_id = $2 and portfolio_id is not null "
        "and ($3 is null or portfolio_id in (select unnest($3::varchar[]))) group by portfolio_id",
        [asset, pack_id, wanted],
    ).fetchall()
    return {
        name: Entry(int(entry), str(digest), int(rows), changed=False) for name, entry, digest, rows in found
    }


def contents_by_unit(con: Connection, table: str, text: str) -> Contents:
    """What `table` holds of each portfolio; `text` is the SQL of a row's content."""
    found = con.execute(
        f"select portfolio_id, sha256({in_order('h')}), count(*) from "
        f"(select portfolio_id, sha256({text}) as h from {table}) group by portfolio_id"
    ).fetchall()
    return {str(portfolio): (str(digest), int(rows)) for portfolio, digest, rows in found}


def cells_by_unit(con: Connection, table: str, text: str, entry_id: int) -> list[tuple[str, str, str]]:
    """(portfolio, hash, rows) of what a ledger row wrote in `table`; `text` is the SQL of a whole row."""
    return con.execute(
        f"select portfolio_id, {cells_sql(table)} from "
        f"(select portfolio_id, sha256({text}) as h from {table} where materialization = ?) group by portfolio_id",
        [entry_id],
    ).fetchall()
