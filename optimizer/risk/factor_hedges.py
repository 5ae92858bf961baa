"""Hedges that bring the exposure to named factors down, at the least risk of any other kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, isfinite

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import InfeasibleError, PolicyError
from optimizer.factors.attribution import predicted_risk
from optimizer.factors.factor_model import FactorModel
from optimizer.model.estimates import Estimates
from optimizer.model.policies.checks import PERCENT_MEANT
from optimizer.model.policy import Policy
from optimizer.model.universe import Universe
from optimizer.numerics.matrices import LowRank
from optimizer.risk.hedges import Instrument
from optimizer.solvers.solve import solve
from optimizer.typing import Array

CLOSE = 1e-6  # exposures and weights nearer than this are the same
CASH = 5.0  # NAV that hedges may bring in or cost, far beyond what any desk has


@dataclass(frozen=True, eq=False)
class FactorHedgePlan:
    """Hedges in whole shares, fractions of the NAV, negative where sold, and what they do.

    before, after  factor -> exposure of the portfolio
    volatility_before, volatility_after  per year, by the model

    """

    weights: Mapping[str, float]
    before: Mapping[str, float]
    after: Mapping[str, float]
    volatility_before: float
    volatility_after: float
    notes: tuple[str, ...] = ()


@typed
def plan_factor_hedges(
    model: FactorModel,
    held: Mapping[str, float],
    targets: Mapping[str, float],
    instruments: Sequence[Instrument],
    *,
    units: Mapping[str, float] | None = None,
    max_weight: float = 1.0,
) -> FactorHedgePlan:
    """The hedges that leave every named factor at most its target in size, and add the least risk of all others.

    model    of all that is held and of every instrument;  held  symbol -> weight, fraction of the NAV
    targets  factor -> the most that the exposure may be in size, in the model's unit; 0 takes all of it away
    units    symbol -> weight of one share, of which hedges are whole numbers, rounded down; None for any number
    max_weight  of one instrument, in size, fraction of the NAV
    Least h'(X G X' + D)h, G being the factors' covariance without the named ones, solved and certified as any policy.
    Raises PolicyError for an unknown factor, a target below 0 or no fund among the instruments, InfeasibleError where
    the instruments cannot reach the targets.
    Source: Grinold & Kahn (2000), Active Portfolio Management, ch. 3 (factor-mimicking and hedging portfolios).

    >>> model = FactorModel(('A', 'B'), ('market',), ('market',), np.ones((2, 1)), np.eye(1) * 0.04, np.full(2, 0.01))
    >>> found = plan_factor_hedges(model, {'A': 1.0}, {'market': 0.5}, [Instrument('B', 'etf', 'SELL', ())])
    >>> round(found.weights['B'], 6), round(found.after['market'], 6)
    (-0.5, 0.5)
    """
    if not 0 < max_weight <= PERCENT_MEANT or any(not 0 < unit < np.inf for unit in (units or {}).values()):
        raise PolicyError(
            f"max_weight is {max_weight} and units {dict(units or {})}; both must be fractions of the NAV above 0"
        )
    sides = _sides(model, instruments, max_weight)
    _refuse_targets(model, targets)
    weights = np.array([held.get(symbol, 0.0) for symbol in model.symbols])
    before = model.exposures.T @ weights
    over = [k for k, name in enumerate(model.factors) if abs(before[k]) > targets.get(name, np.inf) + CLOSE]
    if not over:
        return _plan(model, weights, {}, ("Every named factor is within its target; no hedge is needed",))
    found = _solved(model, before, targets, sides)
    hedges = {}
    for symbol, weight in found.items():
        unit = (units or {}).get(symbol)
        whole = weight if unit is None else np.copysign(unit * floor(abs(weight) / unit + 1e-9), weight)
        if abs(whole) > CLOSE:
            hedges[symbol] = float(whole)
    return _plan(model, weights, hedges, ())


def _sides(
    model: FactorModel, instruments: Sequence[Instrument], most: float
) -> dict[str, tuple[float, float]]:
    """Symbol -> least and most weight of each fund that the model covers."""
    found: dict[str, tuple[float, float]] = {}
    for one in instruments:
        if one.kind != "etf" or one.symbol not in model.symbols:
            continue
        low, high = found.get(one.symbol, (0.0, 0.0))
        found[one.symbol] = (low, most) if one.side == "BUY" else (-most, high)
    if not found:
        raise PolicyError("no fund among the hedging instruments is covered by the factor model; add one")
    return found


def _refuse_targets(model: FactorModel, targets: Mapping[str, float]) -> None:
    for name, most in targets.items():
        if name not in model.factors:
            raise PolicyError(f"there is no factor {name!r}; there are {', '.join(model.factors)}")
        if not (isfinite(most) and most >= 0):
            raise PolicyError(
                f"the target of {name} is {most}; it must be a size >= 0, in standard deviations"
            )


def _solved(
    model: FactorModel, before: Array, targets: Mapping[str, float], sides: Mapping[str, tuple[float, float]]
) -> dict[str, float]:
    """Symbol -> weight of the best hedges in any number of shares."""
    symbols = tuple(sorted(sides))
    own = model.of(symbols)
    # What is left of the others' risk once the named factors are where they should be.
    others = [k for k, name in enumerate(own.factors) if name not in targets]
    values, vectors = np.linalg.eigh(own.factor_covariance[np.ix_(others, others)])
    root = np.sqrt(values.clip(0.0))[:, None] * vectors.T
    variances = np.maximum(own.specific, CLOSE)
    estimates = Estimates(symbols, None, LowRank(root @ own.exposures[:, others].T, variances))
    ranges = {
        name: (-most - before[own.factors.index(name)], most - before[own.factors.index(name)])
        for name, most in targets.items()
    }
    policy = Policy(
        method="min_volatility", long_only=False, asset_limits=dict(sides), factor_limits=ranges, cash_min=1.0 - CASH,
        cash_max=1.0 + CASH, risk_free_rate=0.0,
    )  # fmt: skip
    try:
        answer = solve(estimates, policy, Universe(symbols, factors=own.loadings))
    except InfeasibleError as error:
        said = _out_of_reach(error, targets, symbols)
        raise InfeasibleError(said, error.conflicts, error.ways) from None
    return dict(zip(symbols, answer.weights.tolist(), strict=True))


def _out_of_reach(error: InfeasibleError, targets: Mapping[str, float], symbols: Sequence[str]) -> str:
    """What the hedges cannot do, and targets that they can: of each way out the sizes that it leaves."""
    ways = [[(one.limit.partition(" ")[2], one.stated) for one in way] for way in error.ways]
    sizes = [
        " and ".join(f"{factor} {targets[factor] + more:.4g}" for factor, more in way)
        for way in ways
        if all(factor in targets for factor, _ in way)  # the others give way in the instruments' own bounds
    ]
    remedy = f"allow {'; or '.join(sizes)}, or add instruments" if sizes else f"add instruments ({error})"
    return f"{', '.join(symbols)} cannot bring {', '.join(targets)} within the targets together; {remedy}"


def _plan(
    model: FactorModel, weights: Array, hedges: Mapping[str, float], notes: tuple[str, ...]
) -> FactorHedgePlan:
    after = weights + np.array([hedges.get(symbol, 0.0) for symbol in model.symbols])
    first, last = predicted_risk(model, weights), predicted_risk(model, after)
    named = [dict(zip(model.factors, risk.exposures.tolist(), strict=True)) for risk in (first, last)]
    return FactorHedgePlan(hedges, named[0], named[1], first.volatility, last.volatility, notes)
