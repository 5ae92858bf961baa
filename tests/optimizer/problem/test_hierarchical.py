import numpy as np
import pytest

from optimizer.model.estimates import Estimates
from optimizer.model.policy import Policy
from optimizer.model.portfolio import Universe
from optimizer.problem.hierarchical import (
    RECIPES,
    cluster_count,
    correlation_distance,
    cut,
    herc,
    linkage,
    nco,
)
from optimizer.solvers.solve import solve


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
