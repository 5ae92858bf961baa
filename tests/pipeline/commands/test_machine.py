"""What the machine refused, in one line; a fault of the program keeps its traceback."""

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from pipeline.commands.printed.machine_faults import is_damaged, machine_fault


def from_cause(cause: Exception) -> Exception:
    """An error of ours, or of a library, that was raised because of `cause`."""
    error = RuntimeError("the run failed")
    error.__cause__ = cause
    return error


REFUSALS = (
    OSError(errno.EROFS, os.strerror(errno.EROFS), "home/warehouse.lock"),
    sqlite3.OperationalError("attempt to write a readonly database"),
    duckdb.IOException("IO Error: Could not set lock on file"),
)


@pytest.mark.parametrize("error", REFUSALS)
def test_a_refusal_is_told_with_the_place_and_what_to_do(tmp_path: Path, error: Exception) -> None:
    said = machine_fault(error, tmp_path / "not" / "made")
    assert said is not None
    assert str(error.__cause__ or error) in said
    assert f"see that {tmp_path / 'not' / 'made'} can be read and written" in said
    assert "run it again" in said


def test_a_file_of_another_user_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor can this user see what is inside the home, its size among it."""
    refused = PermissionError(errno.EACCES, os.strerror(errno.EACCES), "home/dagster")
    home = tmp_path / "home" / "inside"

    def usage(place: Path) -> SimpleNamespace:
        if place != tmp_path:
            raise refused
        return SimpleNamespace(free=1 << 30)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    said = machine_fault(from_cause(refused), home)
    assert said is not None and said.startswith(
        "[Errno 13] Permission denied: 'home/dagster': this user may not; run as"
    )
    monkeypatch.setattr(shutil, "disk_usage", lambda place: (_ for _ in ()).throw(refused))
    assert machine_fault(refused, home) == said


def test_a_full_disk_is_called_so_whatever_the_library_calls_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=4096))
    said = machine_fault(sqlite3.OperationalError("disk I/O error"), tmp_path)
    assert said is not None
    assert f"the disk of {tmp_path} is full (4 KiB are free)" in said


def test_a_full_disk_beside_the_homes_is_named(tmp_path: Path) -> None:
    """A backup to a full disk was told to look whether the home could be written."""
    error = OSError(
        errno.ENOSPC, os.strerror(errno.ENOSPC), "home/warehouse.duckdb", None, "/backups/one.part"
    )
    said = machine_fault(from_cause(error), tmp_path)
    assert said is not None and said.startswith("the disk of /backups/one.part is full; make room there")


def test_a_damaged_history_of_dagsters_is_told_with_a_remedy_that_mends_it(tmp_path: Path) -> None:
    error = from_cause(sqlite3.DatabaseError("database disk image is malformed"))
    said = machine_fault(error, tmp_path)
    assert said is not None and is_damaged(error)
    assert f"{tmp_path / 'dagster'} is damaged" in said and "move the .db files of that folder away" in said


def test_a_fault_of_the_program_is_none_of_the_machines(tmp_path: Path) -> None:
    assert machine_fault(from_cause(KeyError("symbol")), tmp_path) is None


def test_a_home_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environment = {**os.environ, "PACKFOLIO_HOME": str(tmp_path / "file" / "home")}
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "ingest"], env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("NotADirectoryError") and "leads through a file where a folder belongs" in line
