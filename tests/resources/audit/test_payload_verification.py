"""Payloads that the home keeps: one that was edited or lost is a fault, whoever else has the rows."""

import os
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest
from bench import STAMP, cut

from resources.audit.verification import verify_home
from resources.logs.storing import kept_payload, store_delivery
from resources.prices.files import Reading, read_delivery
from resources.store.warehouse import Warehouse


@pytest.fixture
def kept(warehouse: Warehouse) -> list[Path]:
    """Two payloads, one of them seen by a pack, and what lies beside them and is of no ledger row."""
    found = []
    for day in ("2024-01-08", "2024-01-09"):
        raw = f"symbol,date,close\nKEPT,{day},1\n".encode()
        told = read_delivery(raw, f"{day}.csv", sha256(raw).hexdigest(), day, Reading("feed", "USD"))
        with warehouse.write(STAMP) as tx:
            path = kept_payload(warehouse.home, told)
            store_delivery(tx, told, path)
        found.append(warehouse.home / path)
        if len(found) == 1:
            cut(warehouse, date(2024, 1, 8))
    return found


def faults(warehouse: Warehouse, pack: str | None = None) -> list[str]:
    return [str(fault) for fault in verify_home(warehouse, pack_id=pack).faults]


def test_a_payload_that_was_edited_or_lost_is_named_with_its_ledger_row(
    warehouse: Warehouse, kept: list[Path]
) -> None:
    """Only `trace` looked at it, of one row at a time: verification said that all was as recorded."""
    first, second = (f"payloads/{place.name}" for place in kept)
    assert faults(warehouse) == []
    raw = kept[0].read_bytes()
    kept[0].write_bytes(raw.replace(b",1\n", b",2\n"))
    (one,) = faults(warehouse)
    assert one.startswith(f"payloads: changed: {first} is not what ledger row 2 took: a backup made since")
    kept[1].unlink()
    one, other = faults(warehouse)
    assert other.startswith(f"payloads: missing: {second}, which ledger row 4 took, is gone: a backup")
    assert faults(warehouse, "PP_2024-01-08") == [one]  # the pack never saw the other
    kept[0].write_bytes(raw)
    assert faults(warehouse) == [other]
    os.mkfifo(kept[1])
    assert faults(warehouse) == [other]
    kept[1].unlink()
    kept[1].symlink_to(kept[1].name)
    (one,) = faults(warehouse)
    assert "is gone" in one or "cannot be read" in one


def test_a_warehouse_without_its_table_of_ingests_is_told_as_that(
    warehouse: Warehouse, kept: list[Path]
) -> None:
    with warehouse.disputed() as con:
        con.execute("alter table ingests rename payload_path to elsewhere")
    kept[0].unlink()
    said = faults(warehouse)
    assert said and all(one.startswith(("schema", "published")) for one in said)
