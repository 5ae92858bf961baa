"""One file or a file a day, in any order of arrival: the same rows are believed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pytest
from bench import new_warehouse, staying_open
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.ledger.ledger import Connection, Stamp
from resources.logs.ingest import store_delivery
from resources.logs.open_questions import open_questions
from resources.logs.recorded_actions import stated_actions
from resources.logs.recorded_prices import newest_closes_on_record, no_longer_believed
from resources.logs.rows_around import rows_around
from resources.prices.files import Reading, read_delivery
from resources.screening.context import Context
from resources.screening.screen import screen
from resources.store.schema import create_schema
from resources.store.transaction import Transaction
from resources.store.warehouse import Warehouse

STAMP = Stamp("run", datetime(2024, 3, 1, 22), "code", "config")  # noqa: DTZ001  the ledger's times are naive UTC
DAYS = np.arange(np.datetime64("2023-12-01"), np.datetime64("2024-12-31"))
SESSIONS = DAYS[np.is_busday(DAYS)].astype(np.int32)
Row = tuple[int, float, float, float]  # session, close, split, dividend


def day(number: int) -> date:
    found: date = np.datetime64(int(SESSIONS[number + 20]), "D").item()
    return found


def arrive(warehouse: Warehouse, rows: Sequence[Row], name: str) -> None:
    """Takes a file of symbol A's rows, as `Inbox` does."""
    with warehouse.write(STAMP) as tx:
        take(tx, rows, name)


def take(tx: Transaction, rows: Sequence[Row], name: str) -> None:
    lines = "".join(
        f"A,{day(session)},{close:.4f},{split:g},{paid:g}\n" for session, close, split, paid in rows
    )
    text = f"symbol,date,close,split,dividend\n{lines}"
    file = read_delivery(text.encode(), f"{name}.csv", name, name, Reading("desk", "USD", "as_traded"))
    record, splits = newest_closes_on_record(tx.con, file), stated_actions(tx.con).splits
    context = Context(
        date(2024, 12, 30), SESSIONS, record, splits, recorded=rows_around(tx.con, file, record)
    )
    screened = screen(file, context)
    store_delivery(tx, replace(screened, withdrawn=no_longer_believed(tx.con, screened)), name)


@cache
def memory() -> Connection:
    """One database for all examples: making its tables costs more than filling them."""
    con = duckdb.connect()
    create_schema(con)
    return con


def believed(files: Sequence[Sequence[Row]]) -> dict[date, tuple[float, float, float]]:
    """Day -> (close, split, dividend) that is believed after the files came in this order."""
    con = memory()
    for table in ("prices", "log_leaves", "ingests", "quarantine", "check_findings", "materializations"):
        con.execute(f"truncate {table}")
    for number, rows in enumerate(files):
        take(Transaction(con, STAMP), rows, f"file{number}")
    found = con.execute(
        "select date, close, split, dividend from prices where source = 'desk' "
        "qualify row_number() over (partition by date order by ingest_seq desc) = 1 and withdrawn is null "
        "order by date"
    ).fetchall()
    return {when: (float(close), float(split), float(paid)) for when, close, split, paid in found}


@st.composite
def histories(draw: st.DrawFn) -> list[Row]:
    """A symbol's rows with jumps that stay, spikes, splits (stated, forgotten, on a false row), dividends and gaps."""
    price, rows = 100.0, []
    for session in range(draw(st.integers(6, 16))):
        price *= draw(st.sampled_from([0.98, 1.0, 1.01, 1.03]))
        event = draw(
            st.sampled_from(
                ["calm"] * 9 + ["jump", "spike", "split", "forgotten", "false split", "paid", "gap"]
            )
        )
        factor = draw(st.sampled_from([0.2, 0.3, 0.5, 1.8, 2.0, 3.6, 7.3]))
        split, shown = 1.0, 1.0
        if event in ("jump", "forgotten"):
            price *= factor if event == "jump" else 0.5
        elif event in ("split", "false split"):
            split = 2.0
            price /= 2
        shown = price * (factor * 3 if event in ("spike", "false split") else 1)
        if event != "gap":
            rows.append((session, round(shown, 4), split, 0.5 if event == "paid" else 0.0))
    return rows or [(0, 100.0, 1.0, 0.0)]


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[Row], list[list[Row]]]:
    rows = draw(histories())
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(rows) - 1)), max_size=5)))
    parts = [
        rows[start:end] for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True) if rows[start:end]
    ]
    return rows, draw(st.permutations(parts))


@st.composite
def corrected(draw: st.DrawFn) -> tuple[list[Row], list[list[Row]], set[date]]:
    """Files of which some days came before with another close; those days."""
    rows, files = draw(arrivals())
    wrong = draw(st.lists(st.sampled_from(rows), max_size=2, unique=True))
    for session, close, split, paid in wrong:
        place = next(number for number, part in enumerate(files) if (session, close, split, paid) in part)
        told = round(close * draw(st.sampled_from([0.4, 0.9, 1.02, 2.0, 30.0])), 4)
        files = [*files[:place], [(session, told, split, paid)], *files[place:]]
    return rows, files, {day(session) for session, *_ in wrong}


@settings(max_examples=4, deadline=None)
@given(arrivals())
def test_files_may_be_cut_and_ordered_in_any_way(case: tuple[list[Row], list[list[Row]]]) -> None:
    rows, files = case
    assert believed(files) == believed([rows])


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(corrected())
def test_a_close_that_was_corrected_leaves_no_trace(
    case: tuple[list[Row], list[list[Row]], set[date]],
) -> None:
    """But where its correction is set aside: then both are doubted, and what was believed first stays."""
    rows, files, told_twice = case
    right, got = believed([rows]), believed(files)
    assert {when: row for when, row in got.items() if when in right or when not in told_twice} == right


def test_a_row_believed_first_is_withdrawn_by_what_comes_later_and_asked_about(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path, staying_open)
    arrive(warehouse, [(3, 900.0, 1.0, 0.0)], "spike")  # nothing speaks against it yet
    arrive(warehouse, [(0, 64.0, 1.0, 0.0), (1, 64.5, 1.0, 0.0), (4, 64.2, 1.0, 0.0)], "around")
    with warehouse.live() as con:
        (question,) = open_questions(con)
        told = con.execute("select close, withdrawn from prices where date = ? order by ingest_seq", [day(3)])
        assert told.fetchall() == [(900.0, None), (900.0, True)]
        assert con.execute("select symbol, date from check_findings where code = 'WITHDRAWN'").fetchall() == [
            ("A", day(3))
        ]
    assert (question.code, question.first, question.blocking) == ("SPLIT_UNEXPLAINED", day(3), False)
    arrive(warehouse, [(3, 64.1, 1.0, 0.0)], "corrected")
    with warehouse.live() as con:
        assert open_questions(con) == []


def test_rows_set_aside_are_released_once_the_level_holds(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path)
    for session in range(9):
        close = 100.0 if session < 2 else 185.0 + session
        arrive(warehouse, [(session, close, 1.0, 0.0)], f"day{session}")
        with warehouse.live() as con:
            waiting = sum(question.rows for question in open_questions(con))
        assert waiting == (session - 1 if 2 <= session < 7 else 0)
