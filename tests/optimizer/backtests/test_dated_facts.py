"""What a day knew besides prices, and a policy on a day on which not all of its names exist."""

import numpy as np
import pandas as pd
import pytest

from optimizer import CostModel, DataError, OptimizationBacktest, Policy, PolicyStrategy, Recipe, Universe
from optimizer.backtests.dated_facts import (
    DatedFacts,
    benchmark_index,
    benchmark_weights,
    carried_caps,
    dated_sectors,
)
from optimizer.backtests.walk_forward import BacktestSettings
from optimizer.proposals.existing_names import policy_among

DAYS = pd.bdate_range("2023-01-02", periods=8)
PRICES = pd.DataFrame({"A": [1.0, 1, 2, 2, 2, 2, 2, 2], "B": [np.nan, np.nan, 5, 5, 5, 5, 5, 10]}, DAYS)
CAPS = pd.DataFrame({"A": [10.0, np.nan, 40.0], "B": [90.0, 60.0, np.nan]}, [DAYS[0], DAYS[3], DAYS[5]])


def test_a_capitalisation_is_the_newest_one_stated_carried_on_by_the_price_since():
    caps = carried_caps(CAPS, PRICES)
    assert caps["A"].tolist() == [10, 10, 20, 20, 20, 40, 40, 40]
    assert caps["B"].tolist()[2:] == [90, 60, 60, 60, 60, 120]
    assert caps["B"].iloc[:2].isna().all()
    old = CAPS.set_axis([DAYS[0] - pd.Timedelta(days=90), *CAPS.index[1:]])
    pd.testing.assert_frame_equal(carried_caps(old, PRICES), caps)
    # a long gap ends no statement, and one of a day within it is told at the price after it
    days = pd.bdate_range("2023-01-02", periods=11)
    gone = pd.DataFrame({name: [1.0, *[np.nan] * 8, 3.0, 6.0] for name in "AB"}, days)
    told = pd.DataFrame({"A": [10.0, np.nan], "B": [10.0, 60.0]}, days[[0, 7]])
    assert carried_caps(told, gone)["A"].tolist()[9:] == [30, 60]
    assert carried_caps(told, gone)["B"].tolist()[9:] == [60, 120]
    assert carried_caps(told, gone).iloc[6:9].isna().all(axis=None)
    # the month's end fell on a Saturday: it is told at Friday's close
    friday = pd.DatetimeIndex(["2023-01-06", "2023-01-09"])
    told = pd.DataFrame({"A": [100.0]}, pd.DatetimeIndex(["2023-01-07"]))
    assert carried_caps(told, pd.DataFrame({"A": [10.0, 12.0]}, friday))["A"].tolist()[1:] == [120]


def test_weights_are_made_of_the_names_that_exist_and_are_known():
    facts = DatedFacts(caps=carried_caps(CAPS, PRICES), weighting="market_cap")
    weights = benchmark_weights(PRICES, facts, {}, ["A", "B"])
    np.testing.assert_allclose(weights["A"], [1, 1, 20 / 110, 0.25, 0.25, 0.4, 0.4, 0.25])
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert facts.benchmark(DAYS[5], ("A", "B"), {}) == pytest.approx({"A": 0.4, "B": 0.6})
    assert facts.benchmark(DAYS[5], ("B",), {}) == {"B": 1.0}
    with pytest.raises(DataError, match="no market cap is known on 2023-01-02"):
        facts.benchmark(DAYS[0], ("B",), {})
    equal = benchmark_weights(PRICES, DatedFacts(weighting="equal_weight"), {}, ["A", "B"])
    assert equal["A"].tolist() == [1, 1, *[0.5] * 6]
    index = benchmark_index(PRICES, equal)
    np.testing.assert_allclose(index, [1, 1, 2, 2, 2, 2, 2, 3])


def test_a_benchmark_keeps_its_move_over_a_day_without_a_price():
    gap = pd.DataFrame({"A": [10.0, np.nan, 12.0]}, DAYS[:3])
    weights = benchmark_weights(gap, DatedFacts(), {"A": 1.0}, [])
    assert benchmark_index(gap, weights).iloc[-1] == pytest.approx(1.2)


UNIVERSE = Universe(("A", "B", "C"), sectors={"A": "Tech", "B": "Tech", "C": "Gold"})
POLICY = Policy(
    method="risk_parity", asset_limits={"C": (0.1, 0.2), "A": (0.0, 0.9)}, sector_limits={"Gold": (0.1, 0.3)},
    risk_budgets={"A": 0.2, "B": 0.3, "C": 0.5},
    limits=("A + C <= 0.5", "C >= 5%", "0.1 <= Tech <= 0.95", "A <= B + C"),
)  # fmt: skip


def test_what_a_policy_says_of_names_that_do_not_exist_yet_says_nothing():
    assert policy_among(POLICY, UNIVERSE, ("A", "B", "C")) is POLICY
    early = policy_among(POLICY, UNIVERSE, ("A", "B"))
    assert early.asset_limits == {"A": (0.0, 0.9)}
    assert early.sector_limits == {}
    assert early.risk_budgets == pytest.approx({"A": 0.4, "B": 0.6})
    assert early.limits == ('+ 1.0 * "A" <= 0.5', "0.1 <= Tech <= 0.95", '+ 1.0 * "A" - 1.0 * "B" <= 0.0')
    late = policy_among(POLICY, UNIVERSE, ("B", "C"))
    assert late.limits[0] == '+ 1.0 * "C" <= 0.5'


def test_lines_that_are_one_without_a_name_are_as_firm_as_the_firmest():
    lines = ("A + C <= 0.5", "A - C <= 0.5", "GOLD <= 0.2")
    for ranks, left in (({lines[1]: 3}, 0), ({lines[1]: 3, lines[0]: 2}, 2), ({lines[1]: 2, lines[0]: 3}, 2)):
        early = policy_among(Policy(limits=lines, priorities=ranks), UNIVERSE, ("A", "B"))
        assert early.limits == ('+ 1.0 * "A" <= 0.5',) * 2
        assert early.priorities == {'+ 1.0 * "A" <= 0.5': left}


def market(days=200, seed=4):
    rng = np.random.default_rng(seed)
    prices = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, (days, 3)), axis=0))
    table = pd.DataFrame(prices, pd.bdate_range("2022-01-03", periods=days), ["A", "B", "C"])
    table.iloc[:120, 2] = np.nan
    return table


def test_a_young_name_joins_when_it_can_and_forbids_nothing_before():
    prices = market()
    policy = Policy(
        method="min_volatility", asset_limits={"C": (0.2, 0.9)}, limits=("C >= 0.1",), max_weight=0.9
    )
    strategy = PolicyStrategy(policy, UNIVERSE, Recipe(lookback_days=30), "historical")
    chosen = BacktestSettings(min_history=31, costs=CostModel(commission=0, impact_bps=0))
    weights = OptimizationBacktest(prices).backtest_strategy(strategy, settings=chosen).weights
    young = weights.index < prices.index[150]
    assert (weights.loc[young, "C"] == 0).all()
    assert young.sum() >= 4
    assert (weights.loc[weights.index > prices.index[175], "C"] > 0.15).all()


def test_each_decision_knows_the_rate_and_the_capitalisations_of_its_day():
    prices = market()[["A", "B"]]
    turn = prices.index[100]
    stated = pd.DataFrame({"A": [10.0, 90.0], "B": [90.0, 10.0]}, [prices.index[0], turn])
    facts = DatedFacts(
        pd.Series([0.0, 0.05], [prices.index[0], turn]), carried_caps(stated, prices), "market_cap"
    )
    universe = Universe(("A", "B"), benchmark={"A": 0.9, "B": 0.1})
    policy = Policy(method="min_tracking_error", risk_free_rate=0.5)
    strategy = PolicyStrategy(policy, universe, Recipe(lookback_days=30), "market_cap", facts=facts)
    chosen = BacktestSettings(min_history=31, costs=CostModel(commission=0, impact_bps=0))
    weights = OptimizationBacktest(prices).backtest_strategy(strategy, settings=chosen).weights
    assert weights["A"].iloc[0] == pytest.approx(0.1, abs=0.03)
    assert weights["A"].iloc[-1] == pytest.approx(0.9, abs=0.05)
    assert facts.rate(turn - pd.Timedelta(days=1)) == 0.0
    assert facts.rate(turn) == 0.05
    assert DatedFacts().rate(turn) is None


def test_each_decision_knows_the_sectors_of_its_day():
    """A is moved from Gold to Tech, whose limit then binds; a sector that is empty on a day says nothing."""
    days = pd.bdate_range("2023-01-02", periods=120)
    rng = np.random.default_rng(5)
    spread = np.array([0.001, 0.02, 0.02])
    prices = pd.DataFrame(100 * np.exp(np.cumsum(rng.normal(0, spread, (120, 3)), axis=0)), days, list("ABC"))
    stated = pd.DataFrame(
        {"A": ["Gold", "Tech"], "B": [np.nan, "Tech"], "C": ["Oil", np.nan]},
        [days[0], days[80]],
        dtype=object,
    )
    sectors = dated_sectors(stated)
    assert sectors is not None and dated_sectors(stated[["B", "C"]]) is None
    facts = DatedFacts(sectors=sectors)
    assert facts.sectors_of(days[0]) == {"A": "Gold", "B": "Tech", "C": "Oil"}
    assert facts.sectors_of(days[80]) == {"A": "Tech", "B": "Tech", "C": "Oil"}
    policy = Policy(
        method="min_volatility", sector_limits={"Tech": (0.0, 0.3), "Gold": (0.0, 0.9)}, risk_free_rate=0.0
    )
    universe = Universe(("A", "B", "C"), sectors=dict(zip("ABC", ["Tech", "Tech", "Oil"], strict=True)))
    strategy = PolicyStrategy(
        policy, universe, Recipe(lookback_days=40, symbols=()), "historical", facts=facts
    )
    chosen = BacktestSettings(min_history=41, history_days=41, costs=CostModel(0.0, 0.0))
    result = OptimizationBacktest(prices).backtest_strategy(strategy, "weekly", settings=chosen)
    held = result.weights["A"]
    assert held.loc[: days[80]].iloc[:-1].min() > 0.7
    assert (held.loc[days[82] :].iloc[1:] + result.weights["B"].loc[days[82] :].iloc[1:]).max() < 0.301
