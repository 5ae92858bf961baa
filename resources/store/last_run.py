"""What the last run read and how it ended: the next one asks, before it starts, whether it would end the same.

It is believed for what it is compared with, the contents of every file and the ledger's head, never for its age.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from resources.ledger.atomic_file import write_whole
from resources.ledger.ledger import file_sha256, sha256
from resources.store.code_version import code_version

FILE = "last_run.json"


@dataclass(frozen=True)
class LastRun:
    """A run that left nothing to be done.

    asked      what it was asked for
    inboxes    the folders of prices and facts, as its configuration names them, or whole
    ground     the digest of all that it read besides the warehouse, as `Ground` gives it
    head       number of ledger rows when it had ended, and the hash of the newest
    at, until  ISO times in UTC: before the one and from the other on the clock alone may change the answer
    """

    asked: Mapping[str, str | None]
    inboxes: tuple[str, ...]
    ground: str
    head: tuple[int, str]
    at: str
    until: str
    pack_id: str
    status: int
    reason: str


@dataclass(frozen=True)
class Ground:
    """Where all lies that a run reads besides the warehouse.

    config   the folder of the configuration
    inboxes  the folders of its sources and of reference data
    files    single ones, which may be missing
    home     of the warehouse, which no inbox may hold
    """

    config: Path
    inboxes: tuple[Path, ...]
    files: tuple[Path, ...]
    home: Path

    def digest(self, told: Callable[[Path], object] = file_sha256) -> str | None:
        """One digest of the code and of what is `told` of each file; None where not all can be told for certain."""
        try:
            seen = [
                {
                    path.relative_to(self.config).as_posix(): told(_file(path))
                    for path in self.config.rglob("*.yaml")
                },
                [self._inbox(folder, told) for folder in self.inboxes],
                [told(_file(path)) if os.path.lexists(path) else None for path in self.files],
            ]
        except OSError:
            return None
        return None if None in seen[1] else sha256(json.dumps([code_version(), seen], sort_keys=True))

    def _inbox(self, folder: Path, told: Callable[[Path], object]) -> dict[str, object] | None:
        """Every file below a folder, more than any source reads; None where links lead to who knows what."""
        if not folder.is_dir() or self.home.is_relative_to(folder.resolve()):
            return None
        found: dict[str, object] = {}
        for place, folders, files in os.walk(folder, onerror=_raised):
            for name in (*folders, *files):
                path = Path(place, name)
                if path.is_symlink():
                    return None
                found[path.relative_to(folder).as_posix()] = told(path) if path.is_file() else None
        return found


def _file(path: Path) -> Path:
    """The path; raises OSError for what is no file: a pipe would be waited for."""
    if not path.is_file():
        raise FileNotFoundError(path)
    return path


def _raised(error: OSError) -> None:
    raise error


def touched(path: Path) -> list[int]:
    """What changes of a file with every write to it, whatever is written."""
    state = path.stat()
    return [state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns]


def read_last_run(home: Path) -> LastRun | None:
    """What the last run left; None where it was interrupted, had more to do, or what is there cannot be read."""
    try:
        told = json.loads(_file(home / FILE).read_text("utf-8"))
        return LastRun(**told | {name: tuple(told[name]) for name in ("inboxes", "head")})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def keep_last_run(home: Path, run: LastRun) -> None:
    """Writes it, whole or not at all."""
    write_whole(home / FILE, json.dumps(asdict(run)).encode())


def forget_last_run(home: Path) -> None:
    """Until a run has ended nothing is known of the one before."""
    (home / FILE).unlink(missing_ok=True)
