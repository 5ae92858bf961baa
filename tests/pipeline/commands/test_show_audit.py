"""What the auditor's commands show on a terminal: lineage, differences, replays, changes of weights."""

from typing import Any

from printed import block, printed

from pipeline.commands.printed.show_audit import (
    short,
    show_changes,
    show_diff,
    show_lineage,
    show_replay,
    show_weight_changes,
)

UUID = "11111111-1111-1111-1111-111111111111"
HASH = "0123456789abcdef" * 4


def test_a_row_is_walked_back_to_its_prices_with_hashes_cut_short() -> None:
    written = {
        "ledger_row": 42, "run_id": "abcdefab-1111-2222-3333-444444444444", "at": "2024-02-29 22:15:31.000042",
        "code_version": "0.1.0+deadbeef", "config_hash": HASH,
    }  # fmt: skip
    prices = {"label": "prices", "facts": {"source": "inbox [eu]"}, "from": []}
    newest = [{"log": "prices", "date": "2024-02-29", "ingest_seq": 7}]
    pack_facts = {"content_hash": HASH, "rows": 1234, "newest": newest, "nested": {"a": 1}}
    pack = {"label": "pack PP_2024-02-29", "facts": pack_facts, "from": [prices]}
    policy = {"label": "policy", "facts": {"portfolio_id": UUID}, "from": []}
    tree = {
        "label": "trades AAA", "from": [pack, policy],
        "facts": {"pack_id": "x", "symbol": "AAA", "quantity": 1500.0, "price": 10.123456789, "written": written},
        "environments": {
            "0.1.0": {"commit": "f" * 40, "dirty": True, "libraries": {"numpy": "2.4", "scipy": "1.17"}},
            "0.0.9": {"commit": "e" * 40, "libraries": {}},
        },
    }  # fmt: skip
    assert printed(show_lineage, tree) == block("""
        |trades AAA  quantity 1500  price 10.1235
        |ledger 42  run abcdefab  2024-02-29 22:15:31  code 0.1.0+deadbeef  config 01234567
        |├── pack PP_2024-02-29  content_hash 01234567  rows 1234
        |│   ├── log prices  date 2024-02-29  ingest_seq 7
        |│   └── prices  source inbox [eu]
        |└── policy
        |code 0.1.0  commit ffffffff with changes  numpy 2.4, scipy 1.17
        |code 0.0.9  commit eeeeeeee
    """)


CHANGE: dict[str, Any] = {
    "key": {"symbol": "AAA", "portfolio_id": UUID}, "what": "changed", "column": "close", "before": 100.0,
    "after": 101.23456789,
}  # fmt: skip
EFFECTS: list[dict[str, Any]] = [
    {"table": "return_estimates", "columns": {}, "changes": []},
    {
        "table": "trades",
        "columns": {
            "quantity": {"cells": 4, "largest": 12.3456789},
            "rationale": {"cells": 1, "largest": None},
        },
        "changes": [
            {"key": {"symbol": "AAA"}, "what": "changed", "column": "values", "difference": 1.25e-7},
            {
                "key": {"symbol": "BBB"}, "what": "changed", "column": "numbers", "before": '{"a": 1, "b": 2}',
                "after": '{"a": 1, "b": 3, "c": 4}',
            },
            {"key": {"symbol": "CCC"}, "what": "changed", "column": "cost", "before": None, "after": 5.0},
        ],
    },
]  # fmt: skip


def test_a_difference_is_told_log_by_log_and_table_by_table() -> None:
    prices = {
        "log": "prices", "rows_added": 3, "rows_missing": 1, "rows_restated": 2,
        "restated": [CHANGE, CHANGE | {"column": None, "what": "only in the second"}],
    }  # fmt: skip
    rates = {"log": "fx_rates", "rows_added": 0, "rows_missing": 5, "rows_restated": 0, "restated": []}
    found = {
        "from": "PP_A", "to": "PP_B", "same_content": False, "logs": [prices, rates], "effects": EFFECTS,
    }  # fmt: skip
    assert printed(show_diff, found) == block("""
        |PP_A -> PP_B
        |  prices: 3 rows added, 1 missing, 2 restated
        |    AAA 11111111  close 100 -> 101.235
        |    AAA 11111111  only in the second
        |  fx_rates: 0 rows added, 5 missing, 0 restated
        |  return_estimates: the same
        |  trades: quantity 4 (at most 12.3457)  rationale 1
        |    AAA  values differs by at most 1.25e-07
        |    BBB  numbers {'b': 2} -> {'b': 3, 'c': 4}
        |    CCC  cost None -> 5
    """)
    owned = [EFFECTS[1] | {"changes": [CHANGE | {"key": {"portfolio_id": UUID, "symbol": "AAA"}}]}]
    said = printed(show_diff, found | {"logs": [], "effects": owned, "names": {UUID: "the book"}})
    assert "|    the book AAA  close 100 -> 101.235" in said
    same = found | {"same_content": True, "logs": [], "effects": []}
    assert printed(show_diff, same) == "|PP_A -> PP_B\n|  both see the same rows"


def test_twelve_changes_are_shown_and_the_rest_is_counted() -> None:
    changes = [CHANGE | {"key": {"symbol": f"S{number:02d}"}} for number in range(14)]
    lines = [f"|    S{number:02d}  close 100 -> 101.235" for number in range(12)]
    assert printed(show_changes, changes[:12]).splitlines() == lines
    assert printed(show_changes, changes).splitlines() == [*lines, "|    … 2 more, see --json"]


def test_a_long_text_is_cut_at_160_characters() -> None:
    change = CHANGE | {"before": "x" * 161, "after": "y" * 160}
    said = printed(show_changes, [change], width=500)
    assert said == f"|    AAA 11111111  close {'x' * 160} … -> {'y' * 160}"


def test_a_replay_says_whether_all_is_identical_and_what_changed_in_the_machine() -> None:
    environments = {"code_then": "0.1.0", "code_now": "0.2.0", "libraries_changed": {"numpy": ("2.3", "2.4")}}
    found = {
        "identical": True, "units": 14, "identical_units": 14, "pack_id": "PP_A", "environments": environments,
        "differences": [], "uncompared": [],
    }  # fmt: skip
    assert printed(show_replay, found) == block("""
        |identical  all 14 results of PP_A, cell by cell
        |code 0.1.0 -> 0.2.0
        |  numpy 2.3 -> 2.4
    """)
    other = found | {
        "identical": False,
        "identical_units": 12,
        "differences": EFFECTS[:1],
        "uncompared": ["trades"],
    }
    assert printed(show_replay, other) == block("""
        |differs  12 of 14 results of PP_A are identical
        |  return_estimates: the same
        |  trades: only in columns that are not compared cell by cell
        |code 0.1.0 -> 0.2.0
        |  numpy 2.3 -> 2.4
    """)


def test_the_parts_of_a_changed_weight_are_percentage_points() -> None:
    weights = [
        {"symbol": "AAA", "before": 0.1, "after": 0.1234, "parts": {"prices": 0.03, "views": -0.0066}},
        {"symbol": "BBB", "before": 0.9, "after": 0.8766, "parts": {"views": 0.0066, "prices": -0.03}},
    ]
    one = {
        "portfolio": "a", "from": "A", "to": "B", "order": ["prices", "views", "a tighter limit"],
        "weights": [row | {"parts": row["parts"] | {"a tighter limit": 0.0}} for row in weights],
    }  # fmt: skip
    still = {"symbol": "CCC", "before": 0.05, "after": 0.05, "parts": dict.fromkeys(one["order"], -1e-9)}
    two = one | {"portfolio": "b", "weights": [*one["weights"][:1], still]}
    assert printed(show_weight_changes, [one, two]) == block("""
        |a: target weights from A to B, percent
        |
        |       before   prices   views   after
        | ─────────────────────────────────────
        | AAA    10.00    +3.00   -0.66   12.34
        | BBB    90.00    -3.00   +0.66   87.66
        |
        |  nothing comes from: a tighter limit
        |b: target weights from A to B, percent
        |
        |       before   prices   views   after
        | ─────────────────────────────────────
        | AAA    10.00    +3.00   -0.66   12.34
        |
        |  1 more stand where they stood; nothing comes from: a tighter limit
    """)


def test_a_value_is_short_enough_for_a_line() -> None:
    assert short(0.123456789) == "0.123457"
    assert short(f"{HASH} and {UUID}") == "01234567 and 11111111"
    assert short("2024-02-29 22:15:31.0000") == "2024-02-29 22:15:31"
    assert short("0123456789abcdef") == "0123456789abcdef"  # too short for a hash
