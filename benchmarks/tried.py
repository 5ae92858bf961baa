"""Runs chosen tests in a fork that has loaded what all of them need, and tells the first that fails."""

import contextlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.reached import CONTEXT, FOLDER, FOLDERS, Lines, digest, record

ROOT = Path(__file__).resolve().parents[1]
PRELOADED = (
    "numpy pandas scipy.optimize scipy.stats cvxpy sklearn.covariance duckdb pyarrow dagster fastapi rich"
    " hypothesis matplotlib.figure typer"
)
HUNG = 60.0  # seconds of computing, in one test
LOST = 400.0  # seconds in which no test ends


class Watch:
    """A pytest plugin: runs the chosen tests in their order; tells the first failure, or the test that hangs."""

    def __init__(self, pipe: int, chosen: Sequence[str] = ()) -> None:
        self.pipe, self.chosen = pipe, {name: place for place, name in enumerate(chosen)}

    def tell(self, text: str) -> None:
        os.write(self.pipe, (text + "\n").encode())
        os._exit(1)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.chosen:
            found = [item for item in items if item.nodeid in self.chosen]
            items[:] = sorted(found, key=lambda item: self.chosen[item.nodeid])

    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        os.write(self.pipe, b"\n")
        signal.signal(signal.SIGPROF, lambda *_: self.tell(f"hung in {item.nodeid}"))
        signal.setitimer(signal.ITIMER_PROF, HUNG)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.tell(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.tell(f"import of {report.nodeid}")


class Reach:
    """A pytest plugin: writes which of our lines each test and each fixture runs, a file for each test file."""

    def __init__(self, tree: Path, place: Path) -> None:
        self.lines, self.place = Lines(tree), place
        self.tests: dict[str, dict[str, Any]] = {}
        self.fixtures: dict[str, dict[str, Any]] = {}
        self.spent = 0.0

    def pytest_collection_finish(self) -> None:
        os.environ[FOLDER] = str(self.place / "processes")
        (self.place / "processes").mkdir(parents=True, exist_ok=True)
        self.lines.watch()

    @contextlib.contextmanager
    def watched(self, context: str) -> Iterator[dict[str, Any]]:
        """What runs inside, apart from what runs around it."""
        outer = self.lines.found, self.lines.entries, os.environ.get(CONTEXT, ""), self.spent
        self.lines.begin()
        os.environ[CONTEXT] = context
        began, told = time.monotonic(), {"seconds": 0.0, "lines": {}}
        self.spent = 0.0
        self.lines.watch()
        try:
            yield told
        finally:
            whole = time.monotonic() - began
            told |= {"seconds": round(whole - self.spent, 3), "lines": self.lines.told()}
            self.lines.found, self.lines.entries, os.environ[CONTEXT], self.spent = outer
            self.spent += whole

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
        with self.watched(item.nodeid) as told:
            done = yield
        known = getattr(item, "_fixtureinfo", None)
        fixtures = [_named(found[-1]) for found in known.name2fixturedefs.values()] if known else []
        self.tests.setdefault(item.nodeid, {"failed": False}).update(told, fixtures=sorted(fixtures))
        if nextitem is None or nextitem.path != item.path:
            self.write(item.nodeid.partition("::")[0])
        return done

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Iterator[None]:
        if fixturedef.scope == "function":
            return (yield)
        with self.watched(_named(fixturedef)) as told:
            done = yield
        self.fixtures[_named(fixturedef)] = told
        return done

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.tests.setdefault(report.nodeid, {})["failed"] = True

    def write(self, name: str) -> None:
        sys.settrace(None)
        for path in sorted((self.place / "processes").glob("*.json")):
            with contextlib.suppress(ValueError):  # killed while it wrote
                self.add(json.loads(path.read_text("utf-8")))
            path.unlink()
        told = {"of": digest(self.lines.tree / name), "tests": self.tests, "fixtures": self.fixtures}
        record(self.place, name).write_text(json.dumps(told), "utf-8")
        self.tests, self.fixtures = {}, {}

    def add(self, process: dict[str, Any]) -> None:
        """What a process ran that a test or fixture had started."""
        kept = self.tests if process["context"] in self.tests else self.fixtures
        lines = kept.setdefault(process["context"], {"seconds": 0.0, "lines": {}})["lines"]
        for path, numbers in process["lines"].items():
            lines[path] = sorted({*lines.get(path, ()), *numbers})


def _named(fixturedef: Any) -> str:
    code = getattr(fixturedef.func, "__code__", None)
    return f"{Path(code.co_filename).name if code else ''}:{fixturedef.argname}"


def preload() -> None:
    """What every fork has then; one thread each, as the suite does."""
    os.environ |= {"CI": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    for name in PRELOADED.split():
        __import__(name)


def first_failure(
    files: Sequence[str],
    tree: Path,
    chosen: Sequence[str] = (),
    reach: Path | None = None,
    end: float | None = None,
) -> str:
    """The first test that fails in a fork of this process; empty when none does.

    With `reach`, all run on, to `end` at the longest, and what each reached is written there.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _in_fork(files, tree, chosen, reach, writing)
    os.close(writing)
    said, text = "", ""
    while select.select([reading], [], [], max(0.0, end - time.monotonic()) if end else LOST)[0]:
        if not (got := os.read(reading, 4096).decode()):
            break
        text += got
    else:
        said = "no test ended in time"
    os.close(reading)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what its tests had started
    os.waitpid(child, 0)
    return said or text.strip()


def _in_fork(
    files: Sequence[str], tree: Path, chosen: Sequence[str], reach: Path | None, writing: int
) -> None:
    """Runs pytest on the tree; never returns."""
    status: object = "an error"
    try:
        os.setpgid(0, 0)
        silent = os.open(os.environ.get("MUTANTS_LOG", os.devnull), os.O_RDWR | os.O_CREAT | os.O_APPEND)
        for stream in (0, 1, 2):
            os.dup2(silent, stream)
        os.chdir(tree)
        sys.path[:] = [str(tree), *(p for p in sys.path if p not in ("", str(ROOT)))]
        os.environ["PYTHONPATH"] = str(tree)
        for name in [name for name in sys.modules if name.split(".")[0] in FOLDERS]:
            del sys.modules[name]
        plugin = Reach(tree, reach) if reach else Watch(writing, chosen)
        quiet = ["-W", "ignore:Module already imported", "-p", "no:cacheprovider", "-n", "0"]
        options = [] if reach else ["-x"]
        status = pytest.main([*quiet, *options, f"--rootdir={tree}", *files], plugins=[plugin])
    finally:
        if status not in (0, 5) and not reach:
            os.write(writing, f"pytest ended with {status}\n".encode())
        os._exit(0)
