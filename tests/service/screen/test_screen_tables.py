"""The screen's numbers as the desk reads them, and what it says when the API does not answer."""

from typing import Any

import pytest
import requests

from service.screen import client as screen_client
from service.screen.client import AnswerError, Client, refusal
from service.screen.tables import (
    SCHEDULE_FORMS,
    driver_rows,
    exposure_rows,
    hedge_rows,
    impact_rows,
    level_rows,
    limit_rows,
    money,
    percent,
    scenario_rows,
    side_rows,
    to_csv,
    trade_forms,
    trade_rows,
    weight_rows,
)


def test_numbers_are_rounded_and_what_is_not_known_is_a_dash() -> None:
    assert [percent(0.15349), percent(-0.5, 0), percent(0.0), percent(None)] == ["15.3%", "-50%", "0.0%", "–"]
    assert [money(1234.567), money(-0.004), money(None)] == ["1,234.57", "0.00", "–"]


def test_a_spreadsheet_takes_no_text_for_a_formula() -> None:
    rows = [{"Name": text, "Change": -1.5} for text in ("=1+1", "+a", "-b", "@c", "\td", "plain", "a=b")]
    assert to_csv(rows).splitlines() == [
        "Name,Change", "'=1+1,-1.5", "'+a,-1.5", "'-b,-1.5", "'@c,-1.5", "'\td,-1.5", "plain,-1.5", "a=b,-1.5",
    ]  # fmt: skip
    for sign in ("\n=", "\r=", *"\uff1d\uff0b\uff0d\uff20"):
        assert to_csv([{"Name": f"{sign}1+1"}]).splitlines()[1].lstrip('"').startswith("'")
    assert to_csv([]) == ""


def test_what_gave_way_is_a_row_a_limit() -> None:
    gave = {"constraint": "max_turnover", "limit": 0.2, "achieved": 0.31, "slack": -0.11}
    levels = [
        {"priority": 1, "gave": [], "cost_bps": 3.0},
        {"priority": 2, "gave": [gave], "cost_bps": 1.237},
        {"priority": 3, "gave": [{**gave, "constraint": "max_sector x"}], "cost_bps": None},
    ]
    first, second = level_rows(levels)
    assert first == {
        "Priority": 2, "Limit": "Maximum turnover, buys and sales", "Allowed": "20.0%", "Reached": "31.0%",
        "Gave": "11.0%", "Level costs, bps": 1.24,
    }  # fmt: skip
    assert second["Limit"] == "Max sector: x" and second["Level costs, bps"] is None


def test_a_trade_is_a_row_of_nine_figures() -> None:
    trade = {
        "action": "BUY", "symbol": "AAA", "simulated": False, "quantity": 12, "current_price": 10.126,
        "trade_value": 121.514, "estimated_cost": 5.185, "current_weight_pct": 1.26, "achieved_weight_pct": 2.34,
        "rationale": "views",
    }  # fmt: skip
    row = {
        "Action": "BUY", "Symbol": "AAA", "Shares": 12, "Price (CAD)": 10.13, "Value (CAD)": 121.51,
        "Cost (CAD)": 5.18,
        "Now %": 1.3, "After %": 2.3, "Reason": "views",
    }  # fmt: skip
    rows = trade_rows([trade, trade | {"simulated": True}], "CAD")
    assert rows == [row, row | {"Symbol": "AAA (simulated)"}]
    assert set(trade_forms("CAD")) < set(row)
    assert trade_forms("CAD")["Shares"] == SCHEDULE_FORMS["Left"] == "%,.10g"  # 1,045,797 is not 1,045,800


def test_weights_stand_before_beside_after_the_largest_first() -> None:
    shares = {"A": (1.0, 2.0, 2.5), "B": (40.0, 30.0, 30.004), "C": (1.0, 2.0, 2.5)}
    names = ("current_weight_pct", "target_weight_pct", "achieved_weight_pct")
    trades = [{"symbol": s, **dict(zip(names, told, strict=True))} for s, told in shares.items()]
    rows = weight_rows(trades)
    assert [row["Symbol"] for row in rows] == ["B", "A", "C"]
    assert rows[0] == {"Symbol": "B", "Before %": 40.0, "Target %": 30.0, "After %": 30.0}
    assert [(side["Side"], side["Percent"]) for side in side_rows(rows, "Symbol")[:2]] == [
        ("Before", 40.0), ("After", 30.0),
    ]  # fmt: skip


def test_each_limit_is_told_in_its_own_unit() -> None:
    told = {
        ("max_turnover", 0.2): ("Maximum turnover, buys and sales", "20.0%"),
        ("max_sector Energy", 0.3): ("Max sector: Energy", "30.0%"),
        ("max_holdings", 12): ("Most names", "12"),
        ("max_beta", 1.05): ("Max beta", "1.05"),
        ("min_factor value", -0.2): ("Min factor: value", "-0.2"),
        ("A + B <= 20%", 0.2): ("A + B <= 20%", "20.0%"),
        ("2 A <= 1.5", 1.5): ("2 A <= 1.5", "1.5"),
    }
    rows = [{"constraint": name, "limit": most, "achieved": most, "slack": 0.0} for name, most in told]
    rows[-1] |= {"slack": -0.1}
    shown = limit_rows(rows)
    assert [row["Holds"] for row in shown] == ["no", *["yes"] * 6]
    assert {(row["Limit"], row["Allowed"]) for row in shown} == set(told.values())


def test_the_impact_has_both_sides_of_ten_measures() -> None:
    before = {
        "value": 100000.0, "expected_return": 0.0712, "vol": 0.1234, "max_dd": -0.2, "tracking_error": 0.03,
        "notional": 1.154, "cash": 0.01, "sharpe": 0.456, "avg_quality": 7.25, "concentration_top10": 61.24,
    }  # fmt: skip
    impact = {f"current_{name}": value for name, value in before.items()}
    impact |= {f"post_{name}": None for name in before} | {"post_rebalance_value": 99900.5}
    shown = {row["Measure"]: (row["Before"], row["After"]) for row in impact_rows(impact)}
    assert shown == {
        "Value": ("100,000.00", "99,900.50"), "Expected return": ("7.1%", "–"), "Volatility": ("12.3%", "–"),
        "Max drawdown": ("-20.0%", "–"), "Tracking error": ("3.0%", "–"), "Notional": ("115.4%", "–"),
        "Cash": ("1.0%", "–"), "Sharpe ratio": ("0.46", "–"), "Average quality": ("7.2", "–"), "Top 10": ("61.2%", "–"),
    }  # fmt: skip


def test_hedges_scenarios_exposures_and_indicators_are_rows() -> None:
    hedge = {
        "action": "BUY", "instrument": "SPX", "option_type": "PUT", "quantity": 2, "strike": 4512.126, "expiry": None,
        "notional": 9024.4, "hedge_ratio": 0.256, "expected_offset_pct": 33.6, "estimated_cost": 150.6,
        "rationale": "falls",
    }  # fmt: skip
    row = {
        "Action": "BUY", "Instrument": "SPX PUT", "Units": 2, "Strike": 4512.13, "Expiry": None, "Notional (USD)": 9024,
        "Hedge ratio %": 26, "Offset %": 34, "Cost (USD)": 151, "Reason": "falls",
    }  # fmt: skip
    fund = hedge | {"option_type": None, "strike": None}
    assert hedge_rows([hedge, fund], "USD") == [row, row | {"Instrument": "SPX", "Strike": None}]
    scenario = {
        "name": "Crash", "profit": -1234.5, "profit_pct": -12.345, "standard_error": 99.5, "severity": "severe",
        "positions": [
            {"symbol": "BBB", "source": "replayed"}, {"symbol": "AAA", "source": "history"},
            {"symbol": "CCC", "source": "history"},
        ],
    }  # fmt: skip
    told = {
        "Scenario": "Crash", "Profit (EUR)": -1234, "Profit %": -12.3, "± error (EUR)": 100, "Severity": "severe",
        "Worst holding": "BBB", "Priced by": "history, replayed",
    }  # fmt: skip
    empty = told | {"Worst holding": "", "Priced by": ""}
    assert scenario_rows([scenario, scenario | {"positions": []}], "EUR") == [told, empty]
    impact = {"current_exposures": {"real_estate": 0.12345}, "post_exposures": {"equity": 1.0, "cash": -0.5}}
    assert exposure_rows(impact) == [
        {"Exposure": "real estate", "Before %": 12.35, "After %": 0.0},
        {"Exposure": "equity", "Before %": 0.0, "After %": 100.0},
        {"Exposure": "cash", "Before %": 0.0, "After %": -50.0},
    ]
    driver = {
        "series": "CPI",
        "date": "2024-01-01",
        "known_at": "2024-02-14",
        "value": 3.141592,
        "z_score": -1.234,
    }
    assert driver_rows([driver]) == [
        {"Series": "CPI", "Of": "2024-01-01", "Known since": "2024-02-14", "Value": 3.1416, "z-score": -1.23}
    ]


class Answer:
    """What `requests` would return."""

    def __init__(self, status: int, value: Any) -> None:
        self.status_code, self.ok, self._value = status, status < 400, value
        self.headers = {"X-Total-Count": "700"}

    def json(self) -> Any:
        return self._value


def test_a_question_goes_to_the_address_with_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []

    def request(method: str, url: str, **more: Any) -> Answer:
        asked.append((method, url, more))
        return Answer(200, {"packs": 2})

    monkeypatch.setattr(requests, "request", request)
    monkeypatch.delenv("PACKFOLIO_API", raising=False)
    monkeypatch.delenv("PACKFOLIO_API_KEY", raising=False)
    assert Client().get("/v1/packs", portfolio="book") == {"packs": 2}
    monkeypatch.setenv("PACKFOLIO_API_KEY", "secret")
    monkeypatch.setenv("PACKFOLIO_API", "http://desk:9")
    assert Client().execute("portfolio_stress", portfolio_id="book") == {"packs": 2}
    assert Client("http://desk:9").part("/v1/packs", limit=2) == ({"packs": 2}, 700)
    assert asked.pop()[2]["params"] == {"limit": 2}
    body = {"pattern_id": "portfolio_stress", "inputs": {"portfolio_id": "book"}}
    assert asked == [
        (
            "GET", "http://127.0.0.1:8000/v1/packs",
            {"headers": {}, "timeout": 60, "params": {"portfolio": "book"}},
        ),
        (
            "POST", "http://desk:9/v1/execute",
            {"headers": {"X-API-Key": "secret"}, "timeout": 60, "json": body},
        ),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (requests.Timeout(), "The API at http://x did not answer within 60 seconds; try again."),
        (requests.ConnectionError(), "The API at http://x cannot be reached; start it with `packfolio api`."),
    ],
)
def test_a_silence_is_said_in_words(error: Exception, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def request(*asked: Any, **more: Any) -> None:
        raise error

    monkeypatch.setattr(requests, "request", request)
    with pytest.raises(AnswerError) as told:
        Client("http://x").get("/v1/packs")
    assert str(told.value) == said


def test_a_refusal_is_the_apis_message_and_anything_else_is_called_foreign() -> None:
    problem = {"code": "busy", "message": "too many wait", "remedy": "Ask again.", "trace_id": "abc"}
    assert refusal(503, problem) == "too many wait.\n\nAsk again. (trace abc)"
    assert refusal(503, {"message": "no"}) == "no.\n\n (trace unknown)"
    foreign = "Something else than Packfolio's API answered, with status 502; check the address."
    assert [refusal(502, "<html>"), refusal(502, {"detail": "x"})] == [foreign] * 2


def test_a_refused_question_raises_what_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        screen_client.requests, "request", lambda *asked, **more: Answer(404, {"message": "no"})
    )
    with pytest.raises(AnswerError, match="no"):
        Client("http://x").get("/v1/packs")
