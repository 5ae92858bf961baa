"""A backup or a restore that a full disk or a kill ends: what stood before stands, and doing it again ends well."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bench import STAMP, ingest, price_rows

from optimizer import DataError
from resources.audit.backup import backup, restore
from resources.audit.rotation import NAME, backup_into, backups
from resources.audit.verification import verify_home
from resources.ledger.ledger import file_sha256
from resources.store.warehouse import Warehouse

AT = datetime(2024, 1, 9, 7, 30, tzinfo=UTC)
WRITES = (
    (shutil, "copyfile"), (os, "link"), (os, "fsync"), (os, "replace"), (Path, "replace"), (Path, "mkdir"),
)  # fmt: skip


class Killed(BaseException):
    """The process ends here."""


def full_disk() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def ended_at(
    step: int, how: Callable[[], BaseException], monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[str]]:
    """The write of that number ends the work, a copy half done; gives the names of those that were begun."""
    begun: list[str] = []

    def planted(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def write(*words: Any, **more: object) -> object:
            begun.append(name)
            if len(begun) - 1 == step:
                if name == "copyfile":
                    source, target = Path(os.fspath(words[0])), Path(os.fspath(words[1]))
                    target.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
                raise how()
            return real(*words, **more)

        return write

    with monkeypatch.context() as patch:
        for place, name in WRITES:
            patch.setattr(place, name, planted(name, getattr(place, name)))
        yield begun


@pytest.fixture
def warehouse(warehouse: Warehouse) -> Warehouse:
    (warehouse.home / "decisions.jsonl").write_text("{}\n")
    warehouse.publish()
    return warehouse


def sound(warehouse: Warehouse) -> bool:
    return not verify_home(warehouse).faults


def end_restores(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: Callable[[], BaseException],
    homes: list[str], stride: int,
) -> int:  # fmt: skip
    """Ends a restore at every `stride`-th of its writes, and does it again; gives how many writes there are."""
    backup(warehouse, tmp_path / "kept", AT, warehouse.home / "decisions.jsonl")
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", price_rows(days=(date(2024, 1, 8),)))
    kept, step, ended = file_sha256(tmp_path / "kept" / "warehouse.duckdb"), 0, True
    while ended:
        for name in homes:
            found, ended = Warehouse(tmp_path / f"{name}-{step}"), False
            if name == "there":
                shutil.copytree(warehouse.home, found.home)
            before = file_sha256(found.path) if found.path.exists() else None
            words = (tmp_path / "kept", AT, "the disk failed", found.home / "decisions.jsonl")
            try:
                with ended_at(step, how, monkeypatch):
                    restore(found, *words)
            except (OSError, Killed):
                ended = True
                if before is not None:
                    assert file_sha256(found.path) in (before, kept) or "accepted_break" in assets(found)
                restore(found, *words)
                assert sound(found), (step, name)
            assert (found.home / "payloads" / "a.csv").read_text() == "raw"
            assert (found.home / "decisions.jsonl").read_text() == "{}\n"
            assert not list(found.home.rglob("*.part"))
        step += stride
    return step


def test_a_restore_on_a_full_disk_leaves_a_whole_warehouse_and_can_be_done_again(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert end_restores(warehouse, tmp_path, monkeypatch, full_disk, ["there"], 6) > 8


@pytest.mark.slow
@pytest.mark.parametrize("how", [full_disk, Killed])
def test_a_restore_that_ends_at_any_step_leaves_a_whole_warehouse_and_can_be_done_again(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: Callable[[], BaseException]
) -> None:
    assert end_restores(warehouse, tmp_path, monkeypatch, how, ["there", "lost"], 1) > 8


def assets(warehouse: Warehouse) -> set[str]:
    with warehouse.disputed() as con:
        return {row[0] for row in con.execute("select asset from materializations").fetchall()}


def test_a_copy_that_the_disk_did_not_keep_takes_nobodys_place(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(warehouse, tmp_path / "kept", AT)
    before = file_sha256(warehouse.path)
    real = shutil.copyfile

    def lossy(source: Path, target: Path) -> None:
        real(source, target)
        if source.name == "warehouse.duckdb":
            with target.open("r+b") as file:
                file.seek(5000)
                file.write(b"lost")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", lossy)
        with pytest.raises(DataError, match="is not what was read from the backup"):
            restore(warehouse, tmp_path / "kept", AT)
    assert file_sha256(warehouse.path) == before and sound(warehouse)


def test_what_is_set_aside_is_never_written_over(warehouse: Warehouse, tmp_path: Path) -> None:
    backup(warehouse, tmp_path / "kept", AT)
    aside = {restore(warehouse, tmp_path / "kept", AT) for _ in range(3)}
    assert len(aside) == 3 and all(place is not None and place.exists() for place in aside)


def test_a_restore_needs_no_hard_links(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    backup(warehouse, tmp_path / "kept", AT)
    monkeypatch.setattr(os, "link", refused)
    aside = restore(warehouse, tmp_path / "kept", AT)
    assert aside is not None and file_sha256(aside) and sound(warehouse)


def test_the_unfinished_writes_of_a_lost_database_are_not_read_into_the_restored_one(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    backup(warehouse, tmp_path / "kept", AT)
    warehouse.path.unlink()
    log = warehouse.path.with_name(f"{warehouse.path.name}.wal")
    log.write_bytes(b"of another database")
    assert restore(warehouse, tmp_path / "kept", AT) is None
    assert sound(warehouse) and not log.exists()
    assert [file.read_bytes() for file in warehouse.home.glob("warehouse.replaced-*.wal")] == [
        b"of another database"
    ]


def test_a_backup_that_a_full_disk_ends_leaves_nothing_that_fills_it(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ended_at(-1, full_disk, monkeypatch) as all_of_them:
        backup(warehouse, tmp_path / "whole", AT)
    for step in range(len(all_of_them)):
        with pytest.raises(OSError, match=r"disk|device|space"), ended_at(step, full_disk, monkeypatch):
            backup(warehouse, tmp_path / "kept", AT)
        assert [place.name for place in tmp_path.glob("kept*")] == []
    assert sound(warehouse)


def test_what_killed_backups_left_goes_after_a_day_and_one_half_taken_away_does_not_count(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "backups"
    backup_into(warehouse, folder, AT, warehouse.home / "decisions.jsonl", 1)
    for before in (timedelta(hours=2), timedelta(days=2)):
        (folder / ((AT - before).strftime(NAME) + ".part")).mkdir()
    (folder / "packfolio-notes.part").mkdir()
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(shutil, "rmtree", killed_over("20240109T073000Z", shutil.rmtree))
        backup_into(warehouse, folder, AT + timedelta(hours=1), warehouse.home / "decisions.jsonl", 1)
    assert len(backups(folder)) == 1
    assert sorted(place.name for place in folder.glob("*.part")) == [
        "packfolio-20240109T053000Z.part", "packfolio-20240109T073000Z.part", "packfolio-notes.part",
    ]  # fmt: skip
    backup_into(warehouse, folder, AT + timedelta(days=2), warehouse.home / "decisions.jsonl", 1)
    assert [place.name for place in folder.glob("*.part")] == ["packfolio-notes.part"]


def killed_over(name: str, real: Callable[..., None]) -> Callable[..., None]:
    def take_away(place: Path, **how: bool) -> None:
        if name in place.name:
            (place / "anchors.jsonl").unlink()
            raise Killed
        real(place, **how)

    return take_away
