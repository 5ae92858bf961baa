"""A policy on a day on which not all of its names exist: what it says of the others says nothing yet."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from math import isinf

from optimizer.model.policies.text_limits import parse_limit
from optimizer.model.policy import Policy
from optimizer.model.universe import Universe
from optimizer.problem.written.names import kind_and_name


def policy_among(
    policy: Policy, universe: Universe, symbols: Collection[str], sectors: Collection[str] = ()
) -> Policy:
    """The policy as it binds the names that exist.

    sectors  those that names of the universe have at other times
    Limits of absent names and of sectors without any are left out, risk budgets are made whole without them; lines of
    text write a sector in letters of any size.
    """
    absent = set(universe.symbols) - set(symbols)
    present = {universe.sectors[s] for s in symbols if s in universe.sectors}
    empty = {*universe.sectors.values(), *sectors} - present
    if not absent and not empty:
        return policy
    written = {sector.lower() for sector in empty}
    lines = [
        _without(line, absent | empty, written - {symbol.lower() for symbol in symbols})
        for line in policy.limits
    ]
    return replace(
        policy,
        priorities=_ranked(policy, dict(zip(policy.limits, lines, strict=True)), absent | empty),
        asset_limits={s: pair for s, pair in policy.asset_limits.items() if s not in absent},
        borrow_fees={s: fee for s, fee in policy.borrow_fees.items() if s not in absent},
        margins={s: pair for s, pair in policy.margins.items() if s not in absent},
        trade_limits={s: most for s, most in policy.trade_limits.items() if s not in absent},
        participation_limits={s: most for s, most in policy.participation_limits.items() if s not in absent},
        sector_limits={s: pair for s, pair in policy.sector_limits.items() if s not in empty},
        risk_share_limits={
            name: pair
            for name, pair in policy.risk_share_limits.items()
            if kind_and_name(name)[1] not in absent | empty
        },
        risk_budgets=_made_whole(policy.risk_budgets, absent),
        limits=tuple(line for line in lines if line is not None),
    )


def _made_whole(budgets: Mapping[str, float], absent: Collection[str]) -> Mapping[str, float]:
    kept = {s: share for s, share in budgets.items() if s not in absent}
    if len(kept) == len(budgets):
        return budgets  # divided by their sum they would have other last digits
    total = sum(kept.values())
    return {s: share / total for s, share in kept.items()} if total else {}


def _ranked(policy: Policy, lines: Mapping[str, str | None], absent: Collection[str]) -> dict[str, int]:
    """The priorities by what the limits are called now; of lines that are one now, that of the firmest."""
    named = {lines.get(key, key): level for key, level in policy.priorities.items()}
    for line, left in lines.items():
        if left in named:
            named[left] = min(named[left], policy.priorities.get(line, 0))
    return {
        key: level for key, level in named.items() if key is not None and key.partition(" ")[2] not in absent
    }


def unrestricted(policy: Policy) -> Policy:
    """Without the restrictions, which are those of today."""
    return replace(policy, do_not_buy={}, do_not_sell={}, do_not_trade={})


def _without(line: str, absent: Collection[str], sectors: Collection[str]) -> str | None:
    """The limit without its absent names and sectors (small letters); None where nothing is left of it."""
    limit = parse_limit(line)
    bare = {name: name.rpartition(":")[2] for name in limit.terms}
    kept = {
        name: factor
        for name, factor in limit.terms.items()
        if bare[name] not in absent and bare[name].lower() not in sectors
    }
    if kept == limit.terms:
        return line
    if not any(kept.values()):
        return None
    terms = " ".join(
        f'{"-" if factor < 0 else "+"} {abs(factor)!r} * "{name}"' for name, factor in kept.items()
    )
    low = "" if isinf(limit.low) else f"{limit.low!r} <= "
    high = "" if isinf(limit.high) else f" <= {limit.high!r}"
    return f"{low}{terms}{high}"
