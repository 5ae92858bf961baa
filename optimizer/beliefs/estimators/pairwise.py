"""Estimates from unequal histories: each name over its own dates, each pair over those that both are priced on."""

from collections.abc import Callable, Sequence
from itertools import combinations_with_replacement

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import DataError
from optimizer.model.alignment import named_columns
from optimizer.model.returns import check_values, period_ends, simple_returns
from optimizer.model.sessions import Dates, Flags, Rows
from optimizer.numerics.counted import floats
from optimizer.typing import Array

MIN_PAIR_ROWS = 30


@typed
def pairwise_moments(
    prices: Array, dates: Dates, symbols: Sequence[str], frequency: str, periods: Callable[[Dates], float]
) -> tuple[Array, Array, int]:
    """(n,) average returns and (n, n) unbiased covariances, per year, and the returns of the pair with the fewest.

    prices   (T, n), NaN where a name has none;  dates  (T,)
    periods  of some dates: how many of them a year has
    Returns run from one common date of a pair to the next. The matrix may be indefinite, see `nearest_psd`. Raises
    DataError naming a pair that shares fewer than 30 returns.

    >>> mean, _, rows = pairwise_moments(prices.to_numpy(), prices.index, symbols, 'daily', lambda dates: 252.0)
    >>> rows
    300
    """
    symbols = tuple(symbols)
    prices = floats("prices", named_columns("prices", prices, symbols))
    if prices.shape != (len(dates), len(symbols)) or not prices.size:
        raise DataError(
            f"prices have shape {prices.shape} for {len(dates)} dates and {len(symbols)} symbols; T x n"
        )
    check_values(prices, dates, symbols)
    n = prices.shape[1]
    mean, covariance, fewest = np.empty(n), np.empty((n, n)), len(prices)
    for first, second in combinations_with_replacement(_alike(~np.isnan(prices)), 2):
        names = np.union1d(first, second)
        rows = np.flatnonzero(~np.isnan(prices[:, names]).any(axis=1))
        rows = rows[period_ends(dates[rows], frequency)]
        fewest = min(fewest, len(rows) - 1)
        if fewest < MIN_PAIR_ROWS:
            raise DataError(
                f"{symbols[first[0]]} and {symbols[second[-1]]} share {max(fewest, 0)} returns; {MIN_PAIR_ROWS} are "
                f"needed: lengthen lookback_days or drop one of them"
            )
        yearly = periods(dates[rows])
        one, other = (simple_returns(prices[rows][:, part]) for part in (first, second))
        if first is second:
            mean[first] = one.mean(axis=0) * yearly
        block = (one - one.mean(axis=0)).T @ (other - other.mean(axis=0)) / (len(one) - 1) * yearly
        covariance[np.ix_(first, second)], covariance[np.ix_(second, first)] = block, block.T
    return mean, covariance, fewest


def _alike(priced: Flags) -> list[Rows]:
    """The columns of (T, n), those that are priced on the same dates together."""
    _, group = np.unique(priced, axis=1, return_inverse=True)
    return [np.flatnonzero(group == number) for number in range(int(group.max()) + 1)]
