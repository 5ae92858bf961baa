"""How the process of a command ends: at once, for taking apart what it loaded takes longer than many a command."""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import wraps

INTERRUPTED = "Query interrupted"  # what DuckDB makes of a signal in the middle of a query


def at_once(command: Callable[[], None]) -> Callable[[], None]:
    """The command as a whole process: what is registered for the end is done, what was said is written, and no more.

    A signal ends it in order too, or copies of the warehouse that it looks at, and half a backup, would fill the disk.
    Where other threads are alive, or what was said cannot be written, the process ends as Python ends one.
    """

    @wraps(command)
    def process() -> None:
        signals: list[int] = []

        def end(number: int, frame: object) -> None:
            signals.append(number)
            raise SystemExit(128 + number)

        try:
            signal.signal(signal.SIGTERM, end)
            try:
                command()
            except RuntimeError as error:
                if str(error) != INTERRUPTED:
                    raise
                sys.exit(128 + (signals or [signal.SIGINT])[0])
        except SystemExit as ended:
            if threading.active_count() == 1 and isinstance(ended.code, int | None):
                with suppress(OSError):
                    atexit._run_exitfuncs()
                    sys.stdout.flush()
                    sys.stderr.flush()
                    os._exit(ended.code or 0)
            raise

    return process
