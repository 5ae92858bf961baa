"""Target weights to whole lots, the bound: the perspective relaxation of trades that pay a commission.

A trade t pays d (t - c)^2 + r |t|, and f when it is not 0. Its convex envelope is a line from 0 to the size
t* = sqrt(f / d), and the parabola beyond (Frangioni & Gentile 2006): tight where d is large, so d takes from the
covariance what each name bears alone. The bound that is reported is Lagrange's, at the shadow prices of that convex
problem: it prices each name's permitted lots one by one, and holds whatever the prices are.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import InfeasibleError, SolverError
from optimizer.trading.lot_relaxation import TOLERANCE, Relaxation, RoundingProblem, separable
from optimizer.trading.trade_elimination import RESTS, thinned
from optimizer.typing import Array

ROUNDS = 25
SHARPER = 1.0


def sharpened(problem: RoundingProblem) -> tuple[RoundingProblem, Array]:
    """The problem with more of `own` where that raises the bound most, and the optimum (n,) of its first relaxation.

    A commission counts in part, z, where the relaxed trade t is below the size t*: there a unit more of d raises the
    bound by t^2 (1 / z - 1). Whatever is taken, the rest of the covariance stays convex (Zheng, Sun & Li 2014).
    Raises InfeasibleError and SolverError as `relax` does.
    """
    p = problem
    found = _Priced(p, p.wanted, 0.0, 0.0, np.zeros(len(p.bounds)))
    side, whole = _sides(p, p.wanted), np.abs(p.wanted - p.held) >= found.reach
    found = _solve(p, side, whole, found.reach, reserved=False)
    size = np.abs(found.x - p.held)
    worth = size * np.maximum(found.reach - size, 0.0)
    part = p.own * worth
    if not part.any():
        return p, found.x
    share = p.own * np.exp(SHARPER * np.sqrt(part / part.max()))
    own = separable(p.aversion * p.covariance, share)
    return (replace(p, own=own) if worth @ (own - p.own) > 0 else p), found.x


def relax(problem: RoundingProblem, near: Array | None = None) -> Relaxation:
    """Solves the relaxation by PIQP, each name on a side and a piece of its envelope, until none changes either.

    near  (n,) holdings whose sides and pieces are the first guess; the target by default
    Raises InfeasibleError when no holdings obey cash, turnover and limits, SolverError when PIQP gives up.
    """
    p = problem
    near = p.wanted if near is None else near
    side = _sides(p, near)
    found = _Priced(p, near, 0.0, 0.0, np.zeros(len(p.bounds)))
    whole = np.abs(near - p.held) >= found.reach
    best, highest, reserved = found, -np.inf, True
    for _ in range(ROUNDS):
        side = np.where(p.held > p.upper, -1.0, np.where(p.held < p.lower, 1.0, side))
        try:
            found = _solve(p, side, whole, found.reach, reserved)
        except InfeasibleError:
            if not reserved:
                raise
            reserved = (
                False  # commissions that were set aside may not be due: only without them it is a proof
            )
            continue
        bound = found.bound()
        if bound >= highest:
            best, highest = found, bound
        resting = (np.abs(found.x - p.held) < RESTS) & (p.lower < p.held) & (p.held < p.upper)
        wrong = resting & (found.slope(-side) < -1e-7)
        beyond = side * (found.x - p.held) >= found.reach
        if not wrong.any() and (beyond == whole).all():
            break
        side, whole = np.where(wrong, -side, side), beyond
    return Relaxation(
        best.x, max(highest, 0.0), best.start
    )  # tracking error and costs are never below nothing


def _sides(problem: RoundingProblem, near: Array) -> Array:
    """(n,) 1 for names to buy, -1 for names to sell; of those that rest the way to the target."""
    p = problem
    rests = np.abs(near - p.held) < RESTS
    return np.where(np.where(rests, p.wanted, near) >= p.held, 1.0, -1.0)


@dataclass(frozen=True, eq=False)
class _Priced:
    """Holdings x (n,) and the shadow prices of cash, turnover and the affine limits (m,)."""

    problem: RoundingProblem
    x: Array
    cash: float
    turnover: float
    rows: Array

    @property
    def reach(self) -> Array:
        """(n,) the size t* up to which the envelope is a line."""
        return np.asarray(np.sqrt(self.problem.curve.fixed * (1 + self.cash) / self.problem.own))

    def shared(self) -> Array:
        """(n,) derivative of the risk that no name bears alone."""
        p, miss = self.problem, self.x - self.problem.wanted
        return np.asarray(2 * (p.aversion * (p.covariance @ miss) - p.own * miss))

    def pull(self) -> Array:
        """(n,) the same, with what a unit takes from cash and limits."""
        return np.asarray(self.shared() + self.cash + self.rows @ self.problem.rows)

    def rate(self, side: Array) -> Array:
        """(n,) what a unit of trade to a side costs, cash and turnover priced in."""
        curve = self.problem.curve
        return np.asarray(np.where(side > 0, curve.buy, curve.sell) * (1 + self.cash) + self.turnover)

    def slope(self, side: Array) -> Array:
        """(n,) derivative of the envelope for the first unit of trade to a side."""
        p = self.problem
        own = 2 * p.own * (self.reach - side * (p.wanted - p.held))
        return side * self.pull() + own + self.rate(side)

    def start(self) -> Array:
        """(n,) holdings without the trades that do not earn their commission."""
        p, side = self.problem, np.sign(self.x - self.problem.held)
        slope = self.cash + self.rows @ p.rows + side * self.rate(side)
        return thinned(p, self.x, slope, p.curve.fixed * (1 + self.cash))

    def bound(self) -> float:
        """No permitted list within the limits has a lower objective, for any x and any prices >= 0."""
        p, miss = self.problem, self.x - self.problem.wanted
        shared = p.aversion * miss @ p.covariance @ miss - p.own @ miss**2 + self.shared() @ (p.held - self.x)
        room = self.cash * (p.cash - p.cash_min) + self.rows @ (p.bounds - p.rows @ p.held)
        turned = self.turnover * p.max_traded if self.turnover else 0.0
        return float(shared + self._cheapest().sum() - room - turned)

    def _cheapest(self) -> Array:
        """(n,) the least of: the own penalty, costs, and pull of any permitted trade of each name."""
        p, least = self.problem, self.problem.min_lots
        pull, target = self.pull(), p.wanted - p.held
        trades, up = [np.zeros_like(p.held), -p.held], np.ones_like(p.held)
        for side in (up, -up):
            best = (side * target - (side * pull + self.rate(side)) / (2 * p.own)) / p.step
            most = np.floor(np.where(side > 0, p.upper - p.held, p.held - p.lower) / p.step + 1e-9)
            near = (np.floor(best), np.ceil(best))
            trades += [side * np.maximum(np.minimum(lots, most), least) * p.step for lots in near]
        options = np.stack(trades)
        rates = np.where(options > 0, self.rate(up), self.rate(-up))
        fixed = p.curve.fixed * (1 + self.cash) * (options != 0)
        prices = p.own * (options - target) ** 2 + rates * np.abs(options) + fixed + pull * options
        reached = p.held + options
        allowed = (reached >= p.lower - TOLERANCE) & (reached <= p.upper + TOLERANCE)
        inside = np.where(allowed, prices, np.inf).min(axis=0)
        return np.asarray(np.where(np.isfinite(inside), inside, prices.min(axis=0)))


def _solve(
    p: RoundingProblem, side: Array, whole: NDArray[np.bool_], reach: Array, reserved: bool
) -> _Priced:
    """The optimum with every name's side and piece given: the line, or the parabola where `whole`.

    reserved  whether the commissions of the `whole` are set aside in cash
    """
    low = np.where(side > 0, np.maximum(p.lower, np.minimum(p.held, p.upper)), p.lower)
    high = np.where(side > 0, p.upper, np.minimum(p.upper, np.maximum(p.held, p.lower)))
    free = high - low > TOLERANCE
    x = np.where(free, 0.0, low)
    rate = np.where(side > 0, p.curve.buy, p.curve.sell)
    rows = np.vstack([1 + side * rate, side, p.rows])
    commissions = float(p.curve.fixed @ whole) if reserved else 0.0
    limits = np.concatenate([[p.cash - p.cash_min - commissions, p.max_traded], p.bounds])
    limits[:2] += rows[:2] @ p.held
    kept = np.isfinite(limits)
    quadratic = 2 * p.aversion * p.covariance
    line = np.where(whole, 0.0, 2 * p.own)
    linear = side * rate - quadratic @ p.wanted + line * (side * reach + p.held)
    quadratic[np.diag_indices_from(quadratic)] -= line
    duals = np.zeros(len(limits))
    if free.any():
        x[free], duals[kept] = _minimise(
            quadratic[np.ix_(free, free)], (linear + quadratic @ x)[free], rows[kept][:, free],
            (limits - rows @ x)[kept], low[free], high[free],
        )  # fmt: skip
    elif (rows @ x - limits)[kept].max(initial=0.0) > 1e-9:
        raise InfeasibleError("every holding is fixed and the limits do not hold; relax one of them")
    prices = np.maximum(duals, 0.0)
    return _Priced(p, x, float(prices[0]), float(prices[1]), prices[2:])


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
