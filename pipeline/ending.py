"""How the process of a command ends: at once, for taking apart what it loaded takes longer than many a command."""

import atexit
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import wraps


def at_once(command: Callable[[], None]) -> Callable[[], None]:
    """The command as a whole process: what is registered for the end is done, what was said is written, and no more.

    Where other threads are alive, or what was said cannot be written, the process ends as Python ends one.
    """

    @wraps(command)
    def process() -> None:
        try:
            command()
        except SystemExit as end:
            if threading.active_count() == 1 and isinstance(end.code, int | None):
                with suppress(OSError):
                    atexit._run_exitfuncs()
                    sys.stdout.flush()
                    sys.stderr.flush()
                    os._exit(end.code or 0)
            raise

    return process
