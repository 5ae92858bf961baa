"""A warehouse with prices and the file they came from, for tests of what is kept of it."""

from pathlib import Path

import pytest
from bench import STAMP, ingest, new_warehouse, price_rows

from resources.store.warehouse import Warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    made = new_warehouse(tmp_path / "home")
    with made.write(STAMP) as tx:
        ingest(tx, "prices", price_rows())
    (made.home / "payloads").mkdir()
    (made.home / "payloads" / "a.csv").write_text("raw")
    return made
