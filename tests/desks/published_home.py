"""A published home of two ingests, and what its disks lose."""

from datetime import date

from bench import STAMP, ingest, price_rows

from resources.store.warehouse import Warehouse

LATER = date(2024, 1, 8)


def write(warehouse: Warehouse, close: float = 100.0) -> None:
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", price_rows(close=close, days=(LATER,)))


def lose_all(warehouse: Warehouse) -> None:
    """The disk of the anchor is not mounted either; what is left is what readers have."""
    warehouse.path.unlink()
    warehouse.anchor.unlink()
