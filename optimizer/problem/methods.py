"""A function a method: from estimates and policy to a goal."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from optimizer.errors import DataError, PolicyError, check_one_of
from optimizer.model.exposure_types import ExposureType, in_order
from optimizer.model.policy import Policy
from optimizer.model.returns import per_period
from optimizer.model.sessions import TRADING_DAYS
from optimizer.numerics.convex_limits import Norm
from optimizer.numerics.matrices import scaled
from optimizer.problem.clusters.hierarchical import RECIPES
from optimizer.problem.cost_terms import after_costs, borrows, counts_costs, fees_of, spread_out
from optimizer.problem.gini import GiniMeanDifference
from optimizer.problem.goals import Goal, Quadratic, Ratio, RiskBudget
from optimizer.problem.risk_shares import budgets_of, holdable, refuse_idle
from optimizer.problem.scenario_costs import (
    Cost,
    EntropicTail,
    GrowthLoss,
    LowerPartialMoment,
    MeanAbsoluteDeviation,
    SemiDeviation,
    WorstRealization,
)
from optimizer.problem.scenario_goals import Scenario
from optimizer.problem.setting import Setting, mean_of
from optimizer.problem.tails.drawdown_costs import Drawdown
from optimizer.problem.tails.tail_methods import (
    cvar,
    cvar_risk_parity,
    max_return_to_cvar,
    robust_cvar,
    scenarios_of,
)
from optimizer.typing import Array


def min_volatility(setting: Setting) -> Quadratic:
    """Least sqrt(w'Sw)."""
    risk = setting.estimates.risk
    return Quadratic(risk, np.zeros(len(risk)), "volatility", "root")


def mean_variance(setting: Setting) -> Quadratic:
    """Greatest mean'w + cash x rate - lambda/2 w'Sw (Markowitz 1952)."""
    rate = setting.cash_rate()
    gain = mean_of(setting.estimates) - rate
    return Quadratic(
        scaled(setting.estimates.risk, setting.policy.risk_aversion), -gain,
        "expected return less its penalty for risk", "negative", -rate, doubt=doubt_of(setting),
    )  # fmt: skip


def max_return(setting: Setting) -> Quadratic:
    """Greatest mean'w + cash x rate; the limits alone keep it from one name."""
    rate = setting.cash_rate()
    return Quadratic(
        None, rate - mean_of(setting.estimates), "expected return", "negative", -rate, setting.estimates.covariance,
        doubt_of(setting),
    )  # fmt: skip


def max_sharpe(setting: Setting) -> Ratio:
    """Greatest ((mean - rf)'w - borrow fees) / sqrt(w'Sw)."""
    rate = setting.policy.risk_free_rate
    if rate is None:
        raise PolicyError("risk_free_rate is not set; the Sharpe ratio needs one: give the pack's")
    gain = mean_of(setting.estimates) - rate
    fees = fees_of(setting) if borrows(setting.policy) else None
    name = "Sharpe ratio" if fees is None else "Sharpe ratio after borrow fees"
    return Ratio(gain, setting.estimates.risk, name, doubt_of(setting), fees)


def doubt_of(setting: Setting) -> Array | None:
    """(n, n) kappa^2 x covariance of the estimated mean: the ellipsoid in which the true one is taken to lie.

    Goldfarb & Iyengar 2003; Ceria & Stubbs 2006. S per year / years of data, off the diagonal 0 unless "full".
    """
    kappa, shape = setting.policy.mean_doubt, setting.policy.mean_doubt_shape
    if kappa == 0:
        return None
    scenarios = setting.estimates.scenarios
    days = setting.estimates.observations or (0 if scenarios is None else len(scenarios))
    if not days:
        raise PolicyError(
            "mean_doubt needs the number of days that the mean rests on; set observations in Estimates"
        )
    error = setting.estimates.covariance if shape == "full" else np.diag(setting.estimates.variances)
    return kappa**2 * error * (setting.estimates.periods_per_year / days)


def max_diversification(setting: Setting) -> Ratio:
    """Greatest s'w / sqrt(w'Sw), s the names' volatilities (Choueifaty & Coignard 2008)."""
    if not setting.estimates.variances.any():
        raise DataError("no name ever moved: no diversification; use equal_weight, or a shrunk covariance")
    return Ratio(setting.estimates.volatility, setting.estimates.risk, "diversification ratio")


def min_tracking_error(setting: Setting) -> Quadratic:
    """Least sqrt((w - b)'S(w - b)) against the benchmark, else the held weights."""
    risk, reference = setting.estimates.risk, setting.reference()
    pull = risk @ reference
    return Quadratic(risk, -pull, "tracking error", "root", 0.5 * float(reference @ pull), center=reference)


def equal_weight(setting: Setting) -> Quadratic:
    """The allowed weights nearest to equal ones, of the names that may be held."""
    equal = holdable(setting)
    equal /= equal.sum()
    return Quadratic(
        np.eye(len(equal)),
        -equal,
        "distance from equal weights",
        "root",
        0.5 * float(equal @ equal),
        center=equal,
    )


def risk_parity(setting: Setting) -> RiskBudget:
    """Equal contributions to the variance, of the names that may be held; or the given shares of it."""
    return RiskBudget(setting.estimates.risk, budgets_of(setting, "risk_parity"))


def exposure_risk_parity(setting: Setting) -> RiskBudget:
    """Equal contributions of what the funds hold, or those of `exposure_budgets`, however many funds hold it.

    What a fund lists counts for the nearest type with a budget: gold for gold beside commodities, else for these.
    """
    policy, funds = setting.policy, setting.universe.funds
    if funds is None:
        raise PolicyError(
            "exposure_risk_parity needs the funds' exposures; this universe has none: add funds"
        )
    if not policy.long_only:
        raise PolicyError(
            "exposure_risk_parity holds funds long only; set long_only, or choose another method"
        )
    listed = [kind for kind in funds.types(setting.symbols) if kind is not ExposureType.CASH]
    given = policy.exposure_budgets or dict.fromkeys(listed, 1.0 / max(len(listed), 1))
    kinds = in_order(kind for kind, budget in given.items() if budget > 0)
    matrix = funds.shares(setting.symbols, kinds)
    missing = [kind.name for kind, row in zip(kinds, matrix, strict=True) if not (row > 0).any()]
    if missing or not kinds:
        raise PolicyError(
            f"exposure_budgets names {', '.join(missing) or 'nothing'}; no fund here holds that"
        )
    budgets = np.array([given[kind] for kind in kinds])
    names = tuple(kind.name for kind in kinds)
    return RiskBudget(setting.estimates.covariance, budgets, loadings=matrix, exposures=names)


def nearest_to_clusters(setting: Setting, recipe: str) -> Quadratic:
    """The allowed weights nearest to those of a hierarchical recipe, in tracking variance; the same where allowed.

    A hundredth of the average variance on the diagonal tells twins apart. The recipes see the names in alphabetical
    order, whatever the order of the estimates: equal distances merge, and the sides of a fork stand, in that order.
    """
    if not setting.policy.long_only:
        raise PolicyError(f"method {recipe} holds names long only; set long_only, or choose another method")
    held = np.flatnonzero(holdable(setting))
    held = held[np.argsort(np.array(setting.symbols)[held], kind="stable")]
    refuse_idle(setting, held, recipe)
    covariance = setting.estimates.covariance
    ideal = np.zeros(len(covariance))
    alike = setting.estimates.correlation
    ideal[held] = RECIPES[recipe](
        covariance[np.ix_(held, held)], None if alike is None else alike[np.ix_(held, held)]
    )
    ideal *= 1.0 - max(setting.policy.cash_min, 0.0)
    metric = covariance + 0.01 * float(np.trace(covariance)) / len(covariance) * np.eye(len(covariance))
    pull = metric @ ideal
    distance = f"distance from {recipe} weights"
    return Quadratic(metric, -pull, distance, "root", 0.5 * float(ideal @ pull), center=ideal)


def _shortfall(policy: Policy, periods: float = TRADING_DAYS, *, order: int) -> Cost:
    return LowerPartialMoment(per_period(policy.return_threshold, periods), order)


# What each of these makes least, by the policy and the scenarios' periods per year; per period of the scenarios,
# drawdowns as fractions of the value at the start.
SCENARIO_COSTS: Mapping[str, Callable[..., Cost]] = {
    "cdar": lambda policy, periods=TRADING_DAYS: Drawdown("tail", policy.tail_level),
    "evar": lambda policy, periods=TRADING_DAYS: EntropicTail(policy.tail_level),
    "worst_realization": lambda policy, periods=TRADING_DAYS: WorstRealization(),
    "mean_absolute_deviation": lambda policy, periods=TRADING_DAYS: MeanAbsoluteDeviation(),
    "semi_deviation": lambda policy, periods=TRADING_DAYS: SemiDeviation(),
    "first_lower_partial_moment": partial(_shortfall, order=1),
    "second_lower_partial_moment": partial(_shortfall, order=2),
    "gini_mean_difference": lambda policy, periods=TRADING_DAYS: GiniMeanDifference(),
    "ulcer_index": lambda policy, periods=TRADING_DAYS: Drawdown("ulcer"),
    "max_drawdown": lambda policy, periods=TRADING_DAYS: Drawdown("max"),
    "average_drawdown": lambda policy, periods=TRADING_DAYS: Drawdown("mean"),
    "kelly": lambda policy, periods=TRADING_DAYS: GrowthLoss(),
}


# Drawdowns depend on the order of the days, the worst day on none's odds, and Gini's pairs are those of sorted days.
BY_ODDS = (EntropicTail, MeanAbsoluteDeviation, SemiDeviation, LowerPartialMoment, GrowthLoss)
ON_TAILS = ("cvar", "max_return_to_cvar", "cvar_risk_parity", "robust_cvar")
ON_ODDS = (
    *ON_TAILS,
    "evar",
    "mean_absolute_deviation",
    "semi_deviation",
    "first_lower_partial_moment",
    "second_lower_partial_moment",
    "kelly",
)


def scenario_goal(setting: Setting, name: str) -> Scenario:
    """Least of that cost over the scenarios; `kelly` reports growth, ln per year."""
    excess, periodic = scenarios_of(setting)
    periods, odds = setting.estimates.periods_per_year, setting.estimates.probabilities
    cost = SCENARIO_COSTS[name](setting.policy, periods)
    if odds is not None:
        if not isinstance(cost, BY_ODDS):
            raise PolicyError(
                f"method {name} counts every day alike, and these scenarios have probabilities; use one of "
                f"{', '.join(ON_ODDS)}, or leave the probabilities out"
            )
        cost = replace(cost, odds=odds)
    return Scenario(excess, periodic, cost, -periods if name == "kelly" else 1.0)


METHODS: Mapping[str, Callable[[Setting], Goal]] = {
    "min_volatility": min_volatility,
    "mean_variance": mean_variance,
    "max_sharpe": max_sharpe,
    "max_return": max_return,
    "target_volatility": max_return,
    "risk_parity": risk_parity,
    "exposure_risk_parity": exposure_risk_parity,
    "max_diversification": max_diversification,
    "min_tracking_error": min_tracking_error,
    "equal_weight": equal_weight,
    "cvar": cvar,
    "max_return_to_cvar": max_return_to_cvar,
    "cvar_risk_parity": cvar_risk_parity,
    "robust_cvar": robust_cvar,
    **{name: partial(nearest_to_clusters, recipe=name) for name in RECIPES},
    **{name: partial(scenario_goal, name=name) for name in SCENARIO_COSTS},
}


# What optimises over return scenarios, not over a covariance; and what reads expected returns.
ON_SCENARIOS = frozenset({*ON_TAILS, *SCENARIO_COSTS})
ON_MEANS = frozenset({"mean_variance", "max_sharpe", "max_return", "target_volatility", "max_return_to_cvar"})


def reads_means(policy: Policy) -> bool:
    """Whether expected returns, and so views, have a part in the weights."""
    return policy.method in ON_MEANS or policy.min_return is not None


def before_costs(setting: Setting) -> Goal:
    """The goal of the policy's method, trading costs left out; PolicyError with the valid names for an unknown one."""
    method = setting.policy.method
    check_one_of("method", method, sorted(METHODS))
    goal = METHODS[method](setting)
    if setting.policy.l2_penalty:
        goal = spread_out(goal, setting.policy)
    return goal


def goal_of(setting: Setting) -> Goal:
    """The goal of the policy's method; PolicyError with the valid names for an unknown one."""
    goal = before_costs(setting)
    return after_costs(goal, setting) if counts_costs(setting.policy) else goal


def target_cap(setting: Setting, goal: Goal) -> tuple[Norm, ...]:
    """The target volatility as a limit; homogeneous goals reach it by their scale instead."""
    target = setting.policy.target_volatility
    if target is None:
        if setting.policy.method == "target_volatility":
            raise PolicyError(
                "method target_volatility has no target; give it, of a year: target_volatility_pct: 10 in a "
                "portfolio's file, target_volatility=0.10 in code"
            )
        return ()
    if goal.homogeneous:
        return ()
    covariance = setting.estimates.covariance
    return (Norm("target_volatility", covariance, np.zeros(len(covariance)), target),)
