"""Schemathesis on our own OpenAPI: requests made from the description never break the service.

Every answer is below 500, and an error is in the one shape with the status of its code.
"""

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples

from service.api import create_app
from service.http.guard import CODES
from service.patterns import PATTERNS
from service.settings import Settings

PHASES = (Phase.explicit, Phase.generate)  # a failure is shown as it was found
OPERATIONS = [
    "POST /v1/execute", "GET /v1/packs", "GET /v1/catalogue", "GET /v1/packs/{pack_id}/portfolios",
    "GET /v1/packs/{pack_id}/accounts",
    "GET /v1/packs/{pack_id}/performance", "GET /v1/packs/{pack_id}/attribution", "GET /v1/packs/{pack_id}/regime",
    "GET /v1/packs/{pack_id}/decisions",
    "GET /v1/packs/{pack_id}/trace",
    "GET /v1/packs/{pack_id}/{view}", "GET /health", "GET /ready",
]  # fmt: skip


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def operations(client: TestClient) -> dict[str, Any]:
    """METHOD path -> operation, of the application's own description."""
    gc.collect()  # Dagster contexts of earlier tests parse as they end; CPython 3.11 fails within another parse then
    import schemathesis  # 3 s: only here, and in a fresh environment pytest parses it here

    described = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    found = [result.ok() for result in described.get_all_operations()]
    return {f"{operation.method.upper()} {operation.path}": operation for operation in found}


def test_every_operation_is_tried(operations: dict[str, Any]) -> None:
    assert sorted(operations) == sorted(OPERATIONS)


def hold(client: TestClient, operation: Any, count: int) -> None:
    """That many requests of one operation."""

    @examples(max_examples=count, phases=PHASES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def tried(case: Any) -> None:
        asked = case.as_transport_kwargs(base_url="http://testserver")
        answer = client.request(**{key: asked[key] for key in asked if asked[key] is not None})
        assert answer.status_code < 500, (asked, answer.text)
        if answer.status_code >= 400:
            found = answer.json()
            assert set(found) == {"code", "message", "remedy", "trace_id"}
            assert CODES[found["code"]][0] == answer.status_code

    tried()


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_request_breaks_the_service(client: TestClient, operations: dict[str, Any], name: str) -> None:
    hold(client, operations[name], 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATIONS)
def test_no_request_breaks_it_in_the_long_run(
    client: TestClient, operations: dict[str, Any], name: str
) -> None:
    hold(client, operations[name], 1500 if name.startswith("POST") else 300)


def test_every_bound_of_a_parameter(client: TestClient) -> None:
    found: dict[str, set[tuple[Any, ...]]] = {}
    for path in client.get("/openapi.json").json()["paths"].values():
        for parameter in [one for asked in path.values() for one in asked.get("parameters", ())]:
            kind = parameter["schema"].get("anyOf", [parameter["schema"]])[0]
            bounds = tuple(kind.get(key) for key in ("minimum", "maximum", "maxLength"))
            found.setdefault(parameter["name"], set()).add(bounds)
    assert found == {
        "limit": {(1, 2000, None)}, "offset": {(0, 10_000_000, None)}, "window": {(5, 2520, None)},
        "pack_id": {(None, None, 20)}, "symbol": {(None, None, 32)}, "outcome": {(None, None, 16)},
        **{name: {(None, None, 64)} for name in ("search", "model", "portfolio", "table", "factor")},
        **{name: {(None, None, None)} for name in ("from", "to", "view")},
    }  # fmt: skip


def bounds_in(schema: dict[str, Any], where: str = "") -> Iterator[tuple[str, Any]]:
    """Each bound of a schema: where it stands and its key, and its value."""
    yield from ((f"{where} {key}", value) for key, value in schema.items() if key.startswith(("min", "max")))
    for name, inner in schema.get("properties", {}).items():
        yield from bounds_in(inner, f"{where}.{name}" if where else name)
    for inner in [*schema.get("anyOf", ()), schema.get("additionalProperties")]:
        yield from bounds_in(inner, where) if isinstance(inner, dict) else ()


def test_every_bound_of_an_input() -> None:
    schemas = {name: pattern.inputs.model_json_schema() for name, pattern in PATTERNS.items()}
    found = {name: dict(bounds_in(schema)) for name, schema in schemas.items()}
    every = {"portfolio_id minLength": 1, "portfolio_id maxLength": 64, "pricing_pack_id maxLength": 24}
    own: dict[str, dict[str, float]] = {
        "policy_rebalance": {"template maxLength": 64, "policies maxItems": 100, "views maxItems": 1000},
        "analyze_impact": {"proposed_trades maxItems": 5000},
        "suggest_hedges": {
            "scenario_id maxLength": 64, "max_cost_bps minimum": 0, "max_cost_bps maximum": 10_000,
        },
        "suggest_factor_hedges": {
            "targets minProperties": 1, "targets maxProperties": 100, "targets minimum": 0, "targets maximum": 100,
        },
        "suggest_deleveraging_hedges": {"regime maxLength": 64},
        "portfolio_stress": {
            "scenario_ids maxItems": 100, "custom_factors maxProperties": 100, "custom_factors maximum": 10,
        },
        "efficient_frontier": {
            "policies maxItems": 100, "weights maxProperties": 5000, "weights minimum": -10, "weights maximum": 10,
            "views maxItems": 1000,
        },
    }  # fmt: skip
    assert found == {name: every | bounds for name, bounds in own.items()}
    assert dict(bounds_in(schemas["analyze_impact"]["$defs"]["TradeInput"])) == {
        "symbol minLength": 1, "symbol maxLength": 32, "quantity minimum": 0, "quantity maximum": 1e15,
        "estimated_cost minimum": 0, "estimated_cost maximum": 1e15,
    }  # fmt: skip
