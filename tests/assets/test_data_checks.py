"""Each code of a row or a pack belongs to one question, which says its thresholds; the rows stand beside them."""

import re
from pathlib import Path
from typing import get_args

from assets.shared.data_checks import OF_PACK, OF_PRICES, answers
from resources.screening.pack_checks import CheckLimits
from resources.settings.configuration import PackCode
from resources.settings.sources import Limits


def row(code: str, severity: str = "WARN") -> dict[str, object]:
    return {"severity": severity, "code": code, "symbol": "A", "date": None, "message": f"{code} of A"}


def test_no_code_is_asked_for_twice() -> None:
    for checks in (OF_PRICES, OF_PACK):
        codes = [code for check in checks for code in check.codes]
        assert len(codes) == len(set(codes))


def test_a_warning_fails_its_own_question_only_and_shows_its_row_and_threshold() -> None:
    told = answers(OF_PRICES, [row("JUMP_BAND")], Limits(band=0.4))
    asked = {one.data["check"]: one.data for one in told["checks"].records}
    assert [name for name, one in asked.items() if one["result"] != "passed"] == ["jumps"]
    assert (asked["jumps"]["result"], asked["jumps"]["found"]) == ("WARN", 1)
    assert asked["jumps"]["thresholds"] == "jump 0.75, band 0.4"
    assert [one.data["message"] for one in told["rows"].records] == ["JUMP_BAND of A"]


def test_the_worst_severity_answers_and_its_rows_come_first() -> None:
    found = [row("STALE_RATE", "INFO"), row("STALE_SYMBOL"), row("STALE_PACK", "FAIL")]
    told = answers(OF_PACK, found, CheckLimits())
    asked = {one.data["check"]: one.data["result"] for one in told["checks"].records}
    assert (asked["freshness"], asked["rates"], asked["coverage"]) == ("FAIL", "INFO", "passed")
    assert [one.data["severity"] for one in told["rows"].records] == ["FAIL", "WARN", "INFO"]


OF_A_SOURCE = {"BASIS_ASSUMED", "NO_DIVIDENDS", "NOT_TRADABLE", "SIMULATED", "SURVIVORSHIP"}


def test_every_code_of_the_page_has_its_question() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/data-quality.md").read_text("utf-8")
    for title, checks, unasked in (("Rows", OF_PRICES, OF_A_SOURCE), ("Packs", OF_PACK, set[str]())):
        lines = re.split(r"\n##+ ", page.partition(f"\n## {title}\n")[2])[0].splitlines()
        first = [line.split("|")[1] for line in lines if line.startswith("| `")]
        codes = {code for cell in first for code in re.findall(r"`([A-Z_0-9]+)`", cell)}
        assert codes - unasked == {code for check in checks for code in check.codes}
    assert codes - {"NO_PRICES", *get_args(PackCode)} == set()
