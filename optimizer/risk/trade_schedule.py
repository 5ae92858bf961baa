"""What cannot be traded in a day: how much on each, how long it takes, and the risk of what is left meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import DataError, PolicyError
from optimizer.model.alignment import named_vector
from optimizer.numerics.counted import floats
from optimizer.numerics.matrices import Matrix
from optimizer.typing import Array

MOST_DAYS = 250


@dataclass(frozen=True, eq=False)
class TradeSchedule:
    """Orders cut to what a share of the volume takes, day after day.

    traded          (D, n) shares of each day, signed;  left (D, n) what is untraded after it
    days            (n,) days that each order takes; more than D where the schedule ends before
    participation   (D, n) shares traded / average daily volume
    remaining_risk  (D,) volatility per day of what is left after each day, fraction of NAV (Almgren & Chriss 2001)

    >>> schedule_trades(('A',), np.array([250.0]), np.array([100.0]), np.array([1e5]), np.array([0.1]),
    ...                 np.array([[0.04]]), 1e6).traded[:, 0].tolist()
    [100.0, 100.0, 50.0]
    """

    symbols: tuple[str, ...]
    traded: Array
    left: Array
    days: Array
    participation: Array
    remaining_risk: Array


@typed
def schedule_trades(
    symbols: tuple[str, ...],
    quantities: Array,
    prices: Array,
    daily_volumes: Array,
    participation: Array,
    covariance: Matrix,
    nav: float,
    *,
    lot: float = 1.0,
    periods_per_year: float = 252.0,
) -> TradeSchedule:
    """Each order at the greatest pace that its share of the volume allows, in whole lots but for its last day.

    quantities     (n,) shares, negative when sold;  prices (n,) base currency per share, above 0
    daily_volumes  (n,) average value traded a day, base currency;  participation (n,) the most of it, fraction
    covariance     (n, n) of returns, per year;  nav in base currency
    Raises DataError for a number that is none, PolicyError for a participation outside (0, 1].
    """
    quantities, prices, daily_volumes, participation = numbers = [
        floats(name, named_vector(name, value, symbols))
        for name, value in (
            ("quantities", quantities), ("prices", prices), ("daily_volumes", daily_volumes),
            ("participation", participation),
        )
    ]  # fmt: skip
    _check_orders(len(symbols), numbers, nav)
    if not 0 < lot < np.inf or len(covariance) != len(symbols):
        raise DataError(
            f"the lot is {lot} and the covariance has {len(covariance)} rows; a number of shares above 0 and a row for "
            f"each of {len(symbols)} symbols are needed"
        )
    size, most = np.abs(quantities), participation * daily_volumes / prices
    days = np.ceil(size / most * (1 - 1e-12))
    count = int(min(days.max(initial=0.0), MOST_DAYS))
    pace = np.minimum(most * np.arange(1, count + 1)[:, None], size)
    done = np.where(pace >= size, size, np.floor(pace / lot * (1 + 1e-12)) * lot)
    left = np.sign(quantities) * (size - done)
    worth = left * prices / nav
    variance = (worth * np.array([covariance @ row for row in worth]).reshape(worth.shape)).sum(axis=1)
    traded = np.sign(quantities) * np.diff(done, axis=0, prepend=0.0)
    if not np.isfinite(variance).all():
        raise DataError("the covariance holds a number that is none; correct it")
    risk = np.sqrt(np.maximum(variance, 0.0) / periods_per_year)
    return TradeSchedule(symbols, traded, left, days, np.abs(traded) * prices / daily_volumes, risk)


def _check_orders(n: int, numbers: Sequence[Array], nav: float) -> None:
    """What `schedule_trades` raises for numbers of orders that are none."""
    _, prices, daily_volumes, participation = numbers
    if (
        any(array.shape != (n,) or not np.isfinite(array).all() for array in numbers)
        or not (np.minimum(prices, daily_volumes) > 0).all()
        or not 0 < nav < np.inf
    ):
        raise DataError(
            f"a schedule of {n} orders needs a finite quantity, and a price and daily volume above 0, of each, and a "
            f"value of the portfolio above 0"
        )
    if not ((participation > 0) & (participation <= 1)).all():
        raise PolicyError(
            "participation must be a share of the daily volume above 0 and at most 1, such as 0.1"
        )


def participation_of(symbols: tuple[str, ...], most: float, own: Mapping[str, float]) -> Array:
    """(n,) the share of the daily volume that each order may be: its own limit, else that of all."""
    return np.array([own.get(symbol, most) for symbol in symbols])
