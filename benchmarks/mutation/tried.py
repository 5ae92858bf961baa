"""Runs chosen tests in a fork that has loaded what all of them need, and tells the first that fails."""

import ast
import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import sys
import time
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pytest
from _pytest.main import pytest_runtestloop

from benchmarks.mutation.mutations import Mutant
from benchmarks.mutation.reached import CONTEXT, FOLDER, FOLDERS, Lines, digest, record

ROOT = Path(__file__).resolve().parents[2]
PRELOADED = (
    "numpy pandas scipy.optimize scipy.stats cvxpy sklearn.covariance duckdb pyarrow dagster fastapi rich"
    " hypothesis matplotlib.figure typer"
)
HUNG = 60.0  # seconds of computing, in one test
QUIET = ("-W", "ignore:Module already imported", "-p", "no:cacheprovider", "-n", "0")
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


def traced(files: Sequence[str], tree: Path, place: Path, end: float) -> None:
    """Runs the files' tests in a fork, to `end` at the longest; which lines they run is written to the place."""

    def work() -> None:
        pytest.main([*QUIET, f"--rootdir={tree}", *files], plugins=[Reach(tree, place)])

    in_fork(tree, lambda pipe: work(), end - time.monotonic())


def in_fork(tree: Path, work: Callable[[int], object], longest: float | None = LOST) -> str:
    """What a fork that has loaded none of our code tells on its pipe; it and what it started end with this call."""

    def apart(writing: int) -> None:
        os.chdir(tree)
        sys.path[:] = [str(tree), *(p for p in sys.path if p not in ("", str(ROOT), str(tree)))]
        os.environ["PYTHONPATH"] = str(tree)
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None) or ""
            if file.startswith(str(tree)) or name.split(".")[0] in FOLDERS:
                del sys.modules[name]
        silent = os.open(os.environ.get("MUTANTS_LOG", os.devnull), os.O_RDWR | os.O_CREAT | os.O_APPEND)
        for stream in (0, 1, 2):
            os.dup2(silent, stream)
        work(writing)

    return forked(apart, longest)


def forked(work: Callable[[int], object], longest: float | None) -> str:
    """What a fork of this process tells on its pipe; it and what it started end with this call."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            ends_with_its_parent()
            os.close(reading)
            work(writing)
        finally:
            os._exit(0)
    os.close(writing)
    said = heard(reading, longest)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return said


def heard(reading: int, longest: float | None) -> str:
    """What a pipe tells until it is closed or silent for too long."""
    text = ""
    try:
        while select.select([reading], [], [], longest if longest is None else max(0.0, longest))[0]:
            if not (got := os.read(reading, 4096).decode()):
                return text.strip()
            text += got
        return "no test ended in time"
    finally:
        os.close(reading)


class Session:
    """A pytest session that has collected all tests, of which each mutant runs some in a fork."""

    def __init__(self, tree: Path, work: Callable[["Session"], None], out: IO[str]) -> None:
        self.tree, self.work, self.out = tree, work, out

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.session = session
        self.work(self)
        return True

    def first_failure(self, chosen: Sequence[str], mutant: Mutant | None) -> str:
        """The first test that fails in a fork; empty when none does. The mutant is in its file already."""
        if mutant is not None and not (function := function_of(mutant)) and self.is_loaded(mutant.path):
            files = sorted({test.partition("::")[0] for test in chosen})
            options = [*QUIET, "-x", f"--rootdir={self.tree}", *files]
            return in_fork(
                self.tree, lambda pipe: ended(pytest.main(options, plugins=[Watch(pipe, chosen)]), pipe)
            )

        def run(pipe: int) -> None:
            if mutant is not None and function:
                replace_code(mutant.path, function)
            self._run(chosen, pipe)

        return forked(run, LOST)

    def is_loaded(self, path: Path) -> bool:
        return any(getattr(module, "__file__", None) == str(path) for module in list(sys.modules.values()))

    def _run(self, chosen: Sequence[str], pipe: int) -> None:
        status: object = "an error"
        try:
            watch = Watch(pipe, chosen)
            self.session.config.pluginmanager.unregister(self)
            self.session.config.pluginmanager.register(watch)
            watch.pytest_collection_modifyitems(self.session.items)
            pytest_runtestloop(self.session)
            status = 0
        finally:
            ended(status, pipe)


def ends_with_its_parent() -> None:
    """In a group of its own, so that all it starts can be ended; on Linux it ends when its parent is killed."""
    os.setpgid(0, 0)
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def ended(status: object, pipe: int) -> None:
    if status not in (0, 5):
        os.write(pipe, f"pytest ended with {status}\n".encode())


def function_of(mutant: Mutant) -> tuple[int, str] | None:
    """First line and qualified name of the outermost function whose body has the mutant; nothing outside of one."""
    module = ast.parse(mutant.path.read_text("utf-8"))
    waiting: list[tuple[str, ast.stmt]] = [("", node) for node in module.body]
    while waiting:
        prefix, node = waiting.pop()
        if isinstance(node, ast.ClassDef):
            waiting += [(f"{prefix}{node.name}.", inner) for inner in node.body]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.body[
            0
        ].lineno <= mutant.line <= (node.end_lineno or 0):
            return min([node.lineno, *(one.lineno for one in node.decorator_list)]), prefix + node.name
    return None


def replace_code(path: Path, function: tuple[int, str]) -> None:
    """Gives the functions of a loaded module the code that stands in its file now."""
    waiting = [compile(path.read_bytes(), str(path), "exec")]
    codes = {}
    while waiting:
        code = waiting.pop()
        codes[code.co_firstlineno, code.co_qualname] = code
        waiting += [one for one in code.co_consts if isinstance(one, types.CodeType)]
    gc.unfreeze()
    for found in gc.get_objects():
        if isinstance(found, types.FunctionType) and found.__code__.co_filename == str(path):
            code = found.__code__
            if (code.co_firstlineno, code.co_qualname) == function:
                found.__code__ = codes[function]


def in_session(tree: Path, files: Sequence[str], work: Callable[[Session], None]) -> None:
    """Does work in a session that has collected the files' tests."""
    told = os.dup(1)

    def collected(pipe: int) -> None:
        session = Session(tree, work, os.fdopen(told, "w", buffering=1))
        pytest.main([*QUIET, "-s", "-x", f"--rootdir={tree}", *files], plugins=[session])

    in_fork(tree, collected, None)
    os.close(told)
