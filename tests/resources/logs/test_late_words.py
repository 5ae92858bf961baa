"""What comes late counts as it would have in time: beyond gaps of months, and between a row and its release."""

import random
from datetime import date, timedelta
from itertools import pairwise, permutations
from pathlib import Path

import numpy as np
import pytest
from draws import some
from inbox_desk import ACTIONS, HEADER, Desk, newest

from resources.logs.open_questions import open_questions

CLOSES = "symbol,date,close\n"
DUE = f"{ACTIONS}AAA,2023-10-20,dividend,2,\n"  # on a day without a price, five weeks after the last
MONTHS = {
    "before": f"{CLOSES}AAA,2023-09-12,100\nAAA,2023-09-13,100\n",
    "after": f"{CLOSES}AAA,2023-12-12,98\nAAA,2023-12-13,98\n",
    "later": f"{CLOSES}AAA,2024-02-12,99\nAAA,2024-02-13,99\n",
}
EVENINGS = {
    date(2024, 1, day): close
    for day, close in zip(
        [8, 9, 10, 11, 12, 16, 17], [185, 185.5, 186, 185.2, 186.3, 187, 186.5], strict=True
    )
}


@pytest.mark.parametrize("order", permutations(MONTHS), ids=" ".join)
def test_a_dividend_in_a_gap_of_months_falls_to_the_next_close(
    tmp_path: Path, order: tuple[str, ...]
) -> None:
    desk = Desk(tmp_path)
    desk.ingest(actions=DUE)
    for name in order:
        desk.ingest(**{name: MONTHS[name]})
    paid = [(row[0], row[2]) for row in newest(desk, "AAA") if row[2]]
    assert paid == [(date(2023, 12, 12), 2.0)]


def test_a_row_told_again_after_a_gap_of_months_keeps_what_is_due(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.ingest(actions=DUE)
    for name in ("before", "after"):
        desk.ingest(**{name: MONTHS[name]})
    desk.ingest(again="symbol,date,close,dividend,split\nAAA,2023-12-12,98.5,0,1\n")
    assert (date(2023, 12, 12), 98.5, 2.0, 1.0) in newest(desk, "AAA")


def evenings(desk: Desk, days: list[date]) -> None:
    for day in days:
        desk.ingest(**{f"feed_{day:%Y%m%d}": f"{CLOSES}AAA,{day},{EVENINGS[day]}\n"})


@pytest.mark.parametrize("late", [False, True])
def test_a_correction_of_before_the_release_counts(tmp_path: Path, late: bool) -> None:
    """A new level is set aside until the seventh evening; on the third the vendor corrected the second."""
    desk, days = Desk(tmp_path), list(EVENINGS)
    desk.ingest(feed_20240105=CLOSES + "".join(f"AAA,2024-01-0{day},100.{day}\n" for day in (2, 3, 4, 5)))
    evenings(desk, days[: 7 if late else 3])
    desk.ingest(corrected_20240110=f"{CLOSES}AAA,2024-01-09,184.1\n")
    evenings(desk, days[7 if late else 3 :])
    found = {row[0]: row[1] for row in newest(desk, "AAA") if row[0] >= days[0]}
    assert found == EVENINGS | {date(2024, 1, 9): 184.1}
    # nobody could use it before the row it corrects was believed
    known = desk.rows("select max(known_at) from believed_prices(null) where close = 184.1")
    assert known == [(days[5],)]
    desk.ingest(older_20240108=f"{CLOSES}AAA,2024-01-09,180\n")  # older than the row itself
    assert {row[0]: row[1] for row in newest(desk, "AAA")}[date(2024, 1, 9)] == 184.1


SUSPENDED = {
    "before": f"{CLOSES}AAA,2023-11-16,100\nAAA,2023-11-17,101\n",
    "after": f"{CLOSES}AAA,2023-12-18,34\nAAA,2023-12-19,34.1\n",
    "actions": f"{ACTIONS}AAA,2023-12-01,split,3,\n",
}


@pytest.mark.parametrize("order", permutations(SUSPENDED), ids=" ".join)
def test_a_split_in_a_suspension_of_a_month_acts_on_the_next_close(
    tmp_path: Path, order: tuple[str, ...]
) -> None:
    desk = Desk(tmp_path)
    for name in order:
        desk.ingest(**{name: SUSPENDED[name]})
    assert [row[1::2] for row in newest(desk, "AAA")] == [(100, 1), (101, 1), (34, 3), (34.1, 1)]


@pytest.mark.parametrize("kind, value", [("dividend", 2.0), ("split", 1.25)])
def test_what_is_stated_late_of_a_day_in_a_gap_of_months_acts_and_is_taken_back(
    tmp_path: Path, kind: str, value: float
) -> None:
    desk, column = Desk(tmp_path), 2 if kind == "dividend" else 3
    for name in ("before", "after"):
        desk.ingest(**{name: MONTHS[name].replace(",98", ",78.4") if kind == "split" else MONTHS[name]})
    none = newest(desk, "AAA")
    desk.ingest(actions=f"{ACTIONS}AAA,2023-10-20,{kind},{value},\n")
    assert [row[column] for row in newest(desk, "AAA")] == [
        *(row[column] for row in none[:2]),
        value,
        none[3][column],
    ]
    log = desk.log()
    desk.ingest()
    assert desk.log() == log
    desk.ingest(actions=f"symbol,date,kind,value,withdrawn\nAAA,2023-10-20,{kind},{value},true\n")
    assert newest(desk, "AAA") == none


@pytest.mark.parametrize("at_once", [False, True])
def test_two_splits_on_one_row_each_go_back_to_their_own(tmp_path: Path, at_once: bool) -> None:
    desk = Desk(tmp_path)
    desk.ingest(actions=f"{ACTIONS}AAA,2024-01-03,split,2,\nAAA,2024-01-04,split,3,\n")
    late = "AAA,2024-01-03,50\n"
    desk.ingest(first=f"{CLOSES}AAA,2024-01-02,100\n{late * at_once}AAA,2024-01-04,17\n")
    if not at_once:
        assert [row[3] for row in newest(desk, "AAA")] == [1, 6]
        desk.ingest(second=f"{CLOSES}{late}")
    assert [row[3] for row in newest(desk, "AAA")] == [1, 2, 3]


SESSIONS = [day.astype(object) for day in np.arange("2023-06-01", "2024-02-28", dtype="datetime64[D]")]
SHUT = {
    date(2023, 6, 19),
    date(2023, 7, 4),
    date(2023, 9, 4),
    date(2023, 11, 23),
    date(2023, 12, 25),
    date(2024, 1, 1),
}
SHUT |= {date(2024, 1, 15), date(2024, 2, 19)}
SESSIONS = [day for day in SESSIONS if day.weekday() < 5 and day not in SHUT]


def with_gaps(dice: random.Random) -> tuple[list[str], str]:
    """Lines of a share that is not priced for weeks at times, and actions on any of its days."""
    days, place = list[date](), 0
    while place < len(SESSIONS):
        some_days = dice.randint(1, 6)
        days += SESSIONS[place : place + some_days]
        place += some_days + dice.choice([0, 0, 1, 3, 10, 25, 45])
    acts = {
        (dice.choice(SESSIONS[3:-3]) + timedelta(days=dice.randint(0, 2)), kind): value
        for kind, value in dice.sample(
            [("split", 3.0), ("split", 0.5), ("dividend", 0.45), ("dividend", 1.8)], 3
        )
    }
    lines, price = list[str](), 100.0
    for before, day in pairwise([days[0], *days]):
        price *= dice.uniform(0.985, 1.015)
        for (when, kind), value in acts.items():
            price /= value if kind == "split" and before < when <= day else 1.0
        lines.append(f"AAA,{day},{price:.4f}\n")
    return lines, ACTIONS + "".join(f"AAA,{day},{kind},{value},\n" for (day, kind), value in acts.items())


@pytest.mark.parametrize("seed", some([8, 19, 23, *range(8)], 2))
def test_files_and_actions_in_any_order_keep_the_rows_of_a_share_with_gaps(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    lines, acts = with_gaps(dice)
    cuts = [0, *sorted(dice.sample(range(1, len(lines)), 6)), len(lines)]
    files = {f"part{place}": CLOSES + "".join(lines[a:b]) for place, (a, b) in enumerate(pairwise(cuts))}
    files["actions"] = acts
    told = {}
    for way in ("at once", "apart"):
        desk, names = Desk(tmp_path / way), dice.sample(sorted(files), len(files))
        if way == "at once":
            desk.ingest(actions=acts, whole=CLOSES + "".join(lines))
        else:
            for name in names:
                desk.ingest(**{name: files[name]})
            desk.ingest()
        told[way] = desk.rows(
            "select date, close, dividend, split from believed_prices(null) "
            "qualify row_number() over (partition by date order by ingest_seq desc) = 1 order by date"
        )
    assert told["apart"] == told["at once"]


@pytest.mark.parametrize("wrong", ["50,1", "0.5,2", "50,"])
@pytest.mark.parametrize("dated", [True, False])
def test_a_split_or_dividend_that_no_price_answers_leaves_what_is_on_record(
    tmp_path: Path, dated: bool, wrong: str
) -> None:
    """Told first, corrected, and told again by a file of the first evening; or by a later one, which is a question."""
    desk, day = Desk(tmp_path), "AAA,2024-01-04,100.6"
    desk.ingest(first=f"{HEADER}AAA,2024-01-02,100,0,1\nAAA,2024-01-03,101,0,1\n")
    told = [("a", 4, wrong), ("b", 5, "0.5,1"), ("c", 4, wrong), ("d", 8, wrong)]
    for name, evening, its in told:
        desk.ingest(**{f"{name}_2024010{evening}" if dated else name: f"{HEADER}{day},{its}\n"})
        if name != "a":
            assert newest(desk, "AAA")[-1] == (date(2024, 1, 4), 100.6, 0.5, 1)
            assert desk.rows("select count(*) from prices where withdrawn") == [(0,)]
    with desk.warehouse.live() as con:
        (asked,) = open_questions(con)
    assert asked.code == ("SPLIT_DOUBTED" if wrong.endswith("2") else "DIVIDEND_DOUBTED")
    desk.ingest(next_20240109=f"{HEADER}AAA,2024-01-05,100.9,0,1\n")
    assert newest(desk, "AAA")[-1] == (date(2024, 1, 5), 100.9, 0, 1)


@pytest.mark.parametrize("wrong", ["100.6,50,1", "100.6,0.5,2", "1006,0.5,1"])
@pytest.mark.parametrize("dated", [True, False])
def test_what_is_on_record_told_once_more_answers_what_was_asked_since(
    tmp_path: Path, dated: bool, wrong: str
) -> None:
    """It stayed an open question for ever: a vendor that takes back a false row tells what is on record already."""
    desk, day = Desk(tmp_path), "AAA,2024-01-04"
    desk.ingest(first=f"{HEADER}AAA,2024-01-02,100,0,1\nAAA,2024-01-03,101,0,1\n")
    evenings = [
        ("a", 4, "100.6,0.5,1", 0),
        ("b", 5, wrong, 1),
        ("c", 8, "100.6,0.5,1", 0),
        ("d", 9, wrong, 1),
    ]
    for name, evening, its, asked in evenings:
        desk.ingest(**{f"{name}_2024010{evening}" if dated else name: f"{HEADER}{day},{its}\n"})
        with desk.warehouse.live() as con:
            assert len(open_questions(con)) == asked
        assert newest(desk, "AAA")[-1] == (date(2024, 1, 4), 100.6, 0.5, 1)
    told = desk.log()
    desk.ingest(**{"e_20240104" if dated else "c": f"{HEADER}{day},100.6,0.5,1\n"})  # of an evening before it
    assert desk.log() == told
    desk.ingest(f_20240110=f"{HEADER}AAA,2024-01-05,100.9,0,1\n")  # of a day after it
    with desk.warehouse.live() as con:
        assert len(open_questions(con)) == 1
