"""Codes of faults are stable: each is documented, and each has a test that provokes it."""

import ast
import re
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest

from resources.prices import csv_file
from resources.prices.columns import TYPES, recognise
from resources.prices.source import Allowance, FileRejected

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/data-quality.md").read_text("utf-8")
PLACES = [
    *(ROOT / "resources/prices").rglob("*.py"),
    *(ROOT / "resources/screening").rglob("*.py"),
    ROOT / "resources/logs/ingest.py",
    ROOT / "resources/logs/storing.py",
    ROOT / "resources/logs/judged_again.py",
    ROOT / "resources/logs/recorded_actions.py",
    ROOT / "resources/logs/calendars.py",
    ROOT / "resources/logs/characteristics.py",
    ROOT / "resources/packs/missing_data.py",
    ROOT / "resources/packs/price_sources.py",
]
WORD = r"[A-Z][A-Z0-9_]{3,}"
NO_CODES = {"FAIL", "WARN", "QUAR", "INFO", "RECORD_TYPE", "AAPL", "SP500", "XNYS", "BAD_", "TRUE", "FALSE"}


def codes() -> set[str]:
    """Every word in capitals that these modules say, which are the codes."""
    found = {"BAD_DIVIDEND", "BAD_SPLIT", "BAD_VOLUME"}  # put together at run time
    for path in PLACES:
        words = (
            node.value
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Constant)
        )
        found |= {word for word in words if isinstance(word, str) and re.fullmatch(WORD, word)}
    return found - NO_CODES


def test_every_code_is_documented_and_no_other() -> None:
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    assert set(re.findall(rf"`({WORD})`", " ".join(rows))) == codes()


@cache
def words_of_tests() -> frozenset[str]:
    """Every word that a test says, of this file those that stand below its mark."""
    tests = [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    own = (
        Path(__file__).read_text("utf-8").partition("# What other tests leave out")[2].partition("# What")[2]
    )
    return frozenset(
        word
        for text in (*(path.read_text("utf-8") for path in tests), own)
        for word in re.findall(r"\w+", text)
    )


@pytest.mark.parametrize("code", sorted(codes()))
def test_every_code_has_a_test(code: str) -> None:
    assert code in words_of_tests()


# What other tests leave out


def test_a_parser_that_gives_up_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    def gives_up(*_: object) -> pa.Table:
        raise pa.ArrowInvalid("no idea")

    monkeypatch.setattr(csv_file, "_parse", gives_up)
    with pytest.raises(FileRejected) as refused:
        csv_file.read_csv(
            b"symbol,date,close\nA,2024-01-02,10\n", "a.csv", recognise, TYPES, Allowance.of(100, 1 << 20)
        )
    assert [(item.code, item.message) for item in refused.value.findings] == [("UNPARSABLE", "no idea")]
