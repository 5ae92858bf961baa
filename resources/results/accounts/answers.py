"""What a stage says of many portfolios: one Arrow table for each table it writes, and what else is to be told."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from resources.results.stage_outputs import Answer

KEY = "portfolio_id"


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
    """Answers of one portfolio after the other, a column at a time."""

    def __init__(self) -> None:
        self._columns: dict[str, dict[str, list[Any]]] = {}
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
                self._append(self._columns.setdefault(table, {KEY: []}), portfolio_id, columns, height)

    @staticmethod
    def _append(
        table: dict[str, list[Any]], portfolio_id: str, columns: Mapping[str, Any], height: int
    ) -> None:
        before = len(table[KEY])
        table[KEY].extend([portfolio_id] * height)
        for name, values in columns.items():
            column = table.setdefault(name, [None] * before)
            column.extend(values.tolist() if isinstance(values, np.ndarray) else values)
        for column in table.values():
            column.extend([None] * (before + height - len(column)))

    def answers(self) -> Answers:
        """All that was added; a number that is not one is NULL."""
        tables = {
            table: pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})
            for table, columns in self._columns.items()
        }
        return Answers(tables, self._stated, self._told)
