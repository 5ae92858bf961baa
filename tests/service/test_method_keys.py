"""Which keys each method alone asks for, told from what it reads while a goal is made."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from optimizer import Estimates, ExposureType, Fund, FundExposureMap, Policy, PolicyError, Universe
from optimizer.problem.cost_terms import AFTER_COSTS
from optimizer.problem.methods import METHODS, goal_of
from optimizer.problem.setting import Setting
from resources.settings.policies.policy_schema import PolicyFile, key_of
from service.policies import KEY_SENTENCES, METHOD_KEYS, method_keys

SYMBOLS = ("A", "B", "C")
KINDS = (ExposureType.EQUITY, ExposureType.BONDS, ExposureType.GOLD)
FUNDS = FundExposureMap([Fund(name, name, {kind: 1.0}) for name, kind in zip(SYMBOLS, KINDS, strict=True)])
LIMIT_OF_ALL = {"target_volatility_pct"}  # a limit under every method: goal_of does not read it
OF_EVERY_GOAL = {"l2_penalty", "cost_horizon_years"}  # read by all, refused by those that cannot count them


class Read(Policy):
    """A policy that remembers which of its fields were asked for."""

    def __getattribute__(self, name: str) -> Any:
        asked = object.__getattribute__(self, "__dict__").get("asked")
        if asked is not None:
            asked.add(name)
        return object.__getattribute__(self, name)


def setting(policy: Policy) -> Setting:
    rng = np.random.default_rng(3)
    returns = rng.normal(0.0005, 0.01, (80, len(SYMBOLS)))
    covariance = 252 * np.cov(returns.T)
    estimates = Estimates(SYMBOLS, 252 * returns.mean(axis=0), covariance, scenarios=returns, observations=80)
    held = np.full(len(SYMBOLS), 1 / len(SYMBOLS))
    return Setting(estimates, policy, Universe(SYMBOLS, funds=FUNDS), held)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_method_is_asked_for_what_it_reads(method: str) -> None:
    policy = Read(method=method, risk_free_rate=0.01, mean_doubt=0.5)
    policy.__dict__["asked"] = set()
    goal_of(setting(policy))
    read = {key_of(field.name) for field in fields(Policy) if field.name in policy.__dict__["asked"]}
    own = set(KEY_SENTENCES) - LIMIT_OF_ALL - OF_EVERY_GOAL
    assert read & own == set(METHOD_KEYS.get(method, ())) - LIMIT_OF_ALL - OF_EVERY_GOAL


@pytest.mark.parametrize("method", sorted(METHODS))
def test_only_a_method_that_counts_costs_is_asked_for_their_years(method: str) -> None:
    counts = set(METHOD_KEYS.get(method, ())) >= OF_EVERY_GOAL
    assert counts == (method in AFTER_COSTS)
    asked = setting(Policy(method=method, risk_free_rate=0.01, l2_penalty=0.1))
    if counts:
        goal_of(asked)
    else:
        with pytest.raises(PolicyError, match="cannot count l2_penalty"):
            goal_of(asked)


def test_every_key_is_a_key_of_a_policy_with_its_schema_and_sentence() -> None:
    told = method_keys()
    listed = {key for keys in told["methods"].values() for key in keys}
    assert listed == set(told["keys"]) <= set(PolicyFile.model_fields)
    assert set(told["methods"]) <= set(METHODS)
    assert told["keys"]["mean_doubt_shape"]["enum"] == ["diagonal", "full"]
    assert told["keys"]["tail_level"]["minimum"] == 0.5
