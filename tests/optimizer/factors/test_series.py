"""Models on given series and on principal components, behind the same interface."""

import numpy as np
import pytest

from optimizer import DataError, Estimates, Policy, Sample, Universe, solve, statistical_factors
from optimizer.beliefs.estimators.covariances import sample_covariance
from optimizer.factors.series import dependent, principal_components, time_series_model


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


LETTERS = tuple("ABCD")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: np.vstack([x[:7], [[np.nan, 0.0]], x[8:]]), r"x has a gap; leave the 1 rows"),
        (lambda x: np.column_stack([x[:, 0], np.full(200, 0.02)]), r"y does not move.*leave y out"),
        (lambda x: np.column_stack([x[:, 0], np.zeros(200)]), r"y does not move"),
        (lambda x: np.column_stack([x[:, 0], 0.01 - 3 * x[:, 0]]), r"y is made up by x"),
        (lambda x: x[:, :1], r"series \(200, 1\) of 2 factors"),
    ],
)
def test_series_that_tell_no_slope_are_refused_by_name(change, said: str):
    returns, series = made()
    with pytest.raises(DataError, match=said):
        time_series_model(returns, LETTERS, change(series), ("x", "y"))


def test_more_series_than_rows_are_refused_and_so_are_too_few_rows_beyond_them():
    rng = np.random.default_rng(1)
    names = tuple(f"f{i}" for i in range(30))
    for rows, enough in ((20, False), (41, False), (42, True)):
        returns, series = rng.normal(0, 0.01, (rows, 2)), rng.normal(0, 0.01, (rows, 30))
        if enough:
            assert time_series_model(returns, ("A", "B"), series, names).specific.min() > 0
        else:
            with pytest.raises(DataError, match=f"30 series of {rows} rows: 42 rows are needed"):
                time_series_model(returns, ("A", "B"), series, names)


def test_a_name_without_a_return_where_a_series_moves_is_refused_by_name():
    returns, series = made()
    series[:150, 1] = 0.001
    returns[150:, 2] = np.nan
    with pytest.raises(DataError, match=r"C: its returns do not tell the series apart \(y does not move\)"):
        time_series_model(returns, LETTERS, series, ("x", "y"))
    kept = [0, 1, 3]
    assert np.isfinite(
        time_series_model(returns[:, kept], ("A", "B", "D"), series, ("x", "y")).exposures
    ).all()


def test_nearly_the_same_series_still_have_slopes_and_the_right_risk():
    returns, series = made()
    near = np.column_stack([series[:, 0], series[:, 0] * (1 + 1e-6 * series[:, 1])])
    one, two = (
        time_series_model(returns, LETTERS, x, f) for x, f in ((near, ("x", "y")), (series[:, :1], ("x",)))
    )
    assert one.covariance.dense == pytest.approx(two.covariance.dense, rel=0.2)
    assert dependent(near, ("x", "y")) == {}


@pytest.mark.parametrize(("days", "periods"), [(1, 252.0), (5, 50.4), (21, 12.0)])
def test_weeks_and_months_tell_the_slopes_and_the_yearly_risk_of_days(days: int, periods: float):
    """A market of independent days, seen by the day, the week and the month."""
    rng = np.random.default_rng(5)
    series = rng.normal(0, 0.01, (21 * 480, 2))
    betas = np.array([[1.2, 0.4], [0.7, -0.3]])
    returns = series @ betas.T + rng.normal(0, 0.006, (len(series), 2))
    seen, factors = (x.reshape(-1, days, 2).sum(axis=1) for x in (returns, series))
    model = time_series_model(seen, ("A", "B"), factors, ("x", "y"), periods_per_year=periods)
    assert model.exposures == pytest.approx(betas, abs=0.12)
    assert np.sqrt(model.specific) == pytest.approx([0.006 * np.sqrt(252)] * 2, rel=0.08)
    assert np.sqrt(np.diag(model.factor_covariance)) == pytest.approx([0.01 * np.sqrt(252)] * 2, rel=0.1)


def test_components_are_those_of_the_estimator():
    returns, _ = made()
    sample = Sample(returns)
    model = principal_components(sample_covariance(sample), tuple("ABCD"), 200)
    assert model.covariance.dense == pytest.approx(statistical_factors(sample), abs=1e-18)
    assert model.covariance.variances == pytest.approx(returns.var(axis=0, ddof=1))


def test_a_level_that_moves_by_its_rounding_alone_does_not_move():
    """1e-9 of its size is the bound: of a level of 100 that is 1e-7, not 1e-11."""
    x = np.array([0.1, 0.3, 0.2, 0.4])
    for size, told in ((1e-8, {"y": "y does not move"}), (1e-6, {})):
        level = 100 + size * np.array([1.0, -1.0, -1.0, 1.0])
        assert dependent(np.column_stack([x, level]), ("x", "y")) == told
