"""What every estimator reads: one table of returns and the settings of its recipe."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from optimizer.errors import PolicyError
from optimizer.typing import Array


@dataclass(frozen=True, eq=False)
class Sample:
    """Returns of n symbols over T periods.

    returns    (T, n) simple returns per period, complete unless the estimator is a pairwise one
    market     (T,) returns of the market; None = the equal-weighted average of the symbols
    risk_free  per period
    half_life  of exponential weights, in periods; None = the estimator's own default
    """

    returns: Array
    market: Array | None = None
    risk_free: float = 0.0
    half_life: float | None = None

    def __post_init__(self) -> None:
        if self.half_life is not None and not self.half_life > 0:
            raise PolicyError(f"half_life is {self.half_life}; it must be a number of periods above 0")

    @property
    def rows(self) -> int:
        """T, the number of periods."""
        return int(self.returns.shape[0])

    @cached_property
    def average(self) -> Array:
        """(n,) arithmetic means per period."""
        return np.asarray(self.returns.mean(axis=0))

    @cached_property
    def centred(self) -> Array:
        """(T, n) returns less their means."""
        return np.asarray(self.returns - self.average)

    def decay_weights(self, default_half_life: float) -> Array:
        """(T,) exponential weights that sum to 1, the last row the heaviest."""
        half_life = default_half_life if self.half_life is None else self.half_life
        weights = 0.5 ** (np.arange(self.rows - 1, -1, -1) / half_life)
        return np.asarray(weights / weights.sum())
