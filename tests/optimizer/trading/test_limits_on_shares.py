"""The policy's limits on whole shares: caps, turnover, sectors, least sizes, bands, lots."""

import pytest
from share_lists import FREE, assert_adds_up, book, trade

from optimizer import (
    Policy,
    Universe,
)


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
    assert any("its limit is 0.15: the target has 0.5" in warning for warning in found.warnings)
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


def test_a_least_position_that_lots_of_five_names_cannot_reach_is_held_in_four():
    """Of 142 shares that the cash buys each name needs 29."""
    policy = Policy(min_position=0.2, max_holdings=5)
    names = dict.fromkeys("ABCDE", 0.2)
    found = trade(book(10_000), dict.fromkeys("ABCDE", 70), names, policy)
    assert found.constraints_met and sum(weight > 0 for weight in found.weights().values()) == 4
    assert_adds_up(found)


def test_a_least_position_that_may_neither_be_reached_nor_closed_is_reported():
    policy = Policy(cash_max=1.0, min_position=0.2, do_not_sell={"A": ""}, max_turnover=0.0)
    found = trade(book(9_000, A=10), {"A": 100}, {"A": 0.2}, policy)
    checks = {check.constraint: check for check in found.constraints}
    assert not checks["min_position"].met and checks["min_position"].achieved == pytest.approx(0.1)


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
