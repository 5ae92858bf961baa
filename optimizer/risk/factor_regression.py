"""Least squares of returns on the moves of factors: what the factors need is worked out once for all symbols."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer.typing import Array


@dataclass(frozen=True, eq=False)
class FactorFit:
    """How one symbol moves with the factors: values and standard errors (k,), NaN where one is not observed, and what
    they do not explain (T,)."""

    values: Array
    errors: Array
    residuals: Array


@dataclass(frozen=True, eq=False)
class Regression:
    """Least squares on the factors' moves between some dates; what they need is worked out once for all symbols.

    moves     (T, k) of FACTORS, finite where they are observed
    observed  (k,) whether the factor has a proxy among the prices
    Columns are demeaned and scaled to unit deviation first: yields move by 1e-4.
    """

    moves: Array
    observed: npt.NDArray[Any]

    @cached_property
    def _x(self) -> Array:
        x = self.moves[:, self.observed]
        return np.asarray(x - x.mean(axis=0))

    @cached_property
    def _inverse(self) -> Array:
        scaled = self._x / (scale := self._x.std(axis=0))
        return np.asarray(np.linalg.pinv(scaled.T @ scaled) / np.outer(scale, scale))

    @cached_property
    def _lift(self) -> Array:
        return np.ascontiguousarray(self._inverse @ self._x.T)

    @property
    def freedom(self) -> int:
        """Dates less estimated parameters."""
        return max(len(self._x) - int(self.observed.sum()) - 1, 1)

    @cached_property
    def information(self) -> Array:
        """(k, k) inverse Gram matrix of the observed factors' moves, 0 elsewhere."""
        return self._placed(self._inverse)

    @cached_property
    def covariance(self) -> Array:
        """(k, k) of the observed factors' moves, per day, 0 elsewhere."""
        return self._placed(np.cov(self._x.T))

    def _placed(self, block: Array) -> Array:
        found = np.zeros((len(self.observed), len(self.observed)))
        found[np.ix_(self.observed, self.observed)] = block
        return found

    def fit(self, returns: Array) -> FactorFit:
        """Of one symbol's daily log returns (T,), with an intercept; the same whoever else is estimated."""
        y = np.ascontiguousarray(returns) - returns.mean()
        values, errors = np.full(len(self.observed), np.nan), np.full(len(self.observed), np.nan)
        values[self.observed] = own = (self._lift * y).sum(axis=1)
        residuals = y - self._x @ own
        variance = float((residuals**2).sum()) / self.freedom
        errors[self.observed] = np.sqrt(variance * self._inverse.diagonal())
        return FactorFit(values, errors, residuals)
