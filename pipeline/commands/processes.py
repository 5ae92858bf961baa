"""Commands that become another program, so that a signal to the command is a signal to what serves."""

import os
import sys
from typing import NoReturn


def become(words: list[str], **changes: str) -> NoReturn:
    """Replace this process by a program, with these changes of its environment.

    There is no parent left that could end before its child: SIGTERM from systemd, docker or a shell reaches the server.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(words[0], words, {**os.environ, **changes})  # noqa: S606  our own words
