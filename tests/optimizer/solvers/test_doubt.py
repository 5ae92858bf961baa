"""Means that lie anywhere in an ellipsoid: closed forms, an independent program, and the worst mean itself."""

import cvxpy as cp
import numpy as np
import pytest
from draws import examples
from hypothesis import given
from hypothesis import strategies as st

from optimizer import Estimates, InfeasibleError, Policy, PolicyError, Solution, Universe, solve

PAIR = Estimates(("A", "B"), np.array([0.05, 0.01]), np.array([[0.04, 0.01], [0.01, 0.02]]), observations=252)


def answer(estimates: Estimates, **policy: object) -> Solution:
    return solve(estimates, Policy(risk_free_rate=0.02, **policy), Universe(estimates.symbols))


def random_estimates(seed: int) -> Estimates:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 8))
    root = rng.standard_normal((n + 3, n)) * 0.1
    names = tuple(f"S{i}" for i in range(n))
    days = int(rng.integers(60, 2000))
    return Estimates(names, rng.normal(0.08, 0.05, n), root.T @ root + 1e-4 * np.eye(n), observations=days)


def test_of_one_name_as_much_is_held_as_its_worst_mean_deserves():
    """(|m - rf| - kappa s / sqrt(years)) / (lambda s^2), by hand: (0.03 - 0.1 x 0.2) / (2.5 x 0.04)."""
    found = answer(PAIR, method="mean_variance", mean_doubt=0.1, cash_max=1.0)
    np.testing.assert_allclose(found.weights, [0.1, 0.0], atol=1e-9)
    assert found.objective == pytest.approx(0.02 + 0.003 - 0.002 - 1.25 * 0.04 * 0.01)


@pytest.mark.parametrize("method", ["mean_variance", "max_return"])
@pytest.mark.parametrize("shape", ["diagonal", "full"])
def test_where_every_worst_mean_is_below_cash_all_is_held_in_cash(method: str, shape: str):
    found = answer(PAIR, method=method, mean_doubt=1.0, mean_doubt_shape=shape, cash_max=1.0)
    assert found.certificate.ok
    np.testing.assert_allclose(found.weights, 0.0, atol=1e-9)
    with pytest.raises(InfeasibleError, match=r"at its worst mean.*mean_doubt"):
        answer(PAIR, method="max_sharpe", mean_doubt=1.0, mean_doubt_shape=shape)


def test_errors_correlated_as_returns_leave_the_best_ratio_where_it_is():
    """The doubt is then kappa / sqrt(years) x volatility: it lowers every Sharpe ratio by the same."""
    trusting = answer(random_estimates(3), method="max_sharpe")
    doubting = answer(random_estimates(3), method="max_sharpe", mean_doubt=0.3, mean_doubt_shape="full")
    np.testing.assert_allclose(trusting.weights, doubting.weights, atol=1e-6)
    years = random_estimates(3).observations / 252
    assert doubting.objective == pytest.approx(trusting.objective - 0.3 / np.sqrt(years), abs=1e-8)


@examples(4)
@given(seed=st.integers(0, 10_000), kappa=st.sampled_from([0.1, 0.5, 2.0]))
def test_against_the_program_written_out(seed: int, kappa: float):
    """Ceria & Stubbs 2006, by cvxpy alone."""
    estimates = random_estimates(seed)
    n, years = len(estimates.symbols), estimates.observations / 252
    errors = np.sqrt(np.diag(estimates.covariance) / years)
    w = cp.Variable(n, nonneg=True)
    worst = estimates.mean @ w - kappa * cp.norm(cp.multiply(errors, w))
    utility = worst - 1.25 * cp.quad_form(w, cp.psd_wrap(estimates.covariance))
    problem = cp.Problem(cp.Maximize(utility), [cp.sum(w) == 1])
    problem.solve(solver="CLARABEL")
    found = answer(estimates, method="mean_variance", mean_doubt=kappa)
    assert found.certificate.ok
    assert found.objective == pytest.approx(problem.value, abs=1e-7)


@examples(6)
@given(
    seed=st.integers(0, 10_000),
    method=st.sampled_from(["mean_variance", "max_return", "max_sharpe", "target_volatility"]),
    shape=st.sampled_from(["diagonal", "full"]),
)
def test_limits_hold_and_no_allowed_portfolio_has_a_better_worst_case(seed: int, method: str, shape: str):
    estimates = random_estimates(seed)
    n = len(estimates.symbols)
    policy = {"max_weight": max(0.6, 1.0 / n), "cash_max": 0.3, "target_volatility": 0.2}
    try:
        found = answer(estimates, method=method, mean_doubt=0.4, mean_doubt_shape=shape, **policy)
    except InfeasibleError:
        return
    limits = found.feasible.limits
    assert found.certificate.ok
    assert limits.violation(found.weights) <= 1e-8
    for v in np.random.default_rng(seed).dirichlet(np.ones(n), 100):
        if limits.violation(v) <= 0:
            assert found.goal.value(v) <= found.objective + 1e-7


def test_doubt_that_keeps_all_in_cash_is_certified_beside_a_volatility_cap():
    """The cost is 0 there: what a solver leaves of it is nothing beside the doubt of any name."""
    rng = np.random.default_rng(88)
    for _ in range(10):
        root = rng.standard_normal((9, 5)) * 0.2
        mean = rng.normal(0.0, 0.3, 5)
        estimates = Estimates(tuple("ABCDE"), mean, root.T @ root + 1e-4 * np.eye(5), observations=20)
        found = answer(
            estimates, method="max_return", mean_doubt=4.0, cash_max=1.0, max_volatility=0.1, max_notional=0.8
        )
        assert found.certificate.ok


def test_what_is_needed_is_asked_for():
    silent = Estimates(("A", "B"), PAIR.mean, PAIR.covariance)
    with pytest.raises(PolicyError, match="set observations"):
        answer(silent, method="max_return", mean_doubt=1.0)
    with pytest.raises(PolicyError, match="mean_doubt is -1"):
        Policy(mean_doubt=-1)
    with pytest.raises(PolicyError, match="mean_doubt_shape"):
        Policy(mean_doubt_shape="round")
