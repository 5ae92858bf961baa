"""A folder of price files: tidy long files, one file a symbol, or a feed of one file an evening."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from optimizer import DataError
from resources.ledger.ledger import file_sha256
from resources.prices.file_names import ACCOUNT_FILE, CHARACTERISTICS_FILE, name_date
from resources.prices.files import Reading, read_delivery
from resources.prices.source import (
    PRICES,
    Delivery,
    FileRejected,
    Finding,
    Seen,
    delivery_key,
    refusing,
)

UNFINISHED = (".part", ".partial", ".filepart", ".crdownload", ".tmp", ".temp", ".swp", "~")
OF_THE_DISK = "lost+found"


@dataclass(frozen=True)
class FolderSource:
    """Files under `path` that match `pattern`, by the date in their names, else by name.

    shaping   settings that change what is read from a file (overrides of this source): part of each key
    only      the one file or folder under `path` that is wanted
    """

    name: str
    path: Path
    pattern: str
    reading: Reading
    shaping: object = None
    only: Path | None = None

    def deliveries(
        self, since: date | None, until: date | None, seen: Seen
    ) -> Iterator[Delivery | FileRejected]:
        """One delivery a file, in date order; raises DataError for a folder that is missing or cannot be read."""
        files = self._files()
        yield from self._unseen()
        for file in files:
            name = file.relative_to(self.path).as_posix()
            told = name_date(name)
            # One of a later date may bring earlier days, none brings later ones.
            if told and since and told < since:
                continue
            try:
                with refusing(name):
                    self._look_at(file, name)
                    sha = file_sha256(file)
                    how = self.reading
                    key = delivery_key(
                        name, sha, [how.currency, how.basis, how.ignored, self.shaping, since, until]
                    )
                    delivery = None if seen(key) else between(self._read(file, name, sha, key), since, until)
                if delivery and delivery.rows.num_rows:
                    yield delivery
            except FileRejected as refused:
                yield refused

    def _unseen(self) -> Iterator[FileRejected]:
        """The folders, where all is wanted or one of them, in which nobody looks."""
        wanted = self.only or self.path
        for refused in unseen_folders(self.path):
            if wanted in ((folder := self.path / refused.name), *folder.parents):
                yield refused

    def _look_at(self, file: Path, name: str) -> None:
        """Raises FileRejected for a name that nobody can read, and for what is no file of the folder."""
        if not name.isprintable():
            said = "its name has signs that cannot be printed; rename it"
            raise FileRejected(name, [Finding("BAD_NAME", "FAIL", said)])
        refuse_elsewhere(file, self.path, name)

    def _read(self, file: Path, name: str, sha: str, key: str) -> Delivery:
        """The delivery of a file that holds still; raises FileRejected."""
        with still_there(file, self.path, name):
            delivery = read_delivery(file, name, sha, key, self.reading)
            after = file_sha256(file)
        if after != sha:
            said = "it changed while it was read; write it under another name and rename it when it is whole"
            raise FileRejected(name, [Finding("CHANGING", "FAIL", said)], sha)
        return delivery

    def _files(self) -> list[Path]:
        refuse_unreadable(self.path, f"source {self.name}")
        found = [
            file
            for file in self.path.glob(self.pattern)
            if is_delivery(file)
            and not ACCOUNT_FILE.fullmatch(file.name)
            and not CHARACTERISTICS_FILE.fullmatch(file.name)
        ]
        if self.only:
            found = [file for file in found if self.only in (file, *file.parents)]
        return sorted(found, key=lambda file: (str(name_date(file.name) or ""), file.as_posix()))


def can_be_read(folder: Path) -> bool:
    """Whether this user may list the folder and look at its files."""
    return os.access(folder, os.R_OK | os.X_OK) and folder.is_dir()


def refuse_unreadable(folder: Path, whose: str) -> None:
    """Raises DataError for no folder, and for one that this user cannot read: it would pass for an empty one."""
    if not os.access(folder, os.F_OK) or not folder.is_dir():
        raise DataError(f"{whose}: {folder} is no folder; create it or correct sources.yaml")
    if not can_be_read(folder):
        raise DataError(f"{whose}: {folder} cannot be read by this user; correct its permissions")


def unseen_folders(folder: Path, log: str = PRICES) -> Iterator[FileRejected]:
    """A refusal of each folder below an inbox in which nobody looks: what lies there is not read, and is not gone.

    Those that this user cannot list, and links out of the inbox, which are not followed. Where the inbox is a disk of
    its own, the folder that the disk keeps for its repairs is passed over.
    """
    shut: list[OSError] = []
    for place, folders, _ in os.walk(folder, onerror=shut.append):
        folders.sort()  # a disk lists them in any order
        for link in (Path(place, name) for name in folders):
            if link.is_symlink() and not _is_within(link, folder):
                said = f"it leads out of {folder}; put the folder itself there"
                finding = Finding("OUTSIDE_FOLDER", "FAIL", said)
                yield FileRejected(link.relative_to(folder).as_posix(), [finding], log=log)
    for error in shut:
        name = Path(error.filename).relative_to(folder).as_posix()
        if name == OF_THE_DISK:
            continue
        said = f"this folder cannot be read ({error.strerror}); correct its permissions"
        yield FileRejected(name, [Finding("UNREADABLE", "FAIL", said)], log=log)


def is_delivery(file: Path) -> bool:
    """Whether a file of an inbox is meant to be read: all but hidden ones and those that are still being written.

    A pipe, a socket and a link that leads nowhere count, and so does what may not be looked at: refused by its name.
    """
    try:
        there = not file.is_dir()
    except OSError:
        there = True
    return there and not file.name.startswith((".", "~$")) and not file.name.lower().endswith(UNFINISHED)


def refuse_elsewhere(file: Path, folder: Path, name: str) -> None:
    """Raises FileRejected for what is no file of the folder: a link out of it; a pipe, which would be waited for."""
    if not _is_within(file, folder):
        said = f"it leads out of {folder}; put the file itself there"
        raise FileRejected(name, [Finding("OUTSIDE_FOLDER", "FAIL", said)])
    if not file.is_file():
        said = "it is no file, or leads to none; put the file itself there"
        raise FileRejected(name, [Finding("UNREADABLE", "FAIL", said)])


def _is_within(file: Path, folder: Path) -> bool:
    """Whether a file is of the folder, its links followed; a circle of links leads nowhere else."""
    # `resolve` of older Pythons raises on a circle.
    return Path(os.path.realpath(file)).is_relative_to(folder.resolve())


@contextmanager
def still_there(file: Path, folder: Path, name: str) -> Iterator[None]:
    """Raises FileRejected where a file that the block read was put in another's place meanwhile, as by a link.

    Whatever the block says of what it read is then not told: the words may be those of a file that is not the desk's.
    """
    try:
        yield
    finally:
        refuse_elsewhere(file, folder, name)


def between(delivery: Delivery, since: date | None, until: date | None) -> Delivery:
    """The delivery's rows in since..until, both included."""
    if not since and not until:
        return delivery
    days = delivery.rows["date"].to_numpy()
    inside = (days >= np.datetime64(since or date.min)) & (days <= np.datetime64(until or date.max))
    own = delivery.lines
    lines = np.flatnonzero(inside) + delivery.first_line if own is None else own[inside]
    return replace(delivery, rows=delivery.rows.filter(pa.array(inside)), lines=lines)
