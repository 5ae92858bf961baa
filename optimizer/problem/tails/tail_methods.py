"""Methods on the mean loss of the worst scenarios."""

import numpy as np

from optimizer.errors import PolicyError
from optimizer.model.returns import per_period
from optimizer.problem.risk_shares import budgets_of
from optimizer.problem.scenario_goals import Tail
from optimizer.problem.setting import Setting, mean_of
from optimizer.problem.tails.tail_goals import RobustTail, TailBudget, TailRatio
from optimizer.typing import Array


def cvar(setting: Setting) -> Tail:
    """Least expected loss in the worst 1 - tail_level of days."""
    excess, periodic = scenarios_of(setting)
    level = setting.policy.tail_level
    return Tail(excess, periodic, level, f"CVaR at {100 * level:.4g}%", setting.estimates.probabilities)


def scenarios_of(setting: Setting) -> tuple[Array, float]:
    """(T, n) returns in excess of cash, and what cash earns a period; PolicyError without scenarios."""
    scenarios, method = setting.estimates.scenarios, setting.policy.method
    if scenarios is None or not len(scenarios):
        raise PolicyError(
            f"method {method} needs scenarios; the estimates have none: estimate them from prices"
        )
    periodic = per_period(setting.cash_rate(), setting.estimates.periods_per_year)
    return scenarios - periodic, periodic


def max_return_to_cvar(setting: Setting) -> TailRatio:
    """Greatest (mean - rf)'w / CVaR of the returns less the risk-free rate (STARR; Martin, Rachev & Siboulet 2003)."""
    rate = setting.policy.risk_free_rate
    if rate is None:
        raise PolicyError("risk_free_rate is not set; the ratio of return to CVaR needs one: give the pack's")
    scenarios_of(setting)
    days = setting.estimates.scenarios
    periodic = per_period(rate, setting.estimates.periods_per_year)
    excess = np.zeros((0, 0)) if days is None else days - periodic
    gain = mean_of(setting.estimates) - rate
    return TailRatio(
        excess, setting.policy.tail_level, setting.estimates.probabilities, gain, "ratio of return to CVaR"
    )


def cvar_risk_parity(setting: Setting) -> TailBudget:
    """Equal shares of the CVaR of what is held, of the names that may be; or the given shares of it (Tasche 2002)."""
    excess, periodic = scenarios_of(setting)
    budgets = budgets_of(setting, "cvar_risk_parity")
    return TailBudget(excess + periodic, setting.policy.tail_level, setting.estimates.probabilities, budgets)


def robust_cvar(setting: Setting) -> RobustTail:
    """Least CVaR under the worst distribution within `wasserstein_radius` of the scenarios (Esfahani & Kuhn 2018)."""
    excess, periodic = scenarios_of(setting)
    level, radius = setting.policy.tail_level, setting.policy.wasserstein_radius
    measure = f"robust CVaR at {100 * level:.4g}%"
    return RobustTail(excess, level, setting.estimates.probabilities, periodic, radius, measure)
