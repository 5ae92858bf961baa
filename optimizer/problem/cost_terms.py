"""What is taken off a goal: trading costs over the years they are paid for, borrow fees, a penalty on concentration."""

from dataclasses import replace

import numpy as np

from optimizer.errors import PolicyError
from optimizer.model.costs import CostCurve, CostModel
from optimizer.model.policy import Policy
from optimizer.numerics.matrices import dense, plus_diagonal, scaled
from optimizer.problem.goals import Goal, Quadratic, Traded
from optimizer.problem.setting import Setting, named
from optimizer.typing import Array

AFTER_FEES = ("mean_variance", "max_return", "target_volatility")
AFTER_COSTS = ("mean_variance", "max_return", "target_volatility", "min_volatility", "min_tracking_error")


def counts_costs(policy: Policy) -> bool:
    """Whether the goal is after trading costs, or after borrow fees, which expected returns alone are by themselves."""
    if policy.cost_horizon_years is not None or policy.horizon is not None:
        return True
    return policy.method in AFTER_FEES and borrows(policy)


def borrows(policy: Policy) -> bool:
    """Whether any short position costs a fee."""
    return bool(policy.borrow_fee or any(policy.borrow_fees.values()))


def paid_over(setting: Setting) -> float | None:
    """The years that trades are paid for: those that the policy says, or a step of its horizon; None: costs are out."""
    horizon = setting.policy.horizon
    if horizon is None:
        return setting.policy.cost_horizon_years
    return horizon.step_days / setting.estimates.periods_per_year


def spread_out(goal: Goal, policy: Policy) -> Quadratic:
    """The goal less l2_penalty x sum of squared weights, per year (DeMiguel et al. 2009)."""
    if not isinstance(goal, Quadratic) or policy.method not in AFTER_COSTS:
        raise PolicyError(
            f"method {policy.method} cannot count l2_penalty; leave it out, or use one of {', '.join(AFTER_COSTS)}"
        )
    goal = as_penalty(goal, policy)
    curved = plus_diagonal(goal.P, 2.0 * policy.l2_penalty, len(goal.q))
    joined = " less its penalty for" if goal.P is None else " and"
    measure = f"{'penalty for ' if goal.penalty else ''}{goal.measure}{joined} concentration"
    return replace(
        goal, P=curved, measure=measure, ties=None, center=None, penalty=0.0, taken_off=goal.penalty > 0
    )


def as_penalty(goal: Quadratic, policy: Policy) -> Quadratic:
    """A goal of risk alone as a penalty of risk_aversion / 2 per unit of variance, to compare with rates per year."""
    if goal.report != "root" or goal.P is None:
        return goal
    weight = policy.risk_aversion
    P, q, constant = scaled(goal.P, weight), weight * goal.q, weight * goal.constant
    return Quadratic(P, q, goal.measure, "negative", constant, penalty=weight)


def after_costs(goal: Goal, setting: Setting) -> Traded:
    """The goal less borrow fees, and the linear and 3/2-power costs of trading, divided by the years they are paid for.

    A goal of risk alone becomes a penalty of risk_aversion / 2 per unit of variance, so that costs compare with it.
    """
    policy, years = setting.policy, paid_over(setting)
    if not isinstance(goal, Quadratic) or policy.method not in AFTER_COSTS:
        raise PolicyError(
            f"method {policy.method} cannot count trading costs; leave {counted_by(policy)} out, or use one of "
            f"{', '.join(AFTER_COSTS)}"
        )
    fees, nothing = fees_of(setting), np.zeros(len(setting.symbols))
    goal = replace(as_penalty(goal, policy), ties=None, center=None)
    if years is None:
        return Traded(goal, CostCurve(nothing, nothing, nothing, nothing), nothing, fees)
    curve, held = yearly_costs(setting, years)
    return Traded(linked(goal, setting, held), curve, held, fees)


def fees_of(setting: Setting) -> Array:
    """(n,) borrow fees per year and unit of weight below 0."""
    policy = setting.policy
    named(policy.borrow_fees, setting.symbols, "borrow_fees")
    return np.array([policy.borrow_fees.get(symbol, policy.borrow_fee) for symbol in setting.symbols])


def yearly_costs(setting: Setting, years: float) -> tuple[CostCurve, Array]:
    """What trades cost per year over so many, and the (n,) weights that they start from."""
    policy, held = setting.policy, setting.held
    if held is None:
        raise PolicyError(
            f"{counted_by(policy)} needs the held weights; none are given: give them, or leave it out"
        )
    if setting.costs is None and policy.root_impact:
        raise PolicyError(
            "root_impact grows with the money traded, which weights do not tell; give costs: CostModel.curve(symbols, "
            "prices, nav)"
        )
    once = setting.costs or replace(CostModel.of(policy), per_share=0.0).curve(setting.symbols)
    return CostCurve(0 * once.fixed, once.buy / years, once.sell / years, once.root / years), held


def linked(goal: Quadratic, setting: Setting, held: Array) -> Quadratic:
    """A goal with the quadratic cost of trades, where the horizon has one (Garleanu & Pedersen 2013)."""
    horizon = setting.policy.horizon
    if horizon is None or not horizon.quadratic_cost:
        return goal
    link = scaled(setting.estimates.risk, horizon.quadratic_cost)
    pull = link @ held
    return replace(
        goal, P=link if goal.P is None else dense(goal.P) + dense(link), q=goal.q - pull,
        constant=goal.constant + 0.5 * float(held @ pull),
    )  # fmt: skip


def counted_by(policy: Policy) -> str:
    """The field by which trading costs join the goal."""
    return "cost_horizon_years" if policy.horizon is None else "horizon"
