"""The tabs of the screen over an API that knows three packs and two portfolios, whose figures are round."""

from typing import Any

import pytest
from screen_api import ASKED, BOOK, IMPACT, NEW, OLD, POLICY, SCENARIO, SEEN, Api, on, rows, run
from streamlit.testing.v1 import AppTest

from service.screen.client import AnswerError, Client


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
        ("held now", 12.35, 7.89), ("proposed", 12.35, 7.89), ("frontier", 12.35, 7.89), ("frontier", 12.35, 7.89),
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
    assert [box.label for box in page.main.number_input] == ["equity, %", "rates, bps"]
    page.number_input(key="shock rates_bps").set_value(0.0).run()
    assert api.asked[-1][1]["custom_shocks"] == {"rates_bps": 0.0}
    assert len(page.dataframe) == 2


def test_a_book_that_no_scenario_moves_has_no_chart_of_zeros(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    priced = Client.execute

    def calm(client: Client, pattern: str, **inputs: Any) -> Any:
        found = priced(client, pattern, **inputs)
        still = {"scenarios": [SCENARIO | {"profit": 0.0, "profit_pct": 0.0}]}
        return found | still if pattern == "portfolio_stress" else found

    assert on("Scenarios").get("vega_lite_chart")
    monkeypatch.setattr(Client, "execute", calm)
    page = on("Scenarios")
    assert not page.get("vega_lite_chart") and rows(page)[0]["Profit %"] == 0
    assert page.info[0].value == "Nothing that is held moves under a scenario."


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
    line = rows(page)[0]
    assert page.markdown[-1].value == f"- **{line['Action']} IWM**: {line['Reason']}" and line["Reason"]


def test_the_regime_seen_is_chosen_and_its_playbook_applied(api: Api) -> None:
    page = on("Regime")
    asked = {"portfolio_id": "book", "pricing_pack_id": NEW, "regime": "REFLATION"}
    assert api.asked[-1] == ("suggest_deleveraging_hedges", asked)
    assert page.markdown[-2].value == page.markdown[-1].value == "**Reduce equity**: it is late"
    assert [caption.value for caption in page.caption][-3:] == [
        "The published figures look like REFLATION: score 0.76 of 1, 0.12 before the next. "
        "A score is not a probability.",
        "Held of it: AAA; could be bought: TLT, IEF. Before this step 60.0%, wanted 30.0%, after it 31.3% of the "
        "portfolio.",
        "Held of it: nothing. Before this step 60.0%, wanted 30.0%, after it 31.3% of the portfolio.",
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


def test_trades_that_fail_leave_none_of_before_on_the_page(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    page = on("Trades")

    def refuse(client: Client, pattern: str, **inputs: Any) -> Any:
        raise AnswerError("max_turnover_pct and max_sector_pct conflict")

    monkeypatch.setattr(Client, "execute", refuse)
    page.button[0].click().run()
    assert page.error[0].value == "max_turnover_pct and max_sector_pct conflict" and not page.metric
