"""Random walks of prices with gaps, and what every backtest of them must be."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from optimizer import (
    CostModel,
    Sample,
)
from optimizer.backtests.walk_forward import BacktestSettings

FREE = CostModel(commission=0.0, impact_bps=0.0)
SETTINGS = BacktestSettings(min_history=20)


def panel(days=260, n=4, seed=0, gaps=False):
    rng = np.random.default_rng(seed)
    prices = 50 * np.exp(np.cumsum(rng.normal(3e-4, 0.012, (days, n)), axis=0))
    frame = pd.DataFrame(prices, pd.bdate_range("2019-01-01", periods=days), [f"S{i}" for i in range(n)])
    if gaps:
        frame.iloc[:60, 0] = np.nan
        frame.iloc[150:, 1] = np.nan
        frame.iloc[100:103, 2] = np.nan
    return frame


def momentum(history, as_of):
    """Weights that depend on every price handed over."""
    score = np.exp(5 * (history.iloc[-1] / history.bfill().iloc[0]).to_numpy())
    return dict(zip(history.columns, 0.98 * score / score.sum(), strict=True))


def assert_consistent(result, prices):
    marks = prices.ffill().loc[result.nav.index]
    shares = result.shares.reindex(result.nav.index).ffill()
    value = (shares * marks.fillna(0.0)).sum(axis=1) + result.cash
    np.testing.assert_allclose(result.nav.iloc[1:], value.iloc[1:], rtol=1e-9)
    bought = result.trades.set_index("date").loc[lambda rows: rows.index == result.nav.index[0]]
    assert result.nav.iloc[0] == pytest.approx(value.iloc[0] + bought["cost"].sum(), rel=1e-12)
    assert (result.cash >= -1e-9 * result.nav).all()
    assert result.costs.sum() == pytest.approx(result.trades["cost"].sum())
    total = result.nav.iloc[-1] / result.nav.iloc[0] - 1
    assert result.attribution.sum() == pytest.approx(total, abs=1e-10)


def returns(rows=120, n=5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0.0005, 0.01, (rows, n)) + rng.normal(0, 0.008, (rows, 1))


def prices(values, start="2020-01-01"):
    table = np.vstack([np.ones(values.shape[1]), np.cumprod(1 + values, axis=0)]) * 100
    dates = pd.bdate_range(start, periods=len(table))
    return pd.DataFrame(table, index=dates, columns=[f"S{i}" for i in range(values.shape[1])])


@st.composite
def degenerate_samples(draw):
    """Twins, idle symbols, more symbols than days: what real tables hold."""
    rows, n = draw(st.integers(31, 60)), draw(st.integers(1, 70))
    table = returns(rows, n, draw(st.integers(0, 1000)))
    if n > 1 and draw(st.booleans()):
        table[:, 1] = table[:, 0]
    if draw(st.booleans()):
        table[:, -1] = 0.0
    return Sample(table * draw(st.sampled_from([1.0, 1e-4, 30.0])))
