"""Ratio of return to CVaR, shares of CVaR, CVaR under doubt of the scenarios: against cvxpy and closed forms."""

import numpy as np
import pytest
from draws import some

from optimizer import DataError, Estimates, InfeasibleError, Policy, PolicyError, Universe, solve
from optimizer.problem.tails.tail_goals import capped
from optimizer.proposals.engine_constraints import METHOD_OF

METHODS = ("max_return_to_cvar", "cvar_risk_parity", "robust_cvar")
LEVEL = 0.9


def book(seed: int, n: int = 5, days: int = 150) -> Estimates:
    rng = np.random.default_rng(seed)
    own = rng.standard_t(4, (days, n)) * rng.uniform(0.004, 0.015, n)
    returns = own + 0.006 * rng.standard_normal((days, 1)) + 3e-4
    if seed == 1:
        returns[:, 1] = returns[:, 0]
    if seed == 2:
        returns = np.round(returns, 2)  # days that tie for the edge of the tail
    mean = rng.uniform(0.03, 0.12, n)
    covariance = np.cov(returns.T) * 252 + 1e-9 * np.eye(n)
    return Estimates(tuple(f"S{i:02d}" for i in range(n)), mean, covariance, returns)


def best(it: Estimates, method: str, limits: dict, held: np.ndarray, rate: float = 0.02) -> float:
    """The objective by cvxpy in its own words; the ratio by bisection over LPs, not by a free scale."""
    import warnings

    import cvxpy as cp

    warnings.filterwarnings("ignore", "Solution may be inaccurate")  # within what is asked of it here
    warnings.filterwarnings("ignore", "geo_mean is being approximated")  # with an error of 0, it says
    n, days = len(it.symbols), len(it.scenarios)
    w, level = cp.Variable(n), cp.Variable()
    periodic = (1 + rate) ** (1 / 252) - 1

    def tail(returns: np.ndarray) -> cp.Expression:
        return level + cp.sum(cp.pos(-returns @ w - level)) / ((1 - LEVEL) * days)

    rules = [cp.sum(w) == 1, w >= 0, w <= limits.get("max_weight", 1.0)]
    if "max_turnover" in limits:
        rules.append(cp.norm1(w - held) <= 2 * limits["max_turnover"])
    if "max_volatility" in limits:
        rules.append(cp.norm(np.linalg.cholesky(it.covariance).T @ w) <= limits["max_volatility"])
    exact = {"tol_gap_abs": 1e-9, "tol_gap_rel": 1e-9, "tol_feas": 1e-9}
    if method == "robust_cvar":
        cost = tail(it.scenarios) + 0.002 / (1 - LEVEL) * cp.norm(w)
        return float(cp.Problem(cp.Minimize(cost), rules).solve(solver="CLARABEL", **exact))
    if method == "max_return_to_cvar":
        low, high = 0.0, 1e3
        for _ in range(45):
            ratio = 0.5 * (low + high)
            cost = ratio * tail(it.scenarios - periodic) - (it.mean - rate) @ w
            reached = cp.Problem(cp.Minimize(cost), rules).solve(solver="CLARABEL", **exact) <= 0
            low, high = (ratio, high) if reached else (low, ratio)
        return low
    # Under limits the best y = w / CVaR: over w, ln CVaR(w) - sum b ln w, which is quasiconvex; scanned by its scale.
    y, scale = cp.Variable(n), cp.Variable(nonneg=True)
    spread = level + cp.sum(cp.pos(-it.scenarios @ y - level)) / ((1 - LEVEL) * days)
    rules = [cp.sum(y) == scale, y >= 0, y <= limits.get("max_weight", 1.0) * scale, spread <= 1]
    if "max_turnover" in limits:
        rules.append(cp.norm1(y - held * scale) <= 2 * limits["max_turnover"] * scale)
    if "max_volatility" in limits:
        root = np.linalg.cholesky(it.covariance).T
        rules.append(cp.norm(root @ y) <= limits["max_volatility"] * scale)
    return -float(np.log(cp.Problem(cp.Maximize(cp.geo_mean(y)), rules).solve(solver="CLARABEL")))


@pytest.mark.parametrize(
    "limits", [{}, {"max_weight": 0.3}, {"max_turnover": 0.1}, {"max_volatility": 0.14}], ids=str
)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", some(range(3), 1))
def test_answers_are_those_of_another_formulation(method: str, seed: int, limits: dict):
    it, held = book(seed), np.array([0.4, 0.1, 0.1, 0.2, 0.2])
    policy = Policy(method=method, tail_level=LEVEL, risk_free_rate=0.02, wasserstein_radius=0.002, **limits)
    try:
        found = solve(it, policy, Universe(it.symbols), held)
    except InfeasibleError:
        assert solve(it, Policy(method="min_volatility"), Universe(it.symbols)).objective > 0.14
        return
    assert found.certificate.ok
    assert found.objective == pytest.approx(best(it, method, limits, held), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_shares_of_cvar_are_the_budgets(seed: int):
    it = book(seed)
    found = solve(it, Policy(method="cvar_risk_parity", tail_level=LEVEL), Universe(it.symbols))
    np.testing.assert_allclose(found.goal.shares(found.weights), 0.2, atol=1e-5)
    assert not found.warnings
    given = dict(zip(it.symbols, [0.5, 0.2, 0.1, 0.1, 0.1], strict=True))
    policy = Policy(method="cvar_risk_parity", tail_level=LEVEL, risk_budgets=given)
    found = solve(it, policy, Universe(it.symbols))
    np.testing.assert_allclose(found.goal.shares(found.weights), list(given.values()), atol=1e-5)
    capped_policy = Policy(method="cvar_risk_parity", tail_level=LEVEL, risk_budgets=given, max_weight=0.21)
    assert "'s share of the CVaR is" in solve(it, capped_policy, Universe(it.symbols)).warnings[0]


def test_names_that_never_lose_together_share_by_their_own_loss():
    """One bad day each, in a tail that holds exactly these: w_i x its loss is the same for all."""
    days = np.full((30, 3), 0.001)
    days[[0, 1, 2], [0, 1, 2]] = [-0.02, -0.05, -0.10]
    it = Estimates(("A", "B", "C"), None, np.diag([0.01, 0.02, 0.04]), days)
    w = solve(it, Policy(method="cvar_risk_parity", tail_level=0.9), Universe(it.symbols)).weights
    losses = -(days[:3] * w).sum(axis=0)
    np.testing.assert_allclose(losses, losses.mean(), rtol=1e-6)


def test_the_ratio_counts_with_cash_and_says_where_it_has_no_best():
    it = book(4)
    held = solve(
        it, Policy(method="max_return_to_cvar", risk_free_rate=0.02, tail_level=LEVEL), Universe(it.symbols)
    )
    mixed = Policy(method="max_return_to_cvar", risk_free_rate=0.02, tail_level=LEVEL, cash_max=0.5)
    assert solve(it, mixed, Universe(it.symbols)).objective == pytest.approx(held.objective, rel=1e-6)
    rising = Estimates(it.symbols, it.mean, it.covariance, np.abs(it.scenarios) + 0.001)
    for method in ("max_return_to_cvar", "cvar_risk_parity"):
        with pytest.raises(DataError, match="loses nothing on its worst"):
            solve(rising, Policy(method=method, risk_free_rate=0.02), Universe(it.symbols))
    with pytest.raises(InfeasibleError, match="no best ratio of return to CVaR"):
        solve(it, Policy(method="max_return_to_cvar", risk_free_rate=0.5), Universe(it.symbols))
    with pytest.raises(PolicyError, match="risk_free_rate is not set"):
        solve(it, Policy(method="max_return_to_cvar"), Universe(it.symbols))
    none = Estimates(it.symbols, it.mean, it.covariance)
    for method in METHODS:
        with pytest.raises(PolicyError, match="needs scenarios"):
            solve(none, Policy(method=method, risk_free_rate=0.0), Universe(it.symbols))
    short = Policy(method="cvar_risk_parity", long_only=False, min_weight=-0.5)
    with pytest.raises(PolicyError, match="holds every name long"):
        solve(it, short, Universe(it.symbols))


def test_doubt_of_the_scenarios_spreads_and_none_is_cvar():
    it = book(3)
    sure = solve(it, Policy(method="cvar", tail_level=LEVEL), Universe(it.symbols))
    none = Policy(method="robust_cvar", tail_level=LEVEL, wasserstein_radius=0.0)
    assert solve(it, none, Universe(it.symbols)).objective == pytest.approx(sure.objective, rel=1e-7)
    wide = Policy(method="robust_cvar", tail_level=LEVEL, wasserstein_radius=1.0)
    np.testing.assert_allclose(solve(it, wide, Universe(it.symbols)).weights, 0.2, atol=2e-3)
    with pytest.raises(PolicyError, match="wasserstein_radius is -1"):
        Policy(wasserstein_radius=-1.0)


def test_no_scenarios_as_near_as_the_radius_lose_more_than_the_robust_answer_says():
    """Every day moved against the portfolio by the same distance is in the ball, and the worst of it."""
    it, radius = book(5), 0.003
    policy = Policy(method="robust_cvar", tail_level=LEVEL, wasserstein_radius=radius)
    found = solve(it, policy, Universe(it.symbols))
    w = found.weights
    # The tail: a tenth of the days, moved by ten times the mean distance.
    bad = np.argsort(it.scenarios @ w)[:15]
    moved = it.scenarios.copy()
    moved[bad] -= radius / (1 - LEVEL) * w / np.linalg.norm(w)
    assert np.linalg.norm(moved - it.scenarios, axis=1).mean() == pytest.approx(radius)
    assert -np.sort(moved @ w)[:15].mean() == pytest.approx(found.objective, rel=1e-9)
    rng = np.random.default_rng(0)
    for _ in range(50):
        shift = rng.standard_normal(it.scenarios.shape) * rng.exponential(1.0, (150, 1)) ** 3
        shift *= radius / np.linalg.norm(shift, axis=1).mean()
        assert -np.sort((it.scenarios + shift) @ w)[:15].mean() <= found.objective + 1e-12


def test_multipliers_are_pushed_onto_day_weights():
    most = np.array([0.5, 0.5, 0.5])
    np.testing.assert_allclose(capped(np.array([0.9, 0.1, -0.2]), most), [0.5, 0.4, 0.1])
    np.testing.assert_allclose(capped(np.zeros(3), most), 1 / 3)
    assert set(METHODS) <= set(METHOD_OF.values())
