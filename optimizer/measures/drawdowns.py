"""Falls from a peak of the value that returns compound to; `returns` (T,) simple returns per period."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from optimizer.errors import DataError
from optimizer.numerics.counted import counted, uncounted
from optimizer.typing import Array

AT_PEAK = 1e-12  # the last bits of a product of returns: nearer to the peak than this is at the peak


@dataclass(frozen=True)
class Drawdown:
    """A fall from a peak; indices count periods, 0 being the start before the first return.

    depth       negative fraction, 0 when the value never fell
    recovered   index at which the peak was reached again, None when it was not
    duration    periods from the peak to the recovery, or to the end
    """

    depth: float
    peak: int
    trough: int
    recovered: int | None
    duration: int


@counted(1, lowest=-1.0, path=True)
def drawdowns(returns: Array) -> Array:
    """(T + 1,) value / running peak - 1, with the start value in front.

    >>> drawdowns([0.1, -0.1]).round(4).tolist()
    [0.0, 0.0, -0.1]
    """
    value = np.concatenate([[1.0], np.cumprod(1 + returns)])
    return np.asarray(value / np.maximum.accumulate(value) - 1)


@counted(1, lowest=-1.0, path=True)
def max_drawdown(returns: Array) -> Drawdown:
    """The deepest drawdown with its peak, trough and recovery.

    >>> round(max_drawdown([0.1, -0.1, 0.2]).depth, 4)
    -0.1
    """
    falls = uncounted(drawdowns)(returns)
    return _fall_around(falls, int(np.argmin(falls)))


@counted(1, lowest=-1.0, path=True)
def longest_drawdown(returns: Array) -> Drawdown:
    """The drawdown that took longest from its peak to its recovery, or to the end; of equal ones the first.

    >>> longest_drawdown([0.1, -0.1, 0.2]).duration
    2
    """
    falls = drawdowns(returns)
    return max(_each_fall(falls), key=lambda fall: fall.duration, default=_fall_around(falls, 0))


@counted(1, lowest=-1.0, path=True)
def worst_drawdowns(returns: Array, count: int = 5) -> list[Drawdown]:
    """The deepest drawdowns, one a stay below a peak, the deepest first; of equal ones the first in time.

    Raises DataError for a count below 1.

    >>> [round(fall.depth, 4) for fall in worst_drawdowns([0.1, -0.1, 0.2, -0.05])]
    [-0.1, -0.05]
    """
    if count < 1:
        raise DataError(f"count is {count}; ask for one drawdown at least")
    return sorted(_each_fall(drawdowns(returns)), key=lambda fall: fall.depth)[:count]


def _each_fall(falls: Array) -> list[Drawdown]:
    """One a stay below a peak, in the order of time."""
    peaks = np.append(np.flatnonzero(falls >= -AT_PEAK), len(falls))
    stays = [(start, end) for start, end in pairwise(peaks.tolist()) if end > start + 1]
    return [_fall_around(falls, start + int(np.argmin(falls[start:end]))) for start, end in stays]


def _fall_around(falls: Array, trough: int) -> Drawdown:
    peak = int(np.flatnonzero(falls[: trough + 1] >= -AT_PEAK)[-1])
    after = np.flatnonzero(falls[trough:] >= -AT_PEAK)
    recovered = int(trough + after[0]) if len(after) else None
    end = recovered if recovered is not None else len(falls) - 1
    depth = float(falls[trough]) if falls[trough] < -AT_PEAK else 0.0
    return Drawdown(depth, peak, trough, recovered, end - peak)


@counted(1, lowest=-1.0, path=True)
def ulcer_index(returns: Array) -> float:
    """Root mean square of the drawdowns (Martin & McCann 1989).

    >>> round(ulcer_index([0.1, -0.1]), 4)
    0.0707
    """
    return float(np.sqrt(np.mean(drawdowns(returns)[1:] ** 2)))
