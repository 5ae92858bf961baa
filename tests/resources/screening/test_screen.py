"""The row lines of the bad-input matrix: what is set aside, what gets a warning, what passes."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from price_lines import CONTEXT, aside, checked, day, delivery, line, number_of, series, warned

from resources.prices.files import Reading, read_delivery
from resources.prices.series import Record
from resources.screening.price_warnings import WatchLimits
from resources.screening.screen import screen

CALM = [100.0, 101.0, 100.5, 101.5, 100.8, 101.2]


def test_clean_rows_pass_untouched() -> None:
    given = delivery(series("A", CALM) + series("B", CALM))
    result = screen(given, CONTEXT)
    assert result.rows.equals(given.rows)
    assert result.quarantined.num_rows == 0
    assert result.warnings == ()


BAD_CELLS: dict[str, tuple[dict[str, Any], str]] = {
    "no close": ({"close": ""}, "MISSING_CLOSE"),
    "nan": ({"close": "nan"}, "MISSING_CLOSE"),
    "infinite": ({"close": "inf"}, "NOT_FINITE"),
    "infinite high": ({"close": 101, "high": "inf"}, "NOT_FINITE"),
    "zero": ({"close": 0}, "NON_POSITIVE"),
    "negative": ({"close": -101}, "NON_POSITIVE"),
    "zero open": ({"close": 101, "open": 0}, "NON_POSITIVE"),
    "negative dividend": ({"close": 101, "dividend": -1}, "BAD_DIVIDEND"),
    "zero split in an action file": ({"close": 101, "split": -2}, "BAD_SPLIT"),
    "negative volume": ({"close": 101, "volume": -5}, "BAD_VOLUME"),
}


@pytest.mark.parametrize("case", BAD_CELLS)
def test_an_impossible_number_is_set_aside(case: str) -> None:
    cells, code = BAD_CELLS[case]
    result = checked([*series("A", CALM[:3]), line("A", day(3), **({"close": 101} | cells))])
    assert aside(result) == [(code, 5)]
    assert result.rows.num_rows == 3
    assert result.quarantined["raw"][0].as_py().startswith(f"A,{day(3)}")


@pytest.mark.parametrize("symbol", ["=1+1", "+A", "-A", "@SUM(A1)", "aapl", "", "A B", "A" * 25, "É"])
def test_what_is_no_symbol_is_set_aside(symbol: str) -> None:
    result = checked([*series("A", CALM[:2]), line(symbol, day(1), 5)])
    assert aside(result) == [("BAD_SYMBOL", 4)]


@pytest.mark.parametrize(
    "symbol", ["NA", "TRUE", "1E5", "BRK-B", "BF.B", "^GSPC", "0700.HK", "EURUSD=X", "STK-USMV.SIM"]
)
def test_unusual_symbols_pass(symbol: str) -> None:
    assert checked(series(symbol, CALM)).rows["symbol"].to_pylist() == [symbol] * 6


def test_days_that_cannot_be() -> None:
    saturday, holiday = date(2024, 1, 6), date(2024, 1, 15)
    rows = [line("A", saturday, 10), line("A", holiday, 10), line("A", date(2025, 7, 1), 10)]
    assert aside(checked(rows)) == [("NOT_A_SESSION", 2), ("NOT_A_SESSION", 3), ("FUTURE_DATE", 4)]


def test_today_is_not_the_future_and_old_weekdays_are_believed() -> None:
    assert aside(checked([line("A", date(2025, 6, 30), 10)])) == []
    assert aside(checked([line("A", date(1950, 1, 3), 10), line("B", date(1950, 1, 1), 10)])) == [
        ("NOT_A_SESSION", 3)
    ]


def test_a_row_told_twice_is_kept_once() -> None:
    result = checked([*series("A", CALM), line("A", day(2), CALM[2])])
    assert result.rows.num_rows == 6
    assert warned(result) == {"DUPLICATE_SAME": 1}


@pytest.mark.parametrize(
    ("volumes", "kept"), [((100, 200), 200), ((200, 100), 200), (("", 5), 5), ((5, ""), 5)]
)
def test_rows_that_differ_in_the_volume_only_are_one_row(volumes: tuple[object, object], kept: int) -> None:
    """In either order: two counts of one day's trade are no reason to lose the day."""
    twins = [line("A", day(2), CALM[2], volume=volume) for volume in volumes]
    result = checked([line("A", day(0), 100), line("A", day(1), 101), *twins])
    assert aside(result) == []
    assert result.rows["volume"].to_pylist() == [None, None, kept]
    (told,) = (finding for finding in result.warnings if finding.code == "DUPLICATE_VOLUME")
    assert (told.severity, told.count, told.symbol, told.day) == ("WARN", 1, "A", day(2))
    assert "DUPLICATE_SAME" not in warned(result)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("closes", "kept"),
    [((100.123, 100.12), 100.123), ((100.12, 100.13), 100.13), ((100.12345, 100.1235), 100.12345),
     ((100.1, 100.12), None), ((1.01, 1.02), None)],
)  # fmt: skip
def test_rows_that_differ_in_the_rounding_only_are_one_row(
    closes: tuple[float, float], kept: float | None, turned: bool
) -> None:
    """A cent is rounding at 100, and a correction at 1."""
    start = 1.0 if closes[0] < 2 else 100.0
    twins = [line("A", day(1), close) for close in (closes[::-1] if turned else closes)]
    result = checked([line("A", day(0), start), *twins])
    assert result.rows["close"].to_pylist() == [start, *([kept] if kept else [])]
    assert warned(result).get("DUPLICATE_ROUNDED", 0) == (kept is not None)


def test_rows_that_contradict_each_other_are_both_set_aside_with_their_lines() -> None:
    result = checked([*series("A", CALM), line("A", day(2), 100.6)])
    assert aside(result) == [("DUPLICATE_CONFLICT", 4), ("DUPLICATE_CONFLICT", 8)]
    assert "lines 4, 8" in result.quarantined["reason"][0].as_py()


def test_a_spike_is_set_aside_alone() -> None:
    result = checked(series("A", [100, 101, 1010, 101, 102]))
    assert aside(result) == [("SPLIT_UNEXPLAINED", 4)]
    assert aside(checked(series("A", [100, 101, 185, 101, 102]))) == [("JUMP_75", 4)]


@pytest.mark.parametrize("after", [185.0, 255.0, 355.0])
def test_a_new_level_waits_until_five_more_rows_hold_it_and_is_then_believed_whole(after: float) -> None:
    waiting = checked(series("A", [100, *[after] * 5]))
    assert aside(waiting) == [("JUMP_75", line) for line in range(3, 8)]
    assert checked(series("A", [100, *[after] * 6])).quarantined.num_rows == 0


@pytest.mark.parametrize("after", [21.0, 420.0])
def test_a_level_beyond_four_to_one_is_not_believed_because_it_holds(after: float) -> None:
    result = checked(series("A", [100, *[after] * 40]))
    assert result.rows.num_rows == 1
    assert {code for code, _ in aside(result)} <= {"JUMP_75", "SPLIT_UNEXPLAINED"}


@pytest.mark.parametrize("after", [50.0, 10.0, 300.0, 1000.0])
def test_an_unexplained_split_holds_until_it_is_explained(after: float) -> None:
    rows = series("A", [100, after, *[after * 1.05] * 20])
    result = checked(rows)
    assert {code for code, _ in aside(result)} == {"SPLIT_UNEXPLAINED"}
    assert result.rows.num_rows == 1
    released = frozenset({("A", number_of(day(1)), "SPLIT_UNEXPLAINED")})
    assert checked(rows, replace(CONTEXT, released=released)).rows.num_rows == 22


def test_a_split_in_the_file_explains_the_price() -> None:
    assert checked([line("A", day(0), 100), line("A", day(1), 50.5, split=2)]).rows.num_rows == 2


def test_a_split_that_the_file_claims_and_the_price_denies() -> None:
    assert aside(checked([line("A", day(0), 100), line("A", day(1), 100.5, split=2)])) == [
        ("SPLIT_DOUBTED", 3)
    ]


def test_a_corporate_action_explains_a_split_and_is_written_into_the_row() -> None:
    context = replace(CONTEXT, splits={("A", number_of(day(1))): 2.0, ("Z", number_of(day(1))): 3.0})
    result = checked(series("A", [100, 50.5, 51]), context)
    assert result.rows["split"].to_pylist() == [1, 2, 1]
    assert warned(result) == {"SPLIT_FROM_ACTION": 1}


def test_a_released_jump_passes() -> None:
    released = frozenset({("A", number_of(day(1)), "JUMP_75")})
    assert checked(series("A", [100, 185, 186]), replace(CONTEXT, released=released)).rows.num_rows == 3


def test_a_dividend_explains_a_fall() -> None:
    assert checked([line("A", day(0), 100), line("A", day(1), 20, dividend=80)]).quarantined.num_rows == 0


def test_the_same_day_told_again_is_compared_without_its_split() -> None:
    context = replace(CONTEXT, record={"A": Record(number_of(day(1)), 50.5)})
    assert checked([line("A", day(1), 50.6, split=2)], context).rows.num_rows == 1


def test_a_move_off_the_market_is_noted() -> None:
    assert warned(checked(series("A", [100, 135, 136]))) == {"JUMP_BAND": 1}
    crowd = [row for place in range(30) for row in series(f"S{place}", [100, 65, 66])]
    assert warned(checked(crowd)) == {}  # when all fall, that is the market
    assert warned(checked([*crowd, *series("UP", [100, 101, 102])])) == {"JUMP_BAND": 1}


def test_a_bad_print_that_the_next_session_undoes_is_noted() -> None:
    result = checked(series("A", [100, 100.5, 85, 100.2, 100.6, 100.1]))
    assert warned(result) == {"REVERSAL": 1}


def test_stale_closes_are_noted_once_a_run() -> None:
    assert warned(checked(series("A", [100, 101, *[101.0] * 7, 102, *[102.0] * 5]))) == {"STALE_5": 2}
    trading = [line("A", day(place), 101, volume=1000 + place) for place in range(10)]
    assert warned(checked(trading)) == {}


def test_a_bill_fund_whose_close_often_stays_is_not_stale() -> None:
    bills = [100 + number // 6 / 100 for number in range(300)]
    assert warned(checked(series("BIL", bills))) == {}
    moving = [100 + number % 3 / 4 for number in range(294)]
    assert warned(checked(series("A", [*moving, *[99.0] * 6]))) == {"STALE_5": 1}


def test_missing_sessions_are_counted_from_the_first_row_on() -> None:
    result = checked([*series("A", CALM), *series("B", CALM[:2], 4), line("A", day(8), 101)])
    assert warned(result) == {"MISSING_SESSION": 2}


@pytest.mark.parametrize(
    ("busy", "next_close", "expected"),
    [(5000, 95, {"STALE_PRINT": 1}), (2900, 95, {}), (5000, 98, {})],
    ids=["a busy day, and a fall after it", "a usual day", "nothing to make up for"],
)
def test_a_repeated_close_on_a_busy_day_that_is_made_up_for(
    busy: int, next_close: float, expected: dict[str, int]
) -> None:
    calm = [line("A", day(place), 100 + place % 2, volume=1000) for place in range(12)]
    rows = [*calm, line("A", day(12), 101, volume=busy), line("A", day(13), next_close, volume=1000)]
    assert warned(checked(rows)) == expected
    short = rows[-4:]
    assert warned(checked(short)) == {}  # two days before it say nothing of its usual volume


def test_a_symbol_that_returns_after_half_a_year_may_be_another_companys() -> None:
    sessions = np.arange(number_of(date(2023, 1, 2)), number_of(date(2024, 3, 1)), dtype=np.int32)
    context = replace(CONTEXT, sessions=sessions, watch_limits=WatchLimits(reuse_sessions=30))
    old = Record(number_of(date(2023, 12, 1)), 100.0)
    again = [line("A", day(4), 101), line("B", day(4), 101), line("C", day(4), 101)]
    record = {
        "A": old,
        "B": Record(number_of(day(4)) - 31, 100.0),
        "C": Record(number_of(day(4)) - 30, 100.0),
    }
    found = [
        item
        for item in checked(again, replace(context, record=record)).warnings
        if item.code == "TICKER_REUSE"
    ]
    assert [(item.symbol, item.count) for item in found] == [("A", 1), ("B", 1)]


def test_sessions_missing_since_the_last_one_on_record_are_counted() -> None:
    record = {"A": Record(number_of(day(0)), 100.0), "B": Record(number_of(day(3)), 100.0)}
    result = checked([line("A", day(4), 101), line("B", day(4), 101)], replace(CONTEXT, record=record))
    assert [(finding.code, finding.symbol, finding.count) for finding in result.warnings] == [
        ("MISSING_SESSION", "A", 3)
    ]


def test_closes_outside_low_and_high_are_noted() -> None:
    result = checked([line("A", day(0), 12, low=9, high=11), line("A", day(1), 12, low=13, high=11)])
    assert warned(result) == {"HIGH_LOW": 2}


def test_symbols_that_are_no_longer_delivered_are_named() -> None:
    record = {name: Record(number_of(day(0)), 100.0) for name in ("A", "B", "GONE")}
    record["LONG_GONE"] = Record(number_of(date(2023, 12, 4)), 50.0)
    result = checked([line("A", day(1), 101), line("B", day(1), 101)], replace(CONTEXT, record=record))
    (finding,) = result.warnings
    assert (finding.code, finding.count, finding.symbol) == ("NOT_DELIVERED", 1, "GONE")


def test_an_adjusted_close_that_its_dividends_do_not_explain_is_noted() -> None:
    text = "symbol,date,close,dividend,split,adj_close\n"
    text += "".join(f"A,{day(place)},{close},0,1,{adj}\n" for place, (close, adj) in enumerate([(100, 50), (101, 50.5), (102, 55)]))  # fmt: skip  # noqa: E501
    given = read_delivery(text.encode(), "tidy.csv", "sha", "key", Reading("test", "USD"))
    assert warned(screen(given, CONTEXT)) == {"ADJ_INCONSISTENT": 1}


def test_a_feed_that_leaves_out_the_day_before_leaves_actions_open_and_says_so() -> None:
    def warnings(*days: date, known: int) -> dict[str, int]:
        text = "symbol,date,close,adj_close\n" + "".join(f"A,{when},101,101\n" for when in days)
        feed = read_delivery(text.encode(), "prices_20240105.csv", "sha", "key", Reading("test", "USD"))
        return warned(screen(feed, replace(CONTEXT, record={"A": Record(number_of(day(known)), 100.0)})))

    assert warnings(day(4), known=3) == {"ACTION_UNKNOWN": 1}
    assert warnings(day(3), day(4), known=3) == {}
    assert warnings(day(3), day(4), known=2) == {"ACTION_UNKNOWN": 1}
    assert warnings(day(4), known=4) == {}


def test_the_order_of_rows_changes_nothing_but_the_lines() -> None:
    rows = series("A", [100, 101, 185, 101]) + series("B", [50, 25, 25.5, 25.2])
    there, back = checked(rows), checked(rows[::-1])
    assert warned(there) == warned(back)
    codes = sorted(
        zip(there.quarantined["symbol"].to_pylist(), there.quarantined["date"].to_pylist(), strict=True)
    )
    assert codes == sorted(zip(back.quarantined["symbol"].to_pylist(), back.quarantined["date"].to_pylist(), strict=True))  # fmt: skip  # noqa: E501
    assert len(codes) == 4


def test_each_code_set_aside_has_one_summary() -> None:
    result = checked([*series("A", CALM), line("B", day(0), 0), line("C", day(0), -1), line("=D", day(0), 1)])
    found = {finding.code: finding for finding in result.warnings if finding.severity == "QUAR"}
    assert {code: finding.count for code, finding in found.items()} == {"NON_POSITIVE": 2, "BAD_SYMBOL": 1}
    assert found["NON_POSITIVE"].line == 8
