"""A horizon of several steps: how long each lasts, and what becomes of today's forecasts until then."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import PolicyError
from optimizer.typing import Array

SHORTEST = 1e-3  # sessions
DEAREST = 1e6  # beyond, no plan comes near an optimum
MOST_STEPS = 250


@typed
@dataclass(frozen=True)
class Horizon:
    """A plan of several steps, of which only the first is traded (Boyd et al. 2017, section 5).

    steps           1 is the single-period problem
    step_days       sessions that a step lasts: its trades are paid for by what its weights earn in that time
    half_life_days  sessions in which what a forecast has above its long-run mean halves; None: it does not decay
    quadratic_cost  k in the cost k/2 t'St of a step's trades t, S the covariance of a step's returns
                    (Garleanu & Pedersen 2013): what trading moves prices by, besides the costs of the policy
    Raises PolicyError for a number that cannot be one.

    >>> Horizon(steps=3, step_days=5, half_life_days=5).decay.tolist()
    [1.0, 0.5, 0.25]
    """

    steps: int = 10
    step_days: int = 5
    half_life_days: float | None = None
    quadratic_cost: float = 0.0

    def __post_init__(self) -> None:
        for name, most in (("steps", MOST_STEPS), ("step_days", 10 * MOST_STEPS)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
                raise PolicyError(f"horizon: {name} is {value!r}; it must be a whole number from 1 to {most}")
        life = self.half_life_days
        if life is not None and not (isfinite(life) and life >= SHORTEST):
            raise PolicyError(
                f"horizon: half_life_days is {life}; it must be a number of sessions above 0, at least {SHORTEST:g}, "
                f"or left out for forecasts that do not decay"
            )
        if not 0 <= self.quadratic_cost <= DEAREST:
            raise PolicyError(
                f"horizon: quadratic_cost is {self.quadratic_cost}; it must be a number >= 0, and at most {DEAREST:g}"
            )

    @property
    def decay(self) -> Array:
        """(H,) what is left of a forecast at each step, 1 at the first."""
        life = np.inf if self.half_life_days is None else self.half_life_days
        return np.asarray(0.5 ** (self.step_days / life * np.arange(self.steps)))


def decayed(horizon: Horizon, mean: Array, long_run: Array | float) -> Array:
    """(H, n) expected returns per year of each step, from today's (n,) and what they decay to."""
    return np.asarray(long_run + horizon.decay[:, None] * (mean - long_run))


def horizon_of(given: object) -> Horizon | None:
    """The horizon, also from a mapping of its fields; None for none; raises PolicyError for anything else."""
    if given is None or isinstance(given, Horizon):
        return given
    known = [item.name for item in fields(Horizon)]
    if not isinstance(given, Mapping) or not set(given) <= set(known):
        raise PolicyError(f"horizon is {given!r}; it must be a Horizon, or some of {known}")
    return Horizon(**given)
