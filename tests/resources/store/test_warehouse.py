"""The one door: whole transactions, unchanged content not written twice, readers of a published copy."""

import multiprocessing
import os
import resource
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from bench import BOOK, STAMP, fill

from optimizer import DataError
from resources.audit.backup import accept_break
from resources.audit.verification import verify
from resources.ledger.anchor_lines import COMMIT, INTENT
from resources.ledger.anchors import read_anchors
from resources.ledger.ledger import GENESIS, Connection, head, latest
from resources.ledger.record_error import RecordError
from resources.store import live_database
from resources.store.duckdb_engine import attached
from resources.store.warehouse import Warehouse

WEIGHTS = pd.DataFrame({"symbol": ["AAA", "BBB"], "weight": [0.25, 0.75]})


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "home")


def record(warehouse: Warehouse, weights: pd.DataFrame = WEIGHTS, later: timedelta = timedelta()) -> bool:
    with warehouse.write(replace(STAMP, at=STAMP.at + later)) as tx:
        return tx.record(
            "optimal_weights", {"optimal_weights": weights}, pack_id="PP_2024-01-05", portfolio_id=BOOK
        ).changed


def latest_weights(warehouse: Warehouse) -> list[tuple[object, ...]]:
    with warehouse.live() as con:
        return con.execute("select symbol, weight from latest_optimal_weights order by 1").fetchall()


def test_the_same_content_is_written_once(warehouse: Warehouse) -> None:
    assert record(warehouse)
    assert not record(warehouse)
    assert not record(warehouse, WEIGHTS.iloc[::-1])  # the order of rows is no content
    with warehouse.live() as con:
        assert head(con)[0] == 1


def test_a_new_version_is_the_latest_and_the_old_one_stays(warehouse: Warehouse) -> None:
    record(warehouse)
    record(warehouse, WEIGHTS.assign(weight=[0.5, 0.5]))
    assert latest_weights(warehouse) == [("AAA", 0.5), ("BBB", 0.5)]
    with warehouse.live() as con:
        assert con.execute("select count(*) from optimal_weights").fetchall() == [(4,)]
    record(warehouse)  # back to the first content: it must be the latest again
    assert latest_weights(warehouse) == [("AAA", 0.25), ("BBB", 0.75)]


def test_an_empty_version_hides_the_one_before(warehouse: Warehouse) -> None:
    record(warehouse)
    record(warehouse, WEIGHTS.iloc[:0])
    assert latest_weights(warehouse) == []


def test_an_error_leaves_nothing_behind(warehouse: Warehouse) -> None:
    record(warehouse)
    with pytest.raises(RuntimeError), warehouse.write(STAMP) as tx:
        tx.record(
            "optimal_weights", {"optimal_weights": WEIGHTS.assign(weight=1.0)}, pack_id="p", portfolio_id=BOOK
        )
        raise RuntimeError("the stage failed")
    with warehouse.live() as con:
        assert head(con)[0] == 1
        assert con.execute("select count(*) from optimal_weights").fetchall() == [(2,)]
    assert [line.kind for line in read_anchors(warehouse.anchor).lines] == [INTENT, COMMIT]


def test_an_unknown_column_is_named(warehouse: Warehouse) -> None:
    with pytest.raises(DataError, match=r"has no columns \['wieght'\]"):
        record(warehouse, WEIGHTS.rename(columns={"weight": "wieght"}))


def test_a_row_the_schema_refuses_stops_the_transaction(warehouse: Warehouse) -> None:
    with pytest.raises(duckdb.ConstraintException), warehouse.write(STAMP) as tx:
        trade = {"symbol": "AAA", "action": "GIFT", "quantity": 1.0}
        tx.record("trades", {"trades": pd.DataFrame([trade])}, pack_id="p", portfolio_id=BOOK)
    with warehouse.live() as con:
        assert head(con) == (0, GENESIS)


def test_decimals_keep_their_cents(warehouse: Warehouse) -> None:
    totals = pd.DataFrame([{"nav_before": Decimal("1234567.89"), "costs": Decimal("0.01")}])
    with warehouse.write(STAMP) as tx:
        tx.record("trade_lists", {"trade_lists": totals}, pack_id="p", portfolio_id=BOOK)
    with warehouse.live() as con:
        found = con.execute("select nav_before, costs from trade_lists").fetchall()
    assert found == [(Decimal("1234567.8900"), Decimal("0.0100"))]


def test_each_commit_is_anchored_outside(warehouse: Warehouse) -> None:
    fill(warehouse.home)
    lines = read_anchors(warehouse.anchor).lines
    with warehouse.live() as con:
        assert (lines[-1].count, lines[-1].head) == head(con)
        entry = latest(con, "pricing_packs", "PP_2024-01-05")
    assert entry is not None and not entry.changed
    done = [line.count for line in lines if line.kind != INTENT]
    assert done == sorted(set(done)) == [line.count for line in lines if line.kind == INTENT]


def test_a_copy_is_made_once_and_again_after_a_write_or_when_it_is_not_the_one_that_was_made(
    warehouse: Warehouse,
) -> None:
    def lines() -> int:
        return len(read_anchors(warehouse.anchor).published)

    record(warehouse)
    inodes = []
    for change in (None, None, record, None):
        if change:
            change(warehouse, WEIGHTS.assign(weight=[0.5, 0.5]))
        inodes.append(warehouse.publish().stat().st_ino)
    assert (inodes[0] == inodes[1], inodes[1] == inodes[2], inodes[2] == inodes[3]) == (True, False, True)
    assert lines() == 2
    warehouse.published.unlink()
    assert warehouse.publish().exists()
    warehouse.published.write_bytes(b"another hand's")
    warehouse.publish()
    with warehouse.read() as con:
        assert con.execute("select count(*) from optimal_weights").fetchall() == [(4,)]
    assert [path.read_bytes() for path in (warehouse.home / "evidence").iterdir()] == [b"another hand's"]


def test_readers_keep_what_they_opened_and_see_the_next_copy_when_they_open_again(
    warehouse: Warehouse,
) -> None:
    with pytest.raises(DataError, match="run `packfolio run` first"), warehouse.read():
        pass
    record(warehouse)
    warehouse.publish()
    count = "select count(*) from optimal_weights"
    with warehouse.read() as con:
        record(warehouse, WEIGHTS.assign(weight=[0.5, 0.5]))
        warehouse.publish()
        assert con.execute(count).fetchall() == [(2,)]
    with warehouse.read() as con:
        assert con.execute(count).fetchall() == [(4,)]
        with pytest.raises(duckdb.Error, match="read-only"):
            con.execute("delete from optimal_weights")
        with pytest.raises(duckdb.PermissionException):
            con.execute("select * from read_csv('/etc/hostname')")


def hold(
    home: Path, ready: "multiprocessing.synchronize.Event", done: "multiprocessing.synchronize.Event"
) -> None:
    with Warehouse(home).live():
        ready.set()
        done.wait(20)


def test_a_lock_that_is_held_too_long_is_said(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    holder = context.Process(target=hold, args=(warehouse.home, ready, done))
    holder.start()
    assert ready.wait(20)
    monkeypatch.setattr(live_database, "LOCK_SECONDS", 0.05)
    try:
        with pytest.raises(DataError, match="locked by another process"), warehouse.live():
            pass
    finally:
        done.set()
        holder.join()


def opened_each_time(path: Path, found: list[Path]) -> AbstractContextManager[Connection]:
    found.append(path)
    return attached(path)


def test_what_is_kept_open_is_opened_once_and_each_look_and_write_still_asks_the_anchor(
    tmp_path: Path,
) -> None:
    opened: list[Path] = []
    warehouse = Warehouse(tmp_path / "home", connect=lambda path: opened_each_time(path, opened))
    record(warehouse)
    opened.clear()
    with warehouse.kept_open():
        assert record(Warehouse(warehouse.home), WEIGHTS.assign(weight=0.5))
        assert latest_weights(Warehouse(warehouse.home)) == [("AAA", 0.5), ("BBB", 0.5)]
        with pytest.raises(ZeroDivisionError), warehouse.write(STAMP):
            raise ZeroDivisionError
        with pytest.raises(duckdb.CatalogException), warehouse.live() as con:
            con.execute("create temp table own (a integer)")
            with warehouse.live() as other:  # each look has temporary tables of its own
                other.execute("from own")
        kept = warehouse.anchor.read_bytes()
        warehouse.anchor.unlink()
        with pytest.raises(RecordError, match="its anchor no line"), warehouse.live():
            pass
        with pytest.raises(RecordError, match="its anchor no line"):
            record(warehouse)
        warehouse.anchor.write_bytes(kept)
    assert len(opened) == 1
    assert latest_weights(warehouse) == [("AAA", 0.5), ("BBB", 0.5)]
    assert len(opened) == 2


def test_what_is_kept_open_keeps_others_out_until_it_is_published(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_database, "LOCK_SECONDS", 0.05)

    def read() -> list[tuple[object, ...]]:
        with ThreadPoolExecutor(1) as other:  # as another process does: it waits for the lock
            return other.submit(latest_weights, warehouse).result()

    with warehouse.kept_open():
        record(warehouse)
        with pytest.raises(DataError, match="locked by another process"):
            read()
        warehouse.publish()
        assert read() == latest_weights(warehouse) == [("AAA", 0.25), ("BBB", 0.75)]
    with warehouse.read() as con:
        assert con.execute("select count(*) from optimal_weights").fetchall() == [(2,)]
    with pytest.raises(ZeroDivisionError), warehouse.kept_open():
        raise ZeroDivisionError
    assert read() == [("AAA", 0.25), ("BBB", 0.75)]


def test_a_reader_can_write_nothing_and_read_no_other_file(warehouse: Warehouse, tmp_path: Path) -> None:
    record(warehouse)
    warehouse.publish()
    (tmp_path / "other.csv").write_text("a\n1\n")
    with warehouse.read() as con:
        for sql in (
            f"select * from '{tmp_path / 'other.csv'}'",
            f"copy (select 1) to '{tmp_path / 'stolen.csv'}'",
            f"attach '{tmp_path / 'other.duckdb'}' as other",
            "set enable_external_access = true",
            "delete from optimal_weights",
        ):
            with pytest.raises(duckdb.Error):
                con.execute(sql)
    assert {path.name for path in tmp_path.iterdir()} == {"home", "other.csv"}


def test_a_lock_file_that_was_removed_leaves_one_writer(warehouse: Warehouse) -> None:
    """DuckDB's own lock on the file stands behind ours."""
    record(warehouse)
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    holder = context.Process(target=hold, args=(warehouse.home, ready, done))
    holder.start()
    assert ready.wait(20)
    (warehouse.home / "warehouse.lock").unlink()
    try:
        with pytest.raises(duckdb.IOException, match=f"held in .*PID {holder.pid}"):
            record(warehouse, WEIGHTS.assign(weight=0.5))
    finally:
        done.set()
        holder.join()
    assert latest_weights(warehouse) == [("AAA", 0.25), ("BBB", 0.75)]
    assert record(warehouse, WEIGHTS.assign(weight=0.5))


def test_a_clock_that_is_behind_the_ledger_writes_nothing_until_that_is_accepted(
    warehouse: Warehouse,
) -> None:
    """As it is set back, and as it is set right after it was ahead."""
    record(warehouse, later=timedelta(days=400))
    with pytest.raises(DataError, match=r"the clock says 2024-.*set the clock right.*--accept"):
        record(warehouse, WEIGHTS.assign(weight=0.5))
    with warehouse.live() as con:
        assert head(con)[0] == 1
    accept_break(warehouse, STAMP, "the clock was a year ahead")
    assert record(warehouse, WEIGHTS.assign(weight=0.5))
    with warehouse.live() as con:
        assert verify(con, read_anchors(warehouse.anchor)).faults == []


def test_seconds_by_which_a_clock_is_corrected_stop_nothing(warehouse: Warehouse) -> None:
    record(warehouse)
    assert record(warehouse, WEIGHTS.assign(weight=0.5), later=-timedelta(minutes=2))


def starve(home: Path) -> None:
    """Writes more than this process may: what a quota or a full disk does."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 19, 1 << 19))
    many = pd.DataFrame({"symbol": [f"S{number}" for number in range(50_000)], "weight": 0.1})
    try:
        record(Warehouse(home), many.assign(weight=np.random.default_rng(1).random(len(many))))
    except duckdb.Error as error:
        os._exit(0 if "rollback" not in str(error) else 1)  # no farewell: the file refuses that too
    os._exit(2)


def test_a_write_that_the_disk_refuses_leaves_nothing_and_works_later(warehouse: Warehouse) -> None:
    record(warehouse)
    process = multiprocessing.get_context("spawn").Process(target=starve, args=(warehouse.home,))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert latest_weights(warehouse) == [("AAA", 0.25), ("BBB", 0.75)]
    assert record(warehouse, WEIGHTS.assign(weight=0.5))


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_home_that_cannot_be_written_is_an_error(warehouse: Warehouse) -> None:
    warehouse.home.mkdir()
    warehouse.home.chmod(0o500)
    with pytest.raises(OSError), warehouse.live():
        pass
