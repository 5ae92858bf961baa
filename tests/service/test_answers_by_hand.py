"""Answers of the service against sums made here: percents, signs, orders, both sides, and what is refused."""

import asyncio
from dataclasses import replace
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from service_desk import PACK, PORTFOLIO

from optimizer import DataError, Estimates, FrozenPosition, Policy, PolicyError, Portfolio
from resources.results.pack_inputs import Inputs
from service import OptimizerService, proposals, stresses
from service import frontier as frontiers
from service.answers.answer import plain
from service.desk import Desk
from service.impacts import traded
from service.proposals import shares
from service.settings import Settings
from service.stresses import _after, chosen_scenarios


def ask(question: Any) -> dict[str, Any]:
    return dict(asyncio.run(question))


def place(answer: dict[str, Any]) -> tuple[Any, ...]:
    return answer["portfolio_id"], answer["pricing_pack_id"], answer["asof_date"].isoformat()


HERE = (PORTFOLIO, PACK, "2025-10-26")
SELL = {"symbol": "AAPL", "action": "SELL", "quantity": 100}


def test_a_proposal_adds_up(service: OptimizerService) -> None:
    found = ask(service.propose_trades("seed", {"max_turnover_pct": 30.0}, PACK))
    orders = {"BUY": Decimal(0), "SELL": Decimal(0), "HOLD": Decimal(0)}
    for trade in found["trades"]:
        orders[trade["action"]] += trade["trade_value"]
        sign = {"BUY": 1, "SELL": -1, "HOLD": 0}[trade["action"]]
        assert trade["target_shares"] == trade["current_shares"] + sign * trade["quantity"]
        assert trade["current_weight_pct"] == pytest.approx(
            100 * trade["current_shares"] * float(trade["current_price"]) / float(found["current_value"]),
            rel=1e-4,
        )
        assert trade["security_id"] == trade["symbol"]
    assert place(found) == HERE and found["portfolio_name"] == "seed"
    assert found["trade_count"] == len(found["trades"]) == 3
    assert found["total_turnover"] == orders["BUY"] + orders["SELL"]
    assert found["turnover_pct"] == pytest.approx(
        100 * float(found["total_turnover"] / found["current_value"])
    )
    assert found["turnover_one_way_pct"] == pytest.approx(found["turnover_pct"] / 2)
    assert found["cost_bps"] == pytest.approx(1e4 * float(found["estimated_costs"] / found["current_value"]))
    assert (
        found["cash_after"]
        == found["cash_before"] + orders["SELL"] - orders["BUY"] - found["estimated_costs"]
    )
    assert found["post_rebalance_value"] == found["current_value"] - found["estimated_costs"]
    [turnover] = [check for check in found["constraints"] if check["constraint"] == "max_turnover"]
    assert (turnover["limit"], turnover["achieved"]) == pytest.approx((0.30, found["turnover_pct"] / 100))
    assert turnover["slack"] == pytest.approx(turnover["limit"] - turnover["achieved"])
    assert "Trades scaled down to meet 30.0% turnover limit" in found["warnings"]
    assert sum("turnover" in text for text in found["warnings"]) == 1
    sold = [trade for trade in found["trades"] if trade["quantity"]]
    change = ask(service.analyze_impact("seed", [{key: t[key] for key in SELL} for t in sold], PACK))
    for side in ("current", "post"):  # the impact counts no costs
        assert found[f"{side}_volatility_pct"] == pytest.approx(100 * change[f"{side}_vol"], rel=0.01)
        assert found[f"{side}_sharpe"] == pytest.approx(change[f"{side}_sharpe"], rel=0.05)
        assert found[f"te_{side}"] == pytest.approx(100 * change[f"{side}_tracking_error"], rel=0.01)
    unbound = ask(service.propose_trades("seed", {}, PACK))
    assert found["turnover_without_limit_pct"] == pytest.approx(unbound["turnover_pct"], abs=1.0)
    assert "turnover_without_limit_pct" not in unbound or unbound["turnover_without_limit_pct"] is None
    assert not any("turnover limit" in text for text in unbound["warnings"])


def test_the_impact_has_both_sides_and_their_differences(service: OptimizerService) -> None:
    found = ask(service.analyze_impact("seed", [SELL | {"estimated_cost": 12.5}], PACK))
    assert place(found) == HERE
    assert (found["estimated_costs"], found["value_delta"]) == (Decimal("12.50"), Decimal("-12.50"))
    assert found["post_rebalance_value"] == found["current_value"] - Decimal("12.50")
    pairs = {"vol": "vol", "expected_return": "expected_return", "sharpe": "sharpe", "max_dd": "max_dd"}
    pairs |= {"avg_quality": "avg_quality"}
    for name in pairs:
        assert found[f"delta_{name}"] == pytest.approx(
            found[f"post_{name}"] - found[f"current_{name}"], abs=1e-12
        )
        assert found[f"delta_{name}"] != 0
    assert found["te_delta"] == pytest.approx(found["post_tracking_error"] - found["current_tracking_error"])
    assert found["delta_concentration"] == pytest.approx(
        found["post_concentration_top10"] - found["current_concentration_top10"], abs=1e-9
    )
    assert 99 < found["current_concentration_top10"] <= 100  # three names and little cash, percent
    value = float(found["current_value"])
    assert found["post_cash"] - found["current_cash"] == pytest.approx(
        (100 * float(service_price(service, "AAPL")) - 12.5) / value, abs=1e-4
    )
    assert found["warnings"] == []
    whole = ask(service.analyze_impact("seed", [SELL], PACK))
    price = service_price(service, "AAPL")
    assert whole["estimated_costs"] == pytest.approx(
        Decimal(str(round(5 + 100 * price * 0.0015, 2))), abs=Decimal("0.01")
    )


def service_price(service: OptimizerService, symbol: str) -> float:
    return service.desk.case(PACK, "seed").case.prices[symbol]


def test_trades_that_overdraw_the_cash_are_told_by_how_much(service: OptimizerService) -> None:
    price = service_price(service, "AAPL")
    over = ask(service.analyze_impact("seed", [SELL | {"action": "BUY", "estimated_cost": 1.0}], PACK))
    [warning] = over["warnings"]
    cash = float(service.desk.case(PACK, "seed").case.portfolio.cash)
    assert warning == f"The trades overdraw the cash by {round(100 * price, 2) + 1 - cash:,.2f} USD"
    spent = {"symbol": "AAPL", "action": "BUY", "quantity": 1, "estimated_cost": cash - round(price, 2)}
    for more, told in ((0.0, 0), (0.01, 0), (0.02, 1)):  # a cent is no overdraft
        stated = spent | {"estimated_cost": round(spent["estimated_cost"] + more, 2)}
        assert len(ask(service.analyze_impact("seed", [stated], PACK))["warnings"]) == told


def test_all_that_is_held_may_be_sold_and_no_share_more(service: OptimizerService) -> None:
    found = ask(service.analyze_impact("seed", [SELL | {"quantity": 500}], PACK))
    assert found["post_cash"] > found["current_cash"]
    with pytest.raises(PolicyError, match="AAPL: 501 are sold, and fewer are held"):
        ask(service.analyze_impact("seed", [SELL | {"quantity": 501}], PACK))
    with pytest.raises(PolicyError, match="SPY: 1 are sold"):
        ask(service.analyze_impact("seed", [SELL | {"symbol": "SPY", "quantity": 1}], PACK))


def test_trades_are_signed_by_their_action_and_refused_when_they_are_none() -> None:
    buy, hold = (
        SELL | {"symbol": "B", "action": "BUY", "estimated_cost": 2},
        SELL | {"symbol": "H", "action": "HOLD"},
    )
    assert traded([SELL, buy, hold, SELL | {"symbol": "Z", "quantity": 0}]) == {
        "AAPL": (Decimal(-100), None), "B": (Decimal(100), Decimal(2)),
    }  # fmt: skip
    for wrong, said in (
        ([{"symbol": "A", "action": "BUY"}], "it needs symbol, quantity and an action"),
        ([SELL | {"action": "SHORT"}], "it needs symbol, quantity and an action"),
        ([SELL | {"quantity": -1}], "trade AAPL: quantity is -1; it is >= 0"),
        ([SELL, SELL], "two trades in AAPL; give one"),
    ):
        with pytest.raises(PolicyError, match=said):
            traded(wrong)
    assert [shares(Decimal("3.0")), shares(Decimal("0.25")), shares(Decimal(-7))] == [3, 0.25, -7]
    assert [type(shares(Decimal(text))) for text in ("3.0", "0.5")] == [int, float]


def test_a_rating_is_a_score_from_0_to_10_of_a_name_held() -> None:
    case: Any = SimpleNamespace(inputs=SimpleNamespace(universe=SimpleNamespace(symbols=("A", "B"))))
    assert proposals._ratings({"A": 0, "B": 10}, case) == {"A": 0.0, "B": 10.0}
    for wrong, said in (
        ({"A": -0.1}, "a score is a number from 0 to 10"), ({"B": 10.1}, "a score is a number from 0 to 10"),
        ({"C": 5, "A": 99}, "ratings of C: not in the portfolio; it has A, B"),
    ):  # fmt: skip
        with pytest.raises(PolicyError, match=said):
            proposals._ratings(wrong, case)


def test_an_empty_portfolio_has_nothing_to_trade(service: OptimizerService) -> None:
    found = ask(service.propose_trades("empty", {"method": "min_volatility"}, PACK))
    zero = ("trade_count", "total_turnover", "turnover_pct", "turnover_one_way_pct", "estimated_costs", "cost_bps",
            "current_value", "post_rebalance_value", "cash_before", "cash_after")  # fmt: skip
    assert [found[name] for name in zero] == [0] * len(zero)
    assert (found["method"], found["constraints_met"], found["warnings"]) == (
        "min_volatility", True, ["No positions found"],
    )  # fmt: skip
    assert np.isnan([found["post_sharpe"], found["te_current"], found["current_volatility_pct"]]).all()
    stress = ask(service.portfolio_stress("empty", PACK, ["equity_selloff"]))
    assert [(s["profit"], s["profit_pct"]) for s in stress["scenarios"]] == [(0.0, 0.0)]
    regime = ask(service.suggest_deleveraging_hedges("empty", "DELEVERAGING", PACK))
    assert "No positions found" in regime["warnings"] and regime["total_sold"] == 0


def test_scenarios_are_shares_of_the_value_the_worst_holding_first(service: OptimizerService) -> None:
    found = ask(service.portfolio_stress("seed", PACK, ["equity_selloff"], {"equity_pct": -10.0}))
    loaded = service.desk.case(PACK, "seed").case
    value = float(loaded.portfolio.total_value(loaded.prices))
    assert place(found) == HERE and found["current_value"] == pytest.approx(value)
    assert {one["scenario_id"] for one in found["scenarios"]} == {"equity_selloff", "custom"}
    profits = [one["profit"] for one in found["scenarios"]]
    assert profits == sorted(profits)
    for one in found["scenarios"]:
        assert one["profit_pct"] == pytest.approx(100 * one["profit"] / value)
        parts = [position["profit"] for position in one["positions"]]
        assert parts == sorted(parts) and sum(parts) == pytest.approx(one["profit"])
        assert sum(one["by_factor"].values()) + one["compounding"] == pytest.approx(one["profit"])
    [custom] = [one for one in found["scenarios"] if one["scenario_id"] == "custom"]
    assert (custom["name"], custom["shocks"]["equity"]) == ("Custom shocks", pytest.approx(-0.1))
    books = service.desk.playbooks
    assert [one.id for one in chosen_scenarios(books, None, None)] == list(books.scenarios)
    assert [one.id for one in chosen_scenarios(books, [], {"equity": -0.1})] == ["custom"]


def test_hedges_add_up_to_what_they_leave(service: OptimizerService) -> None:
    found = ask(service.suggest_hedges("mixed", "equity_selloff", PACK))
    loaded = service.desk.case(PACK, "mixed").case
    value = float(loaded.portfolio.total_value(loaded.prices))
    hedges = found["hedges"]
    assert found["suggestions_count"] == len(hedges) > 1
    assert found["loss_pct"] == pytest.approx(100 * found["loss"] / value)
    assert found["total_notional"] == pytest.approx(sum(one["notional"] for one in hedges))
    assert found["expected_offset"] == pytest.approx(sum(one["expected_offset"] for one in hedges))
    assert found["residual_loss"] == pytest.approx(found["loss"] - found["expected_offset"])
    assert found["total_cost"] == pytest.approx(sum(one["estimated_cost"] for one in hedges))
    assert found["total_cost_bps"] == pytest.approx(1e4 * found["total_cost"] / value)
    for one in hedges:
        assert one["cost_bps"] == pytest.approx(1e4 * one["estimated_cost"] / value)
        assert one["expected_offset_pct"] == pytest.approx(100 * one["expected_offset"] / found["loss"])
    [stressed] = ask(service.portfolio_stress("mixed", PACK, ["equity_selloff"]))["scenarios"]
    assert (found["loss"], found["loss_standard_error"]) == pytest.approx(
        (-stressed["profit"], stressed["standard_error"])
    )
    tight = ask(service.suggest_hedges("mixed", "equity_selloff", PACK, max_cost_bps=2.0))
    assert tight["total_cost_bps"] <= 2.0 < found["total_cost_bps"]


def test_a_regimes_orders_are_added_by_side(service: OptimizerService) -> None:
    found = ask(service.suggest_deleveraging_hedges("mixed", "LATE_EXPANSION", PACK))
    orders = [order for one in found["recommendations"] for order in one["trades"]]
    sold = sum((o["trade_value"] for o in orders if o["action"] == "SELL"), Decimal(0))
    bought = sum((o["trade_value"] for o in orders if o["action"] == "BUY"), Decimal(0))
    assert orders and (found["total_sold"], found["total_bought"]) == (sold, bought)
    assert found["estimated_costs"] == sum((o["estimated_cost"] for o in orders), Decimal(0))
    assert found["estimated_costs"] == sum(
        (one["estimated_cost"] for one in found["recommendations"]), Decimal(0)
    )
    for one in found["recommendations"]:
        assert ("target_reduction_pct" in one) != ("target_allocation_pct" in one)
        target = one.get("target_reduction_pct", one.get("target_allocation_pct"))
        assert 1 <= target <= 100
        if one["trades"]:
            assert abs(one["achieved_pct"] - one["wanted_pct"]) < abs(one["current_pct"] - one["wanted_pct"])
    assert found["current_vol"] > 0 and found["post_vol"] != found["current_vol"]
    with pytest.raises(PolicyError, match="there is no regime 'BOOM'; there are "):
        ask(service.suggest_deleveraging_hedges("mixed", "BOOM", PACK))


def test_what_is_held_after_orders_of_both_sides() -> None:
    def order(symbol: str, action: str, value: str) -> Any:
        return SimpleNamespace(symbol=symbol, action=action, value=Decimal(value))

    advised: Any = [
        SimpleNamespace(orders=[order("A", "SELL", "40"), order("B", "BUY", "15")]),
        SimpleNamespace(orders=[order("A", "SELL", "10")]),
    ]
    before = {"A": 100.0, "C": 5.0}
    assert _after(before, advised) == {"A": 50.0, "B": 15.0, "C": 5.0}
    assert before == {"A": 100.0, "C": 5.0}


def test_a_frontier_point_counts_what_cash_earns() -> None:
    believed = Estimates(("A", "B"), np.array([0.10, 0.04]), np.array([[0.04, 0.0], [0.0, 0.01]]))
    point = frontiers._point(np.array([0.5, 1e-7]), believed, Policy(risk_free_rate=0.03))
    assert point.expected_return == pytest.approx(0.5 * 0.10 + 0.5 * 0.03, abs=1e-7)
    assert point.volatility == pytest.approx(0.1, abs=1e-7)
    assert point.weights == {"A": 0.5}
    bare = frontiers._point(np.array([0.5, 0.5]), believed, Policy(risk_free_rate=None))
    assert bare.expected_return == pytest.approx(0.07)
    blind = frontiers._point(np.array([1.0, 0.0]), replace(believed, mean=None), Policy(risk_free_rate=0.03))
    assert blind.expected_return == 0.0


def test_a_frontier_with_cash_begins_in_cash_and_earns_the_rate(service: OptimizerService) -> None:
    policy = {
        "cash_max_pct": 60.0,
        "max_single_position_pct": 80.0,
        "risk_free_rate": 0.02,
        "max_turnover_pct": 5.0,
    }
    parsed = service._parse_policy(policy)
    found = frontiers.frontier(service.desk.case(PACK, "seed", parsed))
    least, most = found.points[0], found.points[-1]
    assert sum(least.weights.values()) == pytest.approx(0.4, abs=1e-4)  # as much cash as allowed
    assert sum(most.weights.values()) > 0.9  # the limit on turnover, of 5%, is left out
    assert len(found.points) == 12
    believed = service.desk.case(PACK, "seed", parsed).case
    held = believed.portfolio.get_weights(believed.prices)
    assert found.current is not None
    assert found.current.weights == {s: pytest.approx(w, abs=1e-6) for s, w in held.items() if w}
    means = np.linalg.lstsq(
        np.array([[p.weights.get(s, 0.0) for s in ("AAPL", "RY", "XIU")] for p in found.points]),
        np.array([p.expected_return - 0.02 for p in found.points]), rcond=None,
    )[0]  # fmt: skip
    for p in found.points:
        excess = sum(p.weights.get(s, 0.0) * m for s, m in zip(("AAPL", "RY", "XIU"), means, strict=True))
        assert p.expected_return == pytest.approx(0.02 + excess, abs=1e-5)
    short = frontiers.frontier(service.desk.case(PACK, "newcomers"))
    assert (short.current, short.points) == (None, [])
    assert short.warnings[-1].startswith("Insufficient data for a frontier (") and short.warnings[
        -1
    ].endswith("days)")


def test_a_frontier_says_what_its_portfolios_say(service: OptimizerService) -> None:
    """Three names of at most 30% leave 10% in cash, which the trades under the same policy tell too."""
    capped = service._parse_policy({"max_single_position_pct": 30.0, "risk_free_rate": 0.02})
    found = frontiers.frontier(service.desk.case(PACK, "seed", capped))
    assert sum(found.points[0].weights.values()) == pytest.approx(0.9, abs=1e-4)
    assert found.warnings.count("the limits leave 10.0% in cash, more than cash_max 0.0%") == 1


def test_rules_of_when_to_trade_are_said_not_to_be_asked(service: OptimizerService) -> None:
    ruled = service._parse_policy({"risk_free_rate": 0.02, "rebalance": {"do_not_trade": "merger"}})
    answer = service.proposal("seed", ruled, PACK)
    assert any(said.endswith("its do_not_trade holds: merger") for said in answer.warnings), answer.warnings


def test_the_seeds_helpers(service: OptimizerService) -> None:
    values = [{"value": Decimal(number)} for number in range(1, 13)] + [{"value": -22}]
    assert service._calculate_concentration_top10(values) == pytest.approx(100 * (22 + 75 - 3) / 100)
    assert service._calculate_concentration_top10([]) == 0.0
    policy = service._parse_policy({"commission_per_trade": 7.0, "market_impact_bps": 20.0})
    assert service._estimate_trade_cost(Decimal("1234.56"), policy) == Decimal("9.47")


def test_json_has_numbers_texts_and_nulls() -> None:
    nan = float("nan")
    value = {
        1: [Decimal("1.5"), (nan, float("inf"))],
        "day": date(2024, 1, 2),
        "text": "x",
        "no": None,
    }
    assert plain(value) == {"1": [1.5, [None, None]], "day": "2024-01-02", "text": "x", "no": None}


def test_no_regime_is_a_named_lack(service: OptimizerService, monkeypatch: pytest.MonkeyPatch) -> None:
    from service import optimizer_service

    monkeypatch.setattr(
        optimizer_service, "regime_of", lambda con, pack: {"regime": None, "problems": ["a", "b"]}
    )
    with pytest.raises(DataError, match=r"no regime is detected \(a; b\): name one"):
        service.detected_regime(PACK)


class AskedError(Exception):
    """The plan was asked for."""


def test_custom_shocks_and_custom_factors_are_one_scenario_each() -> None:
    books: Any = SimpleNamespace(require=lambda file: None, scenarios={"known": "the known one"})
    shocks, factors = chosen_scenarios(books, None, {"equity": -0.2}, {"market": -0.1})
    assert (shocks.id, shocks.shocks, factors.id, factors.factors) == (
        "custom", {"equity": -0.2}, "custom_factors", {"market": -0.1},
    )  # fmt: skip
    assert chosen_scenarios(books, None, None) == ["the known one"]


@pytest.mark.parametrize(
    ("nav", "values", "error"),
    [(0.5, {"A": 0.5}, AskedError), (0.0, {"A": 0.5}, PolicyError), (0.5, {}, PolicyError)],
)
def test_a_small_book_is_hedged_and_an_empty_one_refused(
    nav: float, values: dict[str, float], error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan(model: Any, held: dict[str, float], *others: Any, **more: Any) -> None:
        assert held == {"A": 1.0}
        raise AskedError

    monkeypatch.setattr(stresses, "_covering", lambda desk, book: None)
    monkeypatch.setattr(stresses, "plan_factor_hedges", plan)
    named = SimpleNamespace(snapshot=SimpleNamespace(name="book"))
    book: Any = SimpleNamespace(
        nav=nav, values=values, markets={}, case=named, pack=SimpleNamespace(id="PP_2024-01-02")
    )
    with pytest.raises(error):
        stresses.factor_hedges_answer(SimpleNamespace(), book, {}, [])  # type: ignore[arg-type]


def test_funds_without_a_price_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the example's prices a fund was to be added, where six stood in the catalogue."""
    monkeypatch.setattr(stresses, "_covering", lambda desk, book: None)
    market = SimpleNamespace(price=10.0)
    book: Any = SimpleNamespace(
        nav=100.0, values={"A": 100.0}, markets={"SPX": market}, pack=SimpleNamespace(id="PP_2024-01-02")
    )
    instruments: Any = [
        SimpleNamespace(symbol=symbol, kind=kind)
        for symbol, kind in (("TLT", "etf"), ("SPX", "option"), ("DBC", "etf"))
    ]
    with pytest.raises(
        PolicyError, match=r"funds in hedges.yaml \(DBC, TLT\) has a price in PP_2024-01-02: "
    ):
        stresses.factor_hedges_answer(SimpleNamespace(), book, {"market": 0.1}, instruments)  # type: ignore[arg-type]


def test_an_older_price_is_told_once_in_every_answer(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "No price since 2025-10-22, whose close is taken: AAPL"
    monkeypatch.setattr(Inputs, "old_prices", lambda inputs: [said])
    service = OptimizerService(Desk(settings))
    traded = asyncio.run(service.propose_trades("seed", {"method": "risk_parity"}, PACK))
    changed = asyncio.run(service.analyze_impact("seed", traded["trades"][:1], PACK))
    service.desk.published.close()
    assert traded["warnings"].count(said) == 1 and said in changed["warnings"]


def test_a_book_that_holds_what_is_frozen_is_answered(service: OptimizerService) -> None:
    """Every proposal was refused: "the portfolio holds OLD, not among the 5 symbols"."""
    loaded = service.desk.case(PACK, PORTFOLIO)
    case = loaded.case
    old = FrozenPosition("OLD", Decimal(10), 50.0, 1.0, date(2022, 1, 3), weight=0.02)
    book = Portfolio("book", case.portfolio.cash + old.value, case.portfolio.positions)
    frozen = replace(case, portfolio=book, mandate=replace(case.mandate, frozen=(old,)))
    found = proposals.proposed(replace(loaded, case=frozen), None)
    assert [(one.action, one.currency) for one in found.trades if one.symbol == "OLD"] == [("HOLD", None)]
    assert any(trade.action != "HOLD" for trade in found.trades)
    assert any("OLD has no price" in said for said in found.warnings)
