"""Periods of a year as the dates have them, sessions of a set, and the names whose gaps cost it."""

from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.model.sessions import (
    alive,
    common_rows,
    costly_gaps,
    days_of,
    frequency_of,
    periods_per_year,
    session_rows,
    usual_periods,
)

DAYS = pd.bdate_range("2018-01-01", periods=1300)
# About 9 holidays a year.
NEW_YORK = DAYS[~((DAYS.month == 12) & (DAYS.day == 25)) & (DAYS.dayofyear % 29 != 1)]
ALL = pd.date_range("2018-01-01", periods=1300)
SUNDAYS = ALL[(ALL.weekday < 4) | (ALL.weekday == 6)][4:]


@pytest.mark.parametrize(
    ("dates", "periods"),
    [
        (DAYS, 252),
        (NEW_YORK, 252),
        (DAYS[:31], 252),
        (DAYS[:5], 252),  # from Monday to Friday
        (SUNDAYS[:5], 252),  # from Sunday to Thursday, as in Riyadh
        (SUNDAYS[:40], 252),
        (ALL, 365),
        (ALL[:31], 365),
        (ALL[:12], 365),
        (pd.date_range("2018-01-05", periods=150, freq="W-FRI"), 52),
        (pd.date_range("2018-01-05", periods=3, freq="W-FRI"), 52),
        (pd.date_range("2018-01-31", periods=40, freq="ME"), 12),
        (pd.date_range("2018-01-31", periods=40, freq="BME"), 12),
        (pd.date_range("2018-01-31", periods=2, freq="ME"), 12),
        (pd.date_range("2000-03-31", periods=40, freq="QE"), 4),
        (pd.date_range("2000-12-31", periods=12, freq="YE"), 1),
        (pd.period_range("2000-01", periods=24, freq="M"), 12),
        (pd.date_range("2018-01-01", periods=300, tz="UTC"), 365),
        (pd.Index(list(DAYS.date)), 252),
        (np.asarray(DAYS), 252),
    ],
)
def test_the_dates_say_how_many_periods_a_year_has(dates, periods):
    assert periods_per_year(dates) == periods
    assert frequency_of(periods)


def test_what_has_no_standard_number_is_counted():
    assert periods_per_year(DAYS[::2]) == pytest.approx(365.25 / 2.8, rel=1e-3)
    assert periods_per_year(DAYS[DAYS.weekday < 4]) == pytest.approx(4 * 365.25 / 7, rel=1e-2)
    assert frequency_of(130.4) == ""
    mumbai = DAYS[:250].union(pd.DatetimeIndex(["2018-03-03", "2018-11-04"]))  # a Saturday, a Sunday
    told = [usual_periods(dates) for dates in (SUNDAYS, DAYS, mumbai, ALL)]
    assert told == [252, 252, 252, 365]


@pytest.mark.parametrize("dates", [pd.RangeIndex(300), DAYS[:1], DAYS[:0], pd.Index(list("abc"))])
def test_rows_without_dates_take_what_is_told(dates):
    assert periods_per_year(dates) == 252
    assert np.isnan(periods_per_year(dates, undated=np.nan))


@given(st.integers(20, 1200), st.integers(0, 60), st.integers(0, 10_000))
def test_a_few_missing_dates_leave_a_year_its_number_and_many_do_not(rows, start, seed):
    dates = DAYS[start : start + rows]
    dropped = np.random.default_rng(seed).permutation(len(dates) - 2)[: rows // 60] + 1
    assert periods_per_year(np.delete(np.asarray(dates), dropped)) == 252
    assert periods_per_year(dates[:: max(rows // 50, 5)]) < 60 or rows < 30


def priced(*columns):
    return np.array([[letter == "x" for letter in column] for column in columns]).T


def test_the_last_common_rows_are_those_on_which_all_are_priced():
    prices = np.where(priced("xxxxx", "x.xx."), 1.0, np.nan)
    assert common_rows(prices).tolist() == [0, 2, 3]
    assert common_rows(prices, 2).tolist() == [2, 3]
    assert common_rows(prices[:4], 2).tolist() == [2, 3]
    assert common_rows(prices, 9).tolist() == [0, 2, 3]
    assert alive(priced("xxxxx", "..x.x")) == slice(2, None)


def test_weekends_on_which_a_name_never_trades_are_no_sessions():
    stock = ALL.weekday < 5
    coins = np.ones((len(ALL), 3), dtype=bool)
    assert session_rows(coins, ALL).all()
    assert session_rows(np.column_stack([coins, stock]), ALL).tolist() == stock.tolist()
    most = np.column_stack([stock, stock, stock & (np.arange(len(ALL)) % 2 == 0)])
    assert session_rows(most, ALL).tolist() == stock.tolist()
    half = stock | (np.cumsum(~stock) % 2 == 0)  # 185 of 370: as often as not
    assert session_rows(np.column_stack([coins, half]), ALL).all()


@given(st.integers(0, 10_000), st.integers(2, 8), st.integers(30, 300))
def test_what_is_left_has_two_thirds_of_its_sessions_whatever_the_order(seed, n, rows):
    rng = np.random.default_rng(seed)
    table = rng.random((rows, n)) > rng.choice([0.0, 0.02, 0.2, 0.6], n)
    names, order = [f"N{i}" for i in range(n)], rng.permutation(n)
    found = costly_gaps(table, DAYS[:rows], names)
    assert costly_gaps(table[:, order], DAYS[:rows], [names[i] for i in order]) == found
    left = [i for i, name in enumerate(names) if name not in found]
    own = table[alive(table[:, left]), :][:, left]
    sessions = own[session_rows(own, DAYS[:rows][alive(table[:, left])])]
    assert len(left) == 1 or sessions.all(axis=1).sum() >= 2 / 3 * len(sessions)
    assert set(costly_gaps(table, DAYS[:rows], names, kept=names)) == set()


def test_calendars_and_youth_cost_nothing_and_every_other_day_costs_too_much():
    stock = NEW_YORK.union(NEW_YORK)
    own = np.isin(ALL, stock)
    tokyo = own & (np.arange(len(ALL)) % 25 != 0)
    young = own & (np.arange(len(ALL)) > 900)
    fine = np.column_stack([own, tokyo, young, np.ones(len(ALL), dtype=bool)])
    assert costly_gaps(fine, ALL, ["US", "JP", "NEW", "COIN"]) == {}
    alternate = own & (np.cumsum(own) % 2 == 0)
    sparse = np.column_stack([fine, alternate])
    found = costly_gaps(sparse, ALL, ["US", "JP", "NEW", "COIN", "ALT"])
    assert list(found) == ["ALT"]
    lacking, sessions = found["ALT"]
    assert lacking == pytest.approx(sessions / 2, abs=2)
    assert list(costly_gaps(np.column_stack([own, alternate]), ALL, ["US", "ALT"])) == ["ALT"]
    assert costly_gaps(sparse, ALL, ["US", "JP", "NEW", "COIN", "ALT"], kept=["ALT"]) == {}


def test_a_name_without_any_price_costs_the_most():
    table = priced("xxxxxx", "......", "xxxxxx")
    assert costly_gaps(table, DAYS[:6], ["A", "B", "C"]) == {"B": (6, 6)}
    assert costly_gaps(table[:0], DAYS[:0], ["A", "B", "C"]) == {}


def test_dates_are_the_days_that_numpy_makes_of_them():
    dates = [date(1, 1, 1), date(1969, 12, 31), date(1970, 1, 1), date(2024, 2, 29), date(9999, 12, 31)]
    found = days_of(iter(dates))
    assert found.dtype == "datetime64[D]" and found.tolist() == dates
    assert days_of([datetime(2024, 2, 29, 23, 59)]).tolist() == [date(2024, 2, 29)]  # noqa: DTZ001
    assert days_of(()).dtype == "datetime64[D]" and not len(days_of(()))
