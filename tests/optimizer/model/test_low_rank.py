"""A covariance in factors, some of them taken away, gives every product that the numbers themselves give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer import Estimates, MarketView, Policy, Universe, solve
from optimizer.beliefs.black_litterman import posterior
from optimizer.numerics.matrices import LowRank, Part, block, dense, less, plus_diagonal, scaled, variances

CLOSE = {"rtol": 1e-11, "atol": 1e-14}
SYMBOLS, MARKET = tuple(f"S{i:02d}" for i in range(30)), np.full(30, 1 / 30)
VIEWS = {
    "none": [],
    "certain": [MarketView(["S01"], "absolute", 0.05, 1.0)],
    "the same twice": [MarketView(["S05"], "absolute", 0.1, 0.9)] * 2,
    "several": [MarketView(["S01", "S02"], "relative", 0.03, 0.6), MarketView(["S05"], "absolute", 0.1, 0.2)],
}


def factors(seed: int, n: int = 30, rows: int = 12) -> LowRank:
    rng = np.random.default_rng(seed)
    return LowRank(0.03 * rng.standard_normal((rows, n)), rng.uniform(0.005, 0.02, n))


@given(seed=st.integers(0, 2**32 - 1), taken=st.integers(0, 3))
def test_products_are_those_of_the_numbers(seed: int, taken: int) -> None:
    rng = np.random.default_rng(seed)
    whole = factors(seed)
    found = less(whole, 0.1 * whole.root[:taken])
    numbers = whole.dense - 0.01 * whole.root[:taken].T @ whole.root[:taken]
    np.testing.assert_allclose(dense(found), numbers, **CLOSE)
    x, wide = rng.standard_normal(30), np.zeros((30, 2))
    np.testing.assert_allclose(found @ x, numbers @ x, **CLOSE)
    np.testing.assert_allclose(x @ found, numbers @ x, **CLOSE)
    np.testing.assert_allclose(variances(found), np.diag(numbers), **CLOSE)
    larger = plus_diagonal(scaled(found, 3.0), 0.5, 30)
    np.testing.assert_allclose(dense(larger), 3 * numbers + 0.5 * np.eye(30), **CLOSE)
    names = rng.permutation(30)[:7]
    np.testing.assert_allclose(block(found, names), numbers[np.ix_(names, names)], **CLOSE)
    wide[names] = rng.standard_normal((7, 2))
    seen, told = Part(found, names), Part(numbers, names)
    np.testing.assert_allclose(seen.block(4), told.block(4), **CLOSE)
    np.testing.assert_allclose(seen.pull(4, x[:3]), told.pull(4, x[:3]), **CLOSE)
    np.testing.assert_allclose(seen.products(wide), told.products(wide), **CLOSE)


@pytest.mark.parametrize("views", VIEWS.values(), ids=VIEWS)
def test_views_move_factors_as_they_move_numbers(views: list[MarketView]) -> None:
    risk = factors(3)
    found = posterior(SYMBOLS, MARKET, risk, views, trusted=True)
    assert "dense" not in vars(risk) and "dense" not in vars(found.covariance)
    told = posterior(SYMBOLS, MARKET, risk.dense, views, trusted=True)
    np.testing.assert_allclose(found.mean, told.mean, **CLOSE)
    np.testing.assert_allclose(dense(found.covariance), told.covariance, **CLOSE)


@pytest.mark.parametrize("method", ["mean_variance", "min_volatility", "max_sharpe", "risk_parity"])
def test_weights_on_factors_some_taken_away_are_those_on_the_numbers(method: str) -> None:
    believed = posterior(SYMBOLS, MARKET, factors(4), VIEWS["several"], trusted=True)
    policy = Policy(method=method, max_weight=0.2, risk_free_rate=0.0)
    inside, plain = (
        solve(Estimates(SYMBOLS, believed.mean, risk), policy, Universe(SYMBOLS)).weights
        for risk in (believed.covariance, dense(believed.covariance))
    )
    np.testing.assert_allclose(inside, plain, atol=1e-7)
