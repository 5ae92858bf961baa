from datetime import date
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from draws import examples
from hypothesis import given
from hypothesis import strategies as st
from random_prices import FREE, SETTINGS, assert_consistent, momentum, panel

from optimizer import (
    CostModel,
    DataError,
    InfeasibleError,
    Mandate,
    OptimizationBacktest,
    Policy,
    PolicyError,
    PolicyStrategy,
    Recipe,
    Universe,
    estimate,
    solve,
)
from optimizer.backtests.walk_forward import BacktestSettings, decision_days, equal_weight
from optimizer.proposals.proposal import form_beliefs


def naive(prices, weights_at, cost, rate=0.0):
    """An independent loop over days, one share count a name, no gaps: NAV by day, the first before the first trade."""
    first = min(weights_at) + 1
    shares, cash, navs = np.zeros(prices.shape[1]), 1e6, []
    for t in range(first, len(prices)):
        p = prices.iloc[t].to_numpy()
        if t > first:
            cash *= (1 + rate) ** (1 / 252)
        if t - 1 in weights_at:
            w, nav = weights_at[t - 1], shares @ p + cash
            low, high = 0.5 * nav, nav
            for _ in range(200):
                after = (low + high) / 2
                spent = cost.costs(prices.columns, w * after - shares * p).sum()
                low, high = (after, high) if after + spent <= nav else (low, after)
            cash = nav - cost.costs(prices.columns, w * low - shares * p).sum() - w.sum() * low
            shares = w * low / p
        navs.append(shares @ p + cash)
    return np.array([1e6, *navs[1:]])


def test_nav_agrees_with_an_independent_loop():
    prices, model = panel(), CostModel(commission=7.0, impact_bps=12.0, sell_tax_bps=3.0)
    chosen = BacktestSettings(min_history=20, costs=model, risk_free_rate=0.03)
    result = OptimizationBacktest(prices).backtest_strategy(momentum, "monthly", settings=chosen)
    days = decision_days(prices.index, "monthly", 19)
    wanted = {
        d: np.array(list(momentum(prices.iloc[: d + 1], None).values())) for d in days if d + 1 < len(prices)
    }
    np.testing.assert_allclose(result.nav, naive(prices, wanted, model, 0.03), rtol=1e-10)
    assert_consistent(result, prices)
    assert result.metrics["rebalance_count"] == len(wanted)
    assert result.metrics["final_value"] == result.nav.iloc[-1]
    # each name's part by the daily route: what was held at a close earns the next day's price change
    held = result.shares.reindex(result.nav.index).ffill().shift()
    earned = (held * prices.loc[result.nav.index].diff()).sum() / 1e6
    np.testing.assert_allclose(result.attribution[list(prices.columns)], earned, atol=1e-10)
    interest = (result.cash.shift() * (1.03 ** (1 / 252) - 1)).sum() / 1e6
    assert result.attribution["CASH"] == pytest.approx(interest, abs=1e-10)
    assert result.attribution["COSTS"] == pytest.approx(-result.costs.sum() / 1e6)


def test_the_decision_is_executed_at_the_next_close():
    prices = panel(days=40)
    result = OptimizationBacktest(prices).backtest_strategy(equal_weight, settings=SETTINGS, costs=FREE)
    assert result.nav.index[0] == result.trades["date"].iloc[0] == prices.index[20]
    expected = (prices.iloc[21] / prices.iloc[20]).mean() - 1
    assert result.returns.iloc[0] == pytest.approx(expected, abs=1e-12)


def test_every_measure_counts_from_the_first_trade_and_charges_it():
    rise = pd.DataFrame(np.outer(1.01 ** np.arange(60), [100.0, 50.0]), panel(60).index, ["A", "B"])
    run = OptimizationBacktest(rise).backtest_strategy
    free = run(equal_weight, settings=SETTINGS, costs=FREE, benchmark=rise["A"])
    assert free.metrics["total_return"] == pytest.approx(1.01**39 - 1)
    assert free.metrics["annual_return"] == pytest.approx(free.metrics["benchmark_return"])
    assert free.metrics["tracking_error"] == pytest.approx(0, abs=1e-12)
    dear = run(
        equal_weight, settings=SETTINGS, costs=CostModel(commission=0, impact_bps=100), benchmark=rise["A"]
    )
    assert dear.metrics["total_return"] == pytest.approx(1.01**39 / 1.01 - 1, rel=1e-12)

    def waits(history, as_of):
        if as_of < rise.index[30]:
            raise InfeasibleError("max_weight cannot hold yet")
        return equal_weight(history, as_of)

    late = run(waits, "weekly", settings=SETTINGS, costs=FREE, benchmark=rise["A"])
    assert late.nav.index[0] > rise.index[30]
    assert late.metrics["annual_return"] == pytest.approx(free.metrics["annual_return"])
    assert late.metrics["skipped_count"] == len(late.skipped) > 1


@examples(3)
@given(
    seed=st.integers(0, 1000), cut=st.integers(90, 200), frequency=st.sampled_from(["weekly", "monthly"]),
    gaps=st.booleans(), band=st.sampled_from([None, 0.05]),
)  # fmt: skip
def test_nothing_before_a_date_changes_when_later_prices_do(seed, cut, frequency, gaps, band):
    prices = panel(seed=seed, gaps=gaps)
    chosen = BacktestSettings(min_history=20, band=band)
    whole = OptimizationBacktest(prices).backtest_strategy(momentum, frequency, settings=chosen)
    assert_consistent(whole, prices)
    until = prices.index[cut]
    short = OptimizationBacktest(prices).backtest_strategy(
        momentum, frequency, end_date=until.date(), settings=chosen
    )
    pd.testing.assert_series_equal(short.nav, whole.nav.loc[:until], check_exact=True, check_freq=False)
    spoilt = prices.copy()
    spoilt.iloc[cut + 1 :] = spoilt.iloc[cut + 1 :] * np.random.default_rng(seed).uniform(0.5, 2, (1, 4))
    other = OptimizationBacktest(spoilt).backtest_strategy(momentum, frequency, settings=chosen)
    pd.testing.assert_series_equal(
        other.nav.loc[:until], whole.nav.loc[:until], check_exact=True, check_freq=False
    )


def test_names_list_late_and_stop_and_gaps_are_waited_out():
    prices = panel(gaps=True)
    chosen = BacktestSettings(min_history=20, costs=FREE, gap_days=5, delisting_return={"S1": -0.4})
    result = OptimizationBacktest(prices).backtest_strategy(equal_weight, settings=chosen)
    bought = result.trades.groupby("symbol")["date"].min()
    assert bought["S0"] > prices.index[79]
    stops = result.trades[result.trades["reason"] == "stopped"]
    assert stops["symbol"].tolist() == ["S1"]
    assert stops["date"].item() == prices.index[154]
    assert stops["price"].item() == pytest.approx(0.6 * prices["S1"].iloc[149])
    assert result.weights.loc[stops["date"].item(), "S1"] == 0
    assert result.metrics["stopped_count"] == 1
    assert_consistent(result, prices)


def test_a_held_name_without_a_price_on_the_trading_day_waits_and_cash_holds():
    prices = panel(days=60)
    chosen = BacktestSettings(min_history=20, costs=FREE, gap_days=9)
    days = decision_days(prices.index, "monthly", 19)
    prices.iloc[days[1] + 1, 0] = np.nan

    def all_into_the_last(history, as_of):
        return {"S3": 1.0} if as_of == prices.index[days[1]] else {"S0": 0.5, "S3": 0.5}

    result = OptimizationBacktest(prices).backtest_strategy(all_into_the_last, settings=chosen)
    after = result.weights.loc[prices.index[days[1] + 1]]
    assert after["S0"] == pytest.approx(0.5, abs=0.1)
    assert after.sum() == pytest.approx(1)
    assert_consistent(result, prices)


def test_a_strategy_may_ask_what_is_held():
    prices, told = panel(days=120), []

    def keeps(history, as_of, held):
        told.append(held)
        return held or {"S0": 0.5, "S1": 0.5}

    result = OptimizationBacktest(prices).backtest_strategy(keeps, settings=SETTINGS, costs=FREE)
    assert told[0] == {}
    first, second = prices.iloc[20], prices.loc[result.weights.index].iloc[1]
    grown = (second / first)[["S0", "S1"]]
    at_decision = prices.iloc[decision_days(prices.index, "monthly", 19)[1]] / first
    assert told[1]["S0"] == pytest.approx(at_decision["S0"] / (at_decision["S0"] + at_decision["S1"]))
    assert result.nav.loc[result.weights.index[1]] == pytest.approx(1e6 * grown.mean(), rel=1e-3)


def test_cash_earns_and_debt_pays_the_financing_rate():
    prices = panel(days=300)
    half = OptimizationBacktest(prices).backtest_strategy(
        lambda history, as_of: {}, settings=BacktestSettings(min_history=20, risk_free_rate=0.04, costs=FREE)
    )
    assert half.nav.iloc[-1] == pytest.approx(1e6 * 1.04 ** (279 / 252), rel=1e-12)
    flat = pd.DataFrame(100.0, prices.index, ["A"])
    levered = OptimizationBacktest(flat).backtest_strategy(
        lambda history, as_of: {"A": 1.5},
        "yearly",
        settings=BacktestSettings(
            min_history=20, risk_free_rate=0.04, financing_spread=0.01, cash_min=-0.5, costs=FREE
        ),
    )
    daily = 1.05 ** (1 / 252)
    paid = levered.cash.iloc[5] / levered.cash.iloc[4]
    assert paid == pytest.approx(daily, abs=1e-12)
    with pytest.raises(PolicyError, match=r"add up to 1\.5: cash would be -0\.5"):
        OptimizationBacktest(flat).backtest_strategy(lambda h, d: {"A": 1.5}, settings=SETTINGS)


@pytest.mark.parametrize(("frequency", "closes"), [("W-FRI", 105), ("D", 731), ("ME", 25), ("B", 523)])
def test_cash_earns_its_annual_rate_at_any_frequency_of_closes(frequency, closes):
    dates = pd.date_range("2018-01-01", periods=closes, freq=frequency)
    flat = pd.DataFrame({"A": 100.0, "B": 100.0}, dates)
    chosen = BacktestSettings(min_history=1, risk_free_rate=0.04, costs=FREE)
    result = OptimizationBacktest(flat).backtest_strategy(lambda history, as_of: {}, settings=chosen)
    years = (dates[-1] - dates[0]).days / 365.25
    # 261 weekdays a year are counted as 252 sessions.
    assert result.nav.iloc[-1] / result.nav.iloc[0] == pytest.approx(1.04**years, rel=0.004)
    assert result.metrics["annual_return"] == pytest.approx(0.04, abs=1e-9)


def test_a_policy_decides_on_the_sessions_of_its_own_names():
    """A coin's weekends and a missing row leave the lookback its length and the returns their sum."""
    every = pd.date_range("2019-01-01", periods=500)
    prices = panel(500).set_axis(every)
    prices.loc[every.weekday >= 5, ["S1", "S2", "S3"]] = np.nan
    sessions = prices[every.weekday < 5]
    recipe = Recipe(lookback_days=120, covariance_method="sample")
    policy = Policy("min_volatility", risk_free_rate=0.0)
    strategy = PolicyStrategy(policy, Universe(tuple(prices.columns)), recipe, "historical")
    held: dict[str, float] = {}
    assert strategy(prices, every[-1], held) == strategy(sessions, sessions.index[-1], held)
    torn = sessions.copy()
    torn.iloc[-10, 1] = np.nan
    decided = strategy(torn, torn.index[-1], held)
    found = estimate(torn.dropna(), recipe)
    answer = solve(found, policy, Universe(found.symbols))
    assert decided == pytest.approx(dict(zip(found.symbols, answer.weights, strict=True)), abs=1e-9)


def test_rates_by_date_are_used_from_the_close_at_which_they_were_known():
    prices = panel(days=30)
    rate = pd.Series([0.0, 0.10], [prices.index[0], prices.index[25]])
    chosen = BacktestSettings(min_history=20, risk_free_rate=rate)
    result = OptimizationBacktest(prices).backtest_strategy(lambda h, d: {}, settings=chosen)
    assert result.returns.loc[prices.index[25]] == 0
    assert result.returns.loc[prices.index[26]] == pytest.approx(1.1 ** (1 / 252) - 1, abs=1e-12)


def test_a_band_trades_less_and_a_failed_decision_keeps_the_holdings():
    prices = panel()
    always = OptimizationBacktest(prices).backtest_strategy(equal_weight, "weekly", settings=SETTINGS)
    banded = OptimizationBacktest(prices).backtest_strategy(
        equal_weight, "weekly", settings=BacktestSettings(min_history=20, band=0.02)
    )
    assert 1 <= banded.metrics["rebalance_count"] < always.metrics["rebalance_count"]

    def fails_later(history, as_of):
        if as_of > prices.index[100]:
            raise InfeasibleError("max_sector Tech and min_weight conflict")
        return equal_weight(history, as_of)

    result = OptimizationBacktest(prices).backtest_strategy(fails_later, settings=SETTINGS)
    assert result.trades["date"].max() <= prices.index[101]
    assert set(result.skipped.values()) == {"max_sector Tech and min_weight conflict"}
    assert_consistent(result, prices)


def test_wrong_input_is_named():
    prices = panel(days=60)
    run = OptimizationBacktest(prices).backtest_strategy
    with pytest.raises(PolicyError, match="rebalance_frequency 'hourly'"):
        run(equal_weight, "hourly", settings=SETTINGS)
    with pytest.raises(PolicyError, match="name ZZZ"):
        run(lambda h, d: {"ZZZ": 1.0}, settings=SETTINGS)
    with pytest.raises(DataError, match="no symbol has 252 closes"):
        run(equal_weight)
    with pytest.raises(DataError, match="start later"):
        run(equal_weight, start_date=date(2019, 1, 2), settings=SETTINGS)
    with pytest.raises(DataError, match="positive"):
        OptimizationBacktest(prices * -1).backtest_strategy(equal_weight, settings=SETTINGS)
    with pytest.raises(DataError, match="dates are needed"):
        OptimizationBacktest(prices.reset_index(drop=True))
    with pytest.raises(InfeasibleError, match="use up the NAV"):
        run(equal_weight, settings=SETTINGS, costs=CostModel(commission=1e6))


def test_a_policy_decides_the_same_on_arrays_and_on_tables():
    prices = panel(400, 3, gaps=True)[["S2", "S0", "S1"]]
    strategy = PolicyStrategy(
        Policy(method="min_volatility", max_weight=0.6), Universe(symbols=("S0", "S1", "S2")),
        Recipe(lookback_days=120), "historical",
    )  # fmt: skip
    run = OptimizationBacktest(prices).backtest_strategy
    chosen = BacktestSettings(min_history=90)
    on_arrays = run(strategy, settings=chosen)
    on_tables = run(lambda history, as_of, held: strategy(history, as_of, held), settings=chosen)
    pd.testing.assert_series_equal(on_arrays.nav, on_tables.nav, check_exact=True)
    pd.testing.assert_frame_equal(on_arrays.weights, on_tables.weights, check_exact=True)
    assert on_arrays.weights["S0"].iloc[0] == 0 < on_arrays.weights["S0"].max()


@pytest.mark.parametrize("prior", ["historical", "benchmark"])
def test_more_names_than_days_are_believed_as_in_a_proposal(prior):
    prices = panel(60, 80, seed=5)
    symbols = tuple(sorted(prices.columns))
    universe = Universe(symbols=symbols, benchmark=dict.fromkeys(symbols, 1 / 80))
    policy = Policy(method="mean_variance", max_weight=0.1, risk_free_rate=0.02)
    recipe = Recipe(lookback_days=50, symbols=symbols)
    evidence = estimate(prices, recipe)
    assert evidence.low_rank is not None
    beliefs = form_beliefs(evidence, universe, policy, Mandate(prior=prior))
    expected = solve(beliefs.estimates(evidence), policy, universe, np.zeros(80)).weights
    got = PolicyStrategy(policy, universe, recipe, prior)(prices, prices.index[-1], {})
    np.testing.assert_allclose([got[symbol] for symbol in symbols], expected, atol=1e-7)


def test_the_first_decision_may_trade_all_and_later_ones_as_much_as_the_policy_says():
    prices = panel(200)
    policy = Policy("min_volatility", risk_free_rate=0.0, max_turnover=0.05, do_not_buy=("S1",))
    recipe = Recipe(lookback_days=120, covariance_method="sample")
    strategy = PolicyStrategy(policy, Universe(tuple(prices.columns)), recipe, "historical")
    first = strategy(prices, prices.index[-1], {})
    assert sum(first.values()) == pytest.approx(1.0) and first["S1"] > 0
    even = dict.fromkeys(prices.columns, 1 / len(prices.columns))
    later = strategy(prices, prices.index[-1], even)
    moved = {name: later[name] - even[name] for name in even}
    assert 0.02 < sum(map(abs, moved.values())) / 2 <= 0.05 + 1e-7 and moved["S1"] <= 1e-9


def test_a_result_counts_as_its_weights_and_one_without_success_keeps_what_is_held():
    backtest, told = OptimizationBacktest(panel(150)), {"S1": 0.4, "S2": 0.6}
    plain = backtest.backtest_strategy(lambda history, as_of: told, settings=SETTINGS)
    found = backtest.backtest_strategy(
        lambda history, as_of: SimpleNamespace(success=True, weights=told), settings=SETTINGS
    )
    pd.testing.assert_series_equal(found.nav, plain.nav)
    second = found.weights.index[1]

    def once(history, as_of):
        return SimpleNamespace(success=as_of < second, weights=told, message="the limits conflict")

    kept = backtest.backtest_strategy(once, settings=SETTINGS)
    assert set(kept.skipped.values()) == {"the limits conflict"}
