"""Where the best weights are sought: inside the limits, and where these contradict each other on a way out of that."""

from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from optimizer.errors import InfeasibleError, PackfolioError, SolverError
from optimizer.measures.portfolio_measures import turnover
from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.convex_limits import Limits, Linear
from optimizer.numerics.shares.risk_share import Share
from optimizer.problem.feasible_set import FeasibleSet, plain
from optimizer.problem.goals import Goal, Quadratic, Ratio, RiskBudget
from optimizer.problem.priorities import levels_of
from optimizer.problem.scenario_goals import Scenario
from optimizer.problem.setting import Setting
from optimizer.problem.tails.tail_goals import TailBudget, TailRatio
from optimizer.problem.written.shares import too_low
from optimizer.solvers.conflicts import ROOMY, allowed, explain, tightened
from optimizer.solvers.elastic import individual
from optimizer.solvers.hierarchy import Hierarchy, Levels, Unmet, hierarchy, tied, transition, untied
from optimizer.solvers.shares.share_search import UnreachedError, loosened, within_shares
from optimizer.solvers.shares.share_work import ShareWork
from optimizer.solvers.solver_choice import NoScaleError, Optimum, optimum
from optimizer.solvers.ways_taken import with_answers

# Less leaves a set without an inside, which no solver can search; curved limits need more than flat ones.
FLAT_CASH_MARGIN, CURVED_CASH_MARGIN = 1e-6, 1e-4
NONE: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Way:
    """Where to look: the feasible set, warnings, and the levels by which limits gave way, None where all hold.

    budget  of what gave way, where the limits force more cash than cash_max
    """

    feasible: FeasibleSet
    warnings: tuple[str, ...] = ()
    levels: Hierarchy | None = None
    budget: Linear | None = None
    unmet: tuple[Unmet, ...] = ()
    bound: float | None = None


def search(goal: Goal, feasible: FeasibleSet, setting: Setting) -> tuple[Way, Optimum]:
    """The best weights in the feasible set, else on the way out of its conflict, and where they were found.

    Raises InfeasibleError, whose ways out were taken where it is not certain that they lead to an answer.
    """
    try:
        return _search(goal, feasible, setting)
    except InfeasibleError as stop:
        work = ShareWork()
        told = with_answers(
            stop, goal, feasible.limits, lambda limits: _search(goal, plain(limits), setting, work)
        )
        raise told from stop.__cause__


def _search(
    goal: Goal, feasible: FeasibleSet, setting: Setting, work: ShareWork | None = None
) -> tuple[Way, Optimum]:
    shares = feasible.limits.shares
    if not shares:
        return search_convex(goal, feasible, setting)
    way, best = search_convex(goal, replace(feasible, limits=replace(feasible.limits, shares=())), setting)
    unmet: tuple[Unmet, ...] = ()
    if (conflict := too_low(feasible.limits)) is not None:
        raise InfeasibleError.of((conflict,), ((conflict,),))
    try:
        found = within_shares(goal, way.feasible, shares, best, work)
    except UnreachedError as stop:
        shares, unmet = in_transition(way.feasible, shares, setting, stop, work)
        found = within_shares(goal, way.feasible, shares, best, work)
    return replace(way, feasible=found.feasible, unmet=unmet, bound=found.bound), found.best


def in_transition(
    feasible: FeasibleSet,
    shares: tuple[Share, ...],
    setting: Setting,
    stop: UnreachedError,
    work: ShareWork | None,
) -> tuple[tuple[Share, ...], tuple[Unmet, ...]]:
    """The shares as far as turnover lets them be reached, and what is not met yet; else raises `stop`.

    A share that cannot be reached without the turnover limit either is refused.
    """
    limit, held = setting.policy.max_turnover, setting.held
    if setting.policy.on_conflict != "transition" or not limit or held is None:
        raise stop
    calm = Quadratic(
        np.eye(len(held)), -stop.weights, "distance", "root", 0.5 * float(stop.weights @ stop.weights)
    )
    free = plain(feasible.limits.without("max_turnover"))
    try:
        there = within_shares(calm, free, shares, optimum(calm, free), work).best.weights
    except (NoAnswerError, PackfolioError):
        raise stop from None
    when = ceil(turnover(there, held) / limit)
    sides = [side for share in shares for side in share.sides if side.excess(stop.weights) > 0]
    unmet = tuple(Unmet(side.name, side.share.value(stop.weights), side.bound, when) for side in sides)
    return tuple(loosened(share, stop.weights) for share in shares), unmet


def search_convex(goal: Goal, feasible: FeasibleSet, setting: Setting) -> tuple[Way, Optimum]:
    """The same without limits on shares of risk."""
    limits = feasible.limits
    try:
        return Way(feasible), optimum(goal, feasible)
    except NoAnswerError as stop:
        if not stop.infeasible:
            raise
    except NoScaleError as stop:
        raise InfeasibleError(
            f"under these limits the best {goal.measure} has {stop}; widen the limits that are narrower than that, "
            f"or lower cash_max"
        ) from stop
    except SolverError:
        if allowed(limits):
            if cramped(limits):
                raise explain(tightened(limits), limits) from None
            raise
    for margin in (None, ROOMY, 10 * ROOMY):
        try:
            way = way_out(goal, limits, setting, margin)
            return way, optimum(goal, way.feasible)
        except NoAnswerError as stop:
            failure: InfeasibleError | SolverError | NoAnswerError = stop
            if stop.infeasible:
                failure = nothing_defined(goal)
                failure.__cause__ = stop
        except SolverError as stop:
            failure = stop
    if isinstance(failure, SolverError) and cramped(limits.without("cash_max")):
        raise explain(tightened(limits), limits) from None
    raise failure


def given_way(wanted: Limits, limits: Limits, unmet: tuple[Unmet, ...]) -> tuple[str, ...]:
    """The limits that the answer's set has wider than the policy: those unmet, and the budget where cash is forced."""
    cash = limits.linear[0].high
    forced = wanted.linear[0].high < cash < np.inf
    return (*(limit.limit for limit in unmet), *(("cash_max",) if forced else ()))


def with_cash(wanted: Limits, way: Way) -> Limits:
    """The policy's limits with the cash that they force: it is none that a rebalance ends."""
    return wanted if way.budget is None else replace(wanted, linear=(way.budget, *wanted.linear[1:]))


def cramped(limits: Limits) -> bool:
    """Whether ellipsoidal limits leave a single portfolio and no room: nothing proves it the best."""
    return bool(limits.norms) and not allowed(tightened(limits))


def way_out(goal: Goal, wanted: Limits, setting: Setting, margin: float | None) -> Way:
    """Where to look when the limits allow nothing: what gives way by priority, with forced cash, or in transition.

    margin  what least cash and least violation may grow by, so that there is a choice; None: as little as may do
    Raises InfeasibleError where there is no way out.
    """
    policy = setting.policy
    if allowed(wanted):
        raise nothing_defined(goal)
    own = tuple(levels_of(wanted, policy).items())
    yielding = tuple(group for _, groups in own for group in groups)
    limits, told = individual(wanted) if own else wanted, NONE
    firm = limits.without(*yielding)
    if policy.forced_cash == "hold" and not (own and allowed(firm)):
        limits, told = with_forced_cash(limits, untied(firm), margin)
        if told and allowed(limits):
            return Way(plain(limits), told)
        firm = limits.without(*yielding)
    if own and allowed(firm):
        return _given_way(limits, own, margin, told)
    if policy.on_conflict == "transition" and tied(limits) and allowed(untied(firm.revealed())):
        return _given_way(limits, transition(individual(limits), own), margin, told)
    raise explain(firm_part(wanted, yielding) if own else wanted)


def _given_way(limits: Limits, levels: Levels, margin: float | None, told: tuple[str, ...]) -> Way:
    found = hierarchy(individual(limits), levels, margin)
    return Way(found.feasible, told, found, limits.linear[0] if told else None)


def firm_part(wanted: Limits, yielding: tuple[str, ...]) -> Limits:
    """What holds always, without the groups that yield, in the policy's own items."""
    rest = individual(wanted).without(*yielding)
    linear = tuple(replace(a, groups=b.groups) for a, b in zip(rest.linear, wanted.linear, strict=True))
    return replace(rest, lower_groups=wanted.lower_groups, upper_groups=wanted.upper_groups, linear=linear)


def nothing_defined(goal: Goal) -> InfeasibleError | SolverError:
    """The limits allow portfolios, but none on which the goal is defined."""
    match goal:
        case Scenario():
            return InfeasibleError(
                f"every allowed portfolio loses everything in some scenario, so there is no best {goal.measure}; allow "
                "cash or names without a loss of 100%, or use another method"
            )
        case Ratio(measure="diversification ratio"):
            return InfeasibleError(
                f"no allowed portfolio has a risk, so there is no best {goal.measure}; allow names that move, or use "
                "method equal_weight"
            )
        case Ratio() | TailRatio():
            doubt = goal.doubt if isinstance(goal, Ratio) else None
            beside, remedy = ("", "") if doubt is None else (" at its worst mean", "mean_doubt or ")
            return InfeasibleError(
                f"no allowed portfolio has an expected return above the risk-free rate{beside}, so there is no best "
                f"{goal.measure}; use method min_volatility, lower {remedy}risk_free_rate, or revise the returns"
            )
        case RiskBudget() if goal.loadings is not None:
            return InfeasibleError(
                "risk budgets need something of every exposure, and the limits or funds force some to 0; leave these "
                "out by exposure_budgets, add funds that hold them, or relax the limits"
            )
        case RiskBudget() | TailBudget():
            return InfeasibleError(
                "risk budgets need a weight above 0 in every name, and the limits force some to 0; exclude "
                "these by asset_limits (0, 0), or relax the limits on them"
            )
        case _:
            return SolverError("the solvers find no allowed portfolio where there is one; report the policy")


def with_forced_cash(limits: Limits, firm: Limits, margin: float | None) -> tuple[Limits, tuple[str, ...]]:
    """`limits` with cash_max raised to the least cash that `firm` allows, and a warning; as given if cash is not it."""
    if allowed(firm) or not allowed(firm.without("cash_max")):
        return limits, ()
    n, budget = len(limits.symbols), limits.linear[0]
    invested = Quadratic(None, np.full(n, -1.0), "invested share", "negative")
    loose = firm.without("cash_max")
    # Less cash than that is not allowed.
    least = replace(loose.linear[0], low=max(loose.linear[0].low, budget.high))
    best = optimum(invested, plain(replace(loose, linear=(least, *loose.linear[1:]))))
    cash = 1.0 - float(best.weights.sum())
    room = margin or (CURVED_CASH_MARGIN if limits.norms else FLAT_CASH_MARGIN)
    told = f"the limits leave {cash:.1%} in cash, more than cash_max {budget.high:.1%}"
    return replace(limits, linear=(replace(budget, high=cash + room), *limits.linear[1:])), (told,)
