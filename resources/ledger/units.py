"""Units: the versions of many portfolios that one ledger row covers, by a Merkle root over a row for each of them.

A unit's row in `materialization_units` says what was computed for its portfolio, from what, and the hash of every row
written for it. The leaf of a unit holds the SHA-256 of that row; leaves stand in order of portfolio. So the ledger row
proves each unit by a path of a few hashes, without the others.
"""

from collections.abc import Iterable
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from resources.ledger.ledger import Connection, Entry, columns, row_text
from resources.ledger.ledger import sha256 as text_sha256
from resources.ledger.ledger_tree import tree_of
from resources.ledger.tables import NOT_CONTENT, UNITS

TOGETHER = 10_000  # rows whose texts are held at once


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


class Hashed(NamedTuple):
    """What a table holds of one portfolio: the hash of its content, of all its cells, and the start of each row's."""

    content: str
    rows: int
    cells: str
    kept: str


def hashed_units(con: Connection, table: str, described: list[tuple[str, str]]) -> dict[str, Hashed]:
    """Portfolio -> its rows as `content_hash` and `cells_sql` hash them, from one reading of `table`.

    DuckDB writes the texts and Python hashes them: its SHA-256 uses the processor's own instructions.
    """
    import pyarrow.compute as pc  # who only reads does without

    texts = f"{row_text(described, NOT_CONTENT)}, {row_text(described)}"
    hashes: dict[str, tuple[list[bytes], list[bytes]]] = {}
    for batch in con.sql(f"select portfolio_id, {texts} from {table}").to_arrow_reader(TOGETHER):
        owners, *told = batch.columns
        contents, cells = (
            [sha256(text).digest() for text in column.cast("binary").to_pylist()] for column in told
        )
        runs, start = pc.run_end_encode(owners), 0
        for owner, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
            for kept, new in zip(hashes.setdefault(str(owner), ([], [])), (contents, cells), strict=True):
                kept += new[start:end]
            start = end
    return {owner: _hashed(*both) for owner, both in hashes.items()}


def _hashed(contents: list[bytes], cells: list[bytes]) -> Hashed:
    ordered = sorted(cells)
    content, whole = b"".join(sorted(contents)).hex(), b"".join(ordered).hex()
    kept = b"".join([digest[:4] for digest in ordered]).hex()  # 8 hex digits of each
    return Hashed(text_sha256(content), len(contents), text_sha256(whole), kept)
