"""Choices of names as one mixed-integer program, with a slack for each limit on names.

Ellipsoidal limits are held from outside by tangents (Kelley 1960; Duran & Grossmann 1986).
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import SolverError, how_many
from optimizer.model.policy import Policy
from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.convex_limits import INF, Norm
from optimizer.numerics.lp import Mixed, solve_mixed
from optimizer.numerics.polyhedra import Polyhedron, outer
from optimizer.numerics.qp import solve_qp
from optimizer.problem.feasible_set import FeasibleSet
from optimizer.solvers.audit import RADIUS
from optimizer.solvers.conflicts import ROOMY, tightened
from optimizer.solvers.elastic import least_slack
from optimizer.solvers.names.program_work import ProgramWork
from optimizer.typing import Array

CUTS = 60
WORK, LEAST_NODES = 40_000, 100  # nodes x names, so that large books are told what is found soon
NOTHING, CLOSED = 1e-7, 1e-7


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

    @classmethod
    def roomy(
        cls, feasible: FeasibleSet, policy: Policy, held: Array | None, must: NDArray[np.bool_]
    ) -> "NameProgram":
        """With a little less room than the limits leave, so that a choice of names is one for the solver too."""
        return cls(replace(feasible, limits=tightened(feasible.limits, 2 * ROOMY)), policy, held, must)

    def least(self, prices: Mapping[str, float], work: ProgramWork) -> dict[str, float] | None:
        """By how much the limits with a price give way, the others none, at the least total; None where that is not
        found, be it for lack of work."""
        try:
            x = self._least(prices, work)
        except NoAnswerError:
            return None
        slacks = enumerate(self.SLACKS, -len(self.SLACKS))
        return None if x is None else {name: float(x[place]) for place, name in slacks if name in prices}

    def some_choice(self, work: ProgramWork) -> Array | None:
        """(n,) weights, good or not, whose choice of names keeps all limits; None where none is found.

        Raises NoAnswerError where there is none.
        """
        x = self._least({}, work)
        return None if x is None else x[: len(self.must)]

    def _least(self, prices: Mapping[str, float], work: ProgramWork) -> Array | None:
        n = len(self.must)
        cost = np.zeros(len(self.space.floor))
        for place, name in enumerate(self.SLACKS, -len(self.SLACKS)):
            cost[place] = prices.get(name, 0.0)
        space = self._giving(prices)
        for _ in range(CUTS):
            if work.left <= 0:
                work.short = f"{how_many(work.allowed, 'iteration')} of the simplex method"
                return None
            try:
                mixed = self._mixed(cost, space)
            except NoAnswerError as stop:
                work.left -= stop.iterations
                raise
            work.left -= mixed.iterations
            x = mixed.x
            if x is None:
                work.short = how_many(self._nodes, "node")
                return None
            calm = self._calmed(space, x)
            if calm is None:
                return x
            space = outer(outer(space, self._broken(x), x[:n]), self._broken(calm), calm[:n])
        work.short = how_many(CUTS, "program")
        return None

    def cheapest(self, price: Array, work: ProgramWork) -> tuple[Array, float]:
        """Columns (p,) of a choice of names at the least price'x, and what no choice goes below; all limits on names
        hold.

        price  (k,) of the first columns. Raises NoAnswerError where no choice keeps the limits, SolverError where none
        is found, be it for lack of work.
        """
        n, norms = len(self.must), self.feasible.limits.norms
        firm = space = self._giving({})
        cost = np.pad(price, (0, len(firm.floor) - len(price)))
        found, bound = None, -INF
        for _ in range(CUTS):
            if work.left <= 0:
                work.short = f"{how_many(work.allowed, 'iteration')} of the simplex method"
                break
            try:
                mixed = self._mixed(cost, space)
            except NoAnswerError as stop:
                work.left -= stop.iterations
                if found is None:
                    raise
                return found, float(cost @ found)  # the tangents leave no other choice
            work.left -= mixed.iterations
            bound = max(bound, mixed.bound)
            if mixed.x is None:
                break
            try:
                x = least_slack(self._fixed(firm, mixed.x), cost, norms).x
            except NoAnswerError:
                calm = self._calmed(firm, mixed.x)
                if calm is None:
                    raise
                space = outer(outer(space, self._broken(mixed.x), mixed.x[:n]), self._broken(calm), calm[:n])
                continue
            found = x if found is None or cost @ x < cost @ found else found
            if not norms or cost @ found - bound <= CLOSED * max(1.0, float(cost @ found)):
                break
            space = outer(outer(space, norms, x[:n]), self._broken(mixed.x), mixed.x[:n])
        if found is None:
            ended = work.short or how_many(self._nodes, "node")
            raise SolverError(
                f"no choice of names was found in {ended}, and none is ruled out; raise max_holdings, lower "
                f"min_position, or leave names out by asset_limits (0, 0)"
            )
        return found, bound

    def _giving(self, names: Container[str]) -> Polyhedron:
        """The space in which these limits on names may give way, the others not."""
        ceiling = self.space.ceiling.copy()
        for place, name in enumerate(self.SLACKS, len(ceiling) - len(self.SLACKS)):
            ceiling[place] = ceiling[place] if name in names else 0.0
        return replace(self.space, ceiling=ceiling)

    def _mixed(self, cost: Array, space: Polyhedron) -> Mixed:
        return solve_mixed(cost, space, self.whole, 0.0, self._nodes)

    @property
    def _nodes(self) -> int:
        return max(WORK // len(self.must), LEAST_NODES)

    def _fixed(self, space: Polyhedron, x: Array, also: slice = slice(0)) -> Polyhedron:
        """The space with the choice of names of columns (p,), and with others of them, as they are."""
        fixed = self.whole.copy()
        fixed[also] = True
        at = np.where(self.whole, np.rint(x), x)
        return replace(
            space, floor=np.where(fixed, at, space.floor), ceiling=np.where(fixed, at, space.ceiling)
        )

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
        fixed, n = self._fixed(space, x, slice(-len(self.SLACKS), None)), len(self.must)
        for norm in self._broken(x):
            P, q = np.zeros((len(x), len(x))), np.zeros(len(x))
            P[:n, :n], q[:n] = norm.covariance, -norm.covariance @ norm.center
            try:
                x = solve_qp(P, q, fixed).x
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
