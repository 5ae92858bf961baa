"""The day's regression against a closed form that shares nothing with it, and where columns depend on each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.factors.regression import coefficient_error, constrained_wls


def by_multipliers(design, target, weights, constraint):
    """The stationary point of the Lagrangian: (X'WX, c; c', 0) (b, l) = (X'Wy, 0)."""
    k = design.shape[1]
    system = np.zeros((k + 1, k + 1))
    system[:k, :k] = design.T @ (weights[:, None] * design)
    system[:k, k] = system[k, :k] = constraint
    right = np.append(design.T @ (weights * target), 0.0)
    return np.linalg.solve(system, right)[:k]


def sector_design(seed: int, names: int = 60, sectors: int = 4, styles: int = 3):
    rng = np.random.default_rng(seed)
    dummies = np.eye(sectors)[np.arange(names) % sectors]
    design = np.column_stack([np.ones(names), dummies, rng.standard_normal((names, styles))])
    caps = np.exp(rng.normal(0, 1.5, names))
    constraint = np.concatenate([[0.0], caps @ dummies / caps.sum(), np.zeros(styles)])
    return design, 0.02 * rng.standard_normal(names), np.sqrt(caps), constraint


@pytest.mark.parametrize("seed", range(8))
def test_it_is_the_closed_form_by_multipliers(seed: int):
    design, target, weights, constraint = sector_design(seed)
    found = constrained_wls(design, target, weights, constraint)
    assert found == pytest.approx(by_multipliers(design, target, weights, constraint), abs=1e-12)
    assert abs(constraint @ found) < 1e-15


@pytest.mark.parametrize("seed", range(4))
def test_without_a_constraint_it_is_least_squares(seed: int):
    design, target, weights, _ = sector_design(seed)
    design = design[:, [0, 5, 6, 7]]
    root = np.sqrt(weights)
    expected = np.linalg.lstsq(design * root[:, None], target * root, rcond=None)[0]
    assert constrained_wls(design, target, weights) == pytest.approx(expected, abs=1e-12)


def test_columns_of_zeros_get_nothing_and_twins_share():
    design = np.column_stack([np.ones(5), np.zeros(5), np.arange(5.0), np.arange(5.0)])
    found = constrained_wls(design, 1.0 + 4.0 * np.arange(5.0), np.ones(5))
    assert found == pytest.approx([1.0, 0.0, 2.0, 2.0])


def test_with_one_sector_the_market_has_it_all():
    design = np.column_stack([np.ones(4), np.ones(4)])
    found = constrained_wls(design, np.array([0.01, 0.03, 0.02, 0.02]), np.ones(4), np.array([0.0, 1.0]))
    assert found == pytest.approx([0.02, 0.0])


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 9))
def test_any_shape_leaves_residuals_that_the_columns_do_not_explain(seed: int, names: int, factors: int):
    """Also with fewer names than factors, twins and empty columns."""
    rng = np.random.default_rng(seed)
    design = rng.integers(-1, 2, (names, factors)).astype(float)
    target, weights = rng.standard_normal(names), rng.uniform(0.1, 2.0, names)
    found = constrained_wls(design, target, weights)
    assert design.T @ (weights * (target - design @ found)) == pytest.approx(np.zeros(factors), abs=1e-9)


def test_the_error_of_the_coefficients_is_the_block_of_the_multipliers_inverse():
    """Residuals of one variance, equal weights: variance x the first block of the inverse of (X'X, c; c', 0)."""
    design, _, _, constraint = sector_design(3)
    k = design.shape[1]
    system = np.zeros((k + 1, k + 1))
    system[:k, :k], system[:k, k], system[k, :k] = design.T @ design, constraint, constraint
    expected = 0.3 * np.linalg.inv(system)[:k, :k]
    found = coefficient_error(design, np.full(len(design), 0.3), np.ones(len(design)), constraint)
    assert found == pytest.approx(expected, abs=1e-12)
