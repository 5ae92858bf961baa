from dataclasses import replace

import numpy as np
import pytest

from optimizer import DataError, Estimates, PolicyError, Recipe
from optimizer.numerics.matrices import LowRank

MEAN = np.array([0.05, 0.08])
S = np.array([[0.04, 0.01], [0.01, 0.09]])


def test_volatility_and_growth():
    est = Estimates(("A", "B"), MEAN, S)
    assert est.volatility == pytest.approx([0.2, 0.3])
    assert est.growth == pytest.approx([0.03, 0.035])


def test_values_cannot_be_changed_through_the_estimates():
    est = Estimates(("A", "B"), MEAN, S)
    with pytest.raises(ValueError, match="read-only"):
        est.covariance[0, 0] = 1.0


@pytest.mark.parametrize(
    ("symbols", "mean", "covariance", "said"),
    [
        ((), MEAN, S, "symbols is empty"),
        (("A", "A"), MEAN, S, "A given more than once"),
        (("A", "B", "C"), None, S, r"covariance has shape \(2, 2\); it must be 3 x 3"),
        (("A", "B"), np.array([0.1, np.nan]), S, r"mean\[1\] is nan"),
        (
            ("A", "B"),
            MEAN,
            np.array([[0.04, 0.02], [0.01, 0.09]]),
            "not symmetric: A,B is 0.02 and B,A is 0.01",
        ),
        (("A", "B"), MEAN, np.array([[0.04, 0.1], [0.1, 0.09]]), "negative eigenvalue -0.038"),
        (("A", "B"), MEAN, np.array([[0.04, 0.0], [0.0, -0.09]]), "variance of B is -0.09"),
        (("A", "B"), np.array([0.05, 8.0]), S, "mean of B is 8 per year, 800%.*write 0.08 for 8%"),
        (("A", "B"), MEAN, S * 1e4, "volatility of B is 30 per year"),
    ],
)
def test_wrong_estimates_are_refused_with_the_cause(symbols, mean, covariance, said):
    with pytest.raises(DataError, match=said):
        Estimates(symbols, mean, covariance)


def test_a_singular_covariance_is_legitimate():
    twins = np.full((3, 3), 0.04)
    assert Estimates(("A", "B", "C"), None, twins).covariance.shape == (3, 3)


def test_daily_moments_are_accepted():
    assert Estimates(("A", "B"), MEAN / 252, S / 252).volatility.max() < 0.02


def test_growth_without_a_mean_is_an_error():
    with pytest.raises(DataError, match="no mean"):
        _ = Estimates(("A", "B"), None, S).growth


def test_a_recipes_name_tells_it_apart():
    recipes = [
        Recipe(),
        Recipe(symbols=("A",)),
        Recipe(symbols=("A", "B")),
        Recipe(lookback_days=504),
        Recipe(covariance_method="ewma"),
        Recipe(mean_method="ewma", covariance_method="ewma"),
        Recipe(covariance_method="ewma", half_life=30),
        Recipe(frequency="weekly"),
        Recipe(missing="pairwise"),
        Recipe(currency="CAD"),
        Recipe(risk_free_rate=0.03),
    ]
    assert len({recipe.name for recipe in recipes}) == len(recipes)
    assert Recipe(symbols=("A", "B")).name == Recipe(symbols=("A", "B")).name


def test_a_recipe_needs_a_window():
    with pytest.raises(PolicyError, match="lookback_days is 1"):
        Recipe(lookback_days=1)


def test_a_covariance_may_come_in_factors():
    root = np.array([[0.1, 0.2, 0.0]])
    est = Estimates(("A", "B", "C"), None, LowRank(root, np.array([0.01, 0.0, 0.04])))
    assert est.covariance == pytest.approx(np.array([[0.02, 0.02, 0], [0.02, 0.04, 0], [0, 0, 0.04]]))
    assert replace(est, mean=np.zeros(3)).growth == pytest.approx([-0.01, -0.02, -0.02])
    with pytest.raises(DataError, match=r"covariance's diagonal has shape \(2,\)"):
        Estimates(("A", "B", "C"), None, LowRank(root, np.array([0.01, 0.0])))
    with pytest.raises(DataError, match=r"covariance's root\[0, 1\] is nan"):
        Estimates(("A", "B"), None, LowRank(np.array([[0.1, np.nan]]), np.zeros(2)))
    with pytest.raises(DataError, match=r"variance of A is -0\.03"):
        Estimates(("A", "B", "C"), None, LowRank(root, np.array([-0.04, 0.01, 0.01])))
