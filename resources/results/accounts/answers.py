"""What a stage says of many portfolios: one Arrow table for each table it writes, and what else is to be told."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain, repeat
from typing import Any

import numpy as np
import pyarrow as pa

from resources.results.stage_outputs import Answer

KEY = "portfolio_id"
# As every table keeps it: to find that out from the cells takes four times as long.
MONEY = pa.decimal128(18, 4)


@dataclass(frozen=True, eq=False)
class Answers:
    """What a stage says of some portfolios.

    tables  table -> the rows of all of them, with a column `portfolio_id`; none of a table that has no rows
    stated  portfolio -> the tables that its version states, with rows or without, in the order of the answers
    told    portfolio -> what a reader must hear of it: why it has no answer, or a warning
    """

    tables: Mapping[str, pa.Table]
    stated: Mapping[str, tuple[str, ...]]
    told: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def joined(cls, parts: Iterable["Answers"]) -> "Answers":
        """Those of all shards, in their order."""
        tables: dict[str, list[pa.Table]] = {}
        stated: dict[str, tuple[str, ...]] = {}
        told: dict[str, tuple[str, ...]] = {}
        for part in parts:
            for table, rows in part.tables.items():
                tables.setdefault(table, []).append(rows)
            stated |= part.stated
            told |= part.told
        whole = {
            table: pa.concat_tables(rows, promote_options="permissive") for table, rows in tables.items()
        }
        return cls(whole, stated, told)


class Gathered:
    """Answers of one portfolio after the other; a column is put together once, when all of it is there."""

    def __init__(self) -> None:
        self._pieces: dict[str, list[tuple[str, int, Mapping[str, Any]]]] = {}
        self._stated: dict[str, tuple[str, ...]] = {}
        self._told: dict[str, tuple[str, ...]] = {}

    def add(self, portfolio_id: str, answer: Answer, told: Sequence[str] = ()) -> None:
        """The version of one portfolio."""
        self._stated[portfolio_id] = tuple(answer)
        if told:
            self._told[portfolio_id] = tuple(told)
        for table, columns in answer.items():
            height = len(next(iter(columns.values()), ()))
            if height:
                self._pieces.setdefault(table, []).append((portfolio_id, height, columns))

    def answers(self) -> Answers:
        """All that was added; a number that is not one is NULL."""
        return Answers(
            {table: _table(pieces) for table, pieces in self._pieces.items()}, self._stated, self._told
        )


def _table(pieces: Sequence[tuple[str, int, Mapping[str, Any]]]) -> pa.Table:
    """The pieces under each other; what one of them does not tell is NULL in its rows."""
    keys = chain.from_iterable(repeat(portfolio_id, height) for portfolio_id, height, _ in pieces)
    names = dict.fromkeys(name for _, _, columns in pieces for name in columns)
    told = {
        name: _column([columns.get(name, (None,) * height) for _, height, columns in pieces])
        for name in names
    }
    return pa.table({KEY: pa.array(list(keys)), **told})


def _column(values: Sequence[Any]) -> pa.Array:
    kinds = {piece.dtype if isinstance(piece, np.ndarray) else None for piece in values}
    if len(kinds) == 1 and None not in kinds:
        return pa.array(np.concatenate(values), from_pandas=True)
    pieces = (piece.tolist() if isinstance(piece, np.ndarray) else piece for piece in values)
    cells = list(chain.from_iterable(pieces))
    first = next((cell for cell in cells if cell is not None), None)
    if isinstance(first, Decimal):
        return pa.array(cells, MONEY)  # to look for NaN among them takes twice as long as they do
    return pa.array(cells, from_pandas=True)
