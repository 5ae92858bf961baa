"""What the daily run wrote of impact and hedges is what the service answers; and a row leads back to its prices."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from command_line import Desk
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


@pytest.mark.parametrize("portfolio", ["seed", "mixed", "newcomers", "opinions"])
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


def test_pooled_views_and_the_band_are_the_same_in_the_run_and_in_the_answer(
    home: Path, service: OptimizerService
) -> None:
    with duckdb.connect(str(home / "published.duckdb"), read_only=True) as con:
        believed = con.execute(
            "select symbol, prior_return, posterior_return, posterior_volatility from latest_posterior_returns join "
            "latest_portfolio_snapshots s using (pack_id, portfolio_id) where s.name = 'opinions' order by symbol"
        ).fetchall()
        wanted = con.execute(
            "select w.symbol, weight, current_weight from latest_optimal_weights w join latest_portfolio_snapshots s "
            "using (pack_id, portfolio_id) where s.name = 'opinions'"
        ).fetchall()
    returns = {symbol: after for symbol, _, after, _ in believed}
    assert returns["SPY"] - returns["TLT"] <= 0.01 + 1e-9
    assert any(abs(after - before) > 0.001 for _, before, after, _ in believed)
    assert {symbol: risk for symbol, *_, risk in believed}["SPY"] == pytest.approx(0.22, abs=1e-6)
    for _, weight, current in wanted:
        assert abs(weight - current) < 1e-8 or abs(weight - current) >= 0.05 - 1e-8 or weight < 1e-8
    policy = {"method": "mean_variance", "view_model": "entropy_pooling", "max_single_position_pct": 60.0,
              "no_trade_band_pct": 5.0}  # fmt: skip
    answer = asyncio.run(service.propose_trades("opinions", policy, PACK))
    targets = {trade["symbol"]: trade["target_weight_pct"] for trade in answer["trades"]}
    for symbol, weight, _ in wanted:
        assert targets.get(symbol, 0.0) == pytest.approx(100 * weight, abs=1e-6)
    assert {c["constraint"]: c["slack"] for c in answer["constraints"]}["no_trade_band"] >= 0


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


def test_the_regime_is_detected_and_is_the_playbooks_default(client: TestClient) -> None:
    found = client.get(f"/v1/packs/{PACK}/regime").json()
    assert found["regime"] == "LATE_EXPANSION" and found["problems"] == []
    assert found["score"] == found["scores"]["LATE_EXPANSION"] == max(found["scores"].values())
    known = {row["series"]: row["known_at"] for row in found["drivers"]}
    assert max(known.values()) <= "2025-10-26" and known["UNRATE"] == "2025-10-13"
    asked = {"pattern_id": "suggest_deleveraging_hedges", "inputs": {"portfolio_id": "mixed"}}
    assert client.post("/v1/execute", json=asked).json()["regime"] == "LATE_EXPANSION"


@pytest.mark.slow
def test_a_decision_is_in_the_warehouse_after_the_next_run(tmp_path: Path, home: Path) -> None:
    """A copy of the desk, so that the others find theirs unchanged."""
    shutil.copytree(home.parent, tmp_path / "desk")
    desk = tmp_path / "desk"
    told = Settings(desk / "home", desk / "config", desk / "home" / "decisions.jsonl")
    asked = {"pattern_id": "policy_rebalance", "inputs": {"portfolio_id": "seed"}}
    with TestClient(create_app(told)) as client:
        trace = client.post("/v1/execute", json=asked).json()["trace_id"]
        assert client.get(f"/v1/packs/{PACK}/decisions").json()["decisions"] == []
        for _ in range(2):
            done = Desk(told.home, told.config).packfolio("ingest")
            assert done.returncode == 0, done.stderr
        (decision,) = client.get(f"/v1/packs/{PACK}/decisions").json()["decisions"]
        assert (decision["trace_id"], decision["caller"]) == (trace, "loopback")
        assert [order["symbol"] for order in decision["trades"]]
        asked_for = {"table": "decisions", "symbol": "seed"}
        lineage = client.get(f"/v1/packs/{PACK}/trace", params=asked_for).json()
        assert lineage["facts"]["trace_id"] == trace and "portfolio_snapshots" in str(lineage["from"])
