"""Policies that take a way out of a conflict: `python tests/tools/ways_out.py FIRST COUNT` tries those of random ones.

What is printed is a way that a refusal offered and that led to no certified answer, which is a failure.
"""

import re
import sys
from dataclasses import replace
from typing import Any

import numpy as np
from random_policies import Case, case_of

from optimizer import ExposureType, InfeasibleError, PackfolioError, Policy, solve
from optimizer.errors import Conflict

RANGES = {
    "sector": "sector_limits", "weight": "asset_limits", "factor": "factor_limits",
    "active_factor": "active_factor_limits", "risk_share": "risk_share_limits",
}  # fmt: skip
PAIRS = {"net": "net_limits", "beta": "beta_limits"}
# Of goals without a value, not of limits.
UNDEFINED = re.compile(
    r"^(every|no) allowed portfolio|^risk budgets need|^every exposure with a risk budget must"
)
ON_NAMES = ("min_position", "max_holdings", "no_trade_band", "large_holdings", "priorities")


def taken(policy: Policy, conflict: Conflict, symbols: tuple[str, ...]) -> Policy:
    """The policy with one limit wider by as much as its message states."""
    name, amount = conflict.limit, conflict.stated
    kind, _, whose = name.partition(" ")
    side, _, what = kind.partition("_")
    low, high = (amount, 0.0) if side == "min" else (0.0, amount)
    if name in policy.limits:
        more = f"{name} {'+' if '<=' in name else '-'} {amount:.12f}"
        return replace(policy, limits=tuple(more if line == name else line for line in policy.limits))
    if whose and what == "exposure":
        field, own = f"{side}_exposures", getattr(policy, f"{side}_exposures")
        kinds = ExposureType[whose]
        return replace(policy, **{field: {**own, kinds: own[kinds] - low + high}})
    if what in PAIRS:
        return replace(policy, **{PAIRS[what]: _wider(getattr(policy, PAIRS[what]), low, high)})
    if whose and what in RANGES and whose in getattr(policy, RANGES[what]):
        own = getattr(policy, RANGES[what])
        pair = _wider(own[whose], low, high)
        if what == "weight" and policy.long_only:
            pair = (max(pair[0] or 0.0, 0.0), pair[1])
        return replace(policy, **{RANGES[what]: {**own, whose: pair}})
    return _of_trades_and_names(policy, conflict, symbols)


def _wider(pair: Any, low: float, high: float) -> tuple[float | None, float | None]:
    least, most = pair or (None, None)
    return None if least is None else least - low, None if most is None else most + high


def _of_trades_and_names(policy: Policy, conflict: Conflict, symbols: tuple[str, ...]) -> Policy:
    kind, _, whose = conflict.limit.partition(" ")
    amount = conflict.stated
    match kind:
        case "largest":
            own = policy.largest_limits
            return replace(policy, largest_limits={**own, int(whose): own[int(whose)] + amount})
        case "max_trade":
            most = {**dict.fromkeys(symbols, policy.max_trade), **policy.trade_limits}[whose]
            return replace(policy, trade_limits={**policy.trade_limits, whose: (most or 0.0) + amount})
        case "do_not_buy" | "do_not_sell" | "do_not_trade":
            others = {symbol: why for symbol, why in getattr(policy, kind).items() if symbol != whose}
            return replace(policy, **{kind: others})
        case "large_holdings":
            threshold, most = policy.large_holdings or (0.0, 0.0)
            return replace(policy, large_holdings=(threshold, most + amount))
        case "max_holdings":
            return replace(policy, max_holdings=(policy.max_holdings or 0) + int(amount))
        case "min_position" | "no_trade_band":
            return replace(policy, **{kind: max(getattr(policy, kind) - amount, 0.0) or None})
    bound = getattr(policy, kind) + (-amount if kind.startswith("min_") or kind == "cash_min" else amount)
    return replace(policy, **{kind: max(bound, 0.0) if kind == "min_weight" and policy.long_only else bound})


def with_shares(seed: int) -> Case:
    """A random case whose policy limits shares of risk; PolicyError where it contradicts itself."""
    case, rng = case_of(seed), np.random.default_rng(seed + 7)
    symbols, dropped = case.estimates.symbols, dict.fromkeys(ON_NAMES[:-1])
    if rng.random() < 0.5:
        shares: dict[str, Any] = {"max_risk_share": float(rng.choice([0.3, 0.5, 0.7, 1.3 / len(symbols)]))}
    else:
        shares = {"risk_share_limits": {str(rng.choice(symbols)): (float(rng.choice([0.2, 0.5])), None)}}
    return replace(case, policy=replace(case.policy, **dropped, priorities={}, **shares))


def dead_ends(case: Case) -> list[str]:
    """The ways out that the refusal of a case offers and that lead to no certified answer."""
    try:
        solve(case.estimates, case.policy, case.universe, case.held)
    except InfeasibleError as stop:
        refusal = stop
    except PackfolioError:
        return []
    else:
        return []
    return [told for way in refusal.ways if (told := _dead_end(case, way))]


def _dead_end(case: Case, way: tuple[Conflict, ...]) -> str:
    wider = case.policy
    try:
        # All at once, as a desk edits its file: a cap may be less than the least position only until that is lower too.
        for conflict in sorted(way, key=lambda one: one.limit != "min_position"):
            wider = taken(wider, conflict, case.estimates.symbols)
        found = solve(case.estimates, wider, case.universe, case.held)
    except PackfolioError as stop:
        if not getattr(stop, "conflicts", ()) and UNDEFINED.search(str(stop)):
            return ""  # a portfolio keeps the limits, as was said; the method asks for more than that
        return f"{' and '.join(map(str, way))}: {type(stop).__name__}: {stop}"
    return "" if found.certificate.ok else f"{way}: {found.certificate}"


def told(first: int, count: int) -> int:
    """Prints the ways that lead nowhere; 1 where there are any."""
    wrong = 0
    for seed in range(first, first + count):
        for make in (case_of, with_shares):
            try:
                found = dead_ends(make(seed))
            except PackfolioError:
                continue
            wrong += len(found)
            for one in found:
                print(f"seed {seed} of {make.__name__}: {one}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(told(*map(int, sys.argv[1:])))
