"""Why a trade is done, in words: drift, opinion, limits, orders that were not filled, factors."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from share_lists import FREE, book, trade

from optimizer import (
    Estimates,
    FactorModel,
    Mandate,
    Policy,
    Portfolio,
    Universe,
    build_trades,
    propose,
)
from optimizer.solvers.audit import Binding
from optimizer.trading.rationale import Reasons


def test_rationale_names_drift_exclusion_and_the_binding_limit():
    reasons = Reasons(
        binding=(Binding("max_weight B", 0.5, 0.5, 0.031, "relaxing max_weight B by 1 point helps"),),
        excluded={"A": "quality 4.2 is below the minimum 6.0"},
        previous_target={"A": 0.3, "B": 0.5},
    )
    found = trade(book(0, A=400, B=600), {"A": 10, "B": 10}, {"B": 0.5}, reasons=reasons, costs=FREE)
    text = {r.symbol: r.rationale for r in found.rows}
    assert text["A"] == (
        "Sell the whole position of 40.0%: quality 4.2 is below the minimum 6.0; "
        "drifted +10.00% from the last target; target moved -30.00%"
    )
    assert "relaxing max_weight B by 1 point helps" in text["B"]
    assert found.rows[0].numbers.get("max_weight B shadow_price") is None
    assert {r.symbol: r.numbers for r in found.rows}["B"]["max_weight B shadow_price"] == 0.031
    assert found.rows[0].numbers["drift"] == pytest.approx(0.1)


def test_rationale_tells_an_order_that_was_not_filled_from_drift():
    reasons = Reasons(
        previous_target={"A": 0.5, "B": 0.6},
        unfilled={"A": (10.0, 10.0), "B": (-20.0, -5.0)},
    )
    found = trade(
        book(0, A=400, B=600), {"A": 10, "B": 10}, {"A": 0.5, "B": 0.5}, reasons=reasons, costs=FREE
    )
    text = {r.symbol: r.rationale for r in found.rows}
    assert text["A"] == (
        "Increase weight from 40.0% to 50.0%: the last order to buy 10 shares was not filled; "
        "drifted -9.00% from the last target"
    )
    assert "5 of the last order to sell 20 shares were not filled" in text["B"]
    numbers = {r.symbol: r.numbers for r in found.rows}
    assert numbers["A"]["unfilled"] == pytest.approx(0.01)
    # what was not filled and what drifted add up to the distance from the last target
    assert numbers["B"]["drift"] - numbers["B"]["unfilled"] == pytest.approx(0.6 - 0.6)


@pytest.mark.parametrize(
    ("held", "known"),
    [
        (date(2024, 3, 4), False),
        (date(2024, 3, 5), False),  # of that day's close, after which the order was made
        (date(2024, 3, 6), True),
        (None, True),
    ],
)
def test_holdings_no_newer_than_an_order_do_not_tell_whether_it_was_filled(held: date | None, known: bool):
    reasons = Reasons(
        previous_target={"A": 0.5}, unfilled={"A": (10.0, 4.0)}, ordered_on=date(2024, 3, 5), held_on=held
    )
    expected = "4 of the last order to buy 10 shares were not filled"
    if not known:
        order = "not known whether the last order to buy 10 shares (2024-03-05) was filled"
        expected = f"{order}, as the holdings are of {held}"
    found = trade(
        book(0, A=400, B=600), {"A": 10, "B": 10}, {"A": 0.5, "B": 0.5}, reasons=reasons, costs=FREE
    )
    text = next(row.rationale for row in found.rows if row.symbol == "A")
    assert text.startswith(f"Increase weight from 40.0% to 50.0%: {expected}")


def test_shares_of_a_large_order_are_told_in_full():
    reasons = Reasons(previous_target={"A": 0.5}, unfilled={"A": (1_527_220.0, 1_000_000.0)})
    found = trade(
        book(0, A=400, B=600), {"A": 10, "B": 10}, {"A": 0.5, "B": 0.5}, reasons=reasons, costs=FREE
    )
    text = next(row.rationale for row in found.rows if row.symbol == "A")
    assert "1,000,000 of the last order to buy 1,527,220 shares were not filled" in text


VIEWS_SAID = ": the views move its expected return by {}, the average position's by {}"


@pytest.mark.parametrize(
    ("views", "told"),
    [
        ({"A": 0.01, "B": 0.0}, ("+1.00%", "+0.50%")),
        ({"A": -0.01, "B": -0.02}, ("-1.00%", "-1.50%")),  # bought, for B falls further
        ({"A": 0.01, "B": 0.02}, None),
        ({"A": 0.01, "B": 0.0064}, None),  # ahead of the average by 0.18 points
        ({"A": 0.01, "B": 0.0056}, ("+1.00%", "+0.78%")),
    ],
)
def test_a_change_of_opinion_is_a_reason_where_it_leads_that_of_the_average_position(
    views: dict[str, float], told: tuple[str, str] | None
):
    """Of 40 and 60% to half and half: what is said of A's purchase speaks for B's sale too."""
    held, prices, target = book(0, A=400, B=600), {"A": 10, "B": 10}, {"A": 0.5, "B": 0.5}
    since = Reasons(previous_returns={"A": 0.1, "B": 0.1}, returns={s: v + 0.1 for s, v in views.items()})
    for reasons in Reasons(views=views), since:
        rows = {r.symbol: r for r in trade(held, prices, target, reasons=reasons, costs=FREE).rows}
        name, said = "view_effect", VIEWS_SAID
        if not reasons.views:
            name, said = "expected_return_change", ": expected return moved {}, the average position's {}"
        for symbol, row in rows.items():
            assert row.numbers[name] == pytest.approx(views[symbol])
            assert row.numbers[f"average_{name}"] == pytest.approx((views["A"] + views["B"]) / 2)
            assert ("average position" in row.rationale) == (told is not None)
        assert told is None or rows["A"].rationale.endswith(said.format(*told))


def test_a_change_of_opinion_is_weighed_with_cash_and_by_the_size_of_short_positions():
    """Half is left in cash: A's gain of 1% is 0.25 points on average. Long and short of 75% each it is 0.5 points."""
    policy = Policy(long_only=False, min_weight=-1, cash_max=2.0, risk_free_rate=0.0)
    for target, average in ({"A": 0.25, "B": 0.25}, 0.0025), ({"A": 0.75, "B": -0.75}, 0.005):
        found = trade(
            book(1000),
            {"A": 10, "B": 10},
            target,
            policy,
            reasons=Reasons(views={"A": 0.01, "B": 0.0}),
            costs=FREE,
        )
        assert [row.numbers["average_view_effect"] for row in found.rows] == pytest.approx([average] * 2)


def test_where_turnover_is_scarce_a_change_of_opinion_leads_the_other_purchases_too():
    """A gains more than the average position, but B, bought in A's place, still more; C is the only sale."""
    reasons = Reasons(views={"A": 0.02, "B": 0.03, "C": 0.0})
    binding = Binding("max_turnover", 0.2, 0.2, 0.1, "relaxing max_turnover by 1 point helps")
    held, target = book(0, A=200, B=200, C=600), {"A": 0.3, "B": 0.3, "C": 0.4}
    for scarce, told in (False, "ABC"), (True, "BC"):
        why = replace(reasons, binding=(binding,)) if scarce else reasons
        found = trade(held, dict.fromkeys("ABC", 10), target, reasons=why, costs=FREE)
        assert sorted(row.symbol for row in found.rows if "the views move" in row.rationale) == list(told)


def test_a_name_that_is_sold_for_a_reason_of_its_own_is_not_sold_for_the_views():
    reasons = Reasons(views={"A": -0.05, "B": 0.0}, excluded={"A": "quality 4.2 is below the minimum 6.0"})
    held = book(0, A=400, B=600)
    sold = trade(held, {"A": 10, "B": 10}, {"B": 1.0}, reasons=reasons, costs=FREE).rows[0]
    assert sold.rationale == "Sell the whole position of 40.0%: quality 4.2 is below the minimum 6.0"


def test_a_trade_says_which_factors_it_moves_and_which_limit_binds():
    names = ("A", "B", "C")
    model = FactorModel(
        names, ("market", "momentum", "size"), ("market", "style", "style"),
        np.array([[1.0, 1.2, 0.1], [1.0, -0.5, -1.0], [1.0, 0.1, 0.0]]), np.diag([0.03, 0.01, 0.004]),
        np.array([0.02, 0.03, 0.05]),
    )  # fmt: skip
    estimates = Estimates(names, np.array([0.10, 0.06, 0.05]), model.covariance)
    universe = Universe(names, factors=model.loadings, factor_risk=model.risk)
    policy = Policy(risk_free_rate=0.02, factor_limits={"momentum": (None, 0.3)}, max_weight=0.6)
    book = Portfolio("book", cash=Decimal(1_000_000))
    prices = dict.fromkeys(names, 10.0)
    rows = {
        row.symbol: row
        for row in propose(book, prices, estimates, policy, universe, Mandate(prior="historical")).trades.rows
    }
    bought = rows["A"].achieved_weight
    assert f"momentum by {1.2 * bought:+.3f} (max_factor momentum binds)" in rows["A"].rationale
    assert f"size by {0.1 * bought:+.3f}" in rows["A"].rationale and "market" not in rows["A"].rationale
    assert rows["A"].numbers["momentum exposure"] == pytest.approx(1.2 * bought)
    plain = propose(
        book, prices, estimates, policy, replace(universe, factor_risk=None), Mandate(prior="historical")
    )
    assert not any("moves the exposure" in row.rationale for row in plain.trades.rows)


def test_a_short_position_is_bought_back():
    flat = Policy(method="min_volatility", long_only=False, min_weight=-0.5, cash_max=1.0, risk_free_rate=0.0)
    held = book(1200, A=-40, B=20)
    found = trade(held, {"A": 10, "B": 10}, {"B": 0.2}, policy=flat, costs=FREE)
    [bought] = [row for row in found.rows if row.symbol == "A"]
    assert bought.action == "BUY" and bought.rationale.startswith(
        "Buy back the whole short position of 40.0%"
    )


def test_a_name_that_nothing_moves_is_traded_for_its_return_and_its_share_of_the_risk():
    """Its variances are 0.04 and 0.01, uncorrelated: of 40 and 60% the first bears 64 of 100."""
    known = Estimates(("A", "B"), np.array([0.05, 0.03]), np.diag([0.04, 0.01]))
    asked = {"A": 10, "B": 10}, {"B": 1.0}, known, Policy(cash_max=1.0), Universe(known.symbols)
    held = book(0, A=400, B=600)
    for returns, said in ({}, ""), ({"A": 0.05}, "its expected return is 5.0% a year, "):
        found = build_trades(held, *asked, reasons=Reasons(returns=returns), costs=FREE)
        rows = {row.symbol: row for row in found.rows}
        told = f"{said}its share of the risk goes from 64.0% to 0.0%"
        assert rows["A"].rationale == f"Sell the whole position of 40.0%: {told}"
        assert rows["B"].numbers["risk_share_before"] == pytest.approx(0.36)
        assert rows["B"].numbers["risk_share_after"] == 1.0
    bought = build_trades(book(1000), *asked, costs=FREE).rows[0]
    assert (
        bought.rationale
        == "Increase weight from 0.0% to 100.0%: its share of the risk goes from 0.0% to 100.0%"
    )
    against = Estimates(("A", "B"), np.array([0.05, 0.03]), np.array([[0.04, -0.01], [-0.01, 0.01]]))
    hedge = build_trades(book(0, A=1000), asked[0], {"A": 0.4, "B": 0.6}, against, *asked[3:], costs=FREE)
    said = next(row.rationale for row in hedge.rows if row.symbol == "B")
    assert said == "Increase weight from 0.0% to 60.0%: its share of the risk goes from 0.0% to 23.1%"
    drifted = build_trades(held, *asked, reasons=Reasons(previous_target={"A": 0.0}), costs=FREE)
    assert "share of the risk" not in next(row.rationale for row in drifted.rows if row.symbol == "A")


def test_a_name_that_is_closed_to_the_portfolio_is_sold_for_the_reason_given():
    known = Estimates(("A", "B"), np.array([0.05, 0.03]), np.diag([0.04, 0.01]))
    policy = Policy(method="min_volatility", risk_free_rate=0.0)
    for closed in {}, {"A": "it may not be held: tobacco"}:
        found = propose(
            book(0, A=400, B=600), {"A": 10, "B": 10}, known, policy, Universe(known.symbols),
            Mandate(investable=("B",), prior="historical", closed=closed),
        )  # fmt: skip
        sold = next(row for row in found.trades.rows if row.symbol == "A")
        said = closed.get("A", "it is not in the portfolio's universe")
        assert sold.rationale.startswith(f"Sell the whole position of 40.0%: {said}")
