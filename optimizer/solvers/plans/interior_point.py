"""A primal-dual interior point method for plans, whose systems are block tridiagonal (Mehrotra 1992; Rao 1998)."""

from dataclasses import replace

import numpy as np

from optimizer.numerics.answers import NoAnswerError
from optimizer.solvers.plans.inequalities import BUY, SELL, Point, Scaled, together
from optimizer.solvers.plans.newton_system import NewtonSystem
from optimizer.solvers.plans.program import Prices, Program
from optimizer.solvers.plans.proof import certify_plan
from optimizer.typing import Array

ITERATIONS = 80
CLOSE = 1e-3  # of slacks times prices per step: from here on the proof is asked
ENOUGH, NEAR, WORSE = 1e-7, 1e-5, 1e2  # of the proof's gap; rounding makes it worse in the end
STRICTER = 20  # than the gap is a violation judged, as the certificate does, at half of its tolerance
LEAST = 1e-10  # of slacks times prices per step that is aimed at: below, rounding makes the prices untrue
ROOM, PRICE = 1.0, 1.0  # of an equal weight, and of the costs' size: where slacks and prices start
SHARE = 0.999  # of the way to the nearest bound
DIVERGED = 1e9


def solve_plan(given: Program) -> Prices:
    """The best plan and its prices; raises NoAnswerError where no iteration comes near."""
    it = Scaled(given)
    try:
        return walk(it, start(it))
    except NoAnswerError:
        if not it.priced.any():
            raise
        return walk(it, dearer(it, start(it)))  # trades that cost far more than they bring


def walk(it: Scaled, at: Point) -> Prices:
    """The best plan and its prices, from a point on; raises NoAnswerError."""
    best, least = None, np.inf
    for _ in range(ITERATIONS):
        residuals = it.residuals(at)
        equal = np.where(it.equal, it.rows(at.w) - it.low, 0.0)
        mu = float(at.slacks @ at.prices) / max(it.count, 1)
        if mu * it.count / it.it.steps <= CLOSE:
            found = it.found(at)
            proof = certify_plan(it.it, found)
            wrong = max(abs(proof.relative_gap), STRICTER * proof.primal_residual)
            if wrong < least:
                best, least = found, wrong
            if wrong <= ENOUGH or wrong > WORSE * least:
                break
        if at.prices.max() > DIVERGED:
            raise NoAnswerError("interior point", "prices without a bound", infeasible=True)
        try:
            at = step(it, at, residuals, equal, mu)
        except NoAnswerError:
            break  # rounding leaves a system without a factor: the best point so far is as good as it gets
    if best is None or least > NEAR:
        raise NoAnswerError("interior point", "no point comes near the optimum", infeasible=False)
    return best.scaled(it.size)


def start(solver: Scaled) -> Point:
    """Weights half way between those held and equal ones, and slacks and prices that are far from 0."""
    it, n = solver.it, solver.it.q.shape[1]
    room = np.minimum(0.25 * np.minimum(it.upper - it.lower, 1.0), ROOM / n)
    middle = 0.5 * (it.held + it.held.mean())
    w = np.repeat(np.clip(middle, it.lower + room, it.upper - room)[None], it.steps, axis=0)
    spare = min(ROOM, 0.5 * float(it.turnover.min())) / n if solver.limited else ROOM / n
    b = np.where(solver.priced, np.maximum(it.trades(w), 0.0) + spare, 0.0)
    blank = np.zeros_like(solver.there, dtype=float)
    at = Point(w, b, np.zeros(it.low.shape), blank, blank)
    slacks = np.where(solver.there, np.maximum(solver.residuals(at), ROOM / n), 1.0)
    return replace(at, slacks=slacks, prices=np.where(solver.there, PRICE * ROOM / n / slacks, 0.0))


def dearer(solver: Scaled, at: Point) -> Point:
    """The same point with prices of purchases and sales that are worth what these cost, so that it is no trade."""
    box, *others = solver.split(at.prices.copy())
    curve = solver.it.curve
    for side in (BUY, SELL):
        box[side] = np.where(solver.priced, np.maximum(box[side], 0.5 * (curve.buy + curve.sell)), 0.0)
    return replace(at, prices=together(box, *others))


def step(it: Scaled, at: Point, residuals: Array, equal: Array, mu: float) -> Point:
    """The next point, by a predictor and a corrector."""
    system = NewtonSystem(it, at)
    move = system.direction(residuals, equal, np.zeros_like(residuals))
    far = reach(at, move, 1.0)
    ahead = (at.slacks + far * move.slacks) @ (at.prices + far * move.prices) / max(it.count, 1)
    centring = max((ahead / mu) ** 3 * mu if mu > 0 else 0.0, LEAST * it.it.steps / max(it.count, 1))
    move = system.direction(residuals, equal, np.where(it.there, centring - move.slacks * move.prices, 0.0))
    # One length for both: the slopes change with the weights, and two lengths would leave them apart.
    return at.moved(move, reach(at, move, SHARE))


def reach(at: Point, by: Point, share: float) -> float:
    """How much of the change leaves every slack and price above 0, of which no more than a share is taken."""
    worst = float((-by.slacks / at.slacks).max(initial=0.0))
    speed = np.divide(-by.prices, at.prices, out=np.zeros_like(at.prices), where=at.prices > 0)
    worst = max(worst, float(speed.max(initial=0.0)))
    return min(1.0, share / worst) if worst > 0 else 1.0
