"""Quadratic and ratio goals in a feasible set: block pivoting first, where it does not settle a general solver."""

from dataclasses import replace

import numpy as np

from optimizer.numerics.answers import Answer, NoAnswerError
from optimizer.numerics.homogeneous import best_ratio
from optimizer.numerics.matrices import Matrix, dense
from optimizer.numerics.pivoting.block_pivoting import Pivots
from optimizer.numerics.polyhedra import Polyhedron
from optimizer.numerics.qp import SMALL, solve_qp
from optimizer.problem.feasible_set import FeasibleSet
from optimizer.solvers.fast.turnover_trades import by_trades
from optimizer.typing import Array

MANY_NAMES = 500


def least_in(P: Matrix, q: Array, feasible: FeasibleSet) -> Answer:
    """Least w'Pw/2 + q'w; P (n, n) positive semidefinite, q (n,); multipliers of the frame's rows.

    Raises NoAnswerError.
    """
    if _suits_pivots(feasible):
        try:
            return Pivots(P, q, feasible.frame).run(feasible.start)
        except NoAnswerError:
            pass  # a guess that does not settle proves nothing; the general solver decides
    n, p = len(q), feasible.space.rows.shape[1]
    if _suits_trades(feasible):
        try:
            return by_trades(P, q, feasible.frame, solve_qp, lambda w: P @ w + q)
        except NoAnswerError:
            pass  # too few columns can leave nothing allowed
    if p == n:
        return _priced(solve_qp(dense(P), q, feasible.space), feasible)
    wide, long = np.zeros((p, p)), np.zeros(p)
    wide[:n, :n], long[:n] = dense(P), q
    return _priced(solve_qp(wide, long, feasible.space), feasible)


def best_ratio_in(gain: Array, covariance: Matrix, feasible: FeasibleSet) -> Answer:
    """Greatest gain'w / sqrt(w'Sw); gain (n,), covariance (n, n); multipliers of the frame's rows.

    Raises NoAnswerError, infeasible when no gain is positive.
    """
    if _suits_pivots(feasible):
        try:
            pivots = Pivots(covariance, np.zeros(len(gain)), feasible.frame, gain)
            answer = pivots.run(feasible.start)
            return replace(answer, multipliers=answer.multipliers / pivots.strength)
        except NoAnswerError:
            pass  # as above; a set that reaches to zero has no scale of its own either
    if _suits_trades(feasible):

        def ratio_of(square: Array, linear: Array, space: Polyhedron) -> Answer:
            return best_ratio(linear, square, space)

        def slope(w: Array) -> Array:
            marginal = covariance @ w
            return np.asarray(float(gain @ w) / float(w @ marginal) * marginal - gain)

        try:
            return by_trades(covariance, gain, feasible.frame, ratio_of, slope)
        except NoAnswerError:
            pass  # as above
    return _priced(best_ratio(gain, dense(covariance), feasible.space), feasible)


def _suits_pivots(feasible: FeasibleSet) -> bool:
    """Small books are faster by a compiled solver; in books with short positions hardly a weight rests on a bound."""
    limits = feasible.limits
    return (
        not feasible.wide and len(limits.symbols) > SMALL and bool(limits.absolute or limits.lower.min() >= 0)
    )


def _suits_trades(feasible: FeasibleSet) -> bool:
    """One absolute limit over so many names that a column for each sale is what takes the time."""
    return not feasible.wide and len(feasible.frame.kinks) == 1 and len(feasible.limits.symbols) >= MANY_NAMES


def _priced(answer: Answer, feasible: FeasibleSet) -> Answer:
    own = feasible.prices(answer.multipliers)
    return answer if own is answer.multipliers else replace(answer, multipliers=own)
