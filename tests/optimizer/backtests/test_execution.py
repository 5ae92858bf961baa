"""What one strategy costs and suffers on the way: fees per share, whole lots, small trades, payouts, ruin."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer import CostModel, DataError, OptimizationBacktest, PolicyError, SolverError
from optimizer.backtests.attribution import attribution_by_group
from optimizer.backtests.panel import History
from optimizer.backtests.walk_forward import BacktestSettings, equal_weight

FREE = CostModel(commission=0.0, impact_bps=0.0)


def table(columns, days=None):
    count = len(next(iter(columns.values())))
    return pd.DataFrame(columns, pd.bdate_range("2017-01-02", periods=count) if days is None else days)


def moving(days=120, n=4, seed=3):
    rng = np.random.default_rng(seed)
    closes = (
        np.exp(np.cumsum(rng.normal(0, 0.02, (days, n)), axis=0)) * np.array([11.0, 95.0, 260.0, 1900.0])[:n]
    )
    return table({f"S{i}": closes[:, i] for i in range(n)})


def test_a_fee_per_share_counts_the_shares_as_traded():
    flat = table({"A": [100.0] * 60, "B": [50.0] * 60})
    chosen = BacktestSettings(costs=CostModel(commission=0, impact_bps=0, per_share=0.01), min_history=5)
    run = OptimizationBacktest(flat).backtest_strategy
    assert run(equal_weight, settings=chosen).trades["cost"].sum() == pytest.approx(
        150 * (1 - 1.5e-4), rel=1e-6
    )
    split = flat.assign(A=np.where(np.arange(60) < 30, 400.0, 100.0))  # four for one, long after the purchase
    told = BacktestSettings(costs=chosen.costs, min_history=5, closes=split)
    cost = run(equal_weight, "yearly", settings=told).trades["cost"].sum()
    assert cost == pytest.approx(112.5 * (1 - 1.125e-4), rel=1e-6)


def test_the_excess_of_cash_over_the_rate_of_its_day_is_nothing():
    prices = moving(400, 1)
    rate = pd.Series(np.where(np.arange(400) < 200, 0.0, 0.05), prices.index)
    chosen = BacktestSettings(costs=FREE, min_history=1, risk_free_rate=rate)
    found = OptimizationBacktest(prices).backtest_strategy(lambda h, d: {}, "yearly", settings=chosen).metrics
    assert found["total_return"] == pytest.approx(1.05 ** (199 / 252) - 1)
    assert np.isnan([found["sharpe"], found["sortino"], found["omega"]]).all()
    half = OptimizationBacktest(prices).backtest_strategy(lambda h, d: {"S0": 0.5}, settings=chosen)
    daily = (1 + rate.shift().reindex(half.returns.index)) ** (1 / 252) - 1
    excess = half.returns - daily
    assert half.metrics["sharpe"] == pytest.approx(excess.mean() / excess.std() * np.sqrt(252))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 99), nav=st.floats(3e3, 1e6), lot=st.sampled_from([1.0, 10.0, 0.5]),
    least=st.sampled_from([0.0, 100.0, 800.0]), cash=st.floats(0.0, 0.3),
)  # fmt: skip
def test_trades_are_whole_lots_none_too_small_and_cash_never_falls_short(seed, nav, lot, least, cash):
    prices = moving(seed=seed)
    rng = np.random.default_rng(seed)
    closes = prices * rng.uniform(0.5, 2, (1, 4))

    def some(history, as_of):
        return dict(zip(prices.columns, rng.dirichlet(np.ones(4)) * (1 - cash), strict=True))

    chosen = BacktestSettings(
        initial_value=nav, costs=CostModel(commission=1.0, impact_bps=5.0), min_history=5, lot_size=lot,
        min_trade=least, closes=closes, cash_min=min(cash, 0.05),
    )  # fmt: skip
    result = OptimizationBacktest(prices).backtest_strategy(some, "weekly", settings=chosen)
    trades = result.trades
    shares = (
        trades["value"].to_numpy()
        / closes.to_numpy()[
            prices.index.get_indexer(trades["date"]), closes.columns.get_indexer(trades["symbol"])
        ]
    )
    assert np.abs(shares / lot - np.round(shares / lot)).max(initial=0.0) < 1e-6
    assert (trades["value"].abs() >= least - 1e-6).all()
    first = result.cash.loc[sorted(set(trades["date"]))] / result.nav.loc[sorted(set(trades["date"]))]
    assert (first >= chosen.cash_min - 1e-9).all()
    assert result.attribution.sum() == pytest.approx(result.metrics["total_return"], abs=1e-9)


def test_a_holding_that_is_to_be_sold_short_is_so_in_lots_too():
    wanted = iter([{"A": 0.5}, {"A": -0.5}, {"A": 0.0496}, {"A": 0.0}])
    chosen = BacktestSettings(costs=FREE, min_history=1, lot_size=10)
    found = OptimizationBacktest(table({"A": [100.0] * 5})).backtest_strategy(
        lambda h, d: next(wanted), "daily", settings=chosen
    )
    assert found.shares["A"].tolist() == [0, 5000, -5000, 490, 0][-len(found.shares) :]


def test_fees_that_make_a_debt_of_the_cash_are_financed_as_one():
    """Half of a million sold short at 25.2% a year costs 500 a session, and there is no cash."""
    chosen = BacktestSettings(costs=FREE, min_history=1, borrow_fees={"A": 0.252}, financing_spread=0.1)
    found = OptimizationBacktest(table({"A": [100.0] * 200, "B": [50.0] * 200})).backtest_strategy(
        lambda h, d: {"A": -0.5, "B": 1.5}, "yearly", settings=chosen
    )
    debt, growth = 0.0, 1.1 ** (1 / 252)
    for _ in range(198):
        debt = debt * growth + 500
    assert found.metrics["final_value"] == pytest.approx(1e6 - debt, abs=1e-3)
    assert found.metrics["borrow_fees"] == pytest.approx(198 * 500)


def test_no_fees_are_counted_after_all_was_lost():
    chosen = BacktestSettings(costs=FREE, min_history=1, borrow_fees=0.252)
    found = OptimizationBacktest(table({"A": [100.0] * 3 + [260.0] * 197})).backtest_strategy(
        lambda h, d: {"A": -1.0}, "yearly", settings=chosen
    )
    assert found.ruined == found.dates[3] and found.metrics["borrow_fees"] == pytest.approx(2000)


def test_lots_of_a_large_book_change_next_to_nothing():
    prices = moving()
    exact = OptimizationBacktest(prices).backtest_strategy(
        equal_weight, settings=BacktestSettings(initial_value=1e9, min_history=5)
    )
    whole = OptimizationBacktest(prices).backtest_strategy(
        equal_weight, settings=BacktestSettings(initial_value=1e9, min_history=5, lot_size=1.0)
    )
    np.testing.assert_allclose(whole.nav, exact.nav, rtol=1e-6)


def test_a_short_that_loses_all_ends_at_a_dated_zero_with_its_measures():
    prices = table({"T": [100.0, 100, 150, 260, 100, 100]})
    chosen = BacktestSettings(costs=FREE, min_history=1)
    result = OptimizationBacktest(prices).backtest_strategy(
        lambda h, d: {"T": -1.0}, "yearly", settings=chosen
    )
    assert result.ruined == prices.index[3] == result.nav.index[-1] == result.dates[-1]
    assert result.nav.tolist() == [1e6, 5e5, 0.0]
    assert (result.metrics["total_return"], result.metrics["max_drawdown"]) == (-1.0, -1.0)
    assert result.metrics["annual_return"] == -1.0
    assert result.metrics["final_value"] == 0.0
    assert result.trades["reason"].iloc[-1] == "ruined"
    assert (result.shares.iloc[-1] == 0).all()
    assert (result.weights.iloc[-1] == 0).all()
    assert result.attribution.sum() == pytest.approx(-1)
    with pytest.raises(DataError, match="lost all on 2017-01-05"):
        attribution_by_group(result, {"T": "x"}, prices, {"T": 1.0})


def test_ruin_on_the_first_day_and_by_borrowing():
    run = OptimizationBacktest(table({"T": [100.0, 100, 300, 100]})).backtest_strategy
    at_once = run(lambda h, d: {"T": -1.0}, settings=BacktestSettings(costs=FREE, min_history=1))
    assert at_once.metrics["total_return"] == at_once.returns.item() == -1.0
    falls = OptimizationBacktest(table({"T": [100.0, 100, 90, 40, 90, 90]})).backtest_strategy
    lent = falls(lambda h, d: {"T": 2.0}, settings=BacktestSettings(costs=FREE, min_history=1, cash_min=-1.0))
    assert str(lent.ruined.date()) == "2017-01-05"
    safe = falls(lambda h, d: {"T": 1.0}, settings=BacktestSettings(costs=FREE, min_history=1))
    assert safe.ruined is None


def test_a_name_that_ceases_to_be_is_paid_out_on_its_day():
    closes = [10.0, 10, 10, 8, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan]
    prices = table({"A": closes, "B": [20.0] * 10})
    day = prices.index[5].date()
    for paid, left in ((0.0, 5e5), (6.0, 8e5)):
        chosen = BacktestSettings(costs=FREE, min_history=1, payouts={("A", day): paid})
        result = OptimizationBacktest(prices).backtest_strategy(equal_weight, "yearly", settings=chosen)
        stop = result.trades[result.trades["reason"] == "stopped"]
        assert stop["date"].item().date() == day
        assert stop["price"].item() == paid
        assert result.nav.loc[prices.index[5]] == pytest.approx(left)
        assert result.nav.loc[prices.index[4]] == pytest.approx(9e5)
    alone = BacktestSettings(costs=FREE, min_history=1, payouts={("A", day): 0.0})
    lost = OptimizationBacktest(prices[["A"]]).backtest_strategy(equal_weight, "yearly", settings=alone)
    assert lost.ruined == prices.index[5]


def test_a_name_that_becomes_another_is_exchanged_on_the_heirs_next_close():
    prices = table({"A": [10.0] * 4 + [np.nan] * 6, "B": [20.0] * 5 + [np.nan] + [20.0] * 3 + [40.0]})
    end = prices.index[5].date()
    chosen = BacktestSettings(
        costs=FREE, min_history=1, payouts={("A", end): 5.0}, heirs={("A", end): ("B", 0.25)}
    )
    run = OptimizationBacktest(prices).backtest_strategy
    result = run(equal_weight, "yearly", settings=chosen)
    told = result.trades[result.trades["reason"] == "exchanged"].set_index("symbol")
    assert (told["date"] == prices.index[6]).all()  # the first close of B
    assert told["quantity"].to_dict() == {"A": -5e4, "B": 1.25e4}
    assert told["price"].to_dict() == {"A": 10.0, "B": 20.0}
    assert result.nav.iloc[:-1].tolist() == [1e6] * len(result.nav.iloc[:-1])
    assert result.nav.iloc[-1] == 1e6 + (2.5e4 + 1.25e4) * 20
    assert result.metrics["turnover"] == 0
    with pytest.raises(PolicyError, match="A became C on"):
        run(equal_weight, settings=BacktestSettings(min_history=1, heirs={("A", end): ("C", 1.0)}))


def test_one_decision_without_a_certificate_keeps_the_holdings_and_ends_nothing():
    prices = moving()

    def doubtful(history, as_of):
        if as_of.month == 3:
            raise SolverError("no solver gave an answer that its certificate confirms")
        return equal_weight(history, as_of)

    run = OptimizationBacktest(prices).backtest_strategy
    result = run(doubtful, "monthly", settings=BacktestSettings(costs=FREE, min_history=5))
    assert [f"{day:%Y-%m}" for day in result.skipped] == ["2017-03"]
    assert result.metrics["skipped_count"] == 1
    assert not (result.trades["date"].dt.month == 4).any()
    assert (result.trades["date"].dt.month == 5).any()

    def never(history, as_of):
        raise SolverError("nothing is certified")

    with pytest.raises(SolverError, match="nothing is certified"):
        run(never, settings=BacktestSettings(min_history=5))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"initial_value": 0}, "initial_value is 0; it must be at least 0.01"),
        ({"initial_value": None}, "initial_value is None; it must be a number"),
        ({"financing_spread": np.nan}, "financing_spread is nan"),
        ({"gap_days": -1}, "gap_days is -1"),
        ({"delisting_return": {"A": -2}}, "delisting_return is -2; it must be at least -1"),
        ({"borrow_fees": pd.Series({"A": -0.01})}, "borrow_fees is -0.01; it must be at least 0"),
        ({"risk_free_rate": 4.5}, "risk_free_rate is 4.5; it must be a fraction per year"),
        ({"financing_spread": 50}, "financing_spread is 50; it must be"),
        ({"risk_free_rate": "2%"}, "risk_free_rate is '2%'; it must be a number"),
        ({"history_days": 0}, "history_days is 0"),
        ({"trials": 0}, "trials is 0; it must be at least 1"),
        ({"band": np.inf}, "band is inf"),
    ],
    ids=str,
)
def test_a_setting_that_is_no_number_or_out_of_its_range_is_refused_at_birth(wrong: dict, said: str):
    with pytest.raises(PolicyError, match=said):
        BacktestSettings(**wrong)


def test_prices_of_a_share_are_read_by_their_dates_and_one_that_is_not_known_stops_its_trade():
    prices = moving()
    fee = BacktestSettings(min_history=5, costs=CostModel(commission=0, impact_bps=0, per_share=0.01))
    shares = prices / 10

    def cost(closes):
        run = OptimizationBacktest(prices).backtest_strategy(
            equal_weight, settings=replace(fee, closes=closes)
        )
        return run.metrics["total_cost"], run.skipped

    told = cost(shares)
    days = shares.index
    for index in (days.tz_localize("UTC"), [day.date() for day in days]):
        assert cost(shares.set_axis(index)) == told  # with a zone, every share was counted at 1
    spent, skipped = cost(shares.assign(S0=shares["S0"].where(days > days[60])))
    said = "S0 is traded at close {} of the panel without a known price of one share; start later, or give it in "
    rows = (days.get_indexer(list(skipped)) + 2).tolist()
    assert (
        spent < told[0] and rows and list(skipped.values()) == [f"{said}closes".format(row) for row in rows]
    )
    for wrong in (-shares, shares.to_numpy(), shares.set_axis(days.strftime("%Y-%m-%d"))):
        with pytest.raises(DataError, match=r"not a positive number|give a DataFrame|dates are needed"):
            cost(wrong)


def test_days_texts_and_zones_begin_a_backtest_alike_and_wrong_ones_are_named():
    prices = moving()
    short = BacktestSettings(min_history=5, borrow_fees=pd.Series({"S0": 0.01}))
    first, last = prices.index[40], prices.index[90]
    runs = [
        OptimizationBacktest(table).backtest_strategy(
            equal_weight, settings=short, start_date=day, end_date=last
        )
        for table in (
            prices,
            prices.tz_localize("America/New_York"),
            prices.set_axis(prices.index + pd.Timedelta(hours=16)),
        )
        for day in (first, first.date(), str(first.date()), first.tz_localize("UTC"))
    ]
    for run in runs[1:]:
        assert (run.nav.to_numpy() == runs[0].nav.to_numpy()).all()
    run = OptimizationBacktest(prices).backtest_strategy
    for wrong in ("2021-13-01", 20210101, True, pd.NaT):
        with pytest.raises(PolicyError, match=r"start_date is .*; give a date, like 2024-01-31"):
            run(equal_weight, settings=short, start_date=wrong)
    with pytest.raises(PolicyError, match="are not all numbers"):
        run(lambda history, as_of: {"S0": "half"}, settings=short)
    with pytest.raises(DataError, match="the benchmark: that is a DataFrame; give a Series"):
        run(equal_weight, settings=short, benchmark=prices[["S0"]])
    with pytest.raises(DataError, match="the benchmark has no price on 1 date, the first "):
        run(equal_weight, settings=short, benchmark=prices["S0"].drop(last))
    told = [
        run(equal_weight, settings=short, benchmark=benchmark, start_date=first).metrics
        for benchmark in (prices["S0"], prices["S0"].tz_localize("UTC").iloc[::-1])
    ]
    assert told[0] == pytest.approx(told[1], nan_ok=True) and np.isfinite(told[1]["beta"])


@pytest.mark.parametrize("history_days", [None, 4])
def test_decisions_see_nothing_of_a_share_that_ended_before_the_one_that_has_its_name(history_days):
    days = pd.bdate_range("2024-01-01", periods=9)
    prices = pd.DataFrame(
        {"A": [50.0, 51, 52, np.nan, 5, 6, 7, 8, 9], "B": np.arange(1.0, 10), "C": [np.nan, *range(8)]}, days
    ).replace(0.0, 1.0)
    seen = {}

    def method(history, as_of):
        seen[as_of] = history["A"].tolist() if "A" in history else None
        return {"B": 1.0}

    chosen = BacktestSettings(
        costs=FREE, min_history=2, history_days=history_days, payouts={("A", days[3].date()): 1.0}
    )
    OptimizationBacktest(prices).backtest_strategy(method, "daily", settings=chosen)
    assert seen[days[2]] == [50.0, 51.0, 52.0]
    assert [seen[days[row]] for row in (3, 4)] == [None, None]
    assert seen[days[5]][-2:] == [5.0, 6.0] and np.isnan(seen[days[5]][:-2]).all()
    window, columns = History(prices, chosen).window(5)
    np.testing.assert_array_equal(window.prices[:, 0], seen[days[5]])
    assert columns.tolist() == [0, 1, 2]
