"""Readers and a publishing writer: nobody waits for a reader, nobody sees an error, everybody sees a whole copy."""

import threading
from pathlib import Path

import pandas as pd
from bench import new_warehouse

from resources.ledger.ledger import Stamp
from resources.store.warehouse import Warehouse
from service.published import Published

LAST = 4  # states, one after the other


def publish(warehouse: Warehouse, number: int) -> None:
    stamp = Stamp(f"run-{number}", pd.Timestamp("2025-01-02").to_pydatetime(), "code", "config")
    with warehouse.write(stamp) as tx:
        tx.record("configs", {"configs": pd.DataFrame([{"config_hash": str(number), "text": "x" * 1000}])})
    warehouse.publish()


def count_of(published: Published) -> int:
    with published.read() as (con, memory):
        own = int(con.execute("select count(*) from configs").fetchall()[0][0])
        assert memory.keep(("count",), lambda: own) == own  # of this very copy
        return own


def test_neither_a_publish_nor_a_reader_waits_for_a_reader(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path)
    publish(warehouse, 0)
    published = Published(warehouse)
    counts: list[int] = []

    def publish_and_read() -> None:
        publish(warehouse, 1)
        counts.append(count_of(published))

    with published.read() as (con, _):
        other = threading.Thread(target=publish_and_read, daemon=True)
        other.start()
        other.join(600)  # it ends while this reader is in the middle, or never
        assert counts == [2]
        assert con.execute("select count(*) from configs").fetchall() == [(1,)]
    published.close()


def test_readers_see_whole_copies_while_a_writer_publishes(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path)
    publish(warehouse, 0)
    published = Published(warehouse)
    failures: list[Exception] = []
    seen: list[list[int]] = [[] for _ in range(3)]
    moved = threading.Condition()

    def read(counts: list[int]) -> None:
        try:
            while not counts or counts[-1] < LAST:
                count = count_of(published)
                with moved:
                    counts.append(count)
                    moved.notify_all()
        except Exception as error:
            with moved:
                failures.append(error)
                moved.notify_all()
            raise

    readers = [threading.Thread(target=read, args=(counts,)) for counts in seen]
    for reader in readers:
        reader.start()
    for number in range(1, LAST):
        with moved:  # every state is read by somebody before the next replaces it
            moved.wait_for(lambda: failures or any(number in counts for counts in seen))  # noqa: B023  called at once
        publish(warehouse, number)
    for reader in readers:
        reader.join()
    published.close()
    assert failures == []
    assert all(counts == sorted(counts) and counts[-1] == LAST for counts in seen)
    assert {count for counts in seen for count in counts} == set(range(1, LAST + 1))
