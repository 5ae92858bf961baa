"""What the daily run wrote of impact and hedges is what the service answers; and a row leads back to its prices."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from service_desk import PACK

from service import OptimizerService
from service.api import create_app
from service.settings import Settings

SAME = ("expected_return", "sharpe", "tracking_error", "cash", "notional")
NAMES = {
    "volatility": "vol",
    "max_drawdown": "max_dd",
    "quality": "avg_quality",
    **{name: name for name in SAME},
}


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings)) as client:
        yield client


def recorded(client: TestClient, view: str, portfolio: str) -> list[dict[str, Any]]:
    tables = {"impact": "impact", "hedges": "hedges", "scenarios": "scenario_losses"}
    found = client.get(f"/v1/packs/{PACK}/{view}", params={"portfolio": portfolio}).json()["portfolios"][0]
    rows: list[dict[str, Any]] = found[tables[view]]
    return rows


def same(ours: Any, theirs: Any) -> bool:
    """Equal, a number but for its last digits."""
    return bool(ours == (pytest.approx(theirs, rel=1e-12) if isinstance(theirs, float) else theirs))


@pytest.mark.parametrize("portfolio", ["seed", "mixed", "newcomers"])
def test_impact_is_what_the_service_answers(client: TestClient, portfolio: str) -> None:
    policies = {found["name"]: found["policy"] for found in client.get(f"/v1/packs/{PACK}/portfolios").json()}
    inputs = {"portfolio_id": portfolio, "pricing_pack_id": PACK, "constraints": policies[portfolio]}
    body = {"pattern_id": "policy_rebalance", "inputs": inputs}
    answer = client.post("/v1/execute", json=body).json()["impact"]
    rows = {row["metric"]: row for row in recorded(client, "impact", portfolio)}
    for metric, name in NAMES.items():
        for side in ("current", "post"):
            assert same(rows[metric][side], answer[f"{side}_{name}"]), (metric, side)
    assert rows["value"]["delta"] == pytest.approx(answer["value_delta"])
    exposures = {name.split()[1].lower() for name in rows if name.startswith("exposure ")}
    assert exposures == set(answer["current_exposures"]) | set(answer["post_exposures"])


def test_hedges_are_what_the_service_answers(client: TestClient, service: OptimizerService) -> None:
    found = 0
    for portfolio in ("seed", "mixed"):
        rows = recorded(client, "hedges", portfolio)
        for loss in recorded(client, "scenarios", portfolio):
            answer = asyncio.run(service.suggest_hedges(portfolio, loss["scenario_id"], PACK))
            assert answer["residual_loss"] == pytest.approx(loss["residual_loss"], rel=1e-12)
            assert max(-loss["profit"], 0.0) == pytest.approx(answer["loss"], rel=1e-12)
            ours = [row for row in rows if row["scenario_id"] == loss["scenario_id"]]
            for row, hedge in zip(ours, answer["hedges"], strict=True):
                assert row["expiry"] == (hedge["expiry"] and hedge["expiry"].isoformat())
                for name in set(row) - {"scenario_id", "sequence", "expiry"}:
                    assert same(row[name], hedge[name]), name
            found += len(ours)
    assert found > 20


def test_an_empty_portfolio_has_no_scenarios(client: TestClient) -> None:
    assert recorded(client, "scenarios", "empty") == recorded(client, "hedges", "empty") == []


def test_a_row_leads_back_to_its_files(client: TestClient) -> None:
    asked = {"table": "trades", "symbol": "AAPL", "portfolio": "seed"}
    tree = client.get(f"/v1/packs/{PACK}/trace", params=asked).json()
    text = str(tree)
    assert tree["label"] == "trades AAPL" and "payload AAPL.csv" in text and "as ingested" in text
    hedge = client.get(f"/v1/packs/{PACK}/trace", params={"table": "hedges", "symbol": "mixed"}).json()
    assert hedge["facts"]["rows"] > 10
    wrong = client.get(f"/v1/packs/{PACK}/trace", params={"table": "nothing"})
    assert wrong.status_code == 422 and "optimal_weights" in wrong.json()["message"]
