"""What no portfolio under limits on shares of the variance can beat: a convex Lagrangian (weak duality)."""

from dataclasses import replace

import numpy as np

from optimizer.measures.portfolio_measures import volatility
from optimizer.numerics.convex_limits import Limits
from optimizer.numerics.matrices import dense
from optimizer.numerics.shares.convex_part import ConvexPart
from optimizer.problem.feasible_set import FeasibleSet
from optimizer.problem.goals import Goal, Quadratic, Ratio, RiskBudget, Traded, sign
from optimizer.solvers.solver_choice import Optimum, optimum
from optimizer.typing import Array

HALVINGS = 30
ROUNDING = 1e-14
FIRM = 10.0  # in the largest entry: curvature across the budget, along which nothing moves


def bound_of(goal: Goal, feasible: FeasibleSet, full: FeasibleSet, best: Optimum) -> float:
    """A value that no weights in the feasible set which keep the shares can better: the least of a convex Lagrangian.

    full, best  the feasible set with the ellipsoids that touch the answer, and the answer
    For weights that keep the shares w'Qw <= 0, so any sum of them with prices >= 0 only adds to what may be reached.
    Where no convex one is left, the value without limits on shares.
    """
    free = optimum(goal, feasible)
    priced = _priced(goal, full, best)
    relaxed = None if priced is None else _with_curvature(goal, priced, feasible.limits, best.weights)
    if relaxed is None:
        return goal.value(free.weights)
    values = [goal.value(free.weights), relaxed.value(optimum(relaxed, feasible).weights)]
    return max(values) if sign(goal) > 0 else min(values)


def _priced(goal: Goal, full: FeasibleSet, best: Optimum) -> Array | None:
    """(n, n) the sum of the forms Q, each by the price of its limit per unit of w'Qw; None where none has one."""
    norms = full.limits.norms
    prices = -(best.multipliers / best.space.scale)[len(best.multipliers) - len(norms) :]
    total = np.zeros((len(best.weights), len(best.weights)))
    for norm, price in zip(norms, prices.tolist(), strict=True):
        if isinstance(norm, ConvexPart) and price > 0:
            total += price / (2.0 * norm.bound) * norm.side.form
    return total if total.any() else None


def _with_curvature(goal: Goal, priced: Array, limits: Limits, w: Array) -> Goal | None:
    """The goal with as much of the priced forms as leaves it convex; None for one without a curvature to add to.

    w  (n,) the answer, at whose risk the prices of a goal with a free scale were read
    """
    match goal:
        case Traded():
            base = _with_curvature(goal.base, priced, limits, w)
            return replace(goal, base=base) if isinstance(base, Quadratic) else None
        case Quadratic():
            return _curved(goal, 2.0 * priced, limits)
        case Ratio():
            risk = volatility(w, goal.covariance)
            covariance = dense(goal.covariance)
            added = 2.0 * risk / max(goal.value(w), 1e-300) * priced
            return replace(goal, covariance=covariance + convex_part_of(covariance, added) * added)
        case RiskBudget():
            covariance, added = dense(goal.covariance), 2.0 * volatility(w, goal.covariance) * priced
            return replace(goal, covariance=covariance + convex_part_of(covariance, added) * added)
    return None


def _curved(goal: Quadratic, added: Array, limits: Limits) -> Quadratic:
    """With the forms in its curvature; where all is invested, rho (sum w - invested)^2 / 2, which is 0, helps them."""
    n, budget = len(added), limits.linear[0]
    own = np.zeros((n, n)) if goal.P is None else dense(goal.P)
    rho, invested = 0.0, budget.offset - budget.low
    if budget.low == budget.high:
        rho = FIRM * float(np.abs(own + added).max())
    held = own + rho * np.ones((n, n))
    return replace(
        goal, P=held + convex_part_of(held, added) * added, q=goal.q - rho * invested,
        constant=goal.constant + 0.5 * rho * invested**2, center=None,
    )  # fmt: skip


def convex_part_of(held: Array, added: Array) -> float:
    """The largest share in [0, 1] of `added` (n, n) with which `held` stays positive semidefinite."""
    floor = -ROUNDING * float(np.trace(held))
    low, high = 0.0, 1.0
    if np.linalg.eigvalsh(held + added)[0] >= floor:
        return 1.0
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if np.linalg.eigvalsh(held + middle * added)[0] >= floor else (low, middle)
    return low
