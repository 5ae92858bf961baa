from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import product

import numpy as np
import pytest
from draws import examples
from hypothesis import given
from hypothesis import strategies as st

from optimizer import (
    CostModel,
    DataError,
    Estimates,
    FactorModel,
    InfeasibleError,
    Mandate,
    Policy,
    PolicyError,
    Portfolio,
    Position,
    Universe,
    build_trades,
    propose,
)
from optimizer.trading.rationale import Reasons

FREE = CostModel(commission=0.0, impact_bps=0.0)


def estimates(symbols, seed=0):
    rng = np.random.default_rng(seed)
    loads = rng.normal(0.15, 0.05, (len(symbols), 1))
    covariance = loads @ loads.T + np.diag(rng.uniform(0.1, 0.3, len(symbols)) ** 2)
    return Estimates(tuple(symbols), None, covariance)


def book(cash, **shares):
    return Portfolio("book", cash, {s: Position(s, q) for s, q in shares.items()})


def trade(portfolio, prices, target, policy=None, **options):
    symbols = sorted({*portfolio.positions, *target})
    setting = (
        estimates(symbols),
        policy or Policy(cash_max=1.0),
        options.pop("universe", Universe(tuple(symbols))),
    )
    return build_trades(portfolio, prices, target, *setting, **options)


def assert_adds_up(found):
    assert found.bought + found.costs == found.sold + (found.cash_before - found.cash_after)
    assert found.nav_after == found.nav_before - found.costs
    assert found.cash_after >= 0
    assert sum(found.weights().values()) + float(found.cash_after / found.nav_after) == pytest.approx(
        1, abs=1e-9
    )
    for row in found.rows:
        signed = row.quantity * {"BUY": 1, "SELL": -1, "HOLD": 0}[row.action]
        assert row.target_quantity == row.current_quantity + signed
        assert row.value == pytest.approx(row.quantity * row.price, abs=Decimal("0.0002"))


def test_both_turnovers_of_the_reference_case():
    found = trade(
        book(15000, A=400, B=500), {"A": 100, "B": 90}, {"A": 0.50, "B": 0.342}, costs=FREE, aversion=1e6
    )
    assert [(r.action, r.quantity, r.symbol) for r in found.rows] == [("SELL", 120, "B"), ("BUY", 100, "A")]
    assert found.turnover_two_way == pytest.approx(0.2080, abs=1e-12)
    assert found.turnover == pytest.approx(0.1040, abs=1e-12)
    assert_adds_up(found)


def test_a_desk_list_with_its_rationales_and_holds():
    found = trade(
        book(2000, AAPL=100, RY=400, XIU=1000),
        {"AAPL": "232.50", "RY": "110.00", "XIU": "30.00"},
        {"AAPL": 0.30, "RY": 0.36, "XIU": 30000 / 99250},
        Policy(cash_max=1.0),
    )
    rows = {r.symbol: r for r in found.rows}
    assert [r.action for r in found.rows] == ["SELL", "BUY", "HOLD"]
    assert rows["XIU"].rationale == "No change (already at target weight)"
    assert rows["RY"].rationale.startswith("Decrease weight from 44.3% to ")
    assert rows["AAPL"].cost == 5 + rows["AAPL"].value * Decimal("0.0015")
    assert_adds_up(found)


def test_full_investment_pays_costs_out_of_the_purchases():
    found = trade(
        book("100000"), {"A": "97.13", "B": "3.07", "C": 411}, {"A": 0.5, "B": 0.3, "C": 0.2}, Policy()
    )
    assert_adds_up(found)
    assert float(found.cash_after) < 411
    assert found.tracking_error < 1e-3


def test_a_usd_and_a_cad_line_convert_at_the_given_rates_and_a_missing_rate_is_an_error():
    held = book(1000, AAPL=10, RY=20)
    prices, target = {"AAPL": 200, "RY": "110"}, {"AAPL": 0.5, "RY": 0.3}
    found = trade(held, prices, target, fx={"AAPL": 1, "RY": "0.7314"}, costs=FREE)
    assert found.nav_before == 1000 + 2000 + Decimal("2200") * Decimal("0.7314")
    ry = next(r for r in found.rows if r.symbol == "RY")
    assert (ry.local_price, ry.price) == (110, Decimal("80.4540"))
    assert_adds_up(found)
    with pytest.raises(DataError, match="RY has no exchange rate"):
        trade(held, prices, target, fx={"AAPL": 1})
    with pytest.raises(DataError, match="RY has no price"):
        trade(held, {"AAPL": 200}, target)


def test_caps_hold_on_what_is_left_after_costs():
    target = dict.fromkeys("ABCD", 0.25)
    found = trade(
        book(50_000), {"A": 11, "B": 13, "C": 17, "D": 19}, target, Policy(max_weight=0.25, cash_max=1.0)
    )
    assert found.constraints_met
    assert max(found.weights().values()) <= 0.25
    check = next(c for c in found.constraints if c.constraint == "max_weight")
    assert check.limit == 0.25
    assert 0 <= check.slack < 0.001
    assert_adds_up(found)


def test_turnover_and_sectors_hold_on_whole_shares():
    universe = Universe(("A", "B", "C"), sectors={"A": "Tech", "B": "Tech", "C": "Bank"})
    policy = Policy(max_turnover=0.05, max_sector=0.7, cash_max=1.0)
    found = trade(
        book(0, A=300, B=300, C=400),
        {"A": 100, "B": 101, "C": 99},
        {"A": 0.25, "B": 0.303, "C": 0.445},
        policy,
        universe=universe,
    )
    assert found.constraints_met
    assert found.turnover <= 0.05
    assert {"max_turnover", "max_sector Tech", "max_sector Bank", "cash_min"} <= {
        c.constraint for c in found.constraints
    }


def test_a_limit_that_the_target_breaks_is_reported_not_hidden():
    found = trade(
        book(0, A=600, B=400),
        {"A": 100, "B": 100},
        {"A": 0.5, "B": 0.4},
        Policy(max_weight=0.15, cash_max=1.0),
    )
    assert not found.constraints_met
    assert any("max_weight is 0.5" in warning for warning in found.warnings)
    assert found.weights()["A"] < 0.505


def test_small_trades_are_left_out_and_say_so():
    found = trade(
        book(5000, A=100, B=101),
        {"A": 100, "B": 100},
        {"A": 0.41, "B": 0.40},
        Policy(cash_max=1.0, min_trade_value=500),
    )
    assert {r.action for r in found.rows} == {"HOLD"}
    assert "below the minimum trade of 1.99%" in found.rows[0].rationale
    assert found.costs == 0


def test_names_without_a_target_are_sold_out_odd_lots_and_fractions_included():
    found = trade(
        book(0, A="10.5", B=100), {"A": 50, "B": 20}, {"B": 0.9}, lots={"A": 10, "B": 10}, costs=FREE
    )
    sale = found.rows[0]
    assert (sale.action, sale.quantity, sale.target_quantity) == ("SELL", Decimal("10.5"), 0)
    assert sale.rationale == "Sell the whole position of 20.8%"
    assert all(r.target_quantity % 10 == 0 for r in found.rows)


def test_fractional_shares_reach_the_target():
    found = trade(book(1000), {"A": 700, "B": 333}, {"A": 0.5, "B": 0.5}, Policy(), lots="0.0001", costs=FREE)
    assert found.tracking_error < 1e-5
    assert 0 <= found.cash_after < Decimal("0.1")
    assert_adds_up(found)


def test_rationale_names_drift_exclusion_and_the_binding_limit():
    from optimizer.solvers.audit import Binding

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


def test_a_change_of_opinion_is_a_reason_only_for_a_trade_in_its_direction():
    reasons = Reasons(views={"A": 0.01, "B": 0.02}, previous_returns={"A": 0.1}, returns={"A": 0.05})
    found = trade(
        book(0, A=400, B=600), {"A": 10, "B": 10}, {"A": 0.5, "B": 0.5}, reasons=reasons, costs=FREE
    )
    rows = {r.symbol: r for r in found.rows}
    assert rows["A"].rationale.endswith(": the views move its expected return by +1.00%")
    assert "view" not in rows["B"].rationale
    assert rows["A"].numbers["expected_return_change"] == pytest.approx(-0.05)
    assert rows["B"].numbers["view_effect"] == 0.02


def test_a_band_leaves_names_near_their_target_alone():
    found = trade(
        book(1000, A=30, B=30, C=30), {"A": 100, "B": 100, "C": 100}, {"A": 0.32, "B": 0.22, "C": 0.0},
        Policy(cash_max=1.0), band=0.05,
    )  # fmt: skip
    assert {r.symbol: r.action for r in found.rows} == {"A": "HOLD", "B": "SELL", "C": "SELL"}
    assert found.rows[-1].rationale.startswith("No change (2.00% from target")


def test_borrowing_keeps_to_its_limit_and_shorts_are_allowed_when_the_policy_says_so():
    policy = Policy(cash_min=-0.5, cash_max=1.0, long_only=False)
    found = trade(book(10_000), {"A": 51, "B": 33, "C": 7}, {"A": 1.0, "B": 0.8, "C": -0.3}, policy)
    assert found.constraints_met
    cash = float(found.cash_after / found.nav_after)
    assert -0.5 <= cash < -0.45
    short = next(r for r in found.rows if r.symbol == "C")
    assert (short.action, short.target_quantity < 0) == ("SELL", True)
    covered = trade(book(20_000, A="-10.5"), {"A": 100}, {}, Policy(long_only=False, cash_max=1.0))
    assert (covered.rows[0].action, covered.rows[0].target_quantity) == ("BUY", 0)


def test_a_turnover_limit_that_a_sale_uses_up_is_kept():
    held = book(0, A=10, B=90)
    found = trade(held, {"A": 100, "B": 100}, {"B": 0.9}, Policy(cash_max=1.0, max_turnover=0.05), costs=FREE)
    assert found.turnover == 0.05
    assert found.weights()["A"] == 0
    uneven = {"A": "100.00001", "B": 100}
    nearly = trade(held, uneven, {"B": 0.9}, Policy(cash_max=1.0, max_turnover=0.05), costs=FREE)
    assert nearly.turnover <= 0.05
    assert nearly.weights()["A"] == pytest.approx(0.01, abs=1e-6)
    frozen = trade(held, {"A": 100, "B": 100}, {"B": 1.0}, Policy(cash_max=1.0, max_turnover=0.0))
    assert {r.action for r in frozen.rows} == {"HOLD"}


def test_the_order_of_symbols_changes_nothing():
    rng = np.random.default_rng(2)
    symbols = [f"S{i}" for i in range(12)]
    prices = dict(zip(symbols, np.round(rng.uniform(5, 300, 12), 2).tolist(), strict=True))
    target = dict(zip(symbols, rng.dirichlet(np.ones(12)).tolist(), strict=True))
    held = book(500, **{s: int(rng.integers(0, 60)) + 1 for s in symbols})
    whole = estimates(symbols)
    turned = list(rng.permutation(12))
    other = Estimates(tuple(symbols[i] for i in turned), None, whole.covariance[np.ix_(turned, turned)])
    lists = [
        build_trades(held, prices, target, e, Policy(cash_max=1.0), Universe(tuple(sorted(symbols))))
        for e in (whole, other)
    ]
    assert [(r.symbol, r.action, r.quantity) for r in lists[0].rows] == [
        (r.symbol, r.action, r.quantity) for r in lists[1].rows
    ]


def test_empty_and_impossible_books():
    empty = trade(book(0), {"A": 1}, {"A": 1.0})
    assert (empty.rows, empty.warnings, empty.turnover, empty.cost_bps) == ((), ("No positions found",), 0, 0)
    with pytest.raises(PolicyError, match="a lot of 0 shares"):
        trade(book(10), {"A": 1}, {"A": 1.0}, lots=0)
    needs_cash = Policy(cash_min=0.5, cash_max=1.0, max_turnover=0.01)
    with pytest.raises(InfeasibleError):
        trade(book(0, A=10), {"A": 10}, {"A": 1.0}, needs_cash)


@pytest.mark.parametrize("seed", range(12))
def test_small_books_get_the_best_of_all_lists(seed):
    """Brute force over every whole-share list of three names, with commissions and least trades."""
    rng = np.random.default_rng(seed)
    prices, held = np.round(np.exp(rng.normal(4.5, 0.6, 3)), 2), rng.integers(1, 8, 3)
    cash, commission, least = (
        float(rng.integers(200, 2000)),
        [0.0, 1.0, 5.0][seed % 3],
        [0.0, 150.0][seed % 2],
    )
    nav, target = cash + held @ prices, rng.dirichlet(np.ones(4))[:3]
    found = trade(
        book(cash, **{s: int(q) for s, q in zip("ABC", held, strict=True)}),
        dict(zip("ABC", prices.tolist(), strict=True)),
        dict(zip("ABC", target.tolist(), strict=True)),
        Policy(cash_max=1.0, min_trade_value=least),
        costs=CostModel(commission=commission),
    )
    lists = np.array(list(product(*(range(int(nav // price) + 2) for price in prices))))
    moved = (lists - held) * prices
    costs = commission * (moved != 0).sum(axis=1) + 0.0015 * np.abs(moved).sum(axis=1)
    allowed = (cash - moved.sum(axis=1) - costs >= 0) & ((moved == 0) | (np.abs(moved) >= least - 1e-6)).all(
        axis=1
    )
    covariance = estimates("ABC").covariance
    covariance = covariance + 1e-6 * covariance.diagonal().mean() * np.eye(3)
    miss = lists * prices / nav - target
    best = (100 * np.einsum("ij,jk,ik->i", miss, covariance, miss) + costs / nav)[allowed].min()
    assert found.bound <= best + 1e-10
    assert found.objective == pytest.approx(best, abs=1e-9)
    assert found.gap <= 1e-5


def test_a_list_of_500_names_is_near_its_bound_commissions_included():
    rng = np.random.default_rng(3)
    symbols = [f"S{i:03d}" for i in range(500)]
    loads = np.column_stack([rng.normal(0.18, 0.05, 500), rng.normal(0, 0.04, (500, 8))])
    covariance = loads @ loads.T + np.diag(rng.uniform(0.15, 0.35, 500) ** 2)
    prices = dict(zip(symbols, np.round(np.exp(rng.normal(4.3, 0.8, 500)), 2).tolist(), strict=True))
    target = rng.dirichlet(np.full(500, 2.0))
    before = target * np.exp(rng.normal(0, 0.3, 500))
    shares = {s: int(w * 1e6 / prices[s]) for s, w in zip(symbols, before / before.sum(), strict=True)}
    found = build_trades(
        book(20_000, **{s: q for s, q in shares.items() if q}), prices,
        dict(zip(symbols, target.tolist(), strict=True)), Estimates(tuple(symbols), None, covariance),
        Policy(cash_max=1.0), Universe(tuple(symbols)),
    )  # fmt: skip
    assert_adds_up(found)
    assert 0 < found.gap < 1e-5  # a tenth of a basis point; the commissions alone are five
    assert found.cost_bps > 2


@examples(5)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(2, 9),
    nav=st.sampled_from([3_000.0, 40_000.0, 2_000_000.0]),
    turnover=st.sampled_from([None, 0.1, 0.4]),
    least=st.sampled_from([0.0, 250.0]),
)
def test_cash_turnover_and_sums_hold_for_any_book(seed, n, nav, turnover, least):
    rng = np.random.default_rng(seed)
    symbols = [f"S{i}" for i in range(n)]
    prices = {s: round(float(np.exp(rng.normal(3, 1.2))), 4) for s in symbols}
    weights, target = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(n))
    shares = {s: int(w * nav / prices[s]) for s, w in zip(symbols, weights, strict=True)}
    spare = round(nav - sum(q * prices[s] for s, q in shares.items()), 2)
    held = book(max(spare, 0), **{s: q for s, q in shares.items() if q})
    if turnover is not None:
        target = weights + (target - weights) * min(
            1.0, turnover / max(np.abs(target - weights).sum() / 2, 1e-9)
        )
    policy = Policy(cash_max=1.0, max_turnover=turnover, min_trade_value=least)
    found = trade(held, prices, dict(zip(symbols, target, strict=True)), policy)
    assert_adds_up(found)
    assert turnover is None or found.turnover <= turnover
    assert all(r.action == "HOLD" or r.value >= Decimal(least) - 1 for r in found.rows)
    assert all(r.target_quantity >= 0 and r.target_quantity % 1 == 0 for r in found.rows)
    assert found.objective >= found.bound - 1e-12
    again = trade(held, prices, dict(zip(symbols, target, strict=True)), policy)
    assert again == found


def test_a_least_position_holds_on_whole_shares_where_cash_allows():
    policy = Policy(cash_max=1.0, min_position=0.05, max_holdings=3)
    found = trade(
        book(10_000, A=40), {"A": 100, "B": 97, "C": 71}, {"A": 0.5, "B": 0.05, "C": 0.0501}, policy
    )
    checks = {check.constraint: check for check in found.constraints}
    assert found.constraints_met
    assert min(found.weights().values()) >= 0.05 and checks["min_position"].achieved >= 0.05
    assert (checks["max_holdings"].limit, checks["max_holdings"].achieved) == (3, 3)
    assert_adds_up(found)


def test_a_least_position_that_lots_cannot_reach_is_reported():
    policy = Policy(min_position=0.2, max_holdings=5)
    names = dict.fromkeys("ABCDE", 0.2)
    found = trade(book(10_000), dict.fromkeys("ABCDE", 70), names, policy)
    checks = {check.constraint: check for check in found.constraints}
    assert not checks["min_position"].met and checks["min_position"].achieved > 0.18
    assert_adds_up(found)


def test_a_name_inside_the_band_keeps_its_shares_and_the_others_move_by_it():
    policy = Policy(cash_max=1.0, no_trade_band=0.05)
    held = book(1_000, A=40, B=30, C=10, D=1)
    prices = {"A": 100, "B": 97, "C": 71, "D": 53}
    now = {symbol: float(w) for symbol, w in held.get_weights(prices).items()}
    target = {**now, "B": now["B"] - 0.05, "C": now["C"] + 0.05, "D": 0.0}
    found = trade(held, prices, target, policy)
    checks = {check.constraint: check for check in found.constraints}
    assert {row.symbol: row.action for row in found.rows} == {
        "A": "HOLD",
        "B": "SELL",
        "C": "BUY",
        "D": "SELL",
    }
    assert checks["no_trade_band"].met and checks["no_trade_band"].achieved >= 0.05
    assert_adds_up(found)


def test_round_lots_and_fees_per_share_and_taxes_are_the_policys():
    policy = Policy(
        cash_max=1.0, commission=1.0, impact_bps=0.0, commission_per_share=0.01, sell_tax_bps=20.0
    )
    found = trade(book(0, A=1000, B=130), {"A": 50, "B": 20}, {"A": 0.5, "B": 0.48}, policy, lots=100)
    rows = {row.symbol: row for row in found.rows}
    assert all(row.quantity % 100 == 0 for row in found.rows)
    assert rows["A"].action == "SELL" and rows["B"].action == "BUY"
    assert rows["A"].cost == 1 + rows["A"].quantity / 100 + rows["A"].value * 20 / 10_000
    assert rows["B"].cost == 1 + rows["B"].quantity / 100
    assert found.bought + found.costs == found.sold + found.cash_before - found.cash_after
    assert found.cash_after >= 0


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
