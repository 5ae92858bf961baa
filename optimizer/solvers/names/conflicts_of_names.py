"""Why no choice of names keeps the limits, and by how much least positions, numbers and bands must give way.

Each of these limits has a slack in one mixed-integer program, and the least slack is what must give way.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import Conflict, InfeasibleError, some_of
from optimizer.model.policy import Policy
from optimizer.numerics.convex_limits import LONG_ONLY, Limits
from optimizer.problem.feasible_set import FeasibleSet
from optimizer.solvers.conflicts import every_group
from optimizer.solvers.elastic import widened
from optimizer.solvers.names.name_program import NOTHING, NameProgram
from optimizer.solvers.names.program_work import ProgramWork
from optimizer.typing import Array

ROOM = 1e-6
MOST_OTHERS = 8


def impossible(
    feasible: FeasibleSet, policy: Policy, held: Array | None, must: NDArray[np.bool_]
) -> InfeasibleError:
    """The error that names the limits on names, and what each must give so that some choice keeps all others.

    held  (n,) weights now;  must  (n,) names that the goal holds whatever else
    """
    bounds = _bounds(policy)
    program = NameProgram.roomy(feasible, policy, held, must)
    work = ProgramWork(len(must))
    alone = {name: program.least({name: 1.0}, work) for name in bounds}
    ways: list[tuple[Conflict, ...]] = [
        (_conflict(name, bounds[name], found[name]),) for name, found in alone.items() if found is not None
    ]
    if not ways:
        shares = program.least({name: 1.0 / bound for name, bound in bounds.items()}, work)
        given = {name: amount for name, amount in (shares or {}).items() if amount > NOTHING}
        ways = [tuple(_conflict(name, bounds[name], amount, enough=False) for name, amount in given.items())]
    conflicts = tuple(conflict for way in ways for conflict in way)
    joined = "; ".join(map(str, conflicts))
    told = f"relax one of: {joined}" if conflicts and conflicts[0].enough else f"relax together: {joined}"
    message = f"no choice of names keeps {_said(feasible, policy)} with the other limits; "
    message += f"{told}; or relax" if conflicts else "relax"
    message += f" {_others(feasible)}{_not_looked_for(work)}"
    return InfeasibleError(message, conflicts, tuple(filter(None, ways)))


def _others(feasible: FeasibleSet) -> str:
    """The other limits that may give way, one word a kind."""
    names = (name for name in every_group(feasible.limits.revealed()) if name != LONG_ONLY)
    kinds = dict.fromkeys(name if set(name) & set("<>=") else name.partition(" ")[0] for name in names)
    return f"one of the other limits: {some_of([*kinds], MOST_OTHERS)}"


def _not_looked_for(work: ProgramWork) -> str:
    """What a message adds where the work ended before the search did."""
    return (
        f"; what else limits on names could give was not looked for beyond {work.short}" if work.short else ""
    )


def possible(feasible: FeasibleSet, policy: Policy, held: Array | None, must: NDArray[np.bool_]) -> bool:
    """Whether a choice of names is found that keeps all limits; held, must  as in `impossible`."""
    return NameProgram.roomy(feasible, policy, held, must).least({}, ProgramWork(len(must))) is not None


def with_names(
    error: InfeasibleError, limits: Limits, policy: Policy, held: Array | None, must: NDArray[np.bool_]
) -> InfeasibleError:
    """A conflict of other limits with the ways out of it that leave a choice of names, or what names must give too.

    limits  those in conflict;  held, must  as in `impossible`
    """
    work = ProgramWork(len(must))
    found = [(way, _besides(way, limits, policy, held, must, work)) for way in error.ways]
    whole = tuple(way for way, more in found if more == ())
    if whole == error.ways:
        return error
    together = tuple(
        (*(replace(conflict, enough=False) for conflict in way), *more) for way, more in found if more
    )
    told = error.along(whole, together)
    return InfeasibleError(f"{told}{_not_looked_for(work)}", told.conflicts, told.ways)


def _besides(
    way: tuple[Conflict, ...],
    limits: Limits,
    policy: Policy,
    held: Array | None,
    must: NDArray[np.bool_],
    work: ProgramWork,
) -> tuple[Conflict, ...] | None:
    """What limits on names must give beside a way out: least of its bound by one of them, else all; None: not known."""
    wide = widened(limits.revealed(), {conflict.limit: conflict.stated for conflict in way})
    program = NameProgram.roomy(FeasibleSet(wide), policy, held, must)
    if program.least({}, work) is not None:
        return ()
    bounds = _bounds(policy)
    alone = {name: program.least({name: 1.0}, work) for name in bounds}
    given = {name: amounts[name] for name, amounts in alone.items() if amounts}
    if given:
        name = min(given, key=lambda one: given[one] / bounds[one])
        return (_conflict(name, bounds[name], given[name], enough=False),)
    shares = program.least({name: 1.0 / bound for name, bound in bounds.items()}, work) or {}
    needed = {name: amount for name, amount in shares.items() if amount > NOTHING}
    return (
        tuple(_conflict(name, bounds[name], amount, enough=False) for name, amount in needed.items()) or None
    )


def _bounds(policy: Policy) -> dict[str, float]:
    own = {
        "min_position": policy.min_position, "max_holdings": policy.max_holdings,
        "no_trade_band": policy.no_trade_band, "large_holdings": (policy.large_holdings or (0, 0))[1],
    }  # fmt: skip
    return {name: float(bound) for name, bound in own.items() if bound}


def _conflict(name: str, bound: float, amount: float, *, enough: bool = True) -> Conflict:
    whole = name == "max_holdings"
    return Conflict(name, bound, float(np.rint(amount)) if whole else amount, enough, 0.0 if whole else ROOM)


def _said(feasible: FeasibleSet, policy: Policy) -> str:
    """The limits on names, in words."""
    said = []
    if policy.max_holdings is not None:
        limits = feasible.limits
        invest = -limits.linear[0].high + limits.linear[0].offset
        reach = np.cumsum(np.sort(np.clip(limits.upper, 0.0, 1e6))[::-1])
        enough = int(np.searchsorted(reach, invest - 1e-9)) + 1
        note = f" (the caps need at least {enough} names)" if enough > policy.max_holdings else ""
        said.append(f"max_holdings {policy.max_holdings}{note}")
    if policy.min_position:
        said.append(f"min_position {100 * policy.min_position:g}%")
    if policy.large_holdings is not None:
        threshold, most = policy.large_holdings
        said.append(f"large_holdings above {100 * threshold:g}% within {100 * most:g}%")
    if policy.no_trade_band:
        said.append(f"no_trade_band {100 * policy.no_trade_band:g}%")
    return " and ".join(said)
