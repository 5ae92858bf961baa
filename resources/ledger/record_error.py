"""What is stored is not what was recorded: told with its remedy, and never repaired or replaced."""

import os
from pathlib import Path

from optimizer import DataError, PackfolioError, PolicyError

FAILED, USAGE, FAULT = 1, 2, 3  # exit statuses of a command
# What DuckDB says of a file that is damaged.
DAMAGED = ("Corrupt database file", "not a valid DuckDB database file", "Could not read enough bytes")


class RecordError(DataError):
    """A file that is damaged, lost, cut off, put back or foreign; somebody must restore it, or accept it."""


def refuse_no_file(path: Path, remedy: str) -> None:
    """Raises RecordError with the remedy for what stands in a file's place and is none: a pipe would be waited for."""
    if os.path.lexists(path) and not path.is_file():
        raise RecordError(f"{path} is a folder, a pipe, a device or a link that leads to no file: {remedy}")


def refuse_no_folder(path: Path) -> None:
    """Raises RecordError for what stands in the place of a folder of the home and is none."""
    if os.path.lexists(path) and not path.is_dir():
        raise RecordError(f"{path} is no folder: move that away, the folder is made again")


def exit_status(error: PackfolioError) -> int:
    """The exit status of a command that ends with an error."""
    return FAULT if isinstance(error, RecordError) else USAGE if isinstance(error, PolicyError) else FAILED


def is_damage(error: BaseException) -> bool:
    """Whether DuckDB says that a file is damaged; told by the class's name, whose import would slow every command."""
    kind = type(error)
    own = kind.__module__ == "_duckdb"
    return own and (kind.__name__ == "SerializationException" or any(sign in str(error) for sign in DAMAGED))


def in_a_line(text: str) -> str:
    """A text that somebody else may have written, as one line of printable signs: what is none is spelled out."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
