from datetime import date

import numpy as np
import pandas as pd
import pytest

from optimizer import (
    DataError,
    ExposureType,
    Fund,
    FundExposureMap,
    PolicyError,
    Portfolio,
    PortfolioAnalytics,
    Position,
    brinson,
    performance_metrics,
)
from optimizer import performance as p
from optimizer.measures.attribution import contributions, group_sums
from optimizer.measures.return_series import monthly_table
from optimizer.measures.sharpe_ratios import _expected_maximum

DAYS = pd.bdate_range("2020-01-01", periods=300)


@pytest.fixture
def prices():
    rng = np.random.default_rng(3)
    steps = rng.normal(0.0004, 0.01, (300, 3))
    return pd.DataFrame(100 * np.exp(np.cumsum(steps, axis=0)), DAYS, ["A", "B", "C"])


def book(cash=0, **shares):
    return Portfolio("book", cash, {s: Position(s, q) for s, q in shares.items()})


def test_time_weighted_return_ignores_flows_and_chains():
    values, flows = np.array([100.0, 110.0, 220.0, 209.0]), np.array([0.0, 0.0, 100.0, 0.0])
    assert p.time_weighted_return(values, flows) == pytest.approx(1.10 * (120 / 110) * 0.95 - 1, abs=1e-15)
    assert p.time_weighted_return(values, flows) == pytest.approx(0.14, abs=1e-12)


def test_dated_holdings_give_the_same_chained_return():
    index = pd.bdate_range("2024-01-01", periods=4)
    prices = pd.DataFrame({"X": [100.0, 110.0, 120.0, 114.0]}, index)
    history = {index[0].date(): book(X=1), index[2].date(): book(X="1.8333333333333333")}
    analytics = PortfolioAnalytics(book(X=2), prices, history=history)
    assert analytics.calculate_time_weighted_return() == pytest.approx(0.14, abs=1e-12)
    assert analytics.calculate_portfolio_values().tolist() == pytest.approx([100, 110, 220, 209])
    assert not analytics.pro_forma
    flows = pd.Series({index[2]: 100.0})
    yearly = analytics.calculate_money_weighted_return(flows)
    years = np.array([3, 1]) / 365.25
    assert 100 * (1 + yearly) ** years[0] + 100 * (1 + yearly) ** years[1] == pytest.approx(209, abs=1e-8)


def test_money_weighted_return_of_a_known_rate():
    years = np.arange(4.0)
    values = np.array([100.0, 110.0, 231.0, 254.1])
    assert p.money_weighted_return(values, np.array([0, 0, 110.0, 0]), years) == pytest.approx(
        0.10, abs=1e-12
    )
    with pytest.raises(DataError, match="no internal rate"):
        p.money_weighted_return(np.array([0.0, 10.0]), np.zeros(2), np.array([0.0, 1.0]))


def test_daily_rate_compounds_to_the_annual_one():
    assert p.per_period(0.045) == pytest.approx(0.000174685, abs=5e-10)


def test_sharpe_interval_and_deflation():
    r = np.random.default_rng(1).normal(0.0006, 0.01, 1000)
    test = p.sharpe_test(r, 0.02)
    excess = r - p.per_period(0.02)
    assert test.ratio == pytest.approx(excess.mean() / excess.std(ddof=1) * np.sqrt(252), rel=1e-12)
    assert test.low < test.ratio < test.high
    # near-normal returns: the classic standard error sqrt((1 + SR^2 / 2) / T)
    assert test.high - test.low == pytest.approx(2 * 1.96 * np.sqrt(252 / 999), rel=0.02)
    assert test.deflated == pytest.approx(test.probabilistic)
    assert p.sharpe_test(r, 0.02, trials=50).deflated < test.deflated
    with pytest.raises(DataError, match="trials is 0"):
        p.sharpe_test(r, trials=0)


def test_deflated_sharpe_of_the_published_example():
    """Bailey & Lopez de Prado 2014: SR 2.5, T 1250, skew -3, kurtosis 10, 100 trials, variance .5: 0.9004"""
    one, error_trials = 2.5 / np.sqrt(250), np.sqrt(0.5 / 250)
    best = error_trials * _expected_maximum(100)
    assert best == pytest.approx(0.1132, abs=5e-5)
    error = np.sqrt((1 + 3 * one + (10 - 1) / 4 * one**2) / 1249)
    assert p.NORMAL.cdf((one - best) / error) == pytest.approx(0.9004, abs=5e-5)


def test_tail_measures_on_a_known_sample():
    r = -np.arange(1, 101) / 1000
    assert p.expected_shortfall(r, 0.95) == pytest.approx(np.mean([0.096, 0.097, 0.098, 0.099, 0.1]))
    assert p.expected_shortfall(r, 0.945) == pytest.approx(
        (0.096 + 0.097 + 0.098 + 0.099 + 0.1 + 0.0475) / 5.5
    )
    assert p.value_at_risk(r, 0.95) == pytest.approx(0.09505)
    normal = np.random.default_rng(0).normal(0, 0.01, 200_000)
    assert p.normal_value_at_risk(normal) == pytest.approx(0.01645, rel=0.01)
    assert p.value_at_risk(normal) == pytest.approx(0.01645, rel=0.01)
    assert p.expected_shortfall(normal) == pytest.approx(0.02063, rel=0.01)


def test_drawdown_has_its_dates_and_an_open_one_has_no_recovery():
    fall = p.max_drawdown(np.array([0.1, -0.2, -0.1, 0.5, 0.0, -0.05]))
    assert fall.depth == pytest.approx(-0.28)
    assert (fall.peak, fall.trough, fall.recovered, fall.duration) == (1, 3, 4, 3)
    still = p.max_drawdown(np.array([0.1, -0.2]))
    assert (still.peak, still.trough, still.recovered, still.duration) == (1, 2, None, 1)
    assert p.max_drawdown(np.array([0.1, 0.2])).depth == 0


def test_metrics_of_the_benchmark_itself_are_neutral(prices):
    r = prices["A"].pct_change().iloc[1:]
    found = performance_metrics(r, r, risk_free_rate=0.01)
    assert (found["beta"], found["up_capture"], found["down_capture"]) == pytest.approx((1, 1, 1))
    assert found["alpha"] == pytest.approx(0, abs=1e-12)
    assert found["tracking_error"] == 0
    assert np.isnan(found["information_ratio"])
    with pytest.raises(DataError, match="dates differ"):
        performance_metrics(r, r.iloc[1:])


@pytest.mark.parametrize(
    ("dates", "periods"),
    [
        (pd.date_range("2020-01-03", periods=200, freq="W-FRI"), 52),
        (pd.date_range("2020-01-31", periods=60, freq="ME"), 12),
        (pd.period_range("2020-01", periods=60, freq="M"), 12),
        (pd.date_range("2020-01-01", periods=200), 365),
        (pd.RangeIndex(200), 252),
    ],
)
def test_figures_are_per_year_at_the_frequency_of_the_dates(dates, periods):
    r = pd.Series(np.random.default_rng(1).normal(0.002, 0.02, len(dates)), dates)
    found = performance_metrics(r, 0.5 * r, risk_free_rate=0.03)
    stated = performance_metrics(r, 0.5 * r, risk_free_rate=0.03, periods=periods)
    assert found == stated
    assert found["volatility"] == pytest.approx(r.std() * np.sqrt(periods))
    excess = r - (1.03 ** (1 / periods) - 1)
    assert found["sharpe"] == pytest.approx(excess.mean() / excess.std() * np.sqrt(periods))
    assert found["annual_return"] == pytest.approx((1 + r).prod() ** (periods / len(r)) - 1)


def test_a_portfolio_of_weekly_prices_has_the_volatility_of_weeks(prices):
    weekly = prices[prices.index.weekday == 4]
    analytics = PortfolioAnalytics(book(A=2, B=1), weekly, risk_free_rate=0.0)
    value = 2 * weekly["A"] + weekly["B"]
    returns = value.pct_change().dropna()
    assert analytics.calculate_volatility() == pytest.approx(returns.std() * np.sqrt(52))
    assert analytics.calculate_sharpe_ratio() == pytest.approx(returns.mean() / returns.std() * np.sqrt(52))
    assert analytics.calculate_metrics()["volatility"] == pytest.approx(analytics.calculate_volatility())


def test_monthly_table_compounds_days_and_years(prices):
    r = prices["A"].pct_change().iloc[1:]
    table = monthly_table(r)
    assert (1 + table.loc[2020, range(1, 13)]).prod() - 1 == pytest.approx(table.loc[2020, "year"])
    assert (1 + table["year"]).prod() - 1 == pytest.approx(p.total_return(r.to_numpy()))
    assert np.isnan(table.loc[2021, 12])


def test_analytics_hold_todays_shares_only_when_no_history_is_known(prices):
    analytics = PortfolioAnalytics(book(1000, A=10, B=5), prices)
    assert analytics.pro_forma
    values = 10 * prices["A"] + 5 * prices["B"] + 1000
    pd.testing.assert_series_equal(analytics.calculate_portfolio_values(), values, check_names=False)
    r = values.pct_change().iloc[1:]
    assert analytics.calculate_volatility() == pytest.approx(r.std() * np.sqrt(252))
    assert analytics.calculate_var() == pytest.approx(-r.quantile(0.05))
    monthly = analytics.calculate_returns("monthly")
    assert (1 + monthly).prod() == pytest.approx(values.iloc[-1] / values.iloc[0])
    summary = analytics.generate_analytics_summary()
    assert summary["peak_date"] < summary["trough_date"]
    assert summary["best_position"] in {"A", "B"}
    assert analytics.calculate_metrics(prices["C"])["beta"] == pytest.approx(
        np.cov(r, prices["C"].pct_change().iloc[1:])[0, 1] / prices["C"].pct_change().iloc[1:].var()
    )


def test_attribution_adds_up_by_name_and_by_exposure(prices):
    funds = FundExposureMap(
        [
            Fund("A", "a", {ExposureType.US_LARGE_EQUITY: 1.0}),
            Fund("B", "b", {ExposureType.US_LARGE_EQUITY: 0.9, ExposureType.BONDS: 0.6}),
        ]
    )
    history = {date(2020, 1, 1): book(500, A=10), date(2020, 6, 1): book(100, A=4, B=7)}
    analytics = PortfolioAnalytics(book(100, A=4, B=7), prices, history=history, fund_map=funds)
    total = analytics.calculate_time_weighted_return()
    assert analytics.calculate_attribution().sum() == pytest.approx(total, abs=1e-12)
    assert sum(analytics.calculate_exposure_attribution().values()) == pytest.approx(total, abs=1e-12)


def test_brinson_effects_add_up_to_the_active_return(prices):
    rng = np.random.default_rng(5)
    returns = prices.pct_change(20).iloc[20::20]
    w = pd.DataFrame(rng.dirichlet(np.ones(3), len(returns)), returns.index, returns.columns)
    b = pd.DataFrame(rng.dirichlet(np.ones(3), len(returns)), returns.index, returns.columns)
    groups = {"A": "g", "B": "g", "C": "h"}
    effects = brinson(*group_sums(w, returns, groups), *group_sums(b, returns, groups))
    active = (1 + (w * returns).sum(axis=1)).prod() - (1 + (b * returns).sum(axis=1)).prod()
    assert effects.to_numpy().sum() == pytest.approx(active, abs=1e-12)
    assert contributions(w, returns).sum() == pytest.approx((1 + (w * returns).sum(axis=1)).prod() - 1)
    with pytest.raises(DataError, match="add cash as a group"):
        brinson(w * 0.9, returns, b, returns)


def test_wrong_questions_are_named(prices):
    with pytest.raises(DataError, match="no prices for Z"):
        PortfolioAnalytics(book(Z=1), prices)
    analytics = PortfolioAnalytics(book(A=1), prices)
    with pytest.raises(PolicyError, match="use one of daily, weekly, monthly, annual"):
        analytics.calculate_returns("hourly")
    with pytest.raises(PolicyError, match="use one of historical, parametric"):
        analytics.calculate_var(method="magic")
    with pytest.raises(PolicyError, match="needs a fund map"):
        analytics.calculate_exposure_attribution()


def test_a_series_of_rates_is_subtracted_period_by_period():
    rng = np.random.default_rng(8)
    r, b = rng.normal(5e-4, 0.01, (2, 300))
    rates = np.where(np.arange(300) < 150, 0.0, 0.06)
    excess = r - ((1 + rates) ** (1 / 252) - 1)
    assert p.sharpe(r, rates) == pytest.approx(excess.mean() / excess.std(ddof=1) * np.sqrt(252))
    assert p.sortino(r, rates) == pytest.approx(p.sortino(excess))
    assert p.sharpe_test(r, rates).low == pytest.approx(p.sharpe_test(excess).low)
    assert p.sharpe(r, np.full(300, 0.03)) == pytest.approx(p.sharpe(r, 0.03))
    assert p.alpha(r, b, np.full(300, 0.03)) == pytest.approx(p.alpha(r, b, 0.03))
    with pytest.raises(DataError, match="give one for each"):
        p.sharpe(r, rates[1:])
    cash = (1 + rates) ** (1 / 252) - 1
    assert np.isnan([p.sharpe(cash, rates), p.sortino(cash, rates), p.omega(cash, cash)]).all()


def test_a_portfolio_earns_its_ratio_over_the_rate_of_each_day():
    days = pd.bdate_range("2023-01-02", periods=50)
    prices = pd.DataFrame({"A": 100 * np.exp(np.cumsum(np.random.default_rng(2).normal(0, 0.01, 50)))}, days)
    book = Portfolio("book")
    book.add_position(Position("A", 10, 90))
    rates = pd.Series([0.0, 0.08], [days[0], days[20]])
    told = PortfolioAnalytics(book, prices, risk_free_rate=rates)
    held = np.where(np.arange(49) < 20, 0.0, 0.08)  # of each return the rate known at the close before
    excess = prices["A"].pct_change().iloc[1:] - ((1 + held) ** (1 / 252) - 1)
    assert told.calculate_sharpe_ratio() == pytest.approx(excess.mean() / excess.std() * np.sqrt(252))
    assert told.calculate_metrics()["sharpe"] == pytest.approx(told.calculate_sharpe_ratio())
