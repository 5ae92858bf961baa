"""Dagster's databases, made whole or not at all: Dagster makes each in many steps, and goes on from none of them."""

import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

from resources.ledger.record_error import RecordError, refuse_no_file
from resources.store.file_lock import held

START_SECONDS = 120.0
ANEW = (
    "move it away, and Dagster's history begins anew; it is no part of the record, `packfolio packs verify` says "
    "whether that is whole"
)
# Path in Dagster's folder -> what makes a database in a folder, and the table of its records.
Databases: TypeAlias = Mapping[str, tuple[Callable[[str], Any], str]]
LAST_MADE = "secondary_indexes"  # what Dagster writes after all else
BESIDE = ("-wal", "-shm", "-journal")  # of another database these would be read into the new one


def make_alone(folder: Path, databases: Databases) -> None:
    """As `make_databases`, by one process at a time: whichever of the desk's or of Dagster's starts first.

    Raises DataError after two minutes of waiting.
    """
    with held(folder.with_name("dagster.lock"), START_SECONDS, f"the start of {folder}"):
        make_databases(folder, databases)


def make_databases(folder: Path, databases: Databases) -> None:
    """Each database of the folder that is missing, or whose making was cut short; the caller holds the start's lock.

    One that holds a record stays as it is. Raises RecordError for a file that is no database any more.
    """
    for name, (make, table) in databases.items():
        place = folder / name
        if not _is_begun(place, table):
            _make(place, make)


def _is_begun(place: Path, table: str) -> bool:
    """Whether a database was made to its end, or holds a record."""
    if not place.exists():
        return False
    refuse_no_file(place, ANEW)
    try:
        with closing(sqlite3.connect(f"{place.absolute().as_uri()}?mode=rw", uri=True)) as con:
            return any(_has_row(con, one) for one in (LAST_MADE, table))
    except sqlite3.OperationalError:  # held or not to be written: no word on what it holds
        raise
    except sqlite3.DatabaseError as error:
        raise RecordError(f"{place} is damaged ({error}): {ANEW}") from error


def _has_row(con: sqlite3.Connection, table: str) -> bool:
    known = con.execute("select 1 from sqlite_master where type = 'table' and name = ?", [table]).fetchone()
    return bool(known and con.execute(f"select 1 from {table} limit 1").fetchone())


def _make(place: Path, make: Callable[[str], Any]) -> None:
    half = place.with_name(f"{place.stem}.part")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True, mode=0o700)
    make(str(half)).dispose()
    with closing(sqlite3.connect(half / place.name)) as con:
        con.execute("pragma wal_checkpoint(truncate)")  # on a full disk the closing one fails without a word
    for suffix in BESIDE:
        place.with_name(place.name + suffix).unlink(missing_ok=True)
    (half / place.name).replace(place)
    shutil.rmtree(half)
