"""Why no choice of names keeps the limits, and by how much least positions, numbers and bands must give way.

One mixed-integer program: each of these limits has a slack, and the least slack is what must give way. Ellipsoidal ones
are held from outside by tangents (Kelley 1960).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import Conflict, InfeasibleError
from optimizer.model.policy import Policy
from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.convex_limits import INF, Limits, Norm, Polyhedron, outer
from optimizer.numerics.lp import solve_mixed
from optimizer.numerics.qp import solve_qp
from optimizer.problem.feasible_set import FeasibleSet
from optimizer.solvers.audit import RADIUS
from optimizer.solvers.conflicts import ROOMY, tightened
from optimizer.solvers.elastic import widened
from optimizer.typing import Array

CUTS = 60
WORK, LEAST_NODES = 40_000, 100  # nodes x names, so that large books are told what is found soon
NOTHING, ROOM = 1e-7, 1e-6


def impossible(
    feasible: FeasibleSet, policy: Policy, held: Array | None, must: NDArray[np.bool_]
) -> InfeasibleError:
    """The error that names the limits on names, and what each must give so that some choice keeps all others.

    held  (n,) weights now;  must  (n,) names that the goal holds whatever else
    """
    bounds = _bounds(policy)
    program = _program(feasible, policy, held, must)
    alone = {name: program.least({name: 1.0}) for name in bounds}
    ways: list[tuple[Conflict, ...]] = [
        (_conflict(name, bounds[name], found[name]),) for name, found in alone.items() if found is not None
    ]
    if not ways:
        shares = program.least({name: 1.0 / bound for name, bound in bounds.items()})
        given = {name: amount for name, amount in (shares or {}).items() if amount > NOTHING}
        ways = [tuple(_conflict(name, bounds[name], amount, enough=False) for name, amount in given.items())]
    conflicts = tuple(conflict for way in ways for conflict in way)
    joined = "; ".join(map(str, conflicts))
    told = f"relax one of: {joined}" if conflicts and conflicts[0].enough else f"relax together: {joined}"
    message = f"no choice of names keeps {_said(feasible, policy)} with the other limits; "
    message += f"{told}; or relax" if conflicts else "relax"
    return InfeasibleError(f"{message} the caps, turnover or cash_max", conflicts, tuple(filter(None, ways)))


def possible(feasible: FeasibleSet, policy: Policy, held: Array | None, must: NDArray[np.bool_]) -> bool:
    """Whether a choice of names is found that keeps all limits; held, must  as in `impossible`."""
    return _program(feasible, policy, held, must).least({}) is not None


def _program(
    feasible: FeasibleSet, policy: Policy, held: Array | None, must: NDArray[np.bool_]
) -> "NameProgram":
    """With a little less room than the limits leave, so that a choice of names is one for the solver too."""
    return NameProgram(replace(feasible, limits=tightened(feasible.limits, 2 * ROOMY)), policy, held, must)


def with_names(
    error: InfeasibleError, limits: Limits, policy: Policy, held: Array | None, must: NDArray[np.bool_]
) -> InfeasibleError:
    """A conflict of other limits with the ways out of it that leave a choice of names, or what names must give too.

    limits  those in conflict;  held, must  as in `impossible`
    """
    found = [(way, _besides(way, limits, policy, held, must)) for way in error.ways]
    whole = tuple(way for way, more in found if more == ())
    if whole == error.ways:
        return error
    together = tuple(
        (*(replace(conflict, enough=False) for conflict in way), *more) for way, more in found if more
    )
    alone = {way[0].limit for way in whole if len(way) == 1}
    conflicts = tuple(replace(one, enough=one.enough and one.limit in alone) for one in error.conflicts)
    return InfeasibleError.of(conflicts, whole or together)


def _besides(
    way: tuple[Conflict, ...], limits: Limits, policy: Policy, held: Array | None, must: NDArray[np.bool_]
) -> tuple[Conflict, ...] | None:
    """What limits on names must give beside a way out: least of its bound by one of them, else all; None: not known."""
    wide = widened(limits.revealed(), {conflict.limit: conflict.stated for conflict in way})
    program = _program(FeasibleSet(wide), policy, held, must)
    if program.least({}) is not None:
        return ()
    bounds = _bounds(policy)
    alone = {name: program.least({name: 1.0}) for name in bounds}
    given = {name: amounts[name] for name, amounts in alone.items() if amounts}
    if given:
        name = min(given, key=lambda one: given[one] / bounds[one])
        return (_conflict(name, bounds[name], given[name], enough=False),)
    shares = program.least({name: 1.0 / bound for name, bound in bounds.items()}) or {}
    needed = {name: amount for name, amount in shares.items() if amount > NOTHING}
    return (
        tuple(_conflict(name, bounds[name], amount, enough=False) for name, amount in needed.items()) or None
    )


def _bounds(policy: Policy) -> dict[str, float]:
    own = {
        "min_position": policy.min_position, "max_holdings": policy.max_holdings,
        "no_trade_band": policy.no_trade_band, "large_holdings": (policy.large_holdings or (0, 0))[1],
    }  # fmt: skip
    return {name: float(bound) for name, bound in own.items() if bound}


def _conflict(name: str, bound: float, amount: float, *, enough: bool = True) -> Conflict:
    whole = name == "max_holdings"
    return Conflict(name, bound, float(np.rint(amount)) if whole else amount, enough, 0.0 if whole else ROOM)


def _said(feasible: FeasibleSet, policy: Policy) -> str:
    """The limits on names, in words."""
    said = []
    if policy.max_holdings is not None:
        limits = feasible.limits
        invest = -limits.linear[0].high + limits.linear[0].offset
        reach = np.cumsum(np.sort(np.clip(limits.upper, 0.0, 1e6))[::-1])
        enough = int(np.searchsorted(reach, invest - 1e-9)) + 1
        note = f" (the caps need at least {enough} names)" if enough > policy.max_holdings else ""
        said.append(f"max_holdings {policy.max_holdings}{note}")
    if policy.min_position:
        said.append(f"min_position {100 * policy.min_position:g}%")
    if policy.large_holdings is not None:
        threshold, most = policy.large_holdings
        said.append(f"large_holdings above {100 * threshold:g}% within {100 * most:g}%")
    if policy.no_trade_band:
        said.append(f"no_trade_band {100 * policy.no_trade_band:g}%")
    return " and ".join(said)


@dataclass(frozen=True, eq=False)
class NameProgram:
    """Weights, what they are chosen to be, and a slack for each limit on names.

    Columns: those of the feasible set, then of each name whether it is long (0), short (1), bought (2), sold (3),
    closed (4), large (5), and what is bought (6), sold (7), large (8) of it; the slacks of SLACKS come last.
    """

    feasible: FeasibleSet
    policy: Policy
    held: Array | None
    must: NDArray[np.bool_]

    SLACKS = ("min_position", "max_holdings", "no_trade_band", "large_holdings")

    def least(self, prices: Mapping[str, float]) -> dict[str, float] | None:
        """By how much the limits with a price give way, the others none, at the least total; None where that is not
        found."""
        space, n = self.space, len(self.must)
        first = len(space.floor) - len(self.SLACKS)
        cost, ceiling = np.zeros(len(space.floor)), space.ceiling.copy()
        for place, name in enumerate(self.SLACKS, first):
            cost[place] = prices.get(name, 0.0)
            ceiling[place] = ceiling[place] if name in prices else 0.0
        space = replace(space, ceiling=ceiling)
        for _ in range(CUTS):
            try:
                x = solve_mixed(cost, space, self.whole, 0.0, max(WORK // n, LEAST_NODES)).x
            except NoAnswerError:
                return None
            if x is None:
                return None
            given = {name: float(x[place]) for place, name in enumerate(self.SLACKS, first) if name in prices}
            calm = self._calmed(space, x)
            if calm is None:
                return given
            space = outer(outer(space, self._broken(x), x[:n]), self._broken(calm), calm[:n])
        return None

    def _broken(self, x: Array) -> tuple[Norm, ...]:
        """The ellipsoidal limits that columns (p,) break."""
        w = x[: len(self.must)]
        return tuple(
            norm
            for norm in self.feasible.limits.norms
            if norm.violation(w) > NOTHING * max(norm.bound, NOTHING)
        )

    def _calmed(self, space: Polyhedron, x: Array) -> Array | None:
        """The columns (p,) of the same choice of names and slacks that break a limit least; their tangent rules
        out all of that choice. None where x, or these, break none.
        """
        fixed = self.whole.copy()
        fixed[-len(self.SLACKS) :] = True
        at = np.where(self.whole, np.rint(x), x)
        floor, ceiling = np.where(fixed, at, space.floor), np.where(fixed, at, space.ceiling)
        n = len(self.must)
        for norm in self._broken(x):
            P, q = np.zeros((len(x), len(x))), np.zeros(len(x))
            P[:n, :n], q[:n] = norm.covariance, -norm.covariance @ norm.center
            try:
                x = solve_qp(P, q, replace(space, floor=floor, ceiling=ceiling)).x
            except NoAnswerError:
                return x
            if norm.violation(x[:n]) > 0:
                return x
        return x if self._broken(x) else None

    def _own(self, kind: int) -> NDArray[np.intp]:
        n = len(self.must)
        return len(self.feasible.space.floor) + kind * n + np.arange(n)

    @cached_property
    def whole(self) -> NDArray[np.bool_]:
        """(p,) which columns are whole numbers."""
        found = np.zeros(len(self.space.floor), dtype=bool)
        for kind in range(6):
            found[self._own(kind)] = True
        found[-3] = True
        return found

    @cached_property
    def space(self) -> Polyhedron:
        """All rows and bounds."""
        base, n, policy = self.feasible.space, len(self.must), self.policy
        width = len(base.floor) + 9 * n + len(self.SLACKS)
        floor, ceiling = np.zeros(width), np.full(width, INF)
        floor[: len(base.floor)], ceiling[: len(base.floor)] = base.floor, base.ceiling
        for kind in range(6):
            ceiling[self._own(kind)] = 1.0
        ceiling[-4:] = (policy.min_position or 0.0, n, policy.no_trade_band or 0.0, RADIUS)
        blocks = [*self._positions(), *self._band(), *self._large()]
        rows = np.vstack([np.zeros((0, width)), *(rows for rows, _, _ in blocks)])
        return Polyhedron(
            np.vstack([np.pad(base.rows, ((0, 0), (0, width - len(base.floor)))), rows]),
            np.concatenate([base.low, *(low for _, low, _ in blocks)]),
            np.concatenate([base.high, *(high for _, _, high in blocks)]),
            floor,
            ceiling,
            np.ones(len(base.rows) + len(rows)),
        )

    @property
    def _ends(self) -> tuple[Array, Array]:
        """(n,) the most that each name is long, and short."""
        space, n = self.feasible.space, len(self.must)
        return np.clip(space.ceiling[:n], 0.0, RADIUS), np.clip(-space.floor[:n], 0.0, RADIUS)

    def _positions(self) -> list[tuple[Array, Array, Array]]:
        """A name is long, short or at nothing; as many as may be, each of the least size."""
        policy, (long, short) = self.policy, self._ends
        least, n = policy.min_position or 0.0, len(self.must)
        if not least and policy.max_holdings is None:
            return []
        never, ever = np.full(n, -INF), np.full(n, INF)
        found = [
            (self._rows({-1: 1.0, 0: -long}), never, np.zeros(n)),
            (self._rows({-1: 1.0, 1: short}), np.zeros(n), ever),
            (self._rows({0: 1.0, 1: 1.0}), self.must.astype(float), np.ones(n)),
            (self._rows({-1: 1.0, 0: -least, 1: short}, slack=0), np.zeros(n), ever),
            (self._rows({-1: -1.0, 1: -least, 0: long}, slack=0), np.zeros(n), ever),
        ]
        if policy.max_holdings is not None:
            count = self._rows({0: 1.0, 1: 1.0}).sum(axis=0, keepdims=True)
            count[0, -3] = -1.0
            found.append((count, np.array([-INF]), np.array([float(policy.max_holdings)])))
        return found

    def _band(self) -> list[tuple[Array, Array, Array]]:
        """A name keeps its weight, is closed, or changes by the band."""
        band, held, n = self.policy.no_trade_band or 0.0, self.held, len(self.must)
        if not band or held is None:
            return []
        long, short = self._ends
        up, down = long + np.abs(held), short + np.abs(held)
        never, ever, nothing = np.full(n, -INF), np.full(n, INF), np.zeros(n)
        return [
            (self._rows({-1: 1.0, 6: -1.0, 7: 1.0}), held, held),
            (self._rows({6: 1.0, 2: -up}), never, nothing),
            (self._rows({7: 1.0, 3: -down}), never, nothing),
            (self._rows({2: 1.0, 3: 1.0}), never, np.ones(n)),
            (self._rows({6: 1.0, 2: -band, 4: band}, slack=2), nothing, ever),
            (self._rows({7: 1.0, 3: -band, 4: band}, slack=2), nothing, ever),
            (self._rows({-1: 1.0, 4: long}), never, long),
            (self._rows({-1: 1.0, 4: -short}), -short, ever),
        ]

    def _large(self) -> list[tuple[Array, Array, Array]]:
        """Weights above the threshold are large, and these together no more than the most."""
        if self.policy.large_holdings is None:
            return []
        (threshold, most), (long, _), n = self.policy.large_holdings, self._ends, len(self.must)
        total = self._rows({8: 1.0}).sum(axis=0, keepdims=True)
        total[0, -1] = -1.0
        never, ever = np.full(n, -INF), np.full(n, INF)
        return [
            (self._rows({-1: 1.0, 5: -long}), never, np.full(n, threshold)),
            (self._rows({8: 1.0, -1: -1.0, 5: -long}), -long, ever),
            (total, np.array([-INF]), np.array([most])),
        ]

    def _rows(self, terms: "Mapping[int, float | Array]", slack: int | None = None) -> Array:
        """(n, p) a row a name: kind of column (-1: the weight) -> what it counts; with one of the slacks or none."""
        n = len(self.must)
        found = np.zeros((n, len(self.feasible.space.floor) + 9 * n + len(self.SLACKS)))
        for kind, factor in terms.items():
            found[np.arange(n), np.arange(n) if kind < 0 else self._own(kind)] = factor
        if slack is not None:
            found[:, slack - len(self.SLACKS)] = 1.0
        return found
