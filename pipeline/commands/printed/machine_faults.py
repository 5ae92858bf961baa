"""What the machine refused, told in one line: a full disk, a folder that cannot be written, a file that is held."""

import errno
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from resources.ledger.record_error import is_damage

FULL = 1 << 20  # bytes: with less, neither the warehouse nor Dagster's history can grow
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
KINDS = {
    errno.EISDIR: "is a folder where a file belongs",
    errno.EEXIST: "is a file or a link where a folder belongs",
    errno.ENOTDIR: "leads through a file where a folder belongs",
    errno.ELOOP: "is a link where a file or a folder belongs",
}
SAFE = "what was committed is whole, and nothing else is visible: run it again"


def machine_fault(error: BaseException, home: Path) -> str | None:
    """What a file, a disk or a database file refused, and what to do; None for a fault of the program."""
    if broken := [cause for cause in _causes(error) if is_damage(cause)]:
        return (
            f"a file of {home} is damaged ({str(broken[-1]).splitlines()[0]}): `packfolio restore` a backup"
        )
    if broken := [cause for cause in _causes(error) if _is_damaged_history(cause)]:
        return (
            f"Dagster's history in {home / 'dagster'} is damaged ({broken[-1]}): move the .db files of that folder "
            f"away, and it begins anew; it is no part of the record"
        )
    refusals = [cause for cause in _causes(error) if _is_refusal(cause)]
    if not refusals:
        return None
    free = _free(home)
    if free < FULL:
        return f"the disk of {home} is full ({free / 1024:.0f} KiB are free); make room there; {SAFE}"
    refusal, said = refusals[-1], str(refusals[-1]).splitlines()[0]
    if isinstance(refusal, OSError) and refusal.filename and refusal.errno in KINDS:
        return f"{refusal.filename} {KINDS[refusal.errno]}: move that away; {SAFE}"
    if isinstance(refusal, OSError) and refusal.errno in NO_ROOM:  # of a backup's disk, or since freed
        place = refusal.filename2 or refusal.filename or home
        return f"the disk of {place} is full; make room there; {SAFE}"
    if isinstance(refusal, PermissionError) and refusal.filename:
        return f"{said}: this user may not; run as the user whose desk it is, or let this one read and write it; {SAFE}"
    return f"{said}; see that {home} can be read and written (`packfolio doctor`); {SAFE}"


def is_damaged(error: BaseException) -> bool:
    """Whether the error comes from a database file that is damaged."""
    return any(is_damage(cause) or _is_damaged_history(cause) for cause in _causes(error))


def _is_damaged_history(error: BaseException) -> bool:
    """Whether SQLite says that a file is damaged: its own errors of use are of classes below this one."""
    return type(error) is sqlite3.DatabaseError


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it came from, the first cause last."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_refusal(error: BaseException) -> bool:
    """Told by the class's name where it is DuckDB's, whose import would slow every command."""
    return isinstance(error, OSError | sqlite3.OperationalError) or type(error).__module__ == "_duckdb"


def _free(home: Path) -> int:
    """Bytes that are free where the home is, or would be."""
    for place in (home, *home.parents):
        with suppress(OSError):  # it is not there yet, or another user's
            return shutil.disk_usage(place).free
    return FULL  # nothing can be seen
