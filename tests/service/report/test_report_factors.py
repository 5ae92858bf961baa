"""Risk and return by factor in the report's files and on the screen: the same numbers, and sums that add up."""

from typing import Any

import pytest

from resources.results import measure_text
from service.report.factor_tables import factor_tables
from service.report.factors import exposure_changes, factor_pictures, moved_factors, name_rows
from service.report.page import _templates
from service.screen.factors import factor_rows, return_rows, side_rows, trade_rows
from service.screen.shown import _unsigned
from service.screen.tables import PARTS as WORDS

MARKET = {"part": "market", "group": "market", "exposure": [0.9, 1.0], "risk": [0.16, 0.17]}
SIZE = {"part": "size", "group": "style", "exposure": [-0.5, 0.25], "risk": [0.02, -0.01]}
OWN = {"part": "SPECIFIC", "group": "specific", "exposure": [None, None], "risk": [0.01, 0.02]}
NAMES = [{"part": f"N{i:02d}", "exposure": [0.05, 0.06], "risk": [0.01, 0.012]} for i in range(14)]
TRADES = [
    {"symbol": "N00", "action": "SELL", "weight": [0.1, 0.0], "exposures": {"market": -0.1, "size": 0.2}},
    {"symbol": "<b>", "action": "BUY", "weight": [0.0, 0.2], "exposures": {"market": 0.2, "size": 0.55}},
]
PARTS = [
    {"part": "market", "group": "market", "money": 1500.0, "contribution": 0.15, "standard_error": 0.02,
     "active": 0.01, "active_error": 0.005},
    {"part": "COSTS", "group": "costs", "money": -100.0, "contribution": -0.01, "standard_error": None,
     "active": -0.01, "active_error": None},
]  # fmt: skip
TOLD: dict[str, Any] = {
    "predicted": {
        "total": {"factors": [MARKET, SIZE, OWN], "symbols": NAMES, "volatility": [0.19, 0.18]},
        "active": {"factors": [SIZE, MARKET, OWN], "symbols": NAMES, "volatility": [0.05, 0.04]},
    },
    "trades": TRADES,
    "realised": {
        "pack_id": "PP_2024-02-29", "from": "2023-01-02", "to": "2023-12-29", "days": 2, "value": 10_000.0,
        "simulated": False, "total": 0.14, "benchmark": 0.14, "active": 0.0, "parts": PARTS,
        "groups": [
            {"group": "market", "money": 1500.0, "contribution": 0.15, "active": 0.01},
            {"group": "costs", "money": -100.0, "contribution": -0.01, "active": -0.01},
        ],
        "path": {"dates": ["2023-01-02", "2023-12-29"], "groups": {"market": [0.1, 0.15], "cash": [0.0, 0.0]}},
    },
    "tail": None, "live": None,
    "missing": [{"factors": "liquidity", "note": "the log prices (volume) would give it"}],
    "left_out": {},
}  # fmt: skip
NOTHING = {
    "predicted": None, "trades": [], "realised": None, "tail": None, "live": None, "missing": [],
    "left_out": {"predicted": "there is no model", "realised": "there is no backtest"},
}  # fmt: skip


def page_of(told: dict[str, Any]) -> str:
    source = '{% from "factors.html.j2" import factors with context %}{{ factors(told, pictures, "USD") }}'
    return str(_templates().from_string(source).render(told=told, pictures=factor_pictures(told, "p")))


def test_the_page_tells_both_sides_each_trade_and_the_return() -> None:
    page = page_of(TOLD)
    for said in (
        "a volatility of 19.00% before and 18.00% after", "tracking error of 5.00% and 4.00%", "2 others",
        "What each trade did to the exposures", "&lt;b&gt;", "0.750", "14.00%", "No factor liquidity",
        "the names by themselves",
    ):  # fmt: skip
        assert said in page, said
    assert "<b>BUY" not in page and "SPECIFIC" not in page and "COSTS" not in page
    held = [
        {"symbol": f"H{i}", "action": "HOLD", "weight": [0.1, 0.1], "exposures": {"size": 0.001}}
        for i in (1, 2)
    ]
    page = page_of(TOLD | {"trades": [*TRADES, *held]})
    assert "H1" not in page and "2 others" in page and "0.752" in page
    assert [row["Symbol"] for row in trade_rows([*TRADES, *held])] == ["N00", "<b>", "in all"]


def test_the_page_says_why_there_is_nothing() -> None:
    page = page_of(NOTHING)
    assert "there is no model" in page and "<table" not in page and factor_pictures(NOTHING, "p") == {}


def test_the_tables_have_the_same_numbers() -> None:
    tables = {table.title: table for table in factor_tables(TOLD)}
    assert tables["Factor risk"].rows[1] == ["size", -0.5, 0.25, 0.02, -0.01, -0.5, 0.25, 0.02, -0.01]
    assert tables["Exposures by trade"].rows[-1] == ["", "in all", None, 0.75, pytest.approx(0.1)]
    assert [row[0] for row in tables["Return by factor"].rows] == ["market", "costs"]
    assert all(len(row) == len(table.columns) for table in tables.values() for row in table.rows)
    assert all(not table.rows for table in factor_tables(NOTHING))


def test_what_moved_most_comes_first_and_others_are_summed() -> None:
    assert moved_factors(TRADES) == ["size", "market"]
    assert exposure_changes(TRADES) == pytest.approx({"market": 0.1, "size": 0.75})
    *_, others = name_rows(TOLD["predicted"])
    assert others == {"part": "2 others", "exposure": pytest.approx([0.1, 0.12]), "risk": [0.02, 0.024]}


def test_the_screen_which_asks_over_http_alone_calls_parts_as_the_report_does() -> None:
    assert WORDS == measure_text.PARTS


def test_the_screen_shows_percent_where_people_read_percent() -> None:
    total, active = (TOLD["predicted"][basis]["factors"] for basis in ("total", "active"))
    rows = factor_rows(total, active)
    assert rows[1]["Risk % after"] == -1.0 and rows[1]["Active exposure"] == -0.5
    assert rows[2]["Factor"] == "the names by themselves" and rows[2]["Exposure"] is None
    assert [row["Exposure"] for row in side_rows(total, "exposure", 1.0)] == [0.9, 1.0, -0.5, 0.25]
    moved = trade_rows(TRADES)
    assert moved[-1] == {"Action": "", "Symbol": "in all", "Weight %": None, "size": 0.75, "market": 0.1}
    assert return_rows(PARTS, "Money (USD)")[1] == {
        "Part": "costs", "Money (USD)": -100.0, "Return %": -1.0, "± error": None, "Active %": -1.0,
        "± active error": None,
    }  # fmt: skip


def test_what_is_written_as_zero_has_no_sign_and_what_is_not_known_no_word() -> None:
    near = {**MARKET, "exposure": [-0.001, -0.0], "risk": [-1e-6, 0.2]}
    sides = {basis: side | {"factors": [near, SIZE, OWN]} for basis, side in TOLD["predicted"].items()}
    told = TOLD | {"predicted": sides}
    told["realised"] = TOLD["realised"] | {
        "parts": [PARTS[0] | {"money": -0.2, "contribution": -1e-7}, PARTS[1]]
    }
    page = page_of(told)
    for cell in ("-0</td>", "-0.00</td>", "-0.00%</td>", "-0.000</td>", "None", "nan"):
        assert cell not in page, cell
    assert _unsigned(-0.001, "%.2f") == 0.0 and str(_unsigned(-0.0, "%,.0f")) == "0.0"
    assert (
        _unsigned(-0.006, "%.2f") == -0.006 and _unsigned(None, "%.2f") is None and _unsigned(-1, "%d") == -1
    )
