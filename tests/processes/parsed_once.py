"""DuckDB's statements parsed and planned once, as for few rows: a third of the time of small warehouses.

DuckDB parses a text anew each time, and forty passes look over its plan, which takes longer than to answer it where
tables have few rows.
"""

import atexit
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import duckdb

# What only looks for a quicker plan. The passes that move filters, or rewrite what is asked, stay: they decide which
# rows an expression sees, and so which value is refused.
FOR_MANY_ROWS = """
    aggregate_function_rewriter aggregate_reuse build_side_probe_side column_lifetime common_aggregate
    common_subexpressions common_subplan compressed_materialization cte_filter_pusher deliminator
    distinct_aggregate_rewrite duplicate_groups grouping_sets in_clause join_elimination join_filter_pushdown
    join_order late_materialization limit_pushdown materialized_cte outer_join_simplification
    partial_aggregate_pushdown partitioned_execution projection_placement projection_pullup redundant_order_keys
    regex_range remote_pushdown row_group_pruner sampling_pushdown scalar_fn_pushdown statistics_propagation top_n
    top_n_window_elimination type_pushdown unnest_rewriter window_rewriter window_self_join
"""
CONNECT, EXECUTE = duckdb.connect, duckdb.DuckDBPyConnection.execute


def parse_once() -> None:
    """For this process, and those that are forked from it."""
    duckdb.DuckDBPyConnection.execute = _execute
    duckdb.DuckDBPyConnection.sql = _sql
    atexit.register(_parsed.cache_clear)  # DuckDB prints each that is left at the end


def plan_for_few_rows() -> None:
    """For this process alone: forked commands, as journeys start them, and the slow run plan as everywhere."""
    duckdb.connect = _connect


def _connect(*told: Any, **more: Any) -> duckdb.DuckDBPyConnection:
    con = CONNECT(*told, **more)
    EXECUTE(con, f"set disabled_optimizers = '{','.join(FOR_MANY_ROWS.split())}'")
    return con


def _execute(
    con: duckdb.DuckDBPyConnection, query: duckdb.Statement | str, parameters: object = None
) -> duckdb.DuckDBPyConnection:
    """A script of several statements is left to DuckDB, and so is a text that is none."""
    parsed = _parsed(query) if isinstance(query, str) else [query]
    return EXECUTE(con, parsed[0] if len(parsed) == 1 else query, parameters)


class _Asked:
    """What our code asks of a relation; DuckDB looks at a plan once to describe one, and again to answer it."""

    def __init__(self, con: duckdb.DuckDBPyConnection, query: duckdb.Statement, params: object) -> None:
        self.asked = con, query, params

    def to_arrow_table(self) -> Any:
        with copying():
            return EXECUTE(*self.asked).to_arrow_table()

    def to_arrow_reader(self, rows: int) -> Any:
        with copying():
            return EXECUTE(*self.asked).to_arrow_reader(rows)


@contextmanager
def copying() -> Iterator[None]:
    """DuckDB warns that rows are copied: of few rows that is nothing."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Arrow output on a DB-API result makes an extra copy")
        yield


def _sql(con: duckdb.DuckDBPyConnection, query: str, *, params: object = None) -> _Asked:
    (parsed,) = _parsed(query)
    return _Asked(con, parsed, params)


@lru_cache(maxsize=1000)
def _parsed(query: str) -> list[duckdb.Statement]:
    return duckdb.extract_statements(query)
