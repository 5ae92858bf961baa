"""From a setting with a horizon to a certified plan, and its first step as a single-period problem with the same proof.

The first step's goal counts, besides its own utility, what its weights are worth to the steps after it: the plan's
prices. So its limits have shadow prices like those of any other answer.
"""

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from optimizer.errors import PolicyError, SolverError
from optimizer.model.costs import CostCurve
from optimizer.model.estimates import Estimates
from optimizer.model.policies.horizon import Horizon, decayed
from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.convex_limits import Limits, Norm
from optimizer.numerics.matrices import dense
from optimizer.numerics.polish import Mask, polish
from optimizer.numerics.polyhedra import Polyhedron, outer
from optimizer.problem.cost_terms import after_costs, as_penalty
from optimizer.problem.feasible_set import FeasibleSet, plain
from optimizer.problem.goals import RESTING, Quadratic, Traded
from optimizer.problem.methods import before_costs, target_cap
from optimizer.problem.policy_limits import build_limits
from optimizer.problem.setting import Setting, mean_of
from optimizer.problem.trade_bounds import moves
from optimizer.solvers.audit import Certificate
from optimizer.solvers.names import cardinality
from optimizer.solvers.newton_refinement import model, on_their_side
from optimizer.solvers.plans.interior_point import solve_plan
from optimizer.solvers.plans.program import Prices, Program
from optimizer.solvers.plans.proof import certify_plan
from optimizer.solvers.plans.reachable import refuse_unreachable
from optimizer.solvers.solver_choice import Optimum
from optimizer.typing import Array

UNTRADED: dict[str, Any] = {
    "max_turnover": None, "max_trade": None, "trade_limits": {},
    "do_not_buy": {}, "do_not_sell": {}, "do_not_trade": {},
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Plan:
    """Weights of every step of a horizon, of which the first is traded today.

    weights      (H, n) fractions of NAV; trades (H, n) from what is held
    costs        (H,) of each step's trades, per year of a step
    utility      what the plan is worth per year, trading costs taken off: the mean over the steps
    certificate  of the whole plan
    """

    weights: Array
    trades: Array
    costs: Array
    utility: float
    certificate: Certificate


def best_plan(setting: Setting) -> tuple[Plan, Traded, FeasibleSet, Optimum]:
    """The best plan, and its first step's goal, limits and weights.

    Raises PolicyError for a policy that no plan is made for, InfeasibleError naming the step whose limits contradict
    each other, SolverError where the plan is not certified.
    """
    held, horizon = asked(setting)
    first = after_costs(before_costs(setting), setting)
    settings = [replace(setting, estimates=it) for it in step_estimates(setting, horizon)]
    goals = [before_priced(it) for it in settings]
    limits = step_limits(settings, goals[0])
    whole = program_of(setting, held, horizon, goals, limits, first.curve)
    try:
        found = among_free(whole)
    except NoAnswerError as stop:
        refuse_unreachable(setting, whole, limits)
        raise SolverError(f"no plan could be found; {stop}: report the policy and the estimates") from stop
    later = -found.links[1]
    goal = replace(first, base=replace(first.base, q=first.base.q + later, ties=None))
    feasible = plain(build_limits(setting).with_norms(target_cap(setting, goals[0])))
    best, plan, certificate = first_step(goal, feasible, found, whole)
    if not certificate.ok:
        refuse_unreachable(setting, whole, limits)
        raise SolverError(
            f"no plan could be certified; violation {certificate.primal_residual:.1e}, gap "
            f"{certificate.relative_gap:.1e}: report the policy and the estimates"
        )
    costs = whole.trading_costs(plan)
    utility = -float(np.mean(whole.holding_costs(plan) + costs)) - goals[0].constant
    told = Plan(plan, whole.trades(plan), costs, utility, certificate)
    return told, goal, feasible, best


def asked(setting: Setting) -> tuple[Array, Horizon]:
    """What is held and the horizon; raises PolicyError without them, and for what a plan does not know."""
    policy = setting.policy
    unknown = [
        name
        for name, there in (
            ("min_position, max_holdings, no_trade_band or large_holdings", cardinality.wanted(policy)),
            ("priorities", any(policy.priorities.values())),
            ("largest_limits", bool(policy.largest_limits)),
            ("mean_doubt", policy.mean_doubt > 0),
            ("borrow fees", bool(policy.borrow_fee or policy.borrow_fees)),
        )
        if there
    ]
    if unknown:
        raise PolicyError(
            f"a horizon of more than one step does not know {' nor '.join(unknown)}; drop these, or the horizon"
        )
    if setting.held is None or policy.horizon is None:
        raise PolicyError("horizon needs the held weights; none are given: give them, or leave it out")
    return setting.held, policy.horizon


def step_estimates(setting: Setting, horizon: Horizon) -> list[Estimates]:
    """The estimates of every step: today's, with that step's expected returns."""
    known = setting.estimates
    if known.mean is None:
        return [known] * horizon.steps
    told = setting.forecasts
    if told is None:
        rest = setting.cash_rate() if known.long_run is None else known.long_run
        told = decayed(horizon, mean_of(known), rest)
    return [replace(known, covariance=known.risk, mean=mean, trusted=True) for mean in told]


def before_priced(setting: Setting) -> Quadratic:
    """What a step's weights are worth, in utility per year."""
    goal = cast(Quadratic, before_costs(setting))  # `after_costs` has refused any other
    return as_penalty(goal, setting.policy)


def step_limits(settings: list[Setting], goal: Quadratic) -> list[Limits]:
    """The limits on every step's weights; only a floor on the return changes from step to step."""
    untraded = [replace(it, policy=replace(it.policy, **UNTRADED)) for it in settings[:1]]
    if settings[0].policy.min_return is not None:
        untraded += [replace(it, policy=untraded[0].policy) for it in settings[1:]]
    made = [build_limits(it).with_norms(target_cap(it, goal)) for it in untraded]
    return made if len(made) == len(settings) else made * len(settings)


def program_of(
    setting: Setting,
    held: Array,
    horizon: Horizon,
    goals: list[Quadratic],
    limits: list[Limits],
    curve: CostCurve,
) -> Program:
    """The problem as it is stated, all names included."""
    policy, n, one = setting.policy, len(setting.symbols), limits[0]
    if one.shares:
        raise PolicyError(
            "a horizon of more than one step does not know limits on shares of risk; drop these, or the horizon"
        )
    if one.absolute or one.largest:
        raise PolicyError(
            f"a horizon of more than one step does not know {one.raised[0].name} of a book that may be short; use "
            f"net_limits and weights' limits, or drop the horizon"
        )
    down, up = np.full(n, np.inf), np.full(n, np.inf)
    for symbol, (falls, rises) in moves(policy, setting.symbols).items():
        i = setting.symbols.index(symbol)
        down[i] = min((most for most, _ in falls), default=np.inf)
        up[i] = min((most for most, _ in rises), default=np.inf)
    still = (down == 0) & (up == 0) & (one.lower <= held) & (held <= one.upper)
    link = None
    if horizon.quadratic_cost:
        link = horizon.quadratic_cost * setting.estimates.covariance
    P = goals[0].P
    most = np.inf if policy.max_turnover is None else policy.max_turnover
    return Program(
        np.zeros((n, n)) if P is None else dense(P), np.array([goal.q for goal in goals]), held, curve, link,
        np.where(still, held, one.lower), np.where(still, held, one.upper), down, up,
        np.array([[row.row for row in it.linear] for it in limits]),
        np.array([[row.low - row.offset for row in it.linear] for it in limits]),
        np.array([[row.high - row.offset for row in it.linear] for it in limits]),
        np.full(horizon.steps, most), one.norms,
    )  # fmt: skip


def among_free(whole: Program) -> Prices:
    """The best plan; names that cannot move are left out of the program and put back with their prices."""
    fixed = whole.lower == whole.upper
    if not fixed.any():
        return solve_plan(whole)
    at = whole.lower[fixed]
    free = ~fixed
    jump = at - whole.held[fixed]
    q = whole.q[:, free] + whole.P[np.ix_(free, fixed)] @ at
    if whole.link is not None:
        q[0] += whole.link[np.ix_(free, fixed)] @ jump
    taken = whole.rows[:, :, fixed] @ at
    turnover = whole.turnover - np.append(0.5 * np.abs(jump).sum(), np.zeros(whole.steps - 1))
    curve = whole.curve.picked(np.flatnonzero(free))
    block = np.ix_(free, free)
    norms = tuple(within(norm, free, at) for norm in whole.norms)
    if not free.any():
        still = np.repeat(at[None], whole.steps, axis=0)
        none = np.zeros((whole.steps, len(whole.norms)))
        return Prices(still, np.zeros_like(still), np.zeros_like(whole.low), np.zeros(whole.steps), none)
    found = solve_plan(Program(
        whole.P[block], q, whole.held[free], curve, None if whole.link is None else whole.link[block],
        whole.lower[free], whole.upper[free], whole.down[free], whole.up[free], whole.rows[:, :, free],
        whole.low - taken, whole.high - taken, turnover, norms,
    ))  # fmt: skip
    plan, links = np.empty_like(whole.q), np.zeros_like(whole.q)
    plan[:, free], plan[:, fixed] = found.plan, at
    t = whole.trades(plan)
    half = 0.5 * found.turnover[:, None]
    bend = 1.5 * whole.curve.root * np.sqrt(np.abs(t)) + half
    links = np.where(t > 0, whole.curve.buy + bend, np.where(t < 0, -whole.curve.sell - bend, 0.0))
    if whole.link is not None:
        links = links + t @ whole.link
    links[:, free] = found.links + (
        0.0 if whole.link is None else t[:, fixed] @ whole.link[np.ix_(fixed, free)]
    )
    scale = np.array([norm.bound / own.bound for norm, own in zip(whole.norms, norms, strict=True)])
    return replace(found, plan=plan, links=links, norms=found.norms * scale)


def within(norm: Norm, free: Mask, at: Array) -> Norm:
    """An ellipsoidal limit on the free names, the others being at (k,)."""
    away = at - norm.center[~free]
    block, beside = norm.covariance[np.ix_(free, free)], norm.covariance[np.ix_(free, ~free)] @ away
    shift = np.linalg.solve(block, beside)
    left = norm.bound**2 - float(away @ norm.covariance[np.ix_(~free, ~free)] @ away) + float(beside @ shift)
    if left <= 0:
        raise NoAnswerError("interior point", f"{norm.name} leaves nothing to choose", infeasible=True)
    return Norm(norm.name, block, norm.center[free] - shift, float(np.sqrt(left)))


def first_step(
    goal: Traded, feasible: FeasibleSet, found: Prices, whole: Program
) -> tuple[Optimum, Array, Certificate]:
    """The first step, the plan (H, n) and its proof; on its very bounds where the plan is proved with it so."""
    x, frame = found.plan[0], outer(feasible.frame, feasible.limits.norms, found.plan[0])
    prices = [*found.rows[0], *(-found.turnover[:1] if feasible.limits.absolute else ()), *(-found.norms[0])]
    multipliers = np.array(prices) * frame.scale
    plan, certificate = found.plan, certify_plan(whole, found)
    exact = None if feasible.limits.norms else on_bounds(goal, frame, x, multipliers)
    if exact is not None:
        sharp = np.vstack([exact[0], plan[1:]])
        proof = certify_plan(whole, replace(found, plan=sharp))
        if proof.ok:
            (x, multipliers), plan, certificate = exact, sharp, proof
    support = goal.support(x, found.links[0])
    best = Optimum(x, frame, multipliers, "general", "interior point", certificate, support)
    return best, plan, certificate


def on_bounds(goal: Traded, frame: Polyhedron, x: Array, multipliers: Array) -> tuple[Array, Array] | None:
    """Weights (n,) and multipliers of the frame's rows with every limit exact that those found near it touch."""
    rests = np.abs(x - goal.held) <= RESTING
    x = np.where(rests, goal.held, x)
    rows, high = frame.rows.copy(), frame.high.copy()
    for row, kink in zip(frame.bounds, frame.kinks, strict=True):
        rows[row] = kink.coefficients * np.sign(x - kink.center)
        high[row] = kink.bound + float(rows[row] @ kink.center)
    side = on_their_side(goal, replace(frame, rows=rows, high=high, bounds=(), kinks=()), x, rests)
    return polish(*model(goal, x, rests), side, x, multipliers)
