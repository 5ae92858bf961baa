"""Whatever is edited behind the door's back, `verify` finds it and names it."""

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path
from random import Random

import pytest
from bench import BOOK, DAYS, STAMP, check, cut, fill, ingest, new_warehouse, price_rows, single, tampered
from draws import some

from optimizer import DataError
from resources.audit.faults import ADDED, CHANGED, MISSING, Fault
from resources.audit.verification import verify
from resources.ledger.anchor_lines import INTENT
from resources.ledger.anchors import read_anchors
from resources.ledger.ledger import Connection, columns
from resources.ledger.tables import DATED, LEDGERED, UNITS
from resources.store.continuity import NO_ANCHOR

TABLES = (*LEDGERED, "materializations")


def other(kind: str, value: object, dice: Random) -> object:
    """Another value of the type, one that the schema admits."""
    if value is not None and kind == "VARCHAR":
        swapped = {"fresh": "rejected", "BUY": "SELL"}
        return swapped.get(str(value), f"{value}x")
    if kind == "VARCHAR":
        return ""
    if kind == "BLOB":
        return b"other"
    if kind == "BOOLEAN":
        return not value
    if kind in ("DATE", "TIMESTAMP"):
        return date(2024, 1, 9) if kind == "DATE" else "2031-01-01 00:00:00"
    if kind.endswith("[]"):
        return [*value[:-1], value[-1] + 1e-12] if isinstance(value, list) else [1.0]
    if kind == "DOUBLE":
        return float(str(value)) * (1 + 10 ** dice.uniform(-14, 0)) if value else 0.5
    return (int(float(str(value))) if value is not None else 0) + 1


def stored_columns(con: Connection, table: str) -> list[tuple[str, str]]:
    """Those that are kept: what the trade calls the date of some logs is made of it."""
    return [column for column in columns(con, table) if column[0] != DATED.get(table)]


def edit(con: Connection, table: str, column: str, kind: str, dice: Random) -> dict[str, object] | None:
    """Changes one cell; gives the row as it was, None for an empty table."""
    rows = con.execute(f"select rowid, * from {table} order by rowid").fetchall()
    names = ["rowid", *(item[0] for item in con.description or [])][1:]
    if not rows:
        return None
    row = dict(zip(names, dice.choice(rows), strict=True))
    value = other(kind, row[column], dice)
    con.execute(f'update {table} set "{column}" = ? where rowid = ?', [value, row["rowid"]])
    return row


def names_it(faults: list[Fault], table: str, row: dict[str, object]) -> bool:
    """The table, and the date or the symbol of what was touched, where it has them."""
    found = [fault for fault in faults if fault.table == table]
    marks = {row.get("date"), row.get("symbol"), row.get("as_of")} - {None}
    told = {mark for fault in found for mark in (fault.date, fault.symbol, *fault.packs)}
    return bool(found) and (not marks or bool(marks & told) or {row.get("pack_id")} <= told)


def test_an_untouched_warehouse_is_as_recorded(original: Path, tmp_path: Path) -> None:
    with tampered(original, tmp_path) as con:
        report = check(con, tmp_path)
        assert (report.faults, report.notes) == ([], [])
        assert report.checked.startswith("54 rows of the logs, 1 pack")
        assert check(con, tmp_path, "PP_2024-01-05").faults == []
        with pytest.raises(DataError, match="no pack PP_2024-01-04"):
            check(con, tmp_path, "PP_2024-01-04")


@pytest.mark.parametrize(
    "position", some((0, 2, 4, 7, 11, 16, *sorted({*range(21)} - {0, 2, 4, 7, 11, 16})), 6)
)
def test_an_edit_in_each_column_of_each_table_is_named(original: Path, tmp_path: Path, position: int) -> None:
    """One cell of every table at once, column after column: each must have its own fault."""
    dice = Random(position)
    with tampered(original, tmp_path) as con:
        touched = {}
        for table in LEDGERED:
            described = stored_columns(con, table)
            if position < len(described) and (row := edit(con, table, *described[position], dice)):
                touched[table] = row
        faults = list(check(con, tmp_path).faults)
        assert [table for table, row in touched.items() if not names_it(faults, table, row)] == []


def one_edit(original: Path, home: Path, seed: int) -> None:
    dice = Random(seed)
    with tampered(original, home) as con:
        table = dice.choice(TABLES)
        column, kind = dice.choice(stored_columns(con, table))
        row = edit(con, table, column, kind, dice)
        if row is not None:
            faults = list(check(con, home).faults)
            assert names_it(faults, table, row), (seed, table, column, row, [str(fault) for fault in faults])


def test_any_single_edit_is_named(original: Path, tmp_path: Path) -> None:
    for seed in range(2):  # a cell of each column is edited above, beside others
        one_edit(original, tmp_path, seed)


@pytest.mark.slow
def test_a_thousand_single_edits_are_named(original: Path, tmp_path: Path) -> None:
    for seed in range(100, 1100):
        one_edit(original, tmp_path, seed)


def test_a_deleted_row_of_each_table_is_named(original: Path, tmp_path: Path) -> None:
    with tampered(original, tmp_path) as con:
        gone = {}
        for table in (table for table in LEDGERED if table not in ("log_leaves", UNITS)):
            row = con.execute(f"select * from {table} limit 1").fetchall()
            con.execute(f"delete from {table} where rowid = (select min(rowid) from {table})")
            if row:
                gone[table] = True
        missing = {fault.table for fault in check(con, tmp_path).faults if fault.what == MISSING}
        assert missing >= gone.keys() - {"prices"}
        assert "prices" in missing


def test_a_repeated_row_of_each_table_is_named(original: Path, tmp_path: Path) -> None:
    with tampered(original, tmp_path) as con:
        repeated = set()
        for table in (table for table in LEDGERED if table != "log_leaves"):
            names = ", ".join(f'"{name}"' for name, _ in stored_columns(con, table))
            repeat = f"insert into {table} ({names}) select {names} from {table} limit 1"
            if con.execute(repeat).fetchall()[0][0]:
                repeated.add(table)
        added = {fault.table for fault in check(con, tmp_path).faults if fault.what == ADDED}
        assert added >= repeated


def test_a_changed_price_is_named_with_the_packs_that_see_it(small: Path, tmp_path: Path) -> None:
    with tampered(small, tmp_path) as con:
        con.execute("update prices set close = close + 1e-9 where symbol = 'CCC' and date = '2024-01-03'")
        fault = single(con, tmp_path)
        assert (fault.table, fault.what, fault.symbol, fault.date) == ("prices", CHANGED, "CCC", DAYS[1])
        assert fault.packs == ("PP_2024-01-05",)
        assert str(fault).startswith("prices: CCC 2024-01-03 changed [PP_2024-01-05]")


def test_a_price_gone_is_named_by_the_dates_around_it(small: Path, tmp_path: Path) -> None:
    with tampered(small, tmp_path) as con:
        con.execute("delete from prices where symbol = 'BBB' and date = '2024-01-04'")
        fault = single(con, tmp_path)
        assert (fault.what, fault.symbol, fault.date) == (MISSING, "BBB", DAYS[2])


def test_a_price_slipped_in_is_named(small: Path, tmp_path: Path) -> None:
    with tampered(small, tmp_path) as con:
        con.execute(
            "insert into prices by name select * replace ('ZZZ' as symbol) from prices "
            "where symbol = 'BBB' and date = '2024-01-04'"
        )
        with_wrong_hash = single(con, tmp_path)
        assert (with_wrong_hash.what, with_wrong_hash.symbol) == (CHANGED, "ZZZ")
    with tampered(small, tmp_path) as con:
        con.execute("insert into prices from prices where symbol = 'BBB' and date = '2024-01-04'")
        repeated = single(con, tmp_path)
        assert (repeated.what, repeated.symbol, repeated.date) == (ADDED, "BBB", DAYS[2])


def test_a_superseded_row_cannot_be_changed_either(small: Path, tmp_path: Path) -> None:
    with tampered(small, tmp_path) as con:
        con.execute(
            "update prices set close = 1 where symbol = 'AAA' and date = '2024-01-03' and ingest_seq = 1"
        )
        fault = single(con, tmp_path)
        assert (fault.symbol, fault.ledger_row) == ("AAA", 1)


def test_a_weight_is_named_by_pack_portfolio_and_symbol(small: Path, tmp_path: Path) -> None:
    with tampered(small, tmp_path) as con:
        con.execute("update optimal_weights set weight = 0.25 where symbol = 'BBB'")
        fault = single(con, tmp_path)
        assert (fault.table, fault.what, fault.symbol) == ("optimal_weights", CHANGED, "BBB")
        assert (fault.packs, fault.portfolio_id) == (("PP_2024-01-05",), BOOK)
        assert check(con, tmp_path, "PP_2024-01-05").faults == [fault]


def test_a_changed_view_is_named(small: Path, tmp_path: Path) -> None:
    with tampered(small, tmp_path) as con:
        con.execute("create or replace view latest_trades as select * from trades")
        assert single(con, tmp_path).message == "view latest_trades is not that of this release"


def test_a_ledger_row_is_named_and_so_is_a_gap(small: Path, tmp_path: Path) -> None:
    with tampered(small, tmp_path) as con:
        con.execute("update materializations set run_id = 'other' where id = 2")
        assert "ledger row 2" in single(con, tmp_path).message
    with tampered(small, tmp_path) as con:
        con.execute("delete from materializations where id = 2")
        assert any("follows row 1" in fault.message for fault in check(con, tmp_path).faults)


def test_a_cut_off_end_is_found_by_the_anchor_alone(original: Path, tmp_path: Path) -> None:
    warehouse = fill(tmp_path / "home")
    older = tmp_path / "older.duckdb"
    shutil.copy(warehouse.path, older)
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", price_rows(days=(date(2024, 1, 8),)))
    shutil.copy(older, warehouse.path)
    with warehouse.snapshot() as look:
        con = look.con
        faults = verify(con, warehouse.anchor).faults
        assert [fault.what for fault in faults] == [MISSING]
        assert "cut off, or an older copy put back" in faults[0].message
        (fault,) = verify(con, tmp_path / "none.jsonl").faults
        assert (fault.table, fault.what) == ("anchor", MISSING)
        assert "has rows and its anchor no line" in fault.message


def test_a_history_rewritten_as_a_whole_is_found_by_the_anchor(tmp_path: Path) -> None:
    true, forged = new_warehouse(tmp_path / "true"), new_warehouse(tmp_path / "forged")
    for warehouse, close in ((true, 100.0), (forged, 90.0)):
        with warehouse.write(STAMP) as tx:
            ingest(tx, "prices", price_rows(close=close))
        cut(warehouse, DAYS[-1])
    with forged.live() as con:
        assert verify(con, forged.anchor).faults == []
        assert "history was rewritten" in verify(con, true.anchor).faults[0].message
    for warehouse, faults in ((true, []), (forged, [NO_ANCHOR])):  # nothing but what was about to be written
        anchors = read_anchors(true.anchor)
        announced = [line for line in anchors.lines if line.kind == INTENT][-1:]
        with warehouse.live() as con:
            found = verify(con, replace(anchors, lines=tuple(announced))).faults
        assert [fault.message for fault in found] == faults


def test_ledger_rows_after_the_last_anchor_are_a_note(small: Path, tmp_path: Path) -> None:
    with tampered(small, tmp_path) as con:
        anchors = read_anchors(tmp_path / "anchors.jsonl")
        report = verify(con, replace(anchors, lines=anchors.lines[:-4]))
        assert report.faults == []
        assert report.notes[0].startswith("not anchored: the last 2 ledger rows;")
