"""Graphical lasso, regime-adjusted weights and geodesic shrinkage: against other formulations, and degenerate input."""

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import fractional_matrix_power, logm

from optimizer import (
    Recipe,
    Sample,
    estimate,
    geodesic,
    graphical_lasso,
    ledoit_wolf,
    regime_ewma,
    sample_covariance,
)
from optimizer.beliefs.estimators.covariances import regime_multiplier
from optimizer.beliefs.estimators.recipes import COVARIANCES
from optimizer.beliefs.estimators.shrinkage import ledoit_wolf_intensity, towards_none

NEW = {"regime_ewma": regime_ewma, "geodesic": geodesic, "graphical_lasso": graphical_lasso}


def returns(seed: int, rows: int = 120, n: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, n)) * rng.uniform(0.005, 0.02, n) + 0.006 * rng.standard_normal(
        (rows, 1)
    )


def correlation(covariance: np.ndarray) -> np.ndarray:
    risk = np.sqrt(np.diag(covariance))
    return covariance / np.outer(risk, risk)


@pytest.mark.parametrize("seed", range(3))
def test_the_graphical_lasso_is_the_penalised_likelihoods_best(seed: int):
    """By cvxpy's log-determinant program."""
    import cvxpy as cp

    sample = Sample(returns(seed))
    target = correlation(np.cov(sample.returns.T))
    precision = cp.Variable((5, 5), symmetric=True)
    penalty = np.sqrt(np.log(5) / 120) * cp.sum(cp.abs(cp.multiply(1 - np.eye(5), precision)))
    cost = -cp.log_det(precision) + cp.trace(target @ precision) + penalty
    cp.Problem(cp.Minimize(cost)).solve(solver="CLARABEL")
    found = graphical_lasso(sample)
    np.testing.assert_allclose(correlation(found), np.linalg.inv(precision.value), atol=3e-4)
    np.testing.assert_allclose(np.sqrt(np.diag(found)), sample.returns.std(axis=0))
    inverse = np.linalg.inv(correlation(graphical_lasso(Sample(returns(seed) * [1, 1, 1, 1, -1]))))
    np.testing.assert_allclose(np.abs(inverse), np.abs(np.linalg.inv(correlation(found))), atol=1e-5)


def test_the_regime_multiplier_is_the_weighted_surprise():
    """The same sums written out day by day."""
    x, half_life = returns(7), 30.0
    x[90:] *= 2.5
    surprise, weight = [], []
    for day in range(20, 120):
        ages = np.arange(day - 1, -1, -1)
        forecast = np.average(x[:day] ** 2, axis=0, weights=0.5 ** (ages / half_life))
        surprise.append((x[day] ** 2 / forecast).mean())
        weight.append(0.5 ** ((119 - day) / (half_life / 2)))
    by_hand = np.average(surprise, weights=weight)
    assert regime_multiplier(x, half_life) == pytest.approx(by_hand)
    assert by_hand > 1.5
    found = regime_ewma(Sample(x, half_life=half_life))
    weights = 0.5 ** (np.arange(119, -1, -1) / half_life)
    np.testing.assert_allclose(found, by_hand * (x.T * weights / weights.sum()) @ x)
    even = np.where(np.random.default_rng(0).random((60, 3)) < 0.5, -0.01, 0.01)
    assert regime_multiplier(even, 84.0) == pytest.approx(1.0)
    assert regime_multiplier(np.zeros((60, 2)), 84.0) == 1.0


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8, 1.0])
def test_the_geodesic_goes_from_the_correlation_to_none(share: float):
    """A^1/2 (A^-1/2 I A^-1/2)^t A^1/2, and a share of the way is that share of the distance |log A|."""
    start = correlation(sample_covariance(Sample(returns(4))))
    half = fractional_matrix_power(start, 0.5)
    back = np.linalg.inv(half)
    point = half @ fractional_matrix_power(back @ back, share) @ half
    np.testing.assert_allclose(towards_none(start, share), correlation(point), atol=1e-10)
    left = np.linalg.norm(logm(back @ point @ back))
    assert left == pytest.approx(share * np.linalg.norm(logm(start)), abs=1e-9)


def test_the_share_is_ledoit_and_wolfs_of_standardised_returns():
    sample = Sample(returns(5))
    unit = Sample(sample.centred / sample.returns.std(axis=0))
    share = ledoit_wolf_intensity(unit, unit.returns.T @ unit.returns / 120)
    target = correlation(np.cov(sample.returns.T))
    np.testing.assert_allclose(correlation(geodesic(sample)), towards_none(target, share), atol=1e-12)
    linear = correlation(ledoit_wolf(unit))
    spread = [np.linalg.cond(matrix) for matrix in (target, linear)]
    assert np.linalg.cond(correlation(geodesic(sample))) < spread[0]


@pytest.mark.parametrize("method", NEW)
@pytest.mark.parametrize("kind", ["still", "twins", "hedge", "one", "few", "order"])
def test_degenerate_returns_are_answered(method: str, kind: str):
    x = returns(6, rows=40 if kind == "few" else 120, n=60 if kind == "few" else 5)
    if kind == "still":
        x[:, 2] = 0.0
    if kind == "twins":
        x[:, 1] = x[:, 0]
    if kind == "hedge":
        x[:, 1] = -x[:, 0]
    if kind == "one":
        x = x[:, :1]
    if kind == "order":
        np.testing.assert_allclose(
            NEW[method](Sample(x[:, ::-1])), NEW[method](Sample(x))[::-1, ::-1], atol=1e-9
        )
    covariance = NEW[method](Sample(x))
    assert (np.isfinite(covariance).all() and np.array_equal(covariance, covariance.T)) or np.allclose(
        covariance, covariance.T, atol=1e-18
    )
    assert np.linalg.eigvalsh(covariance)[0] >= -1e-12 * np.trace(covariance)
    if kind == "still":
        assert not covariance[2].any()


@pytest.mark.parametrize("method", NEW)
def test_a_recipe_chooses_it(method: str):
    x = pd.DataFrame(returns(8), pd.bdate_range("2024-01-01", periods=120), list("ABCDE"))
    found = estimate(returns=x, recipe=Recipe(covariance_method=method, lookback_days=120))
    np.testing.assert_allclose(found.covariance, NEW[method](Sample(x.to_numpy())) * found.periods_per_year)


STEADY = 100.0 * 1.0003 ** np.arange(61)


@pytest.mark.parametrize("still", [np.zeros(60), np.full(60, 0.0003), STEADY[1:] / STEADY[:-1] - 1])
@pytest.mark.parametrize(
    "method",
    [
        "geodesic", "graphical_lasso", "ledoit_wolf_constant_correlation", "denoised", "statistical_factors",
        "regime_ewma",
    ],
)  # fmt: skip
def test_a_name_that_never_moves_changes_no_other_names_covariance(method: str, still: np.ndarray):
    """What rounding leaves of a constant had correlations of its own, and shrinkage by one name was none at all."""
    rng = np.random.default_rng(7)
    moves = rng.normal(0, 0.01, (60, 4)) + rng.normal(0, 0.01, (60, 1))
    beside = COVARIANCES[method](Sample(np.column_stack([still, moves])))
    np.testing.assert_allclose(beside[1:, 1:], COVARIANCES[method](Sample(moves)), rtol=1e-9)
    assert method == "regime_ewma" or not beside[0].any()  # that is of second moments about 0


def test_a_singular_correlation_stays_singular_on_the_geodesic():
    """Eigenvalues of 1e-17 to a power near 0 are near 1: they were taken for what the returns say."""
    moves = np.random.default_rng(8).normal(0, 0.01, (5, 8))
    found = np.linalg.eigvalsh(correlation(geodesic(Sample(moves))))
    assert (found > 1e-10).sum() == 4
