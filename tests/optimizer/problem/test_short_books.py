"""Borrow fees in goals and backtests, and margin as a limit: by hand, by an independent program, and at the edges."""

from dataclasses import replace
from typing import Any

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from draws import examples
from hypothesis import given
from hypothesis import strategies as st

from optimizer import (
    Estimates,
    InfeasibleError,
    OptimizationBacktest,
    Policy,
    PolicyError,
    Recipe,
    Solution,
    Universe,
    solve,
)
from optimizer.backtests.policy_strategy import PolicyStrategy
from optimizer.backtests.walk_forward import BacktestSettings
from optimizer.model.costs import CostModel
from optimizer.numerics.polyhedra import Polyhedron
from optimizer.problem.goals import Ratio, Traded
from optimizer.solvers.fast.dispatch import Candidate
from optimizer.solvers.newton_refinement import sharpened_ratio, sharpened_within
from optimizer.solvers.solver_choice import _charged_candidate

NAMES = ("A", "B", "C", "D", "E")
PAIR = Estimates(("A", "B"), np.array([0.06, -0.04]), np.diag([0.04, 0.04]))
FREE = CostModel(commission=0.0, impact_bps=0.0)


def estimates_of(seed: int) -> Estimates:
    rng = np.random.default_rng(seed)
    returns = 0.01 * rng.standard_normal((80, 5)) + 0.005 * rng.standard_normal((80, 1))
    mean = rng.normal(0.02, 0.08, 5)
    return Estimates(NAMES, mean, np.cov(returns.T) * 252 + 1e-4 * np.eye(5), returns, observations=80)


def answer(estimates: Estimates, held: Any = None, **policy: Any) -> Solution:
    asked = Policy(long_only=False, risk_free_rate=0.0, cash_min=-5.0, cash_max=5.0, **policy)
    return solve(estimates, asked, Universe(estimates.symbols), held)


def test_a_fee_takes_its_part_of_a_short_position_and_closes_one_that_it_makes_worthless():
    """(|mean| - fee) / (lambda s^2) by hand: (0.04 - 0.01) / (2.5 x 0.04) = 0.3, and nothing at a fee of 0.05."""
    np.testing.assert_allclose(answer(PAIR).weights, [0.6, -0.4], atol=1e-9)
    found = answer(PAIR, borrow_fee=0.01)
    assert (
        found.certificate.ok
        and found.goal.measure == "expected return less its penalty for risk after borrow fees"
    )
    np.testing.assert_allclose(found.weights, [0.6, -0.3], atol=1e-7)
    assert found.objective == pytest.approx(0.036 + 0.012 - 0.003 - 1.25 * 0.04 * (0.36 + 0.09))
    dear = answer(PAIR, borrow_fee=0.01, borrow_fees={"B": 0.05})
    assert dear.certificate.ok
    np.testing.assert_allclose(dear.weights, [0.6, 0.0], atol=1e-6)


def program(estimates: Estimates, method: str, fees: np.ndarray, held: np.ndarray | None) -> float:
    """The best value by cvxpy alone: longs and shorts apart, 15 bps of the traded value spread over two years."""
    up, down = cp.Variable(5, nonneg=True), cp.Variable(5, nonneg=True)
    w = up - down
    worth = estimates.mean @ w - fees @ down
    risk = cp.quad_form(w, cp.psd_wrap(estimates.covariance))
    rules = [cp.abs(w) <= 0.5, cp.sum(w) <= 1, cp.sum(up + down) <= 1.5]
    if method == "mean_variance":
        worth -= 1.25 * risk
    else:
        rules.append(risk <= 0.12**2)
    if held is not None:
        worth -= 15e-4 / 2 * cp.norm1(w - held)
    problem = cp.Problem(cp.Maximize(worth), rules)
    problem.solve(solver="CLARABEL")
    return float(problem.value)


@examples(4)
@given(
    seed=st.integers(0, 10_000),
    method=st.sampled_from(["mean_variance", "max_return"]),
    fee=st.sampled_from([0.0, 0.01, 0.1]),
    traded=st.booleans(),
)
def test_against_a_program_of_longs_and_shorts(seed: int, method: str, fee: float, traded: bool):
    estimates = estimates_of(seed)
    held = np.random.default_rng(seed).uniform(-0.3, 0.4, 5) if traded else None
    limits = {"min_weight": -0.5, "max_weight": 0.5, "max_gross": 1.5, "net_limits": (None, 1.0)}
    capped = {"max_volatility": 0.12} if method == "max_return" else {}
    found = answer(
        estimates, held, method=method, borrow_fee=fee, borrow_fees={"A": 0.05},
        cost_horizon_years=2.0 if traded else None, **limits, **capped,
    )  # fmt: skip
    assert found.certificate.ok
    fees = np.array([0.05, fee, fee, fee, fee])
    assert found.objective == pytest.approx(program(estimates, method, fees, held), abs=1e-6)


@examples(4)
@given(seed=st.integers(0, 10_000), fee=st.sampled_from([0.005, 0.05]), doubt=st.sampled_from([0.0, 0.05]))
def test_the_best_ratio_after_fees_is_that_of_a_program_of_longs_and_shorts(
    seed: int, fee: float, doubt: float
):
    """Charnes & Cooper 1962 by cvxpy alone: least risk at one unit of return after fees."""
    estimates = estimates_of(seed)
    up, down = cp.Variable(5, nonneg=True), cp.Variable(5, nonneg=True)
    scale, y = cp.Variable(nonneg=True), up - down
    errors = doubt * np.sqrt(np.diag(estimates.covariance) * 252 / 80)
    worth = estimates.mean @ y - fee * cp.sum(down) - cp.norm(cp.multiply(errors, y))
    rules = [worth >= 0.01, cp.abs(y) <= 0.5 * scale, cp.sum(y) == scale]
    problem = cp.Problem(cp.Minimize(cp.quad_form(y, cp.psd_wrap(estimates.covariance))), rules)
    problem.solve(solver="CLARABEL")
    limits = {"min_weight": -0.5, "max_weight": 0.5, "net_limits": (1.0, 1.0), "mean_doubt": doubt}
    if problem.status != "optimal":
        with pytest.raises(InfeasibleError):
            answer(estimates, method="max_sharpe", borrow_fee=fee, **limits)
        return
    found = answer(estimates, method="max_sharpe", borrow_fee=fee, **limits)
    assert found.certificate.ok and found.goal.measure == "Sharpe ratio after borrow fees"
    assert found.objective == pytest.approx(0.01 / np.sqrt(problem.value), rel=1e-4)


def test_a_near_answer_of_the_ratio_after_fees_is_brought_to_its_last_digits():
    """Excess 6%, and 4% less a fee of 1% short, at one risk: 2 to -1 by hand; C earns nothing and stays at nothing."""
    fees = np.array([0.0, 0.01, 0.02])
    goal = Ratio(np.array([0.06, -0.04, 0.0]), np.diag([0.04] * 3), "Sharpe ratio", None, fees)
    one, near = np.ones(1), np.array([1.999, -0.999, 1e-12])
    space = Polyhedron(np.ones((1, 3)), one, one, np.full(3, -5.0), np.full(3, 5.0), one)
    found = sharpened_ratio(goal, space, (), near, None)
    assert found is not None
    np.testing.assert_allclose(found[0], [2.0, -1.0, 0.0], atol=1e-12)
    assert sharpened_ratio(replace(goal, fees=None), space, (), near, None) is None  # the fast lane's


def test_a_solvers_answer_after_fees_that_is_off_in_the_third_digit_is_brought_to_the_optimum():
    found = answer(
        PAIR, method="max_sharpe", borrow_fee=0.01, min_weight=-2.0, max_weight=2.0, net_limits=(1.0, 1.0)
    )
    goal, feasible, off = found.goal, found.feasible, np.array([1.99, -0.99])
    assert isinstance(goal, Ratio) and (found.weights < 0).any()
    none = np.zeros(len(feasible.frame.rows))
    mended = _charged_candidate(goal, feasible, Candidate(off, none, "a solver", goal.support(off)))
    np.testing.assert_allclose(mended.x[:2], [2.0, -1.0], atol=1e-10)  # (6% to 4% - 1%) at equal risks


def test_a_near_answer_after_costs_and_fees_is_brought_to_its_last_digits_beside_the_columns_of_a_limit():
    """(6% - 0.075%) / (2.5 x 0.04) long and (4% - 1% - 0.075%) / (2.5 x 0.04) short; the gross weight does not bind."""
    found = answer(PAIR, np.array([0.2, -0.1]), cost_horizon_years=2.0, borrow_fee=0.01, max_gross=1.5)
    assert isinstance(found.goal, Traded)
    space = found.feasible.space
    near = np.zeros(space.rows.shape[1])
    near[:2] = found.weights + np.array([1e-5, -1e-5])
    assert len(near) > 2
    exact = sharpened_within(found.goal, space, (), near, None)
    assert exact is not None
    np.testing.assert_allclose(exact[0][:2], [0.5925, -0.2925], atol=1e-12)
    np.testing.assert_allclose(exact[2], [0.00075, -0.01075], atol=1e-12)


def test_a_method_that_does_not_count_fees_says_what_they_are():
    estimates = estimates_of(4)
    found = answer(
        estimates, method="min_tracking_error", held=np.array([0.5, -0.2, 0.3, -0.1, 0.1]), borrow_fee=0.02
    )
    (said,) = found.warnings
    assert said.startswith("method min_tracking_error does not count borrow fees")
    assert said.endswith("0.60% of the NAV a year")


def test_margin_counts_each_side_at_its_own_rate():
    """Mean 0.06 long and -0.04 short without a cost of risk to speak of: the better use of margin gets all of it."""
    calm = Estimates(("A", "B"), PAIR.mean, 1e-4 * PAIR.covariance)
    found = answer(calm, method="max_return", max_margin=1.0)
    np.testing.assert_allclose(found.weights, [2.0, 0.0], atol=1e-6)
    dear = answer(calm, method="max_return", max_margin=1.0, margins={"A": (1.0, None)})
    np.testing.assert_allclose(dear.weights, [0.0, -2.0], atol=1e-6)
    assert dear.binding[0].limit == "max_margin"
    assert dear.binding[0].shadow_price == pytest.approx(0.08, abs=1e-6)


@examples(4)
@given(
    seed=st.integers(0, 10_000),
    most=st.sampled_from([0.3, 0.6, 1.0]),
    method=st.sampled_from(["mean_variance", "min_volatility", "max_sharpe", "cvar"]),
)
def test_margin_holds_and_no_random_book_within_it_is_better(seed: int, most: float, method: str):
    estimates = estimates_of(seed)
    net = (0.2, 1.0) if method != "mean_variance" else None
    found = answer(
        estimates, method=method, max_margin=most, long_margin=0.5, short_margin=0.9, net_limits=net,
        min_weight=-0.5, max_weight=0.5,
    )  # fmt: skip
    w = found.weights
    need = 0.5 * np.maximum(w, 0).sum() + 0.9 * np.maximum(-w, 0).sum()
    assert found.certificate.ok and need <= most + 1e-8
    limits = found.feasible.limits
    sign = 1 if method in ("mean_variance", "max_sharpe") else -1
    rng = np.random.default_rng(seed)
    for v in w + rng.normal(0, 0.05, (200, 5)):
        if limits.violation(v) <= 0:
            assert sign * found.goal.value(v) <= sign * found.objective + 1e-7


def test_margin_gives_way_by_its_priority_and_is_named_in_a_conflict():
    estimates = estimates_of(1)
    with pytest.raises(InfeasibleError, match=r"max_margin is 0\.2 and must give way by 0\.2"):
        answer(estimates, method="min_volatility", max_margin=0.2, net_limits=(0.8, 1.0))
    found = answer(
        estimates,
        method="min_volatility",
        max_margin=0.2,
        net_limits=(0.8, 1.0),
        priorities={"max_margin": 3},
    )
    assert [u.limit for u in found.unmet] == ["max_margin"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"borrow_fee": 0.01}, "long-only"),
        ({"borrow_fees": {"A": 0.01}}, "long-only"),
        ({"long_only": False, "borrow_fee": -0.01}, "borrow_fee is -0.01"),
        ({"long_only": False, "borrow_fees": {"A": float("nan")}}, "borrow_fees of A is nan"),
        ({"margins": {"A": (0.5, 0.5)}}, "give both"),
        ({"max_margin": 1.0, "short_margin": 50.0}, "short_margin is 50"),
        ({"max_margin": 100.0}, "write 1 for 100%"),
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any], said: str):
    with pytest.raises(PolicyError, match=said):
        Policy(**wrong)


@pytest.mark.parametrize(
    "setting", [{"borrow_fees": {"Z": 0.1}}, {"max_margin": 1.0, "margins": {"Z": (0.1, 0.1)}}]
)
def test_names_that_are_not_there_are_refused(setting: dict[str, Any]):
    with pytest.raises(PolicyError, match="names Z"):
        answer(PAIR, **setting)


def test_a_backtest_pays_the_fee_on_what_is_sold_short_every_day():
    """By hand: 40% short at 100; prices, and so the fee of a day, stand still but for the last of four closes."""
    dates = pd.bdate_range("2024-01-01", periods=6)
    prices = pd.DataFrame({"A": 100.0, "B": [100.0, 100, 100, 100, 110, 110]}, dates)
    told = BacktestSettings(1000.0, FREE, min_history=1, cash_min=-1.0, borrow_fees={"B": 0.252})
    bench = OptimizationBacktest(prices)
    found = bench.backtest_strategy(lambda history, day: {"A": 1.0, "B": -0.4}, "yearly", settings=told)
    daily = 0.252 / 252
    paid = 400 * daily * 3 + 440 * daily  # the closes before the second to the sixth
    free = bench.backtest_strategy(
        lambda history, day: {"A": 1.0, "B": -0.4},
        "yearly",
        settings=BacktestSettings(1000.0, FREE, min_history=1, cash_min=-1.0),
    )
    assert found.metrics["borrow_fees"] == pytest.approx(paid)
    assert free.nav.iloc[-1] - found.nav.iloc[-1] == pytest.approx(paid)
    assert "borrow_fees" not in free.metrics
    assert found.attribution.sum() == pytest.approx(found.nav.iloc[-1] / 1000 - 1)
    with pytest.raises(PolicyError, match="borrow_fees"):
        bench.backtest_strategy(
            lambda h, d: {"A": 1.0}, settings=BacktestSettings(min_history=1, borrow_fees=-0.1)
        )


@pytest.mark.parametrize(("most", "weights"), [(0.5, (0.6, -0.2)), (0.4, (0.6, -0.1)), (2.0, (0.6, -0.6))])
def test_a_backtest_keeps_within_its_margin_at_every_decision(most: float, weights: tuple[float, float]):
    """A gains and B loses every other day: A is held to its limit, and what margin is left is B sold short, at 100%."""
    days = 40
    rises = np.where(np.arange(days) % 2, 0.002, 0.0)
    falls = np.where(np.arange(days) % 2, 0.0, -0.001)
    prices = pd.DataFrame(
        {"A": 100 * np.cumprod(1 + rises), "B": 50 * np.cumprod(1 + falls)},
        pd.bdate_range("2024-01-01", periods=days),
    )
    policy = Policy(
        method="max_return", risk_free_rate=0.0, long_only=False, cash_max=2.0, borrow_fee=0.0252,
        asset_limits={"A": (-0.6, 0.6), "B": (-0.6, 0.6)}, max_margin=most, margins={"B": (None, 1.0)},
    )  # fmt: skip
    strategy = PolicyStrategy(policy, Universe(("A", "B")), Recipe(lookback_days=30), "historical")
    told = BacktestSettings(1000.0, FREE, min_history=31, cash_min=-1.0, borrow_fees=policy.borrow_fee)
    found = OptimizationBacktest(prices).backtest_strategy(strategy, "daily", settings=told)
    value, worth = 1000.0, []
    for day in range(days - len(found.nav) + 1, days):
        value *= 1 + weights[0] * rises[day] + weights[1] * falls[day] + weights[1] * 0.0252 / 252
        worth.append(value)
    assert len(worth) >= 7
    assert found.nav.to_numpy()[1:] == pytest.approx(np.array(worth), rel=1e-9)
    assert found.metrics["borrow_fees"] == pytest.approx(
        sum(-weights[1] * 0.0252 / 252 * held for held in [1000.0, *worth[:-1]])
    )
