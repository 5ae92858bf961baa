"""Where each weight may be: intervals, for least positions, the no-trade band and large holdings."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from optimizer.numerics.convex_limits import INF, Absolute, Largest, Limits, Linear
from optimizer.numerics.polyhedra import Polyhedron
from optimizer.problem.feasible_set import FeasibleSet
from optimizer.typing import Array

Index = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

NOTHING = 1e-8
CLOSE = 1e-8
UNHELD, LEAST = "unheld", "min_position"
EDGE = 1e-12  # two intervals that touch: the wider one


@dataclass(frozen=True, eq=False)
class Pieces:
    """For each of n names its intervals, in ascending order; unused places repeat the last one.

    low, high  (n, k) of the intervals;  count  (n,) how many;  empty  (n,) the place of the interval [0, 0], -1
    where a name has none of its own
    rule  (threshold, the most that holdings above it are together), None without; intervals end at the threshold
    least  of a weight that is not 0, in size
    """

    low: Array
    high: Array
    count: Index
    empty: Index
    rule: tuple[float, float] | None = None
    least: float = 0.0

    @property
    def first_large(self) -> Index:
        """(n,) the place of each name's first interval above the threshold; `count` where it has none."""
        if self.rule is None:
            return self.count
        place = np.arange(self.low.shape[1])
        small = (self.low < self.rule[0]) & (place < self.count[:, None])
        return np.asarray(small.sum(axis=1), dtype=np.intp)

    def held(self, start: Index, stop: Index) -> Mask:
        """(n,) True where the intervals from `start` to `stop` leave nothing but a holding."""
        return (start > self.empty) | (stop < self.empty)

    def first(self) -> Index:
        """(n,) zeros: the place of each name's lowest interval."""
        return np.zeros(len(self.count), dtype=np.intp)

    def bounds(self, start: Index, stop: Index) -> tuple[Array, Array]:
        """(n,) least and most of the intervals from `start` to `stop`, both included."""
        names = np.arange(len(start))
        return self.low[names, start], self.high[names, stop]

    def nearest(self, w: Array, start: Index, stop: Index) -> tuple[Index, Array]:
        """(n,) of the intervals from `start` to `stop` the one nearest to w, and how far it is."""
        away = np.maximum(np.maximum(self.low - w[:, None], w[:, None] - self.high), 0.0)
        place = np.arange(self.low.shape[1])
        allowed = (place >= start[:, None]) & (place <= stop[:, None])
        rank = np.where(allowed, away - EDGE * (self.high > self.low), INF)
        found = np.argmin(rank, axis=1)
        return found, away[np.arange(len(w)), found]


def pieces_of(
    feasible: FeasibleSet,
    least: float,
    counted: bool,
    held: Array | None,
    band: float,
    rule: tuple[float, float] | None = None,
) -> Pieces | None:
    """The intervals that the bounds of the feasible set leave each name; None where one has none.

    least    a weight is 0 or at least this in size;  counted: whether names are, so that 0 is an interval by itself
    held     (n,) weights now: with a band a name keeps its own, is closed, or moves by at least `band`
    rule     of large holdings, as in Pieces
    """
    n = len(feasible.limits.symbols)
    own = feasible.given
    floor, ceiling = (
        (feasible.limits.lower, feasible.limits.upper) if own is None else (own.floor[:n], own.ceiling[:n])
    )
    found = [
        _intervals(
            float(floor[i]), float(ceiling[i]), least, counted, None if held is None else held[i], band
        )
        for i in range(n)
    ]
    if rule is not None:
        found = [_parted(own, rule[0]) for own in found]
    if not all(found):
        return None
    most = max(map(len, found))
    table = np.array([[*own, *[own[-1]] * (most - len(own))] for own in found])
    empty = np.array([own.index((0.0, 0.0)) if (0.0, 0.0) in own else -1 for own in found])
    return Pieces(table[:, :, 0], table[:, :, 1], np.array([len(own) for own in found]), empty, rule, least)


def _parted(intervals: list[tuple[float, float]], edge: float) -> list[tuple[float, float]]:
    """The same with those that go over the edge in two."""
    parts = [
        part
        for low, high in intervals
        for part in ([(low, edge), (edge, high)] if low < edge < high else [(low, high)])
    ]
    return sorted(set(parts))


def _intervals(
    floor: float, ceiling: float, least: float, counted: bool, held: float | None, band: float
) -> list[tuple[float, float]]:
    """One name's, in ascending order."""
    if band and held is not None:
        parts = [(floor, held - band), (held, held), (held + band, ceiling)]
    else:
        parts = [(floor, ceiling)]
    apart = counted or least > 0
    if apart:
        above = [(max(low, least, 0.0), high) for low, high in parts]
        below = [(low, min(high, -least)) for low, high in parts if low < 0]
        parts = above + below
    parts = [(max(low, floor), min(high, ceiling)) for low, high in parts]
    parts = [(low, high) for low, high in parts if low <= high]
    if floor <= 0.0 <= ceiling and (apart or not any(low <= 0.0 <= high for low, high in parts)):
        parts.append((0.0, 0.0))
    return sorted(set(parts))


def narrowed(
    feasible: FeasibleSet, pieces: Pieces, start: Index, stop: Index, most: int | None = None
) -> FeasibleSet | None:
    """The feasible set with each name in its intervals from `start` to `stop`; None where that contradicts a bound.

    most  adds what every choice of so many names keeps: sum of |w| / bound <= most
    """
    limits = feasible.limits
    n = len(limits.symbols)
    low, high = pieces.bounds(start, stop)
    lower, upper = np.maximum(limits.lower, low), np.minimum(limits.upper, high)
    if (lower > upper).any():
        return None
    tight = replace(
        limits,
        lower=lower,
        upper=upper,
        lower_groups=_renamed(limits.lower_groups, lower > limits.lower, lower, pieces.least),
        upper_groups=_renamed(limits.upper_groups, upper < limits.upper, -upper, pieces.least),
    )
    if feasible.given is not None:
        floor, ceiling = feasible.given.floor.copy(), feasible.given.ceiling.copy()
        floor[:n], ceiling[:n] = np.maximum(floor[:n], low), np.minimum(ceiling[:n], high)
        if (floor > ceiling).any():
            return None
        given = replace(feasible.given, floor=floor, ceiling=ceiling)
        return replace(feasible, limits=tight, given=_with_large_row(given, pieces, start))
    if most is not None and most < n:
        tight = _with_fewest(tight, limits, most)
    if pieces.rule is not None:
        tight = _with_large(tight, pieces, start, exact=(start == stop).all())
    return FeasibleSet(tight)


def _with_fewest(tight: Limits, limits: Limits, most: int) -> Limits:
    """With what every choice of so many names keeps, by the bounds that the limits give all of them."""
    if (limits.lower < 0).any():
        reach = np.maximum(-limits.lower, limits.upper)
        if not ((reach > 0).all() and (reach < INF).all()):
            return tight
        size = Absolute("max_holdings", 1.0 / reach, np.zeros(len(reach)), float(most))
        return replace(tight, absolute=(*tight.absolute, size))
    budget = limits.linear[0]
    reach = np.minimum(limits.upper, max(budget.offset - budget.low, 0.0))
    if not ((reach > 0).all() and (reach < INF).all()):
        return tight
    cut = Linear(("-", "max_holdings"), 1.0 / reach, high=float(most))
    return replace(tight, linear=(*tight.linear, cut))


def _with_large(tight: Limits, pieces: Pieces, start: Index, *, exact: bool) -> Limits:
    """With the rule for names that are large whatever is chosen, and what every choice of large ones keeps.

    exact  whether all is chosen: the rule says everything then
    With l large holdings the k greatest weights are at most min(most, l x cap) + (k - l) x threshold.
    """
    threshold, most = pieces.rule or (INF, INF)
    sure = start >= pieces.first_large
    if sure.any():
        total = Linear(("-", "large_holdings"), sure.astype(float), high=most)
        tight = replace(tight, linear=(*tight.linear, total))
    cap = min(float(tight.upper.max()), most)
    fits = min(int(most / threshold + CLOSE), len(start))
    if exact or cap <= threshold or fits * cap <= most:
        return tight
    reach = max(min(most, large * cap) + (fits - large) * threshold for large in range(fits + 1))
    return replace(tight, largest=(*tight.largest, Largest("large_holdings", fits, reach)))


def _with_large_row(space: Polyhedron, pieces: Pieces, start: Index) -> Polyhedron:
    """The same of a space of rows: those that are large whatever is chosen are no more than the most."""
    sure = np.zeros(space.rows.shape[1])
    sure[: len(start)] = start >= pieces.first_large
    if pieces.rule is None or not sure.any():
        return space
    return replace(
        space,
        rows=np.vstack([space.rows, sure]),
        low=np.append(space.low, -INF),
        high=np.append(space.high, pieces.rule[1]),
        scale=np.append(space.scale, 1.0),
    )


def _renamed(groups: tuple[str, ...], where: Mask, sizes: Array, least: float) -> tuple[str, ...]:
    """What is behind each bound: the least position, or the choice of names, which is no limit with a price."""
    chosen = [LEAST if least and size == least else UNHELD for size in sizes.tolist()]
    return tuple(own if changed else group for group, changed, own in zip(groups, where, chosen, strict=True))


def held_below(w: Array, least: float) -> float | None:
    """The size of the smallest holding that is more than nothing and less than `least`; None without one."""
    size = np.abs(w)
    small = size[(size > NOTHING) & (size < least - CLOSE)]
    return float(small.min()) if len(small) else None


def large_sum(w: Array, threshold: float) -> float:
    """What holdings above the threshold are together."""
    return float(w[w > threshold + CLOSE].sum())


def moved_below(w: Array, held: Array, band: float) -> float | None:
    """The smallest change that is more than nothing and less than `band`, and closes nothing; None without one."""
    moved = np.abs(w - held)
    small = moved[(moved > NOTHING) & (moved < band - CLOSE) & (np.abs(w) > NOTHING)]
    return float(small.min()) if len(small) else None
