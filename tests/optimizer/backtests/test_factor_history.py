"""Factor models in backtests: those of each day, blind to what comes after, and kept by limits on factors."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from optimizer import (
    DataError,
    FactorPanel,
    FactorSettings,
    OptimizationBacktest,
    Policy,
    PolicyError,
    PolicyStrategy,
    Recipe,
    Universe,
    fit_factors,
)
from optimizer.backtests.dated_facts import DatedFacts, FactorHistory
from optimizer.factors.panel import YEAR

DAYS = pd.bdate_range("2020-01-01", periods=420)
NAMES = tuple(f"N{i}" for i in range(8))
RNG = np.random.default_rng(4)
MOVES = RNG.normal(0, 0.008, (420, 1)) * np.linspace(0.5, 1.6, 8) + RNG.normal(0, 0.01, (420, 8))
PRICES = pd.DataFrame(100 * np.cumprod(1 + MOVES, axis=0), DAYS, list(NAMES))
QUICK = FactorSettings(simulations=0)
RECIPE = Recipe(mean_method="historical", covariance_method="factor_model", lookback_days=90)
POLICY = Policy(method="min_volatility", limits=("factor:beta <= -0.4", "risk:specific >= 10%"))


def history(moves: np.ndarray) -> FactorHistory:
    return FactorHistory(FactorPanel(NAMES, tuple(day.date() for day in DAYS[1:]), moves[1:]), QUICK)


def strategy(moves: np.ndarray = MOVES, policy: Policy = POLICY) -> PolicyStrategy:
    return PolicyStrategy(
        policy, Universe(NAMES), RECIPE, "historical", facts=DatedFacts(factors=history(moves))
    )


def test_the_model_of_a_day_is_that_of_a_fit_on_its_past_alone():
    day, place = DAYS[399].date(), 399
    found = history(MOVES).at(day, 90)
    panel = FactorPanel(NAMES, tuple(d.date() for d in DAYS[1:400]), MOVES[1:400])
    alone = fit_factors(panel.between(place - 90 - YEAR, place), QUICK).model
    np.testing.assert_array_equal(found.exposures, alone.exposures)
    np.testing.assert_array_equal(found.covariance.dense, alone.covariance.dense)
    garbage = MOVES.copy()
    garbage[400:] = 9.0 * RNG.normal(size=garbage[400:].shape) ** 2
    np.testing.assert_array_equal(history(garbage).at(day, 90).covariance.dense, alone.covariance.dense)
    assert history(MOVES).at(date(2021, 7, 3), 90).exposures.shape[0] == 8  # a Saturday sees Friday's


def test_the_periods_of_a_year_are_those_of_the_sessions_that_a_day_knows():
    """Sessions that later fall on weekends too made other covariances of the days before them: 365 a year, not 252."""
    after = pd.date_range(DAYS[400], periods=1200)
    moves = np.vstack([MOVES[1:400], RNG.normal(0, 0.01, (1200, 8))])
    later = FactorPanel(NAMES, tuple(day.date() for day in [*DAYS[1:400], *after]), moves)
    day = DAYS[399].date()
    known = FactorHistory(later, QUICK).at(day, 90).covariance.dense
    np.testing.assert_array_equal(known, history(MOVES).at(day, 90).covariance.dense)
    stated = FactorHistory(later, QUICK, periods=126.0).at(day, 90).covariance.dense
    np.testing.assert_allclose(stated, known / 2)
    with pytest.raises(DataError, match="by daily returns; these have 52 a year"):
        FactorHistory(later, QUICK, periods=52.0).at(day, 90)


def test_weights_keep_the_days_own_exposures_and_shares_of_risk():
    chosen = strategy()
    weights = pd.Series(chosen(PRICES.iloc[:400], DAYS[399], {})).reindex(list(NAMES)).fillna(0.0).to_numpy()
    model = chosen.facts.factors.at(DAYS[399].date(), 90)
    assert weights @ np.array([model.loadings["beta"][name] for name in NAMES]) <= -0.4 + 1e-8
    variance = weights @ model.covariance.dense @ weights
    assert weights**2 @ model.specific >= 0.1 * variance - 1e-8
    later = strategy(np.vstack([MOVES[:400], np.full((20, 8), 5.0)]))
    assert later(PRICES.iloc[:400], DAYS[399], {}) == chosen(PRICES.iloc[:400], DAYS[399], {})


def test_a_whole_backtest_runs_by_factors_and_one_without_models_says_what_is_missing():
    found = OptimizationBacktest(PRICES).backtest_strategy(
        strategy(), start_date=DAYS[400], end_date=DAYS[419]
    )
    assert len(found.nav) > 10 and np.isfinite(found.nav).all()
    bare = replace(strategy(), facts=DatedFacts())
    with pytest.raises(PolicyError, match="'factor:beta' is not known"):
        bare(PRICES.iloc[:400], DAYS[399], {})


def test_limits_on_the_risk_of_names_that_do_not_exist_yet_say_nothing():
    policy = Policy(method="min_volatility", risk_share_limits={"N7": (None, 0.1), "N0": (None, 0.2)})
    young = PRICES.iloc[:400].drop(columns="N7")
    chosen = PolicyStrategy(policy, Universe(NAMES), replace(RECIPE, covariance_method="oas"), "historical")
    assert sum(chosen(young, DAYS[399], {}).values()) == pytest.approx(1.0)
