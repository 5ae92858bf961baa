"""The pages beside the tabs: performance, and what the factors predicted and earned."""

import json
from typing import Any

import pytest
from screen_api import (
    NEW,
    OLD,
    PERFORMANCE,
    Api,
    rows,
    run,
)

from service.screen.client import Client


def test_the_performance_page(api: Api) -> None:
    page = run()
    page.session_state["tab"] = "Performance"
    page.run()
    assert api.asked == [("performance", {"portfolio": "book", "window": 126})]
    drawn = page.get("vega_lite_chart") or page.get("arrow_vega_lite_chart")
    assert [json.loads(one.proto.spec)["height"] for one in drawn] == [360, 280, 280, 280, 280, 280]
    measured, values = (rows(page, which) for which in (0, 1))
    assert measured[:2] == [
        {"Measure": "Measured since", "this policy": "2024-01-02"},
        {"Measure": "Return per year", "this policy": "7.1%"},
    ]
    assert values[0] == {
        "Date": "2024-02-29", "Value (USD)": 99000.0, "Benchmark (USD)": 100500.0, "Below its peak %": -1.0,
    }  # fmt: skip
    assert "Some prices are simulated" in page.caption[1].value
    api.performance = PERFORMANCE | {"live": [row | {"paid_in": -500.0} for row in PERFORMANCE["live"]]}
    page.run()
    assert rows(page, 1)[0]["Paid in (USD)"] == -500.0
    assert page.caption[-1].value.startswith(
        "Value before the trades of each daily run, as the desk's holdings say: deposits are in it, and not in how far"
    )
    api.performance = PERFORMANCE | {
        "backtest": None,
        "live": [],
        "left_out": {"backtest": "none is on record"},
    }
    page.run()
    assert page.info[-1].value == "Left out: none is on record." and not page.dataframe


def test_the_factors_page_shows_what_is_predicted_on_both_sides(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = {"part": "market", "exposure": [0.9, 1.0], "risk": [0.12, 0.15]}
    specific = {"part": "SPECIFIC", "exposure": [None, None], "risk": [0.03, 0.02]}
    names = [{"part": "AAA", "exposure": [0.4, 0.5], "risk": [0.06, 0.08]}]
    total = {"volatility": [0.15, 0.17], "factors": [market, specific], "symbols": names}
    active = {
        "volatility": [0.04, 0.0325],
        "factors": [market | {"exposure": [-0.1, 0.0], "risk": [0.01, 0.0]}],
    }
    trade = {"action": "BUY", "symbol": "AAA", "weight": [0.4, 0.5], "exposures": {"market": 0.1}}
    told = {
        "predicted": {"total": total, "active": active}, "realised": None, "live": None, "left_out": {},
        "trades": [trade], "missing": [{"factors": "size", "note": "no market values"}],
    }  # fmt: skip
    monkeypatch.setattr(
        Client, "get",
        lambda client, path, **asked: told if path.endswith("attribution") else api.get(client, path, **asked),
    )  # fmt: skip
    page = run()
    page.session_state["tab"] = "Factors"
    page.run()
    assert not page.exception
    assert {m.label: m.value for m in page.metric} == {
        "Volatility, before": "15.00%", "Volatility, after": "17.00%",
        "Tracking error, before": "4.00%", "Tracking error, after": "3.25%",
    }  # fmt: skip
    assert [head.value for head in page.subheader] == [
        "Exposures", "Volatility by factor", "Risk by name", "What each trade did to the exposures",
    ]  # fmt: skip
    assert [caption.value.partition(",")[0] for caption in page.caption][-3:] == [
        "A year", "To styles in standard deviations", "No factor size: no market values.",
    ]  # fmt: skip
    factors, own, moved = (rows(page, which) for which in range(3))
    assert factors[0] == {
        "Factor": "market", "Exposure": 0.9, "Exposure after": 1.0, "Risk %": 12.0, "Risk % after": 15.0,
        "Active exposure": -0.1, "Active exposure after": 0.0, "Active risk %": 1.0,
        "Active risk % after": 0.0,
    }  # fmt: skip
    assert own == [
        {"Symbol": "AAA", "Weight %": 40.0, "Weight % after": 50.0, "Risk %": 6.0, "Risk % after": 8.0}
    ]
    assert [(row["Action"], row["Symbol"], row["market"]) for row in moved] == [
        ("BUY", "AAA", 0.1), ("", "in all", 0.1),
    ]  # fmt: skip


def test_what_the_factors_earned_is_asked_again_for_the_days_chosen(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, str]] = []
    part = {
        "money": 1500.4,
        "contribution": 0.15,
        "standard_error": 0.02,
        "active": 0.01,
        "active_error": None,
    }
    realised = {
        "pack_id": OLD, "from": "2024-01-02", "to": "2024-02-28", "simulated": True, "total": 0.1416,
        "benchmark": 0.12, "active": 0.0216, "parts": [part | {"part": "market"}, part | {"part": "SPECIFIC"}],
        "path": {"dates": ["2024-01-02", "2024-02-28"], "groups": {"market": [0.1, 0.15], "cash": [0.0, 1e-7]}},
    }  # fmt: skip
    told = {
        "predicted": None,
        "realised": realised,
        "live": None,
        "missing": [],
        "left_out": {"predicted": "there is no model"},
    }

    def get(client: Client, path: str, **params: str) -> Any:
        if path != f"/v1/packs/{NEW}/attribution":
            return api.get(client, path, **params)
        asked.append(params)
        return told

    monkeypatch.setattr(Client, "get", get)
    page = run()
    page.session_state["tab"] = "Factors"
    page.run()
    assert not page.exception and asked == [{"portfolio": "book"}]
    assert page.info[-1].value == "Left out: there is no model."
    assert {m.label: m.value for m in page.metric} == {
        "Return": "14.16%",
        "Benchmark": "12.00%",
        "Active": "2.16%",
    }
    assert f"Of {OLD}, 2024-01-02 to 2024-02-28." in page.caption[-1].value
    assert "Some prices are simulated" in page.caption[-1].value
    assert rows(page)[1] == {
        "Part": "the names by themselves", "Money (USD)": 1500.4, "Return %": 15.0, "± error": 2.0, "Active %": 1.0,
        "± active error": None,
    }  # fmt: skip
    page.date_input[0].set_value("2024-01-05").run()
    assert asked[1:] == [
        {"portfolio": "book"},
        {"portfolio": "book", "from": "2024-01-05", "to": "2024-02-28"},
    ]
