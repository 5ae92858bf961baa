"""What a key may: its scope, its portfolios; how much is told at once, and what a page holds."""

import re
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from fastapi.testclient import TestClient
from service_desk import PACK, PORTFOLIO

from optimizer import PolicyError
from service import views
from service.api import create_app
from service.http import readings
from service.http.callers import Caller
from service.http.server import main, refuse_open_door
from service.settings import Settings

WORDS = (b"read", b"propose", b"admin", b"own", b"head")
READ, PROPOSE, ADMIN, OWN, HEAD = (sha256(word).hexdigest() for word in WORDS)
KEYS = (
    f"{READ}:read {PROPOSE}:propose\n# the head of the desk\n{ADMIN}  # everything\n{OWN}:propose:mixed+empty "
    f"{HEAD}:admin:mixed"
)


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    keys = Settings.of_process({"PACKFOLIO_API_KEYS": KEYS}).keys
    with TestClient(create_app(replace(settings, keys=keys)), raise_server_exceptions=False) as client:
        yield client


def get(client: TestClient, key: str, path: str, **params: Any) -> Any:
    return client.get(f"/v1/packs/{PACK}/{path}", params=params, headers={"X-API-Key": key})


def execute(client: TestClient, key: str, portfolio: str) -> tuple[int, Any]:
    body = {"pattern_id": "portfolio_stress", "inputs": {"portfolio_id": portfolio}}
    answer = client.post("/v1/execute", json=body, headers={"X-API-Key": key})
    return answer.status_code, answer.json().get("code")


def test_each_scope_includes_those_before_it(client: TestClient) -> None:
    for key, proposes, heads in (("read", 403, 403), ("propose", 200, 403), ("admin", 200, 200)):
        assert get(client, key, "trades").status_code == 200
        assert execute(client, key, "mixed")[0] == proposes
        assert get(client, key, "decisions").status_code == heads
    assert execute(client, "read", "mixed") == (403, "forbidden")
    assert execute(client, "none", "mixed") == (401, "unauthorized")


def test_a_key_of_some_portfolios_sees_and_asks_for_no_other(client: TestClient) -> None:
    assert [one["name"] for one in get(client, "own", "portfolios").json()] == ["empty", "mixed"]
    shown = get(client, "own", "trades")
    assert [one["name"] for one in shown.json()["portfolios"]] == ["empty", "mixed"]
    assert shown.headers["X-Total-Count"] == "2"
    for other in ("seed", PORTFOLIO, "nobody"):
        told = get(client, "own", "weights", portfolio=other)
        assert (told.status_code, told.json()["code"]) == (403, "forbidden")
        assert told.json()["message"] == "this key may ask for the portfolios empty, mixed only"
        assert execute(client, "own", other) == (403, "forbidden")
        assert get(client, "own", "trace", table="trades", portfolio=other).status_code == 403
    mixed = get(client, "admin", "portfolios").json()[1]
    for name in ("mixed", mixed["portfolio_id"]):
        assert execute(client, "own", name)[0] == 200
        assert get(client, "own", "trace", table="trades", symbol="SPY", portfolio=name).status_code == 200
    assert get(client, "own", "trace", table="optimal_weights").status_code == 403
    assert get(client, "own", "trace", table="prices", symbol="SPY").status_code == 200
    assert len(get(client, "admin", "trades").json()["portfolios"]) == 5  # remembered for each caller apart


@pytest.mark.parametrize(
    "asked",
    [
        # A portfolio called a symbol.
        {
            "table": "optimization_results",
            "symbol": "seed",
            "portfolio": "mixed",
        },
        {"table": "optimization_results", "symbol": PORTFOLIO, "portfolio": "mixed", "factor": "seed"},
        {"table": "trades", "symbol": "SPY", "portfolio": "mixed", "factor": "seed"},
        {"table": "factor_returns", "symbol": "seed"},
        # Of which the answer names whom there is.
        {
            "table": "prices",
            "symbol": "SPY",
            "portfolio": "nobody",
        },
        {"table": "pricing_packs", "symbol": "SPY", "portfolio": "seed"},
        {"table": "return_estimates", "symbol": "SPY", "portfolio": "seed"},  # under his recipe
        {"table": "nonsense", "portfolio": "seed"},
    ],
)
def test_no_part_of_a_lineages_key_leads_to_anothers_portfolio(
    client: TestClient, asked: dict[str, str]
) -> None:
    told = get(client, "own", "trace", **asked)
    assert told.status_code in (403, 422), told.text
    others = ("seed", "newcomers", "opinions", PORTFOLIO)
    assert not any(name in told.json()["message"] for name in others if name not in asked.values())


def test_who_has_no_key_is_told_no_folder(settings: Settings, tmp_path: Path) -> None:
    keys = Settings.of_process({"PACKFOLIO_API_KEYS": KEYS}).keys
    lost = replace(settings, home=tmp_path, keys=keys)
    with TestClient(create_app(lost), raise_server_exceptions=False) as client:
        answers = [client.get("/ready", headers=given) for given in ({}, {"X-API-Key": "read"})]
    assert [answer.status_code for answer in answers] == [409, 409]
    assert [str(tmp_path) in answer.text for answer in answers] == [False, True]


def test_a_lineage_of_a_whole_portfolio_needs_no_symbol(client: TestClient) -> None:
    told = get(client, "own", "trace", table="trades", portfolio="mixed")
    assert told.status_code == 200 and PORTFOLIO not in told.text


def test_who_may_read_decisions_reads_those_of_his_portfolios() -> None:
    named = [("m", "mixed", None), (PORTFOLIO, "seed", None)]
    with duckdb.connect() as con:
        con.execute(
            "create table decisions as select ? as pack_id, 0 as ingest_seq, '[]' as trades, now() as at, "
            "'line' as line_sha256, unnest(['m', ?]) as portfolio_id",
            [PACK, PORTFOLIO],
        )
        reading: Any = SimpleNamespace(
            con=con, pack=lambda _: SimpleNamespace(id=PACK), named=lambda _: named
        )
        for portfolios, seen in ((None, ["m", PORTFOLIO]), (frozenset({"mixed"}), ["m"])):
            told, there = views.decisions(reading, PACK, views.Asked(Caller("head", "admin", portfolios)))
            assert sorted(one["portfolio_id"] for one in told["decisions"]) == sorted(seen)
            assert there == len(seen)


def test_a_lineage_of_decisions_takes_the_scope_that_their_list_takes(client: TestClient) -> None:
    for key, status in (("read", 403), ("propose", 403), ("own", 403), ("admin", 409)):
        assert get(client, key, "trace", table="decisions", portfolio="mixed").status_code == status


def test_what_was_remembered_for_a_higher_scope_is_not_told_to_a_lower_one(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "trace", lambda *_: ({"label": "decisions"}, 1))
    statuses = [
        get(client, key, "trace", table="decisions", symbol="remembered").status_code
        for key in ("admin", "read", "propose", "admin")
    ]
    assert statuses == [200, 403, 403, 200]


def test_large_answers_come_in_pages(client: TestClient) -> None:
    first = get(client, "read", "results", limit=2)
    assert first.headers["X-Total-Count"] == "5"
    assert first.headers["Link"] == f'</v1/packs/{PACK}/results?offset=2&limit=2>; rel="next"'
    names, link = [one["name"] for one in first.json()["portfolios"]], first.headers.get("Link")
    while link:
        page = client.get(link[1 : link.index(">")], headers={"X-API-Key": "read"})
        names += [one["name"] for one in page.json()["portfolios"]]
        link = page.headers.get("Link")
    assert names == ["empty", "mixed", "newcomers", "opinions", "seed"]
    assert get(client, "read", "portfolios", limit=1, offset=4).json()[0]["name"] == "seed"
    for wrong in ({"limit": 0}, {"limit": 10**6}, {"offset": -1}, {"limit": "x"}):
        assert get(client, "read", "trades", **wrong).json()["code"] == "request_invalid"


def labels(node: dict[str, Any]) -> list[str]:
    return [node["label"], *(label for child in node["from"] for label in labels(child))]


def test_a_lineage_tells_so_many_rows_and_how_many_it_leaves_out(client: TestClient) -> None:
    whole = labels(get(client, "read", "trace", table="trades").json())
    some = labels(get(client, "read", "trace", table="trades", limit=12).json())
    assert not [label for label in whole if "more rows" in label] and len(some) < len(whole)
    assert re.fullmatch(
        r"\d+ more rows of trades: ask for one symbol or portfolio, or from an offset on", some[-1]
    )
    count = sum(label.startswith("trades ") for label in whole) - 1  # without the heading
    later = labels(get(client, "read", "trace", table="trades", offset=count - 2).json())
    assert sum(label.startswith("trades ") for label in later) - 1 == 2
    assert get(client, "read", "trace", table="trades", offset=count).json()["code"] == "data_missing"


@pytest.mark.parametrize(
    "keys", ["secret", f"{READ}:write", f"{READ}:read:", f"{READ}:read:a,b", f"{READ}:read {READ}:admin", READ[1:]]
)  # fmt: skip
def test_a_key_that_is_none_is_refused_at_the_start(keys: str) -> None:
    with pytest.raises(PolicyError, match="key"):
        Settings.of_process({"PACKFOLIO_API_KEYS": keys})


def test_a_file_of_keys_that_is_not_there_is_told() -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        Settings.of_process({"PACKFOLIO_API_KEYS_FILE": "/nowhere/keys.txt"})


@pytest.mark.parametrize("text", ["", "\n", "# of the desk\n"])
def test_a_file_without_a_key_opens_no_door(tmp_path: Path, text: str) -> None:
    """A file that a full disk had emptied served every caller on the machine."""
    (tmp_path / "keys").write_text(text)
    with pytest.raises(
        PolicyError, match="PACKFOLIO_API_KEYS_FILE holds no key, and without keys every caller"
    ):
        Settings.of_process({"PACKFOLIO_API_KEYS_FILE": str(tmp_path / "keys")})
    if text.strip():
        with pytest.raises(PolicyError, match="PACKFOLIO_API_KEYS holds no key"):
            Settings.of_process({"PACKFOLIO_API_KEYS": text})


@pytest.mark.parametrize("rate", ["none", "0", "-1", "nan", "inf"])
def test_a_rate_that_is_none_is_told(rate: str) -> None:
    with pytest.raises(PolicyError, match=f"PACKFOLIO_REQUESTS_PER_SECOND is '{rate}': it must be"):
        Settings.of_process({"PACKFOLIO_REQUESTS_PER_SECOND": rate})


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "127.evil.com", "10.0.0.1", "example.com", "", "localhost.", "1"],  # noqa: S104
)
def test_an_address_that_others_reach_takes_keys(
    host: str, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(PolicyError, match="PACKFOLIO_API_KEYS_FILE"):
        refuse_open_door(host, settings)
    refuse_open_door(host, replace(settings, keys=frozenset({READ})))
    assert main(["--host", host]) == 2
    assert f"PolicyError --host {host} is not" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_this_machine_alone_takes_none(host: str, settings: Settings) -> None:
    refuse_open_door(host, settings)


def test_the_page_of_docs_loads_nothing_and_names_every_path(settings: Settings) -> None:
    with TestClient(create_app(settings)) as client:
        page = client.get("/docs")
        paths = client.get("/openapi.json").json()["paths"]
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert "<script" not in page.text and not re.search(r"(src|href)=[\"'](?!/openapi.json)", page.text)
    assert "//" not in page.text.replace("https://", "") or "http" not in page.text
    assert all(path in page.text for path in paths)


def test_json_is_json_in_any_case_and_nothing_else_is(settings: Settings) -> None:
    body = b'{"pattern_id": "portfolio_stress", "inputs": {"portfolio_id": "mixed"}}'
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        for kind, status in (
            ("APPLICATION/JSON", 200), ("application/json; charset=UTF-8", 200), ("application/jsonp", 415),
            ("application/json-patch+json", 415), ("text/plain", 415), ("application/json; charset=utf-16", 415),
        ):  # fmt: skip
            assert (
                client.post("/v1/execute", content=body, headers={"Content-Type": kind}).status_code == status
            )
        assert client.post("/v1/execute", content=body).status_code == 415
