"""A report on a book of many names: what is said once, and what is left out of a picture."""

from resources.results.measure_text import shared_cause
from service.report import figures


def test_a_reason_that_many_trades_have_is_said_once() -> None:
    shared = "relaxing max_turnover (40% in buys and sales) by 2 points raises it: by 1 bps"
    trades = [f"Decrease weight from {i}.0% to 0.5%: {shared}" for i in range(2, 6)]
    own = ["Increase weight from 0.0% to 2.0%: the views", "No change"]
    assert shared_cause(trades + own) == (trades + own, "")
    told, below = shared_cause([*own, *trades, f"Sell: the views; {shared}"])
    assert (
        told[:3] == [*own, "Decrease weight from 2.0% to 0.5% \u00b9"]
        and told[-1] == "Sell: the views \u00b9"
    )
    assert below == f"\u00b9 {shared}"
    assert shared_cause([]) == ([], "")


def test_bars_of_more_names_than_there_is_room_for_say_so() -> None:
    pairs = {f"S{i:02d}": (0.01, i / 1000) for i in range(31)}
    assert "the 30 largest of 31" in figures.bars(pairs, "many")
    pairs.popitem()
    assert "largest of" not in figures.bars(pairs, "few")
