"""Newton's steps from an interior-point answer to the very optimum of a goal after trading costs."""

from dataclasses import replace

import numpy as np

from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.convex_limits import Norm
from optimizer.numerics.matrices import dense
from optimizer.numerics.polish import Mask
from optimizer.numerics.polyhedra import Polyhedron, outer
from optimizer.numerics.qp import solve_qp_exactly
from optimizer.problem.goals import RESTING, Quadratic, Ratio, Traded, doubt_slope
from optimizer.solvers.fast.ellipsoid_tangents import refine
from optimizer.solvers.general import size_of
from optimizer.typing import Array

STEPS, MODELS = 40, 8
STILL = 1e-9
NO_TRADE = 1e-15
SLACK = 1e-12


def sharpened(goal: Traded, space: Polyhedron, x: Array) -> tuple[Array, Array, Array] | None:
    """Columns (p,), multipliers (m,) of the rows, and (n,) what the costs slope by, of the optimum near x (p,).

    A cone of the power 3/2 is solved to some 1e-6 of the weights, which a certificate sees. Names rest where a trade's
    first unit costs more than it gains; None where the guess of the active limits leads nowhere.
    """
    n, x = len(goal.held), x.copy()
    rests = np.abs(x[:n] - goal.held) <= RESTING
    for _ in range(STEPS):
        x[:n][rests] = goal.held[rests]
        own = on_their_side(goal, space, x, rests)
        try:
            best, y = _least(*model(goal, x, rests), own, x)
        except NoAnswerError:
            return None
        moved, x = float(np.abs(best - x).max()), best
        stopped = ~rests & (np.abs(x[:n] - goal.held) <= NO_TRADE)
        if stopped.any():
            rests |= stopped
        elif moved <= STILL:
            pull = (y @ space.rows)[:n] - _base_slope(goal, x[:n])
            start = _first_step(goal, space, pull, rests)
            if not start.any():
                return x, y, pull
            x[:n] += start
            rests &= start == 0
    return None


def sharpened_within(
    goal: Traded, space: Polyhedron, norms: tuple[Norm, ...], x: Array, prices: Array | None
) -> tuple[Array, Array, Array] | None:
    """The same under ellipsoidal limits, with a doubted mean or borrow fees: multipliers are of the rows of `outer`.

    prices  (k,) of the ellipsoidal limits near x. Names keep the side of what is held, and of 0, that they are on.
    """
    n, x = len(goal.held), x.copy()
    rests = np.abs(x[:n] - goal.held) <= RESTING
    closed = ~rests & (goal.fees > 0) & (np.abs(x[:n]) <= RESTING)
    x[:n] = np.where(rests, goal.held, np.where(closed, 0.0, x[:n]))
    for _ in range(MODELS):
        own = _signed(goal, on_their_side(goal, space, x, rests), x, closed)
        P, q = model(goal, x, rests)
        q[:n] -= np.where(x[:n] < 0, goal.fees, 0.0)
        near = Quadratic(P[:n, :n], q[:n], goal.measure, "negative", doubt=goal.base.doubt)
        try:
            best = refine(near, norms, own, x[:n], prices)
        except NoAnswerError:
            return None
        moved, x = float(np.abs(best.x - x).max()), best.x
        if moved <= STILL:
            break
    rows = outer(space, norms, x[:n]).rows
    wrong = doubt_slope(goal.base.doubt, x[:n])
    return x, best.multipliers, (best.multipliers @ rows)[:n] - _base_slope(goal, x[:n]) - wrong


def sharpened_ratio(
    goal: Ratio, space: Polyhedron, norms: tuple[Norm, ...], x: Array, prices: Array | None
) -> tuple[Array, Array, Array] | None:
    """The same of a ratio after borrow fees: every name long, short or at nothing, as it is near the answer x (p,)."""
    fees, n = goal.fees, len(goal.gain)
    if fees is None:
        return None
    w = np.where(np.abs(x[:n]) <= RESTING, 0.0, x[:n])
    floor, ceiling = space.floor.copy(), space.ceiling.copy()
    charged = fees > 0
    floor[:n] = np.where(charged & (w >= 0), np.maximum(floor[:n], 0.0), floor[:n])
    ceiling[:n] = np.where(charged & (w <= 0), np.minimum(ceiling[:n], 0.0), ceiling[:n])
    signed = replace(goal, gain=goal.gain + np.where(w < 0, fees, 0.0), fees=None)
    try:
        found = refine(signed, norms, replace(space, floor=floor, ceiling=ceiling), w, prices)
    except NoAnswerError:
        return None
    rows = outer(space, norms, found.x[:n]).rows
    return found.x, found.multipliers, (found.multipliers @ rows)[:n] - signed.support(found.x[:n]).slope


def _signed(goal: Traded, own: Polyhedron, x: Array, closed: Mask) -> Polyhedron:
    """The space with each name that a fee is due on long or short as it is, and those at nothing there."""
    n = len(goal.held)
    floor, ceiling = own.floor.copy(), own.ceiling.copy()
    long, short = (goal.fees > 0) & (x[:n] >= 0), (goal.fees > 0) & (x[:n] < 0)
    floor[:n] = np.where(closed, 0.0, np.where(long, np.maximum(floor[:n], 0.0), floor[:n]))
    ceiling[:n] = np.where(closed, 0.0, np.where(short, np.minimum(ceiling[:n], 0.0), ceiling[:n]))
    return replace(own, floor=floor, ceiling=ceiling)


def _least(P: Array, q: Array, own: Polyhedron, x: Array) -> tuple[Array, Array]:
    """Columns (p,) and multipliers (m,) of the model's optimum; what cannot move is left out of the program."""
    free = own.floor < own.ceiling
    fixed = own.rows[:, ~free] @ x[~free]
    among = replace(
        own, rows=own.rows[:, free], low=own.low - fixed, high=own.high - fixed,
        floor=own.floor[free], ceiling=own.ceiling[free],
    )  # fmt: skip
    if not free.any():
        return x.copy(), np.zeros(len(own.rows))
    found = solve_qp_exactly(P[np.ix_(free, free)], q[free] + P[np.ix_(free, ~free)] @ x[~free], among)
    best = x.copy()
    best[free] = found.x
    return best, found.multipliers


def _first_step(goal: Traded, space: Polyhedron, pull: Array, rests: Mask) -> Array:
    """(n,) the trades, tiny, of resting names that are pulled harder than a trade's first unit costs; 0 for others."""
    n, curve = len(goal.held), goal.curve
    up = np.maximum(pull - curve.buy, 0.0) * (goal.held < space.ceiling[:n])
    down = np.maximum(-curve.sell - pull, 0.0) * (goal.held > space.floor[:n])
    over = np.where(rests, np.maximum(up, down), 0.0)
    reach = np.where(up > down, space.ceiling[:n] - goal.held, goal.held - space.floor[:n])
    root = np.where(curve.root > 0, curve.root, np.inf)
    wanted = np.clip((over / (1.5 * root)) ** 2, SLACK, np.maximum(reach / 2, SLACK))
    return np.where(over > SLACK * size_of(goal.base), np.where(up > down, wanted, -wanted), 0.0)


def on_their_side(goal: Traded, space: Polyhedron, x: Array, rests: Mask) -> Polyhedron:
    """The space with each name that is traded on the side of what is held on which it is, the others where they are."""
    n = len(goal.held)
    floor, ceiling = space.floor.copy(), space.ceiling.copy()
    bought = x[:n] > goal.held
    floor[:n] = np.where(rests, goal.held, np.where(bought, np.maximum(floor[:n], goal.held), floor[:n]))
    ceiling[:n] = np.where(
        rests, goal.held, np.where(bought, ceiling[:n], np.minimum(ceiling[:n], goal.held))
    )
    return replace(space, floor=floor, ceiling=ceiling)


def model(goal: Traded, x: Array, rests: Mask) -> tuple[Array, Array]:
    """P (p, p) and q (p,) of the quadratic that has the cost's slope and curvature at x."""
    n, curve = len(goal.held), goal.curve
    t = x[:n] - goal.held
    size = np.where(rests, 1.0, np.abs(t))
    bend = np.where(rests, 0.0, 1.5 * curve.root * np.sqrt(size))
    slope = np.where(rests, 0.0, np.where(t > 0, curve.buy + bend, -curve.sell - bend))
    P, q = np.zeros((len(x), len(x))), np.zeros(len(x))
    if goal.base.P is not None:
        P[:n, :n] = dense(goal.base.P)
    P[range(n), range(n)] += np.where(rests, 0.0, 0.75 * curve.root / np.sqrt(size))
    q[:n] = _base_slope(goal, x[:n]) + slope - P[:n, :n] @ x[:n]
    return P, q


def _base_slope(goal: Traded, w: Array) -> Array:
    """(n,) the slope of the goal before costs."""
    marginal = np.zeros(len(w)) if goal.base.P is None else np.asarray(goal.base.P @ w)
    return marginal + goal.base.q
