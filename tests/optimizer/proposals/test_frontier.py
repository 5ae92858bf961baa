from dataclasses import replace

import numpy as np
import pytest

from optimizer import Estimates, Horizon, InfeasibleError, Policy, PolicyError, Universe, frontier, solve
from optimizer.proposals.frontier import RISKS

NAMES = ("A", "B", "C", "D")
RNG = np.random.default_rng(3)
RETURNS = RNG.standard_normal((90, 4)) * [0.006, 0.009, 0.012, 0.02] + [0.0002, 0.0004, 0.0005, 0.0011]
FOUR = Estimates(NAMES, RETURNS.mean(axis=0) * 252, np.cov(RETURNS.T) * 252, RETURNS)
BOOK = Universe(NAMES, benchmark=dict.fromkeys(NAMES, 0.25))
POLICY = Policy(risk_free_rate=0.02, max_weight=0.7, cash_max=0.1)


@pytest.mark.parametrize("measure", RISKS)
def test_every_point_is_certified_and_no_portfolio_dominates_it(measure: str):
    points = frontier(FOUR, POLICY, BOOK, measure=measure, points=5)
    assert len(points) == 5
    assert all(point.solution.certificate.ok for point in points)
    returns = np.array([point.expected_return for point in points])
    risks = np.array([point.risk for point in points])
    np.testing.assert_allclose(np.diff(returns), np.diff(returns)[0], rtol=1e-5)
    assert np.all(np.diff(risks) > 0)
    assert np.all(np.diff(risks, 2) >= -1e-7), "least risk is convex in the return"
    goal = points[0].solution.goal
    for w in np.random.default_rng(0).dirichlet(np.ones(4), 300):
        if w.max() <= 0.7:
            earned = FOUR.mean @ w
            over = returns <= earned + 1e-9
            assert goal.value(w) >= risks[over].max(initial=0.0) - 1e-7


def test_its_ends_are_the_least_risk_and_the_greatest_return():
    first, *_, last = frontier(FOUR, POLICY, BOOK)
    least = solve(
        FOUR, Policy(method="min_volatility", max_weight=0.7, cash_max=0.1, risk_free_rate=0.02), BOOK
    )
    np.testing.assert_allclose(first.solution.weights, least.weights, atol=1e-9)
    assert first.risk == first.volatility
    top = np.sort(FOUR.mean)[::-1]
    assert last.expected_return == pytest.approx(0.7 * top[0] + 0.3 * top[1])


def test_two_funds_span_the_frontier_without_bounds():
    """Merton 1972: in the mean and variance plane it is a parabola with known coefficients."""
    policy = Policy(risk_free_rate=0.02, long_only=False, min_weight=-1.0, max_weight=2.0)
    inverse = np.linalg.inv(FOUR.covariance)
    ones = np.ones(4)
    a, b, c = ones @ inverse @ FOUR.mean, FOUR.mean @ inverse @ FOUR.mean, ones @ inverse @ ones
    for point in frontier(FOUR, policy, BOOK, points=30)[:8]:
        m = point.expected_return
        variance = (c * m**2 - 2 * a * m + b) / (b * c - a**2)
        assert point.volatility == pytest.approx(np.sqrt(variance), rel=1e-7)


def test_a_single_return_gives_a_single_point():
    even = Estimates(NAMES, np.full(4, 0.05), FOUR.covariance)
    assert len(frontier(even, Policy(), Universe(NAMES))) == 1


def test_limits_of_the_policy_hold_at_each_point():
    policy = Policy(risk_free_rate=0.02, max_volatility=0.12, min_return=0.08, max_turnover=0.4)
    for point in frontier(FOUR, policy, BOOK, np.full(4, 0.25), points=4):
        w = point.solution.weights
        assert point.volatility <= 0.12 + 1e-8
        assert point.expected_return >= 0.08 - 1e-8
        assert np.abs(w - 0.25).sum() / 2 <= 0.4 + 1e-8


def test_wrong_measures_and_conflicts_are_named():
    with pytest.raises(PolicyError, match=r"max_sharpe.*min_volatility"):
        frontier(FOUR, POLICY, BOOK, measure="max_sharpe")
    with pytest.raises(PolicyError, match="two ends"):
        frontier(FOUR, POLICY, BOOK, points=1)
    with pytest.raises(InfeasibleError, match="min_return"):
        frontier(FOUR, Policy(min_return=3.0), BOOK)


def test_with_cash_it_is_the_capital_market_line_up_to_the_tangent_portfolio():
    """Tobin 1958, by hand: excess means 4% and 6%, variances 0.04 and 0.09; the best Sharpe ratio is root 0.08."""
    two = Estimates(("A", "B"), np.array([0.06, 0.08]), np.diag([0.04, 0.09]))
    points = frontier(two, Policy(risk_free_rate=0.02, cash_max=1.0), Universe(("A", "B")), points=7)
    assert [p.expected_return for p in points] == pytest.approx(
        [0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08], abs=1e-8
    )
    for p in points[:5]:  # the tangent portfolio, 60% and 40%, earns 6.8%
        share = (p.expected_return - 0.02) / 0.048
        assert p.solution.weights == pytest.approx([0.6 * share, 0.4 * share], abs=1e-6)
        assert p.volatility == pytest.approx((p.expected_return - 0.02) / np.sqrt(0.08), abs=1e-7)
    assert points[5].volatility == pytest.approx(np.sqrt(0.25 * 0.04 + 0.25 * 0.09), rel=1e-6)
    assert points[6].volatility == pytest.approx(0.3, rel=1e-6)


def test_a_policy_with_a_horizon_has_the_frontier_of_one_period():
    planned = replace(POLICY, horizon=Horizon(steps=5, step_days=10, half_life_days=20))
    for alone, point in zip(
        frontier(FOUR, POLICY, BOOK, points=3), frontier(FOUR, planned, BOOK, points=3), strict=True
    ):
        np.testing.assert_array_equal(point.solution.weights, alone.solution.weights)
