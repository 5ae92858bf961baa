"""Schemathesis on our own OpenAPI: requests made from the description never break the service.

Every answer is below 500, and an error is in the one shape with the status of its code.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples

from service.api import create_app
from service.http.guard import CODES
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
    import schemathesis  # 3 s: only here

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
    hold(client, operations[name], 15)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATIONS)
def test_no_request_breaks_it_in_the_long_run(
    client: TestClient, operations: dict[str, Any], name: str
) -> None:
    hold(client, operations[name], 1500 if name.startswith("POST") else 300)
