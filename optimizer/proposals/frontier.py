"""The efficient frontier: the least risk, by any measure, at each expected return that the limits allow."""

from dataclasses import dataclass, replace

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import PolicyError, check_one_of
from optimizer.measures.portfolio_measures import expected_return, volatility
from optimizer.model.estimates import Estimates
from optimizer.model.policy import Policy
from optimizer.model.universe import Universe
from optimizer.problem.methods import SCENARIO_COSTS
from optimizer.problem.setting import mean_of
from optimizer.solvers.solution import Solution
from optimizer.solvers.solve import solve
from optimizer.typing import Array

RISKS = (
    "min_volatility",
    "min_tracking_error",
    "cvar",
    *(name for name in SCENARIO_COSTS if name != "kelly"),
)
SLIVER, MOST_POINTS = 1e-6, 10_000


@dataclass(frozen=True, eq=False)
class FrontierPoint:
    """A portfolio with no less risk at its expected return.

    expected_return, volatility  per year;  risk  by the frontier's measure, in its unit

    >>> frontier(estimates, policy, universe, points=3)[0].volatility < 0.06
    True
    """

    expected_return: float
    risk: float
    volatility: float
    solution: Solution


def free_of_trades(policy: Policy) -> Policy:
    """The policy without what it says of trades: turnover, the no-trade band, restrictions and the trade of a name."""
    return replace(
        policy, max_turnover=None, no_trade_band=None, max_trade=None, trade_limits={}, do_not_buy={}, do_not_sell={},
        do_not_trade={},
    )  # fmt: skip


@typed
def frontier(
    estimates: Estimates,
    policy: Policy,
    universe: Universe,
    held: Array | None = None,
    *,
    measure: str = "min_volatility",
    points: int = 12,
) -> tuple[FrontierPoint, ...]:
    """Certified portfolios from the least risk to the greatest return, evenly spaced in return (Markowitz 1952).

    policy   its limits hold at each point, whatever their priorities; its method, doubt of the mean, l2_penalty,
             trading costs and horizon are not read
    held     (n,) current weights, for turnover and, without a benchmark, tracking error
    measure  a method that makes a risk least: one of RISKS
    points   at least 2; fewer come back where the limits allow a single return only
    Raises PolicyError for another measure, and what `solve` raises; a policy in conflict is not moved towards.

    >>> len(frontier(estimates, policy, universe, points=3))
    3
    """
    check_one_of("measure of risk", measure, RISKS)
    if not 2 <= points <= MOST_POINTS:
        raise PolicyError(f"points is {points}; a frontier has two ends: give 2 to {MOST_POINTS}")
    mean = mean_of(estimates)
    firm = replace(
        policy,
        on_conflict="fail",
        priorities={},
        mean_doubt=0.0,
        l2_penalty=0.0,
        cost_horizon_years=None,
        horizon=None,
    )

    def best(method: str, least: float | None) -> Solution:
        return solve(estimates, replace(firm, method=method, min_return=least), universe, held)

    safest, dearest = best(measure, policy.min_return), best("max_return", policy.min_return)

    def point(solution: Solution) -> FrontierPoint:
        w = solution.weights
        earned = expected_return(w, mean, policy.risk_free_rate or 0.0)
        return FrontierPoint(earned, safest.goal.value(w), volatility(w, estimates.risk), solution)

    first, last = point(safest), point(dearest)
    if last.expected_return - first.expected_return <= SLIVER:
        return (first,)
    between = np.linspace(first.expected_return, last.expected_return, points)[1:-1]
    return (first, *(point(best(measure, float(wanted))) for wanted in between), last)
