"""A horizon in a request: the first step of a plan is proposed, proved, and told like any other answer."""

import asyncio
from typing import Any

import pytest
from service_desk import PACK

from optimizer import InfeasibleError, PolicyError
from service import OptimizerService
from service.answers.proposals import RebalanceAnswer

PLAN: dict[str, Any] = {
    "method": "mean_variance",
    "max_single_position_pct": 60,
    "max_turnover_pct": 20,
    "horizon": {"steps": 4, "step_days": 63, "half_life_days": 250},
}


def ask(service: OptimizerService, policy: dict[str, Any]) -> dict[str, Any]:
    return asyncio.run(service.propose_trades("seed", policy, PACK))


def test_the_first_step_of_a_plan_is_proposed_and_keeps_the_limits(service: OptimizerService) -> None:
    answer = ask(service, PLAN)
    RebalanceAnswer.model_validate(answer)
    assert answer["policy_as_applied"]["horizon"]["steps"] == 4
    assert answer["constraints_met"] and answer["trades"]
    assert 0 < answer["turnover_pct"] <= 20 + 1e-6


def test_one_step_is_the_single_period_whose_trades_are_paid_by_it(service: OptimizerService) -> None:
    alone = ask(service, {**PLAN, "horizon": None, "cost_horizon_years": 63 / 252})
    single = ask(service, PLAN | {"horizon": {"steps": 1, "step_days": 63}})
    assert [(t["symbol"], t["quantity"]) for t in single["trades"]] == [
        (t["symbol"], t["quantity"]) for t in alone["trades"]
    ]


def test_what_a_horizon_does_not_know_is_refused_by_name(service: OptimizerService) -> None:
    with pytest.raises(PolicyError, match="max_holdings"):
        ask(service, PLAN | {"max_holdings": 2})
    with pytest.raises(PolicyError, match="limits on shares of risk"):
        ask(service, PLAN | {"max_risk_share_pct": 50})
    caps = {"AAPL": [0, 10], "RY": [0, 10], "XIU": [0, 10]}
    with pytest.raises(InfeasibleError, match="gives way for a single period alone"):
        ask(service, PLAN | {"asset_limits_pct": caps, "cash_max_pct": 0})
