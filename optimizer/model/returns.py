"""Returns from prices: dividends and splits counted once, gaps compounded and never filled."""

from collections.abc import Hashable, Sequence
from typing import Literal, overload

import numpy as np
import pandas as pd

from optimizer.arguments import typed
from optimizer.errors import DataError, check_one_of
from optimizer.model.sessions import TRADING_DAYS, Dates, Rows
from optimizer.numerics.counted import floats, in_time, labelled
from optimizer.typing import Array

SAMPLED = ("daily", "weekly", "monthly")


@typed
def total_return_index(close: Array, dividend: Array, split: Array) -> Array:
    """Prices whose ratios are total returns, equal to `close` on each symbol's last row.

    close     (T,) or (T, n) as traded; NaN where a symbol has no price
    dividend  same shape, cash per share on the ex-date, 0 without one
    split     same shape, share multiplier on the ex-date, 1 without one (2.0 = two for one)
    A day earns (close x split + dividend) / previous close. Computed backwards, so that a window of rows
    gives exactly the tail of the whole history.
    Raises DataError for a dividend or split on a row without a price, a price or split that is not positive, and
    arrays of different shapes.

    >>> total_return_index(np.array([100.0, 99.0]), np.array([0.0, 2.0]), np.ones(2)).round(3).tolist()
    [98.02, 99.0]
    """
    given = labelled([("close", close), ("dividend", dividend), ("split", split)])
    close, dividend, split = (in_time(name, value) for name, value in given)
    _check_events(close, dividend, split)
    priced, last, growth = _daily_growth(close, dividend, split)
    later = np.ones_like(close)
    with np.errstate(over="ignore", divide="ignore"):
        later[:-1] = np.cumprod(growth[::-1], axis=0)[::-1]
        found = np.where(priced, last[-1:] / later, np.nan)
    if np.isinf(found).any() or (priced & (found == 0)).any():
        raise DataError("the index leaves the range of numbers; correct the splits, each a multiplier near 1")
    return found


def _check_events(close: Array, dividend: Array, split: Array) -> None:
    if not close.shape == dividend.shape == split.shape:
        raise DataError(
            f"close, dividend and split have shapes {close.shape}, {dividend.shape}, {split.shape}; they must be "
            f"the same"
        )
    odd = (close <= 0) | np.isinf(close) | (split <= 0) | np.isinf(split) | np.isinf(dividend)
    if odd.any():
        raise DataError(
            f"row {int(np.argwhere(odd)[0][0])} has a close or split that is not a positive number; correct it"
        )


def growth_index(close: Array, dividend: Array, split: Array) -> Array:
    """The same returns, equal to `close` on each symbol's first row: no row depends on a later one.

    Shapes and errors as in `total_return_index`; (T, n) with T >= 1.
    """
    priced, _, growth = _daily_growth(close, dividend, split)
    first = close[priced.argmax(axis=0), np.arange(close.shape[1])]
    index = np.cumprod(np.vstack([first, growth]), axis=0)
    return np.where(priced, index, np.nan)


def _daily_growth(close: Array, dividend: Array, split: Array) -> tuple[Array, Array, Array]:
    """Where there is a price, the last close so far, and (T - 1, ...) growth of 1 since the last close before."""
    priced = np.isfinite(close)
    event = (np.nan_to_num(dividend) != 0) | (np.nan_to_num(split, nan=1.0) != 1)
    if (event & ~priced).any():
        row = int(np.argwhere(event & ~priced)[0][0])
        raise DataError(f"row {row} has a dividend or split but no close; move it to the next traded day")
    last = pd.DataFrame(close).ffill().to_numpy().reshape(close.shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        growth = (close[1:] * split[1:] + dividend[1:]) / last[:-1]
    return priced, last, np.where(priced[1:] & np.isfinite(last[:-1]), growth, 1.0)


@typed
def simple_returns(prices: Array) -> Array:
    """(T-1, n) returns from each row of (T, n) prices to the next; NaN where either price is missing.

    Take the rows that are priced first (`common_rows`): then a return through a gap is the compounded one.
    Raises DataError for a price that is not positive.

    >>> simple_returns(np.array([[100.0], [110.0]])).round(4).tolist()
    [[0.1]]
    """
    return np.asarray(_ratios(prices) - 1)


@typed
def log_returns(prices: Array) -> Array:
    """(T-1, n) log returns from each row of (T, n) prices to the next; NaN where either price is missing.

    Raises DataError for a price that is not positive.

    >>> log_returns(np.array([[100.0], [110.0]])).round(4).tolist()
    [[0.0953]]
    """
    return np.asarray(np.log(_ratios(prices)))


def _ratios(prices: Array) -> Array:
    """(T-1, n) each price / the one before."""
    prices = in_time("prices", prices)
    if prices.ndim > 2:
        raise DataError(f"prices have shape {prices.shape}; rows of dates x symbols are needed")
    with np.errstate(all="ignore"):
        ratios = prices[1:] / prices[:-1]
    if np.fmin.reduce(prices, axis=None, initial=1.0) <= 0 or np.isinf(ratios).any():
        raise DataError("a price is not a positive number of ordinary size; correct it, or make it NaN")
    return np.asarray(ratios)


def check_prices(prices: pd.DataFrame) -> None:
    """Raises DataError unless dates ascend without repeats, symbols are unique and prices positive or NaN."""
    check_table(prices)
    check_values(floats("the prices", prices), prices.index, tuple(prices.columns))


def dated_numbers(market_data: pd.DataFrame) -> pd.DataFrame:
    """Market data (dates x symbols) as floats; DataError unless its rows are dates and its cells numbers or NaN."""
    index = market_data.index
    if not isinstance(index, pd.DatetimeIndex):
        raise DataError(f"market_data is indexed by {index.dtype}; dates are needed")
    return pd.DataFrame(floats("market_data", market_data), index, market_data.columns)


def check_table(table: pd.DataFrame) -> None:
    """Raises DataError unless dates ascend without repeats and symbols are unique, one level and no gap of each."""
    check_labels(table)
    if not table.index.is_monotonic_increasing or not table.index.is_unique:
        raise DataError("the dates must ascend without repeats; sort them and drop duplicates")
    check_unique(table)


def check_unique(table: pd.DataFrame) -> None:
    """Raises DataError for a symbol with two columns."""
    if not table.columns.is_unique:
        twice = sorted(set(table.columns[table.columns.duplicated()]))
        raise DataError(f"columns {', '.join(map(str, twice))} occur twice; keep one each")


def check_labels(table: pd.DataFrame) -> None:
    """Raises DataError unless rows and columns have one level of labels, none of them missing."""
    if not isinstance(table, pd.DataFrame):
        raise DataError(f"that is a {type(table).__name__}; give a DataFrame, dates x symbols")
    for what, axis, take in (
        ("rows", table.index, "table.xs(NAME)"),
        ("columns", table.columns, "table[NAME]"),
    ):
        if axis.nlevels > 1:
            raise DataError(
                f"the {what} have {axis.nlevels} levels, the first is {axis[:1].tolist()}; take one: {take}"
            )
        if axis.hasnans:
            at = int(np.flatnonzero(axis.isna())[0])
            raise DataError(f"the {what} have no label at place {at}; give it one, or drop it")


def check_values(values: Array, dates: Dates, symbols: Sequence[Hashable]) -> None:
    """Raises DataError unless every one of the (T, n) prices is positive or NaN."""
    if values.size == 0 or 0 < values.min() <= values.max() < np.inf:
        return
    wrong = ~np.isnan(values) & ~((values > 0) & np.isfinite(values))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            f"price of {symbols[column]} on {pd.Index(dates)[row]} is {values[row, column]}; "
            f"it must be positive, or missing (NaN)"
        )


def period_ends(dates: Dates, frequency: str) -> Rows:
    """The last row of each week (to Friday) or month of (T,) ascending dates, an unfinished last one left out.

    "daily" takes the rows as they come, whatever lies between them. Raises PolicyError for an unknown frequency,
    DataError where dates are needed and there are none.
    """
    check_one_of("frequency", frequency, SAMPLED)
    if frequency == "daily" or not len(dates):
        return np.arange(len(dates))
    index = pd.Index(dates)
    if not isinstance(index, pd.DatetimeIndex):
        raise DataError(f"{frequency} returns need prices by date; the index holds {index.dtype}")
    code: Literal["W-FRI", "M"] = "W-FRI" if frequency == "weekly" else "M"
    days = pd.DatetimeIndex(dates).tz_localize(None)
    periods = days.to_period(code)
    ends = np.flatnonzero(~periods.duplicated(keep="last"))
    weekdays_left = pd.bdate_range(days.max() + pd.Timedelta(days=1), periods.max().end_time)
    return ends[:-1] if len(weekdays_left) else ends


@overload
def per_period(annual_rate: float, periods: float = TRADING_DAYS) -> float: ...
@overload
def per_period(annual_rate: float | Array, periods: float = TRADING_DAYS) -> float | Array: ...
def per_period(annual_rate: float | Array, periods: float = TRADING_DAYS) -> float | Array:
    """The rate that compounds to `annual_rate` over a year of that many periods; of each where (T,) are given."""
    if isinstance(annual_rate, np.ndarray):
        return np.asarray((1 + annual_rate) ** (1 / periods) - 1)
    return float((1 + annual_rate) ** (1 / periods) - 1)


def carino_links(totals: Array, benchmark: Array) -> Array:
    """(T,) by which what each period added counts, so that the sums add up to the difference of compound returns.

    totals, benchmark  (T,) returns of the periods; benchmark 0: to the compound return itself
    Raises DataError for a period in which all was lost: nothing adds up to that.
    Source: Carino (1999), Combining attribution effects over time, Journal of Performance Measurement 3(4).

    >>> links = carino_links(np.array([0.1, -0.05]), np.zeros(2))
    >>> round(float(links @ [0.1, -0.05]), 12)
    0.045
    """
    if min(totals.min(initial=0.0), benchmark.min(initial=0.0)) <= -1:
        raise DataError(
            "portfolio or benchmark lost all in a period; no link makes the parts of a total loss add up"
        )
    own, other = (float(np.expm1(np.log1p(returns).sum())) for returns in (totals, benchmark))
    whole = _log_rate(np.array([own]), np.array([other]))[0]
    return np.asarray(_log_rate(totals, benchmark) / whole)


def _log_rate(r: Array, b: Array) -> Array:
    """(ln(1 + r) - ln(1 + b)) / (r - b), and its limit 1 / (1 + b) where they are as good as equal."""
    gap = (r - b) / (1 + b)
    near = np.abs(gap) < 1e-8
    ratio = np.where(near, 1 - gap / 2, np.log1p(gap) / np.where(near, 1.0, gap))
    return np.asarray(ratio / (1 + b))
