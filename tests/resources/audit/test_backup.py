"""Backups come back as they were, and a loss needs a reason that stays on record."""

import errno
import json
import os
import shutil
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bench import STAMP, ingest, price_rows

from optimizer import DataError
from resources.audit import backup as copying
from resources.audit.backup import accept_break, backup, half_of, restore
from resources.audit.manifests import read_manifest
from resources.audit.rotation import backups
from resources.audit.verification import verify, verify_home
from resources.ledger.anchors import append_line, read_anchors
from resources.ledger.ledger import bytes_sha256, head
from resources.ledger.record_error import RecordError
from resources.ledger.timestamps import stamped_text
from resources.proofs.checkpoints import rooted_lines
from resources.store.duckdb_engine import HEADERS
from resources.store.file_lock import held
from resources.store.warehouse import Warehouse

AT = datetime(2024, 1, 9, 7, 30, tzinfo=UTC)


def more(warehouse: Warehouse) -> None:
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", price_rows(days=(date(2024, 1, 8),)))


def sound(warehouse: Warehouse) -> bool:
    return not verify_home(warehouse).faults


def test_a_backup_restores_elsewhere_and_verifies(warehouse: Warehouse, tmp_path: Path) -> None:
    manifest = backup(warehouse, tmp_path / "kept", AT)
    assert (manifest.count, manifest.at) == (1, AT.isoformat())
    elsewhere = Warehouse(tmp_path / "other")
    assert restore(elsewhere, tmp_path / "kept", AT) is None
    assert sound(elsewhere)
    assert (elsewhere.home / "payloads" / "a.csv").read_text() == "raw"
    assert elsewhere.published.exists()
    with elsewhere.live() as con:
        assert head(con) == (manifest.count, manifest.head)


def test_a_backup_is_never_written_over(warehouse: Warehouse, tmp_path: Path) -> None:
    half = half_of(tmp_path / "kept", warehouse.home)
    half.mkdir()
    (half / "of a killed one").touch()
    backup(warehouse, tmp_path / "kept", AT)
    assert not list(tmp_path.rglob("of a killed one"))
    with pytest.raises(DataError, match="exists already"):
        backup(warehouse, tmp_path / "kept", AT)


@pytest.mark.parametrize("place", ["", "kept", "payloads/kept"])
def test_no_backup_lies_in_the_home_that_it_saves(warehouse: Warehouse, place: str) -> None:
    """Among the payloads it was copied into itself, over and over."""
    with pytest.raises(DataError, match="lies in the home that it would save"):
        backup(warehouse, warehouse.home / place, AT)
    assert not list(warehouse.home.rglob("kept*"))


def test_a_damaged_backup_is_refused(warehouse: Warehouse, tmp_path: Path) -> None:
    backup(warehouse, tmp_path / "kept", AT)
    with (tmp_path / "kept" / "warehouse.duckdb").open("r+b") as file:
        file.seek(5000)
        file.write(b"\x01\x02\x03\x04")
    with pytest.raises(DataError, match="SHA-256 differs"):
        restore(warehouse, tmp_path / "kept", AT)
    with pytest.raises(DataError, match="is no backup"):
        restore(warehouse, tmp_path, AT)


def test_a_damaged_warehouse_is_told_by_its_own_name_and_gives_no_backup(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    with warehouse.live() as con:
        block = con.execute("select max(block_id) from pragma_storage_info('prices')").fetchall()[0][0]
    with warehouse.path.open("r+b") as file:
        file.seek(HEADERS + block * 262144 + 1000)
        file.write(b"\x5a" * 8)
    with pytest.raises(RecordError, match=r"home/warehouse\.duckdb is damaged \(.*checksum.*restore"):
        backup(warehouse, tmp_path / "kept", AT)
    assert not list(tmp_path.glob("kept*"))


def test_a_manifest_that_somebody_made_is_refused_in_a_sentence(warehouse: Warehouse, tmp_path: Path) -> None:
    backup(warehouse, tmp_path / "kept", AT)
    file = tmp_path / "kept" / "manifest.json"
    told = json.loads(file.read_text())
    del told["digest"]  # as earlier releases wrote it: nothing else tells that it was changed
    harms = [
        {"count": 1.0},
        {"count": True},
        {"count": "1"},
        {"count": float("nan")},
        {"head": 7},
        {"files": []},
        {"x": 1},
    ]
    for text in [*(json.dumps(told | harm) for harm in harms), "[" * 99_999, "[]", "NaN", '"a"', ""]:
        file.write_text(text)
        with pytest.raises(DataError, match="is no backup: it has no readable manifest"):
            restore(warehouse, tmp_path / "kept", AT, reason="it must be")
    file.write_text(json.dumps(told))
    restore(warehouse, tmp_path / "kept", AT)


def test_what_others_said_of_the_anchor_comes_back_with_it(warehouse: Warehouse, tmp_path: Path) -> None:
    line = read_anchors(warehouse.anchor).lines[-1]
    stamp = {"line": line.place, "sha256": bytes_sha256(stamped_text(line)), "at": "2024", "answer": "AAAA"}
    said = {"timestamps.jsonl": json.dumps(stamp) + "\n", "witnesses.jsonl": '{"root": "seen"}\n'}
    for name, text in said.items():
        warehouse.anchor.with_name(name).write_text(text)
    backup(warehouse, tmp_path / "kept", AT)
    elsewhere = Warehouse(tmp_path / "other", tmp_path / "worm" / "anchors.jsonl")
    restore(elsewhere, tmp_path / "kept", AT)
    for name, text in said.items():
        assert (tmp_path / "worm" / name).read_text() == text
    (tmp_path / "worm" / "witnesses.jsonl").unlink()  # no witness signed that line
    assert sound(elsewhere) and "time stamp" in " ".join(verify_home(elsewhere).notes)


def test_a_pipe_for_a_manifest_is_no_backup_and_not_waited_for(warehouse: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    os.mkfifo(tmp_path / "kept" / "manifest.json")
    with pytest.raises(DataError, match="is no backup: it has no readable manifest"):
        restore(warehouse, tmp_path / "kept", AT)


@pytest.mark.parametrize("name", ["anchors.jsonl", "payloads/a.csv", "payloads/b.csv", "timestamps.jsonl"])
def test_every_file_of_a_backup_is_held_against_its_manifest(
    warehouse: Warehouse, tmp_path: Path, name: str
) -> None:
    warehouse.anchor.with_name("timestamps.jsonl").write_text("")
    backup(warehouse, tmp_path / "kept", AT)
    file = tmp_path / "kept" / name
    file.write_bytes((file.read_bytes() if file.exists() else b"") + b"\n")
    for _ in ("changed or added", "taken away"):
        with pytest.raises(DataError, match=f"is not what was backed up: {name} was"):
            restore(Warehouse(tmp_path / "other"), tmp_path / "kept", AT)
        if name == "payloads/b.csv":
            break
        file.unlink(missing_ok=True)


def test_a_restore_that_loses_rows_needs_a_reason_and_keeps_what_it_replaces(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    backup(warehouse, tmp_path / "kept", AT)
    more(warehouse)
    with pytest.raises(DataError, match="ends at ledger row 1, the anchor remembers 2"):
        restore(warehouse, tmp_path / "kept", AT)
    early = AT - timedelta(days=3)  # by the clock of a machine that was just set up: no row is dated by it
    aside = restore(warehouse, tmp_path / "kept", early, reason="disk failed")
    assert aside is not None and aside.exists()
    with warehouse.live() as con:
        report = verify(con, warehouse.anchor)
        dated = con.execute('select "at" from materializations order by id').fetchall()
    assert report.faults == [] and dated == [(STAMP.at,)] * 2
    assert "disk failed" in report.notes[0]
    with (
        pytest.raises(DataError, match="set the clock right"),
        warehouse.write(replace(STAMP, at=STAMP.at - (AT - early))),
    ):
        pass
    more(warehouse)
    assert sound(warehouse)


def test_what_was_written_while_a_backup_was_read_is_lost_by_no_restore(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the restore rests on was asked before it had the lock: a run that ended meanwhile was replaced unasked."""
    backup(warehouse, tmp_path / "kept", AT)

    def ended_meanwhile(path: Path, *_: object) -> AbstractContextManager[None]:
        more(warehouse)
        return held(path, 1.0, str(path))

    monkeypatch.setattr(copying, "held", ended_meanwhile)
    with pytest.raises(DataError, match="ends at ledger row 1, the anchor remembers 2"):
        restore(warehouse, tmp_path / "kept", AT)
    assert sound(warehouse) and not list(warehouse.home.glob("*replaced*"))


def test_two_backups_to_one_folder_are_made_one_after_the_other(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second took the half of the first away, and both ended in a missing file."""
    copied, told = copying._copied, list[str]()

    def second(*args: Any) -> object:
        monkeypatch.setattr(copying, "LOCK_SECONDS", 0.1)
        with pytest.raises(DataError, match="kept has been locked by another process"):
            backup(warehouse, tmp_path / "kept", AT)
        told.append("refused")
        return copied(*args)

    monkeypatch.setattr(copying, "_copied", second)
    backup(warehouse, tmp_path / "kept", AT)
    assert told == ["refused"] and read_manifest(tmp_path / "kept").count == 1


def test_a_payload_that_is_being_written_is_in_no_backup(warehouse: Warehouse, tmp_path: Path) -> None:
    """It has its true name a moment later: the backup ended in a file that was not there."""
    (warehouse.home / "payloads" / "b.csv.12-34.part").symlink_to("gone")
    assert list(backup(warehouse, tmp_path / "kept", AT).files) == ["anchors.jsonl", "payloads/a.csv"]


def test_a_disk_that_is_full_of_payloads_is_told_as_that(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are the most of a backup, and what had to be told of them had neither a number nor a place."""
    real = shutil.copyfile

    def full(source: Path, target: Path) -> Path:
        if Path(target).parent.name == "payloads":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(source), None, str(target))
        return real(source, target)

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left") as stop:
        backup(warehouse, tmp_path / "kept", AT)
    assert (stop.value.errno, Path(stop.value.filename2).name) == (errno.ENOSPC, "a.csv")
    assert not list(tmp_path.glob("kept*"))


class KilledError(BaseException):
    """In the place of SIGKILL."""


@pytest.mark.parametrize("lines", [1, 2], ids=["announced", "accepted"])
@pytest.mark.parametrize("written", [False, True])
def test_a_kill_while_a_break_is_accepted_makes_no_sound_record_unsound(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, lines: int, *, written: bool
) -> None:
    """The line that accepts stood before its ledger row did: a ledger that nobody had cut was told as cut off."""
    left = [lines]

    def dying(*args: Any, **more: Any) -> None:
        left[0] -= 1
        if left[0] or written:
            append_line(*args, **more)
        if not left[0]:
            raise KilledError

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(copying, "append_line", dying)
        accept_break(warehouse, STAMP, "the clock was ahead")
    assert sound(warehouse)
    accept_break(warehouse, STAMP, "the clock was ahead")
    more(warehouse)
    assert sound(warehouse) and verify_home(warehouse).status == "accepted"


def test_an_accepted_break_is_in_the_ledger_and_in_the_anchor(warehouse: Warehouse, tmp_path: Path) -> None:
    shutil.copy(warehouse.path, tmp_path / "older.duckdb")
    more(warehouse)
    lost = rooted_lines(warehouse, STAMP.at)[-1]
    shutil.copy(tmp_path / "older.duckdb", warehouse.path)
    assert not sound(warehouse)
    entry = accept_break(warehouse, STAMP, "restored by hand")
    assert sound(warehouse)
    assert read_anchors(warehouse.anchor).lines[-1].accepted == "restored by hand"
    with warehouse.live() as con:
        found = con.execute(
            "select asset, input_hashes from materializations where id = ?", [entry]
        ).fetchall()
    assert found == [("accepted_break", '{"reason": "restored by hand"}')]
    roots = [line.root for line in rooted_lines(warehouse, STAMP.at)]
    assert roots and lost.root not in roots  # no proof links to a history that was given up


def test_a_folder_that_is_not_there_holds_no_backups(tmp_path: Path) -> None:
    assert backups(tmp_path / "unmounted") == []
