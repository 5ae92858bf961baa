"""Target weights to whole lots, the problem: what may be traded, and what a convex relaxation proves.

Minimise  a (x - w)'S(x - w) + cost(x - held)  over holdings that a number of lots can reach, subject to
cash, turnover and the other limits. All amounts are fractions of the NAV before the trades.
"""

from dataclasses import dataclass

import numpy as np

from optimizer.costs import CostCurve
from optimizer.errors import InfeasibleError, SolverError
from optimizer.limits import Absolute, Norm
from optimizer.typing import Array

TOLERANCE = 1e-12
FLIPS = 25


@dataclass(frozen=True, eq=False)
class RoundingProblem:
    """What is held and wanted, and what the holdings x must obey; every array is in the symbols' order.

    held, wanted  (n,) weights now and at the target
    step          (n,) weight of one lot
    covariance    (n, n) per year;  aversion  a, NAV per unit of annual tracking variance
    curve         costs of trades given in weights
    lower, upper  (n,) bounds of x
    rows, bounds  (m, n) and (m,): rows @ x <= bounds
    absolute, norms  convex limits that the descent keeps and the relaxation leaves out
    cash, cash_min  before the trades, and the least after them
    max_traded    limit of sum |x - held|, two-way
    min_trade     a trade is nothing or at least this
    """

    held: Array
    wanted: Array
    step: Array
    covariance: Array
    aversion: float
    curve: CostCurve
    lower: Array
    upper: Array
    rows: Array
    bounds: Array
    cash: float
    cash_min: float
    max_traded: float = np.inf
    min_trade: float = 0.0
    absolute: tuple[Absolute, ...] = ()
    norms: tuple[Norm, ...] = ()

    @property
    def min_lots(self) -> Array:
        """(n,) least size of a trade in lots."""
        return np.maximum(np.ceil(self.min_trade / self.step - 1e-9), 1.0)

    @property
    def close(self) -> Array:
        """(n,) lots that sell the whole holding; it need not be whole."""
        return -self.held / self.step

    def objective(self, lots: Array) -> float:
        """Tracking penalty plus costs, fraction of NAV."""
        trades = lots * self.step
        miss = self.held + trades - self.wanted
        return float(self.aversion * miss @ self.covariance @ miss + self.curve.costs(trades).sum())


@dataclass(frozen=True, eq=False)
class Relaxation:
    """The convex optimum without lots and fixed costs, and the bound it proves for whole lots.

    weights  (n,);  bound  no permitted answer has a lower objective
    """

    weights: Array
    bound: float


def permitted(problem: RoundingProblem, lots: Array) -> Array:
    """(n,) the nearest trade that is whole, large enough, and no larger than the holding unless short."""
    close, least = problem.close, problem.min_lots
    whole = np.rint(lots)
    whole = np.where((problem.lower >= 0) & (whole < close), close, whole)
    whole = np.where(np.abs(lots - close) < 1e-9, close, whole)
    edge = np.where(np.abs(lots) >= least / 2, np.copysign(least, lots), 0.0)
    edge = np.where((problem.lower >= 0) & (edge < close), 0.0, edge)
    return np.where(np.abs(whole) < least - 1e-9, edge, whole)


def neighbours(problem: RoundingProblem, lots: Array) -> tuple[Array, Array]:
    """(n,) the next permitted trades above and below."""
    close, least = problem.close, problem.min_lots
    up = np.floor(lots + 1e-9) + 1
    up = np.where((up > 0) & (up < least), least, up)
    up = np.where((up < 0) & (up > -least), 0.0, up)
    down = np.ceil(lots - 1e-9) - 1
    down = np.where((down > 0) & (down < least), 0.0, down)
    down = np.where((down < 0) & (down > -least), -least, down)
    beyond = (problem.lower >= 0) & (down < close)
    sellable = (-close >= least - 1e-9) & (lots > close + 1e-9)
    return up, np.where(beyond, np.where(sellable, close, lots), down)


def relax(problem: RoundingProblem) -> Relaxation:
    """Solves the convex relaxation by PIQP with each name's side given, until no name changes its side.

    Raises InfeasibleError when no holdings obey cash, turnover and limits, SolverError when PIQP gives up.
    """
    p = problem
    side = np.where(p.wanted >= p.held, 1.0, -1.0)
    for _ in range(FLIPS):
        side = np.where(p.held > p.upper, -1.0, np.where(p.held < p.lower, 1.0, side))
        x, value, price_cash, price_turnover, slope = _solve_side(p, side)
        # at the held weight the other side may be better: its derivative there decides
        back = (
            -side * slope + np.where(side > 0, p.curve.sell, p.curve.buy) * (1 + price_cash) + price_turnover
        )
        resting = (np.abs(x - p.held) < 1e-7) & (p.lower < p.held) & (p.held < p.upper)
        wrong = resting & (back < -1e-7 * (1 + np.abs(slope)))
        if not wrong.any():
            return Relaxation(x, value + _whole_lot_bonus(p, x, price_cash))
        side = np.where(wrong, -side, side)
    raise SolverError(f"no side of {wrong.sum()} trades settled in {FLIPS} rounds")


def _solve_side(p: RoundingProblem, side: Array) -> tuple[Array, float, float, float, Array]:
    """Optimum with the trades' signs given: x, objective, shadow prices of cash and turnover, gradient."""
    low = np.where(side > 0, np.maximum(p.lower, np.minimum(p.held, p.upper)), p.lower)
    high = np.where(side > 0, p.upper, np.minimum(p.upper, np.maximum(p.held, p.lower)))
    free = high - low > TOLERANCE
    x = np.where(free, 0.0, low)
    rate = np.where(side > 0, p.curve.buy, p.curve.sell)
    expected = np.abs(p.wanted - p.held) > p.step / 2
    fixed_cost = float(p.curve.fixed @ expected)
    rows = np.vstack([1 + side * rate, side, p.rows])
    limits = np.concatenate([[p.cash - p.cash_min - fixed_cost, p.max_traded], p.bounds])
    limits[:2] += rows[:2] @ p.held
    kept = np.isfinite(limits)
    quadratic = 2 * p.aversion * p.covariance
    duals = np.zeros(len(limits))
    if free.any():
        pull = quadratic @ (x - p.wanted) + side * rate
        x[free], duals[kept] = _minimise(
            quadratic[np.ix_(free, free)],
            pull[free],
            rows[kept][:, free],
            (limits - rows @ x)[kept],
            low[free],
            high[free],
        )
    elif (rows @ x - limits)[kept].max(initial=0.0) > 1e-9:
        raise InfeasibleError("every holding is fixed and the limits do not hold; relax one of them")
    miss = x - p.wanted
    slope = quadratic @ miss + duals[0] + p.rows.T @ duals[2:]
    value = float(miss @ quadratic @ miss / 2 + rate @ np.abs(x - p.held))
    return x, value - float(duals[0]) * fixed_cost, float(duals[0]), float(duals[1]), slope


def _minimise(
    quadratic: Array, pull: Array, rows: Array, limits: Array, low: Array, high: Array
) -> tuple[Array, Array]:
    """argmin x'Qx / 2 + pull'x subject to rows @ x <= limits and low <= x <= high, and the rows' multipliers."""
    import piqp

    scale = float(quadratic.diagonal().mean())
    solver = piqp.DenseSolver()
    solver.settings.eps_abs = solver.settings.eps_rel = 1e-10
    # its own settings, 1e-8 by default: the objective of a trade list is 1e-4
    solver.settings.eps_duality_gap_abs = solver.settings.eps_duality_gap_rel = 1e-12
    solver.settings.max_iter = 100
    solver.setup(
        np.asfortranarray(quadratic / scale), pull / scale, None, None, np.asfortranarray(rows), None,
        limits, low, high,
    )  # fmt: skip
    status = solver.solve()
    if status == piqp.PIQP_PRIMAL_INFEASIBLE:
        raise InfeasibleError("no trades keep cash, turnover and limits at once; relax one of them")
    if status != piqp.PIQP_SOLVED:
        raise SolverError(f"PIQP stopped with {status} on the relaxed trade list")
    return solver.result.x, solver.result.z_u * scale


def _whole_lot_bonus(p: RoundingProblem, x: Array, price_cash: float) -> float:
    """What fixed costs and whole lots add at least to the relaxed optimum x.

    The objective grows from x by at least d_i (x_i - y_i)^2 / 2 a name, d being the Hessian's diagonal times
    the least eigenvalue of the correlation; each name takes its cheapest neighbour or no trade.
    """
    variance = p.covariance.diagonal()
    scale = np.sqrt(variance)
    lowest = max(float(np.linalg.eigvalsh(p.covariance / np.outer(scale, scale))[0]) - 1e-9, 0.0)
    growth = lowest * p.aversion * variance
    lots = (x - p.held) / p.step
    near = permitted(p, lots)
    up, down = neighbours(p, near)
    options = np.stack([near, up, down, np.zeros_like(lots)])
    price = p.curve.fixed * (1 + price_cash) * (options != 0) + growth * ((options - lots) * p.step) ** 2
    reached = p.held + options * p.step
    inside = (reached >= p.lower - TOLERANCE) & (reached <= p.upper + TOLERANCE)
    cheapest = np.where(inside, price, np.inf).min(axis=0)
    return float(np.where(np.isfinite(cheapest), cheapest, price.min(axis=0)).sum())
