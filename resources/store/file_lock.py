"""Locks between processes, freed by a kill: one writer alone, or readers that may write nothing."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from optimizer import DataError

POLL_SECONDS = 0.05


@contextmanager
def held(lock: Path, seconds: float, what: str) -> Iterator[None]:
    """The lock file `lock` held alone until the end of the block; raises DataError after `seconds` of waiting."""
    try:
        with FileLock(lock, timeout=seconds):
            yield
    except Timeout:
        raise _waited(seconds, what) from None


@contextmanager
def shared_lock(lock: Path, seconds: float, what: str) -> Iterator[None]:
    """Keeps the holders of `held` out until the end of the block, by a process that may only read the file.

    Raises DataError after `seconds` of waiting. Where there is no lock file nobody has written yet.
    """
    if not lock.exists():
        yield
        return
    with lock.open("rb") as file:
        end = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise _waited(seconds, what) from None
                time.sleep(POLL_SECONDS)
        yield


def _waited(seconds: float, what: str) -> DataError:
    return DataError(
        f"{what} has been locked by another process for {seconds:.0f} s; wait for that run to end, or see "
        f"`packfolio doctor`"
    )
