"""What the terminal shows of numbers that come in ready: whole tables, read line by line."""

import re
from decimal import Decimal
from types import SimpleNamespace

from printed import block, printed

from pipeline.commands.printed.show import (
    amount,
    percent,
    shares,
    show_details,
    show_findings,
    show_rows,
    show_verification,
)
from pipeline.commands.printed.show_ingest import show_ingested


def test_an_ingest_is_told_in_counts() -> None:
    counts = {
        "files": 2, "rows": 1490, "symbols": 5, "set_aside": 1, "reference_files": 0, "reference_rows": 0, "refused": 0,
        "reference_set_aside": 0, "account_files": 0, "account_rows": 0, "account_set_aside": 0,
    }  # fmt: skip
    aside = [{"symbol": "AAA", "said": "AAA: 1 row is set aside"}]
    noted = [
        {"code": "DUPLICATE_VOLUME", "findings": 1, "message": "BBB: the larger volume is kept"},
        {"code": "MISSING_SESSION", "findings": 3, "message": "AAA lacks 1 session"},
    ]
    assert printed(show_ingested, counts, noted, aside) == block("""
        |prices      1,490 new rows of 5 symbols in 2 files, 1 row set aside
        |reference   0 new rows in 0 files
        |noted       DUPLICATE_VOLUME: BBB: the larger volume is kept
        |noted       MISSING_SESSION: AAA lacks 1 session; 2 more
        |! AAA: 1 row is set aside
    """)
    more = {"reference_set_aside": 2, "account_files": 1, "account_rows": 4, "account_set_aside": 1}
    shown = printed(show_ingested, counts | more, [], [])
    assert "|reference   0 new rows in 0 files, 2 rows set aside" in shown
    assert "|accounts    4 new rows in 1 file, 1 row set aside" in shown
    assert "|refused     3 files" in printed(show_ingested, counts | {"refused": 3}, [], [])


def test_a_table_without_room_loses_hashes_then_columns_and_is_told_row_by_row_last() -> None:
    rows = [
        {"pack": "PP_2024-02-29", "content_hash": "a" * 64, "reason": None},
        {"pack": "B", "content_hash": "", "reason": "why"},
    ]
    assert printed(show_rows, rows, width=60) == block("""
        |
        | pack            content_hash   reason
        | ─────────────────────────────────────
        | PP_2024-02-29   aaaaaaaaaaaa
        | B                              why
        |
    """)
    assert printed(show_rows, rows, ["content_hash"], width=30) == block("""
        |
        | pack            reason
        | ──────────────────────
        | PP_2024-02-29
        | B               why
        |
    """)
    assert printed(show_rows, rows, width=30) == block(f"""
        |
        |pack          PP_2024-02-29
        |content_hash  {"a" * 64}
        |
        |pack          B
        |reason        why
        |
    """)


def test_any_rows_are_a_table_whose_numbers_stand_to_the_right() -> None:
    rows = [
        {"pack": "A", "rows": 12, "reason": None, "gap": 0.5},
        {"pack": "LONGER", "rows": 3, "reason": "late", "gap": 12.25},
    ]
    assert printed(show_rows, rows) == block("""
        |
        | pack     rows   reason     gap
        | ──────────────────────────────
        | A          12              0.5
        | LONGER      3   late     12.25
        |
    """)
    assert printed(show_rows, []) == "|nothing yet"


def test_a_column_without_any_value_is_left_out_and_a_late_number_stands_to_the_right() -> None:
    rows = [{"asset": "packs", "books": None, "old": None}, {"asset": "trades", "books": 2, "old": None}]
    assert printed(show_rows, rows) == block("""
        |
        | asset    books
        | ──────────────
        | packs
        | trades       2
        |
    """)


def test_a_packs_own_values_come_first_and_its_lists_as_tables() -> None:
    logs = [{"log": "prices", "dates": 3}, {"log": "fx_rates", "dates": 12}]
    details = {"pack_id": "PP_2024-02-29", "reason": None, "rows": 1500, "logs": logs, "findings": []}
    assert printed(show_details, details) == block("""
        |pack_id          PP_2024-02-29
        |reason
        |rows             1500
        |
        |logs
        |
        | log        dates
        | ────────────────
        | prices         3
        | fx_rates      12
        |
        |
        |findings  none
    """)


def test_findings_are_told_together_by_their_day_and_without_a_symbol_each_by_itself() -> None:
    moves = [
        ("A", "2024-01-05", 60),
        ("A", "2024-03-05", 50),
        ("B", "2024-03-05", 50),
        (None, None, 3),
        (None, None, 4),
    ]
    findings = [
        {"code": "X", "severity": "WARN", "symbol": name, "date": day, "message": f"{name or 'line'} moved by {move}%"}
        for name, day, move in moves
    ]  # fmt: skip
    text = printed(show_details, {"findings": findings})
    told = ["A moved by 60%", "A moved by 50%; the same of B", "line moved by 3%", "line moved by 4%"]
    assert re.findall(r"(?:A|line) moved.*", text) == told and "no symbol" not in text


def test_a_finding_is_its_state_in_colour_and_what_to_do() -> None:
    findings = [
        {"state": "ok", "check": "python", "found": "sound", "do": ""},
        {"state": "note", "check": "anchor", "found": "beside it", "do": "set it"},
        {"state": "fault", "check": "home", "found": "read-only"},
    ]
    assert printed(show_findings, findings, styles=True) == block("""
        |\x1b[32m   ok\x1b[0m  python: sound
        |\x1b[33m note\x1b[0m  anchor: beside it
        |       set it
        |\x1b[31mfault\x1b[0m  home: read-only
    """)


def test_a_verification_tells_faults_then_notes_and_what_was_checked_only_without_a_fault() -> None:
    sound = SimpleNamespace(faults=[], notes=["no anchor"], checked="12 rows")
    broken = SimpleNamespace(faults=["prices: AAA changed"], notes=["no anchor"], checked="12 rows")
    assert printed(show_verification, sound) == "| note  no anchor\n|   ok  12 rows"
    assert printed(show_verification, broken) == "|fault  prices: AAA changed\n| note  no anchor"


def test_numbers_are_written_with_their_digits_and_nothing_where_there_is_none() -> None:
    assert [percent(0.15349), percent(-0.5, 0), percent(0.00125, 2), percent(None)] == [
        "15.3%",
        "-50%",
        "0.12%",
        "",
    ]
    assert [amount(1234.5), amount(Decimal("0.125"), 0), amount(None)] == ["1,234.50", "0", ""]
    assert [shares(1500.0), shares(0.25), shares(1234567.125), shares(None)] == [
        "1,500",
        "0.25",
        "1,234,567.125",
        "",
    ]
