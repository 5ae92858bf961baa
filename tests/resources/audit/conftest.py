"""Warehouses whose rows are tampered with, or kept: with a row of everything, with a pack alone, with prices alone."""

from pathlib import Path

import pandas as pd
import pytest
from bench import BOOK, DAYS, STAMP, cut, fill, ingest, new_warehouse, price_rows, priced_warehouse

from resources.store.warehouse import Warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    made = priced_warehouse(tmp_path / "home")
    (made.home / "payloads").mkdir()
    (made.home / "payloads" / "a.csv").write_text("raw")
    return made


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("original")
    fill(home)
    return home


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prices with a correction, a pack, and weights under it: for faults that need no other table."""
    warehouse = new_warehouse(tmp_path_factory.mktemp("small"))
    for rows in (price_rows(), price_rows(close=101.0, days=DAYS[1:2], symbols=("AAA", "BBB"))):
        with warehouse.write(STAMP) as tx:
            ingest(tx, "prices", rows)
    pack = cut(warehouse, DAYS[-1])
    weights = {"optimal_weights": pd.DataFrame({"symbol": ["AAA", "BBB", "CCC"], "weight": [0.2, 0.3, 0.5]})}
    with warehouse.write(STAMP) as tx:
        tx.record("optimal_weights", weights, pack_id=pack.id, portfolio_id=BOOK)
    return warehouse.home
