"""A warehouse that the anchor does not remember is refused by every door, and neither written, shown nor replaced."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from bench import STAMP, cut, fill
from published_home import LATER, lose_all, write

from resources.audit.backup import accept_break, backup, restore
from resources.audit.verification import verify_home
from resources.ledger.anchor_lines import ACCEPTED, COMMIT, INTENT
from resources.ledger.anchors import append_line, read_anchors
from resources.ledger.record_error import RecordError, exit_status
from resources.store import live_database
from resources.store.continuity import NO_ANCHOR
from resources.store.warehouse import Warehouse


def lose(warehouse: Warehouse) -> None:
    warehouse.path.unlink()


def append_in_log(warehouse: Warehouse) -> None:
    """What a killed stranger leaves: the file is as it was, and its log of unfinished writes has the trigger."""
    other = warehouse.home.parent / "other.duckdb"
    shutil.copy(warehouse.path, other)
    con = duckdb.connect(str(other))
    con.execute("set checkpoint_threshold = '1GB'")
    con.execute("create trigger planted after insert on prices for each statement delete from quarantine")
    shutil.copy(f"{other}.wal", f"{warehouse.path}.wal")
    con.close()


def empty(warehouse: Warehouse) -> None:
    warehouse.path.unlink()
    duckdb.connect(str(warehouse.path)).close()


def put_back(warehouse: Warehouse) -> None:
    shutil.copy(warehouse.home.parent / "older.duckdb", warehouse.path)


def swap(warehouse: Warehouse) -> None:
    other = Warehouse(warehouse.home.parent / "other")
    for close in (90.0, 91.0, 92.0):
        write(other, close)
    shutil.copy(other.path, warehouse.path)


def append(warehouse: Warehouse) -> None:
    """Another hand writes a row that is chained as it must be."""
    stranger = Warehouse(warehouse.home, warehouse.home.parent / "nowhere.jsonl", scratch=True)
    write(stranger, 101.0)


def cut_lines(warehouse: Warehouse) -> None:
    lines = warehouse.anchor.read_text().splitlines(keepends=True)
    warehouse.anchor.write_text("".join(lines[:3]))


def empty_anchor(warehouse: Warehouse) -> None:
    warehouse.anchor.write_bytes(b"")


def lose_anchor(warehouse: Warehouse) -> None:
    warehouse.anchor.unlink()


def old_anchor(warehouse: Warehouse) -> None:
    """A line as the first release wrote it: that one did not announce each row, and this one does."""
    first = next(line for line in read_anchors(warehouse.anchor).lines if line.kind == COMMIT)
    warehouse.anchor.write_text(json.dumps({"count": first.count, "head": first.head, "at": first.at}) + "\n")


def plant(warehouse: Warehouse) -> None:
    with duckdb.connect(str(warehouse.path)) as con:
        con.execute("create trigger planted after insert on prices for each statement delete from quarantine")


def damage(warehouse: Warehouse) -> None:
    raw = bytearray(warehouse.path.read_bytes())
    raw[:4096] = b"\x5a" * 4096
    warehouse.path.write_bytes(raw)


def shorten(warehouse: Warehouse) -> None:
    """By a byte of a block of rows, without which DuckDB opens the file; its log, folded in, would fill the gap."""
    with duckdb.connect(str(warehouse.path)) as con:
        for _ in range(2):
            con.execute(
                "insert into quarantine (ingest_seq, log, source, code, reason) "
                "select 1, '', '', '', md5(range::text) from range(9000)"
            )
            con.execute("checkpoint")
        con.execute("pragma disable_checkpoint_on_shutdown")
        con.execute("create table later as from range(100)")
    os.truncate(warehouse.path, warehouse.path.stat().st_size - 1)


CASES: dict[str, tuple[Callable[[Warehouse], None], str]] = {
    "lost": (lose, "is gone, and the anchor remembers 2 ledger rows.*restore"),
    "lost with its anchor": (lose_all, "is gone, and readers still have a copy"),
    "empty": (empty, "ends at row 0, the anchor remembers 2"),
    "older": (put_back, "ends at row 1, the anchor remembers 2.*restore.*--accept"),
    "foreign": (swap, "row 2 is not the one anchored.*another desk"),
    "newer": (append, "ends at row 3, the anchor at 2: the rows after it were added by another hand"),
    "cut anchor": (cut_lines, "ends at row 2, the anchor at 1.*lines were cut off the anchor"),
    "emptied anchor": (empty_anchor, "has rows and its anchor no line.*restore.*--accept"),
    "lost anchor": (lose_anchor, "mount its disk, or copy the old one to where PACKFOLIO_ANCHOR now says"),
    "first release's anchor": (old_anchor, "ends at row 2, the anchor at 1.*lines were cut off the anchor"),
    "planted": (plant, "trigger prices.planted.*restore"),
    "damaged": (damage, "is damaged .*restore"),
    "cut": (shorten, "is damaged .*its tables need .*restore"),
}


def look_only(warehouse: Warehouse) -> None:
    """Whoever runs this test may be root, so the right to write itself is asked for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "access", lambda place, how: False)
        patch.setattr(live_database, "held", None)
        warehouse.refuse_unlike()


DOORS: dict[str, Callable[[Warehouse], object]] = {
    "write": write,
    "publish": Warehouse.publish,
    "live": lambda warehouse: warehouse.live().__enter__(),
    "look": Warehouse.refuse_unlike,
    "look only": look_only,
    "backup": lambda warehouse: backup(warehouse, warehouse.home.parent / "new", STAMP.at),
}


@pytest.mark.parametrize("case", CASES)
def test_every_door_refuses_it_and_changes_nothing(warehouse: Warehouse, case: str) -> None:
    harm, said = CASES[case]
    harm(warehouse)
    files = (warehouse.path, warehouse.published, warehouse.anchor)
    before = [path.read_bytes() if path.exists() else None for path in files]
    for name, use in DOORS.items():
        with pytest.raises(RecordError, match=said) as told:
            use(warehouse)
        assert exit_status(told.value) == 3
        assert [path.read_bytes() if path.exists() else None for path in files] == before, name
    report = verify_home(warehouse)
    assert report.status == "fault"
    assert case != "cut" or "its tables need" in str(report.faults[0])  # found before a row is read
    assert [path.read_bytes() if path.exists() else None for path in files] == before


@pytest.mark.parametrize("case", sorted(CASES.keys() - {"planted", "lost with its anchor"}))
def test_a_restore_or_an_accepted_break_goes_on_and_stays_visible(warehouse: Warehouse, case: str) -> None:
    harm, _ = CASES[case]
    harm(warehouse)
    if case in ("newer", "foreign", "older") or case.endswith("anchor"):
        accept_break(warehouse, STAMP, "looked into")
    else:
        restore(warehouse, warehouse.home.parent / "kept", STAMP.at, "looked into")
    write(warehouse, 103.0)
    warehouse.publish()
    report = verify_home(warehouse)
    remembered = case != "lost with its anchor"  # the backup's own anchor is all there is
    assert ([str(fault) for fault in report.faults], report.status) == (
        [],
        "accepted" if remembered else "ok",
    )
    assert not remembered or "looked into" in report.breaks[0]


@pytest.mark.parametrize("moment", ["before the commit", "after the commit"])
def test_a_run_killed_around_its_commit_goes_on(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Between its two lines of the anchor a ledger is known either way; nothing is refused, and nothing is a fault."""
    real = append_line

    def killed(path: Path, kind: str, *told: object, **more: object) -> None:
        if kind == (COMMIT if moment == "after the commit" else "never"):
            raise KeyboardInterrupt
        real(path, kind, *told, **more)  # type: ignore[arg-type]
        if kind == INTENT and moment == "before the commit":
            raise KeyboardInterrupt

    monkeypatch.setattr(live_database, "append_line", killed)
    with pytest.raises(KeyboardInterrupt):
        write(warehouse, 101.0)
    monkeypatch.undo()
    assert verify_home(warehouse).faults == []
    for close in (102.0, 103.0):
        write(warehouse, close)
    warehouse.publish()
    assert verify_home(warehouse).faults == []
    with warehouse.live() as con:
        rows = con.execute("select count(*) from materializations").fetchall()
    assert rows == [(5 if moment == "after the commit" else 4,)]


def test_an_accepted_line_that_the_ledger_does_not_bear_out_is_a_fault(warehouse: Warehouse) -> None:
    """Who can append to the anchor alone cannot make an older warehouse pass."""
    put_back(warehouse)
    anchors = read_anchors(warehouse.anchor)
    first = next(line for line in anchors.lines if line.kind == COMMIT)
    append_line(warehouse.anchor, ACCEPTED, *first.state, STAMP.at, {"accepted": "trust me"}, after=anchors)
    report = verify_home(warehouse)
    assert "accepts a break (trust me) that the ledger knows nothing of" in str(report.faults[0])
    with pytest.raises(RecordError, match="accepts a break that the ledger knows nothing of"):
        write(warehouse, 101.0)  # after the next line nobody would look at that one


@pytest.mark.parametrize(
    "sql",
    [
        "drop table materializations",
        "alter table materializations rename this_hash to sum",
        "alter table materializations alter id type varchar",
        "alter table materializations rename to m; create view materializations as select error('x') as id from m",
    ],
)
def test_a_ledger_that_cannot_be_asked_is_a_fault(warehouse: Warehouse, sql: str) -> None:
    with duckdb.connect(str(warehouse.path)) as con:
        con.execute(sql)
    (fault,) = verify_home(warehouse).faults
    assert "its ledger is not the table that this release made" in str(fault)
    with pytest.raises(RecordError):
        write(warehouse, 101.0)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("drop macro schema_version", "says that its schema is 1, and is not as that release made it"),
        ("create or replace macro schema_version() as 'none'", "gives no number of its schema"),
        ("create or replace macro schema_version() as error('x')", "gives no number of its schema"),
    ],
)
def test_a_schema_that_is_not_of_the_version_it_says_is_a_fault(
    warehouse: Warehouse, sql: str, said: str
) -> None:
    """It was taken for one of an older release, and to bring it forward ended in DuckDB's own words."""
    with duckdb.connect(str(warehouse.path)) as con:
        con.execute(sql)
    (fault,) = verify_home(warehouse).faults
    assert said in str(fault)
    with pytest.raises(RecordError, match=said):
        write(warehouse, 101.0)


def test_an_anchor_moves_to_another_place_with_its_lines(warehouse: Warehouse) -> None:
    moved = Warehouse(warehouse.home, warehouse.home.parent / "worm" / "anchors.jsonl")
    with pytest.raises(RecordError, match="where PACKFOLIO_ANCHOR now says"):
        write(moved, 101.0)
    assert [fault.message for fault in verify_home(moved).faults] == [NO_ANCHOR]
    moved.anchor.parent.mkdir()
    shutil.copy(warehouse.anchor, moved.anchor)
    write(moved, 101.0)
    assert verify_home(moved).status == "ok"


def test_what_stands_in_the_place_of_a_folder_is_told_before_anything_is_written(
    warehouse: Warehouse,
) -> None:
    for name in ("cache", "evidence", "payloads"):
        (warehouse.home / name).write_text("no folder")
        with pytest.raises(RecordError, match=f"{name} is no folder: move that away"):
            write(warehouse, 101.0)
        (warehouse.home / name).unlink()
    write(warehouse, 101.0)


def test_verification_needs_no_right_to_write(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for an auditor who may only read: whoever runs this test may be root, so the right itself is asked for."""
    before = {path: path.read_bytes() for path in warehouse.home.rglob("*") if path.is_file()}
    monkeypatch.setattr(os, "access", lambda place, how: False)
    monkeypatch.setattr(live_database, "held", None)
    assert verify_home(warehouse).faults == []
    warehouse.refuse_unlike()
    with warehouse.room("look-") as folder:
        assert folder.is_dir() and warehouse.home not in folder.parents
    assert not folder.exists()
    assert {path: path.read_bytes() for path in warehouse.home.rglob("*") if path.is_file()} == before


def test_a_cut_and_an_upgrade_are_ordinary(tmp_path: Path) -> None:
    warehouse = fill(tmp_path / "home")
    warehouse.publish()
    cut(warehouse, LATER)
    assert verify_home(warehouse).faults == []
    stamp = replace(STAMP, run_id="again")
    with warehouse.write(stamp):
        pass  # nothing written: the anchor says nothing
    assert verify_home(warehouse).faults == []


@pytest.mark.parametrize("door", DOORS)
def test_what_is_planted_in_the_log_of_unfinished_writes_is_refused(warehouse: Warehouse, door: str) -> None:
    append_in_log(warehouse)
    places = (warehouse.published, warehouse.path, warehouse.path.with_name("warehouse.duckdb.wal"))
    before = [place.read_bytes() for place in places]
    with pytest.raises(RecordError, match=r"trigger prices.planted.*restore"):
        DOORS[door](warehouse)
    assert [place.read_bytes() for place in places] == before


def test_a_changed_table_in_the_log_of_unfinished_writes_can_be_verified(warehouse: Warehouse) -> None:
    """A kill in a migration leaves it; DuckDB opened on such a file asks for functions that it has not loaded yet."""
    other = warehouse.home.parent / "other.duckdb"
    shutil.copy(warehouse.path, other)
    with duckdb.connect(str(other)) as con:
        con.execute("set checkpoint_threshold = '1GB'")
        con.execute("alter table prices rename volume to traded")
        con.execute("alter table prices rename traded to volume")
        shutil.copy(f"{other}.wal", f"{warehouse.path}.wal")
    assert verify_home(warehouse).faults == []
