import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from optimizer import CostModel, OptimizationBacktest
from optimizer.backtests.walk_forward import BacktestSettings, equal_weight
from optimizer.measures.return_series import monthly_table

SHARED = os.environ.get("PACKFOLIO_SHARED_DATA")
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not SHARED or not Path(SHARED).is_dir(), reason="PACKFOLIO_SHARED_DATA is not set"),
]


@pytest.fixture(scope="module")
def etfs():
    tidy = pd.read_parquet(
        Path(SHARED) / "market" / "etf_daily.parquet", columns=["symbol", "date", "adj_close"]
    )
    wide = tidy.pivot_table(index="date", columns="symbol", values="adj_close", observed=True)
    wide.index = pd.DatetimeIndex(wide.index)
    return wide.sort_index()


def test_a_fund_held_through_reproduces_its_published_years(etfs):
    chosen = BacktestSettings(min_history=20, costs=CostModel(commission=0.0, impact_bps=0.0))
    result = OptimizationBacktest(etfs).backtest_strategy(
        lambda h, d: {"SPY": 1.0}, "yearly", settings=chosen
    )
    years = monthly_table(result.returns)["year"]
    assert years[2008] == pytest.approx(-0.368, abs=0.001)
    assert years[2013] == pytest.approx(0.323, abs=0.001)
    assert years[2018] == pytest.approx(-0.046, abs=0.001)
    spy = etfs["SPY"].loc[result.nav.index[1] :]
    np.testing.assert_allclose(result.nav.iloc[1:] / result.nav.iloc[1], spy / spy.iloc[0], rtol=1e-9)


def test_equal_weights_of_funds_that_list_late_keep_the_books(etfs):
    result = OptimizationBacktest(etfs).backtest_strategy(
        equal_weight, settings=BacktestSettings(min_history=252, risk_free_rate=0.01), benchmark=etfs["SPY"]
    )
    marks = etfs.ffill().loc[result.nav.index].fillna(0.0)
    value = (result.shares.reindex(result.nav.index).ffill() * marks).sum(axis=1) + result.cash
    np.testing.assert_allclose(result.nav.iloc[1:], value.iloc[1:], rtol=1e-9)
    assert result.nav.iloc[0] == pytest.approx(value.iloc[0] + result.costs.iloc[0])  # before its first costs
    assert (result.cash >= -1e-9 * result.nav).all()
    assert (result.weights.iloc[0] > 0).sum() < (result.weights.iloc[-1] > 0).sum()
    assert 0.3 < result.metrics["beta"] < 1.0
    assert result.metrics["max_drawdown"] < -0.25
