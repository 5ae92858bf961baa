"""Of equally good answers to a linear program the least risky one."""

import numpy as np

from optimizer.numerics.answers import Answer
from optimizer.numerics.polyhedra import Polyhedron
from optimizer.numerics.qp import solve_qp
from optimizer.typing import Array

TIE = 1e-9


def break_ties(cost: Array, answer: Answer, covariance: Array, space: Polyhedron) -> Answer:
    """Of all x with the least cost the one of least w'Sw; the answer is optimal, its multipliers prove the face.

    cost (p,), covariance (n, n) of the first columns. By complementary slackness the optimal face is where rows
    with a multiplier and columns with a reduced cost stay at their bounds.
    """
    reduced = cost - answer.multipliers @ space.rows
    worth = TIE * float(np.abs(cost).max())
    free = np.abs(reduced) <= worth
    priced = np.abs(answer.multipliers) > worth
    if free.sum() <= priced.sum():
        return answer
    fixed = space.rows[:, ~free] @ answer.x[~free]
    low, high = space.low - fixed, space.high - fixed
    low[priced] = high[priced] = np.where(answer.multipliers > 0, low, high)[priced]
    face = Polyhedron(space.rows[:, free], low, high, space.floor[free], space.ceiling[free], space.scale)
    P = np.zeros((len(cost), len(cost)))
    P[: len(covariance), : len(covariance)] = covariance
    P = P[np.ix_(free, free)]
    fixed_w = np.where(free, 0.0, answer.x)[: len(covariance)]
    q = np.zeros(len(cost))
    q[: len(covariance)] = covariance @ fixed_w
    x = answer.x.copy()
    x[free] = solve_qp(P, q[free], face).x
    return Answer(x, answer.multipliers, f"{answer.solver}, least risk among equals")
