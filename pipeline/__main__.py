"""What `packfolio` runs, and `python -m pipeline`: signals are seen to before the rest is loaded.

A command's process ends at once, for taking apart what it loaded takes longer than many a command.
"""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import wraps

ENDING = (signal.SIGINT, signal.SIGTERM)
INTERRUPTED = "Query interrupted"  # what DuckDB makes of a signal in the middle of a query


def at_once(command: Callable[[], None]) -> Callable[[], None]:
    """The command as a whole process: what is registered for the end is done, what was said is written, and no more.

    A signal ends it in order too, or copies of the warehouse that it looks at, and half a backup, would fill the disk;
    one that comes while it is put in order changes nothing. Where other threads are alive, or what was said cannot be
    written, the process ends as Python ends one.
    """

    @wraps(command)
    def process() -> None:
        try:
            seen = _signals()
            try:
                command()
            except (Exception, KeyboardInterrupt) as error:
                # What a signal breaks off may end in any error: of a query, or of a module that was half loaded.
                if seen or isinstance(error, KeyboardInterrupt) or str(error) == INTERRUPTED:
                    sys.exit(128 + (seen or [signal.SIGINT])[0])
                raise
        except SystemExit as ended:
            if ended.code == 128 + signal.SIGINT:
                sys.stderr.write("ended by its user\n")
            if threading.active_count() == 1 and isinstance(ended.code, int | None):
                with suppress(OSError):
                    for number in ENDING:
                        signal.signal(number, signal.SIG_IGN)
                    atexit._run_exitfuncs()
                    sys.stdout.flush()
                    sys.stderr.flush()
                    os._exit(ended.code or 0)
            raise

    return process


def _signals() -> list[int]:
    """The signals that will have come; the first raises, and others only where nothing is being put in order."""
    seen: list[int] = []

    def end(number: int, frame: object) -> None:
        if seen and sys.exception() is not None:
            return
        seen.append(number)
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a script's `&` ignores it
        signal.signal(signal.SIGINT, end)
    return seen


@at_once
def main() -> None:
    """The command line as a whole process."""
    try:
        from pipeline.cli import command
    except ModuleNotFoundError as error:  # the library alone is installed, without what its pipeline needs
        sys.exit(f"the package {error.name} is not installed: `pip install packfolio` with its dependencies")
    command()


if __name__ == "__main__":
    main()
