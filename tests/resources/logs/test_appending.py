"""The append-only logs: what is new or corrected becomes a row, what is on record already does not."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from bench import DAYS, STAMP, SYMBOLS, new_warehouse, price_rows, staying_open
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer import DataError
from resources.logs import appending
from resources.logs.appending import Appended, append_log, root_hash
from resources.store.schema import create_schema
from resources.store.transaction import Transaction


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[Transaction]:
    with new_warehouse(tmp_path, staying_open).live() as con:
        yield Transaction(con, STAMP)


def with_column(rows: pa.Table, name: str, values: list[object]) -> pa.Table:
    place = rows.column_names.index(name)
    return rows.set_column(place, name, pa.array(values, rows.schema.field(name).type))


def closes(tx: Transaction) -> list[tuple[object, ...]]:
    return tx.con.execute(
        "select symbol, date, close, dividend, ingest_seq from prices order by all"
    ).fetchall()


def test_the_same_rows_again_are_the_same(tx: Transaction) -> None:
    first = append_log(tx.con, "prices", price_rows(), 1)
    assert (first.new, first.corrected, first.same) == (16, 0, 0)
    again = append_log(tx.con, "prices", price_rows(), 2)
    assert (again.new, again.corrected, again.same, again.rows) == (0, 0, 16, 0)
    assert len(closes(tx)) == 16


def test_a_value_within_a_millionth_is_the_same_and_beyond_it_a_correction(tx: Transaction) -> None:
    append_log(tx.con, "prices", price_rows(days=DAYS[:1], symbols=SYMBOLS[:1]), 1)
    near = with_column(price_rows(days=DAYS[:1], symbols=SYMBOLS[:1]), "close", [100.00009])
    far = with_column(price_rows(days=DAYS[:1], symbols=SYMBOLS[:1]), "close", [100.00011])
    assert append_log(tx.con, "prices", near, 2).same == 1
    assert append_log(tx.con, "prices", far, 3).corrected == 1
    assert [row[2] for row in closes(tx)] == [100.0, 100.00011]


def test_what_a_delivery_cannot_know_stays_as_it_is_on_record(tx: Transaction) -> None:
    known = price_rows(symbols=SYMBOLS[:1])
    append_log(tx.con, "prices", known, 1)
    silent = with_column(with_column(known, "dividend", [None] * 4), "split", [None] * 4)
    assert append_log(tx.con, "prices", silent, 2).same == 4
    append_log(tx.con, "prices", with_column(silent, "close", [50.0] * 4), 3)
    assert [row[3] for row in closes(tx) if row[4] == 3] == [0.0, 0.0, 0.25, 0.0]


def test_a_leaf_is_written_for_each_date_touched(tx: Transaction) -> None:
    append_log(tx.con, "prices", price_rows(), 1)
    append_log(tx.con, "prices", price_rows(close=105.0, days=DAYS[1:2], symbols=SYMBOLS[:1]), 2)
    leaves = tx.con.execute(
        "select date, rows, ingest_seq from log_leaves order by ingest_seq, date"
    ).fetchall()
    assert leaves == [*((day, 4, 1) for day in DAYS), (DAYS[1], 4, 2)]


def test_a_pack_before_the_correction_keeps_its_hash(tx: Transaction) -> None:
    append_log(tx.con, "prices", price_rows(), 1)
    before = root_hash(tx.con, ["prices"], DAYS[-1], 1)
    append_log(tx.con, "prices", price_rows(close=105.0, days=DAYS[1:2]), 2)
    assert root_hash(tx.con, ["prices"], DAYS[-1], 1) == before
    assert root_hash(tx.con, ["prices"], DAYS[-1], 2)[0] != before[0]
    assert root_hash(tx.con, ["prices"], DAYS[0], 2) == root_hash(tx.con, ["prices"], DAYS[0], 1)


@settings(max_examples=5)
@given(order=st.permutations(range(16)), cut=st.integers(1, 15))
def test_the_hash_depends_on_the_rows_alone_not_on_how_they_came(order: list[int], cut: int) -> None:
    rows = price_rows()
    hashes = set()
    for parts in ([list(range(16))], [order[:cut], order[cut:]]):
        with duckdb.connect() as con:
            create_schema(con)
            for seq, part in enumerate(parts, 1):
                append_log(con, "prices", rows.take(part), seq)
            hashes.add(root_hash(con, ["prices"], date(2030, 1, 1), 9)[0])
    assert len(hashes) == 1


def test_the_vendors_own_adjustment_is_no_part_of_a_packs_hash(tx: Transaction, tmp_path: Path) -> None:
    append_log(tx.con, "prices", price_rows(), 1)
    with new_warehouse(tmp_path / "other").live() as con:
        append_log(con, "prices", with_column(price_rows(), "vendor_adj_close", [1.0] * 16), 1)
        found = con.execute("select distinct vendor_hash from log_leaves").fetchall()
        assert root_hash(con, ["prices"], DAYS[-1], 1) == root_hash(tx.con, ["prices"], DAYS[-1], 1)
    assert found != tx.con.execute("select distinct vendor_hash from log_leaves").fetchall()


@pytest.mark.slow
def test_more_rows_than_duckdb_holds_in_a_row_group_all_arrive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On two threads, as new rows and as rows held against the record."""
    monkeypatch.setenv("DUCKDB_THREADS", "2")
    count, warehouse = 200_000, new_warehouse(tmp_path, staying_open)
    ratings = pa.table({
        "symbol": [f"S{number}" for number in range(count)], "source": ["feed"] * count,
        "date": pa.array([DAYS[0]] * count, pa.date32()), "rating": [1.0] * count,
    })  # fmt: skip
    with warehouse.live() as con:
        con.execute("begin")
        assert append_log(con, "ratings", ratings, 1) == Appended(count, 0, 0)
        other = ratings.set_column(3, "rating", pa.array([2.0] * count))
        assert append_log(con, "ratings", other, 2) == Appended(0, count, 0)
        assert append_log(con, "ratings", other, 3) == Appended(0, 0, count)
        con.execute("commit")
        found = con.execute("select ingest_seq, count(*), sum(rating) from ratings group by 1 order by 1")
        assert found.fetchall() == [(1, count, 1.0 * count), (2, count, 2.0 * count)]


@pytest.mark.parametrize(("table", "said"), [("prices", "15 of 16"), ("log_leaves", "3 of 4")])
def test_a_row_that_is_lost_on_its_way_is_named_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, said: str
) -> None:
    step = {"prices": "_insert", "log_leaves": "_append_leaves"}[table]
    done, warehouse = getattr(appending, step), new_warehouse(tmp_path, staying_open)

    def losing(con: duckdb.DuckDBPyConnection, *given: Any, **named: Any) -> object:
        told = done(con, *given, **named)
        con.execute(f"delete from {table} where rowid = (select max(rowid) from {table})")
        return told

    monkeypatch.setattr(appending, step, losing)
    with pytest.raises(DataError, match=f"{table}: {said} rows arrived"), warehouse.write(STAMP) as tx:
        append_log(tx.con, "prices", price_rows(), tx.next_id())
    with warehouse.live() as con:
        assert con.execute("select (select count(*) from prices), count(*) from log_leaves").fetchall() == [
            (0, 0)
        ]
