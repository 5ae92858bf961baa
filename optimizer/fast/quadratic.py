"""Quadratic and ratio goals in an arena: block pivoting first, where it does not settle a general solver."""

from dataclasses import replace

import numpy as np

from optimizer.arena import Arena
from optimizer.fast.answers import Answer, NoAnswerError
from optimizer.fast.homogeneous import best_ratio
from optimizer.fast.pivots import Pivots
from optimizer.fast.qp import SMALL, solve_qp
from optimizer.matrices import Matrix, dense
from optimizer.typing import Array


def least_in(P: Matrix, q: Array, arena: Arena) -> Answer:
    """Least w'Pw/2 + q'w; P (n, n) positive semidefinite, q (n,); multipliers of the frame's rows.

    Raises NoAnswerError.
    """
    if _suits_pivots(arena):
        try:
            return Pivots(P, q, arena.frame).run(arena.start)
        except NoAnswerError:
            pass  # a guess that does not settle proves nothing; the general solver decides
    n, p = len(q), arena.space.rows.shape[1]
    if p == n:
        return _priced(solve_qp(dense(P), q, arena.space), arena)
    wide, long = np.zeros((p, p)), np.zeros(p)
    wide[:n, :n], long[:n] = dense(P), q
    return _priced(solve_qp(wide, long, arena.space), arena)


def best_ratio_in(gain: Array, covariance: Matrix, arena: Arena) -> Answer:
    """Greatest gain'w / sqrt(w'Sw); gain (n,), covariance (n, n); multipliers of the frame's rows.

    Raises NoAnswerError, infeasible when no gain is positive.
    """
    if _suits_pivots(arena):
        try:
            pivots = Pivots(covariance, np.zeros(len(gain)), arena.frame, gain)
            answer = pivots.run(arena.start)
            return replace(answer, multipliers=answer.multipliers / pivots.strength)
        except NoAnswerError:
            pass  # as above; a set that reaches to zero has no scale of its own either
    return _priced(best_ratio(gain, dense(covariance), arena.space), arena)


def _suits_pivots(arena: Arena) -> bool:
    """Small books are faster by a compiled solver; in books with short positions hardly a weight rests on a bound."""
    limits = arena.limits
    return (
        not arena.elastic and len(limits.symbols) > SMALL and bool(limits.absolute or limits.lower.min() >= 0)
    )


def _priced(answer: Answer, arena: Arena) -> Answer:
    own = arena.prices(answer.multipliers)
    return answer if own is answer.multipliers else replace(answer, multipliers=own)
