"""Which interval each weight is in, by HiGHS's branch and bound: for goals and limits that are all linear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.numerics.convex_limits import INF
from optimizer.problem.feasible_set import FeasibleSet
from optimizer.problem.goals import Goal, Quadratic, without_algorithm
from optimizer.problem.scenario_goals import Scenario, Tail
from optimizer.problem.weight_intervals import Index, Pieces
from optimizer.solvers.general import express, rules, run, size_of
from optimizer.typing import Array

if TYPE_CHECKING:
    import cvxpy as cp

# Nodes, not seconds, end the search, so that it ends at the same answer everywhere.
SETTINGS: dict[str, float | bool] = {
    "mip_rel_gap": 1e-9,
    "mip_abs_gap": 1e-10,
    "mip_feasibility_tolerance": 1e-9,
    "mip_max_nodes": 2000,
    "threads": 1,
}
# Beyond so many numbers one linear program over all scenarios takes longer than the search by generation.
MOST_SCENARIO_CELLS = 60_000


@dataclass(frozen=True, eq=False)
class Mixed:
    """The place (n,) of each weight's interval, and the loss in the goal's unit that no other places go below."""

    place: Index
    bound: float


def best_places(goal: Goal, feasible: FeasibleSet, pieces: Pieces, most: int) -> Mixed | None:
    """The best intervals and a bound; None where goal or limits are not linear, or HiGHS finds none in its nodes."""
    reach = _reach(feasible, pieces)
    if reach is None or not may_be_linear(goal) or feasible.limits.norms or pieces.rule is not None:
        return None
    import cvxpy as cp

    n, k = pieces.low.shape
    x, chosen = cp.Variable(feasible.space.rows.shape[1]), cp.Variable((n, k), boolean=True)
    cost, own = express(goal, x[:n])
    if not (cost.is_pwl() and all(_linear(rule) for rule in own)):
        return None
    problem = cp.Problem(
        cp.Minimize(cost),
        [*rules(x, 1.0, feasible.space), *own, *_places(x[:n], chosen, pieces, reach, most)],
    )
    run(problem, "HIGHS", SETTINGS)
    if chosen.value is None or problem.value is None:
        return None
    found: Any = problem.solver_stats.extra_stats
    open_ = float(found.objective_function_value - found.mip_dual_bound)
    place = np.argmax(np.asarray(chosen.value), axis=1)
    return Mixed(place, loss_of(goal, float(problem.value) - open_))


def may_be_linear(goal: Goal) -> bool:
    """Whether it is worth asking cvxpy."""
    match goal:
        case Quadratic():
            return goal.P is None and goal.doubt is None
        case Scenario() if not without_algorithm(goal):
            return False  # its nodes are solved sooner than its program is written
        case Tail() | Scenario():
            return goal.scenarios.size <= MOST_SCENARIO_CELLS
    return False


def loss_of(goal: Goal, cost: float) -> float:
    """The loss in the goal's unit of a cost as `express` scales it."""
    match goal:
        case Quadratic():
            return cost * size_of(goal) + goal.constant
        case Tail():
            return cost * (float(np.abs(goal.scenarios).max()) or 1.0) - goal.cash
        case Scenario():
            return cost * (float(np.abs(goal.scenarios).mean()) or 1.0)
    raise TypeError(f"{goal.measure} is not linear")


def _linear(rule: cp.Constraint) -> bool:
    return all(argument.is_pwl() for argument in rule.args) and len(rule.args) <= 2


def _reach(feasible: FeasibleSet, pieces: Pieces) -> Array | None:
    """(n, k) ends of the intervals, those without one at what the budget leaves; None where that has no end."""
    budget = feasible.limits.linear[0]
    whole = budget.offset - budget.low
    if np.isfinite(pieces.high).all() and np.isfinite(pieces.low).all():
        return pieces.high
    if not np.isfinite(whole) or (pieces.low < 0).any():
        return None
    return np.where(pieces.high < INF, pieces.high, whole)


def _places(
    w: cp.Expression, chosen: cp.Variable, pieces: Pieces, reach: Array, most: int
) -> list[cp.Constraint]:
    """Each weight in one interval, and no more names than the most outside of [0, 0]."""
    import cvxpy as cp

    n, k = pieces.low.shape
    unused = np.arange(k) >= pieces.count[:, None]
    found = [
        cp.sum(chosen, axis=1) == 1,
        cp.sum(cp.multiply(pieces.low, chosen), axis=1) <= w,
        cp.sum(cp.multiply(reach, chosen), axis=1) >= w,
    ]
    if unused.any():
        found.append(cp.sum(cp.multiply(unused.astype(float), chosen)) == 0)
    if most < n:
        inside = (np.arange(k) == pieces.empty[:, None]).astype(float)
        found.append(cp.sum(cp.multiply(1.0 - inside, chosen)) <= most)
    return found
