"""Priorities in a request: what each level gave, in the units of an answer, and a conflict in those of a request."""

import asyncio
from typing import Any

import pytest
from service_desk import PACK

from optimizer import InfeasibleError
from resources.settings.policies.limit_words import reason_of
from service import OptimizerService
from service.answers.proposals import RebalanceAnswer

CAPS = {"AAPL": [0, 10], "RY": [0, 10], "XIU": [0, 10]}
TIGHT: dict[str, Any] = {
    "asset_limits_pct": CAPS,
    "cash_max_pct": 5,
    "forced_cash": "fail",
    "max_turnover_pct": 200,
}


def ask(service: OptimizerService, portfolio: str, policy: dict[str, Any]) -> dict[str, Any]:
    return asyncio.run(service.propose_trades(portfolio, policy, PACK))


def test_a_level_is_told_in_the_answer(service: OptimizerService) -> None:
    policy = {**TIGHT, "priorities": {"asset_limits_pct": 2}}
    answer = ask(service, "seed", policy)
    RebalanceAnswer.model_validate(answer)
    [level] = answer["levels"]
    assert level["priority"] == 2 and level["violation"] - level["proven"] <= 1e-6
    assert {given["constraint"] for given in level["gave"]} <= {f"max_weight {symbol}" for symbol in CAPS}
    assert all(given["slack"] == pytest.approx(given["limit"] - given["achieved"]) for given in level["gave"])
    assert answer["constraints_met"] is False
    assert any("gives way by" in said and "%" in said for said in answer["warnings"])
    assert any(said.startswith("priority 2: ") for said in answer["warnings"])
    assert answer["policy_as_applied"]["priorities"] == {"asset_limits": 2}


def test_a_conflict_is_told_in_percent_and_relaxing_by_it_is_enough(service: OptimizerService) -> None:
    with pytest.raises(InfeasibleError) as caught:
        ask(service, "seed", TIGHT)
    told = reason_of(caught.value)
    assert "cash_max_pct is 5% and must give way by " in told
    amount = float(told.split("cash_max_pct is 5% and must give way by ")[1].split("%")[0])
    answer = ask(service, "seed", {**TIGHT, "cash_max_pct": 5 + amount})
    assert answer["levels"] == [] and answer["trades"]
