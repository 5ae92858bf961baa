"""A policy that is refused is told in the words of the door: its keys and percent, no field of the library."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import pytest

from optimizer import Policy, PolicyError
from resources.settings.policies.policy_schema import MAPPINGS, PAIRS, PolicyFile
from resources.settings.yaml_files import parse_yaml
from service.policies import parse_policy

Door = Callable[[dict[str, Any]], str]
FIELDS = sorted({item.name for item in fields(Policy)} - set(PolicyFile.model_fields) - {"limits"})
FOREIGN = re.compile(rf"\b({'|'.join(FIELDS)})\b|fraction")
NUMBERS = (-2000.0, -150.0, -5.0, 0.0, 0.5, 3.0, 120.0, 2000.0, 1e6, 1e18)
EXPOSURES = ("min_exposures_pct", "max_exposures_pct", "exposure_budgets_pct")
RANGES = (*PAIRS, "net_limits_pct", "beta_limits", "large_holdings_pct")


def by_yaml(policy: dict[str, Any]) -> str:
    with pytest.raises(PolicyError) as refused:
        parse_yaml(json.dumps(policy), PolicyFile, "policy")
    return str(refused.value).removeprefix("policy:1: ")


def by_http(policy: dict[str, Any]) -> str:
    with pytest.raises(PolicyError) as refused:
        parse_policy(policy)
    return str(refused.value).removeprefix("policy: ")


def numeric() -> list[str]:
    schema = PolicyFile.model_json_schema()["properties"]
    return [key for key in schema if re.search(r'"type": "(number|integer)"', json.dumps(schema[key]))]


def given(key: str) -> Iterator[Any]:
    """A key's values, most of them out of its range, in the form that it takes."""
    pairs = [[a, b] for n in NUMBERS for a, b in ((n, None), (n, 10.0), (-50.0, n))]
    for value in pairs if key in RANGES else NUMBERS:
        name = "3" if key == "largest_limits_pct" else "us_equity" if key in EXPOSURES else "AAA"
        yield {name: value} if key in MAPPINGS else value


def test_every_number_is_tried() -> None:
    assert len(numeric()) > 50 and {"max_weight", "max_turnover", "impact_bps", "margins"} < set(FIELDS)
    assert {*RANGES, *MAPPINGS} - set(numeric()) == set()


@pytest.mark.parametrize("key", numeric())
@pytest.mark.parametrize("long_only", [True, False])
def test_a_number_out_of_its_range_is_told_by_its_key_and_in_its_unit(key: str, long_only: bool) -> None:
    refused = 0
    for value in given(key):
        policy = {"long_only": long_only, key: value}
        try:
            parse_policy(policy)
        except PolicyError as error:
            refused += 1
            for said in (str(error), by_yaml(policy)):
                told = said.replace("more likely a fraction", "")
                assert not FOREIGN.search(told), said
    assert refused or key == "min_exposures_pct"  # a book may be asked for any exposure


@pytest.mark.parametrize("door", [by_yaml, by_http])
@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (
            {"max_single_position_pct": 20, "min_position_pct": 30},
            "min_position_pct 30% is above max_single_position_pct 20%; lower it, or raise the cap",
        ),
        ({"max_single_position_pct": 2000}, "max_single_position_pct: must be at most 1000 (it is 2000)"),
        ({"max_turnover_pct": 3000}, "max_turnover_pct: must be at most 2000 (it is 3000)"),
        ({"margins_pct": {"AAA": [30, 40]}}, "margins_pct say what positions need and max_margin_pct what"),
        (
            {"participation_limits_pct": {"AAA": 5}},
            "participation_limits_pct need max_participation_pct, which the other names keep; set it too",
        ),
        (
            {"asset_limits_pct": {"AAA": [0, 3]}, "min_position_pct": 5},
            "asset_limits_pct of AAA: at most 3% long is less than min_position_pct 5%",
        ),
        (
            {"asset_limits_pct": {"AAA": [-5, None]}},
            "asset_limits_pct of AAA: -5% is below 0 and the policy is",
        ),
        (
            {"sector_limits_pct": {"Energy": [50, 40]}},
            "sector_limits_pct of Energy: the minimum 50% is above the",
        ),
        ({"max_trade_pct": 1, "no_trade_band_pct": 3}, "max_trade_pct: 1% is less than no_trade_band_pct 3%"),
        ({"cash_min_pct": 30, "cash_max_pct": 20}, "cash: the minimum 30% is above the maximum 20%"),
        ({"risk_budgets_pct": {"AAA": 0}}, "risk_budgets_pct sum to 0%; shares of the risk must sum to 100%"),
        (
            {"long_only": False, "large_holdings_pct": [5, 40]},
            "large_holdings_pct are for long-only books; set long_only, or use largest_limits_pct",
        ),
    ],
)
def test_what_two_settings_contradict_is_told_by_their_keys(
    door: Door, policy: dict[str, Any], said: str
) -> None:
    assert door(policy).startswith(said)
