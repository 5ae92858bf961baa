"""Expected tail loss under ellipsoidal limits, by the program of Rockafellar & Uryasev (2000) and their tangents."""

import numpy as np

from optimizer.numerics.answers import Answer, NoAnswerError
from optimizer.numerics.convex_limits import INF, Norm
from optimizer.numerics.polyhedra import Polyhedron, outer
from optimizer.numerics.qp import solve_qp
from optimizer.solvers.fast.cvar_generation import TailAnswer
from optimizer.solvers.fast.limit_curvature import priced_curvature
from optimizer.typing import Array

ROUNDS = 30
SETTLED, LOOSE = 1e-11, 1e-5
NEAR_TAIL = 3.0


def tail_program(scenarios: Array, most: float | Array, base: Polyhedron) -> tuple[Polyhedron, Array]:
    """Columns x (p,), the threshold loss z and each scenario's excess u over it; and the cost z + sum most x u."""
    total, n = scenarios.shape
    m, p = base.rows.shape
    rows = np.zeros((m + total, p + 1 + total))
    rows[:m, :p] = base.rows
    rows[m:, :n] = scenarios
    rows[m:, p] = 1.0
    rows[m:, p + 1 :] = np.eye(total)
    space = Polyhedron(
        rows,
        np.append(base.low, np.zeros(total)),
        np.append(base.high, np.full(total, INF)),
        np.concatenate([base.floor, [-INF], np.zeros(total)]),
        np.concatenate([base.ceiling, np.full(1 + total, INF)]),
        np.ones(m + total),
    )
    cost = np.zeros(p + 1 + total)
    cost[p] = 1.0
    cost[p + 1 :] = most
    return space, cost


def least_tail_within(
    scenarios: Array,
    level: float,
    space: Polyhedron,
    norms: tuple[Norm, ...],
    w: Array,
    most: float | Array,
) -> TailAnswer:
    """The same under ellipsoidal limits, from weights w (n,) near the answer; multipliers of the rows of `outer`.

    Each round takes the limits' tangents and priced curvature at the last weights, and only the scenarios near
    their tail; a scenario that is left out and turns out to matter shows as a gap. Raises NoAnswerError.
    """
    n, count = len(w), (1.0 - level) * len(scenarios)
    prices, caps = np.zeros(len(norms)), np.broadcast_to(most, len(scenarios))
    for _ in range(ROUNDS):
        base = outer(space, norms, w)
        near = np.sort(np.argsort(scenarios @ w, kind="stable")[: int(NEAR_TAIL * count) + 2 * n])
        p = base.rows.shape[1]
        bend = priced_curvature(norms, w, prices)
        P = np.zeros((p + 1 + len(near),) * 2)
        P[:n, :n] = bend
        problem, cost = tail_program(scenarios[near], caps[near], base)
        cost[:n] -= bend @ w
        answer = solve_qp(P, cost, problem)
        moved = float(np.abs(answer.x[:n] - w).max())
        w = answer.x[:n]
        own = answer.multipliers[: len(base.rows)]
        prices = np.maximum(-own[-len(norms) :] / base.scale[-len(norms) :], 0.0)
        if moved < SETTLED:
            break
    weights = np.zeros(len(scenarios))
    weights[near] = np.clip(answer.multipliers[len(base.rows) :], 0.0, caps[near])
    if moved > LOOSE or not weights.any():  # a limit of no room leaves the scenarios no price
        raise NoAnswerError(answer.solver, f"tangents still moved by {moved:.1e}", infeasible=False)
    return TailAnswer(Answer(answer.x[:p], own, answer.solver), weights / weights.sum())
