"""Models on given series and on principal components, behind the same interface."""

import numpy as np
import pytest

from optimizer import DataError, Estimates, Policy, Sample, Universe, solve, statistical_factors
from optimizer.beliefs.estimators.covariances import sample_covariance
from optimizer.factors.series import principal_components, time_series_model


def made(seed: int = 2):
    rng = np.random.default_rng(seed)
    series = rng.standard_normal((200, 2)) * 0.01
    returns = series @ rng.normal(1, 0.5, (2, 4)) + rng.standard_normal((200, 4)) * 0.005
    return returns, series


def test_slopes_are_each_names_own_regression():
    returns, series = made()
    returns[:50, 2] = np.nan
    model = time_series_model(returns, tuple("ABCD"), series, ("x", "y"), half_life=60.0)
    for i in range(4):
        rows = np.isfinite(returns[:, i])
        root = np.sqrt(0.5 ** (np.arange(199, -1, -1) / 60.0))[rows]
        design = np.column_stack([np.ones(rows.sum()), series[rows]]) * root[:, None]
        expected = np.linalg.solve(design.T @ design, design.T @ (returns[rows, i] * root))
        assert model.exposures[i] == pytest.approx(expected[1:], abs=1e-12)


def test_the_solvers_read_it_as_factors():
    returns, series = made()
    model = time_series_model(returns, tuple("ABCD"), series, ("x", "y"))
    found, dense = (
        solve(Estimates(model.symbols, None, form), Policy(method="min_volatility"), Universe(model.symbols))
        for form in (model.covariance, model.covariance.dense)
    )
    assert found.weights == pytest.approx(dense.weights, abs=1e-9)


def test_what_does_not_fit_is_refused():
    returns, series = made()
    with pytest.raises(DataError, match="same rows"):
        time_series_model(returns[:9], tuple("ABCD"), series, ("x", "y"))
    returns[5:, 1] = np.nan
    with pytest.raises(DataError, match="B: fewer than 14 returns"):
        time_series_model(returns, tuple("ABCD"), series, ("x", "y"))


def test_components_are_those_of_the_estimator():
    returns, _ = made()
    sample = Sample(returns)
    model = principal_components(sample_covariance(sample), tuple("ABCD"), 200)
    assert model.covariance.dense == pytest.approx(statistical_factors(sample), abs=1e-18)
    assert model.covariance.variances == pytest.approx(returns.var(axis=0, ddof=1))
