"""Where beliefs start from: weights whose equilibrium they are, or estimated means."""

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite

import numpy as np

from optimizer.beliefs.black_litterman import IMPLIED, implied_risk_aversion
from optimizer.errors import PolicyError, check_one_of
from optimizer.model.estimates import Estimates
from optimizer.model.policies.fields import BlackLittermanSettings
from optimizer.model.policy import Policy
from optimizer.model.universe import Universe
from optimizer.typing import Array

Start = tuple[Array, Array | None]


def starting_point(prior: str, estimates: Estimates, universe: Universe, rate: float) -> Start:
    """The prior's weights (n,), and its excess returns (n,) where it has no equilibrium.

    Raises PolicyError for an unknown prior, or one whose weights are missing.
    """
    check_one_of("prior", prior, PRIORS)
    return PRIORS[prior](estimates, universe, rate)


def market_aversion(policy: Policy, estimates: Estimates, market: Array) -> BlackLittermanSettings:
    """The policy's settings with the market's risk aversion as a number, implied by the estimated means where asked.

    market  (n,) weights. Raises PolicyError without means, DataError where they imply none.
    """
    settings = policy.black_litterman
    if settings.delta != IMPLIED:
        return settings
    if estimates.mean is None:
        raise PolicyError(
            "black_litterman.delta 'implied' needs estimated means; state a number, 2.5 is customary"
        )
    excess = estimates.mean - (policy.risk_free_rate or 0.0)
    return replace(settings, delta=implied_risk_aversion(market, estimates.risk, excess))


def _benchmark(estimates: Estimates, universe: Universe, rate: float) -> Start:
    return _weights(universe.benchmark, "benchmark", estimates), None


def _market_cap(estimates: Estimates, universe: Universe, rate: float) -> Start:
    caps = _weights(universe.market_caps, "market_cap", estimates)
    if caps.min() < 0 or caps.sum() <= 0:
        raise PolicyError("prior 'market_cap' needs capitalisations >= 0, one above 0; correct them")
    return np.asarray(caps / caps.sum()), None


def _historical(estimates: Estimates, universe: Universe, rate: float) -> Start:
    """The estimated means, and equal weights inside a group view."""
    if estimates.mean is None:
        raise PolicyError("prior 'historical' needs estimated means; choose another prior")
    return np.full(len(estimates.symbols), 1 / len(estimates.symbols)), estimates.mean - rate


def _weights(known: Mapping[str, float] | None, what: str, estimates: Estimates) -> Array:
    """(n,) what is known of the symbols, in proportion, with the sum of all that is known."""
    if not known:
        raise PolicyError(
            f"prior {what!r} needs weights, and there are none; ingest them or choose another prior"
        )
    wrong = [f"{symbol} {weight}" for symbol, weight in known.items() if not isfinite(weight)]
    if wrong:
        raise PolicyError(f"prior {what!r} has weights that are no numbers: {', '.join(wrong)}; correct them")
    inside = np.array([known.get(symbol, 0.0) for symbol in estimates.symbols])
    if not _outside(known, estimates):
        return inside
    if inside.sum() <= 0:
        raise PolicyError(
            f"prior {what!r} has no weight in the symbols estimated; it is in {', '.join(sorted(known)[:8])}: "
            f"estimate these too, or choose another prior"
        )
    return np.asarray(inside * (sum(known.values()) / inside.sum()))


def _outside(known: Mapping[str, float], estimates: Estimates) -> dict[str, float]:
    inside = set(estimates.symbols)
    return {symbol: weight for symbol, weight in sorted(known.items()) if weight and symbol not in inside}


def left_out_of_prior(prior: str, estimates: Estimates, universe: Universe) -> tuple[str, ...]:
    """A warning where part of the prior's weights is in names that are not estimated: the others stand for it."""
    known = {"benchmark": universe.benchmark, "market_cap": universe.market_caps}.get(prior)
    outside = _outside(known, estimates) if known else {}
    if not known or not outside:
        return ()
    share = sum(outside.values()) / sum(known.values())
    names = ", ".join([*list(outside)[:8], *(["..."] if len(outside) > 8 else [])])
    return (
        f"{share:.1%} of prior {prior!r} is in {names}, not estimated; the prior returns are those of the rest, "
        f"scaled up to the whole",
    )


PRIORS = {"benchmark": _benchmark, "market_cap": _market_cap, "historical": _historical}
