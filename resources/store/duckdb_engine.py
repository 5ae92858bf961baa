"""The process's DuckDB: a database file is attached to it for a moment, which costs a tenth of opening one anew."""

import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from pathlib import Path

import duckdb

from optimizer import PolicyError
from resources.ledger.ledger import Connection, bytes_sha256
from resources.ledger.record_error import RecordError, is_damage

NAME = "warehouse"
HEADERS = 3 * 4096  # bytes of a database file before its first block
_WHOLE: set[tuple[str, int]] = set()  # header's SHA-256 and size of files that hold all their tables


@contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """What DuckDB says in the block of a file that is damaged becomes a RecordError with its remedy."""
    try:
        yield
    except duckdb.Error as error:
        if not is_damage(error):
            raise
        said = re.sub(
            r' from file ".*?"', "", str(error).splitlines()[0]
        )  # it may be a copy that is gone by now
        raise RecordError(
            f"{path} is damaged ({said}): `packfolio restore` a backup; a damaged copy for readers alone is made again "
            f"by `packfolio ingest`"
        ) from error


def quoted(path: Path) -> str:
    """A path as the inside of an SQL string; raises PolicyError as `named` does."""
    return named(path).replace("'", "''")


def named(path: Path) -> str:
    """A path as DuckDB is told it; raises PolicyError for one under which it would look elsewhere, or nowhere.

    It is told text, and takes it for UTF-8. What stands after a ? is to it no part of a file's name, and the log of
    unfinished writes would lie in another folder.
    """
    text = str(path)
    if "?" in text or text.encode(errors="replace") != os.fsencode(path):
        raise PolicyError(
            f"DuckDB cannot use {text!a}: a path must have no ? and be UTF-8, and Python must know it (PYTHONUTF8=1); "
            f"set PACKFOLIO_HOME to another folder"
        )
    return text


def logs_of(path: Path) -> list[Path]:
    """What stands beside a database file in the places from which DuckDB reads unfinished writes."""
    places = [path.with_name(f"{path.name}.wal{more}") for more in ("", ".checkpoint", ".recovery")]
    return [place for place in places if os.path.lexists(place)]


def refuse_foreign_log(path: Path) -> None:
    """Raises RecordError for unfinished writes beside a file that nobody writes: readers would see them as its rows."""
    if logs := logs_of(path):
        raise RecordError(
            f"{logs[0]} is not of this program, and would change what readers see: `packfolio ingest` sets it aside "
            f"as evidence"
        )


def refuse_cut(con: Connection, file: Path, path: Path) -> None:
    """Raises RecordError for a file whose end was cut off: DuckDB opens it, and misses a block when it is read.

    file  that is open, `path` or a copy of it
    Only blocks that tables are in are missed: DuckDB itself takes free ones off the end. What a header tells of a file
    of one size is asked once by a process: its tables lie where they lay.
    """
    there = file.stat().st_size
    size, blocks = con.execute(
        "select block_size, total_blocks from pragma_database_size() where database_name = current_database()"
    ).fetchall()[0]
    if there >= HEADERS + size * blocks:
        return
    with file.open("rb") as opened:
        seen = (bytes_sha256(opened.read(HEADERS)), there)
    settled = not logs_of(file)  # unfinished writes may lie further on
    if settled and seen in _WHOLE:
        return
    if there < (whole := HEADERS + size * (_last_block(con) + 1)):
        raise RecordError(
            f"{path} is damaged (it has {there} bytes, its tables need {whole}: the end was cut off): "
            f"`packfolio restore` a backup"
        )
    if settled:
        _WHOLE.add(seen)


def _last_block(con: Connection) -> int:
    """The number of the last block that a table with rows or the catalogue is in; nothing of the tables is read."""
    tables = con.execute(
        """select '"' || replace(table_name, '"', '""') || '"' from duckdb_tables()
        where database_name = current_database() and schema_name = current_schema() and estimated_size > 0"""
    ).fetchall()
    places = [
        "select block_id from pragma_metadata_info(current_database())",
        *["select greatest(block_id, list_max(additional_block_ids)) from pragma_storage_info(?)"]
        * len(tables),
    ]
    asked = f"select max(block_id) from ({' union all '.join(places)})"
    last = con.execute(asked, [name for (name,) in tables]).fetchall()[0][0]
    return -1 if last is None else int(last)


def connected(path: Path | None = None) -> Connection:
    """An empty database in memory, or a file that is only read; the caller closes it.

    It has the threads that DUCKDB_THREADS says, or one for each core. Raises RecordError as `refuse_foreign_log` does,
    PolicyError as `named` does.
    """
    if path is not None:
        refuse_foreign_log(path)
    con = duckdb.connect() if path is None else duckdb.connect(named(path), read_only=True)
    if (threads := os.environ.get("DUCKDB_THREADS", "")).isdigit() and int(threads):
        con.execute(f"set threads = {int(threads)}")
    return con


@lru_cache(maxsize=4)
def _engine(home: Path) -> Connection:
    """A DuckDB that may touch the files of one folder, and nothing else of the machine."""
    con = connected()
    con.execute(f"set temp_directory = '{quoted(home / NAME)}.tmp'")
    con.execute(f"set allowed_directories = ['{quoted(home)}']")
    con.execute("set enable_external_access = false")
    return con


def open_copy(path: Path, seconds: float) -> Connection:
    """A DuckDB of its own that reads the file and nothing else; two states of one path may be open beside each other.

    seconds  a query that takes longer ends in duckdb.InterruptException
    The file is named by `cursor_of`, for every cursor anew.
    """
    con = connected()
    con.execute(f"attach '{quoted(path.absolute())}' as {NAME} (read_only)")
    con.execute(f"set max_execution_time = {int(1000 * seconds)}")
    con.execute("set enable_external_access = false")
    return con


def cursor_of(con: Connection) -> Connection:
    """A cursor that looks at the file of `open_copy` or of `attached`."""
    cursor = con.cursor()
    cursor.execute(f"use {NAME}")
    return cursor


def attached(path: Path) -> AbstractContextManager[Connection]:
    """A connection to the database file `path`, which is closed, and free for others, at the end of the block.

    Its log of unfinished writes is folded in then, but where the block refused the file: that would fill its gaps.
    Raises duckdb.IOException for a file that another process has open.
    """
    return attached_to(_engine(path.parent.absolute()), path)


@contextmanager
def attached_to(engine: Connection, path: Path) -> Iterator[Connection]:
    """As `attached`, to a DuckDB that has no other file attached."""
    engine.execute(f"attach '{quoted(path.absolute())}' as {NAME}")
    engine.execute("set checkpoint_on_detach = 'default'")
    con = engine.cursor()
    try:
        con.execute(f"use {NAME}")
        yield con
    except RecordError:
        engine.execute("set checkpoint_on_detach = 'disabled'")
        raise
    finally:
        con.close()
        engine.execute(f"detach {NAME}")
