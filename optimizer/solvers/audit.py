"""Every answer is checked here from the data alone: limits recomputed, distance to the optimum bounded, prices read.

The bound is weak duality and needs no trust in a solver: for any multipliers y of the rows of a polyhedron that
contains all allowed weights, min slope'v >= sum(y+ low - y- high) + sum over columns of the least reduced cost.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import numpy as np

from optimizer.numerics.convex_limits import LONG_ONLY, Absolute, Largest, Limits, Norm
from optimizer.numerics.polyhedra import Polyhedron
from optimizer.numerics.shares.convex_part import ConvexPart
from optimizer.problem.goals import Goal, Quadratic, Ratio, RiskBudget, Traded
from optimizer.problem.priorities import in_percent
from optimizer.problem.scenario_goals import Tail
from optimizer.problem.support import Support
from optimizer.problem.tails.tail_goals import TailBudget, TailRatio
from optimizer.problem.trade_bounds import RESTRICTIONS
from optimizer.problem.weight_intervals import LEAST, UNHELD
from optimizer.typing import Array

VIOLATION_TOLERANCE = 1e-8
GAP_TOLERANCE = 1e-6
BINDING_TOLERANCE = 1e-6
RADIUS = 10.0
UNFELT = 1e-9
# What a measure is called where a reader wants to know what a limit costs; the others are called what they are.
TOLD = {
    "worst realization": "loss of the worst period",
    "lower partial moment 1": "average shortfall", "lower partial moment 2": "downside deviation",
    "semi-deviation": "deviation below the mean", "Gini mean difference": "mean difference of two periods",
}  # fmt: skip


@dataclass(frozen=True)
class Certificate:
    """How good an answer is, recomputed in numpy.

    primal_residual  largest violation of any limit
    gap              no allowed portfolio has a cost lower by more than this, in the goal's own cost
    relative_gap     gap / magnitude of the cost's parts

    >>> solve(estimates, Policy(method='min_volatility'), universe).certificate.ok
    True
    """

    primal_residual: float
    gap: float
    relative_gap: float

    @property
    def ok(self) -> bool:
        """Within tolerance: violation <= 1e-8, relative gap <= 1e-6."""
        return self.primal_residual <= VIOLATION_TOLERANCE and self.relative_gap <= GAP_TOLERANCE


@dataclass(frozen=True)
class Binding:
    """A limit that the answer touches, and what one unit more of it is worth.

    shadow_price  change of the goal's value per unit of the bound, positive when relaxing helps
    text          the same as a manager would tell it, turnover one-way
    """

    limit: str
    value: float
    bound: float
    shadow_price: float
    text: str

    def beside(self, given_way: Collection[str]) -> "Binding":
        """The same where limits gave way: as they would give more or less with it, its price holds while they stay."""
        if not given_way:
            return self
        further = self.limit in given_way
        held = "beyond the bound to which it gave way" if further else "while what gave way stays where it is"
        return replace(self, text=f"{self.text}, {held}")

    def told(self, *, two_way: bool) -> str:
        """The text, its turnover in buys + sales where asked: one point of these is half a point one-way."""
        if not two_way or self.limit != "max_turnover":
            return self.text
        one, both = (f"max_turnover ({self.bound * f:.4g}%" for f in (100, 200))
        return self.text.replace(f"{one}) by 1 point", f"{both} in buys and sales) by 2 points")


def lower_bound(space: Polyhedron, slope: Array, multipliers: Array) -> float:
    """A number that slope'x never falls below inside the polyhedron (weak duality).

    slope  (p,);  multipliers  (m,), positive for a row held up by `low`, negative for one held down by `high`
    Columns without a bound are taken as at most RADIUS x NAV in size.
    """
    y = usable(space, multipliers)
    reduced = slope - y @ space.rows
    bounds = np.where(y > 0, space.low, space.high)
    priced = y != 0
    total = float(y[priced] @ bounds[priced])
    floor, ceiling = np.maximum(space.floor, -RADIUS), np.minimum(space.ceiling, RADIUS)
    if not space.kinks:
        return total + float(np.minimum(reduced * floor, reduced * ceiling).sum())
    # Piecewise linear in each column: least at one of the ends or kinks.
    corners = [floor, ceiling, *(np.minimum(np.maximum(kink.center, floor), ceiling) for kink in space.kinks)]
    return total + float(np.min([_column_costs(space, reduced, y, at) for at in corners], axis=0).sum())


def _column_costs(space: Polyhedron, reduced: Array, y: Array, at: Array) -> Array:
    """(p,) what each column costs there, distances from the kinks priced by the multipliers of their rows."""
    costs = reduced * at
    for row, kink in zip(space.bounds, space.kinks, strict=True):
        costs = costs - y[row] * kink.coefficients * np.abs(at - kink.center)
    return costs


def usable(space: Polyhedron, multipliers: Array) -> Array:
    """(m,) the multipliers without those of sides that do not exist."""
    bounds = np.where(multipliers > 0, space.low, space.high)
    return np.where(np.isfinite(bounds), multipliers, 0.0)


def certify(
    violation: float, space: Polyhedron, support: Support, w: Array, multipliers: Array
) -> Certificate:
    """The certificate of w (n,) from the goal's support there.

    space  contains every allowed portfolio: `outer` at w;  multipliers  (m,) of its rows, any whatever
    """
    slope = np.zeros(space.rows.shape[1])
    slope[: len(w)] = support.slope
    gap = support.slack + float(support.slope @ w) - lower_bound(space, slope, multipliers)
    scale = max(support.size, 1e-300)
    return Certificate(violation, gap, gap / scale)


def bindings(
    goal: Goal, limits: Limits, space: Polyhedron, w: Array, multipliers: Array, support: Support
) -> tuple[Binding, ...]:
    """The limits that the answer touches, the dearest first; zero holdings of a long-only book are not listed.

    space, multipliers, support  as given to `certify`
    """
    y = usable(space, multipliers)
    slope = np.zeros(space.rows.shape[1])
    slope[: len(w)] = support.slope
    reduced = (slope - y @ space.rows)[: len(w)]
    # A space with columns for sales has no kinks.
    for row, kink in zip(space.bounds, space.kinks, strict=bool(space.kinks)):
        reduced = reduced - y[row] * kink.coefficients * np.sign(w - kink.center)
    rate = goal.rate(w)
    found = [
        *_box_bindings(goal, limits, w, reduced, rate),
        *_row_bindings(goal, limits, space, w, rate * y / space.scale),
    ]
    return dearest_first(found)


def dearest_first(found: Iterable[Binding]) -> tuple[Binding, ...]:
    """Binding limits by their shadow prices, ties by name."""
    return tuple(sorted(found, key=lambda b: (-abs(b.shadow_price), b.limit)))


def _box_bindings(goal: Goal, limits: Limits, w: Array, reduced: Array, rate: float) -> list[Binding]:
    """reduced  (n,) what a unit more of each weight costs; of a weight with no choice one side alone would help."""
    low, high = (np.abs(w - bound) <= BINDING_TOLERANCE for bound in (limits.lower, limits.upper))
    fixed, prices = low & high, rate * reduced
    lower = np.flatnonzero(low & ~(fixed & (reduced < 0)))
    upper = np.flatnonzero(high & ~(fixed & (reduced >= 0)))
    sides = (
        ("min_weight", lower, limits.lower, limits.lower_groups, -prices),
        ("max_weight", upper, limits.upper, limits.upper_groups, prices),
    )
    return [
        _binding(goal, w, *_told(limits, side, int(i), groups[i], w[i], bounds[i]), gains[i])
        for side, touched, bounds, groups, gains in sides
        for i in touched
        if groups[i] not in (LONG_ONLY, UNHELD)
    ]


def _told(limits: Limits, side: str, i: int, group: str, w: float, bound: float) -> tuple[str, float, float]:
    """Name, value and bound: by the side of the weight; of a limit on the trade of a name, by what is traded."""
    if group == LEAST:
        return f"{group} {limits.symbols[i]}", abs(w), abs(bound)
    if group not in limits.trades:
        return f"{side} {limits.symbols[i]}", w, bound
    most = limits.trades[group]
    return group, most - abs(bound - w), most


def _row_bindings(goal: Goal, limits: Limits, space: Polyhedron, w: Array, prices: Array) -> list[Binding]:
    found = []
    for limit, price in zip(limits.linear, prices, strict=False):
        sides = ((limit.names[0], limit.low, -price), (limit.names[1], limit.high, price))
        value = limit.value(w)
        if limit.low < limit.high:
            found += [_binding(goal, w, name, value, at, p) for name, at, p in sides if _touches(value, at)]
    curved: list[tuple[Absolute | Largest | Norm, float]] = [
        *zip(limits.raised, prices[list(space.bounds)], strict=True),
        *zip(limits.norms, prices[len(prices) - len(limits.norms) :], strict=True),
    ]
    for curve, price in curved:
        if isinstance(curve, ConvexPart):
            side = curve.side
            touched, bound, price = side.share.value(w), side.bound, price * curve.per_share(w)
        else:
            touched, bound = curve.value(w), curve.bound
        if _touches(touched, bound):
            found.append(_binding(goal, w, curve.name, touched, bound, price))
    return found


def _touches(value: float, bound: float) -> bool:
    return bool(np.isfinite(bound)) and abs(value - bound) <= BINDING_TOLERANCE * max(1.0, abs(bound))


def _binding(goal: Goal, w: Array, name: str, value: float, bound: float, gain: float) -> Binding:
    """`gain` is the change of the goal's value when the bound gives way by one unit."""
    amount, unit = (f"({100 * bound:.4g}%)", "1 point") if in_percent(name) else (f"({bound:.4g})", "0.01")
    given = f"lifting {name} for" if name.startswith(RESTRICTIONS) else f"relaxing {name} {amount} by"
    text = f"{given} {unit} {worth(goal, w, 0.01 * gain)}"
    return Binding(name, float(value), float(bound), abs(float(gain)), text)


def told_as(goal: Goal) -> str:
    """What the goal's value is called where a reader wants to know what a limit costs."""
    base = goal.base if isinstance(goal, Traded) else goal
    what = TOLD.get(base.measure, base.measure)
    if isinstance(base, Tail):
        what = f"mean loss of the worst {100 * (1 - base.level):.4g}% of periods"
    return f"{what} {goal.after}" if isinstance(goal, Traded) else what


def worth(goal: Goal, w: Array, gain: float) -> str:
    """What a change of the goal's value does, as a manager would tell it."""
    if isinstance(goal, RiskBudget | TailBudget):
        return "brings the shares of risk nearer to their budgets"
    base = goal.base if isinstance(goal, Traded) else goal
    change = gain * goal.per_value(w) if isinstance(goal, Traded) else gain
    if isinstance(base, Quadratic) and base.taken_off:
        change = -change
    what = told_as(goal)
    if abs(change) < UNFELT:
        return f"leaves the {what} as it is"
    amount = f"{abs(change):.2g}" if isinstance(goal, Ratio | TailRatio) else f"{1e4 * abs(change):.2g} bps"
    return f"{'raises' if change > 0 else 'lowers'} the {what} by {amount}"
