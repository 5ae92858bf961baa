"""Where a change of expected returns moves the best weights under limits, to first order."""

import numpy as np
from numpy.typing import NDArray

from optimizer.numerics.convex_limits import Limits
from optimizer.numerics.matrices import Index, Matrix, block, product_of_few
from optimizer.typing import Array

TOUCHES, ROUNDING = 1e-6, 1e-9  # of NAV, or of the limit's own unit; of a return per year


def response(change: Array, excess: Array, risk: Matrix, w: Array, limits: Limits) -> Array:
    """(n,) how a change (n,) of the means moved the weights w (n,); of one at a bound the sign.

    excess  (n,) the means above what cash earns, the change in them;  risk  positive definite
    Limits that w touches stay touched. A name at its bound moved where without the change it would leave it: by its
    reduced cost, at the aversion to risk that fits the other names. Only signs and proportions count, as that aversion
    is none of the arguments. A limit on the mean itself moves with it and is left out.
    """
    rows, loose = _touched(w, limits)
    free = np.flatnonzero(loose)
    moved, part = np.zeros(len(w)), rows[:, free]
    if len(free):
        solved = np.linalg.solve(block(risk, free), np.column_stack([change[free], part.T]))
        pull, held = solved[:, 0], solved[:, 1:]
        moved[free] = pull - held @ _least(part @ held, part @ pull)
    left = _unpaid(change - _product(risk, moved), rows, free)
    if np.abs(_unpaid(excess, rows, free)[free]).max(initial=0.0) <= ROUNDING:
        return np.where(loose, moved, left)  # what risk costs is not shown: which way the others are pushed
    cost = _unpaid(excess, np.vstack([rows, _product(risk, w)]), free)
    leaves = ~loose & (np.abs(cost) > ROUNDING) & (cost * (cost - left) < 0)
    return np.where(leaves, left, moved)


def _unpaid(slope: Array, rows: Array, free: Index) -> Array:
    """(n,) a slope less the prices of rows (k, n) that fit it best in the free names."""
    return slope - _least(rows[:, free].T, slope[free]) @ rows


def _touched(w: Array, limits: Limits) -> tuple[Array, NDArray[np.bool_]]:
    """(k, n) slopes of the limits that w touches, and (n,) which names are at no bound or kink of their own."""
    loose = (w > limits.lower + TOUCHES) & (w < limits.upper - TOUCHES)
    rows = []
    for limit in limits.linear:
        value = limit.value(w)
        if limit.names[0] != "min_return" and (value <= limit.low + TOUCHES or value >= limit.high - TOUCHES):
            rows.append(limit.row)
    for distance in limits.absolute:
        if distance.value(w) >= distance.bound - TOUCHES:
            away = w - distance.center
            loose &= (np.abs(away) > TOUCHES) | (distance.coefficients == 0)
            rows.append(
                distance.coefficients * np.sign(away) + (0.0 if distance.row is None else distance.row)
            )
    for sums in limits.largest:
        if sums.value(w) >= sums.bound - TOUCHES:
            sizes = np.abs(w)
            least = np.sort(sizes)[::-1][: sums.count][-1]
            among, tied = sizes > least + TOUCHES, np.abs(sizes - least) <= TOUCHES
            loose &= ~tied | (tied.sum() + among.sum() <= sums.count)
            rows.append(np.where(among | tied, np.sign(w), 0.0))
    rows += [
        norm.covariance @ (w - norm.center) for norm in limits.norms if norm.value(w) >= norm.bound - TOUCHES
    ]
    return np.array(rows).reshape(len(rows), len(w)), loose


def _product(risk: Matrix, x: Array) -> Array:
    names = np.flatnonzero(x)
    return product_of_few(risk, names, x[names])


def _least(rows: Array, value: Array) -> Array:
    """The least squares answer, where rows may say the same twice or be none."""
    return np.asarray(np.linalg.lstsq(rows, value, rcond=None)[0])
