"""Every tab of the screen over an API that knows three packs and two portfolios, whose figures are round."""

import json
from typing import Any

import pytest
from source_tree import ROOT
from streamlit.testing.v1 import AppTest

from service.screen.client import AnswerError, Client

PAGE = str(ROOT / "service" / "screen" / "app.py")
NEW, OLD = "PP_2024-02-29", "PP_2024-02-28"
POLICY = {
    "method": "cvar", "min_quality_score": 6.0, "max_turnover_pct": 40.0, "max_single_position_pct": 30.0,
    "max_sector_pct": 50.0, "lookback_days": 126, "cash_max_pct": 5.0,
}  # fmt: skip
ASKED = {**POLICY, "tail_level": 0.95, "max_risk_share_pct": None, "limits": []}
BOOK = {"name": "book", "base_currency": "USD", "symbols": ["AAA", "BBB"], "policy": POLICY, "problem": None}
OTHER = BOOK | {"name": "other", "base_currency": "CAD", "symbols": ["CCC"], "policy": {"method": "hrp"}}
WEIGHTS = {
    (NEW, "book"): {"AAA": 0.6, "BBB": 0.4},
    (OLD, "book"): {"AAA": 0.25, "CCC": 0.75},
}
TRADE = {
    "action": "BUY", "symbol": "AAA", "simulated": False, "quantity": 12, "current_price": 10.0, "trade_value": 120.0,
    "estimated_cost": 5.18, "current_weight_pct": 1.234, "achieved_weight_pct": 2.346, "target_weight_pct": 2.5,
    "rationale": "views",
}  # fmt: skip
SAVED = {"at": "2024-03-01T09:30:15+00:00", "caller": "loopback", "line_sha256": "0123456789abcdef" * 4}
PERFORMANCE = {
    "mode": "live",
    "left_out": {},
    "backtest": {
        "pack_id": OLD, "strategies": ["policy", "benchmark"], "simulated": True,
        "since": {"policy": "2024-01-02", "benchmark": "2024-01-02"}, "dates": ["2024-01-02", "2024-01-03"],
        "growth": {"policy": [1.0, 1.01], "benchmark": [1.0, 1.02]},
        "drawdown": {"policy": [0.0, -0.125], "benchmark": [0.0, 0.0]},
        "rolling": {
            "window": 126, "volatility": {"policy": [None, 0.12], "benchmark": [None, 0.1]},
            "sharpe": {"policy": [None, 0.5], "benchmark": [None, None]}, "beta": {"policy": [None, 0.9]},
        },
        "measures": {"policy": {"annual_return": 0.0712, "sharpe": 0.456}},
    },
    "live": [
        {"as_of": "2024-02-28", "pack_id": OLD, "value": 100000.0, "drawdown": 0.0, "benchmark": 100000.0},
        {"as_of": "2024-02-29", "pack_id": NEW, "value": 99000.0, "drawdown": -0.01, "benchmark": 100500.0},
    ],
}  # fmt: skip
KEYS = {
    "methods": {"cvar": ["tail_level"], "risk_parity": ["risk_budgets_pct"], "mean_variance": ["l2_penalty", "doubt"]},
    "keys": {
        "tail_level": {"type": "number", "default": 0.95, "minimum": 0.5, "description": "Tail."},
        "risk_budgets_pct": {"type": "object", "default": {}, "description": "Shares."},
        "l2_penalty": {"type": "number", "default": 0.0, "minimum": 0, "description": "Spread."},
        "doubt": {"enum": ["diagonal", "full"], "default": "diagonal", "description": "Shape."},
    },
}  # fmt: skip
SIDE = {
    "expected_return": 0.07, "vol": 0.12, "max_dd": -0.2, "tracking_error": 0.03, "notional": 1.154, "cash": 0.01,
    "sharpe": 0.456, "avg_quality": 7.25, "concentration_top10": 61.2,
}  # fmt: skip
IMPACT = {
    **{f"current_{name}": value for name, value in SIDE.items()},
    **{f"post_{name}": value for name, value in (SIDE | {"notional": 1.0}).items()},
    "current_value": 1e5, "post_rebalance_value": 99995.0, "value_delta": -5.18,
    "current_exposures": {"equity": 0.5}, "post_exposures": {"equity": 0.75},
}  # fmt: skip
SCENARIO = {
    "name": "Crash", "profit": -1000.0, "profit_pct": -10.0, "standard_error": 50.0, "severity": "severe",
    "positions": [{"symbol": "AAA", "source": "history"}],
}  # fmt: skip
HEDGE = {
    "action": "BUY", "instrument": "SPX", "option_type": "PUT", "quantity": 2, "strike": 4500.0, "expiry": None,
    "notional": 9000.0, "hedge_ratio": 0.25, "expected_offset_pct": 33.0, "estimated_cost": 150.0, "rationale": "falls",
}  # fmt: skip
FUND = {
    "instrument": "IWM", "action": "SELL", "quantity": 45, "notional": 9024.4, "estimated_cost": 1.8,
    "rationale": "moves the exposure to size by +0.799",
}  # fmt: skip
ADVICE = {
    "action": "reduce_equity", "rationale": "it is late", "instruments": ["AAA"], "candidates": ["TLT", "IEF"],
    "current_pct": 60.04, "wanted_pct": 30.0, "achieved_pct": 31.26, "trades": [
        {"symbol": "AAA", "action": "SELL", "quantity": 3, "trade_value": 30.0, "estimated_cost": 5.0},
    ],
}  # fmt: skip
SEEN = {
    "regime": "REFLATION", "score": 0.756, "margin": 0.124, "problems": ["CPI: too old", "UNRATE: too short"],
    "drivers": [{"series": "CPI", "date": "2024-01-01", "known_at": "2024-02-14", "value": 3.0, "z_score": 1.0}],
}  # fmt: skip


class Api:
    """What the API answers, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.packs = [(NEW, "fresh"), ("PP_2024-02-27", "rejected"), (OLD, "fresh")]
        self.portfolios = [BOOK, OTHER]
        self.seen: dict[str, Any] = SEEN
        self.warnings: list[str] = []
        self.performance: dict[str, Any] = PERFORMANCE
        self.tail: dict[str, Any] | None = None
        self.predicted: dict[str, Any] | None = None
        self.schedule: list[dict[str, Any]] = []

    def get(self, client: Client, path: str, **params: str) -> Any:
        if path == "/v1/packs":
            return [{"pack_id": pack, "verdict": verdict} for pack, verdict in self.packs]
        if path == "/v1/catalogue":
            scenarios = [
                {"scenario_id": "rates_up", "name": "Rates up"},
                {"scenario_id": "equity_selloff", "name": "Fall"},
            ]
            return {
                "methods": ["cvar", "hrp", "risk_parity"], "shocks": ["equity_pct", "rates_bps"],
                "scenarios": scenarios, "regimes": ["DELEVERAGING", "REFLATION"], "method_keys": KEYS,
            }  # fmt: skip
        _, _, _, pack, view = path.split("/")
        if view == "regime":
            return self.seen
        if view == "performance":
            self.asked.append((view, params))
            return self.performance
        if view == "attribution":
            return {"tail": self.tail, "predicted": self.predicted}
        if view == "trade_schedule":
            self.asked.append((view, params))
            return {"portfolios": [{"trade_schedule": self.schedule}]}
        assert view == "weights"
        weights = WEIGHTS[pack, params["portfolio"]]
        return {"portfolios": [{"optimal_weights": [{"symbol": s, "weight": w} for s, w in weights.items()]}]}

    def part(
        self, client: Client, path: str, limit: int, search: str = ""
    ) -> tuple[list[dict[str, Any]], int]:
        assert path.endswith("/portfolios")
        found = [one for one in self.portfolios if search in one["name"]]
        return found[:limit], len(found)

    def execute(self, client: Client, pattern: str, **inputs: Any) -> dict[str, Any]:
        self.asked.append((pattern, inputs))
        point = {"volatility": 0.12345, "expected_return": 0.0789}
        answers: dict[str, dict[str, Any]] = {
            "policy_rebalance": {
                "base_currency": "USD", "metadata": {"saved": SAVED}, "trace_id": "t1",
                "portfolio_name": inputs["portfolio_id"], "pricing_pack_id": inputs["pricing_pack_id"],
                "trade_count": 1, "turnover_pct": 12.346, "cost_bps": 4.321, "current_value": 100000.4,
                "constraints_met": True, "warnings": self.warnings, "trades": [TRADE], "result": {"impact": IMPACT},
                "constraints": [
                    {"constraint": "max_weight", "limit": 0.3, "achieved": 0.3, "slack": -1e-10},
                    {"constraint": "cash_max", "limit": 0.05, "achieved": 0.06, "slack": -0.01},
                ],
            },
            "efficient_frontier": {
                "points": [point, point], "current": point, "warnings": ["few days"],
                "proposed": point if "weights" in inputs else None,
            },
            "portfolio_stress": {"scenarios": [SCENARIO], "warnings": ["old prices"]},
            "suggest_hedges": {
                "loss": 1000.0, "expected_offset": 330.0, "residual_loss": 670.0, "total_cost_bps": 15.04,
                "warnings": ["no option"], "hedges": [HEDGE],
            },
            "suggest_factor_hedges": {
                "targets": inputs.get("targets"), "exposures_before": {"beta": 0.4, "size": -0.9},
                "exposures_after": {"beta": 0.4, "size": -0.101}, "volatility_before_pct": 12.0,
                "volatility_after_pct": 11.5, "total_cost_bps": 2.04, "warnings": ["whole shares"], "hedges": [FUND],
            },
            "suggest_deleveraging_hedges": {
                "recommendations": [ADVICE, ADVICE | {"instruments": [], "candidates": [], "trades": []}],
            },
        }  # fmt: skip
        return answers[pattern]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    api = Api()
    monkeypatch.setattr(Client, "get", lambda client, path, **params: api.get(client, path, **params))
    monkeypatch.setattr(Client, "part", lambda client, path, **params: api.part(client, path, **params))
    monkeypatch.setattr(
        Client, "execute", lambda client, pattern, **inputs: api.execute(client, pattern, **inputs)
    )
    return api


def run() -> AppTest:
    page = AppTest.from_file(PAGE, default_timeout=30).run()
    assert not page.exception and not page.error
    return page


def on(tab: str) -> AppTest:
    page = run().button[0].click().run()
    page.session_state["tab"] = tab
    page.run()
    assert not page.exception and not page.error
    return page


def rows(page: AppTest, which: int = -1) -> list[dict[str, Any]]:
    return page.dataframe[which].value.to_dict("records")


def test_the_sidebar_stands_at_the_policy_and_offers_only_fresh_packs(api: Api) -> None:
    page = run()
    packs, portfolios, methods = page.sidebar.selectbox
    assert packs.options == [NEW, OLD] and portfolios.options == ["book", "other"]
    assert (
        methods.options == ["mean_variance", "risk_parity", "max_sharpe", "cvar", "hrp"]
        and methods.value == "cvar"
    )
    assert [(s.label, s.min, s.max, s.value, s.step) for s in page.sidebar.slider] == [
        ("Minimum Quality Score", 0.0, 10.0, 6.0, 0.5), ("Maximum Turnover %", 0.0, 200.0, 40.0, 5.0),
        ("Maximum Position %", 1.0, 100.0, 30.0, 1.0), ("Maximum Sector %", 1.0, 100.0, 50.0, 1.0),
        ("Maximum Share of Risk %", 1.0, 100.0, 100.0, 1.0), ("Days of history", 63.0, 1260.0, 126.0, 21.0),
    ]  # fmt: skip
    assert page.caption[0].value == f"book under {NEW}, in USD: 2 symbols"
    assert page.info[0].value.startswith("Choose the limits on the left")
    assert api.asked == []


def test_what_is_asked_is_the_policy_with_what_the_sliders_say(api: Api) -> None:
    page = run()
    page.button[0].click().run()
    assert api.asked[-1] == (
        "policy_rebalance", {"portfolio_id": "book", "pricing_pack_id": NEW, "constraints": ASKED},
    )  # fmt: skip
    page.sidebar.selectbox[1].select("other").run()
    assert page.info[0].value.startswith("Choose the limits")  # the answer was another portfolio's
    page.button[0].click().run()
    free = {
        "method": "hrp", "min_quality_score": None, "max_turnover_pct": None, "max_single_position_pct": None,
        "max_sector_pct": None, "max_risk_share_pct": None, "lookback_days": 252, "limits": [],
    }  # fmt: skip
    assert api.asked[-1][1] == {"portfolio_id": "other", "pricing_pack_id": NEW, "constraints": free}
    page.sidebar.selectbox[0].select(OLD).run()
    assert page.info[0].value.startswith("Choose the limits")


def test_the_totals_and_the_trades(api: Api) -> None:
    api.warnings = ["late", "thin"]
    page = on("Trades")
    assert {metric.label: metric.value for metric in page.metric} == {
        "Trade Count": "1", "Turnover": "12.35%", "Costs": "4.32 bps", "Value (USD)": "100,000", "Limits": "hold",
    }  # fmt: skip
    assert page.caption[1].value == (
        "Saved at 2024-03-01 09:30:15 UTC for loopback as decision 0123456789ab, trace t1; the next run takes it on "
        "record, in the table decisions."
    )
    assert page.warning[0].value == "- late\n- thin"
    assert [row["Symbol"] for row in rows(page, 0)] == ["AAA"]
    assert rows(page) == [
        {"Limit": "Most cash", "Allowed": "5.0%", "Reached": "6.0%", "Holds": "no"},
        {"Limit": "Maximum position", "Allowed": "30.0%", "Reached": "30.0%", "Holds": "yes"},
    ]


def test_orders_that_take_days_are_told_by_day_where_the_policy_limits_the_pace(api: Api) -> None:
    day = {"symbol": "AAA", "action": "BUY", "participation": 0.1, "remaining_risk": 0.0021}
    first, last = day | {"day": 1, "quantity": 8, "left_quantity": 4}, day | {"day": 2, "quantity": 4}
    api.schedule = [first, last | {"left_quantity": 0, "remaining_risk": 0.0}]
    on("Trades")
    assert all(view != "trade_schedule" for view, _ in api.asked)
    api.portfolios = [BOOK | {"policy": POLICY | {"max_participation_pct": 10}}]
    page = on("Trades")
    assert ("trade_schedule", {"portfolio": "book"}) in api.asked
    assert page.subheader[-1].value.startswith("Days to trade") and rows(page) == [
        {"Day": 1, "Action": "BUY", "Symbol": "AAA", "Shares": 8, "Left": 4, "Of volume %": 10.0, "Risk left %": 0.21},
        {"Day": 2, "Action": "BUY", "Symbol": "AAA", "Shares": 4, "Left": 0, "Of volume %": 10.0, "Risk left %": 0.0},
    ]  # fmt: skip
    api.schedule = [first | {"left_quantity": 0}]
    assert not on("Trades").subheader[-1].value.startswith("Days to trade")


def test_a_book_that_may_be_short_is_asked_its_borrow_fee(api: Api) -> None:
    assert "Borrow Fee %" not in [slider.label for slider in run().sidebar.slider]
    api.portfolios = [BOOK | {"policy": POLICY | {"long_only": False, "borrow_fee_pct": 0.5}}]
    page = run()
    assert (page.sidebar.slider[-1].label, page.sidebar.slider[-1].value) == ("Borrow Fee %", 0.5)
    page.sidebar.slider[-1].set_value(2.0).run()
    page.button[0].click().run()
    assert api.asked[-1][1]["constraints"]["borrow_fee_pct"] == 2.0


def test_impact_exposures_and_weights(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    page = on("Impact")
    assert rows(page)[0] == {"Measure": "Value", "Before": "100,000.00", "After": "99,995.00"}
    assert page.caption[-1].value.startswith("Value changes by the costs alone: -5.18 USD.")
    assert on("Exposures").caption[-1].value == "Notional 115.4% before, 100.0% after"
    assert on("Weights").subheader[0].value == "Weights before and after"
    for side in ("current", "post"):
        monkeypatch.setitem(IMPACT, f"{side}_exposures", {})
    assert on("Exposures").info[-1].value.startswith("No exposure of what it holds is known")


def chart(page: AppTest) -> list[dict[str, Any]]:
    """The rows of the page's chart."""
    import pyarrow as pa

    [element] = page.get("vega_lite_chart") or page.get("arrow_vega_lite_chart")
    data = element.proto.datasets[0].data.data if element.proto.datasets else element.proto.data.data
    return pa.ipc.open_stream(data).read_pandas().to_dict("records")


def test_charts_show_both_sides(api: Api) -> None:
    weights = chart(on("Weights"))
    assert [(row["Symbol"], row["Side"], row["Percent"]) for row in weights] == [
        ("AAA", "Before", 1.23), ("AAA", "After", 2.35),
    ]  # fmt: skip
    points = chart(on("Frontier"))
    assert [(row["What"], row["Volatility %"], row["Expected return %"]) for row in points] == [
        ("frontier", 12.35, 7.89), ("frontier", 12.35, 7.89), ("held now", 12.35, 7.89), ("proposed", 12.35, 7.89),
    ]  # fmt: skip


def test_the_frontier_is_asked_under_the_limits_chosen(api: Api) -> None:
    page = on("Frontier")
    assert api.asked[-1] == (
        "efficient_frontier",
        {"portfolio_id": "book", "pricing_pack_id": NEW, "constraints": ASKED, "weights": {"AAA": 0.02346}},
    )  # fmt: skip
    assert page.warning[-1].value == "few days"


def test_scenarios_and_shocks_of_ones_own(api: Api) -> None:
    page = on("Scenarios")
    assert api.asked[-1] == ("portfolio_stress", {"portfolio_id": "book", "pricing_pack_id": NEW})
    assert [(row["Scenario"], row["Profit (USD)"], row["Priced by"]) for row in rows(page)] == [
        ("Crash", -1000, "history")
    ]
    assert page.warning[-1].value == "old prices" and page.caption[-1].value.startswith("Give at least one")
    assert page.info[-1].value.startswith("Left out: the daily run told no tail of it")
    assert [box.label for box in page.main.number_input] == ["equity, pct", "rates, bps"]
    page.number_input(key="shock rates_bps").set_value(0.0).run()
    assert api.asked[-1][1]["custom_shocks"] == {"rates_bps": 0.0}
    assert len(page.dataframe) == 2


def test_the_tail_stands_below_the_scenarios_in_percent_and_money(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {
        "book": "held", "method": "filtered", "level": 0.99, "horizon_days": 5, "value_at_risk": 0.025,
        "expected_shortfall": 0.03125, "scenarios": 500, "value": 20_000.0,
    }  # fmt: skip
    api.tail = {"rows": [row], "backtest": "2 series fail a test", "series": ["book, filtered, 99%: 9 of 60"]}
    page = on("Scenarios")
    assert rows(page, -1) == [
        {
            "Book": "held", "By": "past days at today's volatility", "Level %": 99.0, "Value at risk %": 2.5,
            "Value at risk (USD)": 500.0, "Shortfall %": 3.125, "Shortfall (USD)": 625.0, "Scenarios": 500,
        }
    ]  # fmt: skip
    said = [caption.value for caption in page.caption][-3:]
    assert said[0].startswith("Losses over 5 sessions") and said[1:] == [
        api.tail["backtest"],
        *api.tail["series"],
    ]
    priced = Client.execute

    def lacking(client: Client, pattern: str, **inputs: Any) -> Any:
        if pattern == "portfolio_stress":
            raise AnswerError("AAA: no declared exposures", lacks=True)
        return priced(client, pattern, **inputs)

    monkeypatch.setattr(Client, "execute", lacking)
    page = on("Scenarios")
    assert not page.error and page.info[-1].value == "Scenarios are left out: AAA: no declared exposures"
    assert rows(page, -1)[0]["By"] == "past days at today's volatility"


def test_hedges_of_the_scenario_and_budget_chosen(api: Api) -> None:
    page = on("Hedges")
    asked = {
        "portfolio_id": "book",
        "pricing_pack_id": NEW,
        "scenario_id": "equity_selloff",
        "max_cost_bps": 100.0,
    }
    assert api.asked[-1] == ("suggest_hedges", asked)
    assert {metric.label: metric.value for metric in page.metric[5:]} == {
        "Loss (USD)": "1,000", "Offset (USD)": "330", "Loss left (USD)": "670", "Cost": "15.0 bps",
    }  # fmt: skip
    assert page.info[-1].value == "no option" and rows(page)[0]["Instrument"] == "SPX PUT"
    [choice] = [box for box in page.selectbox if box.label == "Scenario"]
    assert choice.options == ["Rates up", "Fall"]
    choice.select("rates_up").run()
    assert api.asked[-1][1] == asked | {"scenario_id": "rates_up"}
    budget = page.main.slider[0]
    assert (budget.min, budget.max, budget.step) == (5, 500, 5)
    budget.set_value(25).run()
    assert api.asked[-1][1]["max_cost_bps"] == 25.0


def test_factors_are_hedged_though_scenarios_cannot_be_told(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    priced = Client.execute

    def lacking(self: Client, pattern: str, **inputs: Any) -> dict[str, Any]:
        if pattern == "suggest_hedges":
            raise AnswerError("AAA: no declared exposures", lacks=True)
        return priced(self, pattern, **inputs)

    monkeypatch.setattr(Client, "execute", lacking)
    parts = [(f"f{number}", [0.5, 0.5]) for number in range(7)]
    api.predicted = {"total": {"factors": [{"part": part, "exposure": sides} for part, sides in parts]}}
    page = on("Hedges")
    assert not page.error
    assert page.info[-1].value == "Hedges of scenarios are left out: AAA: no declared exposures"
    page.multiselect[0].set_value([part for part, _ in parts]).run()
    assert sum(box.label.startswith("At most, ") for box in page.number_input) == 7
    assert api.asked[-1][1]["targets"] == dict.fromkeys(("f0", "f1", "f2", "f3", "f4", "f5", "f6"), 0.0)


def test_factors_are_hedged_where_the_portfolio_has_a_model(api: Api) -> None:
    assert not on("Hedges").multiselect
    parts = [("beta", [0.4, 0.5]), ("size", [-0.9, -0.8]), ("SPECIFIC", [None, None])]
    api.predicted = {"total": {"factors": [{"part": part, "exposure": sides} for part, sides in parts]}}
    page = on("Hedges")
    assert api.asked[-1][0] == "suggest_hedges"  # nothing is asked before a factor is chosen
    assert page.multiselect[0].options == ["size (-0.90)", "beta (+0.40)"]
    page.multiselect[0].select("size").run()
    [most] = [box for box in page.number_input if box.label == "At most, size"]
    most.set_value(0.1).run()
    wanted = {"portfolio_id": "book", "pricing_pack_id": NEW, "targets": {"size": 0.1}}
    assert api.asked[-1] == ("suggest_factor_hedges", wanted)
    assert {metric.label: metric.value for metric in page.metric[-3:]} == {
        "Volatility": "12.00%", "Volatility hedged": "11.50%", "Cost": "2.0 bps",
    }  # fmt: skip
    assert page.info[-1].value == "whole shares"
    assert rows(page, -2) == [{"Factor": "size", "Now": -0.9, "Most": 0.1, "Hedged": -0.101}]
    assert rows(page)[0]["Instrument"] == "IWM" and rows(page)[0]["Notional (USD)"] == 9024


def test_the_regime_seen_is_chosen_and_its_playbook_applied(api: Api) -> None:
    page = on("Regime")
    asked = {"portfolio_id": "book", "pricing_pack_id": NEW, "regime": "REFLATION"}
    assert api.asked[-1] == ("suggest_deleveraging_hedges", asked)
    assert page.markdown[-2].value == page.markdown[-1].value == "**Reduce equity**: it is late"
    assert [caption.value for caption in page.caption][-3:] == [
        "The published figures look like REFLATION: score 0.76 of 1, 0.12 before the next. "
        "A score is not a probability.",
        "Held of it: AAA; could be bought: TLT, IEF. Now 60.0%, wanted 30.0%, after the trades 31.3% of the portfolio.",
        "Held of it: nothing. Now 60.0%, wanted 30.0%, after the trades 31.3% of the portfolio.",
    ]
    assert [rows(page, which)[0].get("Series") for which in (0, 1)] == ["CPI", None]
    assert len(page.dataframe) == 2
    api.seen = SEEN | {"regime": None}
    page = on("Regime")
    assert api.asked[-1][1]["regime"] == "DELEVERAGING"
    assert page.info[-1].value == (
        "No regime is detected, so one is to be chosen: CPI: too old; UNRATE: too short."
    )


def test_two_packs_are_compared_symbol_by_symbol(api: Api) -> None:
    page = on("Compare packs")
    assert [box.options for box in page.main.selectbox] == [[OLD]]
    assert rows(page) == [
        {"Symbol": "AAA", f"{NEW} %": 60.0, f"{OLD} %": 25.0, "Change %": 35.0},
        {"Symbol": "BBB", f"{NEW} %": 40.0, f"{OLD} %": 0.0, "Change %": 40.0},
        {"Symbol": "CCC", f"{NEW} %": 0.0, f"{OLD} %": 75.0, "Change %": -75.0},
    ]
    api.packs = api.packs[:2]
    assert on("Compare packs").info[-1].value == (
        f"{NEW} is the only fresh pack: there is none to compare it with yet."
    )


def test_what_cannot_be_shown_is_said(api: Api) -> None:
    api.portfolios = [BOOK | {"problem": "AAA has no price"}]
    page = run()
    assert (
        page.warning[0].value == f"book cannot be computed under {NEW}: AAA has no price" and not page.button
    )
    api.portfolios = []
    assert run().info[0].value.startswith(f"{NEW} has no portfolios")
    api.packs = api.packs[1:2]
    assert run().info[0].value.startswith("There is no fresh pack yet")


def number(page: AppTest, label: str) -> Any:
    [found] = [box for box in page.sidebar.number_input if box.label == label]
    return found


def test_an_answer_to_other_limits_is_grey_until_it_is_asked_again(api: Api) -> None:
    page = on("Trades")
    assert page.button[0].label == "Generate Rebalance Trades" and not page.warning
    number(page, "Maximum Turnover %, exact").set_value(12.5).run()
    assert page.button[0].label == "Generate again"
    assert page.warning[0].value == (
        "What is grey answers other limits than those on the left: *Generate again*.\n\n"
        "- Maximum Turnover % was 40 and is 12.5"
    )
    assert page.get("download_button")[0].proto.disabled
    page.session_state["tab"] = "Frontier"
    page.run()
    asked = api.asked[-1][1]
    assert asked["constraints"]["max_turnover_pct"] == 12.5 and "weights" not in asked
    page.button[0].click().run()
    assert api.asked[-2][1]["constraints"] == ASKED | {"max_turnover_pct": 12.5}
    assert page.button[0].label == "Generate Rebalance Trades" and not page.warning[1:]


def test_going_back_to_the_limits_of_an_answer_brings_it_back(api: Api) -> None:
    page = on("Trades")
    number(page, "Maximum Sector %, exact").set_value(55.0).run()
    assert page.warning
    number(page, "Maximum Sector %, exact").set_value(50.0).run()
    assert not page.warning and page.button[0].label == "Generate Rebalance Trades"


def test_a_slider_and_its_number_say_the_same_and_the_number_is_exact(api: Api) -> None:
    api.portfolios = [BOOK | {"policy": POLICY | {"max_turnover_pct": 250.0, "lookback_days": 1500}}]
    page = run()
    slider = page.sidebar.slider[1]
    assert (slider.value, number(page, "Maximum Turnover %, exact").value) == (200.0, 250.0)
    page.button[0].click().run()
    asked = api.asked[-1][1]["constraints"]
    assert (asked["max_turnover_pct"], asked["lookback_days"]) == (250.0, 1500)
    page.sidebar.slider[1].set_value(35.0).run()
    assert number(page, "Maximum Turnover %, exact").value == 35.0
    page.sidebar.slider[1].set_value(200.0).run()
    assert number(page, "Maximum Turnover %, exact").value is None
    number(page, "Days of history, exact").set_value(None).run()
    page.button[0].click().run()
    asked = api.asked[-1][1]["constraints"]
    assert (asked["max_turnover_pct"], asked["lookback_days"]) == (None, 252)


def test_each_method_is_asked_for_what_it_alone_needs(api: Api) -> None:
    page = run()
    assert number(page, "Tail level").value == 0.95
    page.sidebar.selectbox[2].select("risk_parity").run()
    assert [box.label for box in page.sidebar.text_area] == ["Risk budgets %", "Limits in words"]
    page.sidebar.text_area[0].set_value("AAA 60\nBBB: 40 %\n").run()
    page.button[0].click().run()
    assert api.asked[-1][1]["constraints"]["risk_budgets_pct"] == {"AAA": 60.0, "BBB": 40.0}
    page.sidebar.text_area[0].set_value("AAA much").run()
    assert page.error[0].value == (
        "Risk budgets %: 'AAA much' is no name with a percentage; write it as in SPY 40"
    )
    page.sidebar.selectbox[2].select("mean_variance").run()
    assert [box.label for box in page.sidebar.selectbox[3:]] == ["Doubt"]


def test_limits_are_written_in_words_a_line_each(api: Api) -> None:
    api.portfolios = [BOOK | {"policy": POLICY | {"limits": ["AAA <= 20%"]}}]
    page = run()
    [words] = page.sidebar.text_area
    assert words.value == "AAA <= 20%"
    words.set_value("risk:AAA <= 30%\n\n active:size >= -0.1 ").run()
    number(page, "Maximum Share of Risk %, exact").set_value(40.0).run()
    page.button[0].click().run()
    asked = api.asked[-1][1]["constraints"]
    assert (
        asked["limits"] == ["risk:AAA <= 30%", "active:size >= -0.1"] and asked["max_risk_share_pct"] == 40.0
    )


def test_what_another_method_cannot_count_is_left_out_and_told(api: Api) -> None:
    own = {"method": "mean_variance", "l2_penalty": 0.1, "doubt": "diagonal"}
    api.portfolios = [BOOK | {"policy": own}]
    page = run()
    assert not page.sidebar.caption
    page.sidebar.selectbox[2].select("hrp").run()
    assert page.sidebar.caption[0].value == "hrp cannot count L2 penalty: left out here."
    page.button[0].click().run()
    assert "l2_penalty" not in api.asked[-1][1]["constraints"]


def test_among_many_portfolios_one_searches(api: Api) -> None:
    api.portfolios = [BOOK | {"name": f"account-{number:03}"} for number in range(120)]
    page = run()
    assert page.sidebar.caption[0].value == "the first 50 of 120 portfolios"
    assert len(page.sidebar.selectbox[1].options) == 50
    page.sidebar.text_input[0].set_value("-11").run()
    assert page.sidebar.caption[0].value == "10 that match, of 120"
    assert page.sidebar.selectbox[1].options == [f"account-{number:03}" for number in range(110, 120)]
    page.sidebar.text_input[0].set_value("nobody").run()
    assert "No portfolio of" in page.sidebar.info[0].value


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
    api.performance = PERFORMANCE | {
        "backtest": None,
        "live": [],
        "left_out": {"backtest": "none is on record"},
    }
    page.run()
    assert page.info[-1].value == "Left out: none is on record." and not page.dataframe


def test_trades_that_fail_leave_none_of_before_on_the_page(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    page = on("Trades")

    def refuse(client: Client, pattern: str, **inputs: Any) -> Any:
        raise AnswerError("max_turnover_pct and max_sector_pct conflict")

    monkeypatch.setattr(Client, "execute", refuse)
    page.button[0].click().run()
    assert page.error[0].value == "max_turnover_pct and max_sector_pct conflict" and not page.metric


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
