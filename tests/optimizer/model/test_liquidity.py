"""Square-root impact by the volumes of each day: the same cost in the goal, in the trade list and in the backtest."""

from dataclasses import replace
from decimal import Decimal
from math import sqrt

import numpy as np
import pandas as pd
import pytest

from optimizer import (
    CostModel,
    DataError,
    Estimates,
    Liquidity,
    Mandate,
    OptimizationBacktest,
    Policy,
    PolicyError,
    PolicyStrategy,
    Portfolio,
    Recipe,
    Universe,
    propose,
    rolling_liquidity,
    solve,
)
from optimizer.backtests.walk_forward import BacktestSettings
from optimizer.model.liquidity import LIQUIDITY_DAYS

DAYS = pd.bdate_range("2023-01-02", periods=120)
SYMBOLS = ("A", "B", "C")
POLICY = Policy(
    method="mean_variance", risk_free_rate=0.02, commission=2.0, impact_bps=4.0, buy_tax_bps=10.0, root_impact=0.8,
    lookback_days=60, cost_horizon_years=0.5, cash_max=1.0, max_weight=0.5,
)  # fmt: skip


def market() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Prices, and the value traded each day; C states no volume before the 80th day."""
    rng = np.random.default_rng(3)
    prices = pd.DataFrame(
        50 * np.exp(np.cumsum(rng.normal(0, [0.01, 0.015, 0.008], (120, 3)), axis=0)), DAYS, SYMBOLS
    )
    traded = pd.DataFrame(rng.uniform(2e5, 8e5, (120, 3)), DAYS, SYMBOLS)
    traded.loc[DAYS[:80], "C"] = np.nan
    return prices, traded


def test_liquidity_is_of_the_last_days_and_of_nothing_later() -> None:
    prices, traded = market()
    panel = rolling_liquidity(traded, prices)
    found = panel.at(DAYS[60])
    assert sorted(found) == ["A", "B"]
    last = slice(61 - LIQUIDITY_DAYS, 61)
    assert found["A"].daily_volume == pytest.approx(traded["A"].iloc[last].mean())
    returns = prices["A"].pct_change(fill_method=None).iloc[last]
    assert found["A"].daily_volatility == pytest.approx(returns.std())
    again = rolling_liquidity(traded.iloc[:61], prices.iloc[:61]).at(DAYS[60])
    assert again == found
    assert sorted(panel.at(DAYS[80])) == ["A", "B", "C"]
    with pytest.raises(DataError, match="liquidity is not known on 2024-01-01"):
        panel.roots(pd.DatetimeIndex(["2024-01-01"]), SYMBOLS)


def test_a_return_through_a_gap_belongs_to_the_day_after_it() -> None:
    prices, traded = market()
    torn = prices.copy()
    torn.iloc[[10, 50, 90]] = np.nan
    found = rolling_liquidity(traded, torn).at(DAYS[60])["A"].daily_volatility
    own = torn["A"].iloc[:61].dropna().pct_change().reindex(DAYS[61 - LIQUIDITY_DAYS : 61])
    assert found == pytest.approx(own.std())
    assert own.notna().sum() == LIQUIDITY_DAYS - 1


def test_goal_trade_list_and_backtest_charge_one_trade_the_same_to_the_cent() -> None:
    prices, traded = market()
    panel, day = rolling_liquidity(traded, prices), DAYS[100]
    close, nav = prices.loc[day].to_dict(), 1_000_000.0
    known = panel.at(day)
    covariance = np.diag([0.02, 0.05, 0.03])
    estimates = Estimates(SYMBOLS, covariance=covariance, mean=np.array([0.05, 0.06, 0.07]))
    book = Portfolio("book")
    book.cash = Decimal(1_000_000)
    universe = Universe(SYMBOLS, benchmark=dict.fromkeys(SYMBOLS, 1 / 3))
    made = propose(book, close, estimates, replace(POLICY, cash_max=0.05), universe, Mandate(liquidity=known))
    assert len(made.trades.trades()) == 3
    for row in made.trades.rows:
        value = float(row.quantity) * close[row.symbol]
        own = known[row.symbol]
        by_hand = 2.0 + value * 14e-4 + 0.8 * own.daily_volatility * value * sqrt(value / own.daily_volume)
        assert float(row.cost) == pytest.approx(by_hand, abs=0.005)

        goal = made.solution.goal
        weight = value / nav * np.eye(3)[SYMBOLS.index(row.symbol)]
        assert goal.costs(weight) * 0.5 * nav == pytest.approx(by_hand - 2.0, abs=0.005)

        after = {row.symbol: value / (nav - by_hand)}
        replay = OptimizationBacktest(prices).backtest_strategy(
            lambda history, as_of, wanted=after: wanted,
            "yearly", start_date=DAYS[99].date(), end_date=DAYS[102].date(),
            settings=BacktestSettings(costs=CostModel.of(POLICY), liquidity=panel, min_history=2),
        )  # fmt: skip
        assert replay.trades["value"].item() == pytest.approx(value, abs=0.01)
        assert replay.trades["cost"].item() == pytest.approx(by_hand, abs=0.005)


def test_impact_that_grows_with_the_money_moves_the_optimum_and_a_policy_replays_with_it() -> None:
    prices, traded = market()
    panel = rolling_liquidity(traded, prices)
    universe = Universe(SYMBOLS, benchmark=dict.fromkeys(SYMBOLS, 1 / 3))
    strategy = PolicyStrategy(POLICY, universe, Recipe(lookback_days=60), "benchmark", panel)

    def first_weights(money: float) -> pd.Series:
        found = OptimizationBacktest(prices).backtest_strategy(
            strategy, "monthly", start_date=DAYS[85].date(),
            settings=BacktestSettings(
                initial_value=money, costs=CostModel.of(POLICY), liquidity=panel, min_history=61, history_days=61
            ),
        )  # fmt: skip
        return found.weights.iloc[0]

    small, large = first_weights(1e4), first_weights(1e9)
    assert large.sum() < small.sum() - 0.1


@pytest.mark.parametrize("seed", range(6))
def test_a_goal_after_impact_is_solved_to_the_last_digits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = tuple(f"S{i}" for i in range(8))
    returns = rng.normal(0, 0.012, (252, 8)) + rng.normal(0, 0.006, (252, 1))
    estimates = Estimates(names, mean=rng.uniform(0, 0.15, 8), covariance=np.cov(returns.T) * 252)
    held = rng.dirichlet(np.ones(8)) * rng.integers(0, 2, 8)
    liquidity = {name: Liquidity(10 ** rng.uniform(4, 9), 0.015) for name in names}
    policy = Policy(
        method=("mean_variance", "min_volatility", "max_return")[seed % 3], risk_free_rate=0.02, cash_max=1.0,
        max_weight=0.3, cost_horizon_years=0.5, max_turnover=0.3 if seed % 2 else None, impact_bps=5.0 * (seed % 2),
        root_impact=1.0,
    )  # fmt: skip
    curve = CostModel.of(policy, liquidity).curve(names, nav=3e6)
    found = solve(estimates, policy, Universe(names), held, costs=curve)
    assert found.certificate.relative_gap <= 1e-12


def test_a_trade_without_a_volume_is_refused_by_name() -> None:
    prices, traded = market()
    settings = BacktestSettings(
        costs=CostModel.of(POLICY), liquidity=rolling_liquidity(traded, prices), min_history=2
    )
    run = OptimizationBacktest(prices).backtest_strategy
    assert len(run(lambda history, as_of: {"A": 0.5}, settings=settings, start_date=DAYS[40].date()).trades)
    with pytest.raises(DataError, match="C is traded at close 42 of the panel without a known volume"):
        run(
            lambda history, as_of: {"C": 0.5}, settings=settings, start_date=DAYS[40].date(), end_date=DAYS[45].date()
        )  # fmt: skip
    late = run(lambda history, as_of: {"C": 0.5}, settings=settings, start_date=DAYS[40].date())
    assert "C is traded at close 42" in late.skipped[DAYS[40]]
    estimates = Estimates(SYMBOLS, mean=np.zeros(3), covariance=np.eye(3))
    with pytest.raises(PolicyError, match="root_impact grows with the money traded"):
        solve(estimates, POLICY, Universe(SYMBOLS), np.zeros(3))


def test_values_traded_are_read_by_name_and_date() -> None:
    rng, days = np.random.default_rng(6), pd.bdate_range("2024-01-02", periods=40)
    prices = pd.DataFrame(np.exp(rng.normal(0, 0.01, (40, 2)).cumsum(axis=0)), days, ["A", "B"])
    traded = pd.DataFrame(rng.uniform(1e5, 1e6, (40, 2)), days, ["A", "B"])
    plain = rolling_liquidity(traded, prices).at(days[-1])
    assert rolling_liquidity(traded[["B", "A"]], prices.astype(object)).at(days[-1]) == plain
    with pytest.raises(DataError, match="traded lacks B"):
        rolling_liquidity(traded[["A"]], prices)
    with pytest.raises(DataError, match="without repeats"):
        rolling_liquidity(traded.set_axis(days.where(np.arange(40) != 3, days[2]), axis=0), prices)
