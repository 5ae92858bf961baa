"""Trading costs in the objective, against closed forms, a fine grid and random portfolios."""

import numpy as np
import pytest

from optimizer import CostModel, Estimates, Liquidity, Policy, PolicyError, Universe, solve

ONE = Estimates(("A",), np.array([0.08]), np.array([[0.04]]))
CASH = {"risk_free_rate": 0.02, "cash_max": 1.0, "risk_aversion": 3.0}
NAMES = ("A", "B", "C", "D")
RNG = np.random.default_rng(5)
RETURNS = RNG.standard_normal((300, 4)) * [0.01, 0.012, 0.008, 0.015] + 0.006 * RNG.standard_normal((300, 1))
FOUR = Estimates(NAMES, np.array([0.09, 0.07, 0.05, 0.11]), np.cov(RETURNS.T) * 252)
BOOK = Universe(NAMES, benchmark=dict.fromkeys(NAMES, 0.25))
HELD = np.array([0.4, 0.3, 0.3, 0.0])


@pytest.mark.parametrize(
    ("held", "expected"), [(0.0, (0.06 - 0.005) / 0.12), (1.0, (0.06 + 0.005) / 0.12), (0.5, 0.5)]
)
def test_linear_costs_stop_short_of_the_best_weight(held: float, expected: float):
    """50 bps over one year: marginal utility 0.06 - 0.12 w meets the rate; in between nothing is traded."""
    policy = Policy(method="mean_variance", impact_bps=50.0, cost_horizon_years=1.0, **CASH)
    found = solve(ONE, policy, Universe(("A",)), np.array([held]))
    assert found.weights[0] == pytest.approx(expected, abs=1e-6)
    assert found.certificate.ok and found.lane == "general"


def test_half_the_horizon_is_twice_the_cost():
    one = Policy(method="mean_variance", impact_bps=20.0, cost_horizon_years=0.5, **CASH)
    two = Policy(method="mean_variance", impact_bps=40.0, cost_horizon_years=1.0, **CASH)
    weights = [solve(ONE, policy, Universe(("A",)), np.zeros(1)).weights[0] for policy in (one, two)]
    assert weights[0] == pytest.approx(weights[1], abs=1e-7)


def test_impact_of_the_power_three_halves_meets_the_best_point_of_a_grid():
    model = CostModel(0.0, 0.0, root_impact=1.0, liquidity={"A": Liquidity(1e6, 0.02)})
    curve = model.curve(("A",), nav=1e7)
    policy = Policy(method="mean_variance", cost_horizon_years=1.0, **CASH)
    found = solve(ONE, policy, Universe(("A",)), np.zeros(1), costs=curve)
    grid = np.linspace(0, 1, 200_001)
    utility = 0.02 + 0.06 * grid - 0.06 * grid**2 - curve.root[0] * grid**1.5
    assert found.weights[0] == pytest.approx(grid[utility.argmax()], abs=1e-5)
    assert found.objective == pytest.approx(utility.max(), abs=1e-9)
    assert found.certificate.ok


@pytest.mark.parametrize("method", ["mean_variance", "max_return", "min_volatility", "min_tracking_error"])
def test_no_random_portfolio_is_better_after_costs(method: str):
    policy = Policy(method=method, risk_free_rate=0.02, max_weight=0.6, impact_bps=30.0, cost_horizon_years=0.25,
                    max_tracking_error=0.08, max_turnover=0.4)  # fmt: skip
    found = solve(FOUR, policy, BOOK, HELD)
    assert found.certificate.ok and found.goal.measure.endswith("after trading costs")
    for w in np.random.default_rng(0).dirichlet(np.ones(4), 2000):
        if found.feasible.limits.violation(w) <= 0:
            assert found.goal.value(w) <= found.objective + 1e-8
    again = solve(FOUR, policy, BOOK, HELD)
    assert np.array_equal(found.weights, again.weights)


def test_without_gain_nothing_is_traded():
    dear = Policy(method="mean_variance", risk_free_rate=0.0, impact_bps=2000.0, cost_horizon_years=1.0)
    found = solve(FOUR, dear, BOOK, HELD)
    np.testing.assert_allclose(found.weights, HELD, atol=1e-7)


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(PolicyError, match="method max_sharpe cannot count trading costs"):
        solve(FOUR, Policy(method="max_sharpe", risk_free_rate=0.0, cost_horizon_years=1.0), BOOK, HELD)
    with pytest.raises(PolicyError, match="cost_horizon_years needs the held weights"):
        solve(FOUR, Policy(method="min_volatility", cost_horizon_years=1.0), BOOK)
    with pytest.raises(PolicyError, match="cost_horizon_years is 0; it must be a number of years above 0"):
        Policy(cost_horizon_years=0)
