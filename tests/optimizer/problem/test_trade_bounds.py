"""Restrictions with their reasons, and limits on the trade of one name: in weights, in lots, on the way out."""

import numpy as np
import pytest

from optimizer import (
    Estimates,
    InfeasibleError,
    OptimizationConstraints,
    Policy,
    PolicyError,
    Portfolio,
    Position,
    Universe,
    build_trades,
    solve,
)
from optimizer.proposals.compiled_policy import Mandate
from optimizer.proposals.proposal import propose

NAMES = ("A", "B", "C", "D")
RNG = np.random.default_rng(2)
DAYS = RNG.standard_normal((200, 4)) * [0.01, 0.014, 0.008, 0.02] + 0.004 * RNG.standard_normal((200, 1))
IT = Estimates(NAMES, np.array([0.10, 0.07, 0.03, 0.09]), np.cov(DAYS.T) * 252, DAYS)
BOOK = Universe(NAMES)
HELD = np.array([0.1, 0.4, 0.3, 0.2])


def by_hand(policy: Policy, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The same problem with the bounds written out, by cvxpy."""
    import cvxpy as cp

    w = cp.Variable(4)
    cost = 0.5 * policy.risk_aversion * cp.quad_form(w, cp.psd_wrap(IT.covariance)) - IT.mean @ w
    cp.Problem(cp.Minimize(cost), [cp.sum(w) == 1, w >= low, w <= high]).solve(solver="CLARABEL")
    return np.asarray(w.value)


def test_what_is_not_bought_sold_or_traded_is_not():
    policy = Policy(do_not_buy={"A": "results are due"}, do_not_sell=["C"], do_not_trade={"D": "suspended"})
    found = solve(IT, policy, BOOK, HELD)
    low, high = np.array([0, 0, 0.3, 0.2]), np.array([0.1, 1, 1, 0.2])
    np.testing.assert_allclose(found.weights, by_hand(policy, low, high), atol=1e-6)
    assert found.certificate.ok
    prices = {limit.limit: limit.shadow_price for limit in found.binding}
    assert prices["do_not_buy A"] > 0 and {"do_not_sell C", "do_not_trade D"} <= set(prices)
    assert solve(IT, policy, BOOK, {"B": 0.4, "D": 0.2, "A": 0.1, "C": 0.3}).weights == pytest.approx(
        found.weights
    )


@pytest.mark.parametrize(
    "method", ["min_volatility", "max_sharpe", "cvar", "risk_parity", "hrp", "min_tracking_error"]
)
def test_no_name_changes_by_more_than_its_limit(method: str):
    policy = Policy(method=method, risk_free_rate=0.01, max_trade=0.05, trade_limits={"B": 0.2, "D": 0.0})
    universe = Universe(NAMES, benchmark=dict.fromkeys(NAMES, 0.25))
    found = solve(IT, policy, universe, HELD)
    assert found.certificate.ok
    assert (np.abs(found.weights - HELD) <= np.array([0.05, 0.2, 0.05, 0.0]) + 1e-8).all()
    wide = {s: (h - m, h + m) for s, h, m in zip(NAMES, HELD, [0.05, 0.2, 0.05, 0.0], strict=True)}
    same = solve(IT, Policy(method=method, risk_free_rate=0.01, asset_limits=wide), universe, HELD)
    np.testing.assert_allclose(found.weights, same.weights, atol=1e-6)


def test_a_book_with_short_positions_neither_adds_nor_covers():
    held = np.array([-0.2, 0.5, 0.4, 0.3])
    policy = Policy(method="max_return", long_only=False, min_weight=-0.5, max_weight=0.8, risk_free_rate=0.0,
                    do_not_buy=["A"], do_not_sell=["D"])  # fmt: skip
    w = solve(IT, policy, BOOK, held).weights
    assert w[0] <= -0.2 + 1e-9 and w[3] >= 0.3 - 1e-9


def test_a_restriction_holds_before_a_cap_and_the_cap_waits():
    crossed = {"method": "min_volatility", "max_weight": 0.35, "do_not_sell": {"B": "lock-up"}}
    with pytest.raises(InfeasibleError, match=r"do_not_sell B|max_weight"):
        solve(IT, Policy(**crossed), BOOK, HELD)
    found = solve(IT, Policy(on_conflict="transition", **crossed), BOOK, HELD)
    assert found.certificate.ok and not found.constraints_met
    assert found.weights[1] == pytest.approx(0.4, abs=1e-6)
    assert [limit.limit for limit in found.unmet] == ["max_weight B"]
    both = Policy(on_conflict="transition", max_turnover=0.05, do_not_trade=["B", "C"], max_weight=0.32)
    assert solve(IT, both, BOOK, HELD).weights[1:3] == pytest.approx([0.4, 0.3], abs=1e-6)


def test_a_limit_on_trades_is_told_by_what_is_traded_not_by_the_weight_it_leads_to():
    policy = Policy(method="min_volatility", max_trade=0.05, do_not_sell=["B"], max_weight=0.25)
    with pytest.raises(InfeasibleError) as caught:
        solve(IT, policy, BOOK, HELD)
    assert str(caught.value).partition("relax ")[2] == "one of: max_weight is 0.25 and must give way by 0.15"
    capped = Policy(max_trade=0.05, max_weight=0.25, cash_max=0.2, risk_free_rate=0.0)
    now = np.array([0.2, 0.4, 0.2, 0.2])
    with pytest.raises(InfeasibleError, match=r"max_trade B is 0.05 and must give way by 0.1;"):
        solve(IT, capped, BOOK, now)
    found = solve(IT, Policy(method="min_volatility", max_trade=0.05, do_not_buy=["C"]), BOOK, HELD)
    told = {binding.limit: binding for binding in found.binding}
    assert told["max_trade A"].value == pytest.approx(0.05) and told["max_trade A"].bound == 0.05
    assert told["max_trade A"].text.startswith(
        "relaxing max_trade A (5%) by 1 point lowers the volatility by"
    )
    assert told["do_not_buy C"].bound == 0.0


def test_names_that_are_not_there_are_not_held_anyway_and_a_limit_of_one_is_refused():
    free = solve(IT, Policy(), BOOK, HELD).weights
    unknown = solve(IT, Policy(do_not_buy=["AA"]), BOOK)
    assert unknown.weights == pytest.approx(free)
    assert unknown.warnings == (
        "do_not_buy names AA, which is not among the symbols and holds nothing back; correct it, or give it to the "
        "universe if it left the estimates; did you mean A?",
    )
    assert solve(IT, Policy(do_not_buy=["AA"]), Universe((*NAMES, "AA"))).warnings == ()
    with pytest.raises(PolicyError, match="trade_limits names X, not among"):
        solve(IT, Policy(trade_limits={"X": 0.1}), BOOK, HELD)
    with pytest.raises(PolicyError, match="restrictions need the held weights"):
        solve(IT, Policy(do_not_buy=["A"]), BOOK)
    with pytest.raises(PolicyError, match="do_not_buy is 'A'; it must be symbols"):
        Policy(do_not_buy="A")  # type: ignore[arg-type]
    with pytest.raises(PolicyError, match="symbol and reason must be text"):
        Policy(do_not_sell={"A": 1.0})  # type: ignore[dict-item]
    with pytest.raises(PolicyError, match=r"max_trade is -0.1"):
        Policy(max_trade=-0.1)
    with pytest.raises(PolicyError, match=r"trade_limits of A is -0.1"):
        Policy(trade_limits={"A": -0.1})
    assert OptimizationConstraints(do_not_buy=["A"]).to_policy("min_volatility", None).do_not_buy == {"A": ""}


def desk() -> tuple[Portfolio, dict[str, float]]:
    prices = {"A": 37.0, "B": 91.0, "C": 13.0, "D": 210.0}
    book = Portfolio("desk", cash=20.0)
    for symbol, weight in zip(NAMES, HELD, strict=True):
        book.add_position(Position(symbol, int(100_000 * weight / prices[symbol])))
    return book, prices


def test_lots_keep_what_is_restricted_and_say_why():
    book, prices = desk()
    policy = Policy(do_not_buy={"A": "results are due"}, do_not_trade={"B": ""}, trade_limits={"C": 0.02})
    found = propose(book, prices, IT, policy, BOOK, Mandate(prior="historical"))
    rows = {row.symbol: row for row in found.trades.rows}
    assert rows["B"].action == "HOLD" and rows["B"].rationale.endswith(": do not trade")
    assert rows["A"].action in ("HOLD", "SELL")
    assert float(rows["C"].value) <= 0.02 * float(found.trades.nav_before)
    assert all(check.met for check in found.trades.constraints)
    names = {check.constraint for check in found.trades.constraints}
    assert {"do_not_buy A", "do_not_trade B", "max_trade C"} <= names
    kept = build_trades(
        book, prices, {"A": 0.5, "B": 0.5}, IT, Policy(do_not_buy={"A": "results are due"}), BOOK
    )
    line = next(row for row in kept.rows if row.symbol == "A")
    assert line.action == "HOLD" and "do not buy: results are due" in line.rationale
