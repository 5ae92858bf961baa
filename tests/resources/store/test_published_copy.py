"""The copy that readers see: a forged, older or half-written one is named, kept as evidence, and never believed."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from bench import STAMP
from published_home import lose_all, write

from resources.audit import published_verification
from resources.audit.backup import accept_break, restore
from resources.audit.published_verification import check_published
from resources.audit.verification import verify_home
from resources.dagster_resources import PublishedResource
from resources.ledger import anchors
from resources.ledger.anchor_lines import FORGED
from resources.ledger.anchors import read_anchors
from resources.ledger.ledger import file_sha256
from resources.ledger.record_error import RecordError
from resources.store.warehouse import Warehouse


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


def many_lines(warehouse: Warehouse) -> None:
    """More than is read of the anchor's end."""
    for _ in range(4):
        warehouse.state_root(STAMP.at)


def accepted(warehouse: Warehouse) -> None:
    """No line tells any more of the copy that stands."""
    accept_break(warehouse, STAMP, "a test of the desk")


@pytest.mark.parametrize("before", [lambda _: None, many_lines, accepted], ids=["plain", "lines", "accepted"])
def test_publishes_that_are_killed_one_after_the_other_are_never_told_as_put_back(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, before: Callable[[Warehouse], None]
) -> None:
    """Each brings the one before it to its end first, so that readers are one copy behind and no more.

    The first after an accepted break was told as forged, for ever.
    """
    monkeypatch.setattr(anchors, "TAIL", 1 << 10)
    copies = []
    for close in (101.0, 102.0, 103.0):
        before(warehouse)
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
    report = verify_home(warehouse)
    assert report.faults == [] and all("a break was accepted" in note for note in report.notes)


@pytest.mark.parametrize("before", [lambda _: None, accepted], ids=["plain", "accepted"])
def test_a_disk_that_refuses_the_line_of_a_copy_leaves_no_copy_that_passes_for_put_back(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, before: Callable[[Warehouse], None]
) -> None:
    """The line stood in the anchor, only its way to the disk failed, and the copy that it told of was taken away."""
    before(warehouse)
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
    report = verify_home(warehouse)
    assert report.faults == [] and all("a break was accepted" in note for note in report.notes)


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


def test_publishing_what_is_published_adds_no_line(warehouse: Warehouse) -> None:
    warehouse.publish()
    before = warehouse.anchor.read_bytes()
    warehouse.publish()
    assert warehouse.anchor.read_bytes() == before


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
