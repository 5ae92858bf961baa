"""Rows as a proof shows them: the texts of their cells as they were hashed, and the hashes of the rows beside them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from optimizer import DataError
from resources.ledger.ledger import Connection, columns, row_text
from resources.ledger.ledger_tree import tree_of
from resources.ledger.tables import LOGS, UNITS, ledger_column
from resources.ledger.units import unit_hashes
from resources.logs.appending import log_row_text
from resources.logs.log_leaves import layered_rows
from resources.packs.packs import Pack
from resources.proofs.check_proof import PRICES

Part = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """Which rows are shown of a table: those of a pack, and of a portfolio and symbols as far as it has them.

    symbols  None where all are asked for
    """

    pack_id: str
    portfolio_id: str | None
    symbols: tuple[str, ...] | None

    def where(self, known: Iterable[str]) -> tuple[str, list[object]]:
        """SQL condition on a table that has the columns `known`, and its parameters."""
        wanted = {"pack_id": self.pack_id, "portfolio_id": self.portfolio_id, "symbol": self.symbols}
        parts, values = ["true"], list[object]()
        for column, value in wanted.items():
            if column in known and value is not None:
                parts.append(f"{column} in (select unnest(?::varchar[]))")
                values.append([value] if isinstance(value, str) else list(value))
        return " and ".join(parts), values


@dataclass(frozen=True)
class Unit:
    """The row of a portfolio that a ledger row covers with others: its cells, its place, and its path to their root."""

    row: dict[str, str]
    index: int
    path: list[str]

    @classmethod
    def read(cls, con: Connection, entry: int, portfolio_id: str) -> "Unit":
        """The unit of one portfolio; raises DataError where it is gone."""
        hashes = unit_hashes(con, f"materialization = {entry}")
        place = next((at for at, (_, owner, _) in enumerate(hashes) if owner == portfolio_id), None)
        if place is None:
            raise DataError(
                f"ledger row {entry} has no unit of portfolio {portfolio_id}: run `packfolio packs verify`"
            )
        row = open_cells(con, entry, UNITS, "portfolio_id = ?", [portfolio_id], portfolio_id)["rows"][0]
        tree = tree_of([bytes.fromhex(digest) for _, _, digest in hashes])
        return cls(row, place, [node.hex() for node in tree.inclusion(place, len(hashes))])


def open_cells(
    con: Connection, entry: int, table: str, where: str, values: Sequence[object], unit: str | None = None
) -> Part:
    """What a ledger row wrote in a table: the rows that fulfil a condition, and the hashes of the others.

    unit  the portfolio whose rows alone count, where the ledger row covers many
    """
    described = columns(con, table)
    cells = ", ".join(f'"{name}"::varchar' for name, _ in described)
    found = con.execute(
        f"select coalesce({where}, false), sha256({row_text(described)}) as h, {cells} from {table} "
        f"where {ledger_column(table)} = ?{'' if unit is None else ' and portfolio_id = ?'} order by h",
        [*values, entry, *([] if unit is None else [unit])],
    ).fetchall()
    names = [name for name, _ in described]
    shown = [_texts(names, row[2:]) for row in found if row[0]]
    return {
        "ledger_row": entry,
        "table": table,
        "rows": shown,
        "others": [row[1] for row in found if not row[0]],
    }


def _texts(names: Sequence[str], cells: Sequence[str | None]) -> dict[str, str]:
    return {name: cell for name, cell in zip(names, cells, strict=True) if cell is not None}


@dataclass(frozen=True)
class LogRow:
    """A row of a log that is shown: its date, the ingest that brought it, its hash and its cells."""

    day: date
    seq: int
    digest: str
    cells: dict[str, str]


def newest_prices(con: Connection, pack: Pack, symbols: Sequence[str], days: int) -> list[LogRow]:
    """The newest price rows of symbols that a pack saw, so many dates of each."""
    found = con.execute(
        f"select date, ingest_seq, hex(row_hash), {log_row_text(con, 'prices')} from prices semi join ("
        "select symbol, date, source, ingest_seq from pack_prices(?) where symbol in (select unnest(?::varchar[])) "
        "qualify row_number() over (partition by symbol order by date desc) <= ?"
        ") c using (symbol, date, source, ingest_seq) order by all",
        [pack.id, list(symbols), days],
    ).fetchall()
    return [
        LogRow(day, seq, digest, dict(zip(PRICES.split(), text.split("|"), strict=True)))
        for day, seq, digest, text in found
    ]


def newest_rates(con: Connection, pack: Pack, currencies: Sequence[str]) -> list[LogRow]:
    """The newest exchange rate that a pack saw of each pair with one of the currencies."""
    names = sorted(LOGS["fx_rates"].columns)
    found = con.execute(
        f"select date, ingest_seq, hex(row_hash), {', '.join(f'{name}::varchar' for name in names)} from fx_rates "
        "where (base in (select unnest($1::varchar[])) or quote in (select unnest($1::varchar[]))) and date <= $2 "
        "and ingest_seq <= $3 qualify row_number() over (partition by base, quote order by date desc, ingest_seq desc) "
        "= 1 order by all",
        [list(currencies), pack.as_of, pack.watermark],
    ).fetchall()
    return [LogRow(day, seq, digest, _texts(names, cells)) for day, seq, digest, *cells in found]


def open_log(con: Connection, pack: Pack, log: str, chosen: Sequence[LogRow]) -> list[Part]:
    """The dates of a log that hold the chosen rows: as each row's ingest left them, and as the pack saw them."""
    if not chosen:
        return []
    days = sorted({row.day for row in chosen})
    newest = con.execute(
        "select date, max(ingest_seq) from log_leaves where log = ? and ingest_seq <= ? "
        "and date in (select unnest(?::date[])) group by date",
        [log, pack.watermark, days],
    ).fetchall()
    places = sorted({(row.day, row.seq) for row in chosen} | {(day, seq) for day, seq in newest})
    wanted = "(select unnest(?::date[]) as date, unnest(?::bigint[]) as ingest_seq)"
    hashes: dict[tuple[date, int], list[str]] = {}
    for day, seq, digest in con.execute(
        f"select date, seq, hex(row_hash) from ({layered_rows(log, wanted)}) order by all",
        [[day for day, _ in places], [seq for _, seq in places]],
    ).fetchall():
        hashes.setdefault((day, seq), []).append(digest)
    parts = []
    for day, seq in places:
        shown = [row for row in chosen if (row.day, row.seq) == (day, seq)]
        others = hashes.get((day, seq), [])
        for row in shown:
            others.remove(row.digest)
        cells = [row.cells for row in shown]
        parts.append({"log": log, "date": str(day), "ledger_row": seq, "rows": cells, "others": others})
    return parts
