"""Each code of a row or a pack belongs to one question, which says its thresholds; the rows stand beside them."""

from assets.shared.data_checks import OF_PACK, OF_PRICES, answers
from resources.screening.pack_checks import CheckLimits
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
