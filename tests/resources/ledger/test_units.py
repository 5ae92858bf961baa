"""Many portfolios under one ledger row: what is written, what is not, and that each stands for itself."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from bench import STAMP, new_warehouse

from optimizer import DataError
from resources.audit.verification import verify
from resources.ledger.anchors import Anchors, read_anchors
from resources.ledger.ledger import Connection, Entry
from resources.store.transaction import Rows, Transaction, Versions
from resources.store.warehouse import Warehouse

BOOKS = [f"book {number:02}" for number in range(9)]
PACK = "PP_2024-01-05"


def weights(of: Mapping[str, float]) -> pd.DataFrame:
    """Two rows for each portfolio."""
    return pd.DataFrame(
        [
            (book, symbol, part)
            for book, one in of.items()
            for symbol, part in (("AAA", one), ("BBB", 1 - one))
        ],
        columns=["portfolio_id", "symbol", "weight"],
    )


def record(warehouse: Warehouse, rows: Rows, books: Sequence[str] = BOOKS) -> list[Entry]:
    with warehouse.write(STAMP) as tx:
        own = {book: {"portfolio_snapshots": f"of {book}"} for book in books}
        stated = dict.fromkeys(books, ("optimal_weights",))
        return tx.record_units(
            "optimal_weights", PACK, Versions({"optimal_weights": rows}, stated, {"pricing_pack": "p"}, own)
        )


@pytest.fixture
def filled(tmp_path: Path) -> Warehouse:
    warehouse = new_warehouse(tmp_path)
    record(warehouse, weights(dict.fromkeys(BOOKS, 0.5)))
    return warehouse


def faults(warehouse: Warehouse, edit: str) -> list[tuple[str, str, str | None, str | None]]:
    with duckdb.connect(str(warehouse.path)) as con:
        con.execute(edit)
        found = verify(con, read_anchors(warehouse.anchor)).faults
        return [(fault.table, fault.what, fault.portfolio_id, fault.symbol) for fault in found]


def test_only_what_changed_is_written_under_one_ledger_row(filled: Warehouse) -> None:
    again = record(filled, weights(dict.fromkeys(BOOKS, 0.5)))
    assert ({entry.id for entry in again}, any(entry.changed for entry in again)) == ({1}, False)
    third = record(filled, weights(dict.fromkeys(BOOKS, 0.5) | {BOOKS[3]: 0.25, BOOKS[7]: 0.75}))
    assert [entry.id for entry in third] == [1, 1, 1, 2, 1, 1, 1, 2, 1]
    with filled.live() as con:
        assert con.execute(
            "select count(*), count(distinct portfolio_id) from latest_optimal_weights"
        ).fetchall() == [(18, 9)]
        assert con.execute("select id, portfolio_id, rows, input_hashes from materializations").fetchall() == [
            (1, None, 18, '{"pricing_pack": "p"}'), (2, None, 4, '{"pricing_pack": "p"}'),
        ]  # fmt: skip
        assert con.execute(
            "select portfolio_id, input_hashes from materialization_units where materialization = 2 order by 1"
        ).fetchall() == [(book, f'{{"portfolio_snapshots": "of {book}"}}') for book in (BOOKS[3], BOOKS[7])]
        assert verify(con, read_anchors(filled.anchor)).faults == []


@pytest.mark.parametrize("shape", [pa.Table.from_pandas, lambda rows: rows[::-1]])
def test_neither_the_shape_nor_the_order_nor_the_company_changes_a_portfolios_hash(
    filled: Warehouse, tmp_path: Path, shape: Callable[[pd.DataFrame], Any]
) -> None:
    rows, alone = weights(dict.fromkeys(BOOKS, 0.5)), Warehouse(tmp_path / "alone")
    assert not any(entry.changed for entry in record(filled, shape(rows)))
    singly = [record(alone, weights({book: 0.5}), [book])[0] for book in BOOKS]
    assert [one.content_hash for one in singly] == [one.content_hash for one in record(filled, rows)]


def test_rows_of_a_portfolio_that_states_none_are_refused(filled: Warehouse) -> None:
    with pytest.raises(DataError, match=r"optimal_weights has rows of \['book 08'\], which do not state it"):
        record(filled, weights(dict.fromkeys(BOOKS, 0.1)), BOOKS[:-1])
    with filled.live() as con:
        assert con.execute("select count(*) from materializations").fetchall() == [(1,)]


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ("update {w} set weight = 0.6 where {of} and symbol = 'BBB'", [("{w}", "changed", "BBB")]),
        ("delete from {w} where {of} and symbol = 'AAA'", [("{w}", "missing", None)]),
        ("insert into {w} from {w} where {of} and symbol = 'AAA'", [("{w}", "added", "AAA")]),
        ("update {u} set content_hash = 'x' where {of}", [("{u}", "changed", None), ("{w}", "changed", None)]),
        ("update {u} set input_hashes = '{{}}' where {of}", [("{u}", "changed", None)]),
        ("delete from {u} where {of}", [("{u}", "missing", None), *2 * [("{w}", "added", "AAA")]]),
    ],
)  # fmt: skip
def test_what_was_done_to_one_portfolio_names_it_alone(
    filled: Warehouse, edit: str, expected: list[tuple[str, str, str | None]]
) -> None:
    names = {"w": "optimal_weights", "u": "materialization_units", "of": f"portfolio_id = '{BOOKS[4]}'"}
    found = faults(filled, edit.format(**names))
    assert {(table, what) for table, what, _, _ in found} == {
        (table.format(**names), what) for table, what, _ in expected
    }
    assert {owner for table, what, owner, _ in found if (table, what) != (names["u"], "missing")} <= {
        BOOKS[4]
    }


def leaf_row(con: Connection) -> str:
    return str(con.execute("select cells from materializations where id = 1").fetchall()[0][0])


def test_the_ledger_row_keeps_a_root_that_a_hand_computed_tree_has(filled: Warehouse) -> None:
    import hashlib
    import json

    with filled.live() as con:
        root, shorts = json.loads(leaf_row(con))["materialization_units"]
        rows = con.execute("from materialization_units order by portfolio_id").df().to_dict("records")

    def node(hashes: list[bytes]) -> bytes:
        if len(hashes) == 1:
            return hashlib.sha256(b"\0" + hashes[0]).digest()
        half = 1
        while 2 * half < len(hashes):
            half *= 2
        return hashlib.sha256(b"\1" + node(hashes[:half]) + node(hashes[half:])).digest()

    texts = (
        "\x1f".join(f"{name}={row[name]}" for name in sorted(row) if row[name] is not None) for row in rows
    )
    leaves = [hashlib.sha256(text.encode()).digest() for text in texts]
    assert (node(leaves).hex(), "".join(leaf.hex()[:8] for leaf in leaves)) == (root, shorts)
    assert isinstance(read_anchors(filled.anchor), Anchors)


@pytest.mark.slow
def test_more_rows_than_duckdb_holds_in_a_row_group_all_arrive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On two threads: into a table made by `create ... as` they were lost, and nobody was told."""
    monkeypatch.setenv("DUCKDB_THREADS", "2")
    count = 130_000
    rows = pa.table({
        "portfolio_id": ["book 00"] * count, "symbol": [f"S{number}" for number in range(count)],
        "weight": [1.0 / count] * count,
    })  # fmt: skip
    exposures = pd.DataFrame({"portfolio_id": ["book 00"], "exposure_type": ["EQUITY"], "amount": [1.0]})
    warehouse = new_warehouse(tmp_path)
    with warehouse.write(STAMP) as tx:
        tables: dict[str, Rows] = {"optimal_weights": rows, "portfolio_exposures": exposures}
        (entry,) = tx.record_units(
            "optimal_weights", PACK, Versions(tables, {"book 00": tuple(tables)}, {}, {"book 00": {}})
        )
    with warehouse.live() as con:
        assert con.execute("select count(*) from optimal_weights").fetchall() == [(count,)]
        assert entry.rows == count + 1 and verify(con, read_anchors(warehouse.anchor)).faults == []


def losing(step: str, lost: str) -> Callable[..., object]:
    """A step of a write after which a row of the table `lost` is gone, and nobody is told."""
    done = getattr(Transaction, step)

    def stepped(tx: Transaction, *given: Any) -> object:
        told = done(tx, *given)
        if step == "_stage" and given[0] == lost:  # what is staged is read where it is registered
            tx.con.register(f"incoming_{lost}", given[1][:-1])
        elif step != "_stage" and lost in given:
            tx.con.execute(f"delete from {lost} where rowid = (select max(rowid) from {lost})")
        return told

    return stepped


@pytest.mark.parametrize(
    ("step", "lost", "said"),
    [
        ("_stage", "optimal_weights", "optimal_weights: 17 of 18 rows"),
        ("_move", "optimal_weights", "optimal_weights: 17 of 18 rows"),
        ("_move", "materialization_units", "materialization_units: 8 of 9 rows"),
    ],
)
def test_a_version_of_which_a_row_is_missing_is_named_and_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, lost: str, said: str
) -> None:
    warehouse = Warehouse(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Transaction, step, losing(step, lost))
        with pytest.raises(DataError, match=f"{said} arrived, so nothing was written"):
            record(warehouse, weights(dict.fromkeys(BOOKS, 0.5)))
    with warehouse.live() as con:
        lying = con.execute("select (select count(*) from optimal_weights), count(*) from materializations")
        assert lying.fetchall() == [(0, 0)]
    assert [entry.id for entry in record(warehouse, weights(dict.fromkeys(BOOKS, 0.5)))] == [1] * 9


@pytest.mark.parametrize(("step", "lost"), [("_stage", "configs"), ("_move", "configs")])
def test_a_version_of_no_portfolio_of_which_a_row_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, lost: str
) -> None:
    monkeypatch.setattr(Transaction, step, losing(step, lost))
    with pytest.raises(DataError, match="configs: 0 of 1 rows"), Warehouse(tmp_path).write(STAMP) as tx:
        tx.record("configs", {"configs": pd.DataFrame([{"config_hash": "c0ffee", "text": "{}"}])})
