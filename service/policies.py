"""The policy of a request: the seed's keys, a template, a pattern's policies and constraints, merged without loss."""

from collections.abc import Mapping, Sequence
from typing import Any

from optimizer import PolicyError
from resources.settings.policy_schema import PolicyFile
from resources.settings.yaml_files import parse_value

# What the patterns call some keys.
OTHER_NAMES = {"max_te_pct": "max_tracking_error_pct"}
POLICY_TYPES = {
    "min_quality_score": "min_quality_score",
    "max_single_position": "max_single_position_pct",
    "max_sector": "max_sector_pct",
    "max_turnover": "max_turnover_pct",
    "max_tracking_error": "max_tracking_error_pct",
}


class PolicyConstraints(PolicyFile):
    """The policy of one request: `_pct` is 0-100, `max_turnover_pct` counts buys and sells, an absent limit is none."""


def parse_policy(policy_json: Mapping[str, Any]) -> PolicyConstraints:
    """The policy of the seed's `policy_json`; raises PolicyError naming every unknown key and wrong value."""
    named: dict[str, Any] = {}
    for key, value in policy_json.items():
        _put(named, OTHER_NAMES.get(key, key), value, "the policy")
    return parse_value(
        {key: value for key, value in named.items() if value is not None}, PolicyConstraints, "policy"
    )


def merged_policy(
    policies: Sequence[Mapping[str, Any]],
    constraints: Mapping[str, Any],
    template: Mapping[str, Any] | None = None,
) -> PolicyConstraints:
    """A template, overridden by `policies` [{type, value}] and `constraints` together.

    Raises PolicyError where those two state different values, or a type that no limit enforces.
    """
    named: dict[str, Any] = {}
    for policy in policies:
        _put(named, _key_of(policy), policy.get("value"), "policies")
    for key, value in constraints.items():
        _put(named, OTHER_NAMES.get(key, key), value, "policies and constraints")
    return parse_policy({**(template or {}), **named})


def _key_of(policy: Mapping[str, Any]) -> str:
    kind = policy.get("type")
    if kind == "target_allocation":
        raise PolicyError(
            "policies: target_allocation is not enforced, no table says what belongs to a category; use "
            "sector_limits_pct, or min_exposures_pct and max_exposures_pct"
        )
    if not isinstance(kind, str) or kind not in POLICY_TYPES:
        raise PolicyError(f"policies: there is no type {kind!r}; there are {', '.join(POLICY_TYPES)}")
    if strangers := sorted(set(policy) - {"type", "value", "category"}):
        raise PolicyError(f"policies: {kind} has the unknown keys {strangers}; give type and value")
    return POLICY_TYPES[kind]


def _put(named: dict[str, Any], key: str, value: Any, where: str) -> None:
    if key in named and named[key] != value:
        raise PolicyError(f"{where} give {key} twice, {named[key]!r} and {value!r}; keep one")
    named[key] = value
