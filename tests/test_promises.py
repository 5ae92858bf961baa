"""What SECURITY.md and docs/audit.md promise is shown by tests that exist: each row of their tables names one."""

import re
from pathlib import Path

import pytest
from source_tree import ROOT

NAMED = re.compile(r"`(test_\w+)::(test_\w+)`")
TABLES = {"SECURITY.md": "| threat |", "docs/audit.md": "| promised |"}


def rows(page: str) -> list[str]:
    """The rows of the page's table of promises."""
    lines = (ROOT / page).read_text("utf-8").splitlines()
    (heading,) = (place for place, line in enumerate(lines) if line.startswith(TABLES[page]))
    after = lines[heading + 2 :]
    return after[: next((place for place, line in enumerate(after) if not line.startswith("|")), len(after))]


def missing(row: str, files: dict[str, list[Path]]) -> list[str]:
    """The tests that a row names and that there are not; the row itself where it names none."""
    named = NAMED.findall(row.rstrip("| ").rpartition("|")[2])
    gone = [
        f"{file}::{test}"
        for file, test in named
        if not any(f"\ndef {test}(" in path.read_text("utf-8") for path in files.get(file, []))
    ]
    return gone if named else [row]


@pytest.fixture(scope="module")
def files() -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        found.setdefault(path.stem, []).append(path)
    return found


@pytest.mark.parametrize("page", TABLES)
def test_every_promise_names_a_test_that_shows_it(page: str, files: dict[str, list[Path]]) -> None:
    told = rows(page)
    assert len(told) > 8
    assert [one for row in told for one in missing(row, files)] == []


def test_a_promise_without_a_test_is_caught(files: dict[str, list[Path]]) -> None:
    assert missing("| nobody gets in | a door | |", files) == ["| nobody gets in | a door | |"]
    assert missing("| a | `test_promises::test_that_is_gone` |", files) == [
        "test_promises::test_that_is_gone"
    ]
    assert missing("| a | `test_promises::test_a_promise_without_a_test_is_caught` |", files) == []
