"""What every estimator reads: one table of returns and the settings of its recipe."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, wraps
from math import isfinite

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import DataError, PolicyError
from optimizer.model.sessions import Flags
from optimizer.numerics.counted import floats
from optimizer.typing import Array

STILL = 1e-12  # between the largest and the least return of a period: what prices that grow evenly leave of rounding


@typed
@dataclass(frozen=True, eq=False)
class Sample:
    """Returns of n symbols over T periods.

    returns    (T, n) simple returns per period, complete unless the estimator is a pairwise one
    market     (T,) returns of the market; None = the equal-weighted average of the symbols
    risk_free  per period
    half_life  of exponential weights, in periods; None = the estimator's own default
    Raises DataError for a table without rows or columns, a return that is infinite, or a market of another length.

    >>> sample.rows
    300
    """

    returns: Array
    market: Array | None = None
    risk_free: float = 0.0
    half_life: float | None = None

    def __post_init__(self) -> None:
        if self.half_life is not None and not self.half_life > 0:
            raise PolicyError(f"half_life is {self.half_life}; it must be a number of periods above 0")
        if not isfinite(self.risk_free):
            raise PolicyError(f"risk_free is {self.risk_free}; it must be a rate per period, 0.0001 for 1 bp")
        object.__setattr__(self, "returns", floats("returns", self.returns))
        if self.returns.ndim != 2 or not self.returns.size:
            raise DataError(f"returns have shape {self.returns.shape}; T x n are needed, a row a period")
        if np.isinf(self.returns).any():
            raise DataError("a return is infinite; correct the price that it comes from")
        if self.market is not None and self.market.shape != self.returns.shape[:1]:
            raise DataError(
                f"market has shape {self.market.shape}; a return for each of {self.rows} rows is needed"
            )

    @property
    def rows(self) -> int:
        """T, the number of periods."""
        return int(self.returns.shape[0])

    @cached_property
    def complete(self) -> bool:
        """Whether every symbol has a return in every period."""
        return bool(np.isfinite(self.returns).all())

    @cached_property
    def average(self) -> Array:
        """(n,) arithmetic means per period."""
        return np.asarray(self.returns.mean(axis=0))

    @cached_property
    def centred(self) -> Array:
        """(T, n) returns less their means; exactly 0 for what never moves but by rounding."""
        away = np.asarray(self.returns - self.average)
        away[:, ~self.moving] = 0.0
        return away

    @cached_property
    def moving(self) -> Flags:
        """(n,) whether a symbol's return ever changes, but by rounding."""
        return np.asarray(np.ptp(self.returns, axis=0) > STILL)

    def decay_weights(self, default_half_life: float) -> Array:
        """(T,) exponential weights that sum to 1, the last row the heaviest; half-life in periods.

        Raises PolicyError for a half-life that is not above 0.
        """
        if not default_half_life > 0:
            raise PolicyError(f"half_life is {default_half_life}; it must be a number of periods above 0")
        half_life = default_half_life if self.half_life is None else self.half_life
        weights = 0.5 ** (np.arange(self.rows - 1, -1, -1) / half_life)
        return np.asarray(weights / weights.sum())


Estimator = Callable[[Sample], Array]


def estimator(least: int = 1, *, gaps: bool = False) -> Callable[[Estimator], Estimator]:
    """An estimator that raises DataError where it could only answer with a NaN or a warning of numpy.

    least  rows that it needs;  gaps  whether it takes returns that are missing
    """

    def guard(function: Estimator) -> Estimator:
        name = function.__name__

        @wraps(function)
        def checked(sample: Sample) -> Array:
            if not (gaps or sample.complete):
                raise DataError(
                    f"{name} needs a return of every symbol in every row; drop the rows with gaps"
                )
            if sample.rows < least:
                raise DataError(f"{name} needs {least} returns and has {sample.rows}; give more history")
            try:
                with np.errstate(over="raise", divide="raise", invalid="raise"):
                    return function(sample)
            except FloatingPointError as error:
                raise DataError(
                    f"{name}: nothing can be estimated from these returns ({error}); correct those too large or small"
                ) from error

        return typed(checked)

    return guard
