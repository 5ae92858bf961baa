"""A report on a book of many names: what is said once, and what is left out of a picture."""

from service.report import figures
from service.report.tables import said_once


def test_a_reason_that_many_trades_have_is_said_once() -> None:
    shared = "relaxing max_turnover (40% in buys and sales) by 2 points raises it: by 1 bps"
    trades = [{"rationale": f"Decrease weight from {i}.0% to 0.5%: {shared}"} for i in range(2, 7)]
    own = [{"rationale": "Increase weight from 0.0% to 2.0%: the views"}, {"rationale": "No change"}]
    assert said_once(trades[1:] + own) == ([t["rationale"] for t in trades[1:] + own], "")
    told, below = said_once([*own, *trades])
    assert told[:3] == [own[0]["rationale"], "No change", "Decrease weight from 2.0% to 0.5% \u00b9"]
    assert below == f"\u00b9 {shared}"
    assert said_once([]) == ([], "")


def test_bars_of_more_names_than_there_is_room_for_say_so() -> None:
    pairs = {f"S{i:02d}": (0.01, i / 1000) for i in range(31)}
    assert "the 30 largest of 31" in figures.bars(pairs, "many")
    pairs.popitem()
    assert "largest of" not in figures.bars(pairs, "few")
