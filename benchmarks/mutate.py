"""Mutation testing: small seeded faults, one at a time, and whether the tests notice; writes RESULTS-tests.md.

`make mutate`, or `python -m benchmarks.mutate --seed 1 --mutants 60 service pipeline`. A mutant runs in a copy of the
tree, against the test files that reach its module by imports, the nearest first, until one fails; which those are is
read from the imports with `ast`. A mutant that none of the `--files` nearest notices has survived.
"""

import argparse
import ast
import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.mutations import Mutant, mutants

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "RESULTS-tests.md"
FOLDERS = ("optimizer", "resources", "assets", "pipeline", "service")
PRELOADED = (
    "numpy pandas scipy.optimize scipy.stats cvxpy sklearn.covariance duckdb pyarrow dagster fastapi rich"
)
HUNG = 120  # seconds of computing, in one test
ABOUT = """# Tests that bite

`make mutate` plants small faults, one at a time, in a seeded sample of the places of each folder where one fits, and
runs the tests nearest to each, in a copy of the tree. A fault is a flipped comparison, sign, `and`, `not`, `min` or
boolean, a constant or slice bound off by one (a float doubled, a tolerance ten thousand times looser), two arguments
swapped, a keyword or an element left out, a statement or a returned value dropped. Docstrings, type hints, decorators
and the text of messages are left alone.
"""


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: the test that failed, `hung`, or nothing."""

    mutant: Mutant
    noticed_by: str


def main() -> None:
    """Draws, runs, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", default=FOLDERS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mutants", type=int, default=60, help="in each folder")
    parser.add_argument("--files", type=int, default=10, help="test files for each mutant, the nearest ones")
    parser.add_argument(
        "--only", default="", help="a part of the file name, for a closer look; writes nothing"
    )
    parser.add_argument(
        "--minutes", type=float, default=600.0, help="for each folder; a cut sample is as fair"
    )
    asked = parser.parse_args()
    os.environ |= {"CI": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    for name in PRELOADED.split():
        __import__(name)
    for folder in asked.folders:
        with tempfile.TemporaryDirectory(prefix="mutants-") as place:
            verdicts = examined(folder, asked, Path(place) / "tree")
        if not asked.only:
            write(folder, f"seed {asked.seed}", verdicts)


def examined(folder: str, asked: argparse.Namespace, tree: Path) -> list[Verdict]:
    """The verdict on each mutant of a folder's sample, or on those that the minutes allow."""
    end = time.monotonic() + 60 * asked.minutes
    os.environ.pop("PACKFOLIO_TEST_DESK", None)
    if folder == "service":  # nothing of it builds the desk that its tests ask
        os.environ["PACKFOLIO_TEST_DESK"] = str(tree.parent)
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    os.chdir(tree)
    files = sorted(path for path in Path(folder).rglob("*.py") if asked.only in path.as_posix())
    places = [found for path in files for found in mutants(path)]
    chosen = sample(places, asked.mutants, f"{asked.seed} {folder}")
    imports = imported_by_file()
    refuse_failing_tests([f"tests/{folder}"], tree, "--collect-only")
    verdicts = []
    for number, mutant in enumerate(chosen, 1):
        if time.monotonic() > end:
            break
        began, original = time.monotonic(), mutant.path.read_bytes()
        mutant.path.write_bytes(mutant.apply(original))
        os.utime(mutant.path, (number, number))  # a cached bytecode is told by its second
        said = run(nearest(mutant.path, imports)[: asked.files], tree)
        mutant.path.write_bytes(original)
        os.utime(mutant.path, (0, 0))
        verdicts.append(Verdict(mutant, said))
        print(f"{time.monotonic() - began:5.0f} s  {mutant}  {said or 'SURVIVED'}", flush=True)
    refuse_failing_tests({v.noticed_by for v in verdicts if "::" in v.noticed_by}, tree)
    return verdicts


def sample(places: list[Mutant], wanted: int, seed: str) -> list[Mutant]:
    """As many mutants as wanted, no two of one place; a smaller sample is the beginning of a larger one."""
    rng = random.Random(seed)
    by_place: dict[tuple[Path, int], list[Mutant]] = {}
    for found in places:
        by_place.setdefault((found.path, found.start), []).append(found)
    keys = sorted(by_place)
    rng.shuffle(keys)
    return [rng.choice(by_place[key]) for key in keys[:wanted]]


def imported_by_file() -> dict[str, set[str]]:
    """Our Python files -> those that each imports.

    A module or file named in a string, as for `python -m` or a page, counts too, and so does what a package may load
    by name: its modules.
    """
    files = [path for folder in (*FOLDERS, "tests") for path in sorted(Path(folder).rglob("*.py"))]
    modules = {
        path.with_suffix("").as_posix().removesuffix("/__init__").replace("/", "."): path for path in files
    }
    modules |= {
        name.removeprefix("tests."): path for name, path in modules.items() if name.startswith("tests.")
    }
    alike = Counter(path.name for path in files)
    modules |= {path.name: path for path in files if alike[path.name] == 1}
    found = {}
    for path in files:
        nodes = ast.walk(ast.parse(path.read_text("utf-8")))
        told = {name for node in nodes for name in names_of(node, path)}
        found[path.as_posix()] = {modules[name].as_posix() for name in told if name in modules}
        if path.name == "__init__.py":
            found[path.as_posix()] |= {
                beside.as_posix() for beside in path.parent.glob("*.py") if beside != path
            }
        fixtures = path.parent / "conftest.py"
        if path.name.startswith("test_") and fixtures in files:
            found[path.as_posix()].add(fixtures.as_posix())
    return found


def names_of(node: ast.AST, path: Path) -> Iterator[str]:
    """The modules that a node may name."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        package = path.parent.parts[: len(path.parent.parts) - node.level + 1] if node.level else ()
        base = ".".join([*package, *([node.module] if node.module else [])])
        yield base
        yield from (f"{base}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
        yield node.value.split(":")[0]


def nearest(path: Path, imports: dict[str, set[str]]) -> list[str]:
    """The test files that reach a module by imports, by how near they are, those of its own folder before others."""
    importers: dict[str, set[str]] = {}
    for importer, targets in imports.items():
        for target in targets:
            importers.setdefault(target, set()).add(importer)
    far, waiting = {path.as_posix(): 0}, deque([path.as_posix()])
    while waiting:
        at = waiting.popleft()
        for importer in sorted(importers.get(at, ())):
            if importer not in far:
                far[importer] = far[at] + 1
                waiting.append(importer)
    home = f"tests/{path.parts[0]}/"
    tests = [
        name
        for name in imports
        if Path(name).name.startswith("test_") and (name in far or name.startswith(home))
    ]
    alike = re.sub(r"\W", "", path.stem)
    return sorted(
        tests,
        key=lambda name: (not name.startswith(home), alike not in name, far.get(name, len(imports)), name),
    )


class Watch:
    """A pytest plugin: tells the first failure, or the test that hangs, and ends there."""

    def __init__(self, pipe: int) -> None:
        self.pipe = pipe

    def tell(self, text: str) -> None:
        os.write(self.pipe, (text + "\n").encode())
        os._exit(1)

    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        signal.signal(signal.SIGPROF, lambda *_: self.tell(f"hung in {item.nodeid}"))
        signal.setitimer(signal.ITIMER_PROF, HUNG)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.tell(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            print(report.longrepr, file=sys.stderr) if os.environ.get("LOUD") else 0
            self.tell(f"import of {report.nodeid}")


def run(tests: list[str], tree: Path, *options: str) -> str:
    """The first test that fails in a fork of this process; empty when none does."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _in_fork(tests, tree, options, writing)
    os.close(writing)
    with os.fdopen(reading) as told:
        said = told.readline().strip()
    os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what its tests had started
    return said


def _in_fork(tests: list[str], tree: Path, options: tuple[str, ...], writing: int) -> None:
    """Runs pytest on the tree; never returns."""
    status: object = "an error"
    try:
        os.setpgid(0, 0)
        silent = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silent, stream)
        sys.path[:] = [str(tree), *(p for p in sys.path if p not in ("", str(ROOT)))]
        for name in [name for name in sys.modules if name.split(".")[0] in (*FOLDERS, "benchmarks")]:
            del sys.modules[name]
        quiet = ["-W", "ignore:Module already imported", "-p", "no:cacheprovider"]
        status = pytest.main(["-x", *quiet, f"--rootdir={tree}", *options, *tests], plugins=[Watch(writing)])
    finally:
        if status not in (0, 5):
            os.write(writing, f"pytest ended with {status}\n".encode())
        os._exit(0)


def refuse_failing_tests(tests: Collection[str], tree: Path, *options: str) -> None:
    """A test that fails without a mutation notices nothing."""
    if tests and (failed := run(sorted(tests), tree, *options)):
        raise SystemExit(f"{failed} fails in the tree as it is; mend it first")


def write(folder: str, how: str, verdicts: list[Verdict]) -> None:
    """Puts a folder's section in its place; what was remarked on a survivor stays with it."""
    old = RESULTS.read_text("utf-8") if RESULTS.exists() else ""
    listed = re.findall(r"^- `([^:`]+):\d+` (.*)  — (.+)$", old, re.MULTILINE)
    remarks = {(file, change): remark for file, change, remark in listed}
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", old, re.MULTILINE | re.DOTALL))
    survivors = sorted((v.mutant for v in verdicts if not v.noticed_by), key=str)
    noticed = len(verdicts) - len(survivors)
    lines = [f"{noticed} of {len(verdicts)} mutants noticed ({noticed / len(verdicts):.0%}), {how}", ""]
    for mutant in survivors:
        remark = remarks.get((mutant.path.as_posix(), mutant.change), "")
        lines.append(f"- {mutant}" + (f"  — {remark}" if remark else ""))
    sections[folder] = "\n" + "\n".join(lines).rstrip() + "\n\n"
    kept = [name for name in FOLDERS if name in sections]
    table = "".join(f"| {name} | {sections[name].strip().splitlines()[0]} |\n" for name in kept)
    body = "".join(f"## {name}\n{sections[name]}" for name in kept)
    RESULTS.write_text(f"{ABOUT}\n| folder | result |\n|---|---|\n{table}\n{body}".rstrip() + "\n", "utf-8")


if __name__ == "__main__":
    main()
