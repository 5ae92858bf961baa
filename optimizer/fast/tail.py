"""Expected tail loss as a linear program (Rockafellar & Uryasev 2000)."""

from dataclasses import dataclass

import numpy as np

from optimizer.fast.lp import solve_lp
from optimizer.fast.qp import Answer
from optimizer.limits import INF, Polyhedron
from optimizer.typing import Array


@dataclass(frozen=True)
class TailAnswer:
    """The answer over the polyhedron's columns, and the scenario weights (T,) that certify it."""

    answer: Answer
    weights: Array


def least_tail(scenarios: Array, level: float, base: Polyhedron) -> TailAnswer:
    """The w of least expected loss in the worst 1 - level of scenarios (T, n). Raises NoAnswerError."""
    count, n = scenarios.shape
    m, p = base.rows.shape
    size = float(np.abs(scenarios).max()) or 1.0
    rows = np.zeros((m + count, p + 1 + count))
    rows[:m, :p] = base.rows
    rows[m:, :n] = scenarios / size
    rows[m:, p] = 1.0
    rows[m:, p + 1 :] = np.eye(count)
    space = Polyhedron(
        rows,
        np.append(base.low, np.zeros(count)),
        np.append(base.high, np.full(count, INF)),
        np.concatenate([base.floor, [-INF], np.zeros(count)]),
        np.concatenate([base.ceiling, np.full(1 + count, INF)]),
        np.ones(m + count),
    )
    cost = np.zeros(p + 1 + count)
    cost[p] = 1.0
    cost[p + 1 :] = 1.0 / ((1.0 - level) * count)
    answer = solve_lp(cost, space)
    weights = np.clip(answer.multipliers[m:], 0.0, cost[-1])
    return TailAnswer(
        Answer(answer.x[:p], answer.multipliers[:m] * size, answer.solver), weights / weights.sum()
    )
