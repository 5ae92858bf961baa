"""The rows of a query as dictionaries, column by name: what commands, service and audit read."""

from typing import Any

from resources.ledger.ledger import Connection

Row = dict[str, Any]


def rows(con: Connection, sql: str, params: list[object] | None = None) -> list[Row]:
    """The result of a query as dictionaries, column by name."""
    result = con.execute(sql, params or [])
    names = [item[0] for item in result.description or []]
    return [dict(zip(names, values, strict=True)) for values in result.fetchall()]
