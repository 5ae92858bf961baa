"""Published tables and algorithms, reproduced; each with its source."""

import numpy as np
import pytest

from optimizer import Estimates, Policy, Universe, solve
from optimizer.measures.performance import expected_shortfall
from optimizer.measures.portfolio_measures import diversification_ratio, risk_contributions
from optimizer.problem.clusters.hierarchical import correlation_distance, hrp, hrp_condensed, linkage

FOUR = ("A1", "A2", "A3", "A4")
RISK = np.array([0.10, 0.20, 0.30, 0.40])


def four(correlation: np.ndarray) -> Estimates:
    return Estimates(FOUR, None, correlation * np.outer(RISK, RISK))


def weights(estimates: Estimates, method: str, **limits: object) -> np.ndarray:
    policy = Policy(method=method, risk_free_rate=0.0, **limits)
    return solve(estimates, policy, Universe(estimates.symbols)).weights


def test_equal_risk_contributions_of_maillard_roncalli_teiletche():
    """S. Maillard, T. Roncalli, J. Teiletche, JPM 36(4), 2010, the example with four risky assets."""
    correlation = np.array([[1, 0.8, 0, 0], [0.8, 1, 0, 0], [0, 0, 1, -0.5], [0, 0, -0.5, 1]])
    np.testing.assert_allclose(
        weights(four(correlation), "risk_parity"), [0.384, 0.192, 0.243, 0.182], atol=6e-4
    )
    np.testing.assert_allclose(
        weights(four(correlation), "min_volatility"), [0.745, 0, 0.152, 0.103], atol=6e-4
    )


def test_equal_risk_contributions_under_constant_correlation_are_inverse_volatilities():
    """The same paper, section 2.2, in closed form."""
    correlation = np.full((4, 4), 0.3) + 0.7 * np.eye(4)
    inverse = 1 / RISK
    np.testing.assert_allclose(weights(four(correlation), "risk_parity"), inverse / inverse.sum(), atol=1e-9)


def test_two_assets_have_inverse_volatility_risk_parity_whatever_the_correlation():
    for rho in (-0.9, 0.0, 0.7):
        pair = Estimates(("A", "B"), None, np.array([[0.01, 0.03 * rho], [0.03 * rho, 0.09]]))
        np.testing.assert_allclose(weights(pair, "risk_parity"), [0.75, 0.25], atol=1e-9)


def test_most_diversified_portfolio_of_choueifaty_and_coignard():
    """Y. Choueifaty, Y. Coignard, JPM 35(1), 2008: uncorrelated assets are held by inverse volatility, and every
    asset held has the same correlation with the portfolio, 1 / the diversification ratio."""
    inverse = 1 / RISK
    np.testing.assert_allclose(
        weights(four(np.eye(4)), "max_diversification"), inverse / inverse.sum(), atol=1e-9
    )
    correlation = np.array([[1, 0.8, 0, 0], [0.8, 1, 0, 0], [0, 0, 1, -0.5], [0, 0, -0.5, 1]])
    estimates = four(correlation)
    w = weights(estimates, "max_diversification")
    marginal = estimates.covariance @ w / np.sqrt(w @ estimates.covariance @ w) / RISK
    expected = 1 / diversification_ratio(w, estimates.covariance)
    np.testing.assert_allclose(marginal[w > 1e-9], expected, rtol=1e-9)
    assert np.all(marginal >= expected - 1e-9)


def test_tangency_portfolio_in_closed_form():
    """Merton 1972: proportional to the inverse covariance times excess means."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((30, 4))
    covariance, mean = a.T @ a / 300, np.array([0.07, 0.08, 0.06, 0.09])
    closed = np.linalg.solve(covariance, mean - 0.02)
    estimates = Estimates(FOUR, mean, covariance)
    policy = Policy(method="max_sharpe", risk_free_rate=0.02, long_only=False)
    found = solve(estimates, policy, Universe(FOUR))
    np.testing.assert_allclose(found.weights, closed / closed.sum(), rtol=1e-7)


def test_expected_tail_loss_is_the_average_of_the_worst():
    """R. T. Rockafellar, S. Uryasev, Journal of Risk 2(3), 2000: of 100 losses the worst five, at 95%."""
    losses = np.arange(1.0, 101.0)
    assert expected_shortfall(-losses, 0.95) == pytest.approx(98.0)
    assert expected_shortfall(-losses, 0.945) == pytest.approx((5 * 98 + 0.5 * 95) / 5.5)


@pytest.mark.parametrize("limits", [{}, {"max_weight": 0.4}, {"max_volatility": 0.21}])
def test_least_tail_loss_equals_the_linear_program_written_out(limits: dict[str, float]):
    import cvxpy as cp

    rng = np.random.default_rng(1)
    scenarios = rng.standard_t(4, (200, 4)) * RISK / 20 + 0.001
    estimates = Estimates(FOUR, None, np.cov(scenarios.T) * 252, scenarios)
    found = solve(estimates, Policy(method="cvar", **limits), Universe(FOUR))
    w, z = cp.Variable(4, nonneg=True), cp.Variable()
    rules = [cp.sum(w) == 1, w <= limits.get("max_weight", 1.0)]
    if "max_volatility" in limits:
        rules.append(cp.norm(np.linalg.cholesky(estimates.covariance).T @ w) <= limits["max_volatility"])
    problem = cp.Problem(cp.Minimize(z + cp.sum(cp.pos(-scenarios @ w - z)) / (0.05 * 200)), rules)
    problem.solve(solver="CLARABEL")
    assert found.objective == pytest.approx(problem.value, rel=1e-6)


def published_hrp(covariance: np.ndarray, order: list[int]) -> np.ndarray:
    """Recursive bisection as printed by M. Lopez de Prado, JPM 42(4), 2016, snippet 3."""
    weight = dict.fromkeys(order, 1.0)
    items = [order]
    while items:
        items = [i[j:k] for i in items for j, k in ((0, len(i) // 2), (len(i) // 2, len(i))) if len(i) > 1]
        for i in range(0, len(items), 2):
            variance = []
            for side in (items[i], items[i + 1]):
                block = covariance[np.ix_(side, side)]
                ivp = 1 / np.diag(block)
                ivp /= ivp.sum()
                variance.append(ivp @ block @ ivp)
            alpha = 1 - variance[0] / sum(variance)
            for name in items[i]:
                weight[name] *= alpha
            for name in items[i + 1]:
                weight[name] *= 1 - alpha
    return np.array([weight[i] for i in range(len(order))])


def published_order(link: np.ndarray) -> list[int]:
    """Quasi-diagonalisation, snippet 2 of the same."""

    def leaves(node: int) -> list[int]:
        if node <= len(link):
            return [node]
        left, right = link[node - len(link) - 1, :2].astype(int)
        return leaves(left) + leaves(right)

    return leaves(2 * len(link))


def test_both_variants_of_hierarchical_risk_parity_follow_the_published_algorithm():
    rng = np.random.default_rng(5)
    returns = rng.standard_normal((300, 9)) * rng.uniform(0.005, 0.02, 9) + 0.006 * rng.standard_normal(
        (300, 1)
    )
    covariance = np.cov(returns.T) * 252
    distance = correlation_distance(covariance)
    away = np.sqrt(((distance[:, :, None] - distance[:, None, :]) ** 2).sum(axis=0))
    for recipe, used in ((hrp, away), (hrp_condensed, distance)):
        expected = published_hrp(covariance, published_order(linkage(used, "single")))
        np.testing.assert_allclose(recipe(covariance), expected, rtol=1e-12)
        assert expected.sum() == pytest.approx(1)


def test_risk_shares_add_up():
    estimates = four(np.full((4, 4), 0.3) + 0.7 * np.eye(4))
    shares = risk_contributions(np.array([0.4, -0.1, 0.5, 0.2]), estimates.covariance)
    assert shares.sum() == pytest.approx(1)
