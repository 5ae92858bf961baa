"""Which step of a horizon cannot be, and why: its own limits, or the trades that would have to lead there."""

from dataclasses import replace

import numpy as np

from optimizer.errors import InfeasibleError
from optimizer.model.policy import Policy
from optimizer.numerics.convex_limits import Limits
from optimizer.problem.policy_limits import build_limits
from optimizer.problem.setting import Setting
from optimizer.solvers.conflicts import allowed, explain
from optimizer.solvers.plans.program import Program
from optimizer.typing import Array


def refuse_unreachable(setting: Setting, whole: Program, limits: list[Limits]) -> None:
    """Raises InfeasibleError for the first step at which not all limits can hold; returns where every one can."""
    for step, own in enumerate(limits, 1):
        if (step == 1 or own is not limits[step - 2]) and not allowed(own):
            raise at_step(step, explain(own), setting.policy)
    now = build_limits(setting).with_norms(limits[0].norms)
    if not allowed(now):
        raise at_step(1, explain(now), setting.policy)
    for steps in range(2, whole.steps + 1):
        if limits[steps - 1] is limits[steps - 2]:
            continue  # what holds at the step before holds here without a trade
        if not reachable(whole, steps):
            names = ["max_turnover"] if np.isfinite(whole.turnover).all() else []
            names += (
                ["max_trade, trade_limits or restrictions"]
                if np.isfinite([whole.down, whole.up]).any()
                else []
            )
            raise InfeasibleError(
                f"step {steps} of the horizon: the limits on its weights cannot be reached from what is held by "
                f"{steps} steps under {' and '.join(names)}; relax these, widen the limits of that step, or lower "
                f"steps: {explain_reach(whole, steps)}{no_way_out(setting.policy)}"
            )


def at_step(step: int, error: InfeasibleError, policy: Policy) -> InfeasibleError:
    """The same, said of a step."""
    told = f"step {step} of the horizon: {error}{no_way_out(policy)}"
    return InfeasibleError(told, error.conflicts, error.ways)


def no_way_out(policy: Policy) -> str:
    """What would give way for a single period, and does not here: a plan that breaks its limits proves nothing."""
    ways = [
        f"{name}: {way}"
        for name, way, there in (
            ("on_conflict", "transition", policy.on_conflict == "transition"),
            ("forced_cash", "hold", policy.forced_cash == "hold"),
        )
        if there
    ]
    return (
        f" ({' and '.join(ways)} gives way for a single period alone: leave horizon out until the limits can be kept)"
        if ways
        else ""
    )


def reachable(whole: Program, steps: int) -> bool:
    """Whether weights for so many steps keep all flat limits."""
    return _furthest(whole, steps, None) is not None


def explain_reach(whole: Program, steps: int) -> str:
    """By how much each row of the last step is missed at least, the others of it left out."""
    told = []
    for row in range(whole.rows.shape[1]):
        loose = replace(whole, low=whole.low.copy(), high=whole.high.copy())
        loose.low[steps - 1], loose.high[steps - 1] = -np.inf, np.inf
        for sign, bound in ((1.0, whole.low), (-1.0, whole.high)):
            wanted = bound[steps - 1, row]
            best = _furthest(loose, steps, sign * whole.rows[steps - 1, row]) if np.isfinite(wanted) else None
            if best is not None and sign * (wanted - sign * best) > 1e-9:
                told.append(f"row {row + 1} comes to {sign * best:.6g} where {wanted:.6g} is asked")
    return "; ".join(told) or "several limits of that step together"


def _furthest(whole: Program, steps: int, row: Array | None) -> float | None:
    """The most of row x the last step's weights in so many steps, 0 without a row; None where there are none."""
    from scipy.optimize import linprog
    from scipy.sparse import block_array, block_diag, csr_array, eye_array, kron, vstack

    n = len(whole.held)
    unit = eye_array(n)
    change = eye_array(steps) - eye_array(steps, k=-1)
    links = block_array([[kron(change, unit), kron(eye_array(steps), -unit), kron(eye_array(steps), unit)]])
    start = np.concatenate([whole.held, np.zeros(n * (steps - 1))])
    rows = block_diag([csr_array(it) for it in whole.rows[:steps]], format="csr")
    blank = csr_array((rows.shape[0], n * steps))
    low, high = whole.low[:steps].ravel(), whole.high[:steps].ravel()
    limited = block_array([[rows, blank, blank]], format="csr")
    sides = [limited[np.isfinite(high)], -limited[np.isfinite(low)]]
    bounds = [high[np.isfinite(high)], -low[np.isfinite(low)]]
    if np.isfinite(whole.turnover).all():
        half = kron(eye_array(steps), csr_array(np.full((1, n), 0.5)))
        sides.append(block_array([[csr_array((steps, n * steps)), half, half]], format="csr"))
        bounds.append(whole.turnover[:steps])
    ends = [*zip(whole.lower, whole.upper, strict=True)] * steps
    ends += [(0.0, most) for most in whole.up] * steps + [(0.0, most) for most in whole.down] * steps
    cost = np.zeros(3 * n * steps)
    if row is not None:
        cost[n * (steps - 1) : n * steps] = -row
    found = linprog(  # type: ignore[call-overload]
        cost, vstack(sides), np.concatenate(bounds), links, start, np.array(ends, dtype=float), method="highs"
    )
    return -float(found.fun) if found.status == 0 else None
