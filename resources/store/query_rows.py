"""The rows of a query: as dictionaries, column by name, for commands, service and audit; and many of them at once."""

from collections.abc import Iterator, Sequence
from typing import Any

from resources.ledger.ledger import Connection

Row = dict[str, Any]


def rows(con: Connection, sql: str, params: list[object] | None = None) -> list[Row]:
    """The result of a query as dictionaries, column by name."""
    result = con.execute(sql, params or [])
    names = [item[0] for item in result.description or []]
    return [dict(zip(names, values, strict=True)) for values in result.fetchall()]


def many(con: Connection, sql: str, params: Sequence[object]) -> Iterator[tuple[Any, ...]]:
    """The rows of a query that gives those of many portfolios: by Arrow's columns, in half the time of `fetchall`."""
    found = con.sql(sql, params=list(params)).to_arrow_table()
    return zip(*(column.to_pylist() for column in found.columns), strict=True)
