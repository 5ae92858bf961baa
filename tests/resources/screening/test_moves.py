"""A move is judged by all that is known: split and dividend, adjusted close, market, other sources, what follows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from price_lines import CONTEXT, aside, checked, day, line, number_of, series, warned

import resources.screening.jumps as jumps
from resources.prices.files import Reading, read_delivery
from resources.prices.series import sorted_places
from resources.prices.source import Basis, Delivery
from resources.screening.merged import NEVER, Recorded, merge
from resources.screening.screen import Context, screen


def adjusted(
    rows: Sequence[tuple[float, float, float, float]], basis: Basis = "as_traded", context: Context = CONTEXT
) -> Delivery:
    """A screened file of A: (close, adjusted close, split, dividend) a session."""
    text = "symbol,date,close,adj_close,split,dividend\n"
    text += "".join(f"A,{day(place)},{','.join(map(str, row))}\n" for place, row in enumerate(rows))
    return screen(read_delivery(text.encode(), "a.csv", "sha", "key", Reading("test", "USD", basis)), context)


def returns(result: Delivery) -> list[float]:
    """Total return of each row over the one before."""
    rows = result.rows.to_pylist()
    return [
        (b["close"] * (b["split"] or 1) + (b["dividend"] or 0)) / a["close"] - 1 for a, b in pairwise(rows)
    ]


@pytest.mark.parametrize("factor", [0.2, 1 / 3, 0.5, 1.98, 3.0])
@pytest.mark.parametrize("basis", ["as_traded", "total_return"])
def test_no_split_is_suspected_where_the_vendor_denies_it(factor: float, basis: Basis) -> None:
    calm = [(100.0 + place % 2, 100.0 + place % 2, 1.0, 0.0) for place in range(10)]
    moved = [(close * factor, adj * factor, 1.0, 0.0) for close, adj, _, _ in calm]
    if factor == 0.2:  # -80% may be another company's price, and is nobody's split
        assert {code for code, _ in aside(adjusted([*calm, *moved], basis))} == {"JUMP_75"}
    else:
        assert adjusted([*calm, *moved], basis).rows.num_rows == 20


@pytest.mark.parametrize("ratio", [11.0, 6 / 5, 3 / 2, 1 / 190, 1 / 4, 7.0, 1 / 35])
def test_an_adjusted_close_tells_a_split_of_any_ratio(ratio: float) -> None:
    before = [(100.0, 100.0 / ratio, 1.0, 0.0), (101.0, 101.0 / ratio, 1.0, 0.0)]
    after = [(102.0 / ratio, 102.0 / ratio, 1.0, 0.0), (101.5 / ratio, 101.5 / ratio, 1.0, 0.0)]
    result = adjusted([*before, *after])
    assert result.quarantined.num_rows == 0
    assert warned(result) == {"SPLIT_FROM_ADJUSTED": 1}
    assert returns(result) == pytest.approx([0.01, 102 / 101 - 1, 101.5 / 102 - 1], abs=1e-6)


def test_a_bad_print_beside_a_right_adjusted_close_is_no_split() -> None:
    calm = [(100.0, 50.0, 1.0, 0.0), (101.0, 50.5, 1.0, 0.0)]
    result = adjusted([*calm, (10.1, 50.5, 1.0, 0.0), *calm])
    assert result.rows["split"].to_pylist() == [1.0] * 4
    assert len(aside(result)) == 1


def test_a_dividend_of_each_new_share_is_taken_as_one_of_each_old_share() -> None:
    """A spin-off of 24 beside a reverse split of 1:3, as some vendors tell them: (58 + 24.2) / 3 an old share."""
    result = adjusted([(27.4, 58.0, 1, 0), (27.4, 58.0, 1, 0), (58.0, 58.0, 1 / 3, 24.2), (58.1, 58.1, 1, 0)])
    assert result.quarantined.num_rows == 0
    assert warned(result) == {"SPLIT_FROM_ADJUSTED": 1}
    assert returns(result)[1] == pytest.approx((58 + 24.2) / 3 / 27.4 - 1, abs=1e-6)


@pytest.mark.parametrize(("price", "paid"), [(25.0, 5.0), (25.0, 2.5), (400.0, 80.0), (25.0, 50.0)])
def test_a_dividend_that_the_price_does_not_answer_is_set_aside_alone(price: float, paid: float) -> None:
    rows = [line("A", day(place), price * (1 + place % 2 / 100)) for place in range(12)]
    rows.append(line("A", day(12), price, dividend=paid))
    rows += [line("A", day(place), price * (1 + place % 2 / 100)) for place in range(13, 16)]
    result = checked(rows)
    assert aside(result) == [("DIVIDEND_DOUBTED", 14)]
    assert max(returns(result)) < 0.02


def test_a_special_dividend_that_the_price_answers_is_a_dividend() -> None:
    rows = [*series("A", [100, 101, 100]), line("A", day(3), 80.5, dividend=20), *series("A", [80, 81], 4)]
    assert checked(rows).quarantined.num_rows == 0


@pytest.mark.parametrize(
    ("false", "after", "split", "paid"),
    [
        (900.0, 256.0, 0.25, 0.0),
        (3.0, 32.0, 2.0, 0.0),
        ("", 128.0, 0.5, 0.0),
        ("", 60.8, 1.0, 3.2),
        (-1, 32.0, 2.0, 0.0),
    ],
)
def test_the_next_row_carries_the_split_and_dividend_of_a_row_set_aside(
    false: float | str, after: float, split: float, paid: float
) -> None:
    rows = [*series("A", [64.0] * 5), line("A", day(5), false, split=split, dividend=paid)]
    result = checked([*rows, *series("A", [after] * 4, 6)])
    assert len(aside(result)) == 2  # and what the row that carries them states itself
    assert warned(result)["CARRIED"] == 1
    assert returns(result) == pytest.approx([0.0] * 8, abs=1e-9)
    assert result.rows["split"].to_pylist()[5] == split
    assert result.rows["dividend"].to_pylist()[5] == paid


def test_a_row_of_no_session_that_repeats_the_row_before_it_states_nothing() -> None:
    friday = line("A", day(4), 100, dividend=0.5)
    saturday = friday.replace(str(day(4)), "2024-01-06")
    result = checked([*series("A", [100.5] * 4), friday, saturday, *series("A", [100.2, 100.1], 5)])
    assert sum(result.rows["dividend"].to_pylist()) == 0.5
    alone = line("A", day(4), 100).replace(str(day(4)), "2024-01-06").replace("100,,0,1", "100,,0.5,1")
    kept = checked([*series("A", [100.5] * 5), alone, *series("A", [100.2, 100.1], 5)])
    assert kept.rows["dividend"].to_pylist() == [0, 0, 0, 0, 0, 0.5, 0]


def test_a_split_stated_a_day_early_or_late_is_carried_to_where_the_price_answers_it() -> None:
    early = [*series("A", [100.0] * 5), line("A", day(5), 100.5, split=2), *series("A", [50.2, 50.1], 6)]
    late = [
        *series("A", [100.0] * 5),
        line("A", day(5), 50.2),
        line("A", day(6), 50.1, split=2),
        *series("A", [50.0], 7),
    ]
    for rows, code in ((early, "SPLIT_DOUBTED"), (late, "SPLIT_UNEXPLAINED")):
        result = checked(rows)
        assert aside(result)[0][0] == code
        assert max(map(abs, returns(result))) < 0.01


def test_back_again_means_in_the_same_unit() -> None:
    """A spike of one day on the eve of a split: the price returns at half of what it was."""
    rows = [
        *series("A", [100.0] * 5),
        line("A", day(5), 700),
        line("A", day(6), 50.2, split=2),
        *series("A", [50.0], 7),
    ]
    assert aside(checked(rows)) == [("SPLIT_UNEXPLAINED", 7)]


def crowd(falls: Mapping[int, float], seed: int = 1) -> np.ndarray:
    """Closes (sessions x 30) of symbols that move with a market; falls: session -> market's move of that session."""
    rng = np.random.default_rng(seed)
    market = rng.normal(0, 0.01, 40)
    for session, move in falls.items():
        market[session] = move
    return np.asarray(100 * np.cumprod(1 + market[:, None] + rng.normal(0, 0.002, (40, 30)), axis=0))


def test_a_leveraged_fund_that_halves_with_the_market_is_believed_at_once() -> None:
    closes = crowd({39: -0.25})
    market = np.median(closes[1:] / closes[:-1] - 1, axis=1)
    fund = 50 * np.cumprod(np.concatenate([[1], 1 + 2 * market]))
    rows = [
        row for column in range(30) for row in series(f"S{column:02d}", closes[:, column].round(4).tolist())
    ]
    assert checked([*rows, *series("FUND", fund.round(4).tolist())]).quarantined.num_rows == 0
    # Without the market it looks like a forgotten split.
    alone = checked(series("FUND", fund.round(4).tolist()))
    assert aside(alone) == [("SPLIT_UNEXPLAINED", 41)]


@pytest.mark.parametrize("times", [10.0, 0.01])
def test_a_file_in_other_units_is_no_day_of_the_market(times: float) -> None:
    closes = crowd({39: times - 1})
    rows = [row for at in range(30) for row in series(f"S{at:02d}", closes[:, at].round(6).tolist())]
    assert len(aside(checked(rows))) == 30


def test_a_stock_that_halves_while_it_moves_by_a_tenth_every_day_is_believed_at_once() -> None:
    wild = 100 * np.cumprod(1 + np.tile([0.1, -0.09], 10))
    rows = series("A", [*wild.round(4).tolist(), round(wild[-1] / 2, 4), round(wild[-1] / 2.1, 4)])
    assert checked(rows).quarantined.num_rows == 0


def test_another_source_that_saw_the_move_speaks_for_it() -> None:
    rows = series("A", [100.0, 101, 50.5, 51])
    told = {number_of(day(place)): (close, 1.0, 0.0) for place, close in enumerate([100.1, 101, 50.4, 51])}
    assert checked(rows, replace(CONTEXT, elsewhere=lambda symbol: told)).quarantined.num_rows == 0
    split = told | {number_of(day(2)): (50.4, 2.0, 0.0)}
    assert len(aside(checked(rows, replace(CONTEXT, elsewhere=lambda symbol: split)))) == 2


def test_a_day_whose_trades_bridge_the_move_was_no_split() -> None:
    quiet = [line("A", day(place), 100, open=100, high=101, low=99) for place in range(3)]
    fall = [line("A", day(3), 50, open=97, high=98, low=49), line("A", day(4), 51, open=50, high=52, low=49)]
    assert checked([*quiet, *fall]).quarantined.num_rows == 0
    gap = [line("A", day(3), 50, open=50, high=51, low=49), line("A", day(4), 51, open=50, high=52, low=49)]
    assert {code for code, _ in aside(checked([*quiet, *gap]))} == {"SPLIT_UNEXPLAINED"}


@pytest.mark.parametrize(
    ("times", "volume", "kept"),
    [
        (2.12, 8000, True),
        (2.12, 7000, False),
        (2.12, "", False),
        (3.7, 8000, True),
        (4.2, 80000, False),
        (2, 8000, False),
    ],
)
def test_a_jump_on_many_times_the_volume_of_any_day_of_the_month_is_news(
    times: float, volume: float | str, kept: bool
) -> None:
    calm = [line("A", day(place), 100 + place % 2, volume=1000 - place) for place in range(12)]
    jump = line("A", day(12), 101 * times, volume=volume)
    assert (aside(checked([*calm, jump])) == []) == kept
    assert len(aside(checked([*calm[-9:], jump]))) == 1  # a few days tell no usual volume


def test_an_action_on_a_day_without_a_row_belongs_to_the_next_one() -> None:
    context = replace(CONTEXT, splits={("A", number_of(day(2))): 1.5})
    rows = [*series("A", [100.0, 102]), *series("A", [68.0, 68.2], 3)]
    assert checked(rows, context).rows["split"].to_pylist() == [1, 1, 1.5, 1]
    stated = [*series("A", [100.0, 102]), line("A", day(3), 68, split=1.5), *series("A", [68.2], 4)]
    assert checked(stated, context).rows["split"].to_pylist() == [1, 1, 1.5, 1]


def test_a_jump_over_a_long_gap_may_be_larger() -> None:
    near, far = (
        [*series("A", [100.0]), *series("A", [190.0], 3)],
        [*series("A", [100.0]), *series("A", [190.0], 90)],
    )
    assert (len(aside(checked(near))), len(aside(checked(far)))) == (1, 0)


def test_what_an_earlier_evening_said_of_a_row_set_aside_stands_where_the_later_one_cannot_know_it() -> None:
    told = read_delivery(
        f"symbol,date,close,adj_close\nA,{day(1)},203,203\n".encode(),
        "prices_20240103.csv",
        "s",
        "k",
        Reading("t", "USD"),
    )
    assert told.rows["split"].to_pylist() == [None]
    before = checked([line("A", day(1), 203, split=2, dividend=0.5)]).rows
    nothing, never = np.array([np.nan]), np.array([NEVER], np.int32)
    recorded = Recorded(before, np.array([True]), nothing, nothing, never, never)
    merged = merge(told.rows, sorted_places(told.rows), recorded, told.known_at)
    assert (merged.series({}).split.tolist(), merged.series({}).dividend.tolist()) == ([2.0], [0.5])


def test_what_rows_set_aside_state_is_counted_once_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of splits that no price answers: each row was held against all before it."""
    added: list[object] = []
    real = jumps._Stated.add
    monkeypatch.setattr(jumps._Stated, "add", lambda self, action: (added.append(action), real(self, action)))
    text = "symbol,date,close,split\n" + "".join(f"A,{day(place)},100,2\n" for place in range(120))
    result = screen(
        read_delivery(text.encode(), "a.csv", "sha", "key", Reading("test", "USD", "as_traded")), CONTEXT
    )
    assert (result.rows.num_rows, result.quarantined.num_rows) == (1, 119)
    assert 119 <= len(added) <= 240


def test_another_source_is_read_once_for_each_symbol(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def elsewhere(symbol: str) -> Mapping[int, tuple[float, float, float]]:
        asked.append(symbol)
        return {number_of(place): (100.0 * 3.0 ** (place % 2), 1.0, 0.0) for place in range(30)}

    text = "symbol,date,close\n" + "".join(
        f"A,{day(place)},{100.0 * 3.0 ** (place % 2)}\n" for place in range(40)
    )
    context = replace(CONTEXT, elsewhere=elsewhere)
    result = screen(
        read_delivery(text.encode(), "a.csv", "sha", "key", Reading("test", "USD", "as_traded")), context
    )
    assert (asked, result.rows.num_rows >= 30) == (["A"], True)
    assert result.quarantined.num_rows == 40 - result.rows.num_rows > 0
