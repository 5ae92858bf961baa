"""What is asked about rows set aside, and when it is answered."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from bench import PRICE_TYPES, STAMP, ingest, new_warehouse, staying_open

import resources.logs.open_questions as module
from resources.logs.open_questions import OpenQuestion, in_short, open_questions, said_once
from resources.logs.storing import insert_rows
from resources.store.warehouse import Warehouse

DAYS = [date(2024, 1, number) for number in (2, 3, 4, 5)]


def believed(
    warehouse: Warehouse, *days: date, symbol: str = "AAA", source: str = "inbox", close: float = 100.0
) -> None:
    rows = [
        {
            "symbol": symbol, "date": day, "open": None, "high": None, "low": None, "close": close + day.day,
            "volume": 1, "dividend": 0.0, "split": 1.0, "vendor_adj_close": None, "currency": "USD",
            "basis": "as_traded", "source": source, "simulated": False, "known_at": None,
        }
        for day in days
    ]  # fmt: skip
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", pa.Table.from_pylist(rows, schema=PRICE_TYPES))


def aside(warehouse: Warehouse, seq: int, code: str, *days: date, symbol: str = "AAA") -> None:
    with warehouse.write(STAMP) as tx:
        rows: list[dict[str, object]] = [
            {"ingest_seq": seq, "log": "prices", "source": "inbox", "symbol": symbol, "date": day, "line": 1,
             "code": code, "reason": f"{code} on {day}", "raw": ""}
            for day in days
        ]  # fmt: skip
        insert_rows(tx.con, "quarantine", rows)


def asked(warehouse: Warehouse, watermark: int | None = None) -> list[OpenQuestion]:
    with warehouse.live() as con:
        return [item for item in open_questions(con, watermark) if item.source == "inbox"]


def test_rows_set_aside_are_asked_about_until_one_of_their_day_is_believed(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path, staying_open)
    believed(warehouse, DAYS[0])
    aside(warehouse, 2, "SPLIT_UNEXPLAINED", *DAYS[1:])
    (question,) = asked(warehouse)
    assert (question.symbol, question.source, question.code, question.rows) == (
        "AAA",
        "inbox",
        "SPLIT_UNEXPLAINED",
        3,
    )
    assert (question.first, question.last, question.believed, question.blocking) == (
        DAYS[1],
        DAYS[3],
        DAYS[0],
        True,
    )
    assert question.reason == f"SPLIT_UNEXPLAINED on {DAYS[1]}"
    assert "corporate_actions.csv" in question.remedy
    assert "set aside, 3 from 2024-01-03 to 2024-01-05" in str(question)
    believed(warehouse, DAYS[2], DAYS[3], source="backup")  # another source answers for itself alone
    assert asked(warehouse) == [question]
    aside(warehouse, 3, "JUMP_75", DAYS[3])  # asked again: the newest word on a day counts
    assert [(item.code, item.rows) for item in asked(warehouse)] == [("JUMP_75", 1), ("SPLIT_UNEXPLAINED", 2)]
    assert [(item.code, item.rows) for item in asked(warehouse, 2)] == [("SPLIT_UNEXPLAINED", 3)]


def test_what_is_the_same_but_for_names_and_numbers_is_said_once() -> None:
    told = [(name, f"{name} lies at {close:,.2f} since 2024-01-0{day}: ask") for name, close, day in (
        ("A", 1.5, 2), ("BRK.B", -1234, 2), ("C", 3, 3), ("10Y", 4, 2),
    )]  # fmt: skip
    assert said_once(told) == [
        ([0, 1, 3], "A lies at 1.50 since 2024-01-02: ask; with other numbers of BRK.B, 10Y"),
        ([2], "C lies at 3.00 since 2024-01-03: ask"),
    ]
    reason = "A lacks 1; send it; B lacks 2; send it; C lacks 3; send it: now"
    assert in_short(reason) == "A lacks 1; with other numbers of B, C; send it; send it: now"
    for apart in ("caps sum to 90%; caps sum to 80%", "A fell by 3%; A fell by 4%", "3 of X; 4 of X"):
        assert in_short(apart) == apart  # none is told by another
    assert in_short("A fell; B fell; A fell") == "A fell; the same of B"


def test_what_names_no_symbol_is_told_by_its_numbers_too() -> None:
    told = [("", f"{year}.csv has no date") for year in (2024, 2025, 2024)]
    assert said_once(told) == [([0, 2], told[0][1]), ([1], told[1][1])]
    assert in_short("3 names are old; 5 names are old") == "3 names are old; 5 names are old"


def test_what_was_believed_before_answers_nothing_and_what_comes_later_does(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path, staying_open)
    believed(warehouse, *DAYS[:2])
    aside(warehouse, 2, "JUMP_75", DAYS[1])  # a correction that is not believed
    (question,) = asked(warehouse)
    assert (question.rows, question.blocking) == (1, False)
    believed(warehouse, DAYS[1], close=200.0)
    assert asked(warehouse) == []


@pytest.mark.parametrize("most", [0, 1000])
def test_rows_of_thousands_of_days_are_asked_about_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """So many dates are not written into the query, which took gigabytes while it was planned."""
    monkeypatch.setattr(module, "MOST_LISTED", most)
    warehouse = new_warehouse(tmp_path, staying_open)
    believed(warehouse, DAYS[0], DAYS[2])
    aside(warehouse, 2, "JUMP_75", *DAYS)
    believed(warehouse, DAYS[1], close=200.0)
    (question,) = asked(warehouse)
    assert (question.rows, question.first, question.last) == (3, DAYS[0], DAYS[3])
