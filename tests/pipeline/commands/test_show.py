"""What the terminal shows of numbers that come in ready: whole tables, read line by line."""

import re
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

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
from pipeline.commands.printed.show_backtest import show_backtest, show_variants
from pipeline.commands.printed.show_ingest import show_ingested
from pipeline.commands.printed.show_trades import show_explanation


def test_an_ingest_is_told_in_counts() -> None:
    counts = {
        "files": 2, "rows": 1490, "symbols": 5, "set_aside": 1, "reference_files": 0, "reference_rows": 0, "refused": 0,
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


REASONED: dict[str, Any] = {
    "name": "book", "action": "SELL", "quantity": 300.0, "symbol": "AAA", "rationale": "drift", "current_weight": 0.2,
    "target_weight": 0.1, "achieved_weight": 0.1012, "lower": 0.0, "upper": 0.4, "risk_contribution": 0.05,
    "prior_return": 0.06, "posterior_return": 0.0725, "historical_return": 0.11, "volatility": None, "binding": "",
    "lots": [], "tax": None,
}  # fmt: skip
LOTS = [
    {
        "lot_id": "a1", "acquired": date(2022, 5, 3), "quantity": 200.0, "cost_basis": 41.5, "sold": 200.0,
        "gain": Decimal("1700.00"), "long_term": True,
    },
    {
        "lot_id": "b2", "acquired": date(2024, 1, 9), "quantity": 150.0, "cost_basis": 52.25, "sold": 100.0,
        "gain": Decimal("-225.00"), "long_term": False,
    },
    {
        "lot_id": "c3", "acquired": date(2024, 2, 1), "quantity": 10.0, "cost_basis": 1050.0, "sold": None,
        "gain": None, "long_term": None,
    },
]  # fmt: skip


def test_an_explanation_is_a_table_a_portfolio_with_its_lots() -> None:
    taxed = REASONED | {"name": "taxed", "binding": "max_weight", "lots": LOTS, "tax": Decimal("190")}
    assert printed(show_explanation, [REASONED, taxed]) == block("""
        |
        |book  SELL 300 AAA
        |  drift
        |
        | weight now                   20.00%
        | target weight                10.00%
        | weight after                 10.12%
        | lowest allowed                0.00%
        | highest allowed              40.00%
        | share of the risk             5.00%
        | expected return, prior        6.00%
        | expected return, posterior    7.25%
        | historical return            11.00%
        | volatility
        | limits that bind               none
        |
        |
        |taxed  SELL 300 AAA
        |  drift
        |
        | weight now                       20.00%
        | target weight                    10.00%
        | weight after                     10.12%
        | lowest allowed                    0.00%
        | highest allowed                  40.00%
        | share of the risk                 5.00%
        | expected return, prior            6.00%
        | expected return, posterior        7.25%
        | historical return                11.00%
        | volatility
        | limits that bind             max_weight
        |
        |tax 190.00
        |
        | lot   acquired     shares       cost   sold       gain
        | ───────────────────────────────────────────────────────────────────
        | a1    2022-05-03      200      41.50    200   1,700.00   long-term
        | b2    2024-01-09      150      52.25    100    -225.00   short-term
        | c3    2024-02-01       10   1,050.00
        |
    """)
    assert "tax" not in printed(show_explanation, [REASONED | {"lots": LOTS[:1]}])
    assert "SELL 1,519,886 AAA" in printed(show_explanation, [REASONED | {"quantity": 1_519_886.0}])


MEASURES: dict[str, Any] = {
    "annual_return": 0.1234, "volatility": 0.2, "sharpe": 0.5, "deflated_sharpe": 0.75, "sortino": None,
    "max_drawdown": -0.25, "turnover": 0.4, "cost_drag": 0.00124,
}  # fmt: skip
VARIANTS = {
    "lookback_days=126": MEASURES,
    "lookback_days=252": MEASURES | {"sharpe": 0.6, "sortino": 0.913},
    "lookback_days=504": MEASURES | {"sharpe": None, "turnover": 1.5},
}
SWEPT = {
    "pack_id": "PP_2024-02-29", "notes": ["prices of a test"],
    "portfolios": {"book": VARIANTS, "paper": {"tau=0.1": MEASURES}}, "trials": {"book": 3, "paper": 1},
    "probability_of_overfitting": {"book": 0.4, "paper": None},
}  # fmt: skip


def test_a_sweep_is_a_line_a_variant_with_the_number_of_trials() -> None:
    assert printed(show_variants, SWEPT) == block("""
        |book under PP_2024-02-29
        |
        |                     return   volatility   Sharpe   deflated   Sortino   drawdown   turnover   cost a year
        | ─────────────────────────────────────────────────────────────────────────────────────────────────────────
        | lookback_days=126    12.3%        20.0%     0.50      75.0%               -25.0%      40.0%         0.12%
        | lookback_days=252    12.3%        20.0%     0.60      75.0%      0.91     -25.0%      40.0%         0.12%
        | lookback_days=504    12.3%        20.0%               75.0%               -25.0%     150.0%         0.12%
        |
        |  deflated: how sure it is that the Sharpe ratio beats the best of 3 policies without skill
        |  in 40% of the splits into halves the best of one is below the middle in the other
        |paper under PP_2024-02-29
        |
        |           return   volatility   Sharpe   deflated   Sortino   drawdown   turnover   cost a year
        | ───────────────────────────────────────────────────────────────────────────────────────────────
        | tau=0.1    12.3%        20.0%     0.50      75.0%               -25.0%      40.0%         0.12%
        |
        |  deflated: how sure it is that the Sharpe ratio beats the best of 1 policies without skill
        |
        |note  prices of a test
    """)


def test_the_variant_of_the_best_sharpe_ratio_stands_out() -> None:
    bold = [line for line in printed(show_variants, SWEPT, styles=True).splitlines() if "\x1b[1mlook" in line]
    assert [line.count("lookback_days=252") for line in bold] == [1]


def test_the_measures_of_a_backtest_stand_side_by_side_and_its_variants_below() -> None:
    parts = [
        ("policy", "exposure", "EQUITY", "total", 0.0512), ("policy", "exposure", "RATES", "total", -0.0034),
        ("policy", "sector", "Energy", "allocation", 0.001), ("policy", "sector", "Energy", "selection", -0.002),
        ("policy", "sector", "Energy", "interaction", 0.0003), ("benchmark", "exposure", "EQUITY", "total", 0.9),
    ]  # fmt: skip
    names = ("strategy", "breakdown", "part", "effect", "contribution")
    strategies = {
        "equal_weight": {"sharpe": 0.41234, "cagr": 0.07},
        "policy": {"sharpe": 0.5, "cagr": 0.08125, "turnover": 2.0},
    }
    shown = {
        "pack_id": "PP_2024-02-29", "notes": ["a note"],
        "portfolios": {"the book": strategies | VARIANTS, "paper": {"policy": {"tail_ratio_of_the_year": -1.0}}},
        "attribution": {"the book": [dict(zip(names, part, strict=True)) for part in parts]},
    }  # fmt: skip
    assert printed(show_backtest, shown) == block("""
        |the book under PP_2024-02-29
        |
        |                    policy   equal weight
        | ────────────────────────────────────────
        | Sharpe ratio         0.50           0.41
        | turnover a year   200.00%
        | cagr                8.12%          7.00%
        |
        |under the values of the sweep
        |
        |                     return   volatility   Sharpe   deflated   Sortino   drawdown   turnover   cost a year
        | ─────────────────────────────────────────────────────────────────────────────────────────────────────────
        | lookback_days=126    12.3%        20.0%     0.50      75.0%               -25.0%      40.0%         0.12%
        | lookback_days=252    12.3%        20.0%     0.60      75.0%      0.91     -25.0%      40.0%         0.12%
        | lookback_days=504    12.3%        20.0%               75.0%               -25.0%     150.0%         0.12%
        |
        |
        | return by exposure    total
        | ───────────────────────────
        | equity                5.12%
        | rates                -0.34%
        |
        |
        | return by sector   allocation   selection   interaction
        | ───────────────────────────────────────────────────────
        | Energy                  0.10%      -0.20%         0.03%
        |
        |paper under PP_2024-02-29
        |
        |                            policy
        | ─────────────────────────────────
        | tail ratio of the year   -100.00%
        |
        |
        |note  a note
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
