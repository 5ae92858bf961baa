"""Every route with every kind of key: who is served, who is not, and that nobody is told of a portfolio not his own.

A route that is not in the table fails, so that each new one says whom it is for.
"""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

import pytest
from fastapi.testclient import TestClient
from service_desk import EMPTY, NEWCOMERS, PACK, PORTFOLIO, PORTFOLIOS

import service.api
from optimizer import PolicyError
from service.api import ViewName, create_app
from service.http.callers import Caller, ForbiddenError
from service.patterns import PATTERNS
from service.settings import SCOPES, Settings

KINDS = ("nobody", "unknown", *SCOPES, "own", "gone")
# Of a portfolio that is not there: it may ask for nothing that belongs to one.
GIVEN = {"own": "admin:mixed", "gone": "admin:nobody"} | {scope: scope for scope in SCOPES}
OPEN, ANY, READ, PROPOSE, ADMIN = "open", "any", "read", "propose", "admin"
# What a route needs: nothing; any key; a scope, and the portfolio where one is named.
ROUTES = {
    "GET /health": OPEN, "GET /ready": OPEN, "GET /docs": ANY, "GET /openapi.json": ANY,
    "GET /v1/packs": READ, "GET /v1/catalogue": READ,
    "GET /v1/packs/{pack_id}/portfolios": READ, "GET /v1/packs/{pack_id}/accounts": READ,
    "GET /v1/packs/{pack_id}/performance": READ, "GET /v1/packs/{pack_id}/attribution": READ,
    "GET /v1/packs/{pack_id}/regime": READ, "GET /v1/packs/{pack_id}/decisions": ADMIN,
    "GET /v1/packs/{pack_id}/trace": READ, "GET /v1/packs/{pack_id}/{view}": READ,
    "POST /v1/execute": PROPOSE,
}  # fmt: skip
NAMED = ("performance", "attribution", "trace", "{view}", "execute")  # routes that name a portfolio
OTHERS = ({*PORTFOLIOS} - {"mixed", "empty"}) | {PORTFOLIO, EMPTY, NEWCOMERS}


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    keys = [f"{sha256(name.encode()).hexdigest()}:{told}" for name, told in GIVEN.items()]
    with TestClient(
        create_app(replace(settings, keys=frozenset(keys))), raise_server_exceptions=False
    ) as one:
        yield one


def asked(route: str, portfolio: str) -> list[dict[str, Any]]:
    """The requests of a route, one a view or pattern where it has several, about a portfolio where it can name one."""
    method, path = route.split()
    place = path.replace("{pack_id}", PACK)
    if method == "POST":
        return [
            {
                "method": method,
                "url": place,
                "json": {"pattern_id": name, "inputs": {"portfolio_id": portfolio, **more(name)}},
            }
            for name in PATTERNS
        ]
    if "{view}" in path:
        return [
            {"method": method, "url": place.replace("{view}", view), "params": {"portfolio": portfolio}}
            for view in get_args(ViewName)
        ]
    last = path.rpartition("/")[2]
    params = {"portfolio": portfolio} if last in NAMED else {}
    params |= {"symbol": "SPY"} if last == "trace" else {}
    params |= {"search": portfolio} if last in ("portfolios", "accounts") else {}
    return [{"method": method, "url": place, "params": params}]


def more(pattern: str) -> dict[str, Any]:
    return {
        "analyze_impact": {"proposed_trades": [{"symbol": "SPY", "action": "BUY", "quantity": 1}]},
        "suggest_hedges": {"scenario_id": "equity_selloff"},
        "suggest_factor_hedges": {"targets": {"market": 0.1}},
        "suggest_deleveraging_hedges": {"regime": "LATE_EXPANSION"},
    }.get(pattern, {})


def ask(client: TestClient, kind: str, request: dict[str, Any]) -> Any:
    return client.request(**request, headers={} if kind == "nobody" else {"X-API-Key": kind})


def refusal(kind: str, needs: str, named: bool) -> int | None:
    """The status of whom is not served."""
    if needs == OPEN:
        return None
    if kind in ("nobody", "unknown"):
        return 401
    if needs in SCOPES and SCOPES.index(needs) > SCOPES.index(GIVEN[kind].split(":")[0]):
        return 403
    return 403 if kind == "gone" and named else None


def test_each_route_says_whom_it_is_for(client: TestClient) -> None:
    app: Any = client.app
    there = {
        f"{method} {route.path}" for route in app.routes for method in route.methods - {"HEAD", "OPTIONS"}
    }
    assert there == ROUTES.keys()
    described = client.get("/openapi.json", headers={"X-API-Key": "read"}).json()["paths"]
    assert {f"{method.upper()} {path}" for path in described for method in described[path]} <= there


@pytest.mark.parametrize("route", ROUTES)
def test_each_kind_of_key_is_served_what_it_may_ask_and_nothing_else(client: TestClient, route: str) -> None:
    for kind in KINDS:
        for request in asked(route, "mixed"):
            answer, refused = ask(client, kind, request), refusal(kind, ROUTES[route], route.endswith(NAMED))
            if refused:
                assert (answer.status_code, [*answer.json()]) == (
                    refused,
                    ["code", "message", "remedy", "trace_id"],
                )
            else:
                assert answer.status_code not in (401, 403), (kind, request, answer.text)


@pytest.mark.parametrize("route", ROUTES)
def test_who_has_one_portfolio_is_told_of_no_other(client: TestClient, route: str) -> None:
    for name in ("mixed", "seed", PORTFOLIO):
        for request in asked(route, name):
            told = ask(client, "own", request)
            assert not [other for other in OTHERS if f'"{other}"' in told.text], (request, told.text[:500])
            assert name == "mixed" or not route.endswith(NAMED) or told.status_code == 403, request


def test_a_name_that_is_anothers_key_means_ones_own() -> None:
    """Accounts choose their names: whoever is called as another's key is not served with the other's figures."""
    rows: list[tuple[str, str, str | None]] = [("growth", "first", "model"), ("B.7_x", "growth", "model")]
    rows += [(key, "twin", "model") for key in ("C1", "C2", "C3")]
    told = f"{'a' * 64}:read:B.7_x+C1+C2"
    (key,) = Settings.of_process({"PACKFOLIO_API_KEYS": told}).keys
    mine = Caller("some", "read", frozenset(key.split(":")[2].split("+")))
    assert [mine.chosen(rows, wanted) for wanted in ("growth", "B.7_x", "C2")] == ["B.7_x", "B.7_x", "C2"]
    for wanted in ("first", "C3", "", "B.7"):
        with pytest.raises(ForbiddenError):
            mine.chosen(rows, wanted)
    with pytest.raises(PolicyError, match=r"2 accounts have the name 'twin': C1, C2; give the key"):
        mine.chosen(rows, "twin")
    assert Caller("all").chosen(rows, "growth") == "growth"


@pytest.mark.parametrize(
    ("given", "own"),
    [
        ("growth", ["growth"]),  # a key; not the accounts and the portfolio that are called so
        ("income", ["UUID-1"]),  # the name of a portfolio in YAML; not the account that calls itself so
        ("UUID-2", ["UUID-2"]),
        ("twin", []),
        ("income+C1", ["UUID-1", "C1"]),
    ],
)
def test_what_a_key_was_given_means_one_thing(given: str, own: list[str]) -> None:
    rows: list[tuple[str, str, str | None]]
    rows = [
        ("growth", "first", "model"),
        ("B1", "growth", "model"),
        ("B2", "income", "model"),
        ("C1", "twin", "model"),
    ]
    rows += [("C2", "twin", "model"), ("UUID-1", "income", None), ("UUID-2", "growth", None)]
    caller = Caller("some", "read", frozenset(given.split("+")))
    assert {key for key, _ in caller.own(rows)} == {*own}
    for key, name, _ in rows:
        for wanted in (key, name):
            try:
                assert caller.chosen(rows, wanted) in own
            except ForbiddenError:
                assert not [one for one in rows if one[0] in own and wanted in one[:2]]


def test_what_one_asks_for_by_name_goes_on_by_its_key(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    for name, pattern in PATTERNS.items():
        kept = replace(pattern, run=lambda service, inputs, pack: seen.append(inputs.portfolio_id) or {})
        monkeypatch.setattr(service.api, "PATTERNS", {name: kept})
        (request,) = (one for one in asked("POST /v1/execute", "mixed") if one["json"]["pattern_id"] == name)
        ask(client, "own", request)
    assert seen == [PORTFOLIOS["mixed"].split()[1]] * len(PATTERNS)


def test_a_recipe_tells_nobody_what_others_may_hold(client: TestClient) -> None:
    """Estimates are by recipe: who has one portfolio was told the names of all."""
    for table in ("return_estimates", "covariances", "factor_exposures"):
        asked = {"method": "GET", "url": f"/v1/packs/{PACK}/trace", "params": {"table": table}}
        assert ask(client, "own", asked).status_code == 403
    told = ask(client, "own", asked | {"params": {"table": "return_estimates", "portfolio": "mixed"}})
    assert told.status_code == 200 and '"GLD"' in told.text and '"RY"' not in told.text
    assert '"RY"' in ask(client, "read", asked | {"params": {"table": "return_estimates"}}).text


def test_a_mistake_in_a_file_of_the_desk_is_no_callers_and_names_no_portfolio_to_others(
    settings: Settings, tmp_path: Path
) -> None:
    """Who has one portfolio was told the file of another one, its keys, and to correct his policy."""
    config = Path(shutil.copytree(settings.config, tmp_path / "config"))
    with (config / "portfolios" / "seed.yaml").open("a") as file:
        file.write("merger: 5\n")
    keys = frozenset(f"{sha256(name.encode()).hexdigest()}:{told}" for name, told in GIVEN.items())
    (request,) = (
        one for one in asked("POST /v1/execute", "mixed") if "rebalance" in one["json"]["pattern_id"]
    )
    with TestClient(create_app(replace(settings, config=config, keys=keys))) as client:
        own, desk = (ask(client, kind, request) for kind in ("own", "admin"))
    for told in (own, desk):
        assert (told.status_code, told.json()["code"]) == (503, "configuration_invalid")
        assert "packfolio doctor" in told.json()["remedy"]
    assert "seed" not in own.text and "merger" not in own.text
    assert "seed.yaml:" in desk.text and "merger: unknown key" in desk.text
