"""A function a method: from estimates and policy to a goal that both lanes and the audit understand.

A goal is a convex cost of the weights w, given by numpy alone: its value, and at any w a supporting line
(`Support`) from which the audit bounds how far w is from the best. The `homogeneous` ones (ratios, risk
budgets) are solved in y = w x scale with a free scale (Charnes & Cooper 1962), limits scaled along.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from optimizer.errors import DataError, PolicyError
from optimizer.limits import Norm
from optimizer.measures import tail_loss, volatility
from optimizer.rules import Setting, mean_of
from optimizer.typing import Array

TAIL_LEVEL = 0.95
RISKLESS = 1e-6


@dataclass(frozen=True)
class Support:
    """cost(v) >= offset + slope @ v for every v, with equality at the point it was made for.

    slope  (n,);  size: the magnitude of the cost's parts, against which a gap is judged
    """

    slope: Array
    offset: float
    size: float


@dataclass(frozen=True)
class Quadratic:
    """cost = w'Pw/2 + q'w + constant.

    P  (n, n) positive semidefinite, None for a linear cost;  q  (n,)
    ties  (n, n) covariance by which the least risky of equally good answers is taken
    report  "root": sqrt(2 cost) is what people read (volatility); "negative": -cost (utility, return)
    """

    P: Array | None
    q: Array
    measure: str
    report: Literal["root", "negative"]
    constant: float = 0.0
    ties: Array | None = None
    homogeneous: ClassVar[bool] = False

    def value(self, w: Array) -> float:
        """The cost in the unit people read."""
        cost = self._cost(w)
        return float(np.sqrt(max(2 * cost, 0.0))) if self.report == "root" else -cost

    def rate(self, w: Array) -> float:
        """Change of `value` per unit of cost."""
        return 1.0 / max(self.value(w), 1e-12) if self.report == "root" else -1.0

    def support(self, w: Array) -> Support:
        """The tangent plane."""
        slope = self.q if self.P is None else self.P @ w + self.q
        cost = self._cost(w)
        # A riskless answer costs 0; it is judged against a ten-thousandth of one name's variance instead.
        floor = 0.0 if self.P is None else 1e-4 * float(np.trace(self.P)) / len(w)
        size = max(abs(cost), float(np.abs(slope) @ np.abs(w)), abs(self.constant), floor)
        return Support(slope, cost - float(slope @ w), size)

    def _cost(self, w: Array) -> float:
        curved = 0.0 if self.P is None else 0.5 * float(w @ self.P @ w)
        return curved + float(self.q @ w) + self.constant


@dataclass(frozen=True)
class Ratio:
    """Maximise gain'w / sqrt(w'Sw): the Sharpe ratio, the diversification ratio.

    At the best w, with ratio s, cost(v) = s sqrt(v'Sv) - gain'v is least (and 0) among all allowed v.
    """

    gain: Array
    covariance: Array
    measure: str
    homogeneous: ClassVar[bool] = True

    def value(self, w: Array) -> float:
        """The ratio; 0 for a portfolio of cash alone."""
        risk = volatility(w, self.covariance)
        return float(self.gain @ w) / risk if risk > 0 else 0.0

    def rate(self, w: Array) -> float:
        """Change of the ratio per unit of cost."""
        return -1.0 / volatility(w, self.covariance)

    def support(self, w: Array) -> Support:
        """By Cauchy and Schwarz sqrt(v'Sv) >= v'Sw / sqrt(w'Sw); no ratio can exceed this one by gap / risk."""
        risk = _some_risk(w, self.covariance, self.measure)
        slope = self.value(w) / risk * (self.covariance @ w) - self.gain
        return Support(slope, 0.0, abs(float(self.gain @ w)))


@dataclass(frozen=True)
class RiskBudget:
    """Minimise y'Sy/2 - sum b ln y (Maillard, Roncalli & Teiletche 2010; Spinu 2013), y = w / sqrt(w'Sw).

    budgets  (n,) >= 0, summing to 1: each name's share of the variance where no limit binds; 0 leaves a name
             out of the objective
    """

    covariance: Array
    budgets: Array
    measure: str = "risk-budget objective"
    homogeneous: ClassVar[bool] = True

    def value(self, w: Array) -> float:
        """-sum b ln(w / risk): least where risk shares equal the budgets."""
        kept = self.budgets > 0
        return -float(self.budgets[kept] @ np.log(w[kept] / volatility(w, self.covariance)))

    def rate(self, w: Array) -> float:
        """Change of `value` per unit of weight-space cost."""
        return 1.0 / volatility(w, self.covariance)

    def support(self, w: Array) -> Support:
        """The gradient at y, which is 0 along y itself; a gap bounds the objective by gap / risk."""
        risk = _some_risk(w, self.covariance, self.measure)
        pull = np.divide(self.budgets, w, out=np.zeros_like(w), where=self.budgets > 0)
        slope = self.covariance @ w / risk - risk * pull
        return Support(slope, 0.0, risk)


@dataclass(frozen=True)
class Tail:
    """Least expected loss in the worst 1 - level of the scenarios (Rockafellar & Uryasev 2000).

    scenarios  (T, n) daily returns in excess of cash;  cash  what cash alone earns a day
    """

    scenarios: Array
    cash: float
    level: float
    measure: str
    homogeneous: ClassVar[bool] = False

    def value(self, w: Array) -> float:
        """Expected tail loss per day, positive for a loss."""
        return tail_loss(w, self.scenarios, self.level) - self.cash

    def rate(self, w: Array) -> float:
        """The value is the cost."""
        return 1.0

    def support(self, w: Array, weights: Array | None = None) -> Support:
        """A line from scenario weights (T,), each <= 1 / ((1 - level) T), summing to 1: the worst ones by default."""
        if weights is None:
            weights = worst_weights(-(self.scenarios @ w), self.level)
        value = self.value(w)
        return Support(-(self.scenarios.T @ weights), -self.cash, abs(value + self.cash))


Goal = Quadratic | Ratio | RiskBudget | Tail


def _some_risk(w: Array, covariance: Array, measure: str) -> float:
    risk = volatility(w, covariance)
    if risk <= RISKLESS * float(np.abs(w) @ np.sqrt(np.diag(covariance))):
        raise DataError(
            f"the covariance gives an allowed portfolio no risk at all, so the {measure} has no best value; "
            f"use more history or a shrunk covariance"
        )
    return risk


def worst_weights(losses: Array, level: float) -> Array:
    """(T,) weights of the expected tail loss: 1 / ((1 - level) T) on the worst, the rest on the next."""
    count = (1.0 - level) * len(losses)
    order = np.argsort(-losses, kind="stable")
    weights = np.zeros(len(losses))
    weights[order] = np.clip(count - np.arange(len(losses)), 0.0, 1.0) / count
    return weights


def min_volatility(setting: Setting) -> Quadratic:
    """Least sqrt(w'Sw)."""
    covariance = setting.estimates.covariance
    return Quadratic(covariance, np.zeros(len(covariance)), "volatility", "root")


def mean_variance(setting: Setting) -> Quadratic:
    """Greatest mean'w + cash x rate - lambda/2 w'Sw (Markowitz 1952)."""
    aversion = setting.policy.risk_aversion
    if not aversion > 0:
        raise PolicyError(f"risk_aversion is {aversion}; it must be above 0, customary is 2.5")
    rate = setting.cash_rate()
    gain = mean_of(setting.estimates) - rate
    return Quadratic(aversion * setting.estimates.covariance, -gain, "utility", "negative", -rate)


def max_return(setting: Setting) -> Quadratic:
    """Greatest mean'w + cash x rate; the limits alone keep it from one name."""
    rate = setting.cash_rate()
    return Quadratic(
        None, rate - mean_of(setting.estimates), "return", "negative", -rate, setting.estimates.covariance
    )


def max_sharpe(setting: Setting) -> Ratio:
    """Greatest (mean - rf)'w / sqrt(w'Sw)."""
    rate = setting.policy.risk_free_rate
    if rate is None:
        raise PolicyError("risk_free_rate is not set; the Sharpe ratio needs one: give the pack's")
    return Ratio(mean_of(setting.estimates) - rate, setting.estimates.covariance, "Sharpe ratio")


def max_diversification(setting: Setting) -> Ratio:
    """Greatest s'w / sqrt(w'Sw), s the names' volatilities (Choueifaty & Coignard 2008)."""
    covariance = setting.estimates.covariance
    return Ratio(np.sqrt(np.diag(covariance)), covariance, "diversification ratio")


def min_tracking_error(setting: Setting) -> Quadratic:
    """Least sqrt((w - b)'S(w - b)) against the benchmark, else the held weights."""
    covariance, reference = setting.estimates.covariance, setting.reference()
    pull = covariance @ reference
    return Quadratic(covariance, -pull, "tracking error", "root", 0.5 * float(reference @ pull))


def equal_weight(setting: Setting) -> Quadratic:
    """The allowed weights nearest to equal ones, of the names that may be held."""
    equal = _holdable(setting)
    equal /= equal.sum()
    return Quadratic(
        np.eye(len(equal)), -equal, "distance from equal weights", "root", 0.5 * float(equal @ equal)
    )


def risk_parity(setting: Setting) -> RiskBudget:
    """Equal contributions to the variance, of the names that may be held."""
    if not setting.policy.long_only:
        raise PolicyError("risk_parity holds every name long; set long_only, or choose another method")
    held = _holdable(setting)
    return RiskBudget(setting.estimates.covariance, held / held.sum())


def _holdable(setting: Setting) -> Array:
    """(n,) 1 where the asset's own limits allow a long position, else 0."""
    limits = setting.policy.asset_limits
    held = np.array([float(limits.get(symbol, (0.0, 1.0))[1] > 0) for symbol in setting.symbols])
    if not held.any():
        raise PolicyError("asset_limits allow no name at all; this method needs one that may be held")
    return held


def cvar(setting: Setting) -> Tail:
    """Least expected loss in the worst 5% of days."""
    scenarios = setting.estimates.scenarios
    if scenarios is None:
        raise PolicyError("method cvar needs scenarios; the estimates have none: estimate them from prices")
    daily = (1.0 + setting.cash_rate()) ** (1.0 / 252) - 1.0
    return Tail(scenarios - daily, daily, TAIL_LEVEL, f"CVaR {TAIL_LEVEL:.0%}")


METHODS: Mapping[str, Callable[[Setting], Goal]] = {
    "min_volatility": min_volatility,
    "mean_variance": mean_variance,
    "max_sharpe": max_sharpe,
    "max_return": max_return,
    "target_volatility": max_return,
    "risk_parity": risk_parity,
    "max_diversification": max_diversification,
    "min_tracking_error": min_tracking_error,
    "equal_weight": equal_weight,
    "cvar": cvar,
}


def goal_of(setting: Setting) -> Goal:
    """The goal of the policy's method; PolicyError with the valid names for an unknown one."""
    method = setting.policy.method
    if method not in METHODS:
        raise PolicyError(f"method {method!r} does not exist; use one of {', '.join(sorted(METHODS))}")
    return METHODS[method](setting)


def target_cap(setting: Setting, goal: Goal) -> tuple[Norm, ...]:
    """The target volatility as a limit; homogeneous goals reach it by their scale instead."""
    target = setting.policy.target_volatility
    if target is None:
        if setting.policy.method == "target_volatility":
            raise PolicyError("method target_volatility needs target_volatility; give it, per year (0.10)")
        return ()
    if goal.homogeneous:
        return ()
    covariance = setting.estimates.covariance
    return (Norm("target_volatility", covariance, np.zeros(len(covariance)), target),)
