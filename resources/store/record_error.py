"""What is stored is not what was recorded: told with its remedy, and never repaired or replaced."""

from optimizer import DataError, PackfolioError, PolicyError

FAILED, USAGE, FAULT = 1, 2, 3  # exit statuses of a command


class RecordError(DataError):
    """A file that is damaged, lost, cut off, put back or foreign; somebody must restore it, or accept it."""


def exit_status(error: PackfolioError) -> int:
    """The exit status of a command that ends with an error."""
    return FAULT if isinstance(error, RecordError) else USAGE if isinstance(error, PolicyError) else FAILED
