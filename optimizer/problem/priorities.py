"""Which limits may give way, and in which order: from the policy's priorities to the limits by their names."""

from collections.abc import Mapping
from dataclasses import replace

from optimizer.errors import PolicyError, meant
from optimizer.model.policy import Policy
from optimizer.model.ranges import ONE_LIMIT, ONE_SIDE, YIELDING, Range
from optimizer.numerics.convex_limits import Limits

PLAIN = ("beta", "factor", "active_factor")  # amounts that are no share of the value
GENERAL = ("min_weight", "max_weight", "max_sector")  # fields that set the same bound for many


def keys_of(limits: Limits) -> dict[str, tuple[str, ...]]:
    """Every limit by its own name, with the keys of `priorities` that mean it, the narrowest first."""
    found: dict[str, tuple[str, ...]] = {}
    for side, groups in (("min_weight", limits.lower_groups), ("max_weight", limits.upper_groups)):
        for symbol, group in zip(limits.symbols, groups, strict=True):
            own = f"{side} {symbol}"
            if group.partition(" ")[0] in GENERAL:
                found[own] = (own, group if group in GENERAL else "asset_limits")
    for limit in limits.linear:
        for name, group in zip(limit.names, limit.groups or limit.names, strict=True):
            found[name] = (name, group if group in GENERAL else _field(name))
    names = (*(limit.name for limit in limits.raised), *(norm.name for norm in limits.norms))
    return found | {name: (name,) for name in names}


def in_percent(name: str) -> bool:
    """Whether the amounts of a limit, named as in a message, are shares, which are told in percent."""
    if any(sign in name for sign in "<>="):
        return "%" in name
    kind = name.partition(" ")[0]
    return kind != "max_holdings" and kind.partition("_")[2] not in PLAIN


def _field(name: str) -> str:
    if any(sign in name for sign in "<>="):
        return "limits"
    return ONE_SIDE.get(name) or ONE_LIMIT.get(name.partition(" ")[0], name)


def levels_of(limits: Limits, policy: Policy) -> dict[int, tuple[str, ...]]:
    """Priority -> the limits that have it, by their own names, in ascending order; without those that hold always.

    Raises PolicyError for a key that means no limit here.
    """
    given = policy.priorities
    if not any(given.values()):
        return {}
    known = keys_of(limits)
    _refuse_strangers(given, known)
    levels: dict[int, list[str]] = {}
    for name, keys in known.items():
        level = next((given[key] for key in keys if key in given), 0)
        if level:
            levels.setdefault(level, []).append(name)
    return {level: tuple(levels[level]) for level in sorted(levels)}


def _refuse_strangers(given: Mapping[str, int], known: Mapping[str, tuple[str, ...]]) -> None:
    strangers = sorted({key for key, level in given.items() if level} - set(known) - set(YIELDING))
    if strangers:
        raise PolicyError(
            f"priorities names {strangers[0]!r}, which is no limit here; {meant(strangers[0], [*known, *YIELDING])}"
        )


def closing(policy: Policy, limits: Mapping[str, Range]) -> Policy:
    """The policy with limits of names that hold always, whatever the priority of the desk's own on them."""
    if not limits:
        return policy
    own = {f"{side} {symbol}": 0 for symbol in limits for side in ("min_weight", "max_weight")}
    ranked = {**policy.priorities, **own} if any(policy.priorities.values()) else policy.priorities
    return replace(policy, asset_limits={**policy.asset_limits, **limits}, priorities=ranked)
