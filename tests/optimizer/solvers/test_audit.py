import re
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from optimizer import Estimates, ExposureType, Fund, FundExposureMap, Policy, Universe, solve
from optimizer.numerics.convex_limits import Absolute, Limits, Linear, Norm, scale_range
from optimizer.numerics.polyhedra import outer, polyhedron
from optimizer.problem.goals import Support
from optimizer.problem.methods import METHODS, SCENARIO_COSTS
from optimizer.solvers.audit import Certificate, certify, lower_bound
from optimizer.solvers.solver_choice import Optimum

N = 5
NAMES = tuple("ABCDE")
RNG = np.random.default_rng(11)
RETURNS = RNG.standard_normal((120, N)) * 0.01 + 0.004 * RNG.standard_normal((120, 1)) + 0.001
FIVE = Estimates(NAMES, RETURNS.mean(axis=0) * 252, np.cov(RETURNS.T) * 252, RETURNS)
HELD = np.array([0.4, 0.3, 0.2, 0.1, 0.0])


def some_limits(lower: float = 0.0) -> Limits:
    return Limits(
        NAMES,
        np.full(N, lower),
        np.full(N, 0.6),
        ("long_only",) * N,
        ("max_weight",) * N,
        (Linear(("cash_min", "cash_max"), -np.ones(N), 0.0, 0.2, 1.0),),
        (Absolute("max_turnover", np.full(N, 0.5), HELD, 0.25),),
        (Norm("max_volatility", FIVE.covariance, np.zeros(N), 0.3),),
    )


@pytest.mark.parametrize("lower", [0.0, -0.2])
def test_the_lifted_rows_say_what_the_limits_say(lower: float):
    limits = some_limits(lower)
    space = polyhedron(limits)
    for w in RNG.dirichlet(np.ones(N), 200) * RNG.uniform(0.7, 1.1, (200, 1)):
        x = np.concatenate([w, np.maximum(HELD - w, 0.0)[lower < HELD]])
        linear = max(limit.violation(w) for limit in (*limits.linear, *limits.absolute))
        box = max(np.max(limits.lower - w), np.max(w - limits.upper), 0.0)
        assert (space.violation(x) <= 1e-12) == (max(linear, box) <= 1e-12)


def test_tangents_keep_all_that_an_ellipsoidal_limit_allows():
    norm = Norm("max_tracking_error", FIVE.covariance, HELD, 0.05)
    space = polyhedron(some_limits())
    at = np.array([0.1, 0.2, 0.3, 0.2, 0.2])
    whole = outer(space, (norm,), at)
    tangent = whole.rows[-1, :N]
    assert tangent @ at * whole.scale[-1] - whole.high[-1] * whole.scale[-1] == pytest.approx(
        norm.value(at) - 0.05
    )
    for w in RNG.dirichlet(np.ones(N), 300):
        if norm.violation(w) == 0:
            assert tangent @ w <= whole.high[-1] + 1e-12


def test_no_multipliers_whatever_can_lift_the_bound_above_the_truth():
    space = polyhedron(some_limits())
    slope = np.zeros(space.rows.shape[1])
    slope[:N] = [0.3, -0.1, 0.2, -0.4, 0.1]
    allowed = [w for w in RNG.dirichlet(np.ones(N), 500) if some_limits().violation(w) == 0]
    truth = min(slope[:N] @ w for w in allowed)
    for _ in range(200):
        assert lower_bound(space, slope, RNG.standard_normal(len(space.rows))) <= truth + 1e-9


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"target_volatility"}))
def test_the_support_never_lies_above_the_cost(method: str):
    """With it the gap is a bound; it must hold at every portfolio, not only at the best."""
    funds = FundExposureMap([Fund(name, name, {ExposureType.GOLD: 1.0}) for name in NAMES])
    policy = Policy(method=method, risk_free_rate=0.02, max_weight=0.5)
    found = solve(FIVE, policy, Universe(NAMES, funds=funds), HELD)
    goal, w = found.goal, found.weights
    support = goal.support(w)
    price = goal.rate(w)
    for v in RNG.dirichlet(np.ones(N), 200):
        lead = (goal.value(v) - goal.value(w)) / price
        line = support.slope @ v - support.slope @ w
        if method == "max_return":
            assert line == pytest.approx(lead, abs=1e-12)
        elif goal.homogeneous:
            # Bounds hold in the cost of v scaled to the risk of w.
            at_risk = v * np.sqrt(w @ FIVE.covariance @ w) / np.sqrt(v @ FIVE.covariance @ v)
            assert support.slope @ at_risk <= lead + 1e-9
        elif price < 0 or method == "cvar" or method in SCENARIO_COSTS:
            assert line <= lead + 1e-12


def test_a_worse_portfolio_has_no_certificate():
    limits = some_limits()
    found = solve(
        FIVE,
        Policy(method="min_volatility", max_weight=0.6, cash_max=0.2, risk_free_rate=0.0),
        Universe(NAMES),
    )
    worse = found.weights + 0.01 * np.array([1, -1, 0, 0, 0])
    space = polyhedron(limits)
    support = found.goal.support(worse)
    proof = certify(0.0, space, support, worse, np.zeros(len(space.rows)))
    assert not proof.ok
    assert not certify(1e-3, space, Support(np.zeros(N), 0.0, 1.0), worse, np.zeros(len(space.rows))).ok


def test_the_range_of_a_scale_ends_where_a_limit_begins():
    limits = some_limits()
    w = np.array([0.35, 0.25, 0.2, 0.1, 0.0])
    low, high = scale_range(limits, w)
    for factor, inside in (
        (low + 1e-7, True),
        (low - 1e-5, False),
        (high - 1e-7, True),
        (high + 1e-5, False),
    ):
        assert (limits.violation(factor * w) <= 1e-9) == inside


@pytest.mark.parametrize(
    "limit", ["max_turnover", "max_volatility", "min_return", "max_tracking_error", "max_sector"]
)
def test_shadow_prices_are_slopes(limit: str):
    bounds = {
        "max_turnover": 0.13, "max_volatility": 0.115, "min_return": 0.45, "max_tracking_error": 0.04,
        "max_sector": 0.55,
    }  # fmt: skip
    universe = Universe(
        NAMES, {"A": "x", "B": "x", "C": "y", "D": "y", "E": "y"}, benchmark=dict.fromkeys(NAMES, 0.2)
    )

    def best(bound: float) -> float:
        method = "min_volatility" if limit == "min_return" else "mean_variance"
        policy = Policy(method=method, risk_free_rate=0.02, **{limit: bound})
        return solve(FIVE, policy, universe, HELD).objective

    start = bounds[limit]
    method = "min_volatility" if limit == "min_return" else "mean_variance"
    found = solve(FIVE, Policy(method=method, risk_free_rate=0.02, **{limit: start}), universe, HELD)
    [binding] = [b for b in found.binding if b.limit.startswith(limit)]
    slope = (best(start + 1e-5) - best(start - 1e-5)) / 2e-5
    assert binding.shadow_price == pytest.approx(abs(slope), rel=1e-3)
    point = 1e4 * 0.01 * abs(slope)
    verb = "lowers" if method == "min_volatility" else "raises"
    said = rf"relaxing {binding.limit} \({100 * start:.4g}%\) by 1 point {verb} the [a-z ]+ by (\S+) bps"
    assert float(re.fullmatch(said, binding.text)[1]) == pytest.approx(point, rel=0.06)


def test_a_side_without_a_bound_never_binds():
    universe = Universe(NAMES, dict(zip(NAMES, "xxyyy", strict=True)))
    policy = Policy(
        method="min_volatility", max_notional=1.5, max_sector=0.9, min_return=0.0, risk_free_rate=0.02
    )
    found = solve(FIVE, policy, universe)
    assert all(np.isfinite(binding.bound) for binding in found.binding)


def test_a_multiple_that_is_not_certified_is_told(monkeypatch: pytest.MonkeyPatch):
    """The weights stay as they were, at another volatility than was asked for: nothing said why."""
    policy = Policy(method="risk_parity", target_volatility=0.08, cash_max=1.0)
    asked = solve(FIVE, policy, Universe(NAMES))
    assert FIVE.risk @ asked.weights @ asked.weights == pytest.approx(0.08**2) and not asked.warnings
    sure = import_module("optimizer.solvers.solve").certified

    def doubted(*told: Any) -> Optimum:
        return replace(sure(*told), certificate=Certificate(0.0, 1.0, 1.0))

    monkeypatch.setattr("optimizer.solvers.solve.certified", doubted)
    warning = solve(FIVE, policy, Universe(NAMES)).warnings[0]
    assert "with volatility 8.0% was not certified, and they stay at volatility" in warning
