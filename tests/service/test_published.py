"""Readers and a publishing writer: nobody waits long, nobody sees an error, everybody sees a whole copy."""

import threading
import time
from pathlib import Path

import pandas as pd
from bench import new_warehouse

from resources.ledger.ledger import Stamp
from resources.store.warehouse import Warehouse
from service.published import Published


def publish(warehouse: Warehouse, number: int) -> None:
    stamp = Stamp(f"run-{number}", pd.Timestamp("2025-01-02").to_pydatetime(), "code", "config")
    with warehouse.write(stamp) as tx:
        tx.record("configs", {"configs": pd.DataFrame([{"config_hash": str(number), "text": "x" * 1000}])})
    warehouse.publish()


def test_a_reader_waits_for_other_readers_only(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path)
    publish(warehouse, 0)
    published = Published(warehouse)
    stop, waits, counts, failures = threading.Event(), [0.0], [0], []

    def read() -> None:
        while not stop.is_set():
            began = time.perf_counter()
            try:
                with published.read() as (con, memory):
                    waits.append(time.perf_counter() - began)
                    own = con.execute("select count(*) from configs").fetchall()[0][0]
                    assert memory.keep(("count",), lambda: own) == own  # noqa: B023  called at once
                    counts.append(own)
                    time.sleep(0.002)
            except Exception as error:
                failures.append(error)
                raise

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(1, 8):
        publish(warehouse, number)
    while counts[-1] < 8 and not failures:
        time.sleep(0.01)
    stop.set()
    for reader in readers:
        reader.join()
    published.close()
    assert failures == []
    assert max(counts) == 8 and len(set(counts)) > 2
    assert max(waits) < 1.0
