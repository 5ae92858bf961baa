"""Near names: each once, and of many only as many as can be looked for."""

import pytest

from optimizer import errors


def test_a_name_that_stands_twice_among_the_known_is_asked_once() -> None:
    known = ["max_turnover", "min_return", "max_turnover"]
    assert errors.meant("max_turnver", known) == "did you mean max_turnover?"
    assert errors.meant("spam", known) == "there are max_turnover, min_return"


def test_of_too_many_names_the_first_is_looked_for_whatever_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "MOST_COMPARED", 4)
    known = ["AAPL", "MSFT", "GOOG"]
    assert errors.nearest_of_each(["APPL", "MFST"], known) == {"APPL": ["AAPL"], "MFST": []}
    assert errors.nearest_of_each(["APPL"], [*known, "SPY", "QQQ"]) == {"APPL": ["AAPL"]}
