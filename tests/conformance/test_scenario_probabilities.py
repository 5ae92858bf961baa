"""Days with probabilities: those of whole multiples are days that occur so often, and equal ones are none at all."""

import numpy as np
import pytest
from draws import each_once, examples
from hypothesis import given
from hypothesis import strategies as st

from optimizer import DataError, Estimates, Policy, PolicyError, Solution, Universe, solve
from optimizer.problem.methods import ON_ODDS, SCENARIO_COSTS

RNG = np.random.default_rng(21)
NAMES = tuple("ABCDE")
DAYS = (
    RNG.standard_t(4, (60, 5)) * [0.008, 0.010, 0.012, 0.015, 0.02]
    + 0.006 * RNG.standard_normal((60, 1))
    + 4e-4
)
TIMES = RNG.integers(1, 6, 60)
ODDS = TIMES / TIMES.sum()
COSTS = {
    name: SCENARIO_COSTS[name](Policy(tail_level=0.9, return_threshold=0.05))
    for name in ON_ODDS
    if name in SCENARIO_COSTS
}
LIMITS = [{}, {"max_tracking_error": 0.03}, {"max_turnover": 0.2}]


def solved(method: str, scenarios: np.ndarray, odds: np.ndarray | None = None, **limits: float) -> Solution:
    covariance = np.cov(DAYS.T) * 252
    mean = np.array([0.05, 0.06, 0.08, 0.07, 0.1])
    estimates = Estimates(NAMES, mean, covariance, scenarios, probabilities=odds, trusted=True)
    policy = Policy(method=method, max_weight=0.5, tail_level=0.9, risk_free_rate=0.0, **limits)
    universe = Universe(NAMES, benchmark=dict.fromkeys(NAMES, 0.2))
    return solve(estimates, policy, universe, np.full(5, 0.2))


@pytest.mark.parametrize(("method", "limits"), each_once(ON_ODDS, LIMITS))
def test_probabilities_of_whole_multiples_are_repeated_days(method: str, limits: dict[str, float]):
    weighed = solved(method, DAYS, ODDS, **limits)
    repeated = solved(method, np.repeat(DAYS, TIMES, axis=0), **limits)
    assert weighed.certificate.ok and weighed.lane == repeated.lane
    assert weighed.objective == pytest.approx(repeated.objective, rel=1e-6, abs=1e-9)
    if not limits:
        np.testing.assert_allclose(weighed.weights, repeated.weights, atol=2e-4)
    alike = solved(method, DAYS, **limits)
    assert weighed.objective != pytest.approx(alike.objective, rel=1e-3)


@pytest.mark.parametrize("method", ON_ODDS)
def test_equal_probabilities_give_the_same_bytes_as_none(method: str):
    equal = solved(method, DAYS, np.full(60, 1 / 60))
    assert equal.weights.tobytes() == solved(method, DAYS).weights.tobytes()


@pytest.mark.parametrize("name", COSTS)
@examples(4)
@given(seed=st.integers(0, 10_000))
def test_costs_and_their_lines_are_those_of_repeated_days(name: str, seed: int):
    from dataclasses import replace

    rng = np.random.default_rng(seed)
    days = int(rng.integers(1, 30))
    r, s, g = rng.standard_normal((3, days)) * [[0.02], [0.03], [2.0 / days]]
    times = rng.integers(1, 6, days)
    cost = replace(COSTS[name], odds=times / times.sum())
    assert cost.value(r) == pytest.approx(COSTS[name].value(np.repeat(r, times)), abs=1e-12)
    slope, offset = cost.line(r, cost.slope(r))
    np.testing.assert_allclose(slope, cost.slope(r), atol=1e-10)
    assert offset + slope @ r == pytest.approx(cost.value(r), abs=1e-10)
    for guess in (g, cost.slope(r) + 1e-4 * g):
        slope, offset = cost.line(r, guess)
        for at in (r, s, 5 * s, np.zeros(days)):
            assert offset + slope @ at <= cost.value(at) + 1e-11


@pytest.mark.parametrize("method", sorted(set(SCENARIO_COSTS) - set(ON_ODDS)))
def test_measures_without_probabilities_refuse_them(method: str):
    with pytest.raises(PolicyError, match=f"method {method} counts every day alike"):
        solved(method, DAYS, ODDS)


@pytest.mark.parametrize("wrong", [[0.5, 0.6], [1.0, 0.0], [1.5, -0.5]])
def test_probabilities_are_positive_and_add_up_to_one(wrong: list[float]):
    with pytest.raises(DataError, match="each must be above 0"):
        Estimates(("A",), None, np.eye(1), np.zeros((2, 1)), probabilities=np.array(wrong))
    with pytest.raises(DataError, match="probabilities has shape"):
        Estimates(("A",), None, np.eye(1), np.zeros((3, 1)), probabilities=np.array(wrong))


@pytest.mark.parametrize("stress", [1.3, 1.5])
def test_least_evar_of_pooled_days_is_scipys(stress: float):
    """Views give days odds from 1e-9 to 0.01, over which the cone must stay solvable."""
    from scipy.optimize import minimize, minimize_scalar

    from optimizer import ScenarioView, pooled_estimates

    names = ("A", "B", "C")
    days = np.random.default_rng(1).standard_t(4, size=(600, 3)) @ (np.eye(3) * 0.008 + 0.004)
    base = Estimates(names, days.mean(axis=0) * 252, np.cov(days.T) * 252, scenarios=days)
    tail = np.sort(-days[:, 0])[-30:].mean()
    pooled = pooled_estimates(base, [ScenarioView("cvar", {"A": 1}, stress * tail)])

    def entropic(w: np.ndarray) -> float:
        loss = -(days @ w)
        top = loss.max()

        def bound(log_z: float) -> float:
            z = np.exp(log_z)
            return z * (np.log(pooled.probabilities @ np.exp((loss - top) / z)) + top / z - np.log(0.05))

        return float(minimize_scalar(bound, bounds=(-10, 1), method="bounded", options={"xatol": 1e-10}).fun)

    free = {"bounds": [(0, 1)] * 3, "constraints": [{"type": "eq", "fun": lambda w: w.sum() - 1}]}
    best = minimize(
        lambda w: 100 * entropic(w), np.full(3, 1 / 3), method="SLSQP", options={"ftol": 1e-12}, **free
    )
    found = solve(pooled, Policy(method="evar"), Universe(names))
    assert found.certificate.ok
    assert entropic(found.weights) == pytest.approx(best.fun / 100, rel=1e-4)
