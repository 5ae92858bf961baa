"""Returns run between the dates on which all are priced, and a year has as many of them as the dates say."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer import (
    DataError,
    Estimates,
    ExposureType,
    Fund,
    FundExposureMap,
    ObjectiveType,
    OptimizationConstraints,
    OptimizationEngine,
    Policy,
    PolicyError,
    Recipe,
    ReturnEstimator,
    Universe,
    estimate,
    solve,
)
from optimizer.model.sessions import periods_per_year

PLAIN = Recipe(covariance_method="sample")


def walk(dates, n=3, seed=0, yearly=0.2):
    """Prices of a random walk with that volatility a year."""
    rng = np.random.default_rng(seed)
    step = yearly * np.sqrt(np.diff(np.asarray(dates)).astype("timedelta64[D]").astype(float) / 365.25)
    moves = np.vstack([np.zeros(n), rng.normal(0, 1, (len(dates) - 1, n)) * step[:, None]])
    return pd.DataFrame(100 * np.exp(moves.cumsum(axis=0)), dates, [f"S{i}" for i in range(n)])


def holed(table, share, seed):
    """The prices without that share of them; the first and the last rows are whole."""
    rng = np.random.default_rng(seed)
    gone = rng.random(table.shape) < share
    gone[[0, -1]] = False
    return table.mask(gone)


def same(found: Estimates, wanted: Estimates):
    assert found.mean.tobytes() == wanted.mean.tobytes()
    assert found.covariance.tobytes() == wanted.covariance.tobytes()
    assert found.scenarios.tobytes() == wanted.scenarios.tobytes()
    assert (found.observations, found.periods_per_year) == (wanted.observations, wanted.periods_per_year)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.02, 0.2]), st.integers(1, 5))
def test_returns_through_gaps_compound_to_the_ratio_of_the_prices(seed, share, n):
    table = holed(walk(pd.bdate_range("2020-01-01", periods=260), n, seed), share, seed)
    found = estimate(table, replace(PLAIN, lookback_days=259))
    assert np.prod(1 + found.scenarios, axis=0) == pytest.approx(
        (table.iloc[-1] / table.iloc[0]).to_numpy(), rel=1e-12
    )
    assert found.observations == table.dropna().shape[0] - 1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.05]), st.sampled_from(["complete", "pairwise"]))
def test_the_order_of_the_names_changes_nothing(seed, share, missing):
    table = holed(walk(pd.bdate_range("2020-01-01", periods=200), 5, seed), share, seed)
    recipe = replace(PLAIN, lookback_days=150, missing=missing)
    plain = estimate(table, recipe)
    order = np.random.default_rng(seed).permutation(5)
    moved = estimate(table.iloc[:, order], recipe)
    assert moved.mean == pytest.approx(plain.mean[order], rel=1e-9, abs=1e-12)
    assert moved.covariance == pytest.approx(plain.covariance[np.ix_(order, order)], rel=1e-8, abs=1e-10)
    assert moved.periods_per_year == plain.periods_per_year


def test_a_gap_beside_a_jump_keeps_the_jump():
    table = walk(pd.bdate_range("2022-07-01", periods=253))
    table.iloc[100:, 0] *= 1.5
    table.iloc[100, 1] = np.nan
    found = estimate(table, replace(PLAIN, covariance_method="ledoit_wolf"))
    assert found.mean == pytest.approx(252 * table.dropna().pct_change().mean().to_numpy())
    assert found.notes == (
        "history has 251 of the 252 days asked for: S1 has the fewest prices",
        "1 of 253 sessions lack a price, of S1 1: returns run between the dates common to all",
    )


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(40, 300), st.integers(2, 4))
def test_a_coin_that_trades_every_day_is_read_on_the_sessions_of_the_stocks(seed, lookback, n):
    every = pd.date_range("2020-01-01", periods=800)
    table = walk(every, n, seed)
    table.loc[every.weekday >= 5, table.columns[1:]] = np.nan
    recipe = replace(PLAIN, lookback_days=lookback)
    found = estimate(table, recipe)
    same(found, estimate(table[every.weekday < 5], recipe))
    assert found.notes == ()
    assert (found.observations, found.periods_per_year) == (lookback, 252)
    assert estimate(table.iloc[:, :1], recipe).periods_per_year == 365


def test_the_lookback_counts_the_sessions_of_the_set():
    table = walk(pd.bdate_range("2020-01-01", periods=500))
    table.iloc[400:420, 2] = np.nan
    assert estimate(table, Recipe()).observations == 252
    assert estimate(table[["S0", "S1"]], Recipe()).observations == 252
    assert estimate(table, Recipe()).scenarios[0] == pytest.approx(
        (table.iloc[228] / table.iloc[227] - 1).to_numpy()
    )


@pytest.mark.parametrize(
    ("frequency", "periods"),
    [("B", 252), ("D", 365), ("W-FRI", 52), ("W-WED", 52), ("ME", 12), ("BME", 12), ("QE", 4), ("YE", 1)],
)
def test_a_random_walk_has_its_volatility_at_any_frequency(frequency, periods):
    table = walk(pd.date_range("1850-01-01", "2020-12-31", freq="D"), 4, seed=3)
    sampled = table.resample(frequency).last()
    found = estimate(sampled, replace(PLAIN, lookback_days=len(sampled) - 1))
    assert found.periods_per_year == periods
    # Standard error of a deviation: 1 / sqrt(2 T); 261 weekdays a year are annualised as 252.
    error = 4 / np.sqrt(2 * len(sampled)) + (0.02 if frequency == "B" else 0.005)
    if periods > 4:  # arithmetic returns of a quarter or a year are no longer as good as normal
        assert found.volatility == pytest.approx(np.full(4, 0.2), rel=error)
    years = sampled.pct_change().mean().to_numpy() * periods
    assert found.mean == pytest.approx(years)


def test_weekly_prices_taken_as_they_are_or_drawn_from_daily_ones_are_the_same():
    daily = walk(pd.bdate_range("2015-01-05", "2020-01-03"), 3)
    weekly = daily[daily.index.weekday == 4]
    drawn = estimate(daily, replace(PLAIN, frequency="weekly", lookback_days=len(daily) - 1))
    taken = estimate(weekly, replace(PLAIN, lookback_days=len(weekly) - 1))
    assert drawn.covariance == pytest.approx(taken.covariance)
    assert drawn.mean == pytest.approx(taken.mean)
    assert drawn.periods_per_year == taken.periods_per_year == 52
    assert drawn.scenarios == pytest.approx(taken.scenarios)


def test_periods_are_stated_counted_or_named():
    table = walk(pd.bdate_range("2020-01-01", periods=253))
    assert estimate(table, replace(PLAIN, periods_per_year=260)).mean == pytest.approx(
        260 * table.pct_change().mean().to_numpy()
    )
    alternate = table.iloc[::2]
    found = estimate(alternate, replace(PLAIN, lookback_days=126))
    assert found.periods_per_year == pytest.approx(130.4, rel=0.01)
    assert "the dates have 130." in found.notes[0]
    undated = estimate(table.reset_index(drop=True), PLAIN)
    assert undated.periods_per_year == 252
    assert "the rows have no dates: 252 a year are taken" in undated.notes[0]
    with pytest.raises(PolicyError, match="periods_per_year is 0"):
        Recipe(periods_per_year=0)
    with pytest.raises(PolicyError, match="periods_per_year is nan"):
        Estimates(("A",), None, np.eye(1), periods_per_year=np.nan)


def test_few_rows_are_refused_in_the_words_of_their_frequency():
    months = walk(pd.date_range("2020-01-31", periods=12, freq="ME"))
    with pytest.raises(DataError, match=r"11 monthly returns are usable .* 12 are needed"):
        estimate(months, PLAIN)
    assert estimate(walk(pd.date_range("2020-01-31", periods=13, freq="ME")), PLAIN).observations == 12
    with pytest.raises(DataError, match=r"20 weekly returns are usable .* 26 are needed"):
        estimate(walk(pd.date_range("2020-01-03", periods=21, freq="W-FRI")), PLAIN)


def test_pairs_use_their_own_dates():
    every = pd.date_range("2018-01-01", periods=1500)
    table = walk(every, 3, seed=5)
    table.loc[every.weekday >= 5, ["S1", "S2"]] = np.nan
    table.loc[np.arange(1500) % 7 == 2, "S2"] = np.nan
    recipe = replace(PLAIN, lookback_days=900, missing="pairwise")
    found = estimate(table, recipe)
    since = every[every.weekday < 5][-901]
    for one, other in (("S0", "S0"), ("S0", "S1"), ("S1", "S2")):
        pair = table.loc[since:, [one, other]].dropna()
        periods = periods_per_year(pair.index)
        covariance = np.cov(pair.pct_change().iloc[1:].to_numpy().T)[0, 1] * periods
        i, j = int(one[1]), int(other[1])
        assert found.covariance[i, j] == pytest.approx(covariance)
        if i == j:
            assert found.mean[i] == pytest.approx(pair.pct_change().mean().iloc[0] * periods)
    whole = walk(pd.bdate_range("2020-01-01", periods=253))
    pairs, plain = estimate(whole, replace(PLAIN, missing="pairwise")), estimate(whole, PLAIN)
    # Two ways of summing: the last bits are a kernel's.
    np.testing.assert_allclose(pairs.mean, plain.mean, rtol=1e-12)
    np.testing.assert_allclose(pairs.covariance, plain.covariance, rtol=1e-10, atol=1e-16)


def test_returns_are_taken_in_place_of_prices():
    table = walk(pd.bdate_range("2020-01-01", periods=253))
    returns = table.pct_change().iloc[1:]
    same(estimate(returns=returns), estimate(table))
    capm = Recipe(mean_method="capm", risk_free_rate=0.02)
    priced, told = (
        estimate(table, capm, market="S1"),
        estimate(returns=returns, recipe=capm, market="S1"),
    )
    # The last bits are those of places in memory.
    np.testing.assert_allclose(told.mean, priced.mean, rtol=1e-12)
    assert told.scenarios.tobytes() == priced.scenarios.tobytes()
    returns.iloc[5, 0] = np.nan
    found = estimate(returns=returns)
    assert found.observations == 251
    assert found.notes == ("1 row of 252 without a return left out",)
    returns.iloc[7, 1] = -1.5
    with pytest.raises(DataError, match=r"return 7 of S1 is -1.5"):
        estimate(returns=returns)
    with pytest.raises(PolicyError, match="give one of them"):
        estimate(table, returns=returns)
    with pytest.raises(PolicyError, match="give one of them"):
        estimate()
    with pytest.raises(PolicyError, match="read from prices"):
        estimate(returns=returns, recipe=Recipe(frequency="weekly"))


@pytest.mark.parametrize(
    ("method", "said"),
    [("sample", "the covariance is singular"), ("ledoit_wolf", "what ledoit_wolf assumes")],
)
def test_more_names_than_returns_are_never_silent(method, said):
    table = walk(pd.bdate_range("2020-01-01", periods=41), 60)
    found = estimate(table, Recipe(covariance_method=method, lookback_days=40))
    assert "60 names and 40 returns: more names than observations" in found.notes[0]
    assert said in found.notes[0]
    assert estimate(table.iloc[:, :39], Recipe(covariance_method=method, lookback_days=40)).notes == ()


def test_the_seeds_estimator_counts_years_at_the_frequency_of_the_prices():
    weekly = walk(pd.date_range("2010-01-01", periods=521, freq="W-FRI"))
    estimator = ReturnEstimator(weekly)
    window = weekly.pct_change().iloc[-104:]
    assert estimator.estimate_expected_returns(["S1"], lookback_years=2) == pytest.approx(
        52 * window[["S1"]].mean().to_numpy()
    )
    assert estimator.estimate_covariance_matrix(["S1", "S0"], lookback_years=2) == pytest.approx(
        52 * window[["S1", "S0"]].cov().to_numpy()
    )
    stated = ReturnEstimator(weekly, periods_per_year=50)
    assert stated.estimates(["S0"], lookback_years=1).observations == 50


def test_methods_on_scenarios_count_their_periods():
    """Cash earns the rate of a week, growth is told per year, and doubt counts the years of weekly data."""
    weekly = walk(pd.date_range("2010-01-01", periods=131, freq="W-FRI"), 3, seed=8)
    found = estimate(weekly, replace(PLAIN, lookback_days=130))
    universe = Universe(found.symbols)
    kelly = solve(found, Policy("kelly", risk_free_rate=0.03, cash_max=1.0), universe)
    growth = np.log1p(found.scenarios @ kelly.weights + kelly.cash * (1.03 ** (1 / 52) - 1)).mean() * 52
    assert kelly.objective == pytest.approx(growth, rel=1e-6)
    tail = solve(found, Policy("cvar", risk_free_rate=0.03, cash_min=1.0, cash_max=1.0), universe)
    assert tail.objective == pytest.approx(-(1.03 ** (1 / 52) - 1), rel=1e-6)
    doubtful = Policy("mean_variance", risk_free_rate=0.0, mean_doubt=1.0, cash_max=1.0)
    first = solve(found, doubtful, universe)
    years = replace(found, observations=630, periods_per_year=252.0, trusted=True)  # as many years
    assert solve(years, doubtful, universe).weights == pytest.approx(first.weights, abs=1e-6)
    engine = OptimizationEngine(None, stocks(found.symbols))
    answer = engine.optimize_mean_variance(
        found.symbols, found.mean, found.covariance, OptimizationConstraints(cash_min=1.0, cash_max=1.0),
        ObjectiveType("minimize_cvar"), 0.03, scenarios=found.scenarios, periods_per_year=52,
    )  # fmt: skip
    assert answer.success


def stocks(symbols):
    return FundExposureMap([Fund(s, s, {ExposureType.EQUITY: 1.0}) for s in symbols])
