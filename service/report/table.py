"""One table of a report, for files that are made of tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

BY_ROW = "by row"  # the form of a column whose rows have forms of their own


@dataclass(frozen=True)
class Table:
    """Rows of cells; `columns` name -> "text", "date", "count", "shares", "money", "percent", "ratio" or BY_ROW.

    forms  that of each row, for the columns BY_ROW
    """

    title: str
    columns: dict[str, str]
    rows: Sequence[Sequence[Any]]
    forms: Sequence[str] = ()

    def form(self, row: int, column: str) -> str:
        """How a cell is written."""
        stated = self.columns[column]
        return self.forms[row] if stated == BY_ROW else stated
