"""The fast and the general lane, and the audit, on random and degenerate instances."""

import numpy as np
import pytest
from draws import each_once, examples, some
from hypothesis import given
from hypothesis import strategies as st

from optimizer import (
    DataError,
    Estimates,
    InfeasibleError,
    Policy,
    PolicyError,
    Solution,
    SolverError,
    Universe,
    solve,
)
from optimizer.measures.performance import expected_shortfall
from optimizer.numerics import lp
from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.convex_limits import INF
from optimizer.numerics.lp import make_solver, solve_lp
from optimizer.numerics.matrices import LowRank
from optimizer.numerics.polish import polish
from optimizer.numerics.polyhedra import Polyhedron
from optimizer.numerics.qp import solve_qp
from optimizer.problem.feasible_set import plain
from optimizer.problem.methods import METHODS, SCENARIO_COSTS
from optimizer.solvers.fast.cvar_ellipsoids import tail_program
from optimizer.solvers.fast.cvar_generation import least_tail
from optimizer.solvers.general import LADDER, solve_general
from optimizer.solvers.solver_choice import LANES, certified

# Those with an algorithm of their own.
SPECIAL = [method for method in METHODS if method not in SCENARIO_COSTS]


class Instance:
    """Random estimates and limits; twins, tied means, N > T, daily units, shorts and cash among them."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        n = int(rng.integers(2, 13))
        days = int(rng.integers(max(3, n // 2), 60))
        returns = rng.standard_normal((days, n)) * rng.uniform(0.005, 0.03, n) + rng.normal(0.0004, 0.0006, n)
        returns += 0.008 * rng.standard_normal((days, 1))
        if rng.random() < 0.2 and n > 2:
            returns[:, 1] = returns[:, 0]
        unit = 1 / 252 if rng.random() < 0.3 else 1.0
        mean = np.full(n, 0.08) if rng.random() < 0.1 else returns.mean(axis=0) * 252
        names = tuple(f"S{i:02d}" for i in range(n))
        covariance = np.cov(returns.T) * 252 * unit
        self.estimates = Estimates(names, mean * unit, covariance, returns, trusted=True)
        self.held = rng.dirichlet(np.ones(n))
        benchmark = dict(zip(names, rng.dirichlet(np.ones(n)).tolist(), strict=True))
        sectors = {name: "ABC"[int(rng.integers(3))] for name in names}
        self.universe = Universe(names, sectors, benchmark=benchmark if rng.random() < 0.7 else None)
        self.limits = self._limits(rng, names, unit)

    @staticmethod
    def _limits(rng: np.random.Generator, names: tuple[str, ...], unit: float) -> dict[str, object]:
        root = unit**0.5
        limits: dict[str, object] = {"risk_free_rate": 0.02 * unit, "long_only": bool(rng.random() < 0.85)}
        if not limits["long_only"]:
            limits |= {"min_weight": -float(rng.uniform(0.05, 0.3)), "max_weight": 0.8}
        elif rng.random() < 0.6:
            limits["max_weight"] = float(rng.uniform(1.2 / len(names), 1.0))
        chances = {
            "max_sector": (0.4, 0.45, 0.9, 1.0),
            "max_turnover": (0.4, 0.1, 0.6, 1.0),
            "cash_max": (0.3, 0.0, 0.3, 1.0),
            "max_notional": (0.3, 1.0, 1.6, 1.0),
            "max_tracking_error": (0.25, 0.02, 0.2, root),
            "max_volatility": (0.25, 0.08, 0.25, root),
            "min_return": (0.2, 0.0, 0.1, unit),
            "target_volatility": (0.3, 0.05, 0.2, root),
        }
        for name, (chance, low, high, factor) in chances.items():
            if rng.random() < chance:
                limits[name] = float(rng.uniform(low, high)) * factor
        if rng.random() < 0.3:
            limits["asset_limits"] = {names[0]: [(0.0, 0.0), (0.02, 0.3)][int(rng.integers(2))]}
        if rng.random() < 0.3:
            limits["on_conflict"] = "transition"
        if rng.random() < 0.3:
            limits["forced_cash"] = "hold"
        return limits

    def solve(self, method: str) -> Solution | None:
        """None where the limits allow nothing, or the method cannot be asked for."""
        try:
            return solve(self.estimates, Policy(method=method, **self.limits), self.universe, self.held)
        except (InfeasibleError, PolicyError, DataError):
            return None


def check(seed: int) -> None:
    instance = Instance(seed)
    for method in SPECIAL:
        found = instance.solve(method)
        if found is None:
            continue
        assert found.certificate.ok, (seed, method)
        if not found.unmet:
            assert found.feasible.limits.violation(found.weights) <= 1e-8, (seed, method)


def compare(seed: int) -> None:
    instance = Instance(seed)
    for method in SPECIAL:
        found = instance.solve(method)
        if found is None or found.unmet:
            continue
        feasible = plain(found.feasible.limits)
        try:
            other = certified("general", feasible, LANES["general"](found.goal, feasible), found.goal)
        except NoAnswerError:
            continue  # the general solver has no answer to a set as thin as some of these
        if other.certificate.ok:
            value = found.goal.value(other.weights)
            assert value == pytest.approx(found.objective, rel=1e-5, abs=1e-5), (seed, method)


@pytest.mark.parametrize("seed", some(range(25), 8))
def test_every_answer_is_certified(seed: int):
    check(seed)


@pytest.mark.parametrize("seed", some(range(8), 2))
def test_both_lanes_agree(seed: int):
    compare(seed)


def agree_with_pivots(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same objective by block pivoting, which small books do without, as by the general solvers."""
    from optimizer.solvers.fast import quadratic

    instance = Instance(seed)
    for method in METHODS:
        monkeypatch.setattr(quadratic, "SMALL", 0)
        found = instance.solve(method)
        monkeypatch.setattr(quadratic, "SMALL", 50)
        other = instance.solve(method)
        assert (found is None) == (other is None), (seed, method)
        if found is not None and other is not None:
            assert found.objective == pytest.approx(other.objective, rel=1e-5, abs=1e-9), (seed, method)


@pytest.mark.parametrize("seed", some((23, 25, 26, 31, 21, 22), 2))
def test_block_pivoting_agrees_with_the_general_solvers(seed: int, monkeypatch: pytest.MonkeyPatch):
    agree_with_pivots(seed, monkeypatch)


@pytest.mark.slow
def test_block_pivoting_agrees_on_hundreds(monkeypatch: pytest.MonkeyPatch):
    for seed in range(20, 200):
        agree_with_pivots(seed, monkeypatch)


@pytest.mark.slow
def test_hundreds_of_instances_are_certified_or_in_a_handful_refused():
    """Twins, curved limits and forced cash together leave sets so thin that no solver can search them."""
    refused = []
    for seed in range(25, 300):
        try:
            check(seed)
        except SolverError:
            refused.append(seed)
    assert len(refused) <= 3


@pytest.mark.slow
def test_both_lanes_agree_on_hundreds():
    for seed in range(8, 200):
        try:
            compare(seed)
        except SolverError:
            assert seed == 58


@examples(6)
@given(
    st.integers(0, 10_000), st.sampled_from(["min_volatility", "max_sharpe", "mean_variance", "risk_parity"])
)
def test_units_and_order_change_nothing(seed: int, method: str):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 8))
    names = tuple(f"S{i}" for i in range(n))
    a = rng.standard_normal((3 * n, n))
    covariance, mean = a.T @ a / 100, rng.uniform(0.03, 0.15, n)

    def weights(order: np.ndarray, unit: float) -> np.ndarray:
        estimates = Estimates(
            tuple(names[i] for i in order),
            mean[order] * unit,
            covariance[np.ix_(order, order)] * unit,
            trusted=True,
        )
        policy = Policy(method=method, risk_free_rate=0.02 * unit, max_weight=1.5 / n)
        found = solve(estimates, policy, Universe(names)).weights
        return found[np.argsort(order)]

    plain_order = np.arange(n)
    base = weights(plain_order, 1.0)
    np.testing.assert_allclose(weights(plain_order, 1 / 252), base, atol=1e-7)
    np.testing.assert_allclose(weights(rng.permutation(n), 1.0), base, atol=1e-7)


@examples(8)
@given(st.integers(0, 10_000))
def test_a_general_quadratic_program_meets_its_optimality_conditions(seed: int):
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 70)), int(rng.integers(0, 6))
    a = rng.standard_normal((int(rng.integers(1, n + 2)), n))
    inside = rng.uniform(0, 1, n)
    rows = rng.standard_normal((m, n))
    slack = rng.uniform(0, 1, m)
    space = Polyhedron(
        rows,
        np.where(rng.random(m) < 0.5, rows @ inside - slack, -INF),
        rows @ inside + slack,
        np.zeros(n),
        np.where(rng.random(n) < 0.5, 1.0, 5.0),
        np.ones(m),
    )
    P, q = a.T @ a, rng.standard_normal(n)
    answer = solve_qp(P, q, space)
    reduced = P @ answer.x + q - answer.multipliers @ rows
    assert space.violation(answer.x) < 1e-8
    best = np.where(reduced > 0, space.floor, space.ceiling)
    assert np.abs(reduced * (answer.x - best)).sum() < 1e-6 * max(1.0, np.abs(q).max())


@pytest.mark.parametrize("seed", range(8))
def test_few_scenarios_and_names_give_the_tail_of_all(seed: int):
    rng = np.random.default_rng(seed)
    n, days, level = int(rng.integers(2, 60)), int(rng.integers(8, 300)), float(rng.choice([0.8, 0.95]))
    scenarios = rng.standard_t(4, (days, n)) * 0.01 + 0.004 * rng.standard_normal((days, 1))
    rows = np.vstack([np.ones(n), rng.uniform(0, 1, n)])
    low, high = np.array([1.0, 0.55 if seed % 2 else -INF]), np.array([1.0, INF])
    floor = np.where(rng.random(n) < 0.1, 0.5 / n, 0.0) if seed % 3 else np.full(n, -0.2)
    space = Polyhedron(rows, low, high, floor, np.full(n, max(0.3, 3.0 / n)), np.ones(2))
    found = least_tail(scenarios, level, space, 1.0 / ((1.0 - level) * days))
    problem, cost = tail_program(scenarios, 1.0 / ((1.0 - level) * days), space)
    whole = solve_lp(cost, problem)
    w = found.answer.x
    assert space.violation(w) <= 1e-8
    assert expected_shortfall(scenarios @ w, level) == pytest.approx(float(cost @ whole.x), rel=1e-8)
    assert (
        found.weights.sum() == pytest.approx(1.0) and found.weights.max() <= 1 / ((1 - level) * days) + 1e-9
    )


def test_iterations_and_no_clock_end_a_program(monkeypatch: pytest.MonkeyPatch):
    """What ends by a clock is another answer on a busy machine."""
    assert make_solver().getOptionValue("time_limit")[1] == INF
    assert not any("time_limit" in settings for _, settings in LADDER)
    monkeypatch.setattr(lp, "ITERATIONS", 1)
    names = ("A", "B", "C")
    few = Estimates(names, np.array([0.1, 0.2, 0.3]), np.eye(3))
    sectors = dict.fromkeys(names, "all")
    policy = Policy(method="max_return", max_weight=0.4, max_turnover=0.3)
    with pytest.raises(SolverError, match="not at its end after 1 iteration"):
        solve(few, policy, Universe(names, sectors), np.array([0.1, 0.9, 0.0]))


def test_an_answer_at_a_vertex_is_exact():
    covariance = np.diag([1.0, 2.0, 3.0])
    space = Polyhedron(
        np.ones((1, 3)), np.ones(1), np.ones(1), np.zeros(3), np.array([0.4, 1, 1]), np.ones(1)
    )
    exact = polish(covariance, np.zeros(3), space, np.array([0.4 - 1e-11, 0.36, 0.24]), np.array([0.72]))
    assert exact is not None
    assert exact[0] == pytest.approx([0.4, 0.36, 0.24], abs=1e-15)
    assert exact[0][0] == 0.4


def test_an_infeasible_program_says_so():
    space = Polyhedron(np.ones((1, 2)), np.full(1, 3.0), np.full(1, 3.0), np.zeros(2), np.ones(2), np.ones(1))
    with pytest.raises(NoAnswerError) as caught:
        solve_qp(np.eye(2), np.zeros(2), space)
    assert caught.value.infeasible


def test_infeasible_is_believed_of_one_solver_only_with_proof(monkeypatch: pytest.MonkeyPatch):
    """DAQP's false "infeasible" beside a PIQP that gives up is no proof; a linear program is."""
    from optimizer.numerics import qp

    def gives(solver: str, *, infeasible: bool) -> object:
        def stop(*_: object) -> None:
            raise NoAnswerError(solver, "stopped", infeasible=infeasible)

        return stop

    monkeypatch.setattr(qp, "_daqp", gives("DAQP", infeasible=True))
    monkeypatch.setattr(qp, "_piqp", gives("PIQP", infeasible=False))
    for total, truth in ((1.0, False), (3.0, True)):
        budget = np.full(1, total)
        space = Polyhedron(np.ones((1, 2)), budget, budget, np.zeros(2), np.ones(2), np.ones(1))
        with pytest.raises(NoAnswerError) as caught:
            solve_qp(np.eye(2), np.zeros(2), space)
        assert caught.value.infeasible is truth


def test_the_general_lane_proves_infeasibility_too():
    found = solve(Instance(1).estimates, Policy(method="min_volatility"), Instance(1).universe)
    n = len(found.symbols)
    space = Polyhedron(
        np.ones((1, n)), np.full(1, 3.0), np.full(1, 3.0), np.zeros(n), np.full(n, 0.1), np.ones(1)
    )
    with pytest.raises(NoAnswerError) as caught:
        solve_general(found.goal, n, space, ())
    assert caught.value.infeasible


@pytest.mark.parametrize(
    ("method", "seed"),
    each_once(["min_volatility", "max_sharpe", "mean_variance", "max_diversification"], range(6)),
)
def test_large_books_by_pivots_and_by_candidates_equal_the_whole_program(
    method: str, seed: int, monkeypatch: pytest.MonkeyPatch
):
    from optimizer.numerics import qp
    from optimizer.solvers.fast import quadratic

    rng = np.random.default_rng(seed)
    n = 180
    names = tuple(f"S{i:03d}" for i in range(n))
    returns = rng.standard_normal((120, 4)) @ rng.uniform(-0.3, 1.0, (4, n)) * 0.01
    returns += rng.standard_normal((120, n)) * rng.uniform(0.005, 0.02, n)
    estimates = Estimates(names, returns.mean(axis=0) * 252 + 0.05, np.cov(returns.T) * 252, trusted=True)
    universe = Universe(names, {name: "ABCDE"[i % 5] for i, name in enumerate(names)})
    held = np.zeros(n)
    held[rng.choice(n, 20, replace=False)] = 0.05
    limits = [{}, {"max_weight": 0.05}, {"max_turnover": 0.3, "max_sector": 0.3}][seed % 3]
    policy = Policy(method=method, risk_free_rate=0.02, **limits)
    small = solve(estimates, policy, universe, held)
    assert small.certificate.ok and small.lane == "fast"
    monkeypatch.setattr(quadratic, "SMALL", n)
    priced = solve(estimates, policy, universe, held)
    assert priced.objective == pytest.approx(small.objective, rel=1e-8)
    monkeypatch.setattr(qp, "MANY", 10_000)
    whole = solve(estimates, policy, universe, held)
    assert small.objective == pytest.approx(whole.objective, rel=1e-8)


@pytest.mark.parametrize("method", ["min_volatility", "max_sharpe", "mean_variance", "max_diversification",
                                    "min_tracking_error", "risk_parity"])  # fmt: skip
@pytest.mark.parametrize("limits", [{}, {"max_weight": 0.04, "max_turnover": 0.3}, {"max_volatility": 0.22}])
def test_factors_give_the_answer_of_the_covariance_they_stand_for(method: str, limits: dict[str, float]):
    rng = np.random.default_rng(3)
    n = 90
    names = tuple(f"S{i:02d}" for i in range(n))
    risk = LowRank(0.02 * rng.standard_normal((40, n)) + 0.03, rng.uniform(0.002, 0.03, n))
    mean, held = rng.uniform(0.03, 0.12, n), rng.dirichlet(np.ones(n))
    policy = Policy(method=method, risk_free_rate=0.02, **limits)
    factored = Estimates(names, mean, risk, trusted=True)
    found = solve(factored, policy, Universe(names), held)
    assert ("covariance" in vars(factored)) == ("max_volatility" in limits)
    whole = solve(Estimates(names, mean, risk.dense, trusted=True), policy, Universe(names), held)
    assert found.certificate.ok and found.objective == pytest.approx(whole.objective, rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("method", ["min_volatility", "max_sharpe", "max_diversification", "mean_variance"])
@pytest.mark.parametrize("limits", [{}, {"max_weight": 0.06}, {"max_weight": 0.06, "max_turnover": 0.15}])
def test_a_start_changes_how_soon_and_not_what(method: str, limits: dict[str, float]):
    rng = np.random.default_rng(11)
    n, policy = 80, Policy(method=method, risk_free_rate=0.02, risk_aversion=20.0, **limits)
    names = tuple(f"S{i:02d}" for i in range(n))
    returns = 0.01 * rng.standard_normal((300, 1)) + 0.012 * rng.standard_normal((300, n))
    last = np.where(np.arange(n) < 20, 0.05, 0.0)
    for day in range(0, 40, 10):
        window = returns[day : day + 250]
        estimates = Estimates(names, 0.08 + window.mean(axis=0), np.cov(window.T) * 252, trusted=True)
        cold = solve(estimates, policy, Universe(names), last)
        warm = solve(estimates, policy, Universe(names), last, start=last)
        np.testing.assert_allclose(warm.weights, cold.weights, atol=1e-10)
        last = cold.weights


def test_a_start_above_a_cap_is_sold_down_to_it_by_pivots():
    rng = np.random.default_rng(12)
    n, policy = 80, Policy(method="min_volatility", max_weight=0.06, max_turnover=0.08)
    names = tuple(f"S{i:02d}" for i in range(n))
    root = np.vstack([np.where(np.arange(n) < 3, 0.1, 0.15), 0.02 * rng.standard_normal((5, n))])
    estimates = Estimates(names, None, LowRank(root, rng.uniform(0.02, 0.05, n)), trusted=True)
    held = np.where(np.arange(n) < 3, 0.08, 0.76 / (n - 3))
    cold = solve(estimates, policy, Universe(names), held)
    near = np.where(held > 0.06, held, cold.weights)
    warm = solve(estimates, policy, Universe(names), held, start=near)
    assert cold.solver == warm.solver == "active set"
    np.testing.assert_allclose(warm.weights, cold.weights, atol=1e-12)


def test_a_turnover_limit_settles_by_pivots_in_a_book_of_thousands():
    n, days = 2000, 300
    rng = np.random.default_rng(7)
    own = rng.normal(0, 0.01, (days, n)) * rng.uniform(0.6, 2, n)
    root = own + rng.normal(0, 0.01, (days, 1)) * rng.uniform(0.4, 1.6, n)
    estimates = Estimates(
        tuple(f"S{i:04d}" for i in range(n)),
        None,
        LowRank(root * np.sqrt(252 / days), np.full(n, 0.03)),
        trusted=True,
    )
    held = rng.dirichlet(np.full(n, 0.5))
    policy = Policy(method="min_volatility", max_turnover=0.2)
    solution = solve(estimates, policy, Universe(estimates.symbols), held)
    assert solution.solver == "active set"
    assert solution.certificate.ok
