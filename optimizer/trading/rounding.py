"""Target weights to whole lots, the answer: the relaxation, a descent from it, and the bound that proves it.

A list within the gap asked for of what no list can go below ends the search. Where the first bound does not prove that,
it is sharpened, and small books are searched by branch and bound.
"""

import heapq
from dataclasses import dataclass, replace

import numpy as np

from optimizer.errors import InfeasibleError, SolverError
from optimizer.trading.lot_descent import Walk, walked
from optimizer.trading.lot_relaxation import TOLERANCE, Relaxation, RoundingProblem, neighbours, permitted
from optimizer.trading.perspective_bound import relax
from optimizer.typing import Array

BRANCHED_NAMES = 16
NODES = 300
DESCENTS = 20
GAP = 1e-5  # of NAV: a tenth of a basis point
WHOLE = 1e-6
LAST = 2e-9  # lots: a bound at a whole lot allows it
SHARPER = 1.0


@dataclass(frozen=True, eq=False)
class Rounded:
    """An answer in lots: (n,) signed trades, its objective, and the proven bound (fractions of NAV)."""

    lots: Array
    objective: float
    bound: float
    penalty: float


def round_trades(problem: RoundingProblem, gap: float = GAP) -> Rounded:
    """Whole-lot trades near the optimum, with the proven bound; `penalty` > 0: a limit cannot be met in lots.

    gap  fraction of NAV: a list proven this near to the best is taken
    The descent starts from the first relaxation that has an answer: with all limits, with cash and turnover
    only, or none, which starts from what is held and proves nothing.
    """
    try:
        relaxed = relax(problem)
    except (InfeasibleError, SolverError):
        loose = _loosely_relaxed(problem)
        return _proven(problem, _descended(problem, loose, loose.start(), gap))
    found = _descended(problem, relaxed, relaxed.start(), gap)
    if found.penalty > TOLERANCE:
        found = _descended(problem, relaxed, relaxed.weights, gap)
    if _worth(found) - found.bound > gap:
        found = _sharper(problem, relaxed, found, gap)
    small = np.count_nonzero(problem.upper > problem.lower) <= BRANCHED_NAMES
    return _proven(problem, search(problem, relaxed, found, gap) if small else found)


def _sharper(problem: RoundingProblem, relaxed: Relaxation, found: Rounded, gap: float) -> Rounded:
    """The list with the bound of a sharper relaxation, and where no gap may be left the better list."""
    sharper = sharpened(problem, relaxed)
    if sharper is None:
        return found
    try:
        again = relax(sharper, relaxed.weights)
    except (InfeasibleError, SolverError):
        return found
    bound = max(found.bound, again.bound)
    if not gap and _worth(found) > bound:
        found = _better(found, _descended(problem, again, again.start(), gap))
    return replace(found, bound=bound)


def sharpened(problem: RoundingProblem, relaxed: Relaxation) -> RoundingProblem | None:
    """The problem with more of `own` for the names where that raises the bound most; None where it does not.

    A commission counts in part, z, where the relaxed trade t is below the size t*: there a unit more of d raises the
    bound by t^2 (1 / z - 1). Whatever is taken, the rest of the covariance stays convex (Zheng, Sun & Li 2014).
    """
    p = problem
    part = p.own * relaxed.partial if relaxed.partial is not None else np.zeros_like(p.held)
    names = np.flatnonzero(part)
    if not len(names):
        return None
    share = p.risk.own[names] * np.exp(SHARPER * np.sqrt(part[names] / part.max()))
    risk = p.risk.given_to(names, share)
    return None if risk is p.risk else replace(p, risk=risk)


def _proven(problem: RoundingProblem, found: Rounded) -> Rounded:
    """With the bound of all lists that break no limit further than this one does."""
    if found.penalty <= TOLERANCE:
        return found
    p, x = problem, problem.held + found.lots * problem.step
    widened = replace(
        p, lower=np.minimum(p.lower, x), upper=np.maximum(p.upper, x), bounds=np.maximum(p.bounds, p.rows @ x),
        least=None if p.least is None else np.where(p.between(x) > 0, 0.0, p.least),
    )  # fmt: skip
    try:
        return replace(found, bound=min(relax(widened).bound, found.objective))
    except (InfeasibleError, SolverError):
        return replace(found, bound=0.0)


def _loosely_relaxed(problem: RoundingProblem) -> Relaxation:
    try:
        return relax(_hard_limits_only(problem))
    except (InfeasibleError, SolverError):
        return Relaxation(problem.held, 0.0, lambda: problem.held)


def _descended(problem: RoundingProblem, relaxed: Relaxation, start: Array, gap: float) -> Rounded:
    """The descent from holdings (n,); its bound is the relaxation's."""
    walk = walked(problem, start, relaxed.bound, gap)
    return Rounded(walk.lots, walk.objective, relaxed.bound, walk.penalty)


def search(problem: RoundingProblem, relaxed: Relaxation, best: Rounded, gap: float) -> Rounded:
    """Branch and bound over the relaxation (Land & Doig 1960), least bound first, for at most NODES nodes.

    A node splits the trades of one name between two neighbouring permitted ones, or between none and some. A child's
    bound is never below its parent's. What is reported is the least bound of what was not searched to its end.
    """
    if _worth(best) - best.bound <= gap:
        return replace(best, bound=min(best.objective, best.bound))
    narrow = within_lots(problem)
    try:
        relaxed = relax(narrow, relaxed.weights)
    except InfeasibleError:
        return best
    except SolverError:
        pass  # that of the wider bounds holds too
    open_nodes = [(max(best.bound, relaxed.bound), 0, narrow, relaxed)]
    count = 0
    while open_nodes and count < NODES and _worth(best) - open_nodes[0][0] > gap:
        bound, _, node, at = heapq.heappop(open_nodes)
        best = _better(best, _rounded(problem, at))
        for child in _split(problem, node, at):
            count += 1
            try:
                inner = relax(child)
            except InfeasibleError:
                continue
            except SolverError:
                inner = at  # the parent's bound holds for its parts
            if count % DESCENTS == 1:
                best = _better(best, _descended(problem, inner, inner.start(), gap))
            inner = replace(inner, bound=max(inner.bound, bound))
            if inner.bound < _worth(best):
                heapq.heappush(open_nodes, (inner.bound, count, child, inner))
    return replace(best, bound=min([best.objective, *(node[0] for node in open_nodes[:1])]))


def within_lots(problem: RoundingProblem) -> RoundingProblem:
    """The problem whose bounds are the outermost permitted holdings within them, where a name has any.

    An optimum between the last lot and a bound has no two permitted trades around it, and could not be split.
    """
    p = problem
    _, most = neighbours(p, (p.upper - p.held) / p.step + LAST)
    least, _ = neighbours(p, (p.lower - p.held) / p.step - LAST)
    lower, upper = np.maximum(p.held + least * p.step, p.lower), np.minimum(p.held + most * p.step, p.upper)
    some = lower <= upper + TOLERANCE
    return replace(p, lower=np.where(some, lower, p.lower), upper=np.where(some, upper, p.upper))


def _worth(found: Rounded) -> float:
    """Its objective; infinite for a list that breaks a limit."""
    return found.objective if found.penalty <= TOLERANCE else np.inf


def _better(best: Rounded, other: Rounded) -> Rounded:
    return other if _worth(other) < _worth(best) else best


def _rounded(problem: RoundingProblem, relaxed: Relaxation) -> Rounded:
    """A relaxation's optimum in permitted trades, as it is."""
    lots = permitted(problem, (relaxed.weights - problem.held) / problem.step)
    return Rounded(lots, problem.objective(lots), relaxed.bound, Walk(problem, lots).penalty)


def _split(
    problem: RoundingProblem, node: RoundingProblem, relaxed: Relaxation
) -> tuple[RoundingProblem, ...]:
    """The node's two halves at its relaxed optimum; none when each name has only one trade left."""
    lots = (relaxed.weights - problem.held) / problem.step
    near = permitted(problem, lots)
    above, below = neighbours(problem, near)
    least_buy, least_sale = neighbours(problem, np.zeros_like(lots))
    whole = np.abs(near - lots) <= WHOLE
    under = near < lots
    # the two permitted trades around the optimum; around a whole one no trade and some, else this one and the next
    around = (np.where(under, near, below), np.where(under, above, near))
    some = (np.where(near > 0, 0.0, least_sale), np.where(near > 0, least_buy, 0.0))
    first = tuple(np.where(whole, one, other) for one, other in zip(some, around, strict=True))
    miss = problem.aversion * problem.risk.variances * problem.step**2
    for low, high, weight in (
        (*first, miss * (near - lots) ** 2 + problem.curve.fixed * (near != 0)),
        (near, above, miss),
        (below, near, miss),
    ):
        ceiling, floor = problem.held + low * problem.step, problem.held + high * problem.step
        inside = (ceiling < node.upper - TOLERANCE) & (floor > node.lower + TOLERANCE)
        open_ = (
            (high > low) & inside & (ceiling >= node.lower - TOLERANCE) & (floor <= node.upper + TOLERANCE)
        )
        if open_.any():
            name = int(np.argmax(np.where(open_, weight, -1.0)))
            upper, lower = node.upper.copy(), node.lower.copy()
            upper[name], lower[name] = ceiling[name], floor[name]
            return replace(node, upper=upper), replace(node, lower=lower)
    return ()


def _hard_limits_only(problem: RoundingProblem) -> RoundingProblem:
    shorting = problem.lower < 0
    return replace(
        problem,
        lower=np.where(shorting, problem.lower, 0.0),
        upper=np.maximum(problem.upper, problem.held),
        rows=np.zeros((0, len(problem.held))),
        bounds=np.zeros(0),
    )
