"""Adjustments of the factor covariance on examples small enough to follow by hand, and against plain simulation."""

import numpy as np
import pytest

from optimizer.factors.covariance import (
    decay_weights,
    effective_periods,
    eigenfactor_adjusted,
    factor_covariance,
    newey_west,
    simulated_bias,
)


def test_newey_west_by_hand():
    """Mean 2, gaps -1 1 -1 1: variance 1, autocovariances -3/4, 1/2, -1/4, Bartlett 1 - lag / (lags + 1), twice."""
    returns = np.array([[1.0], [3.0], [1.0], [3.0]])
    assert newey_west(returns, np.inf, 0) == pytest.approx(1.0)
    assert newey_west(returns, np.inf, 1) == pytest.approx(1.0 + 2 * 0.5 * -0.75)
    assert newey_west(returns, np.inf, 9) == pytest.approx(1.0 + 2 * (0.9 * -0.75 + 0.8 * 0.5 + 0.7 * -0.25))


def test_decay_by_hand():
    """Half-life 1: weights 1/7, 2/7, 4/7; mean 2/7; variance 2/7 - 4/49."""
    assert decay_weights(3, 1.0) == pytest.approx([1 / 7, 2 / 7, 4 / 7])
    assert newey_west(np.array([[0.0], [1.0], [0.0]]), 1.0, 0) == pytest.approx(2 / 7 - 4 / 49)
    assert effective_periods(3, 1.0) == pytest.approx(49 / 21)


def test_volatilities_are_the_quick_ones_and_correlations_the_slow_ones():
    returns = np.random.default_rng(3).standard_normal((300, 3))
    found = factor_covariance(returns, 20.0, 1, 100.0, 2)
    quick, slow = newey_west(returns, 20.0, 1), newey_west(returns, 100.0, 2)
    assert np.diag(found) == pytest.approx(np.diag(quick))
    size = np.sqrt(np.diag(slow))
    assert found / np.sqrt(np.outer(np.diag(found), np.diag(found))) == pytest.approx(
        slow / np.outer(size, size)
    )


@pytest.mark.parametrize("lags", [1, 5, 40])
def test_any_lag_leaves_no_negative_variance(lags: int):
    returns = np.random.default_rng(lags).standard_normal((30, 6)).cumsum(axis=0)
    assert np.linalg.eigvalsh(newey_west(returns, 15.0, lags))[0] > -1e-9


def test_the_bias_is_that_of_samples_drawn_period_by_period():
    """Wishart draws against sample covariances of normal returns."""
    values, freedom = np.array([0.2, 1.0, 3.0]), 40
    found = simulated_bias(values, freedom, np.random.default_rng(1), 4000)
    rng = np.random.default_rng(2)
    ratios = []
    for _ in range(4000):
        drawn = rng.standard_normal((freedom, 3)) * np.sqrt(values)
        believed, directions = np.linalg.eigh(drawn.T @ drawn / freedom)
        ratios.append((directions**2).T @ values / believed)
    assert found == pytest.approx(np.sqrt(np.mean(ratios, axis=0)), rel=0.02)
    assert found[0] > 1.0 > found[-1] - 0.05


def test_the_adjustment_raises_small_risks_keeps_directions_and_is_the_same_for_the_same_seed():
    root = np.random.default_rng(5).standard_normal((30, 6))
    covariance = root.T @ root / 30
    one, two = (eigenfactor_adjusted(covariance, 60.0, np.random.default_rng(9)) for _ in range(2))
    assert (one == two).all()
    values, vectors = np.linalg.eigh(covariance)
    turned = vectors.T @ one @ vectors
    assert turned == pytest.approx(np.diag(np.diag(turned)), abs=1e-12)
    assert turned[0, 0] > values[0]


@pytest.mark.parametrize(
    "covariance", [np.zeros((3, 3)), np.ones((3, 3)), np.diag([1.0, 0.0, 2.0]), np.eye(1)]
)
def test_a_covariance_without_room_stays_finite(covariance: np.ndarray):
    found = eigenfactor_adjusted(covariance, 50.0, np.random.default_rng(0))
    assert np.isfinite(found).all()
    assert found[covariance == 0] == pytest.approx(0.0, abs=1e-12)
