"""A user's own cvxpy constraints beside the policy's limits, in the general lane.

That they hold is recomputed; the distance to the optimum is proven by their tangents, and where these have a kink it is
the solver's own duality gap, which a note says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from optimizer.errors import InfeasibleError, PolicyError, SolverError
from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.convex_limits import INF, Limits, Linear
from optimizer.problem.feasible_set import FeasibleSet, plain
from optimizer.problem.goals import Goal, Quadratic, Traded
from optimizer.problem.scenario_goals import Scenario
from optimizer.problem.tails.tail_goals import RobustTail
from optimizer.solvers.audit import Certificate
from optimizer.solvers.fast.dispatch import Candidate
from optimizer.solvers.general import climb, cone, express, normal_of, prices_of, rules
from optimizer.solvers.solver_choice import Optimum, certified
from optimizer.typing import Array

if TYPE_CHECKING:
    import cvxpy as cp

OwnConstraints = Callable[["cp.Expression"], "Sequence[cp.Constraint]"]


def optimum_within(goal: Goal, limits: Limits, constraints: OwnConstraints) -> tuple[FeasibleSet, Optimum]:
    """The certified answer that keeps the limits and the constraints, and the set that holds their tangents there.

    constraints  from the weights (n,) to convex inequalities and affine equalities
    Raises PolicyError for other constraints or a goal with a free scale, InfeasibleError, SolverError.
    """
    import cvxpy as cp

    if goal.homogeneous:
        raise PolicyError(
            f"own constraints cannot be combined with the {goal.measure}; use a method such as mean_variance"
        )
    feasible, n = plain(limits), len(limits.symbols)
    x = cp.Variable(feasible.space.rows.shape[1])
    own = [checked(constraint) for constraint in constraints(x[:n])]
    cost, links = express(goal, x[:n])
    cones = [cone(norm, x[:n], 1.0) for norm in limits.norms]
    problem = cp.Problem(cp.Minimize(cost), [*rules(x, 1.0, feasible.space), *cones, *links, *own])

    def read(solver: str) -> tuple[FeasibleSet, Optimum]:
        w = np.asarray(x.value)[:n]
        prices = prices_of(goal, links)
        support = (
            goal.support(w, prices)
            if isinstance(goal, Quadratic | Scenario | Traded | RobustTail)
            else goal.support(w)
        )
        touched = plain(replace(limits, linear=(*limits.linear, *tangents(own, x, n))))
        normals = tuple(normal_of(*pair) for pair in zip(limits.norms, cones, strict=True))
        none = np.zeros(len(touched.frame.rows) + len(limits.norms))
        found = Candidate(np.asarray(x.value), none, solver, support, normals)
        proven = certified("general", touched, found, goal)
        return touched, proven if proven.certificate.ok else believed(proven, problem)

    try:
        touched, best = climb(problem, read, lambda answer: answer[1].certificate.ok)
    except NoAnswerError as stop:
        if not stop.infeasible:
            raise SolverError(f"no answer under the own constraints: {stop}; report them") from stop
        raise InfeasibleError(
            "no portfolio keeps the own constraints together with the policy's limits; relax one of them"
        ) from stop
    if not best.certificate.ok:
        raise SolverError(f"the answer under the own constraints could not be certified: {best.certificate}")
    return touched, best


def believed(best: Optimum, problem: cp.Problem) -> Optimum:
    """The same with the gap by the solver's multipliers, where a constraint's kink has no tangent that proves it.

    That gap is the sum of multiplier x slack (complementary slackness); that they are stationary is believed.
    """
    cost = max(abs(float(problem.value)), 1e-6)
    relative = sum(_slackness(constraint) for constraint in problem.constraints) / cost
    proof = Certificate(best.certificate.primal_residual, relative * best.support.size, relative)
    note = "an own constraint has a kink at the answer: its distance to the optimum is what the solver says of it"
    return replace(best, certificate=proof, notes=(*best.notes, note))


def _slackness(constraint: cp.Constraint) -> float:
    """|multiplier x slack| of one constraint."""
    import cvxpy as cp

    if isinstance(constraint, cp.SOC):
        price, direction = (np.ravel(part) for part in constraint.dual_value)
        bound, away = (np.ravel(part.value) for part in constraint.args)
        return abs(float(price @ bound + direction @ away))
    return float(np.abs(np.ravel(constraint.dual_value) * np.ravel(constraint.expr.value)).sum())


def checked(constraint: cp.Constraint) -> cp.Constraint:
    """The constraint; PolicyError where it is not a convex inequality or an affine equality."""
    from cvxpy.constraints import Equality, Inequality, NonPos, Zero

    if not isinstance(constraint, Equality | Inequality | NonPos | Zero) or not constraint.is_dcp():
        raise PolicyError(
            f"own constraint {constraint} is not a convex inequality (<=, >=) or an affine equality (==); "
            f"write it as one"
        )
    return constraint


def tangents(own: list[cp.Constraint], x: cp.Variable, n: int) -> tuple[Linear, ...]:
    """Half-spaces that contain all that the constraints allow and touch them at x; exact for affine ones."""
    from cvxpy.constraints import Equality, Zero

    found = []
    w = np.asarray(x.value)[:n]
    for i, constraint in enumerate(own):
        values = np.atleast_1d(np.asarray(constraint.expr.value, dtype=float)).ravel(order="F")
        slopes = _slopes(constraint, x, n)
        low = 0.0 if isinstance(constraint, Equality | Zero) else -INF
        for value, slope in zip(values, slopes, strict=True):
            name = f"own constraint {i + 1}"
            found.append(Linear((name, name), slope, low, 0.0, float(value - slope @ w)))
    return tuple(found)


def _slopes(constraint: cp.Constraint, x: cp.Variable, n: int) -> Array:
    """(m, n) gradients of the constraint's m values."""
    gradient = constraint.expr.grad[x]
    if gradient is None:
        raise SolverError(
            f"own constraint {constraint} has no gradient at the answer; write it smoothly there"
        )
    dense = gradient.toarray() if hasattr(gradient, "toarray") else np.atleast_2d(np.asarray(gradient))
    return np.asarray(dense.reshape(len(x.value), -1)[:n].T)
