"""Costs of scenarios: their lines never lie above them, their program is them, and degenerate scenarios are solved."""

import numpy as np
import pytest
from draws import examples
from hypothesis import given
from hypothesis import strategies as st

from optimizer import Estimates, Policy, PolicyError, Universe, solve
from optimizer.numerics.polyhedra import outer
from optimizer.problem.gini import GiniMeanDifference
from optimizer.problem.methods import SCENARIO_COSTS
from optimizer.problem.scenario_costs import EntropicTail
from optimizer.problem.tails.drawdown_costs import Drawdown
from optimizer.solvers.audit import certify

NAMES = sorted(SCENARIO_COSTS)
POLICY = Policy(tail_level=0.9, return_threshold=0.05)
COSTS = {name: SCENARIO_COSTS[name](POLICY) for name in NAMES}


def cases(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns r and s, and a wild guess at multipliers; ties, constants and a single day among them."""
    rng = np.random.default_rng(seed)
    days = int(rng.integers(1, 40))
    r, s, g = rng.standard_normal((3, days)) * [[0.02], [0.03], [2.0 / days]]
    if seed % 5 == 0:
        r = np.round(r, 2)
    if seed % 7 == 0:
        r = np.full(days, 0.001)
    return r, s, g


@pytest.mark.parametrize("name", NAMES)
@examples(8)
@given(seed=st.integers(0, 10_000))
def test_no_multipliers_whatever_make_a_line_above_the_cost(name: str, seed: int):
    cost = COSTS[name]
    r, s, g = cases(seed)
    for guess in (g, cost.slope(r), cost.slope(r) + 1e-4 * g):
        slope, offset = cost.line(r, guess)
        for at in (r, s, 5 * s, np.zeros(len(r))):
            assert offset + slope @ at <= cost.value(at) + 1e-11


@pytest.mark.parametrize("name", NAMES)
@examples(8)
@given(seed=st.integers(0, 10_000))
def test_a_subgradient_touches_the_cost(name: str, seed: int):
    cost = COSTS[name]
    r, _, _ = cases(seed)
    slope, offset = cost.line(r, cost.slope(r))
    np.testing.assert_allclose(slope, cost.slope(r), atol=1e-11)
    assert offset + slope @ r == pytest.approx(cost.value(r), abs=1e-11)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("days", [1, 2, 13, 40])
def test_the_program_of_a_cost_is_the_cost(name: str, days: int):
    import cvxpy as cp

    cost, unit = COSTS[name], 0.01
    fixed = np.random.default_rng(days).standard_normal(days) * 0.02
    r = cp.Variable(days)
    expression, rules = cost.express(r, unit)
    problem = cp.Problem(cp.Minimize(expression), [r == fixed / unit, *rules])
    problem.solve(solver="CLARABEL")
    assert problem.value * unit == pytest.approx(cost.value(fixed), rel=2e-6, abs=1e-8)


def brute_force_drawdowns(r: np.ndarray) -> np.ndarray:
    level = np.concatenate([[0.0], np.cumsum(r)])
    return np.array([max(level[: t + 1]) - level[t] for t in range(1, len(level))])


@pytest.mark.parametrize("seed", range(5))
def test_values_by_brute_force(seed: int):
    r = np.random.default_rng(seed).standard_normal(20) * 0.01
    d = brute_force_drawdowns(r)
    assert Drawdown("mean").value(r) == pytest.approx(d.mean())
    assert Drawdown("max").value(r) == pytest.approx(d.max())
    assert Drawdown("ulcer").value(r) == pytest.approx(np.sqrt((d**2).mean()))
    assert Drawdown("tail", 0.9).value(r) == pytest.approx(np.sort(d)[-2:].mean())
    pairs = [abs(a - b) for i, a in enumerate(r) for b in r[:i]]
    assert GiniMeanDifference().value(r) == pytest.approx(np.mean(pairs))
    z = np.geomspace(1e-4, 1, 20_000)[:, None]
    least = (z[:, 0] * np.log(np.exp(-r / z).mean(axis=1) / 0.1)).min()
    assert EntropicTail(0.9).value(r) == pytest.approx(least, rel=1e-5)


def degenerate(kind: str) -> np.ndarray:
    rng = np.random.default_rng(5)
    returns = rng.standard_normal((30, 4)) * 0.01
    match kind:
        case "fewer days than names":
            return returns[:3]
        case "one day":
            return returns[:1]
        case "one name":
            return returns[:, :1]
        case "twins":
            return np.column_stack([returns, returns[:, 0]])
        case "a constant":
            return np.column_stack([returns, np.full(30, 0.0001)])
        case "all constant":
            return np.full((30, 3), 0.0002)
    return returns[rng.integers(0, 3, 30)]  # "repeated days"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "kind",
    ["fewer days than names", "one day", "one name", "twins", "a constant", "all constant", "repeated days"],
)
def test_degenerate_scenarios_are_solved_and_certified(name: str, kind: str):
    returns = degenerate(kind)
    names = tuple(f"S{i}" for i in range(returns.shape[1]))
    estimates = Estimates(names, None, np.eye(len(names)), returns, trusted=True)
    found = solve(estimates, Policy(method=name, max_weight=1.0, tail_level=0.9), Universe(names))
    assert found.certificate.ok
    sign = -1.0 if name == "kelly" else 1.0
    for w in [*np.eye(len(names)), *np.random.default_rng(0).dirichlet(np.ones(len(names)), 50)]:
        assert sign * found.goal.value(w) >= sign * found.objective - 1e-8 * (252 if name == "kelly" else 1)


@examples(4)
@given(seed=st.integers(0, 10_000), name=st.sampled_from([n for n in NAMES if n != "gini_mean_difference"]))
def test_every_limit_holds_and_no_allowed_portfolio_is_better(seed: int, name: str):
    rng = np.random.default_rng(seed)
    n, days = int(rng.integers(2, 8)), int(rng.integers(3, 40))
    returns = rng.standard_normal((days, n)) * 0.012 + 0.006 * rng.standard_normal((days, 1))
    names = tuple(f"S{i}" for i in range(n))
    covariance = (np.cov(returns.T).reshape(n, n) + 1e-6 * np.eye(n)) * 252
    estimates = Estimates(names, returns.mean(axis=0) * 252, covariance, returns, trusted=True)
    held = rng.dirichlet(np.ones(n))
    policy = Policy(
        method=name, max_weight=float(rng.uniform(1.5 / n, 1.0)), max_turnover=0.3, cash_max=0.2,
        risk_free_rate=0.02, max_tracking_error=0.3, on_conflict="transition",
    )  # fmt: skip
    found = solve(estimates, policy, Universe(names, benchmark=dict(zip(names, held, strict=True))), held)
    limits = found.feasible.limits
    assert found.certificate.ok
    if found.unmet:
        return
    assert limits.violation(found.weights) <= 1e-8
    sign = -1.0 if name == "kelly" else 1.0
    for v in rng.dirichlet(np.ones(n), 60) * rng.uniform(0.8, 1.0, (60, 1)):
        if limits.violation(v) <= 0:
            assert sign * found.goal.value(v) >= sign * found.objective - 1e-6


def test_an_answer_that_is_not_best_gets_no_certificate():
    """Also where the line is not tight: what it lies below the cost counts as a gap."""
    returns = np.random.default_rng(2).standard_normal((40, 3)) * 0.01
    names = ("A", "B", "C")
    estimates = Estimates(names, None, np.eye(3), returns, trusted=True)
    found = solve(estimates, Policy(method="mean_absolute_deviation"), Universe(names))
    space, y = found.optimum.space, found.optimum.multipliers
    worse = found.weights + np.array([0.02, -0.01, -0.01])
    support = found.goal.support(worse, np.zeros(40))
    assert support.slack > 0
    assert not certify(0.0, outer(space, (), worse), support, worse, y).ok


def test_shadow_prices_are_slopes_where_the_cost_has_kinks():
    returns = np.random.default_rng(8).standard_normal((60, 4)) * [0.01, 0.012, 0.014, 0.03]
    names = tuple("ABCD")
    estimates = Estimates(names, None, np.eye(4), returns, trusted=True)

    def best(cap: float):
        return solve(estimates, Policy(method="mean_absolute_deviation", max_weight=cap), Universe(names))

    found = best(0.3)
    price = sum(b.shadow_price for b in found.binding)  # the cap is one number for every name it binds
    slope = (best(0.3 + 1e-6).objective - best(0.3 - 1e-6).objective) / 2e-6
    assert found.binding and price == pytest.approx(-slope, rel=1e-4)


@pytest.mark.parametrize("days", [2, 13, 40])
@pytest.mark.parametrize("width", [1e-4, 0.01, 1.0])
def test_the_smooth_gini_difference_is_above_the_true_one_and_has_the_derivatives_it_says(days, width):
    rng = np.random.default_rng(days)
    scenarios, cost = np.round(rng.standard_normal((days, 3)) * 0.02, 3), GiniMeanDifference()
    w = rng.dirichlet(np.ones(3))
    r = scenarios @ w
    smooth = cost.smoothed(r, width)
    pairs = [abs(a - b) for i, a in enumerate(r) for b in r[:i]]
    huber = [d**2 / (2 * width) + width / 2 if d < width else d for d in pairs]
    assert smooth.value == pytest.approx(np.mean(huber), rel=1e-9)
    assert cost.value(r) <= smooth.value <= cost.value(r) + width / 2
    np.testing.assert_allclose(cost.line(r, smooth.slope)[0], smooth.slope, atol=1e-12)

    def change(function, step=1e-7):
        return np.column_stack([(function(w + e) - function(w - e)) / (2 * step) for e in step * np.eye(3)])

    slope = scenarios.T @ smooth.slope
    value = change(lambda v: np.array([cost.smoothed(scenarios @ v, width).value]))[0]
    np.testing.assert_allclose(slope, value, rtol=1e-4, atol=1e-7)
    bend = change(lambda v: scenarios.T @ cost.smoothed(scenarios @ v, width).slope)
    np.testing.assert_allclose(smooth.curvature(scenarios), bend, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "limits", [{}, {"max_turnover": 0.2}, {"cash_max": 0.5, "min_weight": 0.02, "risk_free_rate": 0.02}]
)
def test_the_gini_difference_is_the_same_in_both_lanes(limits):
    from optimizer.solvers.solver_choice import LANES

    rng = np.random.default_rng(11)
    returns = 0.01 * rng.standard_t(4, (120, 8)) + 0.006 * rng.standard_normal((120, 1))
    names, held = tuple("ABCDEFGH"), rng.dirichlet(np.ones(8))
    estimates = Estimates(names, None, np.eye(8), returns, trusted=True)
    policy = Policy(method="gini_mean_difference", max_weight=0.4, **limits)
    found = solve(estimates, policy, Universe(names), held)
    exact = LANES["general"](found.goal, found.feasible)
    assert found.lane == "fast" and found.certificate.relative_gap < 1e-7
    assert found.objective == pytest.approx(found.goal.value(exact.x[:8]), rel=1e-7)
    np.testing.assert_allclose(found.weights, exact.x[:8], atol=1e-4)


def test_a_tracking_limit_sends_the_gini_difference_to_the_general_lane():
    rng = np.random.default_rng(12)
    returns = 0.01 * rng.standard_t(4, (100, 4)) * [1, 2, 3, 4]
    names = tuple("ABCD")
    estimates = Estimates(names, None, np.cov(returns.T) * 252, returns, trusted=True)
    policy = Policy(method="gini_mean_difference", max_tracking_error=0.02)
    found = solve(estimates, policy, Universe(names, benchmark=dict.fromkeys(names, 0.25)))
    assert found.lane == "general" and "max_tracking_error binds" in found.warnings[0]
    assert found.certificate.ok


def test_scenarios_are_needed_and_levels_checked():
    estimates = Estimates(("A", "B"), None, np.eye(2), trusted=True)
    with pytest.raises(PolicyError, match="needs scenarios"):
        solve(estimates, Policy(method="cdar"), Universe(("A", "B")))
    with pytest.raises(PolicyError, match="tail_level is 95"):
        Policy(tail_level=95)
    with pytest.raises(PolicyError, match="return_threshold"):
        Policy(return_threshold=float("nan"))


def test_a_cost_is_of_total_returns_with_what_cash_earns():
    returns = np.full((30, 1), 0.001)
    estimates = Estimates(("A",), None, np.eye(1), returns, trusted=True)
    policy = Policy(method="kelly", cash_min=0.5, cash_max=0.5, risk_free_rate=0.0252)
    found = solve(estimates, policy, Universe(("A",)))
    daily = 1.0252 ** (1 / 252) - 1
    assert found.objective == pytest.approx(252 * np.log1p(0.5 * 0.001 + 0.5 * daily), rel=1e-9)


def test_the_engine_takes_scenarios_in_the_order_of_its_symbols():
    from optimizer import (
        ExposureType,
        Fund,
        FundExposureMap,
        ObjectiveType,
        OptimizationConstraints,
        OptimizationEngine,
    )
    from optimizer.proposals.engine_constraints import METHOD_OF

    funds = FundExposureMap([Fund(s, s, {ExposureType.US_LARGE_EQUITY: 1.0}) for s in ("A", "B", "C")])
    returns = np.random.default_rng(4).standard_normal((60, 3)) * [0.01, 0.02, 0.03]
    mean, covariance = np.full(3, 0.05), np.cov(returns.T) * 252
    limits = OptimizationConstraints(max_weight=0.5, tail_level=0.9)
    there = OptimizationEngine(None, funds).optimize_mean_variance(
        ("A", "B", "C"), mean, covariance, limits, ObjectiveType.MIN_CDAR, scenarios=returns
    )
    back = OptimizationEngine(None, funds).optimize_mean_variance(
        ("C", "B", "A"),
        mean,
        covariance[::-1, ::-1],
        limits,
        ObjectiveType.MIN_CDAR,
        scenarios=returns[:, ::-1],
    )
    assert there.success, there.message
    assert there.weights == pytest.approx(back.weights, abs=1e-9)
    assert set(SCENARIO_COSTS) < set(METHOD_OF.values())


def test_no_two_costs_are_called_the_same():
    assert len({cost.name for cost in COSTS.values()}) == len(COSTS)


def test_drawdown_at_risk_looks_at_the_losing_side_and_at_the_whole_horizon():
    fall = np.full(10, -0.01)
    tail = Drawdown("tail", 0.8)
    assert tail.value(fall) == pytest.approx((0.09 + 0.10) / 2)
    assert tail.value(-fall) == 0.0
    # Losses that follow one another add up; a gain between them takes off what it earns.
    assert tail.value(fall[:5]) == pytest.approx(0.05)
    assert Drawdown("max").value(np.array([-0.02, 0.01, -0.03])) == pytest.approx(0.04)
    assert tail.value(fall) <= Drawdown("max").value(fall) and tail.value(fall) >= Drawdown("mean").value(
        fall
    )
