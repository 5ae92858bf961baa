"""What the risk commands show on a terminal, for two portfolios each."""

from datetime import date
from typing import Any

from printed import block, printed

from pipeline.commands.printed.show_risk import (
    show_attribution,
    show_impact,
    show_regime,
    show_stress,
)


def test_the_impact_of_the_trades_is_a_table_a_portfolio() -> None:
    impact = [
        {"metric": "value", "current": 100000.0, "post": 99960.5, "delta": -39.5},
        {"metric": "expected_return", "current": 0.08, "post": 0.0825, "delta": 0.0025},
        {"metric": "sharpe", "current": 0.5, "post": 0.55, "delta": 0.05},
        {"metric": "quality", "current": None, "post": 8.25, "delta": None},
    ]
    portfolios = [{"name": "book", "impact": impact}, {"name": "a second book", "impact": impact[1:2]}]
    assert printed(show_impact, {"pack_id": "PP_A", "portfolios": portfolios}) == block("""
        |book under PP_A
        |
        |                       before       after   change
        | ─────────────────────────────────────────────────
        | value             100,000.00   99,960.50   -39.50
        | expected return        8.00%       8.25%    0.25%
        | sharpe                  0.50        0.55     0.05
        | quality                             8.25
        |
        |a second book under PP_A
        |
        |                   before   after   change
        | ─────────────────────────────────────────
        | expected return    8.00%   8.25%    0.25%
        |
    """)


def test_the_impact_of_a_book_without_an_answer_is_its_reason_and_an_empty_figure_no_row() -> None:
    unknown = {"metric": "quality", "current": None, "post": None, "delta": None}
    known = {"metric": "sharpe", "current": 0.5, "post": 0.55, "delta": 0.05}
    portfolios = [
        {"name": "broken", "impact": [], "problem": "AAA has no price"},
        {"name": "book", "impact": [unknown, known], "problem": None},
    ]
    assert printed(show_impact, {"pack_id": "PP_A", "portfolios": portfolios}) == block("""
        |broken under PP_A: AAA has no price
        |
        |book under PP_A
        |
        |          before   after   change
        | ────────────────────────────────
        | sharpe     0.50    0.55     0.05
        |
    """)


def test_a_scenario_is_a_line_with_what_its_own_hedges_leave() -> None:
    crash: dict[str, Any] = {
        "scenario_id": "CRASH", "profit": -12345.6, "standard_error": 321.5, "hedge_offset": 4000.0,
        "hedge_cost": 150.25, "note": "a note",
    }  # fmt: skip
    rates = crash | {
        "scenario_id": "RATES", "profit": 10.0, "hedge_offset": 0.0, "hedge_cost": 0.0, "note": "nothing is lost",
    }  # fmt: skip
    put: dict[str, Any] = {
        "scenario_id": "CRASH", "action": "BUY", "quantity": 1200, "instrument": "SPX", "option_type": "PUT",
    }  # fmt: skip
    sale = put | {"action": "SELL", "quantity": 30, "instrument": "SPY", "option_type": None}
    book = {
        "name": "book", "base_currency": "CAD", "scenarios": [crash, rates], "hedges": [put, sale],
        "tail_risk": [],
    }  # fmt: skip
    other = {
        "name": "a second book",
        "base_currency": "USD",
        "scenarios": [rates | {"profit": -2.0}],
        "hedges": [],
        "tail_risk": [],
    }
    assert printed(show_stress, {"pack_id": "PP_A", "portfolios": [book, other]}) == block("""
        |book under PP_A, CAD
        |
        | scenario    profit   ± error   after hedges   cost   hedges
        | ───────────────────────────────────────────────────────────────────────────────────
        | CRASH      -12,346       322         -8,346    150   BUY 1,200 SPX PUT, SELL 30 SPY
        | RATES           10       322             10      0   nothing is lost
        |
        |a second book under PP_A, USD
        |
        | scenario   profit   ± error   after hedges   cost   hedges
        | ───────────────────────────────────────────────────────────────────
        | RATES          -2       322             -2      0   nothing is lost
        |
    """)


def test_a_regime_is_told_with_its_rivals_and_indicators_or_why_there_is_none() -> None:
    drivers = [
        {
            "series": "UNRATE", "date": date(2024, 1, 1), "known_at": date(2024, 2, 12), "value": 3.71234,
            "z_score": -1.234, "points": 120,
        },
        {
            "series": "CPI", "date": date(2024, 1, 2), "known_at": date(2024, 2, 14), "value": 308.4171,
            "z_score": 0.5, "points": 9,
        },
    ]  # fmt: skip
    found = {
        "pack_id": "PP_A", "regime": "LATE_CYCLE", "score": 0.8123, "margin": 0.25, "drivers": drivers,
        "scores": {"LATE_CYCLE": 0.8123, "RECESSION": 0.5623}, "problems": [],
    }  # fmt: skip
    assert printed(show_regime, found) == block("""
        |PP_A: LATE_CYCLE, score 0.81 of 1 (no probability), 0.25 before the next
        |
        | regime       score
        | ──────────────────
        | LATE_CYCLE    0.81
        | RECESSION     0.56
        |
        |
        | series   of           known since   value   z-score   points
        | ────────────────────────────────────────────────────────────
        | UNRATE   2024-01-01   2024-02-12    3.712     -1.23      120
        | CPI      2024-01-02   2024-02-14    308.4     +0.50        9
        |
    """)
    none = found | {"regime": None, "problems": ["UNRATE: too old", "CPI: too short"]}
    assert printed(show_regime, none) == "|PP_A: no regime is detected; UNRATE: too old; CPI: too short"


def test_scenarios_on_a_narrow_terminal_have_their_hedges_below() -> None:
    scenario = {
        "profit": -12345.6,
        "standard_error": 321.5,
        "hedge_offset": 4000.0,
        "hedge_cost": 150.0,
        "note": None,
    }
    book = {
        "name": "book", "base_currency": "CAD",
        "scenarios": [scenario | {"scenario_id": "A_LONG_NAME_OF_A_CRASH"}, scenario | {"scenario_id": "RATES"}],
        "hedges": [
            {"scenario_id": "RATES", "action": "BUY", "quantity": 1200, "instrument": "SPX", "option_type": "PUT"},
            {"scenario_id": "RATES", "action": "SELL", "quantity": 30, "instrument": "SPY", "option_type": None},
        ],
        "tail_risk": [],
    }  # fmt: skip
    assert printed(show_stress, {"pack_id": "PP_A", "portfolios": [book]}, width=70) == block("""
        |book under PP_A, CAD
        |scenario                 profit  ± error  after hedges  cost
        |A_LONG_NAME_OF_A_CRASH  -12,346      322        -8,346   150
        |RATES                   -12,346      322        -8,346   150
        |                        BUY 1,200 SPX PUT, SELL 30 SPY
    """)


def test_attribution_adds_up_under_each_table_and_says_what_is_missing() -> None:
    symbols = [{"part": f"N{i:02d}", "exposure": [0.05, 0.06], "risk": [0.01, 0.012]} for i in range(11)]
    found: dict[str, Any] = {
        "name": "book", "pack_id": "PP_A", "base_currency": "USD",
        "predicted": {
            "active": {
                "factors": [
                    {"part": "market", "exposure": [0.9, 1.0], "risk": [0.16, 0.17]},
                    {"part": "SPECIFIC", "exposure": [None, None], "risk": [0.03, 0.01]},
                ],
                "symbols": symbols, "volatility": [0.19, 0.18],
            },
        },
        "trades": [
            {"symbol": "N00", "action": "SELL", "weight": [0.1, 0.0], "exposures": {"market": -0.1, "size": 0.2}},
            {"symbol": "N01", "action": "BUY", "weight": [0.0, 0.2], "exposures": {"market": 0.2, "size": 0.55}},
        ],
        "realised": {
            "from": "2023-01-02", "to": "2023-12-29", "value": 10_000.0, "total": 0.14, "active": 0.0,
            "benchmark": 0.14,
            "parts": [
                {"part": "market", "money": 1500.0, "contribution": 0.15, "standard_error": 0.02, "active": 0.01,
                 "active_error": 0.005},
                {"part": "COSTS", "money": -100.0, "contribution": -0.01, "standard_error": None, "active": -0.01,
                 "active_error": None},
            ],
        },
        "tail": None, "live": None, "missing": [{"factors": "liquidity", "note": "nothing is on record"}],
        "left_out": {},
    }  # fmt: skip
    found["trades"][1]["symbol"] = "A name much longer"
    found["trades"][0]["exposures"] |= {"a longer name": 0.0625}
    said = printed(show_attribution, found)
    for line in (
        "book under PP_A: tracking error a year, against the benchmark",
        "| by factor                 exposure   after     risk    after",
        "| market                        0.90    1.00   16.00%   17.00%",
        "| the names by themselves                       3.00%    1.00%",
        "| in all                                       19.00%   18.00%",
        "| by symbol   weight   after     risk    after", "| N00           5.0%    6.0%    1.00%    1.20%",
        "| 1 others                      1.00%    1.20%", "| in all                       19.00%   18.00%",
        "|        symbol               weight    size   market   a longer name",
        "| SELL   N00                  -10.0%   0.200   -0.100           0.062",
        "| BUY    A name much longer    20.0%   0.550    0.200\n",
        "|        in all                        0.750    0.100           0.062",
        "2023-01-02 to 2023-12-29; the benchmark 14.00%",
        "|            USD   return   ± error   active   ± error",
        "| market   1,500   15.00%     2.00%    1.00%     0.50%", "| costs     -100   -1.00%             -1.00%\n",
        "| in all   1,400   14.00%              0.00%",
        "note  no factor liquidity: nothing is on record",
    ):  # fmt: skip
        assert line in said, line
    nothing = {
        "predicted": None, "trades": [], "realised": None, "missing": [],
        "left_out": {"predicted": "no model", "realised": "no backtest"},
    }  # fmt: skip
    assert printed(show_attribution, found | nothing) == block("""
        |predicted: left out, no model
        |realised: left out, no backtest
    """)


def test_at_80_columns_tables_of_the_tail_and_of_trades_stay_tables() -> None:
    tail = {
        "book": "proposed", "method": "factor_model", "level": 0.95, "horizon_days": 5, "value_at_risk": 0.0512,
        "expected_shortfall": 0.0731, "scenarios": 1500, "value": 1e6,
    }  # fmt: skip
    book = {
        "name": "book",
        "base_currency": "USD",
        "scenarios": [],
        "hedges": [],
        "tail_risk": [tail],
        "problem": None,
    }
    assert printed(show_stress, {"pack_id": "PP_A", "portfolios": [book]}, width=80) == block("""
        |book under PP_A, USD: no scenario was priced: the desk had no scenarios.yaml, or none moves it
        |book under PP_A, USD: value at risk and expected shortfall over 5 sessions
        |
        | book       method         level   at risk      USD   shortfall      USD
        | ───────────────────────────────────────────────────────────────────────
        | proposed   factor model     95%     5.12%   51,200       7.31%   73,100
        |
    """)
    unpriced = book | {"tail_risk": [], "problem": "AAA has no price"}
    assert printed(show_stress, {"pack_id": "PP_A", "portfolios": [unpriced]}) == block("""
        |book under PP_A, USD: no scenario was priced: AAA has no price
    """)
    exposures = {f"a_factor_with_a_name_{place}": 0.1 + place for place in range(5)}
    trade = {"symbol": "N00", "action": "SELL", "weight": [0.1, 0.0], "exposures": exposures}
    held = trade | {"symbol": "N01", "action": "HOLD", "weight": [0.1, 0.1], "exposures": {}}
    nothing = {"predicted": None, "realised": None, "tail": None, "live": None, "missing": [], "left_out": {}}
    found = nothing | {"name": "book", "pack_id": "PP_A", "base_currency": "USD", "trades": [trade, held]}
    said = printed(show_attribution, found, width=80)
    assert "symbol   weight   a_factor_with_a_name_4   a_factor_with_a_name_3\n" in said and "N01" not in said
