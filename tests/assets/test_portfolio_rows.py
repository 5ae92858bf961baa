"""What a stage wrote from inputs that another run has replaced meanwhile takes no newer result's place."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pandas as pd
import pytest
from bench import BOOK, STAMP, new_warehouse, staying_open

from assets.shared.portfolio_rows import Batch, record_each
from optimizer import DataError
from resources.results.stage_inputs import read_inputs
from resources.store.warehouse import Warehouse

WEIGHTS = pd.DataFrame({"symbol": ["AAA", "BBB"], "weight": [0.25, 0.75]})
TRADES = {"backtest_summary": pd.DataFrame({"strategy": ["s"], "metric": ["m"], "value": [1.0]})}
PACK: Any = SimpleNamespace(id="PP_2024-01-05", content_hash="c")


class Book(NamedTuple):
    name: str
    portfolio_id: str


def weigh(warehouse: Warehouse, weights: pd.DataFrame, book: str = BOOK) -> None:
    with warehouse.write(STAMP) as tx:
        tx.record("optimal_weights", {"optimal_weights": weights}, pack_id=PACK.id, portfolio_id=book)


def test_a_stage_whose_inputs_were_replaced_writes_nothing(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path, staying_open)
    rows: Any = {Book("book", BOOK): TRADES}
    weigh(warehouse, WEIGHTS)
    with warehouse.live() as con:
        seen = read_inputs(con, PACK, ["optimal_weights"])
    weigh(warehouse, WEIGHTS)  # the same again is no other version
    weigh(warehouse, WEIGHTS, book="of another portfolio")
    with warehouse.write(STAMP) as tx:
        assert record_each(tx, "backtest_results", PACK, rows, seen)[0].changed
    weigh(warehouse, WEIGHTS.assign(weight=0.5))
    refused = pytest.raises(DataError, match="another run changed what backtest_results of book")
    with refused, warehouse.write(STAMP) as tx:
        record_each(tx, "backtest_results", PACK, rows, seen)
    with warehouse.live() as con:
        assert con.execute("select count(*) from backtest_summary").fetchall() == [(1,)]


def test_a_batch_writes_what_tables_of_each_portfolio_write(tmp_path: Path) -> None:
    one, all_at_once = (
        new_warehouse(tmp_path / "one", staying_open),
        new_warehouse(tmp_path / "all", staying_open),
    )
    books = ("a", "b")
    rows: Any = {
        Book("a", "a"): {
            "optimal_weights": WEIGHTS,
            "portfolio_exposures": pd.DataFrame(columns=["exposure_type"]),
        },
        Book("b", "b"): {
            "optimization_results": pd.DataFrame({"method": ["m"], "status": ["failed"], "cash": [0.5]})
        },
    }
    stated = {book.portfolio_id: tuple(tables) for book, tables in rows.items()}
    tables = {
        "optimal_weights": WEIGHTS.assign(portfolio_id="a"),
        "optimization_results": rows[Book("b", "b")]["optimization_results"].assign(portfolio_id="b"),
    }
    hashes = []
    for warehouse, said in ((one, rows), (all_at_once, Batch(tables, stated))):
        with warehouse.write(STAMP) as tx:
            entries = record_each(tx, "optimal_weights", PACK, said, read_inputs(tx.con, PACK, ["trades"]))
            hashes.append([entry.content_hash for entry in entries])
    assert hashes[0] == hashes[1] and len({*hashes[0]}) == len(books)
