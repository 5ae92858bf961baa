"""Limits as values: convex functions of the weights with bounds, written once for every solver and the audit.

Four kinds are enough: affine (sector, exposure, cash), weighted absolute distance (turnover, notional), ellipsoidal
distance (volatility, tracking error) and the sum of the largest sizes (concentration). Each stays true when weights and
bounds are multiplied by the same scale, so one set of limits serves utility, ratio and risk-budget problems.
Shares of the variance are a fifth kind, not convex: solvers see convex parts of them, the audit the shares themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from optimizer.numerics.shares.risk_share import Share
from optimizer.typing import Array

INF = np.inf
LONG_ONLY = "long_only"


@dataclass(frozen=True)
class Linear:
    """low <= offset + row @ w <= high, in the limit's own unit.

    names   what the lower and the upper side are called; groups: what must be relaxed together, else the names
    row     (n,)
    """

    names: tuple[str, str]
    row: Array
    low: float = -INF
    high: float = INF
    offset: float = 0.0
    groups: tuple[str, str] | None = None

    def value(self, w: Array) -> float:
        """offset + row @ w."""
        return self.offset + float(self.row @ w)

    def violation(self, w: Array) -> float:
        """By how much the value leaves [low, high]; 0 inside."""
        value = self.value(w)
        return max(self.low - value, value - self.high, 0.0)


@dataclass(frozen=True)
class Absolute:
    """sum of coefficients x |w - center| + row @ w <= bound (turnover, gross notional, margin).

    coefficients  (n,) >= 0;  center  (n,) weights;  row  (n,) for sides that count differently; None: they do not
    """

    name: str
    coefficients: Array
    center: Array
    bound: float
    row: Array | None = None

    @property
    def steepest(self) -> Array:
        """(n,) the most that the value changes per unit of each weight."""
        return self.coefficients if self.row is None else self.coefficients + np.abs(self.row)

    def value(self, w: Array) -> float:
        """The weighted distance."""
        tilt = 0.0 if self.row is None else float(self.row @ w)
        return float(self.coefficients @ np.abs(w - self.center)) + tilt

    def after(self, w: Array, move: Array) -> Array:
        """(c, n) the value when one weight of w (n,) changes by a move (c, n)."""
        away = w - self.center
        tilt = 0.0 if self.row is None else self.row * move
        return np.asarray(self.value(w) + self.coefficients * (np.abs(away + move) - np.abs(away)) + tilt)

    def violation(self, w: Array) -> float:
        """By how much the value exceeds the bound; 0 inside."""
        return max(self.value(w) - self.bound, 0.0)


@dataclass(frozen=True)
class Largest:
    """The sum of the `count` largest |w| <= bound."""

    name: str
    count: int
    bound: float

    def value(self, w: Array) -> float:
        """The sum."""
        return float(np.sort(np.abs(w))[::-1][: self.count].sum())

    def after(self, w: Array, move: Array) -> Array:
        """(c, n) the value when one weight of w (n,) changes by a move (c, n)."""
        sizes = np.append(np.abs(w), 0.0)
        order = np.argsort(-sizes, kind="stable")
        place = np.argsort(order)[: len(w)]
        sums = np.concatenate([[0.0], np.cumsum(sizes[order])])
        most = min(self.count, len(w))
        # The sums of the largest, and of one fewer, among the others.
        among = np.where(place < most, sums[min(most + 1, len(w))] - sizes[:-1], sums[most])
        fewer = np.where(place < most - 1, sums[most] - sizes[:-1], sums[most - 1])
        return np.asarray(np.maximum(among, fewer + np.abs(w + move)))

    def violation(self, w: Array) -> float:
        """By how much the value exceeds the bound; 0 inside."""
        return max(self.value(w) - self.bound, 0.0)


@dataclass(frozen=True)
class Norm:
    """sqrt((w - center)' covariance (w - center)) <= bound (volatility, tracking error), per year.

    covariance  (n, n);  center  (n,) weights
    """

    name: str
    covariance: Array
    center: Array
    bound: float

    def value(self, w: Array) -> float:
        """The distance."""
        away = w - self.center
        return float(np.sqrt(max(float(away @ self.covariance @ away), 0.0)))

    def violation(self, w: Array) -> float:
        """By how much the value exceeds the bound; 0 inside."""
        return max(self.value(w) - self.bound, 0.0)

    def tangent(self, w: Array) -> Linear:
        """The half-space that contains all that the limit allows and touches it at w (convexity)."""
        value = self.value(w)
        away = w - self.center
        slope = self.covariance @ away / value if value > 0 else np.zeros_like(w)
        return Linear((self.name, self.name), slope, high=self.bound, offset=value - float(slope @ w))

    def halfspace(self, normal: Array) -> Linear:
        """One that contains all that the limit allows: normal = F u, |u| = 1, F F' = covariance (Cauchy, Schwarz)."""
        return Linear((self.name, self.name), normal, high=self.bound, offset=-float(normal @ self.center))


class Hidden(NamedTuple):
    """A bound of the weight at a place that a tighter one of the same side hides; item: the policy item behind it."""

    place: int
    item: str
    low: float = -INF
    high: float = INF


@dataclass(frozen=True)
class Limits:
    """Every limit on one portfolio.

    lower, upper  (n,) bounds of each weight, infinite where there is none
    lower_groups  the policy item behind each lower bound ("long_only", "min_weight"); likewise upper_groups
    floor         where a lower bound ends that gives way: 0 in a long-only book
    shares        of the variance: audited; solvers read them by the convex parts among `norms`
    behind        bounds that a tighter one of the same weight hides: they count once that gives way (`revealed`)
    trades        policy item on the trade of one name -> the most of that trade, which its bound is held +- of
    """

    symbols: tuple[str, ...]
    lower: Array
    upper: Array
    lower_groups: tuple[str, ...]
    upper_groups: tuple[str, ...]
    linear: tuple[Linear, ...] = ()
    absolute: tuple[Absolute, ...] = ()
    norms: tuple[Norm, ...] = ()
    largest: tuple[Largest, ...] = ()
    floor: float = -INF
    shares: tuple[Share, ...] = ()
    trades: Mapping[str, float] = field(default_factory=dict)
    behind: tuple[Hidden, ...] = ()

    @property
    def raised(self) -> tuple[Absolute | Largest, ...]:
        """The limits whose rows need columns of their own, in the order of a polyhedron's `bounds`."""
        return (*self.absolute, *self.largest)

    @property
    def wide(self) -> bool:
        """Whether some limit needs columns beside the weights even where proofs are read."""
        return bool(self.largest) or any(limit.row is not None for limit in self.absolute)

    def with_norms(self, norms: tuple[Norm, ...]) -> "Limits":
        """The same limits and more ellipsoidal ones."""
        return replace(self, norms=self.norms + norms) if norms else self

    def without(self, *items: str) -> "Limits":
        """The same limits less some policy items."""
        gone = frozenset(items)
        return replace(
            self,
            lower=_opened(self.lower, self.lower_groups, gone, self.floors),
            upper=_opened(self.upper, self.upper_groups, gone, INF),
            linear=tuple(_drop_sides(limit, gone) for limit in self.linear),
            behind=tuple(bound for bound in self.behind if bound.item not in gone),
            absolute=tuple(limit for limit in self.absolute if limit.name not in gone),
            norms=tuple(limit for limit in self.norms if limit.name not in gone),
            largest=tuple(limit for limit in self.largest if limit.name not in gone),
        )

    def revealed(self) -> "Limits":
        """The same with every bound that another hides."""
        unit = np.eye(len(self.symbols)) if self.behind else np.zeros((0, 0))
        hidden = (Linear((at.item, at.item), unit[at.place], at.low, at.high) for at in self.behind)
        return replace(self, linear=(*self.linear, *hidden), behind=())

    @property
    def floors(self) -> Array:
        """(n,) the lower bounds once the policy items behind them are gone."""
        return np.where([group == LONG_ONLY for group in self.lower_groups], -INF, self.floor)

    def violation(self, w: Array) -> float:
        """The largest violation of any limit at w, in the limits' own units."""
        worst = max(float((self.lower - w).max()), float((w - self.upper).max()), 0.0)
        every: list[Linear | Absolute | Largest | Norm | Share] = [
            *self.linear, *self.raised, *self.norms, *self.shares,
        ]  # fmt: skip
        return max([worst, *(limit.violation(w) for limit in every)])


def _opened(bounds: Array, groups: tuple[str, ...], gone: frozenset[str], ends: Array | float) -> Array:
    return bounds if gone.isdisjoint(groups) else np.where([g in gone for g in groups], ends, bounds)


def _drop_sides(limit: Linear, gone: frozenset[str]) -> Linear:
    low, high = (group in gone for group in limit.groups or limit.names)
    if not (low or high):
        return limit
    return replace(limit, low=-INF if low else limit.low, high=INF if high else limit.high)


def scale_range(limits: Limits, w: Array) -> tuple[float, float]:
    """The least and the greatest factor f, 0 <= f, with f w inside the limits; w (n,) is inside."""
    low, high = 0.0, INF
    pairs = [
        *zip(w, limits.lower, limits.upper, strict=True),
        *((limit.row @ w, limit.low - limit.offset, limit.high - limit.offset) for limit in limits.linear),
    ]
    for amount, least, most in pairs:
        if amount < 0:
            amount, least, most = -amount, -most, -least
        if amount > 0:
            low, high = max(low, least / amount), min(high, most / amount)
    curved: tuple[Absolute | Largest | Norm, ...] = (*limits.raised, *limits.norms)
    return (_reach(curved, w, min(low, 1.0)), _reach(curved, w, max(high, 1.0)))


def _reach(curved: tuple[Absolute | Largest | Norm, ...], w: Array, end: float) -> float:
    """The factor nearest to `end`, on the way there from 1, that convex limits still allow (bisection)."""
    if all(limit.violation(end * w) <= 0 for limit in curved):
        return end
    inside, outside = 1.0, min(end, 1e6)
    for _ in range(100):
        middle = 0.5 * (inside + outside)
        if all(limit.violation(middle * w) <= 0 for limit in curved):
            inside = middle
        else:
            outside = middle
    return inside
