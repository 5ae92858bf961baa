"""The scenario methods against two independent implementations, and against what is known in closed form.

The weights of least risk, at most 35% in a name, as skfolio 1.12.2 (MeanRisk, CLARABEL at 1e-10) and Riskfolio-Lib
7.4.0 (Portfolio.optimization, hist) find them on the returns below; recorded, as they do not install beside us.
"""

import numpy as np
import pytest

from optimizer import Estimates, Policy, Universe, solve

RNG = np.random.default_rng(7)
RETURNS = (
    RNG.standard_t(4, (160, 5)) * [0.008, 0.010, 0.012, 0.015, 0.02]
    + 0.006 * RNG.standard_normal((160, 1))
    + [0.0003, 0.0004, 0.0005, 0.0006, 0.0009]
)
NAMES = tuple("ABCDE")
FIVE = Estimates(NAMES, RETURNS.mean(axis=0) * 252, np.cov(RETURNS.T) * 252, RETURNS)

SKFOLIO = {
    "mean_absolute_deviation": ([0.35, 0.198652, 0.247886, 0.108298, 0.095164], 0.00777383808368354),
    "first_lower_partial_moment": ([0.35, 0.133683, 0.332342, 0.110238, 0.073736], None),
    "semi_deviation": ([0.35, 0.145159, 0.297261, 0.090833, 0.116746], None),
    "cvar": ([0.35, 0.061095, 0.35, 0.124185, 0.11472], 0.019525044860398667),
    "evar": ([0.35, 0.11187, 0.35, 0.051564, 0.136566], 0.02060362947527273),
    "worst_realization": ([0.35, 0.102077, 0.309677, 0.037924, 0.200322], 0.022044826642971735),
    "cdar": ([0.35, 0.008301, 0.35, 0.023068, 0.268631], 0.11584357710614901),
    "max_drawdown": ([0.35, 0.0, 0.32728, 0.0, 0.32272], 0.12955480803428554),
    "average_drawdown": ([0.35, 0.0, 0.35, 0.257184, 0.042816], 0.06359615944545438),
    "ulcer_index": ([0.35, 0.0, 0.35, 0.196127, 0.103873], 0.07408806559070441),
    "gini_mean_difference": ([0.35, 0.181202, 0.260542, 0.114509, 0.093748], 0.01099351441284702),
}
RISKFOLIO = {
    "mean_absolute_deviation": [0.35, 0.198652, 0.247886, 0.108298, 0.095164],
    "semi_deviation": [0.35, 0.145159, 0.297261, 0.090833, 0.116746],
    "first_lower_partial_moment": [0.35, 0.133683, 0.332343, 0.110238, 0.073736],
    "second_lower_partial_moment": [0.35, 0.12308, 0.337564, 0.090351, 0.099006],
    "cvar": [0.35, 0.061095, 0.35, 0.124185, 0.11472],
    "evar": [0.35, 0.111864, 0.35, 0.051574, 0.136562],
    "worst_realization": [0.35, 0.102077, 0.309677, 0.037924, 0.200322],
    "cdar": [0.35, 0.008301, 0.35, 0.023068, 0.268631],
    "max_drawdown": [0.35, 0.0, 0.32728, 0.0, 0.32272],
    "average_drawdown": [0.35, 0.0, 0.35, 0.257184, 0.042816],
    "ulcer_index": [0.35, 0.0, 0.35, 0.196127, 0.103873],
    "kelly": [0.35, 0.0, 0.35, 0.3, 0.0],
}


@pytest.fixture(scope="module")
def found():
    methods = sorted({*SKFOLIO, *RISKFOLIO})
    return {m: solve(FIVE, Policy(method=m, max_weight=0.35), Universe(NAMES)) for m in methods}


@pytest.mark.parametrize("method", SKFOLIO)
def test_weights_and_risk_of_skfolio(method, found):
    weights, risk = SKFOLIO[method]
    np.testing.assert_allclose(found[method].weights, weights, atol=1e-5)
    if risk is not None:  # it reports LPM1 about the mean, and semi-deviation over T - 1
        assert found[method].objective == pytest.approx(risk, rel=1e-8)


@pytest.mark.parametrize("method", RISKFOLIO)
def test_weights_of_riskfolio(method, found):
    np.testing.assert_allclose(found[method].weights, RISKFOLIO[method], atol=2e-5)


def weights(scenarios: np.ndarray, **policy: object) -> np.ndarray:
    names = tuple(f"S{i}" for i in range(scenarios.shape[1]))
    estimates = Estimates(names, None, np.eye(len(names)), scenarios, trusted=True)
    return solve(estimates, Policy(**policy), Universe(names)).weights


def test_kelly_stakes_the_edge_of_a_coin():
    """Kelly 1956: of an even bet won with probability p the fraction 2p - 1."""
    coin = np.array([[1.0]] * 6 + [[-1.0]] * 4)
    staked = weights(coin, method="kelly", cash_max=1.0, risk_free_rate=0.0)
    assert staked[0] == pytest.approx(0.2, abs=1e-6)


def test_the_worst_day_is_shared_where_two_names_lose_on_different_days():
    """Young 1998, by hand: a loses 4 on day one, b loses 1 on day two; 1 - 3 weights make both days equal."""
    days = np.array([[-0.04, 0.02], [0.03, -0.01], [0.05, 0.05]])
    # -0.04 a + 0.02 (1 - a) = 0.03 a - 0.01 (1 - a)
    np.testing.assert_allclose(weights(days, method="worst_realization"), [0.3, 0.7], atol=1e-9)


def test_evar_lies_between_cvar_and_the_worst_day():
    """Ahmadi-Javid 2012, proposition 3.2; for a normal it is mean + sigma sqrt(2 ln 1 / (1 - level))."""
    from optimizer.measures.performance import expected_shortfall
    from optimizer.problem.scenario_costs import EntropicTail

    r = np.random.default_rng(0).standard_normal(200_000) * 0.01
    evar = EntropicTail(0.95).value(r)
    assert expected_shortfall(r, 0.95) < evar < -r.min()
    assert evar == pytest.approx(0.01 * np.sqrt(2 * np.log(20)), rel=0.01)


def test_measures_of_a_normal():
    """Mean absolute deviation s sqrt(2 / pi), Gini mean difference 2 s / sqrt(pi), semi-deviation s / sqrt(2)."""
    from optimizer.problem.gini import GiniMeanDifference
    from optimizer.problem.scenario_costs import LowerPartialMoment, MeanAbsoluteDeviation, SemiDeviation

    r = np.random.default_rng(1).standard_normal(200_000)
    assert MeanAbsoluteDeviation().value(r) == pytest.approx(np.sqrt(2 / np.pi), rel=5e-3)
    assert GiniMeanDifference().value(r) == pytest.approx(2 / np.sqrt(np.pi), rel=5e-3)
    assert SemiDeviation().value(r) == pytest.approx(np.sqrt(0.5), rel=5e-3)
    assert LowerPartialMoment(0.0, 1).value(r) == pytest.approx(1 / np.sqrt(2 * np.pi), rel=5e-3)
    assert LowerPartialMoment(0.0, 2).value(r) == pytest.approx(np.sqrt(0.5), rel=5e-3)
