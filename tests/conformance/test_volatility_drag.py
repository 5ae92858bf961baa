"""Volatility drag of leveraged funds that reset every day, in closed form and against their returns day by day.

A fund that holds L times one market each morning grows by L m - L^2 s^2 / 2 per year, less what borrowing and its fee
cost; against L times the market's own growth it loses (L^2 - L) s^2 / 2 (Cheng & Madhavan 2009; Avellaneda & Zhang
2010). Days are the midpoints of equally likely slices of a normal, so that nothing is left to chance.
"""

import numpy as np
import pytest
from scipy.stats import norm

from optimizer import (
    Estimates,
    ExposureType,
    Fund,
    FundExposureMap,
    OptimizationConstraints,
    OptimizationEngine,
    look_through,
)

EQUITY = ExposureType.US_LARGE_EQUITY
MEAN, RISK, CASH, FEE, SPREAD = 0.08, 0.18, 0.03, 0.0095, 0.005
MARKET = Estimates(("us_large_equity",), np.array([MEAN]), np.array([[RISK**2]]))
DAYS = norm.ppf((np.arange(100_000) + 0.5) / 100_000)
RETURNS = MEAN / 252 + RISK / np.sqrt(252) * DAYS / DAYS.std()


def fund_of(times: float, fee: float = 0.0, spread: float = 0.0, rate: float = 0.0) -> Estimates:
    fund = Fund("FUND", f"{times}x", {EQUITY: times}, fee=fee, spread=spread)
    return look_through(FundExposureMap([fund]), ["FUND"], MARKET, rate)


@pytest.mark.parametrize("times", [-2.0, -1.0, 0.5, 1.0, 2.0, 3.0])
def test_growth_of_a_fund_on_one_market_is_its_closed_form(times):
    fund = fund_of(times)
    assert fund.mean[0] == pytest.approx(times * MEAN)  # the drag is no part of the arithmetic mean
    assert fund.growth[0] == pytest.approx(times * MEAN - times**2 * RISK**2 / 2)
    drag = times * MARKET.growth[0] - fund.growth[0]
    assert drag == pytest.approx((times**2 - times) * RISK**2 / 2)


@pytest.mark.parametrize("times", [-2.0, -1.0, 0.5, 1.0, 2.0, 3.0])
def test_growth_is_what_daily_resets_give(times):
    """Days make it differ from the closed form by their third and fourth moments, up to 5 bps a year at 3x."""
    compounded = 252 * np.log1p(times * RETURNS).mean()
    assert fund_of(times).growth[0] == pytest.approx(compounded, abs=1e-3)


@pytest.mark.parametrize("times", [-1.0, 2.0, 3.0])
def test_growth_is_what_daily_resets_give_after_financing_and_fee(times):
    charged = (times - 1) * CASH + max(times - 1, 0.0) * SPREAD + FEE
    compounded = 252 * np.log1p(times * RETURNS - charged / 252).mean()
    estimates = fund_of(times, FEE, SPREAD, CASH)
    assert estimates.mean[0] == pytest.approx(times * MEAN - charged)
    assert estimates.growth[0] == pytest.approx(compounded, abs=1e-3)


def test_a_market_that_ends_where_it_began_leaves_a_leveraged_fund_with_a_loss():
    """Over a year of 1% up and 1 / 1.01 - 1 down: the fund's value is exp(-(L^2 - L) s^2 / 2) of what it was."""
    ups_and_downs = np.tile([0.01, 1 / 1.01 - 1], 126)
    assert np.prod(1 + ups_and_downs) == pytest.approx(1.0)
    variance = 252 * np.log(1.01) ** 2
    for times in (-1.0, 2.0, 3.0):
        value = np.prod(1 + times * ups_and_downs)
        assert np.log(value) == pytest.approx(-(times**2 - times) * variance / 2, rel=2e-3)


def test_the_engine_reports_growth_beside_the_mean_and_does_not_optimize_on_it():
    fund = Fund("THREE", "3x", {EQUITY: 3.0}, fee=FEE, spread=SPREAD)
    funds = FundExposureMap([fund])
    estimates = look_through(funds, ["THREE"], MARKET, CASH)
    result = OptimizationEngine(None, funds).optimize_mean_variance(
        ["THREE"],
        estimates.mean,
        estimates.covariance,
        OptimizationConstraints(max_weight=1.0, max_total_notional=3.0),
        risk_free_rate=CASH,
    )
    mean = 3 * MEAN - 2 * (CASH + SPREAD) - FEE
    assert result.expected_return == pytest.approx(mean)
    assert result.expected_growth == pytest.approx(mean - 9 * RISK**2 / 2)
    assert result.objective_value == pytest.approx((mean - CASH) / (3 * RISK))
