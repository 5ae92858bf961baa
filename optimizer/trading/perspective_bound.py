"""Target weights to whole lots, the bound: the perspective relaxation of trades that pay a commission.

A trade t pays d (t - c)^2 + r |t|, and f when it is not 0. Its convex envelope is a line from 0 to the size
t* = sqrt(f / d), and the parabola beyond (Frangioni & Gentile 2006): tight where d is large, so d takes from the
covariance what each name bears alone. The bound that is reported is Lagrange's, at the shadow prices of that convex
problem: it prices each name's permitted lots one by one, and holds whatever holdings and prices it is taken at. So
only names that are traded are columns of the programs; the others join when their price says so.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import InfeasibleError, SolverError
from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.box_qp import least_of_factors, least_within
from optimizer.numerics.lp import solve_lp
from optimizer.numerics.matrices import Index, LowRank, block
from optimizer.numerics.polyhedra import Polyhedron
from optimizer.trading.lot_relaxation import TOLERANCE, Relaxation, RoundingProblem
from optimizer.trading.trade_elimination import RESTS, thinned
from optimizer.typing import Array

ROUNDS, UNBOUNDED, SETTLED = 25, 2, 1e-7  # of NAV: a thousandth of a basis point
ALL, COLUMNS, PROMISING = 64, 96, 0.5
BY_FACTORS, FAR = 900, 100.0
WORTHWHILE = 1e-7

INFEASIBLE = "no trades keep cash, turnover and limits at once; relax one of them"

Mask = NDArray[np.bool_]


def relax(problem: RoundingProblem, near: Array | None = None) -> Relaxation:
    """Solves the relaxation, each traded name on a side and a piece of its envelope, until none changes either.

    near  (n,) holdings whose sides and pieces are the first guess; the target by default
    Raises InfeasibleError when no holdings obey cash, turnover and limits, SolverError when the solvers give up.
    """
    columns = _Columns(problem, near)
    best, highest, before = None, -np.inf, -np.inf
    for number in range(ROUNDS):
        try:
            found = columns.solve()
        except NoAnswerError as stop:
            if stop.infeasible and columns.take_more():
                continue
            if not columns.turned():
                if not stop.infeasible:
                    raise SolverError(f"{stop} on the relaxed trade list") from stop
                if not columns.reserved:
                    raise InfeasibleError(INFEASIBLE) from stop
                # Commissions that were set aside may not be due: only without them it is a proof.
                columns.reserved = False
            continue
        changed = columns.changed(found)
        if changed and number < UNBOUNDED:
            continue
        bound = found.bound()
        if best is None or bound >= highest:
            best, highest = found, bound
        if not changed or bound - before < SETTLED:
            break
        before = bound
    if best is None:
        raise SolverError("the relaxed trade list did not settle; report the policy and the estimates")
    # Tracking error and costs are never below nothing.
    return Relaxation(best.x, max(highest, 0.0), best.start, best.partial())


class _Columns:
    """Which names are traded, to which side, and on which piece of the envelope.

    side   (n,) 1 for names to buy, -1 for names to sell;  whole  (n,) beyond the line
    inside (n,) the columns;  base  (n,) holdings of all other names;  reserved: commissions are set aside in cash
    """

    def __init__(self, problem: RoundingProblem, near: Array | None) -> None:
        p = self.problem = problem
        self.movable = p.upper - p.lower > TOLERANCE
        self.base = np.where(self.movable, p.held, np.minimum(np.maximum(p.held, p.lower), p.upper))
        self.must = self.movable & ((p.held > p.upper + TOLERANCE) | (p.held < p.lower - TOLERANCE))
        self.miss = p.marginal(self.base)
        start = Priced(p, self.base, 0.0, 0.0, np.zeros(len(p.bounds)), self.miss)
        self.reach, self.reserved = start.reach, True
        guess = p.wanted if near is None else near
        side = np.where(np.where(np.abs(guess - p.held) < RESTS, p.wanted, guess) >= p.held, 1.0, -1.0)
        self.side = np.where(p.held > p.upper, -1.0, np.where(p.held < p.lower, 1.0, side))
        self.whole = self.must | (np.abs(np.where(self.movable, guess, self.base) - p.held) >= self.reach)
        if len(p.held) <= ALL:
            self.inside = self.movable.copy()
        elif near is None:
            distance = np.abs(p.wanted - p.held)
            cost = p.curve.fixed + np.where(self.side > 0, p.curve.buy, p.curve.sell) * distance
            self.inside = self.movable & (self.must | (p.own * distance**2 > PROMISING * cost))
        else:
            self.inside = self.movable & (self.must | (np.abs(near - p.held) >= RESTS))

    def take_more(self) -> bool:
        """Adds the columns of names farthest from their target, as many as there are; False where all are in."""
        p = self.problem
        joining = np.flatnonzero(self.movable & ~self.inside)
        distance = np.abs(p.wanted - p.held)[joining]
        joining = joining[np.argsort(-distance, kind="stable")[: max(COLUMNS, int(self.inside.sum()))]]
        self.inside[joining] = True
        return len(joining) > 0

    def turned(self) -> bool:
        """Turns the fewest names, so that some holdings obey all; InfeasibleError where no sides will do."""
        p, side = self.problem, np.repeat([1.0, -1.0], len(self.problem.held))
        floor, ceiling = (
            np.where(self.movable, np.maximum([up, down], 0.0), 0.0).ravel()
            for up, down in ((p.lower - p.held, p.held - p.upper), (p.upper - p.held, p.held - p.lower))
        )
        rows = np.hstack([self._rows(np.ones_like(p.held)), -self._rows(-np.ones_like(p.held))])
        limits = np.minimum(self._limits(self._rows(self.side)), FAR)
        space = Polyhedron(rows, np.full(len(limits), -np.inf), limits, floor, ceiling, np.ones(len(limits)))
        wrong = side * np.tile(self.side, 2) < 0
        try:
            traded = solve_lp(wrong.astype(float), space).x
        except NoAnswerError as stop:
            if stop.infeasible:
                raise InfeasibleError(INFEASIBLE) from stop
            return False
        needed = (traded > TOLERANCE).reshape(2, -1)
        turned = (needed & wrong.reshape(needed.shape)).any(axis=0)
        self.side, self.inside = np.where(turned, -self.side, self.side), self.inside | needed.any(axis=0)
        return bool(turned.any())

    def changed(self, found: "Priced") -> bool:
        """Turns and adds what the prices found speak for; False where nothing is to be done."""
        p = self.problem
        resting = (np.abs(found.x - p.held) < RESTS) & (p.lower < p.held) & (p.held < p.upper) & self.inside
        up, down = found.slopes
        wrong = resting & (np.where(self.side > 0, down, up) < -WORTHWHILE)
        beyond = self.must | (self.side * (found.x - p.held) >= found.reach)
        settled = (beyond == self.whole).all() and not wrong.any()
        self.side = np.where(wrong, -self.side, self.side)
        self.whole, self.reach = beyond, found.reach
        if len(p.held) > ALL:
            self.inside &= ~resting | wrong
        return self._join(found) or not settled

    def _join(self, found: "Priced") -> bool:
        """Adds the columns of the names that a trade would help most; False where there are none."""
        p = self.problem
        if bool((self.inside | ~self.movable).all()):
            return False
        out = self.movable & ~self.inside
        up = np.where(out & (p.held < p.upper), found.slopes[0], 0.0)
        down = np.where(out & (p.held > p.lower), found.slopes[1], 0.0)
        steepest = np.minimum(up, down)
        joining = np.flatnonzero(steepest < -WORTHWHILE)
        gain = steepest[joining] ** 2 / p.risk.variances[joining]
        most = max(COLUMNS, int(self.inside.sum()))
        joining = joining[np.argsort(-gain, kind="stable")[:most]]
        self.side[joining] = np.where(up[joining] <= down[joining], 1.0, -1.0)
        alone = np.abs(steepest[joining]) / (2 * p.aversion * p.risk.variances[joining])
        self.whole[joining] = alone >= self.reach[joining]
        self.inside[joining] = True
        return len(joining) > 0

    def solve(self) -> "Priced":
        """The optimum with every column's side and piece given: the line, or the parabola where `whole`."""
        p, up = self.problem, self.side > 0
        low = np.where(up, np.maximum(p.lower - p.held, 0.0), p.lower - p.held)
        high = np.where(up, p.upper - p.held, np.minimum(p.upper - p.held, 0.0))
        names = (self.inside & (high - low > TOLERANCE)).nonzero()[0]
        rate = np.where(up, p.curve.buy, p.curve.sell)
        rows = self._rows(self.side)
        limits = self._limits(rows)
        limits[0] -= p.cost_in_cash * float(p.curve.fixed @ self.whole) * self.reserved
        kept = np.isfinite(limits)
        duals, x = np.zeros(len(limits)), self.base.copy()
        if len(names):
            line = np.where(self.whole, 0.0, 2 * p.own)
            pull = 2 * p.aversion * self.miss + line * self.side * self.reach + self.side * rate
            ends = np.maximum(low[names], -FAR), np.minimum(high[names], FAR)
            trades, duals[kept] = self._least(
                names, line[names], pull[names], rows[kept][:, names], limits[kept], *ends
            )
            x[names] += trades
        elif (limits[kept] < -1e-9).any():
            raise NoAnswerError("none", "every holding is fixed and the limits do not hold", infeasible=True)
        prices = np.maximum(duals, 0.0)
        return Priced(p, x, float(prices[0]), float(prices[1]), prices[2:], p.marginal(x))

    def _rows(self, side: Array) -> Array:
        """(2 + m, n) what a unit of each name's trade to a side takes of cash, turnover and the affine limits."""
        p = self.problem
        rate = np.where(side > 0, p.curve.buy, p.curve.sell)
        rows = np.empty((2 + len(p.rows), len(side)))
        rows[0], rows[1], rows[2:] = 1 + p.cost_in_cash * side * rate, side, p.rows
        return rows

    def _limits(self, rows: Array) -> Array:
        """(2 + m,) what they leave for the columns, without commissions; rows (2 + m, n) to the sides chosen."""
        p = self.problem
        room = np.concatenate([[p.cash - p.cash_min, p.max_traded], p.bounds - p.rows @ p.held])
        return np.asarray(room - rows @ (self.base - p.held))

    def _least(
        self, names: Index, line: Array, pull: Array, rows: Array, limits: Array, low: Array, high: Array
    ) -> tuple[Array, Array]:
        """The trades (k,) and the rows' multipliers; of many names with a covariance in factors by these."""
        p, covariance = self.problem, self.problem.risk.covariance
        if isinstance(covariance, LowRank) and len(names) > max(BY_FACTORS, len(covariance.root)):
            root = np.sqrt(2 * p.aversion) * covariance.root[:, names]
            own = 2 * p.aversion * covariance.diagonal[names] - 0.998 * line
            # An interior point wants ends of the size of the trades: none goes far beyond its target.
            needed = np.maximum(np.maximum(low, -high), 0.0)
            far = 2 * np.abs(p.wanted - p.held)[names] + 4 / len(names) + 2 * needed
            return least_of_factors(
                root, own, pull, rows, limits, np.maximum(low, -far), np.minimum(high, far)
            )
        quadratic = 2 * p.aversion * block(covariance, names)
        quadratic.flat[:: len(names) + 1] -= (1 - 1e-6) * line
        return least_within(quadratic, pull, rows, limits, low, high)


@dataclass(frozen=True, eq=False)
class Priced:
    """Holdings x (n,), S (x - w) (n,), and the shadow prices of cash, turnover and the affine limits (m,)."""

    problem: RoundingProblem
    x: Array
    cash: float
    turnover: float
    rows: Array
    marginal: Array

    @cached_property
    def reach(self) -> Array:
        """(n,) the size t* up to which the envelope is a line."""
        p = self.problem
        return np.asarray(np.sqrt(p.curve.fixed * p.charged(self.cash) / p.own))

    @cached_property
    def shared(self) -> Array:
        """(n,) derivative of the risk that no name bears alone."""
        p = self.problem
        return np.asarray(2 * (p.aversion * self.marginal - p.own * (self.x - p.wanted)))

    @cached_property
    def pull(self) -> Array:
        """(n,) the same, with what a unit takes from cash and limits."""
        return np.asarray(self.shared + self.cash + self.rows @ self.problem.rows)

    @cached_property
    def rates(self) -> tuple[Array, Array]:
        """(n,) each: what a unit bought, and one sold, costs, cash and turnover priced in."""
        p = self.problem
        buy, sell = (each * p.charged(self.cash) + self.turnover for each in (p.curve.buy, p.curve.sell))
        return buy, sell

    def rate(self, side: Array) -> Array:
        """(n,) what a unit of trade to a side costs."""
        return np.where(side > 0, *self.rates)

    @cached_property
    def slopes(self) -> tuple[Array, Array]:
        """(n,) each: derivative of the envelope for the first unit bought, and for the first sold."""
        p, (buy, sell) = self.problem, self.rates
        twice, ahead = 2 * p.own, p.wanted - p.held
        return (
            np.asarray(self.pull + twice * (self.reach - ahead) + buy),
            np.asarray(-self.pull + twice * (self.reach + ahead) + sell),
        )

    def partial(self) -> Array:
        """(n,) how much the bound gains per unit of `own`."""
        size = np.abs(self.x - self.problem.held)
        return size * np.maximum(self.reach - size, 0.0)

    def start(self) -> Array:
        """(n,) holdings without the trades that do not earn their commission."""
        p, side = self.problem, np.sign(self.x - self.problem.held)
        slope = self.cash + self.rows @ p.rows + side * self.rate(side)
        return thinned(p, self.x, slope, p.curve.fixed * p.charged(self.cash))

    def bound(self) -> float:
        """No permitted list within the limits has a lower objective, for any x and any prices >= 0."""
        p, miss = self.problem, self.x - self.problem.wanted
        shared = p.aversion * miss @ self.marginal - p.own @ miss**2 + self.shared @ (p.held - self.x)
        room = self.cash * (p.cash - p.cash_min) + self.rows @ (p.bounds - p.rows @ p.held)
        turned = self.turnover * p.max_traded if self.turnover else 0.0
        return float(shared + self._cheapest().sum() - room - turned)

    def _cheapest(self) -> Array:
        """(n,) the least of: the own penalty, costs, and pull of any permitted trade of each name."""
        p, least = self.problem, self.problem.min_lots
        pull, target = self.pull, p.wanted - p.held
        buy, sell = self.rates
        options = [np.zeros(len(p.held)), -p.held]
        rates = np.array([buy, np.where(p.held > 0, sell, buy), buy, buy, sell, sell])
        for side, rate in ((1.0, buy), (-1.0, sell)):
            best = (side * target - (side * pull + rate) / (2 * p.own)) / p.step
            nearest, farthest = (p.lower, p.upper) if side > 0 else (p.upper, p.lower)
            most = np.floor(side * (farthest - p.held) / p.step + 1e-9)
            needed = np.maximum(np.ceil(side * (nearest - p.held) / p.step - 1e-9), least)
            near = (np.floor(best), np.ceil(best))
            options += [side * np.maximum(np.minimum(lots, most), needed) * p.step for lots in near]
        if p.least is not None:
            options.append(p.edge * p.step)
            rates = np.concatenate([rates, np.where(p.edge > 0, buy, sell)[None]])
        trades = np.array(options)
        fixed = p.curve.fixed * p.charged(self.cash) * (trades != 0)
        prices = p.own * (trades - target) ** 2 + rates * np.abs(trades) + fixed + pull * trades
        reached = p.held + trades
        allowed = (reached >= p.lower - TOLERANCE) & (reached <= p.upper + TOLERANCE)
        allowed &= p.between(reached) <= 0
        inside = np.where(allowed, prices, np.inf).min(axis=0)
        return np.asarray(np.where(np.isfinite(inside), inside, prices.min(axis=0)))
