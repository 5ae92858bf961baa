"""Every tab of the screen over an API that knows three packs and two portfolios, whose figures are round."""

from typing import Any

import pytest
from source_tree import ROOT
from streamlit.testing.v1 import AppTest

from service.screen.client import Client

PAGE = str(ROOT / "service" / "screen" / "app.py")
NEW, OLD = "PP_2024-02-29", "PP_2024-02-28"
POLICY = {
    "method": "cvar", "min_quality_score": 6.0, "max_turnover_pct": 40.0, "max_single_position_pct": 30.0,
    "max_sector_pct": 50.0, "lookback_days": 126, "cash_max_pct": 5.0,
}  # fmt: skip
BOOK = {"name": "book", "base_currency": "USD", "symbols": ["AAA", "BBB"], "policy": POLICY, "problem": None}
OTHER = BOOK | {"name": "other", "base_currency": "CAD", "symbols": ["CCC"], "policy": {"method": "hrp"}}
WEIGHTS = {
    (NEW, "book"): {"AAA": 0.6, "BBB": 0.4},
    (OLD, "book"): {"AAA": 0.25, "CCC": 0.75},
}
TRADE = {
    "action": "BUY", "symbol": "AAA", "simulated": False, "quantity": 12, "current_price": 10.0, "trade_value": 120.0,
    "estimated_cost": 5.18, "current_weight_pct": 1.234, "achieved_weight_pct": 2.346, "rationale": "views",
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
ADVICE = {
    "action": "reduce_equity", "rationale": "it is late", "instruments": ["AAA"], "candidates": ["TLT", "IEF"],
    "current_pct": 60.04, "wanted_pct": 30.0, "achieved_pct": 31.26, "trades": [{"symbol": "AAA", "quantity": 3}],
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
                "scenarios": scenarios, "regimes": ["DELEVERAGING", "REFLATION"],
            }  # fmt: skip
        _, _, _, pack, view = path.split("/")
        if view == "portfolios":
            return self.portfolios
        if view == "regime":
            return self.seen
        assert view == "weights"
        weights = WEIGHTS[pack, params["portfolio"]]
        return {"portfolios": [{"optimal_weights": [{"symbol": s, "weight": w} for s, w in weights.items()]}]}

    def execute(self, client: Client, pattern: str, **inputs: Any) -> dict[str, Any]:
        self.asked.append((pattern, inputs))
        point = {"volatility": 0.12345, "expected_return": 0.0789}
        answers: dict[str, dict[str, Any]] = {
            "policy_rebalance": {
                "portfolio_name": inputs["portfolio_id"], "pricing_pack_id": inputs["pricing_pack_id"],
                "trade_count": 1, "turnover_pct": 12.346, "cost_bps": 4.321, "current_value": 100000.4,
                "constraints_met": True, "warnings": self.warnings, "trades": [TRADE], "result": {"impact": IMPACT},
                "constraints": [
                    {"constraint": "max_weight", "limit": 0.3, "achieved": 0.3, "slack": -1e-10},
                    {"constraint": "cash_max", "limit": 0.05, "achieved": 0.06, "slack": -0.01},
                ],
            },
            "efficient_frontier": {"points": [point, point], "current": point, "warnings": ["few days"]},
            "portfolio_stress": {"scenarios": [SCENARIO], "warnings": ["old prices"]},
            "suggest_hedges": {
                "loss": 1000.0, "expected_offset": 330.0, "residual_loss": 670.0, "total_cost_bps": 15.04,
                "warnings": ["no option"], "hedges": [HEDGE],
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
        ("Days of history", 63.0, 1260.0, 126.0, 21.0),
    ]  # fmt: skip
    assert page.caption[0].value == f"book under {NEW}, in USD: 2 symbols"
    assert page.info[0].value.startswith("Choose the limits on the left")
    assert api.asked == []


def test_what_is_asked_is_the_policy_with_what_the_sliders_say(api: Api) -> None:
    page = run()
    page.button[0].click().run()
    assert api.asked[-1] == (
        "policy_rebalance", {"portfolio_id": "book", "pricing_pack_id": NEW, "constraints": POLICY},
    )  # fmt: skip
    page.sidebar.selectbox[1].select("other").run()
    assert page.info[0].value.startswith("Choose the limits")  # the answer was another portfolio's
    page.button[0].click().run()
    free = {
        "method": "hrp", "min_quality_score": None, "max_turnover_pct": None, "max_single_position_pct": None,
        "max_sector_pct": None, "lookback_days": 252,
    }  # fmt: skip
    assert api.asked[-1][1] == {"portfolio_id": "other", "pricing_pack_id": NEW, "constraints": free}
    page.sidebar.selectbox[0].select(OLD).run()
    assert page.info[0].value.startswith("Choose the limits")


def test_the_totals_and_the_trades(api: Api) -> None:
    api.warnings = ["late", "thin"]
    page = on("Trades")
    assert {metric.label: metric.value for metric in page.metric} == {
        "Trade Count": "1", "Turnover": "12.35%", "Costs": "4.32 bps", "Value": "100,000", "Limits": "hold",
    }  # fmt: skip
    assert page.warning[0].value == "- late\n- thin"
    assert [row["Symbol"] for row in rows(page, 0)] == ["AAA"]
    assert rows(page) == [
        {"Limit": "max_weight", "Allowed": "30.0%", "Reached": "30.0%", "Holds": "yes"},
        {"Limit": "cash_max", "Allowed": "5.0%", "Reached": "6.0%", "Holds": "no"},
    ]


def test_impact_exposures_and_weights(api: Api) -> None:
    page = on("Impact")
    assert rows(page)[0] == {"Measure": "Value", "Before": "100,000.00", "After": "99,995.00"}
    assert page.caption[-1].value == "Value changes by the costs alone: -5.18"
    assert on("Exposures").caption[-1].value == "Notional 115.4% before, 100.0% after"
    assert on("Weights").subheader[0].value == "Weights before and after"


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
        ("frontier", 12.35, 7.89), ("frontier", 12.35, 7.89), ("held now", 12.35, 7.89),
    ]  # fmt: skip


def test_the_frontier_is_asked_under_the_limits_chosen(api: Api) -> None:
    page = on("Frontier")
    assert api.asked[-1] == (
        "efficient_frontier", {"portfolio_id": "book", "pricing_pack_id": NEW, "constraints": POLICY},
    )  # fmt: skip
    assert page.warning[-1].value == "few days"


def test_scenarios_and_shocks_of_ones_own(api: Api) -> None:
    page = on("Scenarios")
    assert api.asked[-1] == ("portfolio_stress", {"portfolio_id": "book", "pricing_pack_id": NEW})
    assert [(row["Scenario"], row["Profit"], row["Priced by"]) for row in rows(page)] == [
        ("Crash", -1000, "history")
    ]
    assert page.warning[-1].value == "old prices" and page.caption[-1].value.startswith("Give at least one")
    assert [box.label for box in page.number_input] == ["equity, pct", "rates, bps"]
    page.number_input(key="shock rates_bps").set_value(0.0).run()
    assert api.asked[-1][1]["custom_shocks"] == {"rates_bps": 0.0}
    assert len(page.dataframe) == 2


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
        "Loss": "1,000.00", "Offset": "330.00", "Loss left": "670.00", "Cost": "15.0 bps",
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
