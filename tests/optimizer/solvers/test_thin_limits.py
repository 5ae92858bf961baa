"""Where limits leave hardly any room or risk: certified answers with a scale, or a refusal that says why."""

import numpy as np
import pytest

from optimizer import DataError, Estimates, InfeasibleError, Policy, Universe, solve
from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.convex_limits import Limits, Linear
from optimizer.problem.feasible_set import FeasibleSet, plain
from optimizer.problem.goals import RiskBudget
from optimizer.solvers.audit import certify
from optimizer.solvers.solver_choice import LANES


def check(seed: int) -> None:
    """Bounds, sectors or turnover a millionth to a thousandth wide around weights that keep them."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(51, 140)) if rng.random() < 0.5 else int(rng.integers(2, 50))
    returns = 0.01 * rng.standard_normal((n + 60, 3)) @ rng.uniform(0.2, 1, (3, n))
    returns += 0.01 * rng.uniform(0.3, 2, n) * rng.standard_t(5, (n + 60, n))
    names = tuple(f"S{i:03d}" for i in range(n))
    inside = 0.9 * rng.dirichlet(np.full(n, rng.choice([0.5, 2, 10]))) + 0.1 / n
    thin, kind = 10.0 ** rng.uniform(-6, -3), seed % 4
    sectors = {name: f"G{rng.integers(4)}" for name in names}
    limits: dict[str, object] = {}
    if kind in (0, 2):
        below, above = thin * rng.random((2, n))
        limits["asset_limits"] = {
            name: (max(w - a, 0.0), w + b)
            for name, w, a, b, chosen in zip(names, inside, below, above, rng.random(n) < 0.6, strict=True)
            if chosen
        }
    if kind in (1, 2):
        total = {
            g: sum(w for name, w in zip(names, inside, strict=True) if sectors[name] == g)
            for g in ["G0", "G1", "G2", "G3"]
        }
        limits["sector_limits"] = {g: (max(w - thin, 0.0), w + thin) for g, w in total.items() if w > 0}
    if kind == 3:
        limits["max_turnover"] = thin
    estimates = Estimates(names, None, np.cov(returns.T).reshape(n, n) * 252, trusted=True)
    policy = Policy(method="risk_parity", max_weight=1.0, **limits)
    solution = solve(estimates, policy, Universe(names, sectors=sectors), inside)
    assert solution.certificate.ok, (seed, solution.certificate)
    assert solution.feasible.limits.violation(solution.weights) <= 1e-8


@pytest.mark.parametrize("seed", range(24))
def test_risk_parity_in_a_sliver_is_certified(seed: int):
    check(seed)


@pytest.mark.slow
def test_risk_parity_in_two_thousand_slivers_is_certified():
    for seed in range(24, 2000):
        check(seed)


@pytest.mark.parametrize(("seed", "spread"), [(115, 0.5), (122, 0.25), (134, 0.5)])
def test_limits_that_touch_in_one_portfolio_beside_forced_cash_are_a_conflict(seed: int, spread: float):
    """A tracking error of a share of the held risk, and a volatility of the rest of it, meet in one point.

    Where the last bits of a BLAS kernel leave room enough the point is the answer, and certified.
    """
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 8))
    moves = rng.normal(0, 0.2, (int(rng.integers(1, 2 * n)), n))
    covariance, names = moves.T @ moves / len(moves), tuple(f"A{i}" for i in range(n))
    held = 0.7 * rng.dirichlet(np.ones(n))
    risk = float(np.sqrt(held @ covariance @ held))
    policy = Policy(
        method="risk_parity", max_tracking_error=spread * risk * (1 + 1e-10), max_volatility=(1 - spread) * risk,
        forced_cash="hold",
    )  # fmt: skip
    try:
        found = solve(Estimates(names, None, covariance), policy, Universe(names), held)
    except InfeasibleError as conflict:
        assert "max_volatility" in str(conflict)
    else:
        assert found.certificate.ok


HEDGE = np.array([[0.04, -0.04], [-0.04, 0.04]])


def spread(covariance: np.ndarray, **limits: object):
    names = tuple(f"S{i}" for i in range(len(covariance)))
    policy = Policy(method="risk_parity", **limits)
    return solve(
        Estimates(names, None, covariance), policy, Universe(names), np.full(len(names), 1 / len(names))
    )


def any_size(n: int, forced_out: int) -> FeasibleSet:
    """Long-only weights that sum to anything up to 1, where the first names may hold nothing together."""
    names, row = tuple(f"S{i}" for i in range(n)), (np.arange(n) < forced_out).astype(float)
    linear = (
        Linear(("cash_max", "cash_min"), -np.ones(n), 0.0, 1.0, offset=1.0),
        Linear(("max_sector", "max_sector"), row, high=0.0),
    )
    return plain(Limits(names, np.zeros(n), np.ones(n), ("long_only",) * n, ("max_weight",) * n, linear))


def test_a_name_that_must_have_risk_and_may_not_be_held_is_a_conflict_in_every_lane():
    """Four factors for twelve names, so that free budgets have no answer of their own to begin with."""
    factors = np.random.default_rng(156).standard_normal((12, 4))
    goal = RiskBudget(0.01 * factors @ factors.T, np.full(12, 1 / 12))
    for attempt in LANES.values():
        with pytest.raises(NoAnswerError) as stop:
            attempt(goal, any_size(12, forced_out=6))
        assert stop.value.infeasible


@pytest.mark.parametrize("least", [-1e-17, 0.0])
def test_weights_without_a_sign_are_not_certified_at_any_scale(least: float):
    """Their cost is the logarithm of a number that is not above 0, and their slopes happen to cancel."""
    goal = RiskBudget(0.04 * np.eye(3), np.full(3, 1 / 3))
    w = np.array([least, 2e-15, 2e-15])
    frame = any_size(3, forced_out=1).frame
    for multipliers in np.vstack([np.zeros(2), np.eye(2), -np.eye(2)]):
        assert not certify(0.0, frame, goal.support(w), w, multipliers).ok


def test_a_best_ratio_of_next_to_nothing_is_refused_by_what_to_change():
    names = ("A", "B", "C")
    estimates = Estimates(names, np.array([0.4, 0.1, 0.1]), np.diag([0.04, 0.09, 0.16]))
    policy = Policy(
        method="max_sharpe", risk_free_rate=0.0, cash_max=1.0, max_weight=1.0, asset_limits={"A": (0.0, 1e-9)}
    )
    with pytest.raises(InfeasibleError, match=r"no weight above 1e-06 of NAV.*lower cash_max"):
        solve(estimates, policy, Universe(names))


def test_a_mix_without_risk_that_the_limits_forbid_is_no_obstacle():
    assert spread(HEDGE, asset_limits={"S0": (0.0, 0.3)}).weights == pytest.approx([0.3, 0.7])
    own = np.kron(np.diag([1.0, 0.5]), HEDGE)
    found = spread(own, asset_limits={"S0": (0.0, 0.1), "S2": (0.0, 0.15)}, max_weight=0.5)
    assert found.certificate.ok
    assert found.lane == "fast"


@pytest.mark.parametrize("limits", [{}, {"max_weight": 0.6}, {"cash_max": 1.0}, {"max_volatility": 0.1}])
def test_a_mix_without_risk_that_the_limits_allow_has_no_best_size(limits: dict[str, object]):
    with pytest.raises(DataError, match="no risk at all"):
        spread(HEDGE, **limits)
