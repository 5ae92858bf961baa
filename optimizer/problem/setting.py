"""What a policy is applied to: estimates, universe, holdings and costs, in one order of names."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from optimizer.errors import PolicyError, strange
from optimizer.model.costs import CostCurve
from optimizer.model.estimates import Estimates
from optimizer.model.policy import Policy
from optimizer.model.universe import Universe
from optimizer.numerics.counted import floats
from optimizer.typing import Array


@dataclass(frozen=True)
class Setting:
    """What a solve is about: moments, the desk's policy, what may be held, what is held.

    held   (n,) current weights in the order of `estimates.symbols`, None when nothing is known of them
    costs  of trades given in weights, paid once; None: those of the policy
    forecasts  (H, n) expected total returns per year of each step of the policy's horizon; None: today's, as they decay
    without_turnover_limit  gives the best weights (n,) without that limit, where somebody knows them already

    >>> Setting(estimates, policy, universe, held=market).symbols
    ('BONDS', 'EQUITY', 'GOLD')
    """

    estimates: Estimates
    policy: Policy
    universe: Universe
    held: Array | None = None
    costs: CostCurve | None = None
    without_turnover_limit: Callable[[], Array] | None = None
    forecasts: Array | None = None

    @property
    def symbols(self) -> tuple[str, ...]:
        """The names, in the order of every array."""
        return self.estimates.symbols

    def left_out(self) -> tuple[str, ...]:
        """The names that the universe does not have: they are not held."""
        if self.universe.symbols == self.symbols:
            return ()
        allowed = set(self.universe.symbols)
        return tuple(symbol for symbol in self.symbols if symbol not in allowed)

    def reference(self) -> Array:
        """(n,) weights that tracking error is measured against: the benchmark's, else the held ones."""
        if self.universe.benchmark is not None:
            return aligned(self.universe.benchmark, self.symbols, "the benchmark")
        if self.held is None:
            raise PolicyError(
                "tracking error needs a benchmark or held weights; this portfolio has neither: add a benchmark"
            )
        return self.held

    def cash_rate(self) -> float:
        """What cash earns per year; PolicyError when cash may be held and the rate is unknown."""
        rate = self.policy.risk_free_rate
        if rate is None and (self.policy.cash_min, self.policy.cash_max) != (0.0, 0.0):
            raise PolicyError("risk_free_rate is not set, but cash may be held; give the rate cash earns")
        return rate or 0.0


def aligned(weights: Mapping[str, float], symbols: tuple[str, ...], what: str) -> Array:
    """(n,) the weights in the order of the symbols, 0 where absent; PolicyError for one outside."""
    if tuple(weights) == symbols:
        return floats(what, [*weights.values()])
    if outside := weights.keys() - symbols:
        raise PolicyError(f"{what} holds {strange(outside, symbols, 'add them')}")
    return floats(what, [weights.get(symbol, 0.0) for symbol in symbols])


def named(given: Iterable[str], symbols: tuple[str, ...], what: str) -> None:
    """Raises PolicyError for a name of a setting that is not among the symbols."""
    if unknown := set(given) - set(symbols):
        raise PolicyError(f"{what} names {strange(unknown, symbols)}")


def checked_weights(weights: Array, n: int) -> Array:
    """Weights as (n,) floats; PolicyError for another shape or a non-finite one."""
    checked = floats("weights", weights)
    if checked.shape != (n,):
        raise PolicyError(f"weights have shape {checked.shape}; they must be ({n},) finite fractions of NAV")
    if not np.isfinite(checked).all():
        raise PolicyError(
            f"weights hold {checked[~np.isfinite(checked)][0]}; each must be a finite fraction of NAV"
        )
    return checked


def mean_of(estimates: Estimates) -> Array:
    """(n,) expected total returns; PolicyError when the estimates have none."""
    if estimates.mean is None:
        raise PolicyError(
            "this method or limit needs expected returns; the estimates have none: estimate them"
        )
    return estimates.mean
