"""Goals on the mean loss of the worst scenarios: a ratio to it, shares of it, and it under doubt of the scenarios.

CVaR is the greatest mean loss under day weights q (T,), 0 <= q <= odds / (1 - level), adding up to 1; any such weights
make a line below it. A solver's multipliers, pushed onto them, make the line that proves an answer.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from optimizer.errors import DataError
from optimizer.measures.portfolio_measures import worst_weights
from optimizer.problem.support import Support
from optimizer.typing import Array

BISECTIONS = 200
NOTHING = 1e-6  # of NAV: the length of weights has a kink at none


@dataclass(frozen=True)
class _OnTail:
    """scenarios (T, n) returns, a row a period;  odds (T,) of them, positive, adding up to 1, None for equal ones."""

    scenarios: Array
    level: float
    odds: Array | None

    def loss(self, w: Array) -> float:
        """Mean loss in the worst 1 - level of the scenarios, per period; weights (n,) scale it."""
        returns = self.scenarios @ w
        return -float(worst_weights(-returns, self.level, self._odds()) @ returns)

    @property
    def most(self) -> Array:
        """(T,) the greatest weight that each day has in the tail."""
        return np.asarray(self._odds() / (1.0 - self.level))

    def line(self, w: Array, multipliers: Array | None) -> tuple[Array, float]:
        """(n,) a slope g with loss(v) >= g'v for all v, and how far below the loss it is at w."""
        if multipliers is None:
            days = worst_weights(-(self.scenarios @ w), self.level, self._odds())
        else:
            days = capped(multipliers, self.most)
        slope = -(self.scenarios.T @ days)
        return slope, max(self.loss(w) - float(slope @ w), 0.0)

    def _odds(self) -> Array:
        days = len(self.scenarios)
        return np.full(days, 1.0 / days) if self.odds is None else self.odds

    def some_loss(self, w: Array, measure: str) -> float:
        """The loss of allowed weights; DataError where there is none."""
        loss = self.loss(w)
        if loss <= 1e-9 * float(np.abs(w).sum()) * float(np.abs(self.scenarios).max()):
            raise DataError(
                f"an allowed portfolio loses nothing on its worst days, so the {measure} has no best value; use more "
                f"history, a higher tail_level or another method"
            )
        return loss


@dataclass(frozen=True)
class TailRatio(_OnTail):
    """Greatest gain'w / CVaR(w), both in excess of cash (Martin, Rachev & Siboulet 2003: STARR).

    At the best w, with ratio s, cost(v) = s CVaR(v) - gain'v is least (and 0) among all allowed v.
    gain  (n,) expected return less the risk-free rate, per year
    """

    gain: Array
    measure: str
    homogeneous: ClassVar[bool] = True

    def value(self, w: Array) -> float:
        """Expected excess return per year for one of expected tail loss per period; 0 for cash alone."""
        loss = self.loss(w)
        return float(self.gain @ w) / loss if loss > 0 else 0.0

    def rate(self, w: Array) -> float:
        """Change of the ratio per unit of cost."""
        return -1.0 / self.some_loss(w, self.measure)

    def support(self, w: Array, multipliers: Array | None = None) -> Support:
        """The line of s CVaR, less the gain; no ratio can exceed this one by gap / CVaR."""
        slope, slack = self.line(w, multipliers)
        ratio = float(self.gain @ w) / self.some_loss(w, self.measure)
        return Support(ratio * slope - self.gain, 0.0, abs(float(self.gain @ w)), ratio * slack)


@dataclass(frozen=True)
class TailBudget(_OnTail):
    """Minimise CVaR(y) - sum b ln y, y = w / CVaR(w): then w_i x dCVaR / dw_i is the share b_i (Tasche 2002).

    budgets  (n,) >= 0, summing to 1; 0 leaves a name out of the objective
    """

    budgets: Array
    measure: str = "split of the CVaR"
    shared: ClassVar[str] = "CVaR"
    homogeneous: ClassVar[bool] = True

    def value(self, w: Array) -> float:
        """-sum b ln(w / CVaR): least where the shares equal the budgets."""
        kept = self.budgets > 0
        return -float(self.budgets[kept] @ np.log(w[kept] / self.some_loss(w, self.measure)))

    def shares(self, w: Array) -> Array:
        """(n,) of the tail loss; where days tie for the edge of the tail the nearest to the budgets, least squares."""
        return nearest_shares(self, w)

    def rate(self, w: Array) -> float:
        """Change of `value` per unit of weight-space cost."""
        return 1.0 / self.some_loss(w, self.measure)

    def support(self, w: Array, multipliers: Array | None = None) -> Support:
        """The line at y, which is 0 along y itself; a gap bounds the objective by gap / CVaR."""
        loss = self.some_loss(w, self.measure)
        if (w[self.budgets > 0] <= 0).any():
            return Support(np.zeros_like(w), 0.0, loss, np.inf)
        slope, slack = self.line(w, multipliers)
        pull = np.divide(self.budgets, w, out=np.zeros_like(w), where=self.budgets > 0)
        return Support(slope - loss * pull, 0.0, loss, slack)


@dataclass(frozen=True)
class RobustTail(_OnTail):
    """Least CVaR under the worst distribution within a Wasserstein distance of the scenarios.

    For a loss linear in w it is CVaR + radius / (1 - level) x |w|, the distance of two days being the Euclidean one of
    their returns (Mohajerin Esfahani & Kuhn 2018, theorem 4.2 and 6.3 with the 2-norm).
    scenarios in excess of cash;  cash  what cash alone earns in a period;  radius  of the ball, a return per period
    """

    cash: float
    radius: float
    measure: str
    homogeneous: ClassVar[bool] = False

    @property
    def penalty(self) -> float:
        """What one of |w| costs."""
        return self.radius / (1.0 - self.level)

    def value(self, w: Array) -> float:
        """Expected tail loss per period under the worst distribution."""
        return self.loss(w) + self.penalty * float(np.linalg.norm(w)) - self.cash

    def rate(self, w: Array) -> float:
        """The value is the cost."""
        return 1.0

    def support(self, w: Array, multipliers: Array | None = None) -> Support:
        """The line of CVaR and the gradient of |w|; the (n,) after the days' multipliers (T,) stand for it at w = 0."""
        days = len(self.scenarios)
        slope, slack = self.line(w, None if multipliers is None else multipliers[:days])
        length = float(np.linalg.norm(w))
        away = w / length if length > 0 else np.zeros_like(w)
        if multipliers is not None and length <= NOTHING:
            away = multipliers[days:]
            away = away / max(float(np.linalg.norm(away)), 1.0)
        slack += self.penalty * (length - float(away @ w))
        floor = 0.01 * float(np.abs(self.scenarios).max())
        size = max(abs(self.value(w) + self.cash), floor)
        return Support(slope + self.penalty * away, -self.cash, size, slack)


def capped(multipliers: Array, most: Array) -> Array:
    """(T,) the nearest q with 0 <= q <= most that adds up to 1, most (T,) adding up to 1 at least."""
    low, high = -float(multipliers.max()), 1.0 - float(multipliers.min())
    for _ in range(BISECTIONS):
        shift = 0.5 * (low + high)
        if float(np.clip(multipliers + shift, 0.0, most).sum()) < 1.0:
            low = shift
        else:
            high = shift
    found = np.clip(multipliers + high, 0.0, most)
    return np.asarray(found / found.sum())


def nearest_shares(goal: TailBudget, w: Array) -> Array:
    """(n,) shares of the tail loss nearest to the budgets, over the day weights that attain it."""
    from scipy.optimize import lsq_linear

    loss, returns = goal.loss(w), goal.scenarios @ w
    order = worst_weights(-returns, goal.level, goal.odds)
    edge = -returns[order > 0].max() if (order > 0).any() else 0.0
    tied = np.abs(-returns - edge) <= 1e-7 * max(float(np.abs(returns).max()), 1e-300)
    if tied.sum() < 2:
        return np.asarray(-w * (goal.scenarios.T @ order) / loss)
    rest = 1.0 - float(order[~tied].sum())
    parts = -(goal.scenarios[tied] * w) / loss
    fixed = -w * (goal.scenarios[~tied].T @ order[~tied]) / loss
    heavy = 1e3  # the day weights add up, which counts before nearness
    system = np.vstack([parts.T, np.full((1, int(tied.sum())), heavy)])
    target = np.append(goal.budgets - fixed, heavy * rest)
    found = lsq_linear(system, target, bounds=(0.0, goal.most[tied])).x
    return np.asarray(fixed + parts.T @ found)
