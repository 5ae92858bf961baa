"""What can be traded at each close and at what price, what a name that ends pays, what cash earns and debt pays."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optimizer.errors import DataError
from optimizer.typing import Array

Rows = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Payout:
    """What a unit of a name gets that ceases to be: cash, and units of another name, its heir."""

    cash: float
    heir: int | None = None
    units: float = 0.0


Payouts = Mapping[tuple[int, int], Payout]


@dataclass(frozen=True, eq=False)
class Market:
    """What can be traded and at what price, at T closes of n names.

    traded   (T, n) prices, NaN where there is none that day
    marks    (T, n) the last price so far, NaN before the first
    ended    (T, n) True on the one day on which a name that stopped is given up, or paid out
    whole    whether every name has a price at every close
    stops    whether any name ever stops
    earned, paid  (T,) growth of 1 of cash, and of debt, from the previous close
    payouts  (row, column) -> what a unit of a name gets that ceases to be at that close
    """

    traded: Array
    marks: Array
    ended: Flags
    whole: bool
    stops: bool
    earned: Array
    paid: Array
    payouts: Payouts


def make_market(
    prices: Array, earned: Array, paid: Array, gap_days: int, payouts: Payouts | None = None
) -> Market:
    """The market of (T, n) prices; a name is given up after `gap_days` closes in a row without a price.

    Raises DataError for a price that is not positive.
    """
    if ((prices <= 0) | np.isinf(prices)).any():
        raise DataError("market_data has a price that is not a positive number; correct or drop it")
    absent, known = np.isnan(prices), payouts or {}
    ended, marks, whole = np.zeros_like(absent), prices, not absent.any()
    if not whole:
        rows = np.where(absent, 0, np.arange(len(prices))[:, None])
        last = np.maximum.accumulate(rows, axis=0)
        marks = np.take_along_axis(prices, last, axis=0)
        missing_for = np.arange(len(prices))[:, None] - last
        ended = absent & (missing_for == gap_days) & ~np.isnan(marks)
    for place in known:
        ended[place] = True
    return Market(prices, marks, ended, whole, bool(ended.any()), earned, paid, known)
