"""Attribution of a backtest: whatever was held and traded, the parts add up to the return."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer import CostModel, DataError, ExposureType, Fund, FundExposureMap, OptimizationBacktest
from optimizer.backtests.attribution import attribution_by_exposure, attribution_by_group
from optimizer.backtests.walk_forward import BacktestSettings
from optimizer.measures.attribution import by_exposure


def panel():
    rng = np.random.default_rng(0)
    prices = 50 * np.exp(np.cumsum(rng.normal(3e-4, 0.012, (150, 4)), axis=0))
    return pd.DataFrame(prices, pd.bdate_range("2019-01-01", periods=150), [f"S{i}" for i in range(4)])


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 1000), invested=st.floats(0.2, 1.4), bps=st.floats(0, 60),
    stops=st.booleans(), often=st.sampled_from(["daily", "weekly", "monthly"]),
)  # fmt: skip
def test_attribution_by_name_exposure_and_group_adds_up_to_the_total(seed, invested, bps, stops, often):
    prices = panel()
    if stops:
        prices.iloc[90:, 1] = np.nan
    names = list(prices.columns)
    rng = np.random.default_rng(seed)
    chosen = BacktestSettings(
        min_history=20, costs=CostModel(commission=3.0, impact_bps=bps), risk_free_rate=0.03, cash_min=-0.5
    )

    def strategy(history, as_of):
        offered = list(history.columns)
        weights = rng.dirichlet(np.ones(len(offered))) * invested
        return dict(zip(offered, weights, strict=True))

    result = OptimizationBacktest(prices).backtest_strategy(strategy, often, settings=chosen)
    total = result.nav.iloc[-1] / result.nav.iloc[0] - 1
    assert result.attribution.sum() == pytest.approx(total, abs=1e-9)
    funds = FundExposureMap(
        {n: Fund(n, n, {ExposureType.EQUITY: 1.0, ExposureType.GOLD: 0.5 + i}) for i, n in enumerate(names)}
    )
    assert sum(attribution_by_exposure(result, funds).values()) == pytest.approx(total, abs=1e-9)
    benchmark = {names[0]: 0.6, names[2]: 0.3}
    groups = {name: "even" if i % 2 == 0 else "odd" for i, name in enumerate(names)}
    parts = attribution_by_group(result, groups, prices, benchmark)
    daily = prices[list(benchmark)].loc[result.nav.index].pct_change().iloc[1:] @ np.array([0.6, 0.3])
    active = total - (np.prod(1 + daily) - 1)
    assert parts.drop("DELAY").to_numpy().sum() == pytest.approx(active, abs=1e-9)
    assert list(parts.index) == ["CASH", "even", "odd", "COSTS", "DELAY"]
    decided = prices.index[prices.index.get_loc(result.nav.index[0]) - 1]
    whole = prices[list(benchmark)].loc[decided:].pct_change().iloc[1:] @ np.array([0.6, 0.3])
    since_decision = total - (np.prod(1 + whole) - 1)
    assert parts.to_numpy().sum() == pytest.approx(since_decision, abs=1e-9)
    paid = -result.trades["cost"].sum() / result.nav.iloc[0]
    by_exposure = attribution_by_exposure(result, funds)
    for told in (parts.loc["COSTS"].sum(), by_exposure["COSTS"], result.attribution["COSTS"]):
        assert told == pytest.approx(paid, abs=1e-12)


def test_a_fund_that_is_long_and_short_keeps_its_return_together():
    parts = pd.Series({"L": 0.03, "S": -0.01, "M": 0.02})
    funds = FundExposureMap(
        [
            Fund("L", "two longs", {ExposureType.EQUITY: 1.0, ExposureType.BONDS: 0.5}),
            Fund("S", "inverse", {ExposureType.EQUITY: -1.0}),
            Fund("M", "long and short", {ExposureType.EQUITY: 1.3, ExposureType.BONDS: -0.3}),
        ]
    )
    found = by_exposure(parts, funds)
    assert found == pytest.approx(
        {ExposureType.EQUITY: 0.02 - 0.01, ExposureType.BONDS: 0.01, ExposureType.UNKNOWN: 0.02}
    )


def test_a_close_without_benchmark_weights_is_named():
    prices = panel()
    free = BacktestSettings(min_history=2, costs=CostModel(commission=0.0, impact_bps=0.0))
    result = OptimizationBacktest(prices).backtest_strategy(lambda h, d: {"S0": 1.0}, settings=free)
    weights = pd.DataFrame(0.25, prices.index, prices.columns).drop(prices.index[40])
    with pytest.raises(DataError, match=f"no weights on {prices.index[40]:%Y-%m-%d}"):
        attribution_by_group(result, dict.fromkeys(prices, "all"), prices, weights)


def test_selection_and_allocation_are_told_apart():
    prices = panel()
    groups = {"S0": "one", "S1": "one", "S2": "two", "S3": "two"}
    free = BacktestSettings(min_history=2, costs=CostModel(commission=0.0, impact_bps=0.0))
    run = OptimizationBacktest(prices)
    even = dict.fromkeys(prices, 0.25)
    same = run.backtest_strategy(lambda history, day: even, "daily", settings=free)
    parts = attribution_by_group(same, groups, prices, even)
    # But the first day in cash: nothing.
    assert parts.loc[["one", "two"]].iloc[1:].abs().to_numpy().max() < 0.01
    picked = run.backtest_strategy(
        lambda history, day: {**even, "S0": 0.5, "S1": 0.0}, "daily", settings=free
    )
    parts = attribution_by_group(picked, groups, prices, even)
    better = (prices["S0"].pct_change() - prices["S1"].pct_change()).sum() > 0
    assert (parts.loc["one", "selection"] > 0) == better
    assert abs(parts.loc["one", "selection"]) > 5 * abs(parts.loc["two", "selection"])
    with pytest.raises(DataError, match="no group for S3"):
        attribution_by_group(picked, {"S0": "one", "S1": "one", "S2": "two"}, prices, even)


def test_what_a_name_earned_counts_for_the_group_that_it_was_in_that_day():
    prices = panel()
    free = BacktestSettings(min_history=2, costs=CostModel(commission=0.0, impact_bps=0.0))
    even, alone = dict.fromkeys(prices, 0.25), {"S0": 1.0}
    result = OptimizationBacktest(prices).backtest_strategy(
        lambda history, day: alone, "daily", settings=free
    )
    groups = {"S0": "one", "S1": "two", "S2": "two", "S3": "two"}
    half = prices.index[len(prices) // 2]
    moved = pd.DataFrame([groups, {**groups, "S0": "three"}], [prices.index[0], half])
    fixed, dated = (attribution_by_group(result, told, prices, even) for told in (groups, moved))
    assert dated.to_numpy().sum() == pytest.approx(fixed.to_numpy().sum(), abs=1e-12)
    assert {"one", "three"} < {*dated.index} and "three" not in fixed.index
    early = OptimizationBacktest(prices.loc[:half].iloc[:-1])
    before = early.backtest_strategy(lambda history, day: alone, "daily", settings=free)
    first = [attribution_by_group(before, told, prices, even).loc["one"] for told in (groups, moved)]
    pd.testing.assert_series_equal(*first)
    with pytest.raises(DataError, match="no group for S0"):
        attribution_by_group(result, moved.drop(columns="S0"), prices, even)


def test_the_money_weighted_return_is_that_of_a_client_who_pays_in_and_out():
    prices = pd.DataFrame(
        {"A": [100.0, 100.0, 110.0, 220.0, 209.0]},
        pd.DatetimeIndex(["2018-01-01", "2019-01-01", "2020-01-01", "2020-12-31", "2021-12-31"]),
    )
    free = BacktestSettings(min_history=1, costs=CostModel(commission=0.0, impact_bps=0.0))
    result = OptimizationBacktest(prices).backtest_strategy(lambda history, day: {"A": 1.0}, settings=free)
    years = (result.nav.index[-1] - result.nav.index[0]).days / 365.25
    grown = result.nav.iloc[-1] / result.nav.iloc[0]
    assert result.money_weighted_return() == pytest.approx(grown ** (1 / years) - 1)
    assert result.money_weighted_return(pd.Series()) == result.money_weighted_return()
    paid = pd.Series({pd.Timestamp("2020-12-31"): 1e6})  # after the doubling: it met the loss alone
    late = result.money_weighted_return(paid)
    assert late < result.money_weighted_return()
    for index in (
        [day.date() for day in paid.index],
        paid.index.tz_localize("UTC"),
        paid.index.to_period("D"),
    ):
        assert result.money_weighted_return(pd.Series(paid.to_numpy(), index)) == late
    for wrong in (pd.Series(paid.to_numpy(), paid.index.strftime("%Y-%m-%d")), paid * np.nan, dict(paid)):
        with pytest.raises(DataError, match=r"the labels are string|must be a finite number|that is a dict"):
            result.money_weighted_return(wrong)  # a text or a NaN was passed over
    first, last = result.nav.index[[0, -1]]
    whole, rest = ((last - day).days / 365.25 for day in (first, paid.index[0]))
    ends = result.nav.iloc[-1] + 1e6 * 209 / 220
    worth = result.nav.iloc[0] * (1 + late) ** whole + 1e6 * (1 + late) ** rest
    assert worth == pytest.approx(ends, rel=1e-9)
    with pytest.raises(DataError, match="2019-06-01 is no date of the backtest"):
        result.money_weighted_return(pd.Series({pd.Timestamp("2019-06-01"): 5.0}))
