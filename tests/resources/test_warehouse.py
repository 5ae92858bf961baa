"""The one door: all of a transaction or nothing, unchanged content not written, readers undisturbed."""

import json
import threading
from datetime import datetime
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from optimizer.errors import DataError
from resources.ledger import Entry, Stamp, head
from resources.warehouse import Warehouse, frame

STAMP = Stamp("run", datetime(2026, 1, 1), "code", "config")  # noqa: DTZ001  warehouse times are UTC without a zone
PACK = "PP_2022-01-03"


def _posterior(*returns: float) -> pd.DataFrame:
    symbols = [f"S{i}" for i in range(len(returns))]
    return pd.DataFrame({"symbol": symbols, "prior_return": 0.05, "posterior_return": returns})


def _write(warehouse: Warehouse, rows: pd.DataFrame, portfolio: str = "one", stamp: Stamp = STAMP) -> Entry:
    with warehouse.write(stamp) as tx:
        return tx.record(
            "posterior_returns", {"posterior_returns": rows}, pack_id=PACK, portfolio_id=portfolio
        )


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path)


def test_unchanged_content_writes_nothing_whoever_computed_it(warehouse: Warehouse) -> None:
    first = _write(warehouse, _posterior(0.1, 0.2))
    again = _write(warehouse, _posterior(0.1, 0.2), stamp=Stamp("other", STAMP.at, "newer code", "config"))
    assert first.changed and not again.changed
    assert again.id == first.id
    reordered = _write(warehouse, _posterior(0.1, 0.2).iloc[::-1])
    assert not reordered.changed


def test_readers_see_the_newest_version_of_each_portfolio(warehouse: Warehouse) -> None:
    _write(warehouse, _posterior(0.1, 0.2))
    _write(warehouse, _posterior(0.3), "two")
    _write(warehouse, _posterior(0.4))
    with warehouse.live() as con:
        latest = con.execute(
            "select portfolio_id, posterior_return from latest_posterior_returns order by 1"
        ).fetchall()
        every = con.execute("select count(*) from posterior_returns").fetchall()
    assert latest == [("one", 0.4), ("two", 0.3)]
    assert every == [(4,)]


def test_an_empty_version_replaces_a_full_one(warehouse: Warehouse) -> None:
    _write(warehouse, _posterior(0.1))
    _write(warehouse, _posterior())
    with warehouse.live() as con:
        assert con.execute("select count(*) from latest_posterior_returns").fetchall() == [(0,)]


def test_nothing_of_a_failed_transaction_remains(warehouse: Warehouse) -> None:
    _write(warehouse, _posterior(0.1))
    with pytest.raises(ZeroDivisionError), warehouse.write(STAMP) as tx:
        tx.record(
            "posterior_returns", {"posterior_returns": _posterior(0.9)}, pack_id=PACK, portfolio_id="one"
        )
        _ = 1 / 0
    with warehouse.live() as con:
        assert head(con)[0] == 1
        assert con.execute("select posterior_return from posterior_returns").fetchall() == [(0.1,)]
    assert len(warehouse.anchor.read_text(encoding="utf-8").splitlines()) == 1


def test_a_column_that_the_table_lacks_is_refused(warehouse: Warehouse) -> None:
    with pytest.raises(DataError, match=r"has no columns \['yield'\]"):
        _write(warehouse, _posterior(0.1).assign(**{"yield": 1.0}))


def test_the_anchor_remembers_the_head_after_each_commit(warehouse: Warehouse) -> None:
    _write(warehouse, _posterior(0.1))
    _write(warehouse, _posterior(0.2))
    lines = [json.loads(line) for line in warehouse.anchor.read_text(encoding="utf-8").splitlines()]
    with warehouse.live() as con:
        assert (lines[-1]["count"], lines[-1]["head"]) == head(con)
    assert [line["count"] for line in lines] == [1, 2]


def test_reading_before_the_first_run_says_what_to_do(warehouse: Warehouse) -> None:
    with pytest.raises(DataError, match="run `packfolio run` first"), warehouse.read():
        pass


def test_readers_keep_what_they_opened_while_a_run_writes_and_publishes(warehouse: Warehouse) -> None:
    _write(warehouse, _posterior(0.1))
    warehouse.publish()
    wrong: list[str] = []
    stop = threading.Event()

    def reads() -> None:
        while not stop.is_set():
            with warehouse.read() as con:
                counts = {len(frame(con, "select * from posterior_returns")) for _ in range(3)}
                if len(counts) != 1:
                    wrong.append(f"the copy changed under its reader: {counts}")

    reader = threading.Thread(target=reads)
    reader.start()
    try:
        for i in range(10):
            _write(warehouse, _posterior(0.2 + i))
            warehouse.publish()
    finally:
        stop.set()
        reader.join()
    assert not wrong
    with warehouse.read() as con:
        assert len(frame(con, "select * from posterior_returns")) == 11


def test_the_published_copy_cannot_be_written(warehouse: Warehouse) -> None:
    _write(warehouse, _posterior(0.1))
    warehouse.publish()
    with warehouse.read() as con, pytest.raises(duckdb.Error):
        con.execute("insert into posterior_returns by name select 'x' as symbol")
