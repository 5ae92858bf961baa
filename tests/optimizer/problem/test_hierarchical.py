from itertools import pairwise

import numpy as np
import pytest

from optimizer import DataError, Estimates, Policy, Universe, solve
from optimizer.problem.clusters.hierarchical import (
    RECIPES,
    bisect,
    cluster_count,
    correlation_distance,
    cut,
    herc,
    hrp_ward,
    least_variance,
    linkage,
    nco,
)


def blocks(sizes: tuple[int, ...], inside: float = 0.8) -> np.ndarray:
    n = sum(sizes)
    correlation = np.eye(n)
    start = 0
    for size in sizes:
        part = slice(start, start + size)
        correlation[part, part] = inside
        start += size
    np.fill_diagonal(correlation, 1.0)
    return 0.04 * correlation


@pytest.mark.parametrize("recipe", sorted(RECIPES))
def test_every_recipe_gives_positive_weights_that_add_up(recipe: str):
    rng = np.random.default_rng(2)
    returns = rng.standard_normal((80, 12)) + rng.standard_normal((80, 1))
    returns[:, 3] = returns[:, 2]
    w = RECIPES[recipe](np.cov(returns.T))
    assert w.sum() == pytest.approx(1)
    assert w.min() >= 0
    assert RECIPES[recipe](np.array([[0.04]])) == pytest.approx([1.0])
    assert RECIPES[recipe](np.diag([0.01, 0.04])) == pytest.approx([0.8, 0.2])


def test_weights_at_a_bound_are_the_bound_itself():
    """The first name's own variance is its covariance with every other: these have a weight of 0 and no reason for
    it, so that no multiplier holds them there."""
    tied = np.array([[0.3, 0.3, 0.3], [0.3, 0.7, 0.1], [0.3, 0.1, 0.9]])
    assert least_variance(tied).tolist() == [1.0, 0.0, 0.0]
    for seed in range(60):
        rng = np.random.default_rng(seed)
        own = rng.uniform(0.5, 2, 8) * rng.standard_normal((20, 8))
        returns = own + rng.choice([0.5, 2]) * rng.standard_normal((20, 1))
        returns[:, 1] = returns[:, 0]
        tied = 0.3 + np.diag(np.append(0.0, rng.uniform(0.1, 1, 7)))
        for covariance in (np.cov(returns.T), tied):
            assert least_variance(covariance).min() >= 0, seed
            assert nco(covariance).min() >= 0, seed


def test_a_side_without_risk_takes_all_and_two_of_them_cannot_be_told_apart():
    """Three equal names with correlations of -1/2 cancel out, up to rounding of either sign."""
    hedge, rest, none = 0.3 * (1.5 * np.eye(3) - 0.5), 0.1 * np.eye(3) + 0.2, np.zeros((3, 3))
    w = bisect(np.block([[hedge, none], [none, rest]]), np.arange(6))
    assert w[3:].tolist() == [0.0, 0.0, 0.0]
    assert w[:3].sum() == pytest.approx(1)
    with pytest.raises(DataError, match="no risk at all"):
        bisect(np.block([[hedge, none], [none, 0.7 * hedge]]), np.arange(6))


def test_blocks_are_found_as_clusters():
    tree = linkage(correlation_distance(blocks((4, 5, 3))), "ward")
    assert cluster_count(tree) == 3
    assert [members.tolist() for members in cut(tree, 3)] == [[0, 1, 2, 3], [4, 5, 6, 7, 8], [9, 10, 11]]


@pytest.mark.parametrize("recipe", [herc, nco])
def test_two_equal_blocks_share_equally_whatever_their_size_in_names(recipe):
    w = recipe(blocks((4, 4)))
    np.testing.assert_allclose(w, 1 / 8, atol=1e-9)


@pytest.mark.parametrize("recipe", sorted(RECIPES))
def test_limits_hold_and_the_way_from_the_recipe_is_told(recipe: str):
    names = tuple(f"S{i}" for i in range(8))
    risk = np.linspace(0.5, 2.0, 8)
    covariance = blocks((4, 4)) * np.outer(risk, risk)
    estimates = Estimates(names, None, covariance)
    free = solve(estimates, Policy(method=recipe), Universe(names))
    np.testing.assert_allclose(free.weights, RECIPES[recipe](covariance), atol=1e-9)
    assert free.warnings == ()
    capped = solve(estimates, Policy(method=recipe, max_weight=0.2), Universe(names))
    assert capped.weights.max() <= 0.2 + 1e-9
    assert f"distance from {recipe} weights" in capped.warnings[0]


def orders(tree: np.ndarray, node: int) -> list[list[int]]:
    """Every order of the leaves that turning the forks of a tree gives."""
    n = len(tree) + 1
    if node < n:
        return [[node]]
    left, right = (orders(tree, int(child)) for child in tree[node - n, :2])
    return [order for a in left for b in right for order in (a + b, b + a)]


@pytest.mark.parametrize("seed", range(5))
def test_no_other_order_of_wards_leaves_has_nearer_neighbours(seed: int):
    rng = np.random.default_rng(seed)
    returns = rng.standard_normal((50, 6)) * rng.uniform(0.5, 2, 6) + rng.standard_normal((50, 1))
    if seed == 0:
        returns[:, 4] = returns[:, 1]
    covariance = np.cov(returns.T)
    away = correlation_distance(covariance)
    tree = linkage(away, "ward")
    reach = {tuple(o): sum(away[i, j] for i, j in pairwise(o)) for o in orders(tree, 10)}
    nearest = [np.array(order) for order, length in reach.items() if length <= min(reach.values()) + 1e-12]
    w = hrp_ward(covariance)
    assert any(np.allclose(bisect(covariance, order), w, atol=1e-12) for order in nearest)


@pytest.mark.parametrize("recipe", sorted(RECIPES))
def test_no_tie_is_told_by_the_last_bits_of_a_covariance(recipe: str):
    """Equal correlations differ in their last bits as soon as they are computed, on each kernel in others."""
    rng = np.random.default_rng(3)
    risk = rng.uniform(0.5, 2.0, 9)
    equal = (blocks((4, 5), 0.7) + 0.008) * np.outer(risk, risk)
    wanted = RECIPES[recipe](equal)
    for _ in range(5):
        bits = np.triu(1.0 + rng.integers(-2, 3, (9, 9)) * 2.0**-52)
        np.testing.assert_allclose(RECIPES[recipe](equal * np.maximum(bits, bits.T)), wanted, atol=1e-12)
