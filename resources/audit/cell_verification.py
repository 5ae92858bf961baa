"""Recomputing what each ledger row wrote, table by table, and naming the rows that are not what it wrote."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import date
from itertools import chain, combinations

from optimizer.errors import how_many
from resources.audit.faults import ADDED, CHANGED, MISSING, Fault
from resources.ledger.ledger import (
    UNSPECIFIED,
    Connection,
    cells_sql,
    columns,
    content_of,
    in_order,
    row_text,
    sha256,
)
from resources.ledger.tables import ASSET_OF, LEDGERED, LOGS, NOT_CONTENT, OUTPUTS, UNITS, ledger_column
from resources.ledger.units import unit_cells

CONTENT = (*OUTPUTS, "pricing_packs", "check_findings")  # written by `Transaction.record`
OWNER = {**ASSET_OF, "check_findings": "pricing_packs"}
EMPTY = sha256("")
NOTHING = ("", "", EMPTY)

Part = tuple[int, str | None]  # a ledger row; or the unit of a portfolio, in one that covers many
# (part, table) -> hash of the rows there, the first digits of their hashes, hash of their content
Written = Mapping[tuple[Part, str], tuple[str, str, str]]


@dataclass(frozen=True)
class Line:
    """A ledger row, or a unit of one, as verification needs it.

    cells      table -> (hash, first digits of its row hashes)
    this_hash  a unit has none
    """

    id: int
    asset: str
    pack_id: str | None
    portfolio_id: str | None
    rows: int
    cells: Mapping[str, tuple[str, str]]
    this_hash: str
    content_hash: str
    inputs: Mapping[str, str]
    unit: bool = False

    @property
    def part(self) -> Part:
        """What names it."""
        return self.id, self.portfolio_id if self.unit else None


def read_units(con: Connection) -> list[Line]:
    """The units of all ledger rows, as the table has them."""
    found = con.execute(
        "select materialization, asset, pack_id, portfolio_id, rows, cells, content_hash, input_hashes "
        f"from {UNITS} order by all"
    ).fetchall()
    return [
        Line(entry, asset, pack, owner, rows, cells_of(cells), "", content, inputs_of(inputs), unit=True)
        for entry, asset, pack, owner, rows, cells, content, inputs in found
    ]


def cells_of(text: str) -> dict[str, tuple[str, str]]:
    """What a row says was written; nothing where the text was tampered with, which its hash tells."""
    try:
        return {table: (kept[0], kept[1]) for table, kept in json.loads(text).items()}
    except (ValueError, AttributeError, LookupError, TypeError):
        return {}


def inputs_of(text: str) -> dict[str, str]:
    """Asset -> content hash of what a row says it was computed from; nothing where the text was tampered with."""
    try:
        return {str(name): str(value) for name, value in json.loads(text).items()}
    except (ValueError, AttributeError):
        return {}


def tables_with_rows(con: Connection) -> set[str]:
    """Those of the tables under the ledger that hold a row: a desk leaves many empty, and each costs a query."""
    each = (f"select '{table}' where exists (select 1 from {table})" for table in LEDGERED)
    return {str(row[0]) for row in con.execute(" union all ".join(each)).fetchall()}


def read_written(con: Connection, tables: Set[str], only: Iterable[int] | None) -> Written:
    """What stands under each ledger row, or under those that are wanted, in each of the tables."""
    found: dict[tuple[Part, str], tuple[str, str, str]] = {}
    for table in sorted(tables - set(LOGS)):
        where = (
            "true" if only is None else f"{ledger_column(table)} in (select unnest({sorted(only)}::bigint[]))"
        )
        if table == UNITS:
            found |= {
                ((entry, None), UNITS): (root, rows, "") for entry, root, rows in unit_cells(con, where)
            }
            continue
        for entry, unit, digest, rows, content in con.execute(_written_sql(con, table, where)).fetchall():
            found[(entry, unit), table] = (digest, rows, content)
    return found


def _written_sql(con: Connection, table: str, where: str) -> str:
    """SQL for (ledger row, unit, hash, rows, content hash) of each that wrote in `table`, in one pass over its rows.

    The unit is the portfolio, of ledger rows that cover many; else NULL.
    """
    described, column = columns(con, table), ledger_column(table)
    covers = f"{column} in (select materialization from {UNITS})"
    unit = f"case when {covers} then portfolio_id end" if "portfolio_id" in dict(described) else "null"
    content, hashed = "null", "null::varchar"
    if table in CONTENT:
        content, hashed = f"sha256({row_text(described, NOT_CONTENT)})", f"sha256({in_order('c')})"
    return (
        f"select entry, unit, {cells_sql(table)}, {hashed} from "
        f"(select {column} as entry, {unit} as unit, sha256({row_text(described)}) as h, {content} as c "
        f"from {table} where {where}) group by entry, unit"
    )


def unequal_cells(written: Written, parts: Iterable[Line]) -> list[tuple[Part, str]]:
    """(part, table) where the rows are not the ones that the parts say."""
    found = {key: cells[:2] for key, cells in written.items()}
    kept = {(line.part, table): cells for line in parts for table, cells in line.cells.items()}
    return [key for key in found.keys() | kept.keys() if found.get(key) != kept.get(key)]


def unlike_content(written: Written, lines: Iterable[Line]) -> list[Fault]:
    """The outputs whose stored rows are not the content that their ledger row states.

    The content was hashed before the rows were stored: what changed them in between shows here, or in their cells.
    """
    lines = list(lines)
    covered: dict[int, dict[str, str]] = {}
    for line in lines:
        if line.unit:
            covered.setdefault(line.id, {})[str(line.portfolio_id)] = line.content_hash
    return [
        Fault(
            line.asset, CHANGED, f"its rows are not the content that ledger row {line.id} states",
            portfolio_id=line.portfolio_id, ledger_row=line.id, packs=(line.pack_id,) if line.pack_id else (),
        )
        for line in lines
        if line.asset in CONTENT and not _states(line, written, covered.get(line.id, {}))
    ]  # fmt: skip


def _states(line: Line, found: Written, covered: Mapping[str, str]) -> bool:
    """Whether a part's content is that of its rows, beside whatever tables it wrote no row of; or of its units."""
    if UNITS in line.cells:
        return content_of(covered) == line.content_hash
    written = {table: found.get((line.part, table), NOTHING)[2] for table in line.cells if table in CONTENT}
    could = [table for table in CONTENT if OWNER.get(table, table) == line.asset and table not in written]
    beside = chain.from_iterable(combinations(could, count) for count in range(len(could) + 1))
    return any(
        content_of({**written, **dict.fromkeys(empty, EMPTY)}) == line.content_hash for empty in beside
    )


def explain_cells(con: Connection, line: Line | None, part: Part, table: str) -> list[Fault]:
    """Names the rows of one table that a ledger row, or its unit, did not write so."""
    entry = part[0]
    if table in UNSPECIFIED:
        message = f"its rows of ledger row {entry} are not the ones that were written"
        return [_row_fault(table, CHANGED, message, entry, line, {})]
    kept = Counter(_split(line.cells.get(table, ("", ""))[1])) if line else Counter[str]()
    extra: list[dict[str, object]] = []
    for row in _rows_of(con, table, part):
        short = str(row["short"])
        if kept[short]:
            kept[short] -= 1
        else:
            extra.append(row)
    if line is None and part[1] is not None and table != UNITS:
        said = f"ledger row {entry} has no sound unit that wrote it"
        return [_row_fault(table, ADDED, said, entry, None, row) for row in extra]
    gone = kept.total()
    said = (
        f"not what ledger row {entry} wrote"
        if line
        else f"there is no sound ledger row {entry} that wrote it"
    )
    faults = [
        _row_fault(table, CHANGED if at < gone else ADDED, said, entry, line, row)
        for at, row in enumerate(extra)
    ]
    if gone > len(extra):
        faults += _gone(con, line, entry, table, gone - len(extra))
    return faults or [_row_fault(table, CHANGED, said, entry, line, {})]


def _split(rows: str) -> list[str]:
    return [rows[at : at + 8] for at in range(0, len(rows), 8)]


def _rows_of(con: Connection, table: str, part: Part) -> list[dict[str, object]]:
    described, (entry, unit) = columns(con, table), part
    text = row_text(described)
    own = " and portfolio_id = ?" if unit is not None and "portfolio_id" in dict(described) else ""
    found = con.execute(
        f"select left(sha256({text}), 8) as short, * from {table} where {ledger_column(table)} = ?{own} order by all",
        [entry, unit] if own else [entry],
    )
    names = [item[0] for item in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _row_fault(
    table: str, what: str, message: str, entry: int, line: Line | None, row: Mapping[str, object]
) -> Fault:
    pack = (line.pack_id if line else None) or row.get("pack_id")
    portfolio = (line.portfolio_id if line else None) or row.get("portfolio_id")
    day = row.get("date") or row.get("as_of")
    name = next(
        (row[key] for key in ("symbol", "exposure_type", "metric", "instrument") if row.get(key)), None
    )
    return Fault(
        table, what, message, symbol=str(name) if name else None, date=day if isinstance(day, date) else None,
        portfolio_id=str(portfolio) if portfolio else None, ledger_row=entry, packs=(str(pack),) if pack else (),
    )  # fmt: skip


def _gone(con: Connection, line: Line | None, entry: int, table: str, count: int) -> list[Fault]:
    """Names the missing symbols by what the pack's estimates cover and the table no longer does."""
    likely: list[str] = []
    if line and line.pack_id and "symbol" in dict(columns(con, table)):
        likely = [
            str(row[0])
            for row in con.execute(
                f"select symbol from return_estimates where pack_id = $1 union select symbol from covariances "
                f"where pack_id = $1 except select symbol from {table} where {ledger_column(table)} = $2 order by 1",
                [line.pack_id, entry],
            ).fetchall()
        ]
    if len(likely) == count:
        return [
            _row_fault(table, MISSING, "its row is gone", entry, line, {"symbol": name}) for name in likely
        ]
    return [
        _row_fault(table, MISSING, f"gone: {how_many(count, 'row')} of ledger row {entry}", entry, line, {})
    ]
