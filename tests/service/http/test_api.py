"""The API: the seed's calls unchanged, one shape for every error, and no answer that the pipeline would not give."""

import json
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import duckdb
import httpx
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from service_desk import PACK, PORTFOLIO

from resources.store.warehouse import Warehouse
from service.api import create_app
from service.http.guard import CODES
from service.settings import Settings


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


def execute(client: TestClient, pattern: str, **inputs: Any) -> Any:
    return client.post(
        "/v1/execute", json={"pattern_id": pattern, "inputs": {"portfolio_id": PORTFOLIO, **inputs}}
    )


def test_the_seeds_curl_call(client: TestClient) -> None:
    body = {
        "pattern_id": "policy_rebalance",
        "inputs": {
            "portfolio_id": PORTFOLIO,
            "policies": [],
            "constraints": {"max_te_pct": 4.0, "max_turnover_pct": 10.0, "min_lot_value": 500},
        },
    }
    answer = client.post("/v1/execute", json=body).json()
    result = answer["result"]
    assert result["pricing_pack_id"] == PACK and answer["metadata"]["source"] == f"optimizer:{PACK}"
    assert {limit["constraint"] for limit in result["constraints"]} >= {"max_tracking_error", "max_turnover"}
    assert all(t["trade_value"] >= 500 for t in result["trades"] if t["action"] != "HOLD")
    assert result["impact"]["value_delta"] == pytest.approx(-result["estimated_costs"])


def test_the_seeds_screen_finds_its_keys_at_the_top(client: TestClient) -> None:
    constraints = {"min_quality_score": 6.0, "max_turnover_pct": 20.0, "method": "risk_parity"}
    answer = execute(client, "policy_rebalance", constraints=constraints).json()
    assert answer["trade_count"] == len(answer["trades"]) == 3
    assert answer["method"] == answer["result"]["method"] == "risk_parity"
    assert answer["turnover_pct"] <= 20 and answer["cost_bps"] > 0


@pytest.mark.parametrize("portfolio", ["seed", "mixed", "newcomers"])
def test_it_proposes_what_the_pipeline_materialized(client: TestClient, portfolio: str) -> None:
    policies = {found["name"]: found["policy"] for found in client.get(f"/v1/packs/{PACK}/portfolios").json()}
    recorded = client.get(f"/v1/packs/{PACK}/trades", params={"portfolio": portfolio}).json()["portfolios"][0]
    answer = execute(
        client,
        "policy_rebalance",
        portfolio_id=portfolio,
        constraints=policies[portfolio],
        pricing_pack_id=PACK,
    ).json()
    keys = ("symbol", "action", "quantity", "value", "cost", "rationale")
    ours = ("symbol", "action", "quantity", "trade_value", "estimated_cost", "rationale")
    assert [[t[k] for k in ours] for t in answer["trades"]] == [
        [t[k] for k in keys] for t in recorded["trades"]
    ]


def test_every_pattern_answers(client: TestClient) -> None:
    trades = execute(client, "policy_rebalance").json()["trades"]
    assert execute(client, "analyze_impact", proposed_trades=trades).json()["current_vol"] > 0
    hedges = execute(client, "suggest_hedges", scenario_id="equity_selloff").json()
    assert hedges["hedges"] and hedges["residual_loss"] < hedges["loss"]
    custom = execute(client, "suggest_hedges", custom_shocks={"equity_pct": -10, "volatility_pct": 50}).json()
    assert custom["scenario_id"] == "custom" and custom["shocks"]["equity"] == pytest.approx(-0.1)
    regime = execute(client, "suggest_deleveraging_hedges", regime="DELEVERAGING").json()
    assert regime["recommendations"][0]["instruments"] == ["AAPL", "RY", "XIU"]
    points = execute(client, "efficient_frontier", constraints={"max_single_position_pct": 60}).json()[
        "points"
    ]
    assert [p["volatility"] for p in points] == sorted(p["volatility"] for p in points) and len(points) > 5
    stress = execute(client, "portfolio_stress").json()
    assert len(stress["scenarios"]) == 39
    profits = [scenario["profit"] for scenario in stress["scenarios"]]
    assert profits == sorted(profits)


FACTORED = {
    "covariance_method": "factor_model",
    "method": "min_volatility",
    "lookback_days": 252,
    "max_turnover_pct": 200,
}


def test_limits_on_factors_and_shares_of_risk_bind_over_http(client: TestClient) -> None:
    def asked(**limits: Any) -> dict[str, Any]:
        return execute(
            client, "policy_rebalance", portfolio_id="mixed", constraints={**FACTORED, **limits}
        ).json()

    free = asked()
    held = {check["constraint"]: check for check in asked(
        max_risk_share_pct=40, limits=["risk:specific <= 60%", "factor:beta >= -2"],
        risk_share_limits_pct={"factors": [10, None]},
    )["constraints"]}  # fmt: skip
    assert held["risk:specific <= 60%"]["achieved"] <= 0.6 and held["factor:beta >= -2"]["slack"] >= 0
    assert held["min_risk_share factors"]["achieved"] >= 0.1
    assert any(name.startswith("max_risk_share ") for name in held)
    assert any("moves the exposure to " in trade["rationale"] for trade in free["trades"])
    refused = execute(
        client, "policy_rebalance", portfolio_id="mixed", constraints={"limits": ["risk:specific >= 20%"]}
    )
    assert refused.status_code == 422 and "set covariance_method to factor_model" in refused.json()["message"]


def test_named_factors_are_hedged_by_the_funds_of_the_catalogue(client: TestClient) -> None:
    found = execute(client, "suggest_factor_hedges", portfolio_id="mixed", targets={"market": 0.3}).json()
    assert found["exposures_before"]["market"] > 0.3 and found["hedges"]
    assert abs(found["exposures_after"]["market"]) < abs(found["exposures_before"]["market"])
    added = sum(hedge["exposures"]["market"] for hedge in found["hedges"])
    assert found["exposures_before"]["market"] + added == pytest.approx(found["exposures_after"]["market"])
    assert found["total_cost"] > 0 and min(found["volatility_after_pct"], found["volatility_before_pct"]) > 0
    none = execute(client, "suggest_factor_hedges", portfolio_id="mixed", targets={"market": 9.0}).json()
    sides = [none[f"volatility_{side}_pct"] for side in ("before", "after")]
    assert none["hedges"] == [] and sides == [pytest.approx(found["volatility_before_pct"])] * 2
    wrong = execute(client, "suggest_factor_hedges", portfolio_id="mixed", targets={"luck": 0.3})
    assert wrong.status_code == 422 and "there is no factor 'luck'" in wrong.json()["message"]


def test_a_window_that_the_pack_reaches_is_replayed(client: TestClient, home: Path) -> None:
    answer = execute(
        client, "portfolio_stress", portfolio_id="mixed", scenario_ids=["LAST_SPRING", "CRISIS_2008"]
    )
    found = {scenario["scenario_id"]: scenario for scenario in answer.json()["scenarios"]}
    assert {position["source"] for position in found["CRISIS_2008"]["positions"]} == {"history"}
    positions = {position["symbol"]: position for position in found["LAST_SPRING"]["positions"]}
    assert {position["source"] for position in positions.values()} == {"replayed"}
    close = pd.read_csv(home.parent / "us" / "SPY.csv").set_index("date")["close"]
    real = close["2025-04-30"] / close["2025-03-03"] - 1
    assert positions["SPY"]["profit"] == pytest.approx(positions["SPY"]["value"] * real, rel=1e-6)


def test_templates_are_policies(client: TestClient) -> None:
    own = {"max_turnover_pct": 30, "max_tracking_error_pct": None}
    answer = execute(client, "policy_rebalance", template="quality_focused", constraints=own).json()
    applied = answer["policy_as_applied"]
    assert (applied["max_weight"], applied["max_turnover"]) == (0.10, 0.15)


BAD = [
    ({"constraints": {"max_turnover_pct": 0.2}}, "policy_invalid", "20"),
    ({"constraints": {"max_turnover": 20}}, "policy_invalid", "max_turnover_pct"),
    ({"constraints": {"min_position_pct": 101}}, "policy_invalid", "min_position_pct"),
    ({"constraints": {"risk_free_rate": 2.0}}, "policy_invalid", "risk_free_rate"),
    ({"constraints": {"method": "magic"}}, "policy_invalid", "mean_variance"),
    ({"policies": [{"type": "target_allocation", "category": "growth", "value": 0.3}]}, "policy_invalid", "sector"),
    (
        {"policies": [{"type": "max_sector", "value": 30}], "constraints": {"max_sector_pct": 9}},
        "policy_invalid", "twice",
    ),
    ({"template": "reckless"}, "policy_invalid", "quality_focused"),
    ({"ratings": {"TSLA": 5}}, "policy_invalid", "TSLA"),
    ({"portfolio_id": "nobody"}, "policy_invalid", "mixed"),
    ({"pricing_pack_id": "PP_2020-01-02"}, "pricing_pack_not_found", PACK),
    ({"pricing_pack_id": "latest"}, "pricing_pack_not_found", "PP_2025-10-26"),
    ({"surprise": 1}, "policy_invalid", "surprise"),
    (
        {"constraints": {"asset_limits_pct": {"AAPL": [0, 10], "RY": [0, 10], "XIU": [0, 10]}, "cash_max_pct": 5,
                         "forced_cash": "fail"}},
        "limits_conflict", "cash_max",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("inputs", "code", "said"), BAD)
def test_a_wrong_request_says_what_to_do(
    client: TestClient, inputs: dict[str, Any], code: str, said: str
) -> None:
    answer = execute(client, "policy_rebalance", **inputs)
    assert answer.status_code == CODES[code][0]
    assert answer.json()["code"] == code and said in answer.json()["message"]
    assert answer.headers["x-request-id"] == answer.json()["trace_id"]


@pytest.mark.parametrize(
    ("pattern", "inputs", "said"),
    [
        ("suggest_hedges", {"scenario_id": "doomsday"}, "equity_selloff"),
        ("suggest_hedges", {"custom_shocks": {"rates_bp": 5}}, "rates_bps"),
        ("suggest_deleveraging_hedges", {"regime": "BOOM"}, "REFLATION"),
        (
            "analyze_impact",
            {"proposed_trades": [{"symbol": "AAPL", "action": "SELL", "quantity": 9000}]},
            "held",
        ),
        ("analyze_impact", {"proposed_trades": [{"symbol": "ZZZ", "action": "BUY", "quantity": 1}]}, "ZZZ"),
    ],
)
def test_the_unknown_is_named(client: TestClient, pattern: str, inputs: dict[str, Any], said: str) -> None:
    answer = execute(client, pattern, **inputs)
    assert (answer.status_code, answer.json()["code"]) == (422, "policy_invalid")
    assert said in answer.json()["message"]


@pytest.mark.parametrize(
    "body",
    [b"", b"[1]", b"{", b'{"pattern_id": NaN}', b'{"a": 1, "a": 2}', b'{"a": "\\ud800"}', b"[" * 100_000, b"\xff",
     b'{"a": ' + b"9" * 5000 + b"}"],
)  # fmt: skip
def test_what_is_no_json_object_is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post("/v1/execute", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "json_invalid")


def test_a_page_of_others_cannot_ask_through_the_desks_browser(client: TestClient) -> None:
    plain = client.post("/v1/execute", content=b"{}", headers={"Content-Type": "text/plain"})
    assert (plain.status_code, plain.json()["code"]) == (415, "media_type")
    assert client.get("/v1/packs", headers={"Host": "evil.example:8000"}).json()["code"] == "unauthorized"
    assert client.get("/v1/packs", headers={"Host": "127.0.0.1:8000"}).status_code == 200
    assert client.get("/v1/packs", headers={"Host": "[::1]:8000"}).status_code == 200
    for host in (
        "localhost.",
        "127.1",
        "2130706433",
        "[::]",
        "[::1%evil.example]",
        "127.0.0.1@evil.example",
        "",
    ):
        assert client.get("/v1/packs", headers={"Host": host}).status_code == 401, host
    two = [("Host", "evil.example"), ("Host", "127.0.0.1")]
    for hosts in (two, two[::-1], two[1:] * 2):
        assert client.get("/v1/packs", headers=httpx.Headers(hosts)).status_code == 401, hosts
    assert client.get("/v1/packs/", follow_redirects=False).json()["code"] == "not_found"


def test_an_unknown_pattern_is_named(client: TestClient) -> None:
    answer = execute(client, "make_me_rich")
    assert answer.status_code == 422 and "portfolio_stress" in answer.json()["message"]


def test_a_large_body_is_refused(client: TestClient) -> None:
    answer = client.post("/v1/execute", content=b" " * 300_000)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_paths_that_do_not_exist(client: TestClient) -> None:
    assert client.get("/v2").json()["code"] == "not_found"
    put = client.put("/v1/packs")
    assert (put.json()["code"], put.headers["allow"]) == ("method_not_allowed", "GET")
    assert client.get("/v1/packs/nonsense/trades").json()["code"] == "request_invalid"
    assert client.get("/v1/packs/PP_2001-01-02/weights").json()["code"] == "pricing_pack_not_found"


def test_packs_can_be_read(client: TestClient) -> None:
    assert [pack["pack_id"] for pack in client.get("/v1/packs").json()] == [PACK]
    for view in ("weights", "exposures", "results"):
        assert client.get(f"/v1/packs/{PACK}/{view}").json()["pack_id"] == PACK
    assert len(client.get("/v1/catalogue").json()["scenarios"]) == 39
    assert client.get("/ready").json()["newest_pack"] == PACK
    assert client.get("/health").json() == {"status": "ok"}
    assert [client.head(path).status_code for path in ("/health", "/ready")] == [200, 200]
    assert [client.put(path).headers["allow"] for path in ("/health", "/ready")] == ["GET, HEAD"] * 2


def test_keys_are_asked_for_where_they_are_set(settings: Settings) -> None:
    told = replace(settings, keys=frozenset({sha256(b"secret").hexdigest()}))
    with TestClient(create_app(told)) as client:
        assert client.get("/v1/packs").json()["code"] == "unauthorized"
        assert client.get("/v1/packs", headers={"X-API-Key": "wrong"}).status_code == 401
        assert client.get("/v1/packs", headers={"X-API-Key": "secret"}).status_code == 200
        assert client.get("/health").status_code == 200


def test_without_keys_only_this_machine_is_served(settings: Settings) -> None:
    with TestClient(create_app(settings), client=("192.0.2.7", 5)) as client:
        assert client.get("/v1/packs").json()["code"] == "unauthorized"


def test_a_caller_that_asks_too_often_is_told_so(settings: Settings) -> None:
    with TestClient(create_app(replace(settings, per_second=0.3))) as client:
        codes = [client.get("/health").status_code for _ in range(5)]
    assert codes == [200, 200, 200, 429, 429]


def test_no_traceback_leaves(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(settings)
    app.state.service = None
    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.get("/v1/packs")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "Traceback" not in answer.text and "NoneType" in caplog.text


def test_each_proposal_is_a_logged_decision(client: TestClient, settings: Settings) -> None:
    answer = execute(client, "policy_rebalance", constraints={"max_turnover_pct": 10}).json()
    last = json.loads(settings.decisions.read_text("utf-8").splitlines()[-1])
    assert (last["trace_id"], last["caller"], last["pricing_pack_id"]) == (
        answer["trace_id"],
        "loopback",
        PACK,
    )
    assert [trade["symbol"] for trade in last["trades"]] == [trade["symbol"] for trade in answer["trades"]]


def test_a_proposal_that_cannot_be_recorded_is_not_made_and_leaves_nothing(
    client: TestClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int, line: bytes) -> int:
        """A disk that takes a few bytes of the line."""
        return write(handle, line[:7])

    write, before = os.write, settings.decisions.read_bytes()
    monkeypatch.setattr(os, "write", full)
    told = execute(client, "policy_rebalance")
    monkeypatch.undo()
    assert (told.status_code, told.json()["code"]) == (507, "not_recorded")
    assert "No space left" in told.json()["message"] and "make room" in told.json()["remedy"]
    assert settings.decisions.read_bytes() == before
    assert execute(client, "policy_rebalance").status_code == 200


@pytest.mark.parametrize(
    "refusal", [PermissionError(13, "Permission denied"), duckdb.IOException("cannot open")]
)
def test_what_the_machine_refuses_is_told_as_that(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, refusal: Exception
) -> None:
    app = create_app(settings)
    monkeypatch.setattr(app.state.service.desk.published, "read", Mock(side_effect=refusal))
    with TestClient(app, raise_server_exceptions=False) as client:
        told = client.get("/v1/packs")
    assert (told.status_code, told.json()["code"]) == (503, "machine_refused")


def test_no_request_fails_while_a_run_publishes(client: TestClient, settings: Settings) -> None:
    """A writer replaces the published copy again and again; readers see one copy or the next, never an error."""
    stop = threading.Event()
    warehouse = Warehouse(settings.home)
    published = []

    def publish() -> None:
        while not stop.wait(0.01):
            twin = Path(shutil.copy(warehouse.published, warehouse.home / "published.tmp"))
            published.append(twin.replace(warehouse.published))  # as `publish` does after a write

    writer = threading.Thread(target=publish)
    writer.start()
    try:
        answers = [execute(client, "policy_rebalance") for _ in range(2)]
        while len(answers) < 20 or (len(published) < 2 and writer.is_alive()):
            answers.append(client.get("/v1/packs"))
    finally:
        stop.set()
        writer.join()
    assert {answer.status_code for answer in answers} == {200}
    assert len(published) > 1


def test_the_service_cannot_write(settings: Settings) -> None:
    from service.desk import Desk

    with Desk(settings).read() as reading, pytest.raises(duckdb.InvalidInputException):
        reading.con.execute("insert into configs values ('a', 'b', 1)")


def test_every_error_code_is_documented(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    statuses = described["paths"]["/v1/execute"]["post"]["responses"]
    assert {str(status) for status, _ in CODES.values()} <= set(statuses)
    shapes = described["paths"]["/v1/execute"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]["oneOf"]
    assert len(shapes) == 7
