"""What trades change: value, risk, return, quality, concentration and exposures, before and after."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import numpy as np

from optimizer.arguments import typed
from optimizer.measures.drawdowns import max_drawdown
from optimizer.measures.portfolio_measures import expected_return, volatility
from optimizer.model.estimates import Estimates
from optimizer.model.exposure_types import ExposureType, in_order
from optimizer.model.exposures import ABSURD_WEIGHT, FundExposureMap
from optimizer.model.policy import Policy
from optimizer.model.universe import Universe
from optimizer.numerics.counted import uncounted
from optimizer.problem.setting import aligned
from optimizer.typing import Array

NAN = float("nan")


@dataclass(frozen=True)
class Side:
    """One side of the trades; fractions, per year. NaN where the estimates, the ratings or the value lack.

    value                base currency, cash included
    max_drawdown         deepest fall of these weights over the estimates' scenarios, negative
    tracking_error       ex ante against the benchmark, else the weights before
    quality              average rating of what is rated, by weight
    concentration_top10  share of the ten largest in what is invested
    notional             sum of |exposure|, without funds of |weight|
    exposures            of every type that either side lists, and their parents, which include what is below them
    """

    value: Decimal
    cash: float
    expected_return: float
    volatility: float
    sharpe: float
    max_drawdown: float
    tracking_error: float
    quality: float
    concentration_top10: float
    notional: float
    exposures: Mapping[ExposureType, float] = field(default_factory=dict)


NUMBERS = (
    "cash",
    "expected_return",
    "volatility",
    "sharpe",
    "max_drawdown",
    "tracking_error",
    "quality",
    "concentration_top10",
    "notional",
)


NEED_ESTIMATES = ("expected_return", "volatility", "sharpe", "max_drawdown", "tracking_error")


@dataclass(frozen=True)
class Impact:
    """Both sides; value after = value before - costs, since trades alone create nothing.

    >>> impact({'BONDS': 1.0}, {'EQUITY': 1.0}, Decimal(1000), Decimal(5), estimates, policy, universe).costs
    Decimal('5')
    """

    current: Side
    post: Side
    costs: Decimal

    @property
    def value_delta(self) -> Decimal:
        """Value after less value before."""
        return self.post.value - self.current.value

    def without_risk(self) -> "Impact":
        """The same with NaN for all that needs estimates of risk and return."""
        unknown: dict[str, Any] = dict.fromkeys(NEED_ESTIMATES, NAN)
        return replace(self, current=replace(self.current, **unknown), post=replace(self.post, **unknown))

    def delta(self) -> dict[str, float]:
        """After less before of every number, by its name."""
        return {name: getattr(self.post, name) - getattr(self.current, name) for name in NUMBERS}


@typed
def impact(
    before: Mapping[str, float],
    after: Mapping[str, float],
    value: Decimal,
    costs: Decimal,
    estimates: Estimates,
    policy: Policy,
    universe: Universe,
    ratings: Mapping[str, float] | None = None,
) -> Impact:
    """The impact of going from weights to weights.

    before, after  symbol -> fraction of the NAV on that side
    value, costs   NAV before the trades, and what they cost, in the base currency
    estimates      of every name on either side

    >>> found = impact({'BONDS': 1.0}, {'EQUITY': 1.0}, Decimal(1000), Decimal(5), estimates, policy, universe)
    >>> found.delta()['volatility'] > 0
    True
    """
    reference = before if universe.benchmark is None else universe.benchmark
    listed = universe.funds.types(sorted({*before, *after})) if universe.funds else ()
    kinds = in_order(kind for own in listed for kind in (own, *own.parents))
    notional = None if universe.funds is None else universe.funds.notional(estimates.symbols)
    told = _Context(estimates, policy, universe, ratings or {}, reference, kinds, notional)
    return Impact(told.side(before, value), told.side(after, value - costs), costs)


@dataclass(frozen=True)
class _Context:
    estimates: Estimates
    policy: Policy
    universe: Universe
    ratings: Mapping[str, float]
    reference: Mapping[str, float]
    kinds: tuple[ExposureType, ...]  # the same on both sides, each with its parents
    notional: Array | None  # (n,) per unit of weight

    def side(self, weights: Mapping[str, float], value: Decimal) -> Side:
        est, rate = self.estimates, self.policy.risk_free_rate or 0.0
        w = aligned(weights, est.symbols, "the portfolio")
        sane = np.abs(w).max(initial=0.0) <= ABSURD_WEIGHT
        risk = (uncounted(volatility) if sane else volatility)(w, est.risk)  # which says what is no number
        cash = 1 - float(w.sum()) if value else 0.0
        earned = NAN if est.mean is None else uncounted(expected_return)(w, est.mean, rate)
        away = w - aligned(self.reference, est.symbols, "the benchmark")
        funds = self.universe.funds
        held = {symbol: weight for symbol, weight in weights.items() if weight}
        return Side(
            value=value,
            cash=cash,
            expected_return=earned,
            volatility=risk,
            sharpe=(earned - rate) / risk if risk > 0 else NAN,
            max_drawdown=NAN if est.scenarios is None else _deepest(est.scenarios @ w),
            tracking_error=uncounted(volatility)(away, est.risk),
            quality=_quality(held, self.ratings),
            concentration_top10=_top10(held),
            notional=float(np.abs(w).sum() if self.notional is None else np.abs(w) @ self.notional),
            exposures={} if funds is None else self._exposures(funds, held),
        )

    def _exposures(self, funds: FundExposureMap, held: Mapping[str, float]) -> dict[ExposureType, float]:
        amounts = funds.matrix(held, self.kinds) @ np.array(list(held.values()), dtype=float)
        return dict(zip(self.kinds, amounts.tolist(), strict=True))


def _deepest(moves: Array) -> float:
    """The depth of the deepest fall; what may be no return, or too large to compound, is looked at before."""
    plain = len(moves) > 0 and moves.min() >= -1.0 and moves.max() < 1.0
    return (uncounted(max_drawdown) if plain else max_drawdown)(moves).depth


def _quality(held: Mapping[str, float], ratings: Mapping[str, float]) -> float:
    rated = {symbol: abs(weight) for symbol, weight in held.items() if symbol in ratings}
    total = sum(rated.values())
    return sum(weight * ratings[symbol] for symbol, weight in rated.items()) / total if total else NAN


def _top10(held: Mapping[str, float]) -> float:
    sizes = sorted((abs(weight) for weight in held.values()), reverse=True)
    return sum(sizes[:10]) / sum(sizes) if sizes else 0.0
