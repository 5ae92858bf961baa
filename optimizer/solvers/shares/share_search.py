"""Limits on shares of the variance: the best weights within convex parts of what they allow, and what none can beat.

The set is not convex. Around a portfolio that keeps the limits lies an ellipsoid of others that keep them; the best in
it is the next such portfolio (concave-convex procedure), until none around it is better. The audit then checks the
shares themselves, and that the answer is best in its own ellipsoid. A convex Lagrangian bounds what any portfolio can
reach (weak duality): where it meets the answer, that is proven to be the best of all.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from optimizer.errors import Conflict, DataError, InfeasibleError, PackfolioError, SolverError, how_many
from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.convex_limits import Limits
from optimizer.numerics.matrices import dense
from optimizer.numerics.shares.convex_part import ConvexPart, convex_part
from optimizer.numerics.shares.risk_share import NO_RISK, Share, Side
from optimizer.problem.feasible_set import FeasibleSet
from optimizer.problem.goals import Goal, Quadratic, Ratio, RiskBudget, Traded, sign
from optimizer.problem.tails.tail_goals import TailRatio
from optimizer.problem.weight_intervals import UNHELD
from optimizer.solvers.audit import GAP_TOLERANCE
from optimizer.solvers.shares.share_bound import bound_of
from optimizer.solvers.shares.share_work import SOLVES, ShareWork, Solver
from optimizer.solvers.solver_choice import Optimum, optimum
from optimizer.typing import Array

STEPS = 200
SETTLED = 1e-7  # relative change of the goal's value
PATIENCE = 12  # steps without progress: others may be broken on the way
STALLED = 1e-7  # of the variance: a step that brings the shares nearer by less brings them no nearer
UNPROVEN = 3  # answers of a goal that nothing could prove, of which the best is taken
PROVABLE = (Quadratic, Traded, Ratio, RiskBudget)
ALONE = 4  # names from which a search begins
ROOM = 1e-5  # of the variance, so that there is a choice
# The same as a message states it, for a search that knows nothing of the weights that were nearest.
CHOICE = 1e-4


@dataclass(frozen=True, eq=False)
class Within:
    """The best weights found under limits on shares, the set that proves it, and the goal's value no weights beat."""

    feasible: FeasibleSet
    best: Optimum
    bound: float


class UnreachedError(InfeasibleError):
    """No portfolio was found that keeps the limits on shares of risk; `weights` (n,) come nearest, and miss some.

    ways  what would do: the limits that are missed, by as much as they are, and a little; () where that is not known
    cut   what was not looked at, as the message says it; "" where nothing was left
    """

    def __init__(
        self, missed: tuple[Conflict, ...], w: Array, ways: tuple[tuple[Conflict, ...], ...], cut: str = ""
    ) -> None:
        told = " or else ".join(" and ".join(map(str, way)) for way in ways or (missed,))
        more = "or" if ways else "though no portfolio was found with that either, and"
        super().__init__(
            f"no portfolio was found that keeps the limits on shares of risk beside the others: at the nearest "
            f"{told}; relax these, {more} what keeps weights from moving{cut}",
            missed,
            ways,
        )
        self.weights, self.cut = w, cut

    @classmethod
    def at(cls, sides: list[Side], w: Array) -> "UnreachedError":
        """The refusal where the nearest weights (n,) miss these."""
        missed = tuple(Conflict(side.name, side.bound, side.excess(w), False, CHOICE) for side in sides)
        return cls(missed, w, (missed,))

    def by(self, ways: tuple[tuple[Conflict, ...], ...]) -> "UnreachedError":
        """The same with other ways out."""
        return UnreachedError(self.conflicts, self.weights, ways, self.cut)

    def cut_short(self, cut: str) -> "UnreachedError":
        """The same where more could have been looked at."""
        return UnreachedError(self.conflicts, self.weights, self.ways, self.cut + cut)


def without_shares(limits: Limits) -> Limits:
    """The convex limits alone."""
    kept = tuple(norm for norm in limits.norms if not isinstance(norm, ConvexPart))
    return replace(limits, norms=kept, shares=())


def times(limits: Limits, factor: float) -> Limits:
    """The limits with the ellipsoids around a multiple of the weights: shares are those of every multiple."""
    norms = tuple(
        replace(norm, center=factor * norm.center, bound=factor * norm.bound)
        if isinstance(norm, ConvexPart)
        else norm
        for norm in limits.norms
    )
    return replace(limits, norms=norms)


def loosened(share: Share, w: Array) -> Share:
    """The share with bounds that weights (n,) keep, and a little room."""
    value = share.value(w)
    return replace(share, low=min(share.low, value - ROOM), high=max(share.high, value + ROOM))


def within_shares(
    goal: Goal, feasible: FeasibleSet, shares: tuple[Share, ...], best: Optimum, work: ShareWork | None = None
) -> Within:
    """The best weights in the feasible set that keep the shares, from the best without them.

    feasible  without limits on shares;  best  its certified answer
    Of several starts the best answer is taken, unless one is proven to be the best of all; after `SOLVES` no other is
    tried. work: that of a report, to which it matters whether there is an answer, so that the first does.
    Raises UnreachedError where none keeps them, SolverError where an answer cannot be certified, WorkEndedError.
    """
    sides = [side for share in shares for side in share.sides]
    if not any(side.excess(best.weights) > 0 for side in sides):
        full = replace(feasible, limits=replace(feasible.limits, shares=shares))
        return Within(full, best, goal.value(best.weights))
    found: list[Within] = []
    failure: InfeasibleError | SolverError | None = None
    solver, left = Solver(work), False
    for start in _starts(feasible, sides, best):
        left = solver.spent >= SOLVES
        if left:
            break
        try:
            one = _climbed(goal, feasible, shares, start, solver)
        except (UnreachedError, SolverError) as stop:
            failure = stop if failure is None or _nearer_than(stop, failure) else failure
            continue
        except NoAnswerError:
            failure = _without_value(goal) or failure
            continue
        found.append(one)
        if work or _proven(goal, one) or (len(found) == UNPROVEN and not isinstance(goal, PROVABLE)):
            break
    if not found:
        # Where a search failed it is not known that nothing but cash keeps the shares.
        cash = None if isinstance(failure, SolverError) else _all_in_cash(goal, feasible, shares, best)
        if cash is None:
            raise _told(failure, sides, left=left)
        return cash
    bound = max((one.bound for one in found), key=lambda value: sign(goal) * value)
    first = min(found, key=lambda one: sign(goal) * goal.value(one.best.weights))
    return replace(first, bound=bound)


def _all_in_cash(
    goal: Goal, feasible: FeasibleSet, shares: tuple[Share, ...], best: Optimum
) -> Within | None:
    """The portfolio that shares out no risk, where it is allowed and the goal has a value there."""
    none, limits = np.zeros(len(best.weights)), feasible.limits
    if goal.homogeneous or feasible.elastic or limits.violation(none) > 0:
        return None
    groups = (UNHELD,) * len(none)
    closed = replace(limits, lower=none, upper=none, lower_groups=groups, upper_groups=groups, shares=shares)
    full = replace(feasible, limits=closed)
    try:
        return Within(full, optimum(goal, full), goal.value(best.weights))
    except NoAnswerError:
        return None


def _told(failure: InfeasibleError | SolverError | None, sides: list[Side], *, left: bool) -> PackfolioError:
    """Why nothing was found: what the search met first, or what lies behind it; left: whether starts were."""
    if failure is None:
        return InfeasibleError(
            f"only cash was found to keep {', '.join(side.name for side in sides)} beside the other limits; relax "
            f"these, or use method min_volatility"
        )
    own = np.linalg.eigvalsh(dense(sides[0].share.risk))
    if isinstance(failure, SolverError) and own[0] <= NO_RISK * own[-1]:
        return DataError(
            "the covariance gives some portfolios no risk at all, in which there are no shares of it, and the search "
            "under limits on these ends there; use more history or a shrunk covariance"
        )
    if left and isinstance(failure, UnreachedError):
        return failure.cut_short(
            f"; the search ended after {how_many(SOLVES, 'solve')}, before all places to start from"
        )
    return failure


def _without_value(goal: Goal) -> InfeasibleError | None:
    """Why a goal has no value where the shares are kept: a ratio of returns that are none; None for any other."""
    if not isinstance(goal, Ratio | TailRatio) or goal.measure == "diversification ratio":
        return None
    return InfeasibleError(
        f"no portfolio was found that keeps the limits on shares of risk and has an expected return above the "
        f"risk-free rate, so there is no best {goal.measure}; relax these limits, use method min_volatility, lower "
        f"risk_free_rate, or revise the returns"
    )


def _nearer_than(one: Exception, other: Exception) -> bool:
    """Whether both missed shares, and the first misses less."""
    if not (isinstance(one, UnreachedError) and isinstance(other, UnreachedError)):
        return False
    return sum(c.relaxation for c in one.conflicts) < sum(c.relaxation for c in other.conflicts)


def _proven(goal: Goal, one: Within) -> bool:
    value = goal.value(one.best.weights)
    return abs(value - one.bound) <= GAP_TOLERANCE * max(abs(value), 1e-12)


def _starts(feasible: FeasibleSet, sides: list[Side], best: Optimum) -> Iterator[Array]:
    """Where to begin: the best without limits on shares, the nearest to equal weights, to equal risks, to single names.

    The names are those which alone pass the limits on shares least.
    """
    yield best.weights
    n = len(best.weights)
    goals: list[Goal] = [_near(np.full(n, 1.0 / n))]
    moving = sides[0].share.moving
    if feasible.limits.floor == 0.0 and not feasible.elastic and moving.any():
        goals.append(RiskBudget(sides[0].share.risk, moving / moving.sum()))
    passed = sum((side.passed_alone for side in sides), np.zeros(n))
    goals += [_near(np.eye(n)[name]) for name in np.argsort(passed, kind="stable")[:ALONE]]
    for goal in goals:
        try:
            found = optimum(goal, feasible).weights
        except (NoAnswerError, PackfolioError):
            continue
        yield found


def _near(wanted: Array) -> Quadratic:
    return Quadratic(np.eye(len(wanted)), -wanted, "distance", "root", 0.5 * float(wanted @ wanted))


def _climbed(
    goal: Goal, feasible: FeasibleSet, shares: tuple[Share, ...], start: Array, solver: Solver
) -> Within:
    sides = [side for share in shares for side in share.sides]
    w, seen = _reached(feasible, sides, start, solver)
    value, step, settled = np.inf, 0, False
    while not settled and step < STEPS and solver.slow < SOLVES:
        step += 1
        best = solver.best(goal, _around(feasible, seen, w))
        over = [side for side in sides if side not in seen and side.excess(best.weights) > 0]
        if over:  # the portfolio before keeps these too
            seen += over
            continue
        gained, value, w = abs(value - goal.value(best.weights)), goal.value(best.weights), best.weights
        settled = gained <= SETTLED * abs(value)
    told = f"limits on shares of risk: the search ended after {how_many(step, 'step')}, not settled"
    # Where it was cut, the next portfolio might break sides that none before it met.
    around = _around(feasible, seen if settled else sides, w)
    full = replace(around, limits=replace(around.limits, shares=shares))
    last = solver.best(goal, full)
    last = last if settled else replace(last, notes=(*last.notes, told))
    return Within(full, last, bound_of(goal, feasible, full, last))


def _around(feasible: FeasibleSet, sides: list[Side], w: Array) -> FeasibleSet:
    """The feasible set within the ellipsoids around w; NoAnswerError where one of them is empty."""
    parts = tuple(part for part in (convex_part(side, w) for side in sides) if part is not None)
    if len(parts) < len(sides):
        raise NoAnswerError("none", "no portfolio near these weights keeps the shares", infeasible=True)
    return replace(feasible, limits=feasible.limits.with_norms(parts), start=w)


def _reached(feasible: FeasibleSet, sides: list[Side], w: Array, solver: Solver) -> tuple[Array, list[Side]]:
    """(n,) weights that keep all shares, and the sides met on the way; each step lessens what broken ones exceed."""
    seen: list[Side] = []
    least, waited = np.inf, 0
    for _ in range(STEPS):
        over = [side for side in sides if side.excess(w) > 0]
        if not over:
            return w, seen
        seen += [side for side in over if side not in seen]
        excess = sum(side.excess(w) for side in over)
        waited = 0 if excess < least - STALLED else waited + 1
        least = min(least, excess)
        if waited > PATIENCE:
            break
        try:
            rest = [side for side in seen if side not in over]
            w = solver.best(_nearer(over, w), _around(feasible, rest, w)).weights
        except NoAnswerError:
            break
    raise UnreachedError.at([side for side in sides if side.excess(w) > 0], w)


def _nearer(over: list[Side], w: Array) -> Quadratic:
    """The sum of what the broken sides exceed, from above: w'Pw less the tangent of w'Nw."""
    curved, pull = np.zeros((len(w), len(w))), np.zeros(len(w))
    for side in over:
        P, N = side.split
        size = 2.0 / max(side.share.variance(w), 1e-300)
        curved, pull = curved + size * P, pull + size * (N @ w)
    return Quadratic(curved, -pull, "excess of the shares of risk", "negative")
