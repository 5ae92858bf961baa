"""What each day of a backtest came from: whatever was held and traded, the parts add up to the day's return."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer import CostModel, FactorPanel, OptimizationBacktest, fit_factors
from optimizer.backtests.attribution import DailyParts, daily_book, daily_parts
from optimizer.backtests.report import BacktestResult
from optimizer.backtests.walk_forward import BacktestSettings
from optimizer.factors.attribution import factor_days, linked

NAMES = [f"S{i}" for i in range(6)]


def prices(days: int = 150) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    moves = rng.normal(3e-4, 0.01, (days, 1)) + rng.normal(0, 0.01, (days, 6))
    return pd.DataFrame(50 * np.exp(moves.cumsum(axis=0)), pd.bdate_range("2019-01-01", periods=days), NAMES)


def told(result: BacktestResult, panel: pd.DataFrame, benchmark: np.ndarray) -> DailyParts:
    moves = panel.ffill().pct_change().iloc[1:]
    book = daily_book(result)
    own = pd.DataFrame(book.weights, columns=list(result.symbols)).reindex(columns=NAMES).to_numpy()
    market = FactorPanel(tuple(NAMES), list(moves.index), moves.to_numpy())
    books = np.stack([own, np.tile(benchmark, (len(own), 1))])
    days = factor_days(partial(fit_factors, market), list(book.dates), books)
    return daily_parts(book, days, (moves.loc[book.dates].fillna(0.0) @ benchmark).to_numpy())


@settings(max_examples=6, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 1000), invested=st.floats(0.0, 1.4), bps=st.floats(0, 60), stops=st.booleans(),
    often=st.sampled_from(["daily", "weekly", "monthly"]),
)  # fmt: skip
def test_the_parts_of_each_day_and_of_any_window_add_up(seed, invested, bps, stops, often):
    panel = prices()
    if stops:
        panel.iloc[110:, 1] = np.nan
    rng = np.random.default_rng(seed)
    chosen = BacktestSettings(
        min_history=90, costs=CostModel(commission=3.0, impact_bps=bps), risk_free_rate=0.03, cash_min=-0.5
    )

    def strategy(history, as_of):
        offered = list(history.columns)
        return dict(zip(offered, rng.dirichlet(np.ones(len(offered))) * invested, strict=True))

    result = OptimizationBacktest(panel).backtest_strategy(strategy, often, settings=chosen)
    found = told(result, panel, np.array([0.5, 0.0, 0.3, 0.2, 0.0, 0.0]))
    assert found.own.sum(axis=1) == pytest.approx(result.returns.to_numpy(), abs=1e-12)
    assert found.parts[-4:] == ("SPECIFIC", "CASH", "TRADING", "COSTS")
    paid = result.trades["cost"].sum()
    nav = result.nav.to_numpy()
    assert -(found.own[:, -1] * nav[:-1]).sum() == pytest.approx(paid, abs=1e-9)
    if not stops:
        assert found.own[:, -2] == pytest.approx(0.0, abs=1e-12)
    begin, end = sorted(rng.integers(0, len(nav) - 1, 2).tolist())
    window = slice(begin, end + 1)
    whole = linked(
        found.own[window], found.benchmark[window], found.errors[window], found.active_errors[window]
    )
    total = nav[end + 1] / nav[begin] - 1
    assert whole.parts.sum() == pytest.approx(total, abs=1e-12)
    assert whole.money.sum() * nav[begin] == pytest.approx(nav[end + 1] - nav[begin], abs=1e-6)
    assert whole.active.sum() == pytest.approx(total - whole.benchmark, abs=1e-12)
    assert (whole.errors[-3:] == 0).all() and np.isfinite(whole.errors).all()


def test_a_book_that_is_the_benchmark_has_nothing_active_but_costs():
    """Bought once and held: every active part is the drift of weights, and the costs of the first day by hand."""
    panel = prices()
    chosen = BacktestSettings(
        min_history=90, costs=CostModel(commission=0.0, impact_bps=10.0), initial_value=1e6
    )
    equal = dict.fromkeys(NAMES, 1 / 6)
    result = OptimizationBacktest(panel).backtest_strategy(
        lambda history, day: equal, "daily", settings=chosen
    )
    found = told(result, panel, np.full(6, 1 / 6))
    assert found.own[0, -1] == pytest.approx(-result.costs.iloc[:2].sum() / 1e6, abs=1e-12)
    assert np.abs(found.exposures - found.benchmark_exposures).max() < 1e-2
    assert np.abs((found.own - found.benchmark)[:, :-3]).max() < 1e-3
