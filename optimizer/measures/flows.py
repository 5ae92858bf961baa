"""Returns of a value that money is paid into and out of: time-weighted and money-weighted (Bacon 2008)."""

from collections.abc import Callable

import numpy as np

from optimizer.errors import DataError
from optimizer.numerics.counted import counted
from optimizer.typing import Array

NO_RATE = "no internal rate of return exists for these flows; report the time-weighted one"
ROUNDED = 1e-13  # of what was paid: what the last bits of a sum may be off by
GROWTHS, GROWTH_STEPS = (-20.0, 27.0), 4703  # log growth a year, from a loss of all but nothing; a step is 1%


@counted(1, path=True)
def time_weighted_return(values: Array, flows: Array) -> float:
    """Chained return between external flows; a span in which nothing was held earns nothing.

    values  (T,) at the end of each date with the day's flow;  flows  (T,) into the portfolio on that date
    Raises DataError for a return on a value of 0 or below.

    >>> round(time_weighted_return([100.0, 160.0, 176.0], [0.0, 50.0, 0.0]), 4)
    0.21
    """
    return float(np.prod(growth_between_flows(values, flows)) - 1)


def growth_between_flows(values: Array, flows: Array) -> Array:
    """(T-1,) what 1 grew to from each date to the next, as in `time_weighted_return`; NaN after a flow of NaN."""
    before, after = values[:-1], values[1:] - flows[1:]
    empty = (before == 0) & (after == 0)
    if ((before <= 0) & ~empty).any():
        raise DataError("a value of 0 or below has no return; start the series where it is funded")
    return np.divide(after, before, out=np.ones(len(before)), where=~empty)


@counted(1, path=True)
def money_weighted_return(values: Array, flows: Array, years: Array) -> float:
    """Annual internal rate of return: the rate at which the flows grow to the last value; -1 where all was lost.

    values  (T,), flows (T,) as in `time_weighted_return`;  years  (T,) time of each date, in years
    Raises DataError where no rate solves it or several do (named), nothing was paid in, or no time passed.

    >>> round(money_weighted_return([100.0, 110.0], [0.0, 0.0], [0.0, 1.0]), 4)
    0.1
    """
    payments = np.concatenate([[values[0]], flows[1:]])
    left = years[-1] - years
    paid = payments != 0
    payments, left = payments[paid], left[paid]
    if not (payments > 0).any():
        raise DataError(
            "no internal rate of return exists, as nothing was ever paid in; give the flows that funded the values"
        )
    if (np.diff(years) < 0).any() or not left.any():
        raise DataError(
            "years must ascend, from the first flow to the last value; give the time of each date"
        )
    if values[-1] == 0 and (payments >= 0).all():
        return -1.0

    def excess(growth: Array) -> Array:
        """At log growths a year (k,), scaled so that nothing overflows: the sign is what counts."""
        most = np.maximum(growth * left.max(initial=0.0), 0.0)[:, None]
        grown: Array = np.exp(growth[:, None] * left - most) @ payments
        return np.asarray(grown - values[-1] * np.exp(-most[:, 0]))

    rates = [float(np.expm1(growth)) for growth in _roots(excess, ROUNDED * float(np.abs(payments).sum()))]
    if not rates:
        raise DataError(NO_RATE)
    if len(rates) > 1:
        told = ", ".join(f"{rate:.2%}" for rate in sorted(rates))
        raise DataError(
            f"several internal rates of return solve these flows ({told}); report the time-weighted one"
        )
    return rates[0]


def _roots(function: Callable[[Array], Array], nothing: float) -> list[float]:
    """Where it is nothing, or changes its sign: between the points of the grid, and where it turns back between two."""
    grid = np.linspace(*GROWTHS, GROWTH_STEPS)
    at = function(grid)
    away, signs = np.abs(at), np.sign(at)
    near = (
        (away[1:-1] < away[:-2]) & (away[1:-1] <= away[2:]) & (signs[:-2] == signs[2:]) & (signs[1:-1] != 0)
    )
    turns = [_turn(function, grid[i], grid[i + 2], signs[i]) for i in np.flatnonzero(near).tolist()]
    touched = [float(turn) for turn in turns if abs(function(np.array([turn]))[0]) <= nothing]
    grid = np.unique(np.concatenate([grid, [turn for turn in turns if turn not in touched]]))
    signs = np.sign(function(grid))
    crossed = [_root(function, grid[i], grid[i + 1]) for i in np.flatnonzero(signs[:-1] * signs[1:] < 0)]
    return sorted([*touched, *crossed, *grid[signs == 0].tolist()])


def _turn(function: Callable[[Array], Array], low: float, high: float, sign: float) -> float:
    """Where sign x function is least, by thirds."""
    for _ in range(80):
        one, two = low + (high - low) / 3, high - (high - low) / 3
        at = sign * function(np.array([one, two]))
        low, high = (low, two) if at[0] <= at[1] else (one, high)
    return (low + high) / 2


def _root(excess: Callable[[Array], Array], low: float, high: float) -> float:
    """Where the function changes its sign, by bisection."""
    rising = excess(np.array([low]))[0] < 0
    for _ in range(80):
        middle = (low + high) / 2
        below = (excess(np.array([middle]))[0] < 0) == rising
        low, high = (middle, high) if below else (low, middle)
    return (low + high) / 2
