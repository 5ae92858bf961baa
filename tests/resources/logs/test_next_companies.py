"""Prices of the next company that has a symbol are not judged against those of the one that ended."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from inbox_desk import ACTIONS, HEADER, Desk, newest

OLD = "".join(f"AAA,2024-01-{day:02},90,0,1\n" for day in (2, 3, 4))
WITHDRAWABLE = "symbol,date,kind,value,new_symbol,cash,withdrawn\n"
ENDS = {
    "delisting": "AAA,2024-01-05,delisting,88,,,\n",
    "merger": "AAA,2024-01-05,merger,,,88,\n",
}
Told = Callable[[Desk, str, str, str], None]


def at_once(desk: Desk, first: str, second: str, end: str) -> None:
    desk.ingest(a=HEADER + OLD, b=HEADER + first, c=HEADER + second, actions=WITHDRAWABLE + end)


def before(desk: Desk, first: str, second: str, end: str) -> None:
    desk.ingest(a=HEADER + OLD, actions=WITHDRAWABLE + end)
    desk.ingest(b=HEADER + first)
    desk.ingest(c=HEADER + second)


def late(desk: Desk, first: str, second: str, end: str) -> None:
    """The file of the company that ended is gone, and so is the first of the next one."""
    desk.ingest(a=HEADER + OLD)
    (desk.folder / "inbox" / "a.csv").unlink()
    desk.ingest(b=HEADER + first)
    desk.ingest(c=HEADER + second)
    assert len(newest(desk, "AAA")) == 3  # a third of the price is asked about, as a split
    (desk.folder / "inbox" / "b.csv").unlink()
    desk.ingest(actions=WITHDRAWABLE + end)


@pytest.mark.parametrize("told", [at_once, before, late])
@pytest.mark.parametrize("end", ["delisting", "merger"])
@pytest.mark.parametrize("close", [30.0, 900.0])
def test_the_next_company_of_a_ticker_begins_at_any_price(
    tmp_path: Path, told: Told, end: str, close: float
) -> None:
    desk = Desk(tmp_path)
    told(desk, f"AAA,2024-01-08,{close},0,1\n", f"AAA,2024-01-09,{close / 2 + 0.001},0,1\n", ENDS[end])
    rows = newest(desk, "AAA")
    assert [row[:2] for row in rows[3:]] == [(date(2024, 1, 8), close)]
    assert [row[3] for row in rows] == [1, 1, 1, 1]
    assert desk.rows("select distinct code, date from quarantine where date > '2024-01-08'") == [
        ("SPLIT_UNEXPLAINED", date(2024, 1, 9))  # its own moves are judged as any
    ]
    assert desk.ingest() == []


def test_an_end_that_is_taken_back_doubts_what_followed_upon_it(tmp_path: Path) -> None:
    """And one that is stated again believes it again."""
    desk = Desk(tmp_path)
    at_once(desk, "AAA,2024-01-08,30,0,1\n", "AAA,2024-01-09,30.3,0,1\n", ENDS["delisting"])
    assert len(newest(desk, "AAA")) == 5
    desk.ingest(actions=f"{WITHDRAWABLE}AAA,2024-01-05,delisting,,,,true\n")
    found = "select count(distinct date) from believed_prices(null) where symbol = 'AAA'"
    assert desk.rows(found) == [(3,)]
    assert desk.ingest() == []
    desk.ingest(actions=WITHDRAWABLE + ENDS["delisting"])
    assert desk.rows(found) == [(5,)]


def test_a_split_of_the_company_that_ended_does_not_reach_the_next_one(tmp_path: Path) -> None:
    """A row without a usable price states it."""
    desk = Desk(tmp_path)
    lost = "AAA,2024-01-05,,0,3\n"
    desk.ingest(a=HEADER + OLD + lost, actions=WITHDRAWABLE + ENDS["delisting"])
    desk.ingest(b=f"{HEADER}AAA,2024-01-08,30,0,1\n")
    assert newest(desk, "AAA")[-1] == (date(2024, 1, 8), 30, 0, 1)


@pytest.mark.parametrize(("taken", "count"), [("", 3), ("OLD,2024-01-05,rename,,AAA\n", 4)])
def test_a_price_of_the_day_itself_is_the_last_of_the_company_that_ended(
    tmp_path: Path, taken: str, count: int
) -> None:
    """Unless another takes its name on that day."""
    desk = Desk(tmp_path)
    desk.ingest(a=HEADER + OLD)
    desk.ingest(
        b=f"{HEADER}AAA,2024-01-05,30,0,1\n", actions=f"{ACTIONS}AAA,2024-01-05,delisting,88,\n{taken}"
    )
    assert len(newest(desk, "AAA")) == count
