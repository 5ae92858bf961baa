"""Data as they were known: no decision sees what became known after it."""

import numpy as np
import pandas as pd
import pytest
from random_prices import SETTINGS, momentum, panel

from optimizer import (
    DataError,
    OptimizationBacktest,
    PolicyError,
    Vintages,
)
from optimizer.backtests.walk_forward import BacktestSettings, equal_weight


def test_vintage_data_are_used_as_they_were_known_and_never_from_the_future():
    prices = panel()
    shown = []

    def known(as_of):
        early = prices.loc[:as_of].copy()
        early.iloc[-1] = early.iloc[-2]
        return early

    def looks(history, as_of):
        shown.append(float(history.iloc[-1, 0] / history.iloc[-2, 0]))
        return equal_weight(history, as_of)

    run = OptimizationBacktest(prices).backtest_strategy
    run(looks, knowledge="vintage", settings=BacktestSettings(min_history=20, known=known))
    assert set(shown) == {1.0}
    uncut = BacktestSettings(min_history=20, known=lambda as_of: prices)
    with pytest.raises(DataError, match="cut them by date"):
        run(looks, knowledge="vintage", settings=uncut)
    with pytest.raises(PolicyError, match="say knowledge='vintage'"):
        run(looks, settings=uncut)


def long_rows(prices, days_late=0):
    """Rows (symbol, date, known_at, close) that became known so many calendar days after their date."""
    rows = prices.rename_axis("date").reset_index().melt("date", var_name="symbol", value_name="close")
    return rows.assign(known_at=rows["date"] + pd.Timedelta(days=days_late))


def test_a_restatement_changes_no_decision_before_the_day_on_which_it_became_known():
    prices, told = panel(days=150), {}
    restated_on = prices.index[100]
    wrong = long_rows(prices)
    wrong.loc[(wrong["symbol"] == "S0") & (wrong["date"] < restated_on), "close"] *= 0.5
    corrected = long_rows(prices).query("symbol == 'S0' and date < @restated_on").assign(known_at=restated_on)
    vintages = Vintages(pd.concat([wrong, corrected]))

    def looks(history, as_of):
        told[as_of] = history
        return momentum(history, as_of)

    bench = OptimizationBacktest(prices, vintages=vintages)
    found = bench.backtest_strategy(looks, "weekly", knowledge="vintage", settings=SETTINGS)
    for as_of, history in told.items():
        seen = prices.loc[:as_of].copy()
        if as_of < restated_on:
            seen["S0"] *= 0.5
        np.testing.assert_allclose(history, seen, rtol=1e-12)
    assert min(told) < restated_on < max(told)
    assert found.knowledge.startswith("each decision saw the prices known at its close")
    final = bench.backtest_strategy(momentum, "weekly", settings=SETTINGS)
    assert "cut by date" in final.knowledge


def test_vintage_prices_carry_dividends_and_splits_and_are_late_when_they_came_late():
    days = pd.bdate_range("2024-01-01", periods=4)
    rows = pd.DataFrame(
        {"symbol": "A", "date": days, "known_at": days + pd.Timedelta(days=1), "close": [100.0, 50.0, 49.0, 51.0],
         "dividend": [0.0, 0.0, 1.0, 0.0], "split": [1.0, 2.0, 1.0, 1.0]}
    )  # fmt: skip
    known = Vintages(rows).known_on(days[3])
    assert list(known.index) == list(days[:3])
    np.testing.assert_allclose(known["A"], [49.0, 49.0, 49.0])
    with pytest.raises(DataError, match=r"nothing was known on 2024-01-01: .* 2024-01-02"):
        Vintages(rows).known_on(days[0])
    with pytest.raises(DataError, match="lack known_at"):
        Vintages(rows.drop(columns="known_at"))
    with pytest.raises(DataError, match="unknown age"):
        Vintages(rows.assign(known_at=pd.NaT))


def test_a_vintage_backtest_starts_when_something_was_known():
    prices = panel(days=120)
    rows = long_rows(prices)
    rows["known_at"] = rows["known_at"].clip(lower=prices.index[60])
    run = OptimizationBacktest(prices, vintages=Vintages(rows)).backtest_strategy
    found = run(equal_weight, knowledge="vintage", settings=SETTINGS)
    assert found.nav.index[0] == prices.index[61]
    with pytest.raises(DataError, match="nothing was known on"):
        run(equal_weight, knowledge="vintage", start_date=prices.index[40].date(), settings=SETTINGS)
    with pytest.raises(DataError, match="give vintages"):
        OptimizationBacktest(prices).backtest_strategy(equal_weight, knowledge="vintage", settings=SETTINGS)
    with pytest.raises(PolicyError, match="knowledge 'perfect' does not exist"):
        run(equal_weight, knowledge="perfect", settings=SETTINGS)
