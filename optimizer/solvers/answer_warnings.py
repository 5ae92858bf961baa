"""What must be said of an answer: where the limits, the method or the proof fall short of what was asked for."""

import numpy as np

from optimizer.measures.portfolio_measures import volatility
from optimizer.problem.cost_terms import borrows, fees_of
from optimizer.problem.goals import Goal, Quadratic, Ratio, RiskBudget, Traded
from optimizer.problem.setting import Setting
from optimizer.problem.tails.tail_goals import TailBudget
from optimizer.problem.trade_bounds import strangers
from optimizer.problem.weight_intervals import NOTHING
from optimizer.solvers.audit import GAP_TOLERANCE, told_as
from optimizer.solvers.names.cardinality import wanted
from optimizer.typing import Array

TARGET_TOLERANCE = 1e-6
BUDGET_TOLERANCE = 1e-5
MOST_DIGITS = 6
OPEN = 1e-3  # of the objective; nobody trades for less


def answer_warnings(goal: Goal, w: Array, setting: Setting, bound: float | None) -> tuple[str, ...]:
    """All of it, for (n,) weights; bound: of the objective, where limits on shares of risk or names leave a gap."""
    return (
        *shortfall(goal, w, setting.symbols), *unbudgeted(goal, w, setting), *unseen_fees(goal, w, setting),
        *target_missed(w, setting), *unproven(goal, w, bound, names=wanted(setting.policy)),
        *strangers(setting.policy, {*setting.symbols, *setting.universe.symbols}),
    )  # fmt: skip


def unbudgeted(goal: Goal, w: Array, setting: Setting) -> tuple[str, ...]:
    """A warning that names what is held without a share of the risk: a hedge, of which nothing says how much."""
    by_name = isinstance(goal, TailBudget) or (isinstance(goal, RiskBudget) and goal.loadings is None)
    if not by_name or not isinstance(goal, RiskBudget | TailBudget):
        return ()
    hedges = np.flatnonzero((goal.budgets == 0) & (w > NOTHING))
    if not len(hedges):
        return ()
    told = ", ".join(f"{setting.symbols[i]} {w[i]:.1%}" for i in hedges)
    return (
        f"risk_budgets give no share of the risk to {told}; it is held because it hedges the others: give it a share, "
        f"or close it by asset_limits (0, 0)",
    )


def unseen_fees(goal: Goal, w: Array, setting: Setting) -> tuple[str, ...]:
    """A warning that says what short positions cost to borrow, where the goal does not count it."""
    counted = isinstance(goal, Traded) or (isinstance(goal, Ratio) and goal.fees is not None)
    if counted or not borrows(setting.policy):
        return ()
    paid = float(fees_of(setting) @ np.maximum(-w, 0.0))
    if paid <= NOTHING:
        return ()
    return (
        f"method {setting.policy.method} does not count borrow fees; those of its short positions are {paid:.2%} of "
        f"the NAV a year",
    )


def shortfall(goal: Goal, w: Array, symbols: tuple[str, ...]) -> tuple[str, ...]:
    """A warning when the limits keep an answer from what the method is named after."""
    match goal:
        case RiskBudget() | TailBudget():
            shares = goal.shares(w)
            missed = np.abs(shares - goal.budgets).round(9)  # of two that miss by as much the first is told
            if missed.max() > BUDGET_TOLERANCE:
                worst = int(np.argmax(missed))
                named = (goal.exposures if isinstance(goal, RiskBudget) else ()) or symbols
                share, wanted = told_apart(shares[worst], goal.budgets[worst], 1)
                return (
                    f"risk budgets cannot be met under the limits: {named[worst]}'s share of the {goal.shared} is "
                    f"{share} where {wanted} is wanted",
                )
        case Quadratic() if goal.measure.startswith("distance") and goal.value(w) > BUDGET_TOLERANCE:
            return (
                f"the limits do not allow the method's own weights; {goal.measure} is {goal.value(w):.4g}",
            )
    return ()


def unproven(goal: Goal, w: Array, bound: float | None, *, names: bool) -> tuple[str, ...]:
    """What is not known where a search left a gap between the answer and what none can better; names: one for names."""
    if bound is None:
        return ()
    value = goal.value(w)
    if abs(value - bound) <= (OPEN if names else GAP_TOLERANCE) * max(abs(value), 1e-9):
        return ()
    what = "the search for names ended early and leaves" if names else "limits on shares of risk leave"
    return (
        f"{what} open whether a better portfolio exists: the {told_as(goal)} is {value:.6g}, and no allowed portfolio "
        f"has better than {bound:.6g}",
    )


def target_missed(w: Array, setting: Setting) -> tuple[str, ...]:
    """A warning when the limits keep volatility from its target."""
    target = setting.policy.target_volatility
    if target is None:
        return ()
    risk = volatility(w, setting.estimates.risk)
    if abs(risk - target) <= TARGET_TOLERANCE * target:
        return ()
    side = "only" if risk < target else "still"
    allowed, wanted = told_apart(risk, target, 2)
    return (f"target volatility {wanted} is not reached: the limits allow {side} {allowed}",)


def told_apart(value: float, wanted: float, digits: int) -> tuple[str, str]:
    """Two numbers that differ, in percent, with so many decimals or as many more as show that they do."""
    told = f"{value:.{digits}%}", f"{wanted:.{digits}%}"
    return told if told[0] != told[1] or digits > MOST_DIGITS else told_apart(value, wanted, digits + 1)
