"""How many rebalances it takes until a limit can hold that trades keep from holding now."""

from dataclasses import replace
from math import ceil, inf, isfinite

import numpy as np

from optimizer.numerics.convex_limits import Limits
from optimizer.problem.trade_bounds import of_a_trade, of_trades
from optimizer.solvers.conflicts import allowed, least_relaxation
from optimizer.solvers.elastic import HARD, groups_of, only
from optimizer.solvers.fast.least_distance import least_distance
from optimizer.typing import Array

DOUBLINGS = 12  # what takes some thousands is told as never


def rebalances_until(group: str, limits: Limits, hard: Limits, held: Array | None) -> float:
    """How many rebalances, this one included, until one policy item can hold; infinite if never.

    limits  every bound a policy item of its own;  hard: those that hold always, alone;  held  (n,) weights now
    """
    trades = tuple(filter(of_a_trade, groups_of(limits.revealed())))
    by_turnover = _by_turnover(group, limits, hard)
    if not trades or held is None:
        return by_turnover
    alone = only(limits, (*HARD, *trades, group))
    found = int(by_turnover) if isfinite(by_turnover) else 1
    short = found - 1
    for _ in range(DOUBLINGS):
        if allowed(_after(found, alone, held)):
            break
        short, found = found, 2 * found
    else:
        return inf
    while found - short > 1:
        middle = (short + found) // 2
        short, found = (short, middle) if allowed(_after(middle, alone, held)) else (middle, found)
    return found


def _by_turnover(group: str, limits: Limits, hard: Limits) -> float:
    """How many of this turnover it takes, whatever may be traded of single names; infinite without one."""
    turnover = next((limit for limit in hard.absolute if limit.bound > 0), None)
    if turnover is None:
        return inf
    below, above = (
        np.array([one == group for one in side]) for side in (limits.lower_groups, limits.upper_groups)
    )
    if below.any() or above.any():
        lower, upper = np.where(below, limits.lower, hard.lower), np.where(above, limits.upper, hard.upper)
        needed = least_distance(replace(hard, lower=lower, upper=upper), turnover)
    else:
        needed = turnover.bound + least_relaxation(only(limits, (*HARD, group)), turnover.name)
    return ceil(max(needed, turnover.bound) / turnover.bound - 1e-6) if isfinite(needed) else inf


def _after(count: int, limits: Limits, held: Array) -> Limits:
    """The limits with so many times what may be traded, in all and of each name."""
    lower, upper = (
        np.where(of_trades(groups), held + count * (bounds - held), bounds)
        for groups, bounds in ((limits.lower_groups, limits.lower), (limits.upper_groups, limits.upper))
    )
    behind = tuple(
        at._replace(
            **{end: held[at.place] + count * (getattr(at, end) - held[at.place]) for end in ("low", "high")}
        )
        if of_a_trade(at.item)
        else at
        for at in limits.behind
    )
    absolute = tuple(
        replace(limit, bound=count * limit.bound) if limit.name == "max_turnover" else limit
        for limit in limits.absolute
    )
    lower = np.maximum(lower, limits.floor)
    return replace(limits, lower=lower, upper=upper, behind=behind, absolute=absolute).revealed()
