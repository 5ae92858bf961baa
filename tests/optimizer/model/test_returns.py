import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer import DataError, PolicyError, log_returns, simple_returns, total_return_index
from optimizer.model.returns import _log_rate, check_prices, growth_index, per_period, period_ends


def test_a_split_and_a_dividend_count_once():
    close = np.array([100.0, 51.0, 50.0])
    dividend = np.array([0.0, 0.0, 1.0])
    split = np.array([1.0, 2.0, 1.0])
    index = total_return_index(close, dividend, split)
    assert index[-1] == 50.0
    assert simple_returns(index) == pytest.approx([0.02, 0.0])


def test_no_day_has_no_index() -> None:
    for shape in ((0,), (0, 3), (0, 0)):
        assert total_return_index(np.zeros(shape), np.zeros(shape), np.ones(shape)).shape == shape


@given(st.integers(1, 40), st.integers(0, 10_000))
def test_a_window_is_the_tail_of_the_whole_history(start, seed):
    rng = np.random.default_rng(seed)
    close = np.exp(rng.normal(0, 0.02, (60, 3)).cumsum(axis=0)) * 100
    close[rng.random((60, 3)) < 0.1] = np.nan
    dividend = np.where(np.isfinite(close) & (rng.random((60, 3)) < 0.1), 0.5, 0.0)
    split = np.where(np.isfinite(close) & (rng.random((60, 3)) < 0.05), 2.0, 1.0)
    whole = total_return_index(close, dividend, split)
    window = total_return_index(close[start:], dividend[start:], split[start:])
    assert window.tobytes() == whole[start:].tobytes()


def test_a_gap_is_bridged_and_stays_a_gap():
    close = np.array([100.0, np.nan, 110.0])
    index = total_return_index(close, np.zeros(3), np.ones(3))
    assert index == pytest.approx([100.0, np.nan, 110.0], nan_ok=True)
    assert np.isnan(simple_returns(index)).all()


def test_an_event_without_a_price_is_an_error():
    with pytest.raises(DataError, match="row 1 has a dividend"):
        total_return_index(np.array([100.0, np.nan, 110.0]), np.array([0.0, 1.0, 0.0]), np.ones(3))


def test_simple_and_log_returns_agree():
    prices = np.array([[100.0, 50.0], [110.0, 40.0]])
    assert np.exp(log_returns(prices)) - 1 == pytest.approx(simple_returns(prices))


def test_the_daily_rate_compounds_to_the_annual_one():
    assert per_period(0.045) == pytest.approx(0.000174685, abs=5e-10)


def test_periods_end_on_their_last_day_and_unfinished_ones_are_left_out():
    dates = pd.bdate_range("2024-01-01", "2024-03-14")
    assert len(period_ends(dates, "daily")) == len(dates)
    assert [f"{day:%m-%d}" for day in dates[period_ends(dates, "monthly")]] == ["01-31", "02-29"]
    assert f"{dates[period_ends(dates, 'weekly')][-1]:%m-%d}" == "03-08"
    whole = dates[dates <= "2024-02-29"]
    assert f"{whole[period_ends(whole, 'monthly')][-1]:%m-%d}" == "02-29"
    with pytest.raises(DataError, match="weekly returns need prices by date"):
        period_ends(pd.RangeIndex(5), "weekly")


def test_an_unknown_frequency_lists_the_valid_ones():
    with pytest.raises(PolicyError, match="daily, weekly, monthly"):
        period_ends(pd.DatetimeIndex([]), "hourly")


@pytest.mark.parametrize(
    ("values", "dates", "said"),
    [
        ([1.0, 0.0], ["2024-01-01", "2024-01-02"], "price of A on 2024-01-02.* is 0.0"),
        ([1.0, np.inf], ["2024-01-01", "2024-01-02"], "is inf"),
        ([1.0, 2.0], ["2024-01-02", "2024-01-01"], "dates must ascend"),
        ([1.0, 2.0], ["2024-01-02", "2024-01-02"], "dates must ascend"),
    ],
)
def test_prices_that_cannot_be_are_refused(values, dates, said):
    with pytest.raises(DataError, match=said):
        check_prices(pd.DataFrame({"A": values}, index=pd.to_datetime(dates)))


@pytest.mark.realdata
def test_the_index_reproduces_a_vendors_adjusted_returns():
    folder = os.environ.get("PACKFOLIO_SHARED_DATA")
    if not folder:
        pytest.skip("PACKFOLIO_SHARED_DATA is not set")
    rows = pd.read_parquet(Path(folder) / "market" / "stocks100_daily.parquet")
    wide = rows.pivot(index="date", columns="symbol")
    index = total_return_index(*(wide[name].to_numpy(dtype=float) for name in ("close", "dividend", "split")))
    theirs = simple_returns(wide["adj_close"].to_numpy(dtype=float))
    assert np.abs(simple_returns(index) - theirs).max() < 1e-3


def test_an_index_from_the_first_close_has_the_same_returns_and_forgets_what_comes_later():
    rng = np.random.default_rng(3)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (60, 3)), axis=0))
    close[:20, 1] = close[30:33, 2] = np.nan
    dividend, split = np.where(np.arange(60)[:, None] == 40, 1.5, 0.0) * np.ones(3), np.ones((60, 3))
    split[50, 0] = 3.0
    ratio = growth_index(close, dividend, split) / total_return_index(close, dividend, split)
    np.testing.assert_allclose(np.nanmin(ratio, axis=0), np.nanmax(ratio, axis=0), rtol=1e-12)
    forward = growth_index(close, dividend, split)
    assert (forward[0, 0], forward[20, 1]) == (close[0, 0], close[20, 1])
    assert growth_index(close[:45], dividend[:45], split[:45]).tobytes() == forward[:45].tobytes()


@pytest.mark.parametrize("gap", [1e-2, 1e-5, 3e-6, 1e-7, 1e-9, 0.0, -1e-5])
def test_links_of_periods_that_are_nearly_equal_are_exact(gap: float):
    """Near equal returns the quotient has a limit, of which two terms are enough only below 1e-8."""
    terms = sum((-gap) ** k / (k + 1) for k in range(20))  # ln(1 + gap) / gap
    whole = _log_rate(np.array([gap]), np.zeros(1))
    assert whole == pytest.approx([terms], rel=1e-13, abs=0)
