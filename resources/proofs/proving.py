"""Proofs: a result's rows with everything by which somebody who has nothing else can check where they came from."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optimizer import DataError, PolicyError
from optimizer.errors import meant
from resources.ledger.anchor_lines import Anchor
from resources.ledger.ledger import LEDGER_FIELDS, Connection, chain_text, columns, head
from resources.ledger.ledger_tree import entries_from, tree_of
from resources.ledger.merkle import Tree
from resources.ledger.record_error import RecordError
from resources.ledger.tables import LOGS, OUTPUTS, UNITS
from resources.lineage.tracing import row_key
from resources.logs.appending import visible_leaves
from resources.packs.packs import Pack
from resources.proofs.check_proof import FORMAT, NOT_OPENED, Refused, check
from resources.proofs.checkpoints import linked_sizes
from resources.proofs.opened_rows import (
    Asked,
    Part,
    Unit,
    newest_prices,
    newest_rates,
    open_cells,
    open_log,
)

PROVEN = ("pricing_packs", *OUTPUTS)
DAYS = 5  # newest dates of each symbol of which the price rows are shown
LINKED = 50  # newest checkpoints to which a proof links; and to the last one of each month

Fields = dict[str, Any]


@dataclass(frozen=True)
class Witnessed:
    """What a proof rests on.

    lines      the anchor's, oldest first
    cosigned   what witnesses signed, as they wrote it
    since      numbers of rows of checkpoints that somebody kept
    only       whether the checkpoint must be one that a witness signed
    keys       lines of the anchor by which keys were handed over or revoked
    """

    lines: Sequence[Anchor]
    cosigned: Sequence[Mapping[str, object]] = ()
    since: Sequence[int] = ()
    only: bool = False
    keys: Sequence[Mapping[str, object]] = ()


def prove(
    con: Connection, tree: Tree, table: str, key: Sequence[str], on: Witnessed, days: int = DAYS
) -> Fields:
    """The proof of a result: a document that `check_proof.py` checks.

    key  PACK, then SYMBOL, then PORTFOLIO (name or UUID), as far as the table has them
    Raises PolicyError for a table or key that does not exist or is not one result's, DataError for what is not on
    record, and where the warehouse is not what was recorded.
    """
    if table not in PROVEN:
        raise PolicyError(f"there is no proof of {table!r}; {meant(table, sorted(PROVEN))}")
    if not key:
        raise PolicyError(f"name the pack: packfolio prove {table} PACK [SYMBOL] [PORTFOLIO]")
    claim = Claim.of(con, table, key)
    document: Fields = {}
    for nodes in (tree, None):  # the file of nodes is a cache: where it is damaged the rows are asked
        document = Proving(con, nodes or tree_of(entries_from(con, 1)), claim, on).document(days)
        try:
            check(document)
            break
        except Refused as refusal:
            if nodes is None:
                raise DataError(
                    f"the warehouse does not prove it: {refusal}; run `packfolio packs verify`"
                ) from None
    return document


@dataclass(frozen=True)
class Claim:
    """A result: rows of a table that one ledger row wrote."""

    table: str
    pack: Pack
    ledger_row: int
    symbol: str | None
    portfolio_id: str | None

    @classmethod
    def of(cls, con: Connection, table: str, key: Sequence[str]) -> "Claim":
        """The newest rows of a key; raises PolicyError where they are of several portfolios."""
        pack, symbol, portfolio = row_key(con, table, key)
        known = dict(columns(con, table))
        where, values = Asked(pack.id, portfolio, (symbol,) if symbol else None).where(known)
        owner = "portfolio_id" if "portfolio_id" in known else "null"
        source = table if table == "pricing_packs" else f"latest_{table}"
        found = con.execute(
            f"select distinct materialization, {owner} from {source} where {where} order by all", values
        ).fetchall()
        if not found:
            kind = PolicyError if len(key) > 1 else DataError  # a name that is not there was misspelt
            raise kind(f"{table} has no row of {' '.join(key)}; see `packfolio packs show {pack.id}`")
        if len(found) > 1:
            owners = [row[1] for row in found]
            raise PolicyError(f"{' '.join(key)} is of {len(found)} portfolios; name one of {owners}")
        return cls(table, pack, int(found[0][0]), symbol if "symbol" in known else None, found[0][1])

    @property
    def key(self) -> dict[str, str]:
        """The columns that name the result, and their values."""
        told = {"pack_id": self.pack.id, "portfolio_id": self.portfolio_id, "symbol": self.symbol}
        return {name: value for name, value in told.items() if value is not None}


class Proving:
    """One proof in the making."""

    def __init__(self, con: Connection, tree: Tree, claim: Claim, on: Witnessed) -> None:
        self.con, self.tree, self.claim, self.on = con, tree, claim, on
        self.line = self._newest_checkpoint()
        if claim.ledger_row > self.line.count:
            raise DataError(
                f"ledger row {claim.ledger_row} is not co-signed yet: the newest checkpoint that a witness signed ends "
                f"at {self.line.count}; `packfolio witness` signs a newer one"
            )
        if late := [size for size in on.since if not 0 < size <= self.line.count]:
            raise PolicyError(f"--since: a proof of {self.line.count} rows cannot continue {late[0]}")
        self.ledger: dict[int, Fields] = {}
        self.units: dict[int, Unit] = {}

    def _newest_checkpoint(self) -> Anchor:
        length, newest = head(self.con)[0], self.on.lines[-1].count if self.on.lines else 0
        if newest and newest < length:  # what readers see is published after the anchor was told of it
            raise RecordError(
                f"the ledger that readers see ends at row {length}, the anchor at {newest}: lines were cut off the "
                f"anchor; see `packfolio packs verify`"
            )
        signed = {one.get("root") for one in self.on.cosigned}
        for line in reversed(self.on.lines):
            if line.root and line.count <= length and (not self.on.only or line.root in signed):
                return line
        if self.on.only:
            raise DataError(
                "no checkpoint has been co-signed: `packfolio witness` does, docs/how-to/prove-a-number.md"
            )
        raise DataError(
            f"the copy that readers see ends at ledger row {length}, before the first checkpoint that binds: "
            f"publish the newest state by `packfolio ingest`, and prove it again"
        )

    def document(self, days: int) -> Fields:
        """The whole proof."""
        claim, count = self.claim, self.line.count
        self._follow(claim.ledger_row)
        cells = self._stages()
        logs = self._logs(cells, days)
        for part in logs:
            self._ledger_row(part["ledger_row"])
        pack, seen = claim.pack, any("logs" in self._inputs(number) for number in self.ledger)
        leaves = visible_leaves(self.con, list(LOGS), pack.as_of, pack.watermark) if seen else []
        return {
            "format": FORMAT,
            "result": {"table": claim.table, "ledger_row": claim.ledger_row, "key": claim.key},
            "checkpoint": dict(self.line.told),
            "keys": [dict(line) for line in self.on.keys],
            "head": self._path(count),
            "ledger": [
                {"text": chain_text(row), "path": self._path(number)}
                for number, row in sorted(self.ledger.items())
            ],
            "units": [{"ledger_row": at, **vars(unit)} for at, unit in sorted(self.units.items())],
            "cells": [*cells, *self._brought(logs)],
            "leaves": [f"{log}|{day}|{digest}" for log, day, digest, _ in leaves],
            "logs": logs,
            "links": [self._link(size) for size in linked_sizes(self.on.lines, self.on.since, count, LINKED)],
            "witnesses": [one for one in self.on.cosigned if one.get("root") == self.line.root],
        }

    def _path(self, number: int) -> list[str]:
        return [node.hex() for node in self.tree.inclusion(number - 1, self.line.count)]

    def _link(self, size: int) -> Fields:
        path = [node.hex() for node in self.tree.consistency(size, self.line.count)]
        return {"count": size, "root": self.tree.root(size).hex(), "path": path}

    def _ledger_row(self, number: int) -> Fields:
        if number not in self.ledger:
            names = ", ".join(f'"{name}"' for name in LEDGER_FIELDS)
            found = self.con.execute(
                f"select {names} from materializations where id = ?", [number]
            ).fetchall()
            if not found:
                raise DataError(f"ledger row {number} is gone: run `packfolio packs verify`")
            self.ledger[number] = dict(zip(LEDGER_FIELDS, found[0], strict=True))
            if UNITS in json.loads(self.ledger[number]["cells"]):
                self.units[number] = Unit.read(self.con, number, str(self.claim.portfolio_id))
        return self.ledger[number]

    def _inputs(self, number: int) -> dict[str, str]:
        shared = dict[str, str](json.loads(self._ledger_row(number)["input_hashes"]))
        unit = self.units.get(number)
        return shared | (json.loads(unit.row["input_hashes"]) if unit else {})

    def _written(self, number: int) -> set[str]:
        """The tables that a ledger row, or the unit of the portfolio in it, wrote."""
        told = self.units[number].row if number in self.units else self.ledger[number]
        return set(json.loads(told["cells"]))

    def _follow(self, result: int) -> None:
        """Fetch the ledger rows that a result came from."""
        waiting = [result]
        while waiting:
            number = waiting.pop()
            if number not in self.ledger:
                for name, digest in self._inputs(number).items():
                    if name != "logs" and not name.startswith(NOT_OPENED):
                        waiting.append(self._source(number, name, digest))

    def _source(self, number: int, name: str, digest: str) -> int:
        """The newest ledger row before one that brought its input."""
        asset, column = (
            ("pricing_packs", "input_hashes->>'$.logs'") if name == "pricing_pack" else (name, "content_hash")
        )
        found = self.con.execute(
            f"select max(materialization) from versions where asset = ? and {column} = ? and materialization < ? "
            "and pack_id = ? and (portfolio_id is null or portfolio_id is not distinct from ?)",
            [asset, digest, number, self.ledger[number]["pack_id"], self.claim.portfolio_id],
        ).fetchall()[0][0]
        if found is None:
            raise DataError(f"ledger row {number} names {name} {digest}, which no row before it brought")
        return int(found)

    def _stages(self) -> list[Part]:
        """The result's rows, then of every stage it came from those of its symbols.

        Where it is of no symbol, what its own stage wrote beside it stays hashes: a backtest's days are no part of its
        summary.
        """
        claim = self.claim
        one = (claim.symbol,) if claim.symbol else None
        asked = Asked(claim.pack.id, claim.portfolio_id, one)
        parts = [self._cells(claim.ledger_row, claim.table, asked)]
        symbols = tuple(sorted({row["symbol"] for row in parts[0]["rows"] if "symbol" in row}))
        asked = Asked(claim.pack.id, claim.portfolio_id, symbols)
        for number in sorted(self.ledger):
            tables = self._written(number) - {claim.table if number == claim.ledger_row else ""}
            parts += [self._cells(number, table, asked) for table in sorted(tables)]
        return parts

    def _cells(self, number: int, table: str, asked: Asked) -> Part:
        claim, known = self.claim, dict(columns(self.con, table))
        unit = claim.portfolio_id if number in self.units else None
        beside = number == claim.ledger_row and table != claim.table and not asked.symbols
        where, values = ("false", list[object]()) if beside else asked.where(known)
        return open_cells(self.con, number, table, where, values, unit)

    def _logs(self, cells: Sequence[Part], days: int) -> list[Part]:
        """The newest prices of the symbols, and the rates of the currencies they were converted from."""
        pack = self.claim.pack
        if not any("logs" in self._inputs(number) for number in self.ledger):
            return []
        rows = [row for part in cells for row in part["rows"]]
        symbols = sorted({row["symbol"] for row in rows if "symbol" in row})
        foreign = sorted({row["currency"] for row in rows if row.get("fx_rate", "1.0") != "1.0"})
        rates = newest_rates(self.con, pack, foreign) if foreign else []
        prices = newest_prices(self.con, pack, symbols, days) if symbols else []
        return open_log(self.con, pack, "prices", prices) + open_log(self.con, pack, "fx_rates", rates)

    def _brought(self, logs: Sequence[Part]) -> Iterator[Part]:
        """The leaves and the payloads of the ingests that brought the rows of the logs."""
        for number in sorted({part["ledger_row"] for part in logs}):
            of_it = [part for part in logs if part["ledger_row"] == number]
            names = [f"{part['log']}|{part['date']}" for part in of_it]
            places = "log || '|' || date in (select unnest(?::varchar[]))"
            yield open_cells(self.con, number, "log_leaves", places, [names])
            told = "log in (select unnest(?::varchar[]))"
            yield open_cells(self.con, number, "ingests", told, [sorted({part["log"] for part in of_it})])
