"""Limits as lines of text, from names to rows."""

from dataclasses import replace
from typing import Any

import numpy as np

from optimizer.errors import PolicyError
from optimizer.model.policies.text_limits import TextLimit, parse_limit
from optimizer.model.policy import Policy
from optimizer.numerics.convex_limits import INF, Linear
from optimizer.problem.setting import Setting
from optimizer.problem.written.names import ACTIVE, BETA, RISK, kind_and_name, row_and_offset


def written_limits(setting: Setting) -> tuple[Linear, ...]:
    """The policy's lines of text but those on shares of risk."""
    return tuple(
        _written(setting, limit) for limit in map(parse_limit, setting.policy.limits) if not of_risk(limit)
    )


def of_risk(limit: TextLimit) -> bool:
    """Whether a line speaks of shares of risk; PolicyError where it speaks of weights as well."""
    shares = [kind_and_name(name)[0] == RISK for name in limit.terms]
    if any(shares) and not all(shares):
        raise PolicyError(
            f"limit {limit.text!r} compares shares of risk with weights; write two lines, or {RISK}: before all names"
        )
    return any(shares)


ON_RISK: dict[str, Any] = {
    "target_volatility": None, "max_volatility": None, "max_tracking_error": None, "beta_limits": None,
    "max_risk_share": None, "risk_share_limits": {},
}  # fmt: skip


def without_limits_on_risk(policy: Policy) -> tuple[Policy, list[str]]:
    """The policy without what is measured by the covariance, and that as messages name it."""
    lines = [line for line in policy.limits if any(map(_by_risk, parse_limit(line).terms))]
    found = [*(name for name, none in ON_RISK.items() if getattr(policy, name) != none), *lines]
    if not found:
        return policy, found
    kept = {key: level for key, level in policy.priorities.items() if key.partition(" ")[0] not in ON_RISK}
    return replace(
        policy,
        **ON_RISK,
        limits=tuple(line for line in policy.limits if line not in lines),
        priorities={key: level for key, level in kept.items() if key not in lines},
    ), found


def _by_risk(name: str) -> bool:
    kind, rest = kind_and_name(name)
    return kind in (RISK, BETA) or (kind == ACTIVE and _by_risk(rest))


def _written(setting: Setting, limit: TextLimit) -> Linear:
    row, offset = np.zeros(1), 0.0
    for name, factor in limit.terms.items():
        own, constant = row_and_offset(setting, name, limit.text)
        row, offset = row + factor * own, offset + factor * constant
    held = all(factor > 0 and _is_held(setting, name) for name, factor in limit.terms.items())
    void = -INF < limit.low < 0 and (limit.high == INF or set(limit.terms) <= set(setting.symbols))
    if setting.policy.long_only and held and (void or limit.high < 0):
        raise PolicyError(
            f"limit {limit.text!r} allows a short position and the policy is long-only, which forbids it; write at "
            f"least 0, or set long_only to False"
        )
    return Linear((limit.text, limit.text), row, limit.low, limit.high, offset)


def _is_held(setting: Setting, name: str) -> bool:
    """Whether a name stands for weights themselves: a symbol, a sector or all that is invested."""
    kind, rest = kind_and_name(name)
    sectors = {sector.lower() for sector in setting.universe.sectors.values()}
    return kind in ("", "symbol", "sector") and (
        rest in setting.symbols or rest.lower() in sectors or rest.lower() == "invested"
    )
