"""What no tracked file may hold: the address of a machine or index, an edit of a logged table, a sprawl."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from source_tree import CODE, ROOT, plant, sources

LONGEST = 400  # lines; a file is split by meaning well before
ADDRESSES = {
    "a path of one machine": r"(?<![\w.])/(?:work|tmp|root|farm|home/\w+|Users/\w+)/",
    "an index option": r"--(?:extra-)?index-url|--(?:trusted-host|find-links)\b(?! \\)",
    "an index address": r"py" r"pi\.org/simple|files\.python" r"hosted\.org|registry\.npm" r"js\.org",
    "a resolved address": r'"resolved": *"http|registry *= *"http|^source = .*http',
}
EDITS = r"""\b(?:update|delete\s+from|truncate(?:\s+table)?|drop\s+table(?:\s+if\s+exists)?|alter\s+table
|merge\s+into|insert\s+or\s+(?:replace|ignore)\s+into|create\s+or\s+replace\s+table)\s+"?(\w+|\{)"""
NEW_COLUMN = r"alter table \w+ add column \w+ [\w(), ]+;"


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git clone: nothing is tracked")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def addresses(text: str) -> list[str]:
    lines = text.splitlines()
    return [
        f"{number}: {what}: {line.strip()[:80]}"
        for number, line in enumerate(lines, 1)
        for what, pattern in ADDRESSES.items()
        if re.search(pattern, line)
    ]


def test_no_tracked_file_names_a_machine_or_an_index() -> None:
    texts = {path: path.read_bytes() for path in tracked()}
    faults = {
        path.relative_to(ROOT).as_posix(): found
        for path, data in texts.items()
        if b"\0" not in data and (found := addresses(data.decode("utf-8")))
    }
    assert faults == {}


@pytest.mark.parametrize(
    "line",
    ["cd /" "work/main", "x = '/" "tmp/a.csv'", "-" "-index-url x", "https://py" "pi.org/simple",
     '"resolved": ' + '"https://x"'],
)  # fmt: skip
def test_a_planted_address_is_caught(line: str) -> None:
    assert addresses(line)


def test_a_harmless_line_passes() -> None:
    assert addresses("the folder tests/work/ and ./tmp/x; Apache's http://www.apache.org/licenses/") == []


def test_no_code_file_is_longer_than_its_reader_can_hold() -> None:
    lengths = {source.name: len(source.path.read_text("utf-8").splitlines()) for source in sources(ROOT)}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


def logged_tables(root: Path) -> set[str]:
    """Every table of the schema is append-only."""
    schema = (root / "resources" / "store" / "schema.sql").read_text("utf-8")
    return set(re.findall(r"^create table (?:if not exists )?(\w+)", schema, re.MULTILINE | re.IGNORECASE))


def strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The string literals of a file, with `{}` where an f-string puts a value."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield (
                node.lineno,
                "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values),
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def edits(root: Path) -> list[str]:
    """Statements that would change or remove a row of a logged table, or of one named only at run time.

    A temporary table says so in its name: `drop table temp.{name}`. A migration may add a column, which is NULL in
    old rows and so leaves their hashes as they are.
    """
    texts = [(source.name, line, text) for source in sources(root) for line, text in strings(source.tree)]
    texts += [
        (path.relative_to(root).as_posix(), 1, path.read_text("utf-8"))
        for folder in CODE
        for path in sorted((root / folder).rglob("*.sql"))
    ]
    logged = logged_tables(root) | {"{"}
    return [
        f"{name}:{line}: {match[0]}"
        for name, line, text in texts
        for match in re.finditer(EDITS, _without_new_columns(name, text), re.IGNORECASE | re.VERBOSE)
        if match[1].lower() in logged
    ]


def _without_new_columns(name: str, text: str) -> str:
    return re.sub(NEW_COLUMN, "", text) if name.startswith("resources/store/migrations/") else text


def test_no_statement_edits_a_logged_table() -> None:
    assert len(logged_tables(ROOT)) > 10
    assert edits(ROOT) == []


@pytest.mark.parametrize(
    "statement",
    ["UPDATE prices SET close = 1", "delete from prices", "drop table if exists prices", "truncate prices",
     "alter table prices add x int", "insert or replace into prices values (1)", "merge into prices using x"],
)  # fmt: skip
def test_a_planted_edit_is_caught(tmp_path: Path, statement: str) -> None:
    plant(tmp_path, "resources/store/schema.sql", "create table prices (symbol varchar);\n")
    plant(tmp_path, "resources/a.py", f"connection.execute({statement!r})\n")
    plant(tmp_path, "resources/b.py", f"connection.execute(f{statement.replace('prices', '{table}')!r})\n")
    plant(tmp_path, "resources/c.py", f"connection.execute({statement.replace('prices', 'scratch')!r})\n")
    plant(tmp_path, "resources/d.sql", f"{statement};\n")
    plant(
        tmp_path,
        "resources/store/migrations/0002-e.sql",
        f"alter table prices add column y double;\n{statement};\n",
    )
    assert [fault.split(":")[0] for fault in edits(tmp_path)] == [
        "resources/a.py",
        "resources/b.py",
        "resources/d.sql",
        "resources/store/migrations/0002-e.sql",
    ]


def locked(name: str) -> dict[str, list[Requirement]]:
    """The pins of a lock by package; one package may have several, under markers that exclude each other."""
    text = (ROOT / "requirements" / name).read_text("utf-8").replace("\\\n", " ")
    pins: dict[str, list[Requirement]] = {}
    for line in text.splitlines():
        assert "--hash=sha256:" in line, line[:80]
        pin = Requirement(line.split("--hash", 1)[0].strip())
        pins.setdefault(canonicalize_name(pin.name), []).append(pin)
    return pins


def wanted(*extras: str) -> list[Requirement]:
    """What the project and some of its extras ask for; an extra may name others by the project's own name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lists = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)]
    found = [Requirement(text) for texts in lists for text in texts]
    nested = {extra for need in found if need.name == project["name"] for extra in need.extras}
    return [
        need
        for need in [*found, *(wanted(*sorted(nested)) if nested else ())]
        if need.name != project["name"]
    ]


@pytest.mark.parametrize(
    ("lock", "extras"),
    [("runtime.lock", []), ("dev.lock", ["dev"]), ("docs.lock", ["docs"]), ("browser.lock", ["browser"])],
)
def test_a_lock_pins_what_pyproject_asks_for(lock: str, extras: list[str]) -> None:
    pins = locked(lock)
    missing = [
        f"{need} (locked: {[str(pin.specifier) for pin in pins.get(canonicalize_name(need.name), [])]})"
        for need in wanted(*extras)
        if not any(
            need.specifier.contains(str(pin.specifier).removeprefix("=="), prereleases=True)
            for pin in pins.get(canonicalize_name(need.name), [])
        )
    ]
    assert not missing, f"{lock} is behind pyproject.toml: {missing}; run make lock"


def test_the_development_lock_holds_the_runtime_lock() -> None:
    """The same versions; it may want one everywhere that a desk needs on some platforms alone."""
    runtime, dev = locked("runtime.lock"), locked("dev.lock")
    unlike = {
        name: pins
        for name, pins in runtime.items()
        if dev.get(name) != pins
        and [str(pin) for pin in dev.get(name, [])] != [str(bare(pin)) for pin in pins]
    }
    assert unlike == {}


def bare(pin: Requirement) -> Requirement:
    """The pin for every platform."""
    return Requirement(f"{pin.name}{pin.specifier}")


def test_a_lock_names_no_package_twice_for_one_interpreter() -> None:
    here = default_environment()
    for lock in ("runtime.lock", "dev.lock", "docs.lock"):
        for name, pins in locked(lock).items():
            assert sum(pin.marker is None or pin.marker.evaluate(dict(here)) for pin in pins) <= 1, (
                lock,
                name,
            )
