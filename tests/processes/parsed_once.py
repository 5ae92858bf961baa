"""DuckDB's statements parsed once a process: a fifth of the time of the tests that ask small warehouses."""

import atexit
from functools import lru_cache

import duckdb

EXECUTE = duckdb.DuckDBPyConnection.execute


def parse_once() -> None:
    """DuckDB parses a text anew each time, which takes as long as to answer it where tables have few rows."""
    duckdb.DuckDBPyConnection.execute = _execute
    atexit.register(_parsed.cache_clear)  # DuckDB prints each that is left at the end


def _execute(
    con: duckdb.DuckDBPyConnection, query: duckdb.Statement | str, parameters: object = None
) -> duckdb.DuckDBPyConnection:
    """A script of several statements is left to DuckDB, and so is a text that is none."""
    parsed = _parsed(query) if isinstance(query, str) else [query]
    return EXECUTE(con, parsed[0] if len(parsed) == 1 else query, parameters)


@lru_cache(maxsize=1000)
def _parsed(query: str) -> list[duckdb.Statement]:
    return duckdb.extract_statements(query)
