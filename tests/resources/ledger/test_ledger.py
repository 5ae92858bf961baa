"""Canonical texts and hashes: a changed cell changes them, the order of rows does not; a full disk loses nothing."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from bench import DAYS, STAMP, ingest, price_rows
from draws import examples
from hypothesis import given
from hypothesis import strategies as st

from resources.audit.verification import verify
from resources.ledger.ledger import columns, content_hash, head, row_text
from resources.store.warehouse import Warehouse

IN_MEMORY = duckdb.connect()
CELLS = st.tuples(
    st.one_of(st.none(), st.text(alphabet="ab=\x1f|\\'", max_size=4)),
    st.one_of(st.none(), st.text(alphabet="ab=\x1f|\\'", max_size=4)),
    st.one_of(st.none(), st.floats(allow_nan=False)),
)


@examples(10)
@given(one=CELLS, other=CELLS)
def test_two_rows_have_one_text_only_when_all_their_cells_are_equal(
    one: tuple[object, ...], other: tuple[object, ...]
) -> None:
    text = row_text([("a", "VARCHAR"), ("b", "VARCHAR"), ("c", "DOUBLE")])
    rows = "(values ($1::varchar, $2::varchar, $3::double), ($4, $5, $6)) as t(a, b, c)"
    count = IN_MEMORY.execute(f"select count(distinct {text}) from {rows}", [*one, *other]).fetchall()[0][0]
    same = repr(one) == repr(other)  # repr tells 0.0 from -0.0, as the text does
    assert (count == 1) == same


def test_the_order_of_rows_is_no_content_but_their_number_is() -> None:
    with duckdb.connect() as con:
        con.execute("create table t (a varchar, materialization bigint)")
        hashes = []
        for values in ("('x', 1), ('y', 1)", "('y', 2), ('x', 2)", "('x', 1), ('y', 1), ('y', 1)"):
            con.execute("delete from t")
            con.execute(f"insert into t values {values}")
            hashes.append(content_hash(con, "t", columns(con, "t"))[0])
    assert hashes[0] == hashes[1] != hashes[2]


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """No file may grow beyond `limit` bytes: what a full disk does to a writer, without a disk to fill."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_an_error_that_loses_nothing(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path)
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", price_rows())
    days = tuple(DAYS[-1] + timedelta(days=number) for number in range(1, 400))
    many = pa.concat_tables(
        [
            price_rows(close=100 + part, days=days, symbols=tuple(f"S{part}N{n}" for n in range(40)))
            for part in range(3)
        ]
    )
    room = warehouse.path.stat().st_size + 300_000
    with full_disk(room), pytest.raises(duckdb.Error), warehouse.write(STAMP) as tx:
        ingest(tx, "prices", many)
    with warehouse.live() as con:
        assert head(con)[0] == 1
        assert con.execute("select count(*), max(date) from prices").fetchall() == [(16, date(2024, 1, 5))]
        assert verify(con, warehouse.anchor).faults == []
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", many)
    with warehouse.live() as con:
        assert verify(con, warehouse.anchor).faults == []
        assert head(con)[0] == 2
