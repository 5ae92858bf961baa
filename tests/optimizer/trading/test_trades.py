from decimal import Decimal
from itertools import product

import numpy as np
import pytest
from draws import examples
from hypothesis import given
from hypothesis import strategies as st
from share_lists import FREE, assert_adds_up, book, estimates, trade

from optimizer import (
    CostModel,
    DataError,
    Estimates,
    InfeasibleError,
    Policy,
    PolicyError,
    Universe,
    build_trades,
)


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


def test_names_without_a_target_are_sold_out_odd_lots_and_fractions_included():
    found = trade(
        book(0, A="10.5", B=100), {"A": 50, "B": 20}, {"B": 0.9}, lots={"A": 10, "B": 10}, costs=FREE
    )
    sale = found.rows[0]
    assert (sale.action, sale.quantity, sale.target_quantity) == ("SELL", Decimal("10.5"), 0)
    assert sale.rationale == "Sell the whole position of 20.8%: its share of the risk goes from 18.4% to 0.0%"
    assert all(r.target_quantity % 10 == 0 for r in found.rows)


def test_fractional_shares_reach_the_target():
    found = trade(book(1000), {"A": 700, "B": 333}, {"A": 0.5, "B": 0.5}, Policy(), lots="0.0001", costs=FREE)
    assert found.tracking_error < 1e-5
    assert 0 <= found.cash_after < Decimal("0.1")
    assert_adds_up(found)


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


DEAR = CostModel(commission=200.0, impact_bps=50.0)


def test_a_short_position_keeps_its_limit_after_the_costs():
    """Caps left room for what costs take of the NAV, and the least weight of a short did not: -20.3% of -20%."""
    policy = Policy(long_only=False, min_weight=-0.2, max_weight=0.7, cash_max=1.0)
    once = CostModel(commission=200.0, impact_bps=0.0)
    found = trade(book(100_000), {"A": 7, "B": 11}, {"A": 0.6, "B": -0.2}, policy, costs=once)
    assert found.constraints_met and found.weights()["B"] == pytest.approx(-0.2, abs=2e-3)


@pytest.mark.parametrize("rounding", ["tracking_error", "money"])
def test_what_is_held_at_the_threshold_of_large_holdings_stays_there_where_its_trade_is_limited(
    rounding: str,
):
    """A cap on the trade hid that the threshold is one of the weight: 20% of the NAV before were 20.1% of it after."""
    policy = Policy(large_holdings=(0.2, 0.5), max_trade=0.3, cash_max=1.0, rounding=rounding)
    target = {"A": 0.4, "B": 0.2, "C": 0.2}
    found = trade(
        book(88_000, B=2000, C=2000), {"A": 41, "B": 3, "C": 3}, target, policy, costs=DEAR, lots="0.01"
    )
    assert [check for check in found.constraints if not check.met and check.constraint != "max_trade A"] == []


def test_lots_of_one_name_make_room_for_one_of_another():
    """Two trades at their limit rounded beyond it, and five small lots of a third name had to give way for each."""
    shares, prices = (
        {"A": 2, "B": 3485, "C": 6854, "D": 3067},
        {"A": "6.5", "B": "2.01", "C": "8.06", "D": "12.3"},
    )
    now = {name: float(Decimal(prices[name]) * shares[name]) for name in shares}
    now = {name: value / sum(now.values()) for name, value in now.items()}
    target = {"B": 1.0 - now["C"] - now["D"], "C": now["C"] - 0.1, "D": now["D"] - 0.1}
    policy = Policy(cash_max=1.0, largest_limits={3: 0.8}, trade_limits={"C": 0.1, "D": 0.1})
    costs = CostModel(commission=50.0, impact_bps=15.0)
    assert trade(book(0, **shares), prices, target, policy, costs=costs).constraints_met


def test_fractions_of_shares_that_lack_a_commission_are_repaired_in_large_steps():
    """One ten-thousandth of a share at a time, the cheapest per unit, never freed what a commission takes."""
    rng = np.random.default_rng(0)
    prices = {
        name: str(round(float(price), 2))
        for name, price in zip("ABCDE", rng.uniform(0.5, 30, 5), strict=True)
    }
    drawn = zip(prices, rng.dirichlet(np.ones(5)), strict=True)
    shares = {name: int(part * 1e5 / float(prices[name])) for name, part in drawn}
    target = {"A": 0.4, "B": 0.15, "C": 0.15, "D": 0.15, "E": 0.15}
    policy, dear = (
        Policy(largest_limits={1: 0.4}, min_position=0.05),
        CostModel(commission=50.0, impact_bps=15.0),
    )
    assert trade(book(0, **shares), prices, target, policy, costs=dear, lots="0.0001").constraints_met
