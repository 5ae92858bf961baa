"""Limits on shares of the variance: kept by the shares themselves, best by other means, or refused by name."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from draws import examples
from eight_names import BOOK, EIGHT, MEAN, MODEL, MODELLED, NAMES, OLD, RETURNS, N, answer, shares
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from optimizer import (
    Estimates,
    InfeasibleError,
    Mandate,
    Policy,
    PolicyError,
    Portfolio,
    Universe,
    propose,
    solve,
)
from optimizer.factors.attribution import predicted_risk
from optimizer.measures.portfolio_measures import risk_contributions
from optimizer.problem.methods import METHODS, ON_SCENARIOS


@pytest.mark.parametrize("cap", [0.1, 0.3, 0.45])
def test_two_names_apart_meet_the_closed_form(cap: float):
    """Shares are w^2 s^2 / sum: at the cap w1 s1 / (w2 s2) is the root of cap / (1 - cap)."""
    s = np.array([0.1, 0.3])
    two = Estimates(("A", "B"), None, np.diag(s**2))
    found = solve(
        two,
        Policy(method="min_volatility", risk_share_limits={"A": (None, cap)}),
        Universe(("A", "B")),
    )
    free = s[1] ** 2 / (s**2).sum()
    if free**2 * s[0] ** 2 <= cap * (free**2 * s[0] ** 2 + (1 - free) ** 2 * s[1] ** 2):
        assert found.weights[0] == pytest.approx(free, abs=1e-7)
        return
    ratio = np.sqrt(cap / (1 - cap)) * s[1] / s[0]
    assert found.weights[0] == pytest.approx(ratio / (1 + ratio), abs=1e-6)
    assert found.optimality_gap <= 1e-8


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(method, marks=pytest.mark.slow) if method in ON_SCENARIOS - {"cvar"} else method
        for method in sorted(METHODS)
    ],
)
def test_every_method_keeps_shares_of_names_and_groups(method: str):
    target = {"target_volatility": 0.15} if method == "target_volatility" else {}
    found = answer(method=method, max_risk_share=0.3, limits=("30% <= risk:Old <= 50%",), **target)
    assert shares(found.weights).max() <= 0.3 + 1e-8
    assert 0.3 - 1e-8 <= shares(found.weights)[OLD].sum() <= 0.5 + 1e-8
    assert found.bound is not None


def by_another_solver(cap: float, aversion: float) -> float:
    """The utility by sequential quadratic programming from thirty starts."""
    S = EIGHT.covariance
    best = -np.inf
    rng = np.random.default_rng(0)
    for _ in range(30):
        start = rng.dirichlet(np.ones(N))
        found = minimize(
            lambda w: -(MEAN @ w - aversion / 2 * w @ S @ w), start, jac=lambda w: -(MEAN - aversion * S @ w),
            bounds=[(0, 1)] * N, method="SLSQP", options={"ftol": 1e-14, "maxiter": 400},
            constraints=[
                {"type": "eq", "fun": lambda w: w.sum() - 1},
                {"type": "ineq", "fun": lambda w: cap * (w @ S @ w) - w * (S @ w)},
            ],
        )  # fmt: skip
        w = found.x
        if found.success and (w * (S @ w)).max() <= cap * (w @ S @ w) + 1e-9:
            best = max(best, -found.fun)
    return best


@pytest.mark.parametrize(("cap", "aversion"), [(0.2, 2.5), (0.3, 1.0), (0.16, 5.0)])
def test_the_answer_is_that_of_another_solver_and_proven(cap: float, aversion: float):
    found = answer(max_risk_share=cap, risk_aversion=aversion)
    assert found.objective == pytest.approx(by_another_solver(cap, aversion), abs=2e-6)
    assert found.optimality_gap <= 1e-6


@pytest.mark.parametrize("method", ["min_volatility", "mean_variance", "max_sharpe", "max_return", "cvar"])
def test_no_allowed_portfolio_beats_the_bound(method: str):
    found = answer(method=method, max_risk_share=0.25)
    sign = 1.0 if method in ("min_volatility", "cvar") else -1.0
    some = np.random.default_rng(1).dirichlet(np.ones(N), 3000)
    kept = [w for w in some if shares(w).max() <= 0.25]
    assert len(kept) > 100
    values = np.array([found.goal.value(w) for w in kept])
    assert (sign * values).min() >= sign * found.bound - 1e-9
    assert (sign * values).min() >= sign * found.objective - 1e-6
    told = [warning for warning in found.warnings if "leave open whether" in warning]
    assert bool(told) == (found.optimality_gap > 1e-6 * abs(found.objective))


def test_factors_groups_and_specific_risk_add_up_as_the_attribution_says():
    limits = {"market": (None, 0.5), "specific": (0.2, None), "style": (None, 0.15), "factors": (None, 0.75)}
    free = answer(MODELLED, method="max_sharpe")
    found = answer(MODELLED, method="max_sharpe", risk_share_limits=limits)
    parts = predicted_risk(MODEL, found.weights)
    market, value, size = parts.factors / parts.volatility
    assert (
        predicted_risk(MODEL, free.weights).factors[0] / predicted_risk(MODEL, free.weights).volatility > 0.51
    )
    assert market == pytest.approx(0.5, abs=1e-5) and value + size <= 0.15 + 1e-8
    assert parts.specific / parts.volatility >= 0.25 - 1e-8
    line = answer(MODELLED, method="max_sharpe", limits=("risk:market <= 50%", "risk:value + risk:size <= 0.15",
                                                         "risk:factors <= 75%"))  # fmt: skip
    np.testing.assert_allclose(line.weights, found.weights, atol=1e-6)


def test_a_share_that_holds_already_changes_nothing_and_a_price_says_what_it_costs():
    free = answer()
    np.testing.assert_array_equal(answer(max_risk_share=0.99).weights, free.weights)
    at, more = (answer(limits=(f"risk:Old >= {share}",)) for share in (0.3, 0.301))
    [binding] = [one for one in at.binding if one.limit.startswith("risk:Old")]
    assert (binding.value, binding.bound) == (pytest.approx(0.3, abs=1e-6), 0.3)
    assert binding.shadow_price == pytest.approx((at.objective - more.objective) / 0.001, rel=0.02)


def test_long_short_books_and_days_fewer_than_names():
    few = Estimates(NAMES, MEAN, np.cov(RETURNS[:5].T) * 252)
    w = answer(few, max_weight=0.5, max_risk_share=0.4).weights
    assert risk_contributions(w, few.covariance).max() <= 0.4 + 1e-8
    policy = {"long_only": False, "min_weight": -0.3, "max_weight": 0.5, "max_gross": 1.5}
    assert shares(answer(max_risk_share=0.2, **policy).weights).max() <= 0.2 + 1e-8


def test_the_order_of_names_and_the_unit_of_returns_change_nothing():
    found = answer(max_risk_share=0.2)
    order = np.random.default_rng(0).permutation(N)
    turned = Estimates(tuple(NAMES[i] for i in order), MEAN[order], EIGHT.covariance[np.ix_(order, order)])
    np.testing.assert_allclose(answer(turned, max_risk_share=0.2).weights, found.weights[order], atol=1e-5)
    daily = Estimates(NAMES, MEAN / 252, EIGHT.covariance / 252)
    small = answer(daily, max_risk_share=0.2, risk_free_rate=0.02 / 252)
    np.testing.assert_allclose(small.weights, found.weights, atol=1e-5)


@examples(2)
@given(st.integers(0, 10_000))
def test_any_limits_on_shares_are_kept_or_refused_by_name(seed: int):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 6))
    root = rng.normal(size=(n, int(rng.integers(1, n + 2))))
    names = NAMES[:n]
    estimates = Estimates(names, rng.normal(0.05, 0.05, n), root @ root.T / 10 + 1e-4 * np.eye(n))
    low, high = sorted(rng.uniform(-0.1, 0.8, 2).tolist())
    policy = Policy(
        method=str(rng.choice(["min_volatility", "mean_variance", "max_return", "risk_parity"])),
        risk_free_rate=0.0, max_risk_share=float(rng.uniform(0.2, 0.9)), risk_share_limits={names[0]: (low, high)},
    )  # fmt: skip
    try:
        found = solve(estimates, policy, Universe(names))
    except InfeasibleError as error:
        assert "risk_share" in str(error)
        return
    held = risk_contributions(found.weights, estimates.covariance)
    assert found.certificate.ok and low - 1e-8 <= held[0] <= high + 1e-8
    assert held[1:].max(initial=0.0) <= policy.max_risk_share + 1e-8


def test_what_cannot_be_kept_is_refused_or_on_its_way():
    with pytest.raises(
        InfeasibleError, match="no portfolio was found that keeps the limits on shares of risk"
    ) as told:
        answer(limits=("risk:N7 >= 60%",), max_weight=0.2)
    assert [conflict.limit for conflict in told.value.conflicts] == ["risk:N7 >= 60%"]
    with pytest.raises(InfeasibleError, match=r"max_risk_share is 0\.1 and must give way by 0\.0251") as low:
        answer(max_risk_share=0.1)
    answer(max_risk_share=0.1 + low.value.conflicts[0].stated)
    held = np.zeros(N)
    held[:2] = 0.9, 0.1
    with pytest.raises(InfeasibleError, match="max_risk_share N0"):
        answer(held=held, max_risk_share=0.3, max_turnover=0.2)
    way = answer(held=held, max_risk_share=0.3, max_turnover=0.2, on_conflict="transition")
    assert not way.constraints_met and way.unmet[0].limit == "max_risk_share N0"
    assert shares(way.weights)[0] < shares(held)[0] and np.isfinite(way.unmet[0].rebalances)
    with pytest.raises(InfeasibleError, match="max_risk_share"):
        answer(held=held, max_risk_share=0.1, max_turnover=0.2, on_conflict="transition")


@pytest.mark.parametrize("method", ["min_volatility", "mean_variance", "kelly", "hrp", "cvar"])
@pytest.mark.parametrize("share", [{"max_risk_share": 0.2}, {"risk_share_limits": {"N0": (0.7, None)}}])
def test_a_book_that_may_only_hold_cash_shares_out_no_risk(method: str, share: dict[str, object]):
    """The search ended in a fault of ours: what solvers leave of weights is 1e-15, and has shares too."""
    found = answer(method=method, net_limits=(0.0, 0.0), forced_cash="hold", **share)
    assert np.abs(found.weights).max() < 1e-8 and found.constraints_met


def test_cash_alone_is_refused_where_a_goal_needs_more_than_shares_allow():
    room = {"cash_max": 1.0, "risk_share_limits": {"Old": (None, 0.2), "New": (None, 0.2)}}
    with pytest.raises(InfeasibleError, match="max_risk_share Old"):
        answer(method="max_sharpe", risk_free_rate=0.01, **room)
    for method in ("min_volatility", "max_return"):
        assert not answer(method=method, **room).weights.any()


def test_a_cap_that_leaves_one_portfolio_is_refused_with_the_room_that_will_do():
    with pytest.raises(InfeasibleError, match=r"max_risk_share is 0.125 and must give way by 0.0001"):
        answer(max_risk_share=1 / N)
    found = answer(max_risk_share=1 / N + 1e-4)
    assert shares(found.weights).max() <= 1 / N + 1e-4 + 1e-9


@pytest.mark.parametrize("constant", [0.0, 0.001])
def test_a_name_that_never_moves_has_no_share(constant: float):
    """A constant return leaves a variance of 1e-37 in the sample covariance: no risk to share either."""
    days = np.column_stack([RETURNS[:, 0], np.full(60, constant), RETURNS[:, 1]])
    it = Estimates(("A", "CASHLIKE", "B"), np.array([0.05, 0.02, 0.06]), np.cov(days.T) * 252, days)
    calm = solve(it, Policy(method="min_volatility", max_risk_share=0.5), Universe(it.symbols))
    assert calm.weights == pytest.approx([0.0, 1.0, 0.0], abs=1e-6)
    capped = Policy(method="mean_variance", max_risk_share=0.6, max_weight=0.6, risk_free_rate=0.0)
    found = solve(it, capped, Universe(it.symbols))
    parts = found.weights * (it.covariance @ found.weights)
    assert found.certificate.ok and parts.max() <= 0.6 * parts.sum() + 1e-9
    with pytest.raises(InfeasibleError, match="min_risk_share CASHLIKE"):
        solve(
            it,
            Policy(method="min_volatility", risk_share_limits={"CASHLIKE": (0.2, None)}),
            Universe(it.symbols),
        )


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"limits": ("risk:Nowhere <= 3%",)}, "'Nowhere' is not known; there are"),
        ({"limits": ("risk:N0 + N1 <= 3%",)}, "compares shares of risk with weights"),
        ({"limits": ("risk:N0 + risk:market <= 3%",)}, "adds names to factors"),
        ({"max_risk_share": -0.1}, "max_risk_share is -0.1; it must be a fraction >= 0"),
        ({"max_risk_share": 30.0}, "a fraction is expected"),
        ({"risk_share_limits": {"N0": (0.4, 0.2)}}, "the minimum 40% is above the maximum 20%"),
        ({"max_risk_share": 0.2, "max_holdings": 3}, "cannot be combined with own constraints, min_position"),
        ({"max_risk_share": 0.2, "priorities": {"max_risk_share": 2}}, "max_risk_share cannot give way"),
    ],
)
def test_what_means_nothing_is_refused(policy: dict[str, object], message: str):
    with pytest.raises(PolicyError, match=message):
        answer(**policy)


def test_shares_of_factors_need_a_model_that_knows_every_name():
    with pytest.raises(
        PolicyError, match="no factor model is known here; set covariance_method to factor_model"
    ):
        solve(EIGHT, Policy(method="min_volatility", limits=("risk:specific >= 10%",)), Universe(NAMES))
    part = replace(MODEL.risk, specific={"N0": 0.01})
    with pytest.raises(PolicyError, match="no specific risk of N1"):
        solve(
            EIGHT,
            Policy(method="min_volatility", limits=("risk:specific >= 10%",)),
            replace(BOOK, factor_risk=part),
        )


def test_whole_shares_keep_them_too():
    prices = dict(zip(NAMES, np.linspace(20, 400, N).tolist(), strict=True))
    policy = Policy(risk_free_rate=0.02, max_risk_share=0.3, cash_max=0.02)
    for cash in (20_000, 500_000):
        found = propose(
            Portfolio("book", cash=Decimal(cash)), prices, EIGHT, policy, BOOK, Mandate(prior="historical")
        )
        checks = [
            check for check in found.trades.constraints if check.constraint.startswith("max_risk_share")
        ]
        assert len(checks) == N and all(check.met for check in checks)
        assert max(check.achieved for check in checks) > 0.28


@pytest.mark.parametrize("method", ["max_return_to_cvar", "max_sharpe"])
def test_a_ratio_of_returns_that_no_kept_share_allows_is_refused_by_name(method: str):
    """Only A earns more than cash, and with a quarter of the risk at most nothing is left of that."""
    rng = np.random.default_rng(1)
    days = 0.01 * rng.standard_normal((120, 5))
    names = tuple("ABCDE")
    it = Estimates(
        names, np.array([0.1, -0.3, -0.3, -0.3, -0.3]), 252 * np.cov(days.T), days, observations=120
    )
    with pytest.raises(
        InfeasibleError, match="keeps the limits on shares of risk and has an expected return above"
    ):
        solve(it, Policy(method=method, risk_free_rate=0.0, max_risk_share=0.25), Universe(names))


@pytest.mark.parametrize("method", ["max_return", "mean_variance", "min_volatility", "equal_weight"])
def test_shares_that_only_cash_keeps_are_kept_by_cash_where_it_is_allowed(method: str) -> None:
    """Three names cannot have at most a fifth of the risk each; cash shares none out."""
    it = Estimates(("A", "B", "C"), np.array([0.03, 0.06, 0.08]), np.diag([0.04, 0.09, 0.16]))
    policy = Policy(method=method, risk_free_rate=0.02, cash_max=1.0, max_risk_share=0.2)
    found = solve(it, policy, Universe(it.symbols))
    assert not found.weights.any() and found.certificate.ok
    with pytest.raises(InfeasibleError, match=r"max_risk_share is 0.2 and must give way by 0.1335"):
        solve(it, replace(policy, cash_max=0.9), Universe(it.symbols))
