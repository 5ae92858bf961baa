"""Files that are there whole or not at all, whatever ends their writer: a kill, a full disk, a power cut."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident

PART = ".part"


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A place beside `path` for the block to write a file to; it is forced to the disk, and takes its name at the end.

    Nothing stays of it where the block fails, and what stood under the name is as it was.
    """
    half = path.with_name(f"{path.name}.{os.getpid()}-{get_ident()}{PART}")
    try:
        yield half
        force_to_disk(half)
        half.replace(path)
    except BaseException:
        half.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    with whole(path) as half:
        half.write_bytes(content)


def copy_whole(source: Path, path: Path) -> None:
    """Copy a file, whole or not at all."""
    with whole(path) as half:
        shutil.copyfile(source, half)


def copy_folder(source: Path, target: Path) -> None:
    """Copy the whole files of a folder, and of links in it; raises the first OSError, with its number and place."""

    def refuse(error: OSError) -> None:
        raise error

    for folder, _, names in os.walk(source, onerror=refuse, followlinks=True):
        place = target / Path(folder).relative_to(source)
        place.mkdir()
        for name in names:
            if not name.endswith(PART):  # gone before it is read, or left by a kill
                shutil.copyfile(Path(folder) / name, place / name)


def force_to_disk(path: Path) -> None:
    """Returns once the content of a file is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
