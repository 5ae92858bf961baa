"""From estimates and a policy to certified weights: fast lane, general lane, audit; and the way out of conflicts."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from optimizer.arguments import typed
from optimizer.errors import InfeasibleError, PolicyError, SolverError
from optimizer.measures.portfolio_measures import turnover, volatility
from optimizer.model.alignment import named_holdings
from optimizer.model.costs import CostCurve
from optimizer.model.estimates import Estimates
from optimizer.model.policy import Policy
from optimizer.model.universe import Universe
from optimizer.numerics.answers import verdict_needed
from optimizer.numerics.convex_limits import Limits, scale_range
from optimizer.numerics.counted import floats, uncounted
from optimizer.problem.feasible_set import FeasibleSet, plain
from optimizer.problem.goals import Goal, Quadratic
from optimizer.problem.methods import goal_of, target_cap
from optimizer.problem.policy_limits import build_limits
from optimizer.problem.priorities import levels_of
from optimizer.problem.setting import Setting, checked_weights
from optimizer.problem.trade_bounds import strangers
from optimizer.solvers.answer_warnings import answer_warnings
from optimizer.solvers.conflicts import allowed, explain
from optimizer.solvers.fast.dispatch import ROUNDING, Candidate
from optimizer.solvers.hierarchy import tied, unmet_limits, untied
from optimizer.solvers.names import cardinality
from optimizer.solvers.names.cardinality import always_held, choose_names, unmet_holdings
from optimizer.solvers.names.conflicts_of_names import impossible, possible, with_names
from optimizer.solvers.names.left_out import left_out
from optimizer.solvers.names.name_search import Choice
from optimizer.solvers.names.program_work import ProgramWork
from optimizer.solvers.names.yielding import LeastOfNames, give_way_for_names
from optimizer.solvers.search import Way, firm_part, given_way, nothing_defined, search, with_cash
from optimizer.solvers.shares.share_search import UnreachedError, times, within_shares, without_shares
from optimizer.solvers.solution import Solution
from optimizer.solvers.solver_choice import Optimum, certified, optimum
from optimizer.solvers.user_constraints import OwnConstraints, optimum_within
from optimizer.typing import Array

if TYPE_CHECKING:
    from optimizer.model.alignment import Weights


@typed
def solve(
    estimates: Estimates,
    policy: Policy,
    universe: Universe,
    held: "Weights | None" = None,
    *,
    costs: CostCurve | None = None,
    constraints: OwnConstraints | None = None,
    start: "Weights | None" = None,
    forecasts: Array | None = None,
) -> Solution:
    """The best weights for the policy's method under all its limits, certified.

    held   current weights, a Series or dict by name (0 where not named), or (n,) in the order of `estimates.symbols`;
           needed for turnover and trading costs
    costs  what trades given in weights cost once, `CostModel.curve(symbols, prices, nav)`; with the policy's
           cost_horizon_years; None: the policy's impact_bps
    constraints  from the weights as a cvxpy expression (n,) to cvxpy constraints of one's own
    start  weights near the answer in either form, say those of yesterday, in few names: it is found sooner, and is the
           same
    Of choices of names that are exactly alike, as twins under max_holdings, which one is taken depends on the order of
    `estimates.symbols`; everything else does not.
    forecasts  (H, n) expected total returns per year of each step of the policy's horizon, in the order of
           `estimates.symbols`; None: those of the estimates, as they decay
    Raises PolicyError for wrong input, InfeasibleError naming the limits in conflict, SolverError when no lane
    gives an answer that its certificate confirms.

    >>> solve(estimates, Policy(method='max_sharpe', risk_free_rate=0.02), universe).weights.round(3).tolist()
    [0.473, 0.314, 0.213]
    """
    symbols = estimates.symbols
    weights = None if held is None else checked_weights(named_holdings("held", held, symbols), len(symbols))
    near = None if start is None else checked_weights(named_holdings("start", start, symbols), len(symbols))
    if forecasts is not None:
        forecasts = checked_forecasts(forecasts, policy, symbols)
        estimates = replace(estimates, covariance=estimates.risk, mean=forecasts[0])
    setting = Setting(estimates, policy, universe, weights, costs, forecasts=forecasts)
    return solved(setting, constraints, near)


@verdict_needed
def solved(
    setting: Setting, constraints: OwnConstraints | None = None, start: Array | None = None
) -> Solution:
    """The same of a setting; start (n,) as in `solve`."""
    policy = setting.policy
    if policy.horizon is not None and policy.horizon.steps > 1:
        return solved_plan(setting, constraints)
    goal = goal_of(setting)
    wanted = build_limits(setting).with_norms(target_cap(setting, goal))
    levels_of(wanted, policy)  # refuses what is no limit here, in conflict or not
    if wanted.shares and (constraints is not None or cardinality.wanted(policy)):
        raise PolicyError(
            "limits on shares of risk cannot be combined with own constraints, min_position, max_holdings, "
            "no_trade_band or large_holdings; drop one of them"
        )
    if constraints is not None:
        return solved_within(goal, wanted, constraints, setting)
    way, best = sought(goal, wanted, setting, start)
    way, choice = chosen(goal, wanted, way, best, setting)
    apart = left_out(goal, best.weights, choice.best.weights, setting) if choice else ()
    feasible, best = (choice.feasible, choice.best) if choice else (way.feasible, best)
    feasible, best = rescaled(goal, feasible, best, setting)
    unmet = unmet_limits(with_cash(wanted, way), best.weights, setting) if feasible.elastic else ()
    unmet = (*unmet, *way.unmet, *unmet_holdings(best.weights, setting))
    bound = choice.bound if choice else way.bound
    warnings = (
        *way.warnings,
        *(limit.text for limit in unmet),
        *best.notes,
        *answer_warnings(goal, best.weights, setting, bound),
    )
    solution = Solution(
        setting.symbols, best.weights, goal.value(best.weights), policy.method, goal, feasible, best, unmet,
        warnings, apart, bound=bound, hierarchy=way.levels,
        given_way=given_way(wanted, feasible.limits, unmet),
    )  # fmt: skip
    return solution if feasible.elastic else with_turnover(solution, setting)


def sought(goal: Goal, wanted: Limits, setting: Setting, start: Array | None) -> tuple[Way, Optimum]:
    """The best weights but for the names to choose, and where; a conflict tells what these need too."""
    policy = setting.policy
    try:
        return search(goal, plain(wanted, start), setting)
    except InfeasibleError as stop:
        if not stop.ways or not cardinality.wanted(policy):
            raise
        yielding = tuple(group for groups in levels_of(wanted, policy).values() for group in groups)
        firm = firm_part(wanted, yielding) if yielding else wanted
        must = always_held(goal, len(setting.symbols))
        raise with_names(stop, firm, policy, setting.held, must) from None


def checked_forecasts(forecasts: Array, policy: Policy, symbols: tuple[str, ...]) -> Array:
    """(H, n) as floats; PolicyError where the forecasts are not those of a horizon's steps."""
    steps = 0 if policy.horizon is None else policy.horizon.steps
    checked = floats("forecasts", forecasts)
    if not steps or checked.shape != (steps, len(symbols)) or not np.isfinite(checked).all():
        raise PolicyError(
            f"forecasts have shape {checked.shape}; a finite return is needed for each of {steps} steps of the "
            f"policy's horizon and {len(symbols)} symbols"
        )
    return checked


def solved_plan(setting: Setting, constraints: OwnConstraints | None) -> Solution:
    """The first step of the best plan over the policy's horizon."""
    if constraints is not None:
        raise PolicyError(
            "own constraints cannot be combined with a horizon of several steps; drop one of them"
        )
    from optimizer.solvers.plans.planned import best_plan  # which needs scipy, as the hot path does not

    plan, goal, feasible, best = best_plan(setting)
    told = strangers(setting.policy, {*setting.symbols, *setting.universe.symbols})
    return Solution(
        setting.symbols,
        best.weights,
        plan.utility,
        setting.policy.method,
        goal,
        feasible,
        best,
        warnings=told,
        plan=plan,
    )


def solved_within(goal: Goal, wanted: Limits, constraints: OwnConstraints, setting: Setting) -> Solution:
    """The solution under constraints of the user's own; these know neither transition nor names to choose."""
    if not allowed(wanted):
        raise explain(wanted)
    if any(setting.policy.priorities.values()):
        raise PolicyError("own constraints cannot be combined with priorities; drop one of them")
    if cardinality.wanted(setting.policy):
        raise PolicyError(
            "own constraints cannot be combined with min_position, max_holdings, no_trade_band or large_holdings; drop "
            "one of them"
        )
    feasible, best = optimum_within(goal, wanted, constraints)
    notes = (
        *best.notes,
        *answer_warnings(goal, best.weights, setting, None),
    )
    value = goal.value(best.weights)
    return Solution(
        setting.symbols, best.weights, value, setting.policy.method, goal, feasible, best, warnings=notes
    )


def chosen(
    goal: Goal, wanted: Limits, way: Way, best: Optimum, setting: Setting
) -> tuple[Way, Choice | None]:
    """The best names to hold and trade, where the policy says so; None where what is held keeps them from it yet.

    wanted  the policy's limits, of which those with a priority give way where they leave no choice of names
    """
    policy = setting.policy
    if not cardinality.wanted(policy) or not (goal.homogeneous or unmet_holdings(best.weights, setting)):
        return way, None
    must = always_held(goal, len(best.weights))
    choice = choose_names(goal, way.feasible, best, policy, setting.held)
    if choice is not None:
        least = LeastOfNames(policy, setting.held, must, ProgramWork(len(must)))
        return replace(way, levels=way.levels and replace(way.levels, least=least)), choice
    try:
        found = give_way_for_names(goal, wanted, way, setting, must)
    except InfeasibleError:
        if way.levels is not None or not waits(way.feasible, setting, must):
            raise
        return way, None
    if found is None and not waits(way.feasible, setting, must):
        left = possible(way.feasible, policy, setting.held, must)
        raise nothing_defined(goal) if left else impossible(way.feasible, policy, setting.held, must)
    return found or (way, None)


def waits(feasible: FeasibleSet, setting: Setting, must: NDArray[np.bool_]) -> bool:
    """Whether names can be chosen once the held positions have been traded towards it, and the policy lets them be."""
    if setting.policy.on_conflict == "fail" or not tied(feasible.limits):
        return False
    free = untied(feasible.limits.revealed())
    return feasible.elastic or possible(plain(free), setting.policy, setting.held, must)


def rescaled(
    goal: Goal, feasible: FeasibleSet, best: Optimum, setting: Setting
) -> tuple[FeasibleSet, Optimum]:
    """Of all multiples of an answer to a homogeneous goal, that with the target volatility, else least cash."""
    if not goal.homogeneous or feasible.elastic or setting.policy.cash_min == setting.policy.cash_max:
        return feasible, best
    low, high = scale_range(without_shares(feasible.limits), best.weights)
    target = setting.policy.target_volatility
    risk = volatility(best.weights, setting.estimates.risk)
    factor = high if target is None else min(max(target / risk, low), high)
    if not np.isfinite(factor) or factor == 1.0:
        return feasible, best
    w = best.weights * factor
    scaled = replace(feasible, limits=times(feasible.limits, factor))
    candidate = Candidate(w, best.multipliers, best.solver, goal.support(w))
    again = certified(best.lane, scaled, candidate, goal)
    if again.certificate.ok:
        return scaled, replace(again, notes=best.notes)
    wanted = "least cash" if target is None else f"volatility {target:.1%}"
    told = f"the multiple of these weights with {wanted} was not certified, and they stay at volatility {risk:.1%}"
    return feasible, replace(best, notes=(*best.notes, f"{told}; report the policy and the estimates"))


def unlimited(goal: Goal, limits: Limits) -> Array:
    """(n,) the best weights under these limits; those of least cost of all, where they are known and allowed."""
    center = goal.center if isinstance(goal, Quadratic) else None
    if center is not None and limits.violation(center) <= ROUNDING:
        return center
    feasible = plain(without_shares(limits))
    best = optimum(goal, feasible)
    return within_shares(goal, feasible, limits.shares, best).best.weights if limits.shares else best.weights


def with_turnover(solution: Solution, setting: Setting) -> Solution:
    """With the turnover there would be without its limit, where that binds."""
    limit, held = setting.policy.max_turnover, setting.held
    if limit is None or held is None or uncounted(turnover)(solution.weights, held) < limit - 1e-7:
        return solution
    free = setting.without_turnover_limit
    try:
        best = free() if free else unlimited(solution.goal, solution.feasible.limits.without("max_turnover"))
    except UnreachedError:
        return solution  # where shares of risk are not convex, a search may end short of what is there
    except SolverError as stop:
        told = (
            f"max_turnover {limit:.1%} (one-way) binds; what it keeps from being traded is not known: {stop}"
        )
        return replace(solution, warnings=(*solution.warnings, told))
    wanted = uncounted(turnover)(best, held)
    warning = f"Trades scaled down to meet {limit:.1%} turnover limit (one-way; {wanted:.1%} without it)"
    return replace(
        solution, warnings=(*solution.warnings, warning), unconstrained_turnover=wanted
    ) if wanted > limit + 1e-7 else solution  # fmt: skip
