from decimal import Decimal

import numpy as np
import pytest

from optimizer import (
    DataError,
    Estimates,
    ExposureType,
    Fund,
    FundExposureMap,
    Policy,
    Portfolio,
    Position,
    Universe,
    build_trades,
    impact,
)
from optimizer.trading.impact import NUMBERS

SYMBOLS = ("A", "B", "C")
RNG = np.random.default_rng(0)
SCENARIOS = RNG.normal(0.0005, 0.01, (300, 3))
ESTIMATES = Estimates(SYMBOLS, np.array([0.08, 0.03, 0.10]), np.cov(SCENARIOS.T) * 252, SCENARIOS)
FUNDS = FundExposureMap(
    [
        Fund("A", "a", {ExposureType.US_LARGE_EQUITY: 1.0}),
        Fund("B", "b", {ExposureType.US_LARGE_EQUITY: 1.0, ExposureType.MANAGED_FUTURES: 1.0}),
        Fund("C", "c", {ExposureType.GOLD: 1.0}),
    ]
)
POLICY = Policy(risk_free_rate=0.02, cash_max=1.0)


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), 1e200, 200.0])
def test_weights_of_which_nothing_can_be_counted_are_refused_by_name(weight: float) -> None:
    with pytest.raises(DataError, match=r"volatility|max_drawdown"):
        impact({"A": weight}, {}, Decimal(1000), Decimal(0), ESTIMATES, POLICY, Universe(SYMBOLS))


def test_nothing_is_missing_on_either_side_and_value_falls_by_the_costs():
    held = Portfolio("book", 500, {"A": Position("A", 100), "B": Position("B", 50)})
    universe = Universe(SYMBOLS, funds=FUNDS, benchmark={"A": 0.6, "C": 0.4})
    trades = build_trades(held, {"A": 50, "B": 60, "C": 7}, {"A": 0.3, "C": 0.6}, ESTIMATES, POLICY, universe)
    before = {row.symbol: row.current_weight for row in trades.rows}
    ratings = {"A": 8.0, "B": 4.0, "C": 6.0}
    found = impact(
        before, trades.weights(), trades.nav_before, trades.costs, ESTIMATES, POLICY, universe, ratings
    )
    assert found.value_delta == -trades.costs < 0
    for side in (found.current, found.post):
        assert all(np.isfinite(getattr(side, name)) for name in NUMBERS)
    w = np.array([trades.weights().get(symbol, 0.0) for symbol in SYMBOLS])
    assert found.post.volatility == pytest.approx(np.sqrt(w @ ESTIMATES.covariance @ w))
    assert found.post.expected_return == pytest.approx(w @ ESTIMATES.mean + (1 - w.sum()) * 0.02)
    assert found.post.sharpe == pytest.approx((found.post.expected_return - 0.02) / found.post.volatility)
    away = w - np.array([0.6, 0, 0.4])
    assert found.post.tracking_error == pytest.approx(np.sqrt(away @ ESTIMATES.covariance @ away))
    assert found.current.quality == pytest.approx((8 * 5000 + 4 * 3000) / 8000)
    assert found.current.notional == pytest.approx((5000 + 2 * 3000) / 8500)
    before, after = (side.exposures[ExposureType.MANAGED_FUTURES] for side in (found.current, found.post))
    assert after - before == pytest.approx(-3000 / 8500)
    assert (
        set(found.current.exposures) == set(found.post.exposures) >= {ExposureType.EQUITY, ExposureType.GOLD}
    )
    for side in (found.current, found.post):  # a parent is what is below it, on both sides
        assert side.exposures[ExposureType.EQUITY] == pytest.approx(
            side.exposures[ExposureType.US_LARGE_EQUITY]
        )
    assert found.delta()["cash"] == pytest.approx(found.post.cash - found.current.cash)


def test_no_trades_change_nothing_and_two_names_are_all_of_the_top_ten():
    weights = {"A": 10_000 / 15_000, "B": 5_000 / 15_000}
    found = impact(weights, weights, Decimal(15_000), Decimal(0), ESTIMATES, POLICY, Universe(SYMBOLS))
    assert found.current == found.post
    assert found.value_delta == 0
    assert found.current.concentration_top10 * 100 == 100.0
    assert found.current.tracking_error == 0


def test_what_is_unknown_is_nan_never_zero():
    bare = Estimates(SYMBOLS, None, ESTIMATES.covariance)
    found = impact({"A": 1.0}, {"C": 1.0}, Decimal(10), Decimal(1), bare, POLICY, Universe(SYMBOLS))
    for name in ("expected_return", "sharpe", "max_drawdown", "quality"):
        assert np.isnan(getattr(found.post, name))
    assert found.post.volatility > 0
