import numpy as np
import pandas as pd
import pytest
from draws import examples
from hypothesis import given
from random_prices import degenerate_samples, prices, returns

from optimizer import (
    DataError,
    PolicyError,
    Recipe,
    ReturnEstimator,
    Sample,
    bayes_stein,
    capm,
    equilibrium,
    estimate,
    historical,
    james_stein,
    sample_covariance,
)
from optimizer.beliefs.estimators.recipes import COVARIANCES, MEANS


@pytest.mark.parametrize("method", sorted(set(COVARIANCES) - {"garch"}))
def test_order_and_scale_of_symbols_change_nothing(method):
    table = returns(200, 8)
    order = np.random.default_rng(1).permutation(8)
    plain = COVARIANCES[method](Sample(table))
    assert COVARIANCES[method](Sample(table[:, order])) == pytest.approx(
        plain[np.ix_(order, order)], rel=1e-9
    )
    if method != "factor_model":  # whose momentum is of logarithms
        assert COVARIANCES[method](Sample(table / 100)) == pytest.approx(plain / 1e4, rel=1e-9)


@pytest.mark.parametrize("method", sorted(set(MEANS) - {"bayes_stein"}))
@examples(4)
@given(sample=degenerate_samples())
def test_every_mean_is_finite_and_within_the_range_of_the_averages(method, sample):
    if method == "capm" and np.allclose(sample.returns, 0):
        return
    mean = MEANS[method](sample)
    assert mean.shape == (sample.returns.shape[1],)
    assert np.isfinite(mean).all()
    if method == "james_stein":
        assert mean.min() >= sample.average.min() - 1e-12
        assert mean.max() <= sample.average.max() + 1e-12


def test_james_stein_and_bayes_stein_pull_towards_their_targets():
    sample = Sample(np.random.default_rng(4).normal(0.0005, 0.01, (250, 6)))
    average = historical(sample)
    grand = james_stein(sample)
    assert grand.mean() == pytest.approx(average.mean())
    assert np.ptp(grand) < np.ptp(average)
    inverse = np.linalg.inv(sample_covariance(sample))
    target = inverse.sum(axis=0) @ average / inverse.sum()
    share = (average - bayes_stein(sample)) / (average - target)
    assert share == pytest.approx(np.full(6, share[0]))
    assert 0 < share[0] < 1


@pytest.mark.parametrize("shape", [(250, 6), (40, 60)])
def test_james_stein_follows_its_formula(shape):
    table = np.random.default_rng(7).normal(0, 0.01, shape)
    average = table.mean(axis=0)
    values = np.linalg.eigvalsh(np.cov(table.T))
    gap = average - average.mean()
    share = min((shape[1] * values.mean() - 2 * values.max()) / shape[0] / (gap @ gap), 1)
    assert share > 0
    assert james_stein(Sample(table)) == pytest.approx(average - share * gap, abs=1e-15)


def test_bayes_stein_says_what_it_needs():
    with pytest.raises(PolicyError, match="more than 42 periods for 40 symbols and has 41"):
        bayes_stein(Sample(returns(41, 40)))
    twins = returns(100, 2)
    twins[:, 1] = twins[:, 0]
    with pytest.raises(DataError, match="singular"):
        bayes_stein(Sample(twins))


def test_capm_prices_the_market_at_its_own_mean_and_cash_at_the_rate():
    market = returns(250, 1)[:, 0]
    table = np.column_stack([market, 2 * market, np.full(250, 0.0)])
    mean = capm(Sample(table, market=market, risk_free=0.0001))
    assert mean == pytest.approx([market.mean(), 2 * market.mean() - 0.0001, 0.0001])


def test_equilibrium_is_delta_s_w():
    S = np.array([[0.04, 0.01], [0.01, 0.09]])
    assert equilibrium(S, np.array([0.5, 0.5]), 2.5) == pytest.approx([0.0625, 0.125])


def test_annual_mean_is_252_times_the_daily_one():
    table = returns(252, 3)
    est = estimate(prices(table), Recipe(covariance_method="sample"))
    assert est.mean == pytest.approx(252 * table.mean(axis=0))
    assert est.covariance == pytest.approx(252 * np.cov(table.T))
    assert est.scenarios == pytest.approx(table)
    assert est.observations == 252
    assert est.notes == ()


def test_the_lookback_is_exact():
    table = returns(400, 2)
    assert estimate(prices(table), Recipe()).scenarios == pytest.approx(table[-252:])


def test_weekly_returns_annualise_by_52():
    table = prices(returns(504, 3))
    est = estimate(table, Recipe(covariance_method="sample", frequency="weekly", lookback_days=504))
    fridays = table[table.index.weekday == 4]
    weekly = fridays.pct_change().dropna().to_numpy()
    assert est.covariance == pytest.approx(52 * np.cov(weekly.T))


def test_unknown_methods_list_the_valid_ones():
    with pytest.raises(
        PolicyError,
        match=r"covariance_method 'ledoit_wulf' does not exist; use one of sample.*; did you mean ledoit_wolf",
    ):
        estimate(prices(returns()), Recipe(covariance_method="ledoit_wulf"))
    with pytest.raises(PolicyError, match=r"mean_method 'guess'.*historical, ewma"):
        estimate(prices(returns()), Recipe(mean_method="guess"))


def test_symbols_without_prices_and_short_histories_are_named():
    table = prices(returns(25, 2))
    with pytest.raises(PolicyError, match="no prices for ZZZ"):
        estimate(table, Recipe(symbols=("S0", "ZZZ")))
    with pytest.raises(DataError, match=r"25 daily returns are usable .* 30 are needed"):
        estimate(table, Recipe())


def test_complete_rows_are_the_default_and_reported():
    table = prices(returns(252, 3))
    table.iloc[:100, 1] = np.nan
    est = estimate(table, Recipe())
    assert est.observations == 152
    assert est.notes == ("history has 152 of the 252 days asked for: S1 has the fewest prices",)


def test_the_seeds_estimator_reads_a_table_of_prices():
    table = returns(600, 3)
    estimator = ReturnEstimator(prices(table), risk_free_rate=0.02, market="S0")
    assert estimator.estimate_expected_returns(["S2", "S0"], lookback_years=2) == pytest.approx(
        252 * table[-504:, [2, 0]].mean(axis=0)
    )
    assert estimator.estimate_covariance_matrix(["S2", "S0"]) == pytest.approx(
        252 * np.cov(table[:, [2, 0]].T)
    )
    capm_mean = estimator.estimate_expected_returns(["S0"], method="capm", lookback_years=2)
    assert capm_mean == pytest.approx(252 * table[-504:, [0]].mean(axis=0))
    with pytest.raises(PolicyError, match="lookback_years is 0"):
        estimator.estimate_expected_returns(["S0"], lookback_years=0)


def test_a_table_with_levels_or_gaps_in_its_labels_is_refused_with_the_place() -> None:
    days = pd.bdate_range("2024-01-01", periods=60)
    table = pd.DataFrame(np.random.default_rng(1).normal(0, 0.01, (60, 2)), days, ["A", "B"])
    for wrong, said in (
        (pd.concat({"Close": table}, axis=1), r"columns have 2 levels, the first is \[\('Close', 'A'\)\]"),
        (pd.concat({"X": table}), "rows have 2 levels"),
        (table.set_axis(["A", np.nan], axis=1), "columns have no label at place 1"),
        (table.set_axis(days.where(np.arange(60) != 7), axis=0), "rows have no label at place 7"),
    ):
        with pytest.raises(DataError, match=said):
            estimate(returns=wrong)
        with pytest.raises(DataError, match=said):
            estimate(1 + wrong)
