"""A published home, made once for a file of tests."""

import shutil
from pathlib import Path

import pytest
from bench import STAMP, ingest, price_rows
from published_home import write

from resources.audit.backup import backup
from resources.store.warehouse import Warehouse


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published home of one ingest, an older copy of its warehouse, and its backup."""
    folder = tmp_path_factory.mktemp("home")
    warehouse = Warehouse(folder / "home")
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", price_rows())
    warehouse.publish()
    shutil.copy(warehouse.path, folder / "older.duckdb")
    backup(warehouse, folder / "kept", STAMP.at)
    write(warehouse)
    warehouse.publish()
    return folder


@pytest.fixture
def warehouse(original: Path, tmp_path: Path) -> Warehouse:
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    return Warehouse(tmp_path / "home")
