"""Target weights to whole lots by money: the least sum of |money wanted - money held|, plus what the trades cost.

Prices of what the limits share leave each name by itself: they bound all lists, and rule out the trades that no list
within that bound makes. What is left is a mixed-integer program, solved and bounded by HiGHS. What is curved,
ellipsoidal limits and the costs of the power 3/2, is held from outside by tangents where the last list broke it (Kelley
1960), so that every bound is true of all lists.
"""

from dataclasses import replace

import numpy as np

from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.convex_limits import INF
from optimizer.numerics.lp import solve_lp, solve_mixed
from optimizer.trading.lot_descent import Walk
from optimizer.trading.lot_relaxation import TOLERANCE, RoundingProblem
from optimizer.trading.nearest.choices import choices_of, towards_target
from optimizer.trading.nearest.prices import Prices
from optimizer.trading.nearest.program import UNSEEN, Outside, Program
from optimizer.trading.rounding import Rounded, round_trades
from optimizer.typing import Array

CUTS = 40
ROUNDS = 15  # of tangents, where lots may be parts
FIRST = 1e-3  # of NAV: above the bound at first


def nearest_money(problem: RoundingProblem, gap: float) -> Rounded:
    """The permitted list of least distance in money plus costs, proven to within a gap of NAV where it can be.

    Where no list keeps all limits, the list nearest in risk says how far they are broken, and none breaks them further.
    """
    try:
        return _search(problem, gap)
    except NoAnswerError:
        near = round_trades(problem, gap)
    x = problem.held + near.lots * problem.step
    wide = replace(
        problem,
        lower=np.minimum(problem.lower, x),
        upper=np.maximum(problem.upper, x),
        bounds=np.maximum(problem.bounds, problem.rows @ x + TOLERANCE),
        absolute=tuple(replace(a, bound=max(a.bound, a.value(x) + TOLERANCE)) for a in problem.absolute),
        norms=tuple(replace(a, bound=max(a.bound, a.value(x) + TOLERANCE)) for a in problem.norms),
    )
    try:
        found = _search(wide, gap)
    except NoAnswerError:  # cash or turnover is broken too, which the list is refused for
        return replace(near, objective=distance(problem, near.lots), bound=0.0)
    return replace(found, penalty=Walk(problem, found.lots).penalty)


def distance(problem: RoundingProblem, lots: Array) -> float:
    """Sum of |holding - target| plus costs of a list (n,) in lots, fraction of NAV."""
    trades = lots * problem.step
    away = np.abs(problem.held + trades - problem.wanted)
    return float(away.sum() + problem.curve.costs(trades).sum())


def _search(problem: RoundingProblem, gap: float) -> Rounded:
    """The best list; raises NoAnswerError where no list keeps the limits."""
    prices, outside = _priced(problem)
    room, bound, found = FIRST, max(prices.bound, 0.0), None
    for _ in range(CUTS):
        program = Program(problem, outside, prices.within(room))
        try:
            mixed = solve_mixed(program.cost, program.space, program.whole, gap)
        except NoAnswerError as stop:
            if not stop.infeasible or room == INF:
                raise
            room = INF
            continue
        bound = max(bound, min(mixed.bound + program.constant, prices.bound + room))
        if mixed.x is None:
            break
        lots = program.lots(mixed.x)
        if _kept(problem, lots) and (found is None or distance(problem, lots) < distance(problem, found)):
            found = lots
        if found is not None:
            if distance(problem, found) - bound <= gap:
                break
            if prices.bound + room < distance(problem, found) - gap:  # what was left out may be nearer
                room = distance(problem, found) - prices.bound + TOLERANCE
                continue
        cut = outside.cut(problem, lots * problem.step, program.rooted(mixed.x))
        if cut is None:
            break
        outside = cut
    if found is None:
        # The nodes did not last for any: the list nearest in risk is one, as near as the bound says.
        found = round_trades(problem, gap).lots
        if not _kept(problem, found):
            raise NoAnswerError("HiGHS", "no list within the nodes", infeasible=False)
    return Rounded(found, distance(problem, found), min(bound, distance(problem, found)), 0.0)


def _priced(problem: RoundingProblem) -> tuple[Prices, Outside]:
    """Prices of the limits where lots may be parts, and the tangents met there."""
    every, outside = choices_of(problem), Outside.of(problem)
    near = towards_target(problem, every)
    for _ in range(ROUNDS):
        program = Program(problem, outside, near)
        try:
            answer = solve_lp(program.cost, program.space)
        except NoAnswerError:
            if near is every:
                raise
            near = every
            continue
        m, duals = len(outside.space.rows), answer.multipliers
        found = Prices(problem, every, outside.space, duals[:m], max(-duals[m], 0.0), max(-duals[m + 1], 0.0))
        cut = outside.cut(problem, program.trades(answer.x), program.rooted(answer.x))
        if cut is None:
            break
        outside = cut
    return found, outside


def _kept(problem: RoundingProblem, lots: Array) -> bool:
    """Whether a list keeps all limits as far as HiGHS tells; exact money is counted where the list is written."""
    near = replace(problem, cash=problem.cash + UNSEEN, max_traded=problem.max_traded + UNSEEN)
    return Walk(near, lots).penalty <= UNSEEN
