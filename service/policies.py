"""The policy of a request: the seed's keys, a template, a pattern's policies and constraints, merged without loss."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from optimizer import PolicyError
from resources.settings.policies.policy_schema import PolicyFile
from resources.settings.policies.values import Strict
from resources.settings.view_files import AnyViewFile, View
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

MOST_VIEWS = 1000
_DOUBT = ("mean_doubt", "mean_doubt_shape")
_COSTS = ("l2_penalty", "cost_horizon_years")
# Of each method the keys that mean something to it alone or to few others; limits are every method's.
METHOD_KEYS: Mapping[str, tuple[str, ...]] = {
    "mean_variance": ("risk_aversion", *_DOUBT, *_COSTS),
    "max_return": (*_DOUBT, *_COSTS),
    "target_volatility": ("target_volatility_pct", *_DOUBT, *_COSTS),
    "min_volatility": _COSTS,
    "min_tracking_error": _COSTS,
    "max_sharpe": _DOUBT,
    "risk_parity": ("risk_budgets_pct",),
    "exposure_risk_parity": ("exposure_budgets_pct",),
    "cvar": ("tail_level",),
    "max_return_to_cvar": ("tail_level",),
    "cvar_risk_parity": ("tail_level", "risk_budgets_pct"),
    "robust_cvar": ("tail_level", "wasserstein_radius"),
    "cdar": ("tail_level",),
    "evar": ("tail_level",),
    "first_lower_partial_moment": ("return_threshold",),
    "second_lower_partial_moment": ("return_threshold",),
}
KEY_SENTENCES: Mapping[str, str] = {
    "risk_aversion": "How much return a unit of variance has to bring; 2.5 is customary, more is more careful.",
    "mean_doubt": "Standard errors by which every expected return may be too high; 0 believes them.",
    "mean_doubt_shape": "Whether the errors of the names stand alone (diagonal) or move together (full).",
    "l2_penalty": "Taken off the expected return per unit of summed squared weights; more spreads the weights.",
    "cost_horizon_years": "Years over which a trade must earn its costs; empty leaves costs out of the goal.",
    "target_volatility_pct": "The volatility that must not be passed, percent per year.",
    "risk_budgets_pct": "Share of the risk by symbol, percent, together 100; empty is equal shares.",
    "exposure_budgets_pct": "Share of the risk by what the funds hold, percent, together 100; empty is equal shares.",
    "tail_level": "How far out the tail begins: 0.95 looks at the worst 5% of the days.",
    "wasserstein_radius": "How far the true returns may lie from those seen, as a return of one day.",
    "return_threshold": "The return per year below which a day counts as a shortfall, as a fraction.",
}


def method_keys() -> dict[str, Any]:
    """Of each method its own keys, and of each key what it means and which values it takes, as JSON schema."""
    properties = PolicyFile.model_json_schema()["properties"]
    return {
        "methods": {method: list(keys) for method, keys in METHOD_KEYS.items()},
        "keys": {key: {**properties[key], "description": said} for key, said in KEY_SENTENCES.items()},
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


class ViewsInputs(Strict):
    """Views of one request, as a portfolio's file has them."""

    views: list[AnyViewFile] = Field(max_length=MOST_VIEWS)


def parse_views(views: Sequence[Mapping[str, Any]]) -> tuple[View, ...]:
    """The views; raises PolicyError naming every unknown key and wrong value."""
    return tuple(parse_value({"views": list(views)}, ViewsInputs, "inputs").views)


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
