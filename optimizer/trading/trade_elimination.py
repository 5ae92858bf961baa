"""Target weights to whole lots, the start: trades that do not earn their commission are left out, one by one.

The relaxation pays a part of the commission for a part of a trade, and so makes many small trades. Rounding them one at
a time keeps most, since each looks worth keeping beside the others.
"""

import numpy as np

from optimizer.numerics.matrices import block
from optimizer.trading.lot_relaxation import TOLERANCE, RoundingProblem
from optimizer.typing import Array

LARGEST = 600  # an elimination takes k^2 operations a trade
RESTS = 1e-7
HOPELESS = 0.4  # trades that earn less of their commission than this are left out together


def thinned(problem: RoundingProblem, x: Array, slope: Array, fee: Array) -> Array:
    """(n,) holdings near x without the trades that are not worth their commission, the others adjusted to that.

    Backward elimination (Efroymson 1960): again and again that trade is left out whose loss, once the others have made
    up for it, is below its commission by most. Holdings at a bound stay there.
    x  (n,) optimum of the relaxation;  fee  (n,) commissions
    slope  (n,) what a unit of each trade adds to the objective besides risk: costs, and the prices of cash and limits
    """
    p, trades = problem, x - problem.held
    open_ = (np.abs(trades) > RESTS) & (x > p.lower + TOLERANCE) & (x < p.upper - TOLERANCE)
    names = np.flatnonzero(open_)
    if not fee.any() or not len(names):
        return x
    if len(names) > LARGEST:
        # The commissions of the largest trades are earned for certain.
        size = np.abs(trades[names]) * np.sqrt(p.own[names])
        names = np.sort(names[np.argsort(size, kind="stable")[:LARGEST]])
    fixed = trades.copy()
    fixed[names] = 0.0
    pull = 2 * p.aversion * p.marginal(p.held + fixed)[names] + slope[names]
    risk = p.aversion * block(p.risk.covariance, names)
    kept = _eliminated(risk, pull, np.sign(trades[names]), fee[names])
    fixed[names] = kept
    return np.asarray(p.held + fixed)


def _eliminated(risk: Array, pull: Array, side: Array, fee: Array) -> Array:
    """(k,) the trades t of least t'risk t + pull't + fees, 0 or to their side, found by elimination from all."""
    inverse = np.linalg.inv(risk)
    trades, on = -inverse @ pull / 2, np.ones(len(pull), dtype=bool)
    lost = (trades**2 / inverse.diagonal() < HOPELESS * fee) | (trades * side <= 0)
    if lost.any():
        cross = np.linalg.solve(inverse[np.ix_(lost, lost)], inverse[lost])
        trades = trades - trades[lost] @ cross
        inverse = inverse - inverse[:, lost] @ cross
        trades[lost], on[lost] = 0.0, False
    while on.any():
        alone = np.where(on, inverse.diagonal(), 1.0)
        worth = np.where(on, trades**2 / alone - fee, np.inf)
        worth[on & (trades * side <= 0)] = -np.inf
        out = int(np.argmin(worth))
        if worth[out] >= 0:
            break
        column = inverse[:, out] / inverse[out, out]
        trades = trades - trades[out] * column
        inverse -= column[:, None] * inverse[out]
        trades[out], on[out] = 0.0, False
    return np.asarray(trades)
