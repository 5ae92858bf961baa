"""A warehouse that the anchor does not remember is refused by every door, and neither written, shown nor replaced."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest
from bench import STAMP, cut, fill, ingest, price_rows

from resources.audit import published_verification
from resources.audit.backup import accept_break, backup, restore
from resources.audit.published_verification import check_published
from resources.audit.verification import verify_home
from resources.dagster_resources import PublishedResource
from resources.ledger.anchor_lines import ACCEPTED, COMMIT, FORGED, INTENT
from resources.ledger.anchors import append_line, read_anchors
from resources.ledger.ledger import file_sha256
from resources.ledger.record_error import RecordError, exit_status
from resources.store import live_database
from resources.store.continuity import NO_ANCHOR
from resources.store.warehouse import Warehouse

LATER = date(2024, 1, 8)


def write(warehouse: Warehouse, close: float = 100.0) -> None:
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", price_rows(close=close, days=(LATER,)))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published home of one ingest, an older copy of its warehouse, and its backup."""
    folder = tmp_path_factory.mktemp("home")
    warehouse = Warehouse(folder / "home")
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", price_rows())
    warehouse.publish()
    shutil.copy(warehouse.path, folder / "older.duckdb")
    backup(warehouse, folder / "kept", STAMP.at)
    write(warehouse)
    warehouse.publish()
    return folder


@pytest.fixture
def warehouse(original: Path, tmp_path: Path) -> Warehouse:
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    return Warehouse(tmp_path / "home")


def lose(warehouse: Warehouse) -> None:
    warehouse.path.unlink()


def lose_all(warehouse: Warehouse) -> None:
    """The disk of the anchor is not mounted either; what is left is what readers have."""
    warehouse.path.unlink()
    warehouse.anchor.unlink()


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
DOORS: dict[str, Callable[[Warehouse], object]] = {
    "write": write,
    "publish": Warehouse.publish,
    "live": lambda warehouse: warehouse.live().__enter__(),
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


def forge(path: Path) -> bytes:
    with duckdb.connect(str(path)) as con:
        con.execute("update quarantine set reason = 'forged'")
    return path.read_bytes()


def test_a_forged_copy_is_named_kept_as_evidence_and_stays_a_fault_until_it_is_accepted(
    warehouse: Warehouse,
) -> None:
    held = forge(warehouse.published)
    (fault,) = verify_home(warehouse).faults
    assert "is not the file that was published" in str(fault)
    assert warehouse.published.read_bytes() == held  # to look changes nothing
    warehouse.publish()
    (kept,) = (warehouse.home / "evidence").iterdir()
    assert kept.read_bytes() == held
    assert [line.told["kept"] for line in read_anchors(warehouse.anchor).lines if line.kind == FORGED] == [
        kept.name
    ]
    (fault,) = verify_home(warehouse).faults
    assert kept.name in str(fault)
    accept_break(warehouse, STAMP, "a test of the desk")
    report = verify_home(warehouse)
    assert (report.status, any(kept.name in note for note in report.notes)) == ("accepted", True)


@pytest.mark.parametrize("end", ["wal", "wal.checkpoint"])
def test_unfinished_writes_beside_the_published_copy_are_refused_named_and_kept(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """DuckDB would read them into the copy, whose digest stays: readers saw other rows, and nothing was a fault."""
    other, planted = tmp_path / "other.duckdb", warehouse.published.with_name(f"published.duckdb.{end}")
    other.write_bytes(warehouse.published.read_bytes())
    with duckdb.connect(str(other)) as con:
        con.execute("pragma disable_checkpoint_on_shutdown")
        con.execute("update prices set close = 99999")
    assert other.read_bytes() == warehouse.published.read_bytes()
    planted.write_bytes(other.with_name("other.duckdb.wal").read_bytes())
    held = planted.read_bytes()
    for look in (warehouse.read(), PublishedResource.of_home(warehouse.home).get_connection()):
        with pytest.raises(RecordError, match="would change what readers see"), look:
            pass
    (fault,) = verify_home(warehouse).faults
    assert f"published.duckdb.{end} is not of this program" in str(fault)
    assert planted.read_bytes() == held  # to look changes nothing
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "unlink", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        warehouse.publish()  # killed before it takes away what it has put on record
    warehouse.publish()
    (kept,) = (warehouse.home / "evidence").iterdir()
    assert [line.kind for line in read_anchors(warehouse.anchor).lines].count(FORGED) == 1
    assert (kept.read_bytes(), planted.exists()) == (held, False)
    with warehouse.read() as con:
        assert con.execute("select max(close) < 1000 from prices").fetchall() == [(True,)]
    (fault,) = verify_home(warehouse).faults
    assert kept.name in str(fault)


def test_an_older_published_copy_is_a_fault_unless_a_publish_was_cut_short(warehouse: Warehouse) -> None:
    older = warehouse.published.read_bytes()
    write(warehouse, 101.0)
    warehouse.publish()
    newer = warehouse.published.read_bytes()
    warehouse.published.write_bytes(older)
    for beside in (None, older):  # of a publish that was cut short it is the newest
        if beside:
            (warehouse.home / "published.tmp").write_bytes(beside)
        (fault,) = verify_home(warehouse).faults
        assert "put back" in str(fault)
    (warehouse.home / "published.tmp").write_bytes(newer)
    report = verify_home(warehouse)
    assert (report.faults, "cut short" in report.notes[-1]) == ([], True)
    warehouse.publish()
    write(warehouse, 102.0)
    (warehouse.home / "published.tmp").write_bytes(warehouse.publish().read_bytes())
    warehouse.published.write_bytes(older)  # two behind: no kill leaves that
    (fault,) = verify_home(warehouse).faults
    assert "put back" in str(fault)
    warehouse.publish()
    assert not (warehouse.home / "evidence").exists()
    assert verify_home(warehouse).faults == []


def test_publishes_that_are_killed_one_after_the_other_are_never_told_as_put_back(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each brings the one before it to its end first, so that readers are one copy behind and no more."""
    copies = []
    for close in (101.0, 102.0, 103.0):
        write(warehouse, close)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):

            def killed(self: Path, target: Path) -> Path:
                if file_sha256(self) in copies:
                    return self.rename(target)
                raise KeyboardInterrupt

            patch.setattr(Path, "replace", killed)
            warehouse.publish()
        copies.append(file_sha256(warehouse.home / "published.tmp"))
        report = verify_home(warehouse)
        assert (report.faults, "cut short" in report.notes[-1]) == ([], True)
    warehouse.publish()
    assert (verify_home(warehouse).faults, verify_home(warehouse).notes) == ([], [])


def test_a_disk_that_refuses_the_line_of_a_copy_leaves_no_copy_that_passes_for_put_back(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line stood in the anchor, only its way to the disk failed, and the copy that it told of was taken away."""
    write(warehouse, 101.0)
    real = os.fsync

    def refused(number: int) -> None:
        if os.path.samestat(os.fstat(number), warehouse.anchor.stat()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(number)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(os, "fsync", refused)
        warehouse.publish()
    assert verify_home(warehouse).faults == [] and not (warehouse.home / "published.tmp").exists()
    (last,) = read_anchors(warehouse.anchor).published[-1:]
    assert file_sha256(warehouse.published) == last.told["sha256"]
    warehouse.publish()
    assert (verify_home(warehouse).faults, verify_home(warehouse).notes) == ([], [])


def test_what_is_no_file_in_the_place_of_unfinished_writes_is_told_and_not_waited_for(
    warehouse: Warehouse,
) -> None:
    write(warehouse, 101.0)
    for name in ("published.duckdb.wal", "published.duckdb.wal.checkpoint", "warehouse.duckdb.wal.recovery"):
        place = warehouse.home / name
        for make in (
            place.mkdir,
            lambda place=place: os.mkfifo(place),
            lambda place=place: place.symlink_to(place),
        ):
            make()
            with pytest.raises(RecordError, match=f"{name} is a folder, a pipe.*move that away"):
                warehouse.publish()
            place.rmdir() if place.is_dir() else place.unlink()
    warehouse.publish()
    assert verify_home(warehouse).faults == []


def test_what_stands_where_a_copy_is_made_is_told_and_never_written_through(warehouse: Warehouse) -> None:
    write(warehouse, 101.0)
    place, other = warehouse.home / "published.tmp", warehouse.home / "somebodys"
    for make in (place.mkdir, lambda: os.mkfifo(place)):
        make()
        with pytest.raises(
            RecordError, match=r"published.tmp is a folder, a pipe.*: move that away, it is made"
        ):
            warehouse.publish()
        place.rmdir() if place.is_dir() else place.unlink()
    other.write_text("kept")
    place.symlink_to(other)
    warehouse.publish()
    assert (other.read_text(), warehouse.published.is_symlink()) == ("kept", False)
    assert verify_home(warehouse).faults == []


def test_what_stands_in_the_place_of_a_folder_is_told_before_anything_is_written(
    warehouse: Warehouse,
) -> None:
    for name in ("cache", "evidence", "payloads"):
        (warehouse.home / name).write_text("no folder")
        with pytest.raises(RecordError, match=f"{name} is no folder: move that away"):
            write(warehouse, 101.0)
        (warehouse.home / name).unlink()
    write(warehouse, 101.0)


def test_publishing_what_is_published_adds_no_line(warehouse: Warehouse) -> None:
    warehouse.publish()
    before = warehouse.anchor.read_bytes()
    warehouse.publish()
    assert warehouse.anchor.read_bytes() == before


def test_verification_needs_no_right_to_write(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for an auditor who may only read: whoever runs this test may be root, so the right itself is asked for."""
    before = {path: path.read_bytes() for path in warehouse.home.rglob("*") if path.is_file()}
    monkeypatch.setattr(os, "access", lambda place, how: False)
    monkeypatch.setattr(live_database, "held", None)
    assert verify_home(warehouse).faults == []
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


def test_a_copy_that_is_newer_than_the_restored_anchor_is_kept_as_evidence(warehouse: Warehouse) -> None:
    """The backup's own anchor is all there is: what readers saw since is known to nobody else."""
    lose_all(warehouse)
    newer = warehouse.published.read_bytes()
    restore(warehouse, warehouse.home.parent / "kept", STAMP.at)
    (kept,) = (warehouse.home / "evidence").iterdir()
    assert kept.read_bytes() == newer
    assert [fault.table for fault in verify_home(warehouse).faults] == ["published copy"]
    accept_break(warehouse, STAMP, "two days were lost with the disk")
    warehouse.publish()
    assert verify_home(warehouse).status == "accepted"


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


def test_a_run_that_publishes_while_somebody_verifies_is_no_fault(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_anchors(warehouse.anchor)
    write(warehouse, 101.0)
    warehouse.publish()
    assert check_published(warehouse, before) == ([], [])  # the anchor was read before, the copy after
    older = warehouse.published.read_bytes()
    write(warehouse, 102.0)
    warehouse.publish()
    newer, looks = warehouse.published.read_bytes(), []

    def between_line_and_file(path: Path) -> str:
        looks.append(path.name)
        if path == warehouse.published:
            path.write_bytes(older if len(looks) == 1 else newer)
        else:
            path.unlink()  # it takes its place
        return file_sha256(path)

    (warehouse.home / "published.tmp").write_bytes(newer)

    monkeypatch.setattr(published_verification, "file_sha256", between_line_and_file)
    assert check_published(warehouse, read_anchors(warehouse.anchor)) == ([], [])
    assert looks == ["published.duckdb", "published.tmp", "published.duckdb"]
