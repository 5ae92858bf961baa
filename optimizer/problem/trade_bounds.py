"""What may be traded of one name: restrictions with their reasons, and the most that a name's weight may change."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import PolicyError, asked, nearest
from optimizer.model.policy import Policy
from optimizer.numerics.convex_limits import INF, LONG_ONLY, Hidden
from optimizer.problem.setting import named
from optimizer.typing import Array

RESTRICTIONS = ("do_not_buy", "do_not_sell", "do_not_trade")
OF_A_TRADE = (*RESTRICTIONS, "max_trade")
Ends = list[tuple[float, str]]
Moves = dict[str, tuple[Ends, Ends]]
Bounds = tuple[Array, Array, tuple[str, ...], tuple[str, ...]]


def of_a_trade(group: str) -> bool:
    """Whether a policy item is about the trade of one name: it holds before all limits on weights."""
    return group.partition(" ")[0] in OF_A_TRADE


def of_trades(groups: tuple[str, ...]) -> NDArray[np.bool_]:
    """(n,) whether each name's policy item is about its trade."""
    named = {group for group in set(groups) if of_a_trade(group)}
    return np.array([group in named for group in groups]) if named else np.zeros(len(groups), dtype=bool)


def restrictions_of(policy: Policy) -> dict[str, str]:
    """Symbol -> what is not done with it, and why: "do not buy: results are due"."""
    found: dict[str, list[str]] = {}
    for item in RESTRICTIONS:
        for symbol, reason in getattr(policy, item).items():
            words = item.replace("_", " ")
            found.setdefault(symbol, []).append(f"{words}: {reason}" if reason else words)
    return {symbol: ", ".join(said) for symbol, said in found.items()}


def strangers(policy: Policy, known: Collection[str]) -> tuple[str, ...]:
    """What is said of each restricted symbol that is not among the known: it holds nothing back."""
    found = []
    for item in RESTRICTIONS:
        for symbol in sorted(set(getattr(policy, item)) - set(known)):
            near = asked(nearest(symbol, sorted(known)))
            found.append(
                f"{item} names {symbol}, which is not among the symbols and holds nothing back; correct it, or give it "
                f"to the universe if it left the estimates{'; ' if near else ''}{near}"
            )
    return tuple(found)


def within_trades(
    most: Moves, symbols: tuple[str, ...], held: Array | None, bounds: Bounds
) -> tuple[Bounds, tuple[Hidden, ...]]:
    """Bounds of the weights narrowed to what may be traded, and those that a tighter one of their side hides.

    most  what `moves` gives;  held  (n,) current weights. Raises PolicyError without them.
    """
    if not most:
        return bounds, ()
    if held is None:
        raise PolicyError(
            "max_trade, trade_limits and restrictions need the held weights; none are given: give them, or drop these"
        )
    lower, upper, lower_groups, upper_groups = bounds[0].copy(), bounds[1].copy(), [*bounds[2]], [*bounds[3]]
    place = {symbol: i for i, symbol in enumerate(symbols)}
    behind: list[Hidden] = []
    for symbol, (downs, ups) in most.items():
        i = place[symbol]
        lows = [(lower[i], lower_groups[i]), *((held[i] - down, f"{item} {symbol}") for down, item in downs)]
        highs = [(upper[i], upper_groups[i]), *((held[i] + up, f"{item} {symbol}") for up, item in ups)]
        (lower[i], lower_groups[i]), *below = sorted(lows, key=lambda end: -end[0])
        (upper[i], upper_groups[i]), *above = sorted(highs, key=lambda end: end[0])
        behind += [Hidden(i, item, low=low) for low, item in below if low > -INF and item != LONG_ONLY]
        behind += [Hidden(i, item, high=high) for high, item in above if high < INF]
    return (lower, upper, tuple(lower_groups), tuple(upper_groups)), tuple(behind)


def most_traded(most: Moves) -> dict[str, float]:
    """Policy item on the trade of a name, as messages name it -> the most that it may change by, of the NAV."""
    return {
        f"{item} {symbol}": change
        for symbol, sides in most.items()
        for ends in sides
        for change, item in ends
    }


def moves(policy: Policy, symbols: tuple[str, ...]) -> Moves:
    """Symbol -> the most that it may fall and rise by, with the policy items, the firmest first; others left out.

    Raises PolicyError for a limit on the trades of an unknown symbol; a restricted one is not held anyway.
    """
    for item in ("trade_limits", "participation_limits"):
        named(getattr(policy, item), symbols, item)
    if policy.max_trade is None and not (policy.trade_limits or restrictions_of(policy)):
        return {}
    found = {}
    for symbol in symbols:
        most = policy.trade_limits.get(symbol, policy.max_trade)
        both = [(0.0, "do_not_trade")] * (symbol in policy.do_not_trade)
        every = [(float(most), "max_trade")] if most is not None else []
        downs = [*both, *[(0.0, "do_not_sell")] * (symbol in policy.do_not_sell), *every]
        ups = [*both, *[(0.0, "do_not_buy")] * (symbol in policy.do_not_buy), *every]
        if downs or ups:
            found[symbol] = (downs, ups)
    return found
