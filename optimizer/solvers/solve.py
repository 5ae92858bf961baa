"""From estimates and a policy to certified weights: fast lane, general lane, audit; and the way out of conflicts."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from optimizer.errors import InfeasibleError, PolicyError, SolverError
from optimizer.measures.portfolio_measures import turnover, volatility
from optimizer.model.costs import CostCurve
from optimizer.model.estimates import Estimates
from optimizer.model.policy import Policy
from optimizer.model.portfolio import Universe
from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.convex_limits import Limits, scale_range
from optimizer.problem.feasible_set import Arena, plain
from optimizer.problem.goals import Goal, Quadratic, Ratio, RiskBudget
from optimizer.problem.methods import goal_of, target_cap
from optimizer.problem.policy_limits import Setting, build_limits, checked_weights
from optimizer.problem.weight_intervals import NOTHING, held_below, moved_below
from optimizer.solvers import cardinality
from optimizer.solvers.audit import Binding, Certificate, bindings
from optimizer.solvers.cardinality import Choice, choose_names, impossible
from optimizer.solvers.conflicts import allowed, explain
from optimizer.solvers.fast.dispatch import ROUNDING, Candidate
from optimizer.solvers.solver_choice import NoScaleError, Optimum, certified, optimum
from optimizer.solvers.transition import Unmet, transition, unmet_limits
from optimizer.solvers.user_constraints import OwnConstraints, optimum_within
from optimizer.typing import Array

TARGET_TOLERANCE = 1e-6
BUDGET_TOLERANCE = 1e-5
# Less leaves a set without an inside, which no solver can search; curved limits need more than flat ones.
FLAT_CASH_MARGIN, CURVED_CASH_MARGIN, ROOMY = 1e-6, 1e-4, 1e-4


@dataclass(frozen=True, eq=False)
class Solution:
    """Certified target weights and how they came about.

    weights                (n,) fractions of NAV in the order of `symbols`; with `cash` they sum to 1
    objective              the method's measure (volatility, utility, Sharpe ratio, ...)
    lane                   "fast" or "general"
    unmet                  limits that the held positions keep from being met yet (on_conflict="transition")
    unconstrained_turnover one-way, without the turnover limit, where that limit binds; else None
    bound                  with min_position, max_holdings or no_trade_band: no choice of the names to hold or
                           trade has a better objective; else None

    >>> solve(estimates, Policy(method='min_volatility'), universe).weights.round(3).tolist()
    [0.879, 0.016, 0.106]
    """

    symbols: tuple[str, ...]
    weights: Array
    objective: float
    method: str
    goal: Goal
    arena: Arena
    optimum: Optimum
    unmet: tuple[Unmet, ...] = ()
    warnings: tuple[str, ...] = ()
    unconstrained_turnover: float | None = None
    bound: float | None = None

    @property
    def optimality_gap(self) -> float:
        """How far the objective may be from the best choice of names, in its own unit; 0 where it is proven."""
        return 0.0 if self.bound is None else abs(self.objective - self.bound)

    @property
    def cash(self) -> float:
        """1 - sum of the weights."""
        return 1.0 - float(self.weights.sum())

    @property
    def lane(self) -> str:
        """ "fast" or "general"."""
        return self.optimum.lane

    @property
    def solver(self) -> str:
        """The algorithm that found the weights."""
        return self.optimum.solver

    @property
    def certificate(self) -> Certificate:
        """Violation and distance to the optimum, recomputed in numpy."""
        return self.optimum.certificate

    @property
    def constraints_met(self) -> bool:
        """Whether every limit of the policy holds."""
        return not self.unmet

    @cached_property
    def binding(self) -> tuple[Binding, ...]:
        """The limits the weights touch, with shadow prices, the dearest first."""
        best = self.optimum
        return bindings(
            self.goal, self.arena.limits, best.space, best.weights, best.multipliers, best.support
        )


def solve(
    estimates: Estimates,
    policy: Policy,
    universe: Universe,
    held: Array | None = None,
    *,
    costs: CostCurve | None = None,
    constraints: OwnConstraints | None = None,
    start: Array | None = None,
) -> Solution:
    """The best weights for the policy's method under all its limits, certified.

    held   (n,) current weights in the order of `estimates.symbols`; needed for turnover and trading costs
    costs  what trades given in weights cost once, `CostModel.curve(symbols, prices, nav)`; with the policy's
           cost_horizon_years; None: the policy's impact_bps
    constraints  from the weights as a cvxpy expression (n,) to cvxpy constraints of one's own
    start  (n,) weights near the answer, say those of yesterday, in few names: it is found sooner, and is the same
    Raises PolicyError for wrong input, InfeasibleError naming the limits in conflict, SolverError when no lane
    gives an answer that its certificate confirms.

    >>> solve(estimates, Policy(method='max_sharpe', risk_free_rate=0.02), universe).weights.round(3).tolist()
    [0.473, 0.314, 0.213]
    """
    weights = None if held is None else checked_weights(held, len(estimates.symbols))
    setting = Setting(estimates, policy, universe, weights, costs)
    goal = goal_of(setting)
    wanted = build_limits(setting).with_norms(target_cap(setting, goal))
    if constraints is not None:
        return solved_within(goal, wanted, constraints, setting)
    near = None if start is None else checked_weights(start, len(estimates.symbols))
    arena, best, warnings = search(goal, plain(wanted, near), setting)
    choice = chosen(goal, arena, best, setting)
    arena, best = (choice.arena, choice.best) if choice else (arena, best)
    best = rescaled(goal, arena, best, setting)
    unmet = unmet_limits(wanted, best.weights, setting) if arena.elastic else ()
    unmet = (*unmet, *unmet_holdings(best.weights, setting))
    warnings = (
        *warnings,
        *(limit.text for limit in unmet),
        *best.notes,
        *shortfall(goal, best.weights),
        *unbudgeted(goal, best.weights, setting),
        *target_missed(best, setting),
    )
    solution = Solution(
        estimates.symbols, best.weights, goal.value(best.weights), policy.method, goal, arena, best, unmet,
        warnings, bound=choice.bound if choice else None,
    )  # fmt: skip
    return solution if arena.elastic else with_turnover(solution, setting)


def solved_within(goal: Goal, wanted: Limits, constraints: OwnConstraints, setting: Setting) -> Solution:
    """The solution under constraints of the user's own; these know neither transition nor names to choose."""
    if not allowed(wanted):
        raise explain(wanted)
    if cardinality.wanted(setting.policy):
        raise PolicyError(
            "own constraints cannot be combined with min_position, max_holdings or no_trade_band; drop one of them"
        )
    arena, best = optimum_within(goal, wanted, constraints)
    notes = (
        *best.notes,
        *shortfall(goal, best.weights),
        *unbudgeted(goal, best.weights, setting),
        *target_missed(best, setting),
    )
    value = goal.value(best.weights)
    return Solution(
        setting.symbols, best.weights, value, setting.policy.method, goal, arena, best, warnings=notes
    )


def chosen(goal: Goal, arena: Arena, best: Optimum, setting: Setting) -> Choice | None:
    """The best names to hold and trade, where the policy says so; None where transition does without."""
    policy = setting.policy
    if not cardinality.wanted(policy) or not (goal.homogeneous or unmet_holdings(best.weights, setting)):
        return None
    choice = choose_names(goal, arena, best, policy, setting.held)
    if choice is None and policy.on_conflict == "fail":
        raise impossible(arena, policy)
    return choice


def unmet_holdings(w: Array, setting: Setting) -> tuple[Unmet, ...]:
    """The limits on the number and size of holdings and trades that weights (n,) break."""
    policy, found = setting.policy, []
    if not cardinality.wanted(policy):
        return ()
    least, most = held_below(w, policy.min_position or 0.0), policy.max_holdings
    if least is not None and policy.min_position:
        found.append(Unmet("min_position", least, policy.min_position, np.inf))
    names = int((np.abs(w) > NOTHING).sum())
    if most is not None and names > most:
        found.append(Unmet("max_holdings", names, most, np.inf))
    band = policy.no_trade_band
    if band and setting.held is None:
        raise PolicyError("no_trade_band needs the held weights; none are given: give them, or drop the band")
    moved = moved_below(w, setting.held, band) if band and setting.held is not None else None
    if moved is not None and band:
        found.append(Unmet("no_trade_band", moved, band, np.inf))
    return tuple(found)


def search(goal: Goal, arena: Arena, setting: Setting) -> tuple[Arena, Optimum, tuple[str, ...]]:
    """The best weights in the arena, else on the way out of its conflict; where they were found, and warnings."""
    limits = arena.limits
    warnings: tuple[str, ...] = ()
    try:
        return arena, optimum(goal, arena), warnings
    except NoAnswerError:
        pass
    except NoScaleError as stop:
        raise InfeasibleError(
            f"under these limits the best {goal.measure} has {stop}; widen the limits that are narrower than that, "
            f"or lower cash_max"
        ) from stop
    except SolverError:
        if allowed(limits):
            if cramped(limits):
                raise explain(tightened(limits)) from None
            raise
    for margin in (None, ROOMY, 10 * ROOMY):
        try:
            arena, warnings = way_out(goal, limits, setting, margin)
            return arena, optimum(goal, arena), warnings
        except NoAnswerError as stop:
            failure: InfeasibleError | SolverError = nothing_defined(goal)
            failure.__cause__ = stop
        except SolverError as stop:
            failure = stop
    raise failure


def tightened(limits: Limits) -> Limits:
    """The same with ellipsoidal limits less by a ten-thousandth."""
    return replace(
        limits, norms=tuple(replace(norm, bound=norm.bound * (1 - ROOMY)) for norm in limits.norms)
    )


def cramped(limits: Limits) -> bool:
    """Whether ellipsoidal limits leave a single portfolio and no room: nothing proves it the best."""
    return bool(limits.norms) and not allowed(tightened(limits))


def way_out(
    goal: Goal, wanted: Limits, setting: Setting, margin: float | None
) -> tuple[Arena, tuple[str, ...]]:
    """Where to look when the limits allow nothing: with forced cash, in transition, or nowhere (raises).

    margin  what least cash and least violation may grow by, so that there is a choice; None: as little as may do
    """
    policy, limits = setting.policy, wanted
    if allowed(limits):
        raise nothing_defined(goal)
    firm = limits.without("max_turnover")
    if policy.forced_cash == "hold" and not allowed(firm) and allowed(firm.without("cash_max")):
        limits, cash = with_forced_cash(limits, firm, margin)
        warning = f"the limits leave {cash:.1%} in cash, more than cash_max {policy.cash_max:.1%}"
        firm = limits.without("max_turnover")
        if allowed(limits):
            return plain(limits), (warning,)
        if policy.on_conflict == "transition" and policy.max_turnover is not None:
            return transition(limits, margin), (warning,)
    if policy.on_conflict == "transition" and policy.max_turnover is not None and allowed(firm):
        return transition(limits, margin), ()
    raise explain(wanted)


def nothing_defined(goal: Goal) -> InfeasibleError | SolverError:
    """The limits allow portfolios, but none on which the goal is defined."""
    match goal:
        case Ratio():
            beside, remedy = ("", "") if goal.doubt is None else (" at its worst mean", "mean_doubt or ")
            return InfeasibleError(
                f"no allowed portfolio has an expected return above the risk-free rate{beside}, so there is no best "
                f"{goal.measure}; use method min_volatility, lower {remedy}risk_free_rate, or revise the returns"
            )
        case RiskBudget() if goal.loadings is not None:
            return InfeasibleError(
                "risk budgets need something of every exposure, and the limits or funds force some to 0; leave these "
                "out by exposure_budgets, add funds that hold them, or relax the limits"
            )
        case RiskBudget():
            return InfeasibleError(
                "risk budgets need a weight above 0 in every name, and the limits force some to 0; exclude "
                "these by asset_limits (0, 0), or relax the limits on them"
            )
        case _:
            return SolverError("the solvers find no allowed portfolio where there is one; report the policy")


def with_forced_cash(limits: Limits, firm: Limits, margin: float | None) -> tuple[Limits, float]:
    """`limits` with cash_max raised to the least cash that `firm` allows, and that cash."""
    n = len(limits.symbols)
    invested = Quadratic(None, np.full(n, -1.0), "invested share", "negative")
    best = optimum(invested, plain(firm.without("cash_max")))
    cash = 1.0 - float(best.weights.sum())
    room = margin or (CURVED_CASH_MARGIN if limits.norms else FLAT_CASH_MARGIN)
    budget = replace(limits.linear[0], high=cash + room)
    return replace(limits, linear=(budget, *limits.linear[1:])), cash


def rescaled(goal: Goal, arena: Arena, best: Optimum, setting: Setting) -> Optimum:
    """Of all multiples of an answer to a homogeneous goal, that with the target volatility, else least cash."""
    if not goal.homogeneous or arena.elastic or setting.policy.cash_min == setting.policy.cash_max:
        return best
    low, high = scale_range(arena.limits, best.weights)
    target = setting.policy.target_volatility
    risk = volatility(best.weights, setting.estimates.risk)
    factor = high if target is None else min(max(target / risk, low), high)
    if not np.isfinite(factor) or factor == 1.0:
        return best
    w = best.weights * factor
    candidate = Candidate(w, best.multipliers, best.solver, goal.support(w))
    again = certified(best.lane, arena, candidate, goal)
    return replace(again, notes=best.notes) if again.certificate.ok else best


def unbudgeted(goal: Goal, w: Array, setting: Setting) -> tuple[str, ...]:
    """A warning that names what is held without a share of the risk: a hedge, of which nothing says how much."""
    if not isinstance(goal, RiskBudget) or goal.loadings is not None:
        return ()
    hedges = np.flatnonzero((goal.budgets == 0) & (w > NOTHING))
    if not len(hedges):
        return ()
    told = ", ".join(f"{setting.symbols[i]} {w[i]:.1%}" for i in hedges)
    return (
        f"risk_budgets give no share of the risk to {told}; it is held because it hedges the others: give it a share, "
        f"or close it by asset_limits (0, 0)",
    )


def shortfall(goal: Goal, w: Array) -> tuple[str, ...]:
    """A warning when the limits keep an answer from what the method is named after."""
    match goal:
        case RiskBudget():
            shares = goal.shares(w)
            if np.abs(shares - goal.budgets).max() > BUDGET_TOLERANCE:
                worst = int(np.argmax(np.abs(shares - goal.budgets)))
                return (
                    f"risk budgets cannot be met under the limits: one share of the variance is "
                    f"{shares[worst]:.1%} where {goal.budgets[worst]:.1%} is wanted",
                )
        case Quadratic() if goal.measure.startswith("distance") and goal.value(w) > BUDGET_TOLERANCE:
            return (
                f"the limits do not allow the method's own weights; {goal.measure} is {goal.value(w):.4g}",
            )
    return ()


def target_missed(best: Optimum, setting: Setting) -> tuple[str, ...]:
    """A warning when the limits keep volatility from its target."""
    target = setting.policy.target_volatility
    if target is None:
        return ()
    risk = volatility(best.weights, setting.estimates.risk)
    if abs(risk - target) <= TARGET_TOLERANCE * target:
        return ()
    side = "only" if risk < target else "still"
    return (f"target volatility {target:.2%} is not reached: the limits allow {side} {risk:.2%}",)


def unlimited(goal: Goal, limits: Limits) -> Array:
    """(n,) the best weights under these limits; those of least cost of all, where they are known and allowed."""
    center = goal.center if isinstance(goal, Quadratic) else None
    if center is not None and limits.violation(center) <= ROUNDING:
        return center
    return optimum(goal, plain(limits)).weights


def with_turnover(solution: Solution, setting: Setting) -> Solution:
    """With the turnover there would be without its limit, where that binds."""
    limit, held = setting.policy.max_turnover, setting.held
    if limit is None or held is None or turnover(solution.weights, held) < limit - 1e-7:
        return solution
    wanted = turnover(unlimited(solution.goal, solution.arena.limits.without("max_turnover")), held)
    warning = f"Trades scaled down to meet {limit:.1%} turnover limit (one-way; {wanted:.1%} without it)"
    return replace(
        solution, warnings=(*solution.warnings, warning), unconstrained_turnover=wanted
    ) if wanted > limit + 1e-7 else solution  # fmt: skip
