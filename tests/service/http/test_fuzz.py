"""Whatever is sent, the answer is one of ours: never a 500, always JSON, always a trace."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from draws import examples
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from service_desk import PACK

from resources.settings.policies.policy_schema import PolicyFile
from service.api import create_app
from service.patterns import PATTERNS
from service.settings import Settings


@pytest.fixture(scope="module")
def client(settings_of_desk: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings_of_desk), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def settings_of_desk(request: pytest.FixtureRequest) -> Settings:
    found: Settings = request.getfixturevalue("settings")
    return found


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(
        ["seed", "mixed", "empty", "newcomers", PACK, "equity_selloff", "REFLATION", "AAPL", "BUY", "RY"]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)
JSON = {"Content-Type": "application/json"}
POLICY = st.dictionaries(st.sampled_from(sorted(PolicyFile.model_fields)), VALUES, max_size=4)
NUMBERS = st.floats(0, 100) | st.integers(-5, 300)
PLAUSIBLE = st.fixed_dictionaries(
    {},
    optional={
        "max_single_position_pct": NUMBERS, "max_turnover_pct": NUMBERS, "max_sector_pct": NUMBERS,
        "max_tracking_error_pct": NUMBERS, "cash_min_pct": NUMBERS, "cash_max_pct": NUMBERS,
        "max_volatility_pct": NUMBERS, "min_return_pct": NUMBERS, "lookback_days": st.integers(-1, 2000),
        "min_lot_value": NUMBERS, "target_volatility_pct": NUMBERS,
        "method": st.sampled_from(["mean_variance", "risk_parity", "max_sharpe", "min_volatility", "equal_weight"]),
    },
)  # fmt: skip
TRADES = st.lists(
    st.fixed_dictionaries(
        {"symbol": st.sampled_from(["AAPL", "RY", "SPY", "ZZZ"]), "action": st.sampled_from(["BUY", "SELL", "HOLD"]),
         "quantity": NUMBERS}
    ),
    max_size=3,
)  # fmt: skip


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from(sorted(PATTERNS)))
    inputs: dict[str, Any] = {"portfolio_id": draw(st.sampled_from(["seed", "mixed", "empty", "newcomers"]))}
    for key in PATTERNS[name].inputs.model_fields:
        if key == "constraints":
            inputs[key] = draw(PLAUSIBLE | POLICY)
        elif key == "proposed_trades":
            inputs[key] = draw(TRADES | VALUES)
        elif key != "portfolio_id" and draw(st.booleans()):
            inputs[key] = draw(VALUES)
    return {"pattern_id": name, "inputs": inputs}


@examples(15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies())
def test_no_body_breaks_the_service(client: TestClient, body: dict[str, Any]) -> None:
    answer = client.post("/v1/execute", json=body)
    assert answer.status_code in (200, 404, 409, 422), (body, answer.text)
    assert answer.json()["trace_id"] == answer.headers["x-request-id"]


@examples(8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.text(max_size=30), portfolio=st.text(max_size=30))
def test_no_path_breaks_the_service(client: TestClient, path: str, portfolio: str) -> None:
    for answer in (
        client.get(f"/v1/packs/{PACK}/trades", params={"portfolio": portfolio}),
        client.get("/v1/packs/" + "".join(char for char in path if char.isprintable() and char not in "?#")),
    ):
        assert answer.status_code < 500, answer.text


EXTREME = st.sampled_from(
    [
        0.0,
        -0.0,
        5e-324,
        1e-300,
        1e-12,
        99.999999999,
        100,
        1e15,
        1.7e308,
        -1.7e308,
        2**53 + 1,
        2**63,
        10**300,
        -1,
        1e-6,
    ]
)
MOST_OF_THE_POLICY = sorted(set(PolicyFile.model_fields) - {"method", "tax", "harvest"})


@examples(3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    keys=st.dictionaries(st.sampled_from(MOST_OF_THE_POLICY), EXTREME, min_size=1, max_size=3),
    shock=EXTREME,
    quantity=EXTREME,
    page=st.fixed_dictionaries(
        {"limit": EXTREME, "offset": EXTREME, "table": st.sampled_from(["trades", "prices"])}
    ),
)
def test_no_finite_number_breaks_the_service(
    client: TestClient, keys: dict[str, Any], shock: float, quantity: float, page: dict[str, Any]
) -> None:
    trades = [{"symbol": "SPY", "action": "BUY", "quantity": quantity, "estimated_cost": abs(quantity)}]
    asked: list[tuple[str, dict[str, Any]]] = [
        ("policy_rebalance", {"constraints": keys, "ratings": {"SPY": shock}}),
        ("analyze_impact", {"proposed_trades": trades}),
        ("portfolio_stress", {"custom_shocks": {"equity_pct": shock, "rates_bps": quantity}}),
        ("suggest_hedges", {"custom_shocks": {"usd_pct": shock}, "max_cost_bps": quantity}),
    ]
    for pattern, inputs in asked:
        answer = client.post(
            "/v1/execute", json={"pattern_id": pattern, "inputs": {"portfolio_id": "mixed", **inputs}}
        )
        assert answer.status_code in (200, 409, 422), (pattern, inputs, answer.text[:500])
    assert client.get(f"/v1/packs/{PACK}/trace", params=page).status_code in (200, 409, 422)


VIEW = {"kind": "mean", "assets": {"SPY": 1.7e308}, "value_pct": 1}
EP = {"view_model": "entropy_pooling"}
# Each ended in a 500, the first one in the end of the process.
ONE_NUMBER: dict[str, tuple[dict[str, Any], int]] = {
    "min_lot_value": ({"constraints": {"min_lot_value": 1e308}}, 422),
    "all money there is": ({"constraints": {"min_lot_value": 1e15}}, 200),
    "lot_size": ({"constraints": {"lot_size": 5e-324}}, 422),
    "l2_penalty": ({"constraints": {"l2_penalty": 1e308}}, 422),
    "cost_horizon_years": ({"constraints": {"cost_horizon_years": 1e-30}}, 422),
    "quadratic_cost": ({"constraints": {"horizon": {"quadratic_cost": 1e9}}}, 422),
    "half_life_days": ({"constraints": {"horizon": {"half_life_days": 5e-324}}}, 422),
    "tau": ({"constraints": {"black_litterman": {"tau": 1e308}}}, 422),
    "beta_limits": ({"constraints": {"beta_limits": [2.0**63, None]}}, 422),
    "min_exposures_pct": ({"constraints": {"min_exposures_pct": {"equity": 1e20}}}, 422),
    "a view's weight": ({"constraints": EP, "views": [VIEW]}, 422),
}


@pytest.mark.parametrize("name", ONE_NUMBER)
def test_a_number_out_of_all_bounds_is_told(client: TestClient, name: str) -> None:
    inputs, status = ONE_NUMBER[name]
    asked = {"pattern_id": "policy_rebalance", "inputs": {"portfolio_id": "mixed", **inputs}}
    told = client.post("/v1/execute", json=asked)
    assert told.status_code == status, told.text[:500]
    if status == 200:  # no lot is as dear as that
        assert {trade["action"] for trade in told.json()["trades"]} == {"HOLD"}
    else:
        assert re.search(r"must be|is out of all bounds|each of at most|at least", told.json()["message"])
        assert name not in inputs.get("constraints", {}) or name in told.json()["message"]


@given(content=st.binary(max_size=60))
@examples(8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_break_the_service(client: TestClient, content: bytes) -> None:
    assert client.post("/v1/execute", content=content, headers=JSON).status_code in (400, 404, 422)
