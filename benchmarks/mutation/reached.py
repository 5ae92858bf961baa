"""Which of our lines a process runs, told by a trace: a mutant is tried on the tests that run its line.

Imports nothing but the standard library's start: processes that tests start load it first (`watch_process`).
"""

import hashlib
import json
import os
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

FOLDER = "REACHED_FOLDER"  # where processes that tests start write what they ran
CONTEXT = "REACHED_CONTEXT"  # the test or fixture that started them
FOLDERS = ("optimizer", "resources", "assets", "pipeline", "service")
ENOUGH = 300  # entries of one function, after which its lines are no longer watched


def digest(path: Path) -> str:
    """What a test file must still be for its record to hold."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def record(place: Path, name: str) -> Path:
    """Where the record of a test file lies."""
    return place / f"{name.replace('/', '-')}.json"


class Lines:
    """The lines run since `begin`, by file."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        self.files = [str(path) for folder in FOLDERS for path in sorted((tree / folder).rglob("*.py"))]
        self.begin()

    def begin(self) -> None:
        self.found: dict[str, set[int]] = {name: set() for name in self.files}
        self.entries: dict[tuple[str, int], int] = {}

    def told(self) -> dict[str, list[int]]:
        """File in the tree -> its lines."""
        return {
            str(Path(name).relative_to(self.tree)): sorted(lines)
            for name, lines in self.found.items()
            if lines
        }

    def watch(self) -> None:
        threading.settrace(self.trace)
        sys.settrace(self.trace)

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Called at each call of a function; the lines of foreign ones are not watched."""
        code = frame.f_code
        lines = self.found.get(code.co_filename)
        if lines is None:
            return None
        key = (code.co_filename, code.co_firstlineno)
        times = self.entries[key] = self.entries.get(key, 0) + 1
        if times > ENOUGH:
            return None

        def line(frame: FrameType, event: str, argument: Any) -> Any:
            lines.add(frame.f_lineno)
            return line

        return line


def watch_process(tree: Path) -> None:
    """Watches this process and its forks, and writes each one's lines when it ends."""
    lines, leave = Lines(tree), os._exit

    def write() -> None:
        sys.settrace(None)
        name = Path(os.environ.get(FOLDER, "")) / f"{os.getpid()}-{os.urandom(4).hex()}.json"
        context = os.environ.get(CONTEXT, "")
        if name.parent.is_dir() and context and (told := lines.told()):
            name.write_text(json.dumps({"context": context, "lines": told}), "utf-8")

    def exit_at_once(status: int) -> None:
        write()
        leave(status)

    def forked() -> None:
        lines.begin()
        lines.watch()

    import atexit

    os._exit = exit_at_once  # type: ignore[assignment]
    os.register_at_fork(after_in_child=forked)
    atexit.register(write)
    lines.watch()
