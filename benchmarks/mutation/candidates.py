"""Which tests to try a mutant on: those that run its line, the cheapest first."""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.mutation.mutations import Mutant
from benchmarks.mutation.reached import FOLDERS


@dataclass(frozen=True)
class Run:
    """What a test or a fixture takes and reaches."""

    seconds: float
    lines: dict[str, set[int]]
    fixtures: tuple[str, ...] = ()


@dataclass
class Reached:
    """The records of all test files."""

    tests: dict[str, Run] = field(default_factory=dict)
    fixtures: dict[str, Run] = field(default_factory=dict)
    sure: set[str] = field(default_factory=set)  # tests that passed again without a mutant

    @classmethod
    def read(cls, place: Path) -> "Reached":
        """A session's fixture stands in the record of the file that made it."""
        found = cls()
        for path in sorted(place.glob("*.json")):
            told = json.loads(path.read_text("utf-8"))
            for name, one in told["fixtures"].items():
                found.fixtures[name] = joined(found.fixtures.get(name), run_of(one))
            for name, one in told["tests"].items():
                if not one["failed"]:
                    found.tests[name] = run_of(one)
        return found

    def by_fixture(self, path: str, lines: set[int]) -> set[str]:
        """The fixtures that run one of the lines."""
        return {name for name, one in self.fixtures.items() if lines & one.lines.get(path, set())}

    def by_test(self, path: str, lines: set[int]) -> set[str]:
        """The tests that run one of the lines, themselves or in a fixture."""
        fixtures = self.by_fixture(path, lines)
        return {
            name
            for name, one in self.tests.items()
            if lines & one.lines.get(path, set()) or fixtures & set(one.fixtures)
        }

    def cheapest(self, tests: set[str]) -> list[str]:
        """By their seconds, with those of their fixtures."""

        def cost(name: str) -> float:
            one = self.tests[name]
            return one.seconds + sum(self.fixtures[f].seconds for f in one.fixtures if f in self.fixtures)

        return sorted(tests, key=lambda name: (cost(name), name))

    def within(self, tests: list[str], seconds: float) -> list[str]:
        """The first ones that take no longer together; a fixture is made once."""
        kept, made, spent = [], set(), 0.0
        for name in tests:
            one = self.tests[name]
            new = {f for f in one.fixtures if f in self.fixtures} - made
            spent += one.seconds + sum(self.fixtures[f].seconds for f in new)
            if kept and spent > seconds:
                break
            made |= new
            kept.append(name)
        return kept


def run_of(told: dict) -> Run:  # type: ignore[type-arg]
    lines = {path: set(numbers) for path, numbers in told["lines"].items()}
    return Run(told["seconds"], lines, tuple(told.get("fixtures", ())))


def joined(one: Run | None, other: Run) -> Run:
    """A fixture that was made twice, once perhaps from what the first had left."""
    if one is None:
        return other
    lines = {
        path: one.lines.get(path, set()) | other.lines.get(path, set()) for path in one.lines | other.lines
    }
    return Run(max(one.seconds, other.seconds), lines)


def candidates(mutant: Mutant, tree: Path, reached: Reached) -> list[str]:
    """The tests that run the mutant's line; then the others of the same files, for what a first test keeps."""
    name = mutant.path.relative_to(tree).as_posix()
    direct: set[str] = set()
    for path, lines in places(mutant, tree, name):
        direct |= reached.by_test(path, lines)
        if direct and path == name:
            break
    if outside_functions(mutant):
        direct |= naming(name, tree, reached)
    files = {test.partition("::")[0] for test in direct}
    beside = {test for test in reached.tests if test.partition("::")[0] in files} - direct
    return reached.cheapest(direct) + reached.cheapest(beside)


def outside_functions(mutant: Mutant) -> bool:
    tree = ast.parse(mutant.path.read_text("utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return not any(spans(node, mutant.line) for node in functions)


def naming(name: str, tree: Path, reached: Reached) -> set[str]:
    """The tests of files that name a module: what its import sets they may read without running a line of it."""
    *folders, module = name.removesuffix(".py").split("/")
    package = re.escape(".".join(folders))
    pattern = re.compile(rf"\b{package}(\.{module}\b| import [^\n]*\b{module}\b)")
    files = {test.partition("::")[0] for test in reached.tests}
    told = {file for file in files if pattern.search((tree / file).read_text("utf-8"))}
    return {test for test in reached.tests if test.partition("::")[0] in told}


def places(mutant: Mutant, tree: Path, name: str) -> Iterator[tuple[str, set[int]]]:
    """Files and lines whose tests may notice: the line itself, or what uses a value that an import sets."""
    source = mutant.path.read_text("utf-8")
    module = ast.parse(source)
    around = [node for node in ast.walk(module) if spans(node, mutant.line)]
    functions = [node for node in around if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    if functions:
        inner = max(functions, key=lambda node: node.lineno)
        if mutant.line >= inner.body[0].lineno:
            first = max(node.lineno for node in around if isinstance(node, ast.stmt))
            yield name, {mutant.line}
            yield name, {first}
        else:  # a default of the signature
            yield name, set(range(inner.body[0].lineno, (inner.end_lineno or 0) + 1))
        return
    top = next(node for node in module.body if spans(node, mutant.line))
    if isinstance(top, ast.ClassDef):
        yield name, set(range(top.lineno, (top.end_lineno or 0) + 1))
    names = {
        node.id for node in ast.walk(top) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    names |= {top.name} if isinstance(top, ast.ClassDef) else set()
    if names:
        pattern = re.compile(r"\b(" + "|".join(map(re.escape, sorted(names))) + r")\b")
        for folder in FOLDERS:
            for path in sorted((tree / folder).rglob("*.py")):
                lines = path.read_text("utf-8").splitlines()
                if users := {number for number, line in enumerate(lines, 1) if pattern.search(line)}:
                    yield path.relative_to(tree).as_posix(), users
    yield name, set(range(1, source.count("\n") + 2))


def spans(node: ast.AST, line: int) -> bool:
    return getattr(node, "lineno", line + 1) <= line <= getattr(node, "end_lineno", 0)
