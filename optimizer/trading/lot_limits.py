"""The policy's limits as the rounding of trades sees them, and as the rounded holdings meet them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from optimizer.model.policy import Policy
from optimizer.numerics.convex_limits import Absolute, Largest, Limits, Linear, Norm
from optimizer.numerics.shares.convex_part import convex_part
from optimizer.problem.trade_bounds import of_trades
from optimizer.problem.weight_intervals import NOTHING
from optimizer.trading.lot_relaxation import TOLERANCE, RoundingProblem
from optimizer.trading.trade_list import BrokenByTarget, LimitCheck
from optimizer.typing import Array

BROKEN = 1e-9
BEYOND = 1e-6  # from where on weights are said to break a limit
NEAR = 0.1  # of the variance: a share further inside its bound than that is not reached by rounding
LARGE = "large_holdings"


class Left(NamedTuple):
    """NAV after costs / NAV before, on which limits are: caps are kept on as little, floors on as much."""

    caps: float
    floors: float


def lot_box(
    limits: Limits,
    wanted: Array,
    held: Array,
    step: Array,
    min_trade: float,
    left: Left,
) -> tuple[Array, Array]:
    """Bounds (n,) of the holdings as fractions of the NAV before the trades.

    wanted, held, step  (n,) target, current and one lot's weight;  min_trade  least trade, fraction of NAV
    A bound that the target itself breaks moves to the target and one lot more; a name with target 0 is
    closed, or stays where its holding is smaller than the least trade.
    """
    floor = np.minimum(limits.lower, 0.0)
    kept = np.where(of_trades(limits.lower_groups), 1.0, np.where(limits.lower < 0, left.caps, left.floors))
    lower = np.where(wanted < limits.lower - BROKEN, np.maximum(wanted - step, floor), limits.lower * kept)
    # a list may leave what is on the other side than the target, and open nothing there
    lower = np.where(wanted >= 0, np.maximum(lower, np.minimum(held, 0.0)), lower)
    traded = of_trades(limits.upper_groups)  # of the NAV before, as held is
    caps = np.where((limits.upper > 0) & ~traded, limits.upper * left.caps, limits.upper)
    upper = np.where(wanted > limits.upper + BROKEN, wanted + step, caps)
    upper = np.where(wanted < 0, np.minimum(upper, np.maximum(held, 0.0)), upper)
    rest = np.where(np.abs(held) < min_trade, held, 0.0)
    lower, upper = np.where(wanted == 0, rest, lower), np.where(wanted == 0, rest, upper)
    return _within_trades(limits, held, lower, upper)


def _within_trades(limits: Limits, held: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
    """The bounds within what may be traded of each name, which holds whatever the target.

    Where what may be traded does not reach the other bounds, a name may stay as it is: lots may have no trade so far.
    """
    firm_low, firm_high = of_trades(limits.lower_groups), of_trades(limits.upper_groups)
    above, below = firm_low & (upper < limits.lower), firm_high & (lower > limits.upper)
    lower = np.where(firm_low, np.maximum(lower, limits.lower), lower)
    upper = np.where(firm_high, np.minimum(upper, limits.upper), upper)
    return np.where(below, np.minimum(held, upper), lower), np.where(above, np.maximum(held, lower), upper)


def large_kept(limits: Limits, rule: tuple[float, float] | None, wanted: Array) -> Limits:
    """The limits with what the target holds at most at the threshold of large holdings kept there, the others summed.

    rule  (threshold, the most that larger ones are together), None for none
    """
    if rule is None:
        return limits
    large = wanted > rule[0] + NOTHING
    total = Linear(("-", LARGE), large.astype(float), high=rule[1])
    kept = ~large & (limits.upper > rule[0])
    groups = (LARGE if own else group for own, group in zip(kept, limits.upper_groups, strict=True))
    return replace(
        limits, upper=np.where(kept, rule[0], limits.upper), upper_groups=tuple(groups),
        linear=(*limits.linear, total),
    )  # fmt: skip


def left_alone(problem: RoundingProblem, band: float) -> RoundingProblem:
    """The problem with what is held within `band` of its target kept as it is."""
    if not band:
        return problem
    near = (np.abs(problem.wanted - problem.held) < band) & (problem.wanted != 0)
    return replace(
        problem,
        lower=np.where(near, problem.held, problem.lower),
        upper=np.where(near, problem.held, problem.upper),
    )


def least_kept(problem: RoundingProblem, least: float) -> RoundingProblem:
    """The problem in which a name that may be traded is held on its target's side, by at least `least` or not at all.

    One whose bounds allow neither is within its bounds alone.
    """
    if not least:
        return problem
    p, long = problem, problem.wanted > 0
    free = (p.upper - p.lower > TOLERANCE) & (p.wanted != 0)
    lower = np.where(free & long & (p.upper >= 0), np.maximum(p.lower, 0.0), p.lower)
    upper = np.where(free & ~long & (p.lower <= 0), np.minimum(p.upper, 0.0), p.upper)
    nearest, farthest = np.where(long, lower, -upper), np.where(long, upper, -lower)
    either = free & ((farthest >= least) | (nearest <= 0))
    return replace(problem, lower=lower, upper=upper, least=np.where(either, least, 0.0))


def lot_rows(limits: Limits, wanted: Array, step: Array, left: Left) -> tuple[Array, Array]:
    """The affine limits but cash as rows (m, n) and bounds (m,): rows @ holdings <= bounds."""
    rows, bounds = [], []
    for limit in limits.linear:
        if limit.names[0] == "cash_min":
            continue
        for row, bound in ((limit.row, limit.high - limit.offset), (-limit.row, limit.offset - limit.low)):
            if np.isfinite(bound):
                at_target = float(row @ wanted)
                slack = float(np.abs(row * step)[wanted != 0].max(initial=0.0))
                rows.append(row)
                bounds.append(_bound(bound, at_target, slack, left))
    return np.array(rows).reshape(-1, len(wanted)), np.array(bounds)


def lot_curves(
    limits: Limits, wanted: Array, step: Array, left: Left
) -> tuple[tuple[Absolute | Largest, ...], tuple[Norm, ...]]:
    """The convex limits but turnover."""
    traded = np.where(wanted != 0, step, 0.0)
    absolute: tuple[Absolute | Largest, ...] = tuple(
        replace(a, bound=_bound(a.bound, a.value(wanted), float((a.steepest * traded).max()), left))
        for a in limits.absolute
        if a.name != "max_turnover"
    )
    absolute += tuple(
        replace(big, bound=_bound(big.bound, big.value(wanted), float(traded.max(initial=0.0)), left))
        for big in limits.largest
    )
    norms = tuple(
        replace(n, bound=_bound(n.bound, n.value(wanted), float((_risk(n) * traded).max()), left))
        for n in limits.norms
    )
    return absolute, norms + _parts_of_shares(limits, wanted, traded)


def _parts_of_shares(limits: Limits, wanted: Array, traded: Array) -> tuple[Norm, ...]:
    """What limits on shares of risk allow around the target; costs change no share, as they are of every multiple."""
    near = [
        (side, part)
        for share in limits.shares
        for side in share.sides
        if side.excess(wanted) > -NEAR and (part := convex_part(side, wanted)) is not None
    ]
    return tuple(
        replace(part, bound=part.bound + float((_risk(part) * traded).max()))
        if side.excess(wanted) > BROKEN
        else part
        for side, part in near
    )


def _risk(norm: Norm) -> Array:
    return np.asarray(np.sqrt(norm.covariance.diagonal()))


def _bound(bound: float, at_target: float, slack: float, left: Left) -> float:
    if at_target > bound + BROKEN:
        return at_target + slack
    return bound * (left.caps if bound > 0 else left.floors)


def check_limits(
    policy: Policy,
    limits: Limits,
    weights: Array,
    cash: float,
    turnover: float,
    traded: Array,
    held: Array | None = None,
) -> tuple[LimitCheck, ...]:
    """Every limit of the policy recomputed; full investment binds target weights only and is not among them.

    weights   (n,) fractions of the NAV after costs;  cash likewise;  turnover  one-way, of the NAV before
    traded    (n,) change of each holding, fractions of the NAV before;  held  (n,) likewise, None for 0
    """
    reached = traded if held is None else held + traded
    checks = [_at_least("cash_min", policy.cash_min, cash)]
    for groups, bounds, check in (
        (limits.lower_groups, limits.lower, _at_least),
        (limits.upper_groups, limits.upper, _at_most),
    ):
        counted = np.where(of_trades(groups), reached, weights)
        worst = _worst_by_group(groups, bounds, counted, check)
        checks += [_of_trade(found, limits.trades) for found in worst]
    for limit in limits.linear:
        if limit.names[0] != "cash_min":
            value = limit.value(weights)
            checks += [
                _at_least(limit.names[0], limit.low, value),
                _at_most(limit.names[1], limit.high, value),
            ]
    for side in (side for share in limits.shares for side in share.sides):
        check = _at_most if side.upper else _at_least
        checks.append(check(side.name, side.bound, side.share.value(weights)))
    curves: list[Absolute | Largest | Norm] = [*limits.raised, *limits.norms]
    for curve in curves:
        value = turnover if curve.name == "max_turnover" else curve.value(weights)
        checks.append(_at_most(curve.name, curve.bound, value))
    checks += _names(policy, weights)
    changed = np.abs(traded[(traded != 0) & (np.abs(weights) > NOTHING)])
    if policy.no_trade_band and len(changed):
        checks.append(_at_least("no_trade_band", policy.no_trade_band, float(changed.min())))
    return tuple(check for check in checks if np.isfinite(check.limit))


def with_causes(
    checks: tuple[LimitCheck, ...], policy: Policy, limits: Limits, target: Array, held: Array
) -> tuple[LimitCheck, ...]:
    """The checks of a list, those that its target (n,) breaks already with what that reaches."""
    if all(check.met for check in checks):
        return checks
    traded = np.where(np.abs(target - held) > NOTHING, target - held, 0.0)
    turnover = 0.5 * float(np.abs(traded).sum())
    before = {
        check.constraint: check.achieved
        for check in check_limits(policy, limits, target, 1.0 - float(target.sum()), turnover, traded, held)
        if check.slack < -BEYOND
    }
    return tuple(
        check
        if check.met or check.constraint not in before
        else BrokenByTarget(
            check.constraint, check.limit, check.achieved, check.slack, target=before[check.constraint]
        )
        for check in checks
    )


def _names(policy: Policy, weights: Array) -> list[LimitCheck]:
    """The least position and the number of names, as held."""
    held, checks = weights[np.abs(weights) > NOTHING], []
    if policy.min_position and len(held):
        checks.append(_at_least("min_position", policy.min_position, float(np.abs(held).min())))
    if policy.max_holdings is not None:
        checks.append(_at_most("max_holdings", policy.max_holdings, len(held)))
    if policy.large_holdings is not None:
        threshold, most = policy.large_holdings
        checks.append(_at_most(LARGE, most, float(held[held > threshold + NOTHING].sum())))
    return checks


def _worst_by_group(
    groups: tuple[str, ...], bounds: Array, weights: Array, check: Callable[[str, float, float], LimitCheck]
) -> list[LimitCheck]:
    """One check a policy item: of the weight with the least slack."""
    slack = weights - bounds if check is _at_least else bounds - weights
    worst = {groups[i]: i for i in np.argsort(slack, kind="stable")[::-1].tolist()}
    return [
        check(group, float(bounds[worst[group]]), float(weights[worst[group]]))
        for group in dict.fromkeys(groups)
    ]


def _of_trade(found: LimitCheck, trades: Mapping[str, float]) -> LimitCheck:
    """A check on the trade of a name by what is traded, not by the weight that it leads to; others as they are."""
    most = trades.get(found.constraint)
    return found if most is None else replace(found, limit=most, achieved=most - found.slack)


def _at_least(name: str, limit: float, achieved: float) -> LimitCheck:
    return LimitCheck(name, limit, achieved, achieved - limit)


def _at_most(name: str, limit: float, achieved: float) -> LimitCheck:
    return LimitCheck(name, limit, achieved, limit - achieved)
