"""One ellipsoidal limit (volatility, tracking error) in a quadratic program: the price at which it just holds."""

import numpy as np

from optimizer.numerics.answers import Answer, NoAnswerError
from optimizer.numerics.convex_limits import Norm
from optimizer.numerics.matrices import Matrix, dense
from optimizer.problem.feasible_set import FeasibleSet
from optimizer.solvers.fast.quadratic import least_in
from optimizer.typing import Array

STEPS = 60
CLOSE = 1e-10
NEGLIGIBLE = 1e-10


def solve_priced(P: Matrix | None, q: Array, norm: Norm, feasible: FeasibleSet) -> tuple[Answer, float]:
    """Least w'Pw/2 + q'w in the feasible set with `norm` <= its bound, which must bind; and the bound's price.

    With price v the limit's square joins the cost as v/2 norm^2; norm^2 is nearly affine in 1 / v^2, which makes
    the search short. Raises NoAnswerError, infeasible when the least norm is above the bound.
    """
    n = len(q)
    pull, curve = norm.covariance @ norm.center, np.zeros((n, n)) if P is None else dense(P)

    def at(price: float) -> tuple[Answer, float]:
        answer = least_in(curve + price * norm.covariance, q - price * pull, feasible)
        return answer, norm.value(answer.x[:n])

    first = low = _first_price(curve, q, norm)
    while (found := at(low))[1] <= norm.bound:
        if low < NEGLIGIBLE * first:
            return found[0], low * found[1]  # among equals there is one that keeps the limit for nothing
        low /= 16
    loose = found[1]
    high = low
    while (found := at(high))[1] > norm.bound:
        loose, low, high = found[1], high, high * 16
        if high > first / NEGLIGIBLE:
            nearest = least_in(norm.covariance, -pull, feasible)
            least = norm.value(nearest.x[:n])
            raise NoAnswerError(
                nearest.solver, f"the least {norm.name} is {least:.6g}", infeasible=least > norm.bound
            )
    answer, tight = found
    for step in range(STEPS):
        if norm.bound - tight <= CLOSE * norm.bound:
            break
        price = _next_price(low, loose, high, tight, norm.bound, halve=step % 4 == 3)
        found = at(price)
        if found[1] > norm.bound:
            low, loose = price, found[1]
        else:
            high, (answer, tight) = price, found
    return answer, high * tight


def _first_price(P: Array, q: Array, norm: Norm) -> float:
    size = max(float(np.abs(q).max()) * norm.bound, float(np.abs(np.diag(P)).max()), 1e-12)
    return size / max(float(np.trace(norm.covariance)) / len(norm.center), 1e-300)


def _next_price(low: float, loose: float, high: float, tight: float, bound: float, *, halve: bool) -> float:
    if halve or loose <= tight:
        return float(np.sqrt(low * high))
    # A touch inside the bound, so that the answer's side of the bracket moves too.
    aim = bound**2 - 0.5 * CLOSE * bound**2
    share = (loose**2 - aim) / (loose**2 - tight**2)
    inverse = low**-2 + share * (high**-2 - low**-2)
    return float(np.clip(inverse**-0.5, low, high))
