"""Kinds of goals: what can be made best, in a form that both lanes and the audit understand.

A goal is a convex cost of the weights w, given by numpy alone: its value, and at any w a supporting line
(`Support`) from which the audit bounds how far w is from the best. The `homogeneous` ones (ratios, risk
budgets) are solved in y = w x scale with a free scale (Charnes & Cooper 1962), limits scaled along.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from optimizer.errors import DataError
from optimizer.measures.portfolio_measures import risk_contributions, volatility
from optimizer.model.costs import CostCurve
from optimizer.numerics.matrices import Matrix, variances
from optimizer.problem.gini import GiniMeanDifference
from optimizer.problem.scenario_goals import Scenario, Tail
from optimizer.problem.support import Support
from optimizer.problem.tails.tail_goals import RobustTail, TailBudget, TailRatio
from optimizer.typing import Array

RISKLESS = 1e-6
RESTING = 1e-6  # a smaller trade is none, whose cost has a kink
KINK = 1e-6
FEW_DAYS = 100  # fewer make too few pairs for Newton's method, and a program that is soon solved


@dataclass(frozen=True)
class Quadratic:
    """cost = w'Pw/2 + q'w + constant + sqrt(w'Dw).

    P  (n, n) positive semidefinite, None for a linear cost;  q  (n,)
    doubt  (n, n) D, None for none: by how much the mean may be wrong
    ties  (n, n) covariance by which the least risky of equally good answers is taken
    center  (n,) the least of all weights where it is known beforehand: Pw + q is 0 there
    report  "root": sqrt(2 cost) is what people read (volatility); "negative": -cost (return less what is taken off)
    penalty  of the square of what the measure names, where the cost is half of that: 0 where it is another
    taken_off  whether the measure names what the value, its negative, has taken off
    """

    P: Matrix | None
    q: Array
    measure: str
    report: Literal["root", "negative"]
    constant: float = 0.0
    ties: Array | None = None
    doubt: Array | None = None
    center: Array | None = None
    penalty: float = 0.0
    taken_off: bool = False
    homogeneous: ClassVar[bool] = False

    def value(self, w: Array) -> float:
        """The cost in the unit people read."""
        cost = self._cost(w)
        return float(np.sqrt(max(2 * cost, 0.0))) if self.report == "root" else -cost

    def rate(self, w: Array) -> float:
        """Change of `value` per unit of cost."""
        return 1.0 / max(self.value(w), 1e-12) if self.report == "root" else -1.0

    def support(self, w: Array, pull: Array | None = None) -> Support:
        """The tangent plane; `pull` (n,) is the slope of the doubt where it has a kink, at w = 0, by a solver."""
        wrong = doubt_slope(self.doubt, w) if pull is None or not at_kink(self, w) else pull
        error = doubt_size(self.doubt, w)
        marginal = np.zeros(len(w)) if self.P is None else self.P @ w
        slope, slack = marginal + self.q + wrong, error - float(wrong @ w)
        cost = 0.5 * float(w @ marginal) + float(self.q @ w) + self.constant + error
        # A riskless answer costs 0; it is judged against a ten-thousandth of one name's variance instead, and one in
        # cash that any doubt keeps there against a hundredth of one name's.
        floor = 0.0 if self.P is None else 1e-4 * float(variances(self.P).sum()) / len(w)
        if self.doubt is not None:
            floor = max(floor, 0.01 * float(np.sqrt(np.diag(self.doubt)).mean()))
        size = max(abs(cost), float(np.abs(slope) @ np.abs(w)), abs(self.constant), floor)
        return Support(slope, cost - slack - float(slope @ w), size, slack)

    def _cost(self, w: Array) -> float:
        curved = 0.0 if self.P is None else 0.5 * float(w @ self.P @ w)
        return curved + float(self.q @ w) + self.constant + doubt_size(self.doubt, w)


@dataclass(frozen=True)
class Traded:
    """A quadratic cost, trading costs from what is held, linear and of the power 3/2, and borrow fees of short weights.

    base   its `value` is in what the costs are in: a return per year
    curve  (n,) rates per unit of weight traded, already per year;  held  (n,) weights before the trades
    fees   (n,) per year and unit of weight below 0
    """

    base: Quadratic
    curve: CostCurve
    held: Array
    fees: Array
    homogeneous: ClassVar[bool] = False

    @property
    def after(self) -> str:
        """What is taken off, in words."""
        fees = ["borrow fees"] if self.fees.any() else []
        return f"after {' and '.join(fees if fees and self.curve.nothing else ['trading costs', *fees])}"

    @property
    def measure(self) -> str:
        """What the value is called."""
        return f"{self.base.measure} {self.after}"

    def per_value(self, w: Array) -> float:
        """Change of what the measure names per unit of `value`, the trading costs given: 1, or of a penalised risk."""
        penalty = self.base.penalty
        if not penalty:
            return 1.0
        risk = float(np.sqrt(max(-2 * self.base.value(w) / penalty, 0.0)))
        return -1.0 / (penalty * max(risk, 1e-12))

    def costs(self, w: Array) -> float:
        """Trading costs and borrow fees per year."""
        return float(self.curve.costs(w - self.held).sum()) + float(self.fees @ np.maximum(-w, 0.0))

    def value(self, w: Array) -> float:
        """The base's value less the trading costs and borrow fees."""
        return self.base.value(w) - self.costs(w)

    def rate(self, w: Array) -> float:
        """The value is the negative cost."""
        return -1.0

    def support(self, w: Array, pull: Array | None = None) -> Support:
        """A supporting line; `pull` (n,) is by a solver what all costs slope by where a name rests at a kink."""
        curve, t = self.curve, w - self.held
        bend = 1.5 * curve.root * np.sqrt(np.abs(t)) * np.sign(t)
        linear = np.where(t > 0, curve.buy, -curve.sell) - np.where(w < 0, self.fees, 0.0)
        borrowed = self.fees > 0
        # The linear costs' line goes through what is held, where trading costs nothing, or where w or its kink is if
        # there is a fee; that of the root touches at w.
        at = np.where(borrowed, w, self.held)
        if pull is not None:
            rests, closed = np.abs(t) <= RESTING, borrowed & (np.abs(w) <= RESTING)
            at = np.where(rests, self.held, np.where(closed, 0.0, at))
            least = np.where(at > self.held, curve.buy, -curve.sell) - np.where(at <= 0, self.fees, 0.0)
            most = np.where(at >= self.held, curve.buy, -curve.sell) - np.where(at < 0, self.fees, 0.0)
            linear = np.where(rests | closed, np.clip(pull - bend, least, most), linear)
        rooted = float(curve.root @ np.abs(t) ** 1.5)
        base = self.base.support(w)
        there = self._kinked(at)
        slack = self._kinked(w) - there - float(linear @ (w - at))
        offset = base.offset + there - float(linear @ at) + rooted - float(bend @ w)
        size = max(base.size, self.costs(w))
        return Support(base.slope + linear + bend, offset, size, base.slack + slack)

    def _kinked(self, w: Array) -> float:
        """The linear trading costs and the fees at w (n,)."""
        t = w - self.held
        paid = np.where(t > 0, self.curve.buy, self.curve.sell) @ np.abs(t)
        return float(paid + self.fees @ np.maximum(-w, 0.0))


@dataclass(frozen=True)
class Ratio:
    """Maximise (gain'w - sqrt(w'Dw) - f'w-) / sqrt(w'Sw): the Sharpe ratio, the diversification ratio.

    At the best w, with ratio s, cost(v) = s sqrt(v'Sv) - gain'v + sqrt(v'Dv) + f'v- is least (and 0) of all allowed v.
    doubt  (n, n) D, None for none: by how much the gain may be wrong
    fees   (n,) f, None for none: what each unit of weight below 0 costs
    """

    gain: Array
    covariance: Matrix
    measure: str
    doubt: Array | None = None
    fees: Array | None = None
    homogeneous: ClassVar[bool] = True

    def value(self, w: Array) -> float:
        """The ratio; 0 for a portfolio of cash alone."""
        risk = volatility(w, self.covariance)
        paid = 0.0 if self.fees is None else float(self.fees @ np.maximum(-w, 0.0))
        return (float(self.gain @ w) - doubt_size(self.doubt, w) - paid) / risk if risk > 0 else 0.0

    def rate(self, w: Array) -> float:
        """Change of the ratio per unit of cost."""
        return -1.0 / volatility(w, self.covariance)

    def support(self, w: Array, pull: Array | None = None) -> Support:
        """By Cauchy and Schwarz sqrt(v'Sv) >= v'Sw / sqrt(w'Sw); no ratio can exceed this one by gap / risk.

        pull  (n,) what the fees slope by where a name rests at 0, by a solver
        """
        risk = some_risk(w, self.covariance, self.measure)
        slope = self.value(w) / risk * (self.covariance @ w) - self.gain + doubt_slope(self.doubt, w)
        size = abs(float(self.gain @ w))
        if self.fees is None:
            return Support(slope, 0.0, size)
        paid = np.where(w < 0, -self.fees, 0.0)
        if pull is not None:
            paid = np.where(np.abs(w) <= RESTING, np.clip(pull, -self.fees, 0.0), paid)
        slack = float(self.fees @ np.maximum(-w, 0.0) - paid @ w)
        return Support(slope + paid, 0.0, size, slack)


@dataclass(frozen=True)
class RiskBudget:
    """Minimise y'Sy/2 - sum b ln Ly (Maillard, Roncalli & Teiletche 2010; Spinu 2013), y = w / sqrt(w'Sw).

    budgets   (n,) >= 0, summing to 1: each name's share of the variance where no limit binds; 0 leaves a name
              out of the objective
    loadings  (k, n) L: what is held of k exposures, which the budgets (k,) are then for; None for the names
    exposures what they are called
    """

    covariance: Matrix
    budgets: Array
    measure: str = "split of the risk"
    shared: ClassVar[str] = "variance"
    loadings: Array | None = None
    exposures: tuple[str, ...] = ()
    homogeneous: ClassVar[bool] = True

    def value(self, w: Array) -> float:
        """-sum b ln(w / risk): least where risk shares equal the budgets."""
        kept = self.budgets > 0
        return -float(self.budgets[kept] @ np.log(self.amounts(w)[kept] / volatility(w, self.covariance)))

    def amounts(self, w: Array) -> Array:
        """What is held of each that has a budget."""
        return w if self.loadings is None else np.asarray(self.loadings @ w)

    def shares(self, w: Array) -> Array:
        """Their shares of the variance; of exposures by the least-squares solution m of Sw = L'm, amount x m."""
        if self.loadings is None:
            return risk_contributions(w, self.covariance)
        marginal = self.covariance @ w
        own = np.linalg.lstsq(self.loadings.T, marginal, rcond=None)[0]
        return np.asarray(self.amounts(w) * own / float(w @ marginal))

    def rate(self, w: Array) -> float:
        """Change of `value` per unit of weight-space cost."""
        return 1.0 / volatility(w, self.covariance)

    def support(self, w: Array) -> Support:
        """The gradient at y, which is 0 along y itself; a gap bounds the objective by gap / risk.

        Where something with a budget is not held the cost has no bound, and no gap is small.
        """
        risk = some_risk(w, self.covariance, self.measure)
        amounts = self.amounts(w)
        if (amounts[self.budgets > 0] <= 0).any():
            return Support(np.zeros_like(w), 0.0, risk, np.inf)
        pull = np.divide(self.budgets, amounts, out=np.zeros_like(amounts), where=self.budgets > 0)
        slope = self.covariance @ w / risk - risk * (
            pull if self.loadings is None else self.loadings.T @ pull
        )
        return Support(slope, 0.0, risk)


Goal = Quadratic | Traded | Ratio | RiskBudget | Tail | Scenario | TailRatio | TailBudget | RobustTail


def sign(goal: Goal) -> float:
    """1 where a lower value of the goal is better, else -1."""
    match goal:
        case Ratio() | Traded() | TailRatio():
            return -1.0
        case Quadratic():
            return 1.0 if goal.report == "root" else -1.0
        case Scenario():
            return 1.0 if goal.report > 0 else -1.0
    return 1.0


def doubt_size(doubt: Array | None, w: Array) -> float:
    """sqrt(w'Dw): the most by which a mean in the ellipsoid around the estimate lowers the return."""
    return 0.0 if doubt is None else volatility(w, doubt)


def doubt_slope(doubt: Array | None, w: Array) -> Array:
    """(n,) its gradient; 0 where it has none."""
    size = doubt_size(doubt, w)
    return np.zeros_like(w) if doubt is None or size == 0 else doubt @ w / size


def without_algorithm(goal: Goal) -> bool:
    """Whether only the general lane takes such a goal."""
    match goal:
        case Scenario():
            return not isinstance(goal.risk, GiniMeanDifference) or len(goal.scenarios) < FEW_DAYS
        case RiskBudget():
            return goal.loadings is not None
        case Ratio():
            return goal.fees is not None
    return isinstance(goal, Traded | TailRatio | TailBudget | RobustTail)


def doubted(goal: Goal) -> bool:
    """Whether the goal's mean lies anywhere in an ellipsoid."""
    return isinstance(goal, Quadratic | Ratio) and goal.doubt is not None


def at_kink(goal: Goal, w: Array) -> bool:
    """Whether w is so near to nothing that the doubt of it has no slope."""
    if isinstance(goal, RobustTail):
        return float(np.linalg.norm(w)) <= KINK
    return isinstance(goal, Quadratic) and goal.doubt is not None and doubt_size(goal.doubt, w) <= KINK


def some_risk(w: Array, covariance: Matrix, measure: str, *, beside_the_riskiest: bool = False) -> float:
    """The volatility of allowed weights w (n,); DataError where rounding alone would give as much.

    beside_the_riskiest  rounding of as much of the riskiest name, and not of what is held
    """
    risk, alone = volatility(w, covariance), np.sqrt(variances(covariance))
    if risk <= RISKLESS * float(np.abs(w) @ (np.full(len(w), alone.max()) if beside_the_riskiest else alone)):
        raise DataError(
            f"the covariance gives an allowed portfolio no risk at all, so the {measure} has no best value; "
            f"use more history or a shrunk covariance"
        )
    return risk
