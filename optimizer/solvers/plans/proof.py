"""The proof of a plan: its limits recomputed, and a bound below every plan's cost, from the data and prices alone.

Weak duality by decomposition: the rule w less the weights before = t is priced by `links`, after which each step's
weights and each name's trade are least by themselves, in closed form.
"""

import numpy as np

from optimizer.solvers.audit import RADIUS, Certificate
from optimizer.solvers.plans.program import Prices, Program
from optimizer.typing import Array

ALONE = 1e-3


def certify_plan(it: Program, found: Prices) -> Certificate:
    """How far the plan may be from the best one; `it` is the problem as it was stated, all names included."""
    plan = found.plan
    cost = float(it.holding_costs(plan).sum() + it.trading_costs(plan).sum())
    gap = cost - _least_weights(it, found) - _least_trades(it, found) + float(found.links[0] @ it.held)
    size = float(
        0.5 * ((plan @ it.P) * plan).sum() + np.abs(it.q * plan).sum() + it.trading_costs(plan).sum()
    )
    return Certificate(it.violation(plan), gap, gap / max(size, _least_size(it)))


def _least_size(it: Program) -> float:
    """What a gap is judged against where a plan stays in cash and costs nothing: a part of what one name costs."""
    rates = float((it.curve.buy + it.curve.sell).mean())
    one = it.steps * (float(it.P.diagonal().mean()) + rates) + float(np.abs(it.q).mean(axis=1).sum())
    return ALONE * one if one else 1.0  # where nothing costs anything each plan is best


def _least_weights(it: Program, found: Prices) -> float:
    """What the weights of all steps cost at least, the change from one to the next priced by the links."""
    plan, pull = found.plan, found.links.copy()
    pull[:-1] -= found.links[1:]
    least = -0.5 * float(((plan @ it.P) * plan).sum())
    reduced = plan @ it.P + it.q + pull
    prices = np.where(np.isfinite(np.where(found.rows > 0, it.low, it.high)), found.rows, 0.0)
    reduced -= (prices[:, None, :] @ it.rows)[:, 0]
    bounds = np.where(prices > 0, it.low, it.high)
    least += float((prices[prices != 0] * bounds[prices != 0]).sum())
    for j, norm in enumerate(it.norms):
        away, price = plan - norm.center, np.maximum(found.norms[:, j], 0.0)
        marginal = away @ norm.covariance / norm.bound
        reduced += price[:, None] * marginal
        room = 0.5 * (norm.bound - (marginal * away).sum(axis=1))
        least -= float(price @ (room + (marginal * plan).sum(axis=1)))
    lower, upper = np.maximum(it.lower, -RADIUS), np.minimum(it.upper, RADIUS)
    return least + float(np.minimum(reduced * lower, reduced * upper).sum())


def _least_trades(it: Program, found: Prices) -> float:
    """What all trades cost at least less what the links pay for them."""
    t, curve = it.trades(found.plan), it.curve
    turn = np.where(np.isfinite(it.turnover), np.maximum(found.turnover, 0.0), 0.0)
    linked = np.zeros_like(t) if it.link is None else t @ it.link
    least = -0.5 * float((linked * t).sum())
    least -= float(turn[turn > 0] @ it.turnover[turn > 0])
    worth = found.links - linked
    width = np.minimum(it.upper, RADIUS) - np.maximum(it.lower, -RADIUS)
    rise = np.minimum(it.up, np.repeat(width[None], it.steps, axis=0))
    fall = np.minimum(it.down, np.repeat(width[None], it.steps, axis=0))
    rise[0] = np.minimum(it.up, np.maximum(it.upper - it.held, 0.0)).clip(max=2 * RADIUS)
    fall[0] = np.minimum(it.down, np.maximum(it.held - it.lower, 0.0)).clip(max=2 * RADIUS)
    half = 0.5 * turn[:, None]
    bought = _least_side(worth - curve.buy - half, curve.root, rise)
    sold = _least_side(-worth - curve.sell - half, curve.root, fall)
    return least + float(np.minimum(bought, sold).sum())


def _least_side(gain: Array, root: Array, reach: Array) -> Array:
    """(H, n) least of root x t^1.5 - gain x t for 0 <= t <= reach."""
    rooted = np.where(root > 0, root, 1.0)
    best = np.where(root > 0, (np.maximum(gain, 0.0) / (1.5 * rooted)) ** 2, np.inf)
    t = np.where(gain > 0, np.minimum(best, reach), 0.0)
    return np.asarray(root * t**1.5 - gain * t)
