"""Views in a request: those of a portfolio's file, read by the same code, in place of the portfolio's own."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from service_desk import PACK, PORTFOLIOS

from optimizer import PolicyError
from resources.settings.portfolios import PortfolioFile
from resources.settings.yaml_files import parse_yaml
from service import OptimizerService
from service.api import create_app
from service.patterns import RequestContext, optimizer_propose_trades
from service.settings import Settings

BULL = {"assets": ["AAPL"], "type": "absolute", "expected_return_pct": 60.0, "confidence": 0.9}
BEAR = {"assets": {"AAPL": 1.0, "RY": -1.0}, "type": "relative", "expected_return_pct": -40, "error_pct": 1}
JOINT = {
    "portfolios": [{"AAPL": 1.0}, {"XIU": 1.0}],
    "expected_returns_pct": [60.0, 5.0],
    "omega": [1e-4, 1e-4],
}
FREE = {"method": "mean_variance", "max_turnover_pct": 200}
OPINIONS = parse_yaml(PORTFOLIOS["opinions"], PortfolioFile, "opinions")


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


def asked(client: TestClient, pattern: str = "policy_rebalance", **inputs: Any) -> Any:
    body = {"pattern_id": pattern, "inputs": {"portfolio_id": "seed", "pricing_pack_id": PACK, **inputs}}
    return client.post("/v1/execute", json=body)


def targets(client: TestClient, views: list[Any] | None, **inputs: Any) -> dict[str, float]:
    told = asked(client, constraints=FREE, views=views, **inputs)
    assert told.status_code == 200, told.text
    return {trade["symbol"]: trade["target_weight_pct"] for trade in told.json()["trades"]}


def test_views_of_a_request_move_the_target_and_none_leave_it(client: TestClient) -> None:
    plain = targets(client, None)
    assert targets(client, []) == plain  # the portfolio has none of its own
    bull, bear, joint = (targets(client, [view]) for view in (BULL, BEAR, JOINT))
    assert bull["AAPL"] > plain["AAPL"] + 5 and joint["AAPL"] > plain["AAPL"] + 5
    assert bear["AAPL"] < plain["AAPL"] - 5


def test_the_portfolios_own_views_asked_for_are_the_answer_without_any(client: TestClient) -> None:
    own = [view.model_dump(mode="json", exclude_none=True) for view in OPINIONS.views]
    policy = OPINIONS.policy.model_dump(mode="json", exclude_unset=True)
    answers = [
        asked(client, portfolio_id="opinions", constraints=policy, views=views).json()["result"]
        for views in (None, own, [])
    ]
    assert answers[0] == answers[1]
    assert [view["kind"] for view in answers[0]["views_as_applied"]] == ["mean", "volatility", "correlation"]
    assert answers[2]["views_as_applied"] == [] and answers[2]["trades"] != answers[0]["trades"]


def test_the_impact_and_the_frontier_rest_on_the_views_asked_for(client: TestClient) -> None:
    returns, ends = [], []
    for views in ([], [BULL]):
        told = asked(client, constraints=FREE, views=views).json()
        returns.append(told["impact"]["current_expected_return"])
        points = asked(client, "efficient_frontier", constraints={}, views=views).json()["points"]
        ends.append(max(point["expected_return"] for point in points))
    assert returns[1] > returns[0] + 0.05 and ends[1] > ends[0] + 0.05


def test_a_decision_is_told_apart_by_its_views(client: TestClient, settings: Settings) -> None:
    found = []
    for views in ([], [BULL], [BULL], None):
        asked(client, constraints=FREE, views=views)
        found.append(json.loads(settings.decisions.read_text("utf-8").splitlines()[-1])["policy_hash"])
    assert found[0] == found[3] != found[1] == found[2]


@pytest.mark.parametrize(
    ("views", "constraints", "said"),
    [
        ([{**BULL, "confidense": 1}], {}, "views.0.confidense: unknown key; did you mean confidence"),
        ([{**BULL, "confidence": 1.5}], {}, "views.0.confidence: .*at most 1"),
        ([{**BULL, "type": "absolut"}], {}, "views.0.type: "),
        ([{**JOINT, "omga": [1]}], {}, "views.0.omga: unknown key; did you mean omega"),
        (
            [{"kind": "mean", "assets": ["AAPL"], "value_pc": 5}],
            {},
            "views.0.value_pc: .*did you mean value_pct",
        ),
        (
            [{**BULL, "assets": ["APPL"]}],
            {},
            "names APPL, which is not among the 3 symbols .*; did you mean AAPL",
        ),
        ([BULL], {"view_model": "entropy_pooling"}, "view_model is entropy_pooling, whose views have a kind"),
        (
            [{"kind": "mean", "assets": ["AAPL"], "value_pct": 5}],
            {},
            "black_litterman, whose views have a type",
        ),
        (
            [BULL, {**BULL, "expected_return_pct": 5.0, "confidence": 1.0}, {**BULL, "confidence": 1.0}],
            {},
            "AAPL",
        ),
        ("AAPL", {}, "views"),
        ([7], {}, "views.0"),
        ([BULL] * 1001, {}, "views.*1000"),
    ],
    ids=lambda given: str(given)[:40],
)
def test_a_wrong_view_is_refused_in_the_words_of_a_file(
    client: TestClient, views: Any, constraints: dict[str, Any], said: str
) -> None:
    told = asked(client, constraints={**FREE, **constraints}, views=views)
    assert told.status_code == 422, told.text
    assert re.search(said, told.text), told.text


def test_the_library_door_and_the_agent_take_them_too(as_process: OptimizerService) -> None:
    ctx = RequestContext(PACK, "seed", "2025-10-26")
    by_agent = asyncio.run(optimizer_propose_trades(ctx, {}, constraints=FREE, views=[BULL]))
    by_call = asyncio.run(as_process.propose_trades("seed", FREE, PACK, views=[BULL]))
    assert by_agent["trades"] == by_call["trades"] and by_call["views_as_applied"][0]["assets"] == ["AAPL"]
    with pytest.raises(PolicyError, match="expected_return_pct"):
        asyncio.run(
            as_process.propose_trades("seed", FREE, PACK, views=[{"assets": ["AAPL"], "type": "absolute"}])
        )
