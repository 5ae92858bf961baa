"""Limits in the words and units of a desk: the keys of its files, percent, and turnover as buys and sales."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from optimizer import Conflict, InfeasibleError
from optimizer.problem.priorities import in_percent
from optimizer.trading.trade_list import BrokenByTarget
from resources.settings.policies.policy_schema import key_of

if TYPE_CHECKING:
    from optimizer import Solution
    from optimizer.solvers.hierarchy import PriorityLevel, Unmet
    from optimizer.trading.trade_list import LimitCheck


def desk_units(name: str) -> tuple[str, float, str]:
    """What a limit is called in a file, what its amounts are multiplied by, and what is printed after them."""
    if not in_percent(name):
        return name, 1.0, ""
    return key_of(name), 200.0 if name == "max_turnover" else 100.0, "%"


def desk_conflict(conflict: Conflict) -> Conflict:
    """The same in the desk's words and units: of the amount as stated, for which what gives way beside it is enough."""
    key, factor, unit = desk_units(conflict.limit)
    return replace(
        conflict,
        limit=key,
        bound=factor * conflict.bound,
        relaxation=factor * conflict.stated,
        room=0.0,
        unit=unit,
        most=factor * conflict.most,
    )


def desk_unmet(unmet: Unmet) -> Unmet:
    """The same in the desk's words and units; numbers of names and least changes stay as they are."""
    key, factor, unit = desk_units(unmet.limit)
    return replace(unmet, limit=key, value=factor * unmet.value, bound=factor * unmet.bound, unit=unit)


def desk_levels(solution: Solution) -> tuple[PriorityLevel, ...]:
    """What each priority gave and cost, in the desk's words and units."""
    return tuple(replace(level, gave=tuple(map(desk_unmet, level.gave))) for level in solution.levels)


def reason_of(error: Exception) -> str:
    """What an error says, as a desk reads it."""
    told = str(error)
    if not isinstance(error, InfeasibleError):
        return told
    named = {
        str(c): str(desk_conflict(c)) for c in (*error.conflicts, *(c for way in error.ways for c in way))
    }
    for said in sorted(named, key=len, reverse=True):
        told = told.replace(said, named[said])
    return told


def desk_check(check: LimitCheck) -> LimitCheck:
    """A limit of a whole-share list in the desk's words and units."""
    key, factor, unit = desk_units(check.constraint)
    limit, achieved = factor * check.limit, factor * check.achieved
    told = replace(check, constraint=key, limit=limit, achieved=achieved, unit=unit)
    return replace(told, target=factor * told.target) if isinstance(told, BrokenByTarget) else told


def desk_warnings(
    warnings: Iterable[str], solution: Solution | None = None, checks: Iterable[LimitCheck] = ()
) -> list[str]:
    """Warnings of weights or trades with limits as a desk reads them, and what each priority gave and cost.

    solution  that the weights are of;  checks  the limits of the whole-share list
    """
    broken = [check for check in checks if not check.met]  # no others are warned of
    named = {check.text: desk_check(check).text for check in broken}
    if solution is None:
        return [named.get(warning, warning) for warning in warnings]
    named |= {limit.text: desk_unmet(limit).text for limit in solution.unmet}
    return [
        *(named.get(warning, warning) for warning in warnings),
        *(level.text for level in desk_levels(solution)),
    ]
