"""A user's cvxpy constraints: the same as the policy's where these can say it, proven where they cannot."""

import cvxpy as cp
import numpy as np
import pytest

from optimizer import Estimates, InfeasibleError, Policy, PolicyError, Universe, solve

NAMES = ("A", "B", "C", "D")
RNG = np.random.default_rng(4)
RETURNS = RNG.standard_normal((100, 4)) * [0.01, 0.012, 0.008, 0.015] + 0.006 * RNG.standard_normal((100, 1))
FOUR = Estimates(NAMES, np.array([0.09, 0.07, 0.05, 0.11]), np.cov(RETURNS.T) * 252, RETURNS)
BOOK = Universe(NAMES, benchmark=dict.fromkeys(NAMES, 0.25))


@pytest.mark.parametrize(
    "method", ["min_volatility", "mean_variance", "max_return", "cvar", "semi_deviation"]
)
def test_they_mean_the_same_as_the_policy_s_own(method: str):
    own = solve(FOUR, Policy(method=method, risk_free_rate=0.02), BOOK,
                constraints=lambda w: [w <= 0.4, w[0] + w[1] >= 0.5, w[2] == 0.2])  # fmt: skip
    limits = ("A + B >= 0.5", "C = 0.2")
    policy = Policy(method=method, risk_free_rate=0.02, max_weight=0.4, limits=limits)
    same = solve(FOUR, policy, BOOK)
    assert own.lane == "general" and own.certificate.ok
    assert own.objective == pytest.approx(same.objective, rel=1e-6)


def test_a_curved_one_is_proven_by_its_tangent():
    found = solve(FOUR, Policy(method="mean_variance", risk_free_rate=0.02), BOOK,
                  constraints=lambda w: [cp.sum_squares(w) <= 0.3])  # fmt: skip
    assert found.certificate.ok and found.warnings == ()
    assert found.weights @ found.weights == pytest.approx(0.3, abs=1e-8)
    assert [limit.limit for limit in found.binding if limit.shadow_price > 0] == ["own constraint 1"]


def test_one_with_a_kink_is_kept_and_no_random_portfolio_is_better():
    found = solve(FOUR, Policy(method="mean_variance", risk_free_rate=0.02, max_volatility=0.2), BOOK,
                  constraints=lambda w: [cp.sum_squares(w) <= 0.3, cp.norm1(w - 0.25) <= 0.3])  # fmt: skip
    w = found.weights
    assert w @ w <= 0.3 + 1e-8 and np.abs(w - 0.25).sum() <= 0.3 + 1e-8
    assert found.certificate.ok
    assert any("what the solver says of it" in warning for warning in found.warnings)
    for v in np.random.default_rng(0).dirichlet(np.full(4, 8.0), 3000):
        if v @ v <= 0.3 and np.abs(v - 0.25).sum() <= 0.3:
            assert found.goal.value(v) <= found.objective + 1e-9


def test_what_they_cannot_be_is_said():
    policy = Policy(method="min_volatility")
    with pytest.raises(InfeasibleError, match="no portfolio keeps the own constraints together with"):
        solve(FOUR, policy, BOOK, constraints=lambda w: [cp.sum(w) <= 0.5])
    with pytest.raises(PolicyError, match="is not a convex inequality"):
        solve(FOUR, policy, BOOK, constraints=lambda w: [cp.sum_squares(w) >= 0.5])
    with pytest.raises(PolicyError, match="own constraints cannot be combined with the Sharpe ratio"):
        solve(FOUR, Policy(method="max_sharpe", risk_free_rate=0.0), BOOK, constraints=lambda w: [w <= 0.5])
