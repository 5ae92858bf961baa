"""The edges of the service by themselves: who is let in and how often, how many solve at once, what is kept."""

import asyncio
import json
import logging
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from optimizer import DataError, PackfolioError, PolicyError, SolverError
from service import published
from service.desk import UnknownPackError
from service.http import describe, guard
from service.http.guard import CODES, Guard, code_of
from service.http.intake import BadJsonError, Busy, Solvers, inlined, parsed_json
from service.policies import merged_policy, parse_policy
from service.published import Memory
from service.settings import Settings

KEY, OTHER = (sha256(text).hexdigest() for text in (b"secret", b"other"))


def settings(**changes: Any) -> Settings:
    return Settings(Path("home"), Path("config"), Path("decisions.jsonl"), **changes)


Asked = tuple[int, dict[str, Any], dict[str, str]]


def ask(
    door: Guard, *, path: str = "/v1/packs", client: Any = ("127.0.0.1", 5), body: bytes = b"", **headers: str
) -> Asked:
    """Status, JSON and headers of the answer to one request."""
    given = {"host": "localhost:8000", **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http", "method": "POST", "path": path, "client": client,
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(door(scope, receive, send))
    told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], json.loads(sent[1]["body"]), told


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """An application that says who asked and how long the body is."""
    message = await receive()
    shown = {"caller": scope["state"]["caller"], "bytes": len(message["body"])}
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(shown).encode()})


@pytest.mark.parametrize(
    ("client", "host", "let_in"),
    [
        (("127.0.0.1", 5), "127.0.0.1:8000", True),
        (("127.0.0.1", 5), "localhost", True),
        (("::1", 5), "[::1]:8000", True),
        (("127.8.8.8", 5), "LOCALHOST:80", True), (("::ffff:127.0.0.1", 5), "127.1.2.3", True),
        (("testclient", 5), "testserver", True), (("127.0.0.1", 5), "testserver", False),
        (("10.0.0.1", 5), "localhost", False), (None, "localhost", False),
        *((("127.0.0.1", 5), name, False) for name in ("127.evil.com", "127.0.0.1.evil.com", "localhost.evil.com")),
        *((("127.0.0.1", 5), name, False) for name in ("0.0.0.0", "127.1", "[::]", "", "127.0.0.1:x")),  # noqa: S104
        (("127.0.0.1", 5), "evil.example:8000", False), (("127.0.0.1", 5), "10.0.0.1", False),
    ],
)  # fmt: skip
def test_without_keys_both_ends_must_be_this_machine(client: Any, host: str, let_in: bool) -> None:
    status, told, _ = ask(Guard(echo, settings()), client=client, host=host)
    assert status == (200 if let_in else 401)
    assert told.get("caller") == ("loopback" if let_in else None)
    assert ask(Guard(echo, settings()), client=client, host=host, path="/health")[0] == 200


@pytest.mark.parametrize("header", ["forwarded", "x_forwarded_for", "x_forwarded_proto", "x_real_ip", "via"])
def test_who_comes_through_a_proxy_is_not_this_machine(header: str) -> None:
    ours: Any = {"client": ("127.0.0.1", 5), "host": "127.0.0.1:8000"}
    assert ask(Guard(echo, settings()), **ours)[0] == 200
    assert ask(Guard(echo, settings()), **ours, **{header: "10.0.0.1"})[0] == 401


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "1e3", "+1", " 1", ""])
def test_a_length_that_is_no_number_of_bytes_is_too_large(length: str) -> None:
    assert ask(Guard(echo, settings()), content_length=length)[0] == 413


def test_with_two_keys_each_names_its_caller_wherever_it_comes_from() -> None:
    door = Guard(echo, settings(keys=frozenset({KEY, OTHER})))
    for given, digest in (("secret", KEY), ("other", OTHER)):
        assert ask(door, client=("10.0.0.1", 5), x_api_key=given)[1]["caller"] == digest[:12]
    for headers in ({}, {"x_api_key": KEY}, {"x_api_key": "Secret"}):
        status, told, _ = ask(door, **headers)  # type: ignore[arg-type]
        assert (status, told["code"], told["remedy"]) == (401, "unauthorized", CODES["unauthorized"][1])


def test_a_body_may_have_just_so_many_bytes() -> None:
    door = Guard(echo, settings(max_body_bytes=10))
    assert ask(door, body=b"x" * 10, content_length="10")[1]["bytes"] == 10
    for length in ("11", "-1", "ten"):
        assert ask(door, content_length=length)[1]["code"] == "too_large"
    unstated = ask(door, body=b"x" * 11)
    assert unstated[0] == 500  # the application turns it into 413; here nothing does
    assert ask(door, body=b"x" * 10)[0] == 200


def test_ten_seconds_worth_at_once_and_then_so_many_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(guard.time, "monotonic", lambda: now[0])
    door = Guard(echo, settings(per_second=0.5, keys=frozenset({KEY, OTHER})))

    def statuses(number: int, key: str = "secret") -> list[int]:
        return [ask(door, x_api_key=key)[0] for _ in range(number)]

    assert statuses(7) == [200] * 5 + [429] * 2
    assert statuses(1, "other") == [200]  # each caller has a bucket
    now[0] += 2.0
    assert statuses(2) == [200, 429]
    now[0] += 1.0
    assert statuses(1) == [429]
    now[0] += 1000.0
    assert statuses(6) == [200] * 5 + [429]
    assert ask(door, x_api_key="secret")[1]["message"] == "more than 0.5 requests a second"


@pytest.mark.parametrize(
    ("given", "kept"), [("abc-1.2_Z", True), ("x" * 64, True), ("x" * 65, False), ("a b", False)]
)
def test_a_trace_of_the_callers_own_is_kept_when_it_is_harmless(
    given: str, kept: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="packfolio.service"):
        status, _, headers = ask(Guard(echo, settings()), x_request_id=given, path="/v1/x")
    assert (headers["x-request-id"] == given) == kept
    [line] = [json.loads(record.getMessage()) for record in caplog.records]
    assert line.pop("ms") >= 0
    assert line == {
        "trace_id": headers["x-request-id"], "caller": "loopback", "method": "POST", "path": "/v1/x", "status": status,
    }  # fmt: skip


def test_what_breaks_is_an_error_without_a_traceback_and_once_begun_an_answer_stays(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError("secret place")

    async def late(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})
        raise KeyError("secret place")

    status, told, headers = ask(Guard(broken, settings()))
    assert (status, told["code"], told["trace_id"]) == (500, "internal_error", headers["x-request-id"])
    assert "secret" not in json.dumps(told) and "secret place" in caplog.text
    assert ask(Guard(late, settings()))[:2] == (202, {})


def test_what_is_no_request_passes_through() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    asyncio.run(Guard(app, settings())({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == ["lifespan"]


def test_every_kind_of_error_has_its_code() -> None:
    kinds: list[tuple[PackfolioError, str]] = [
        (UnknownPackError("x"), "pricing_pack_not_found"), (DataError("x"), "data_missing"),
        (PolicyError("x"), "policy_invalid"), (SolverError("x"), "solver_failed"),
        (PackfolioError("x"), "internal_error"),
    ]  # fmt: skip
    assert [code_of(error) for error, _ in kinds] == [code for _, code in kinds]


def test_so_many_solve_so_many_wait_and_the_next_is_told() -> None:
    gate = threading.Event()

    async def three(waiting: int, seconds: float) -> list[Any]:
        solvers = Solvers(settings(solvers=1, waiting=waiting, timeout_seconds=seconds))

        def work() -> str:
            gate.wait(5)
            return "done"

        asked = [asyncio.create_task(solvers.run(work)) for _ in range(3)]
        await asyncio.sleep(0.05)
        gate.set()
        found = await asyncio.gather(*asked, return_exceptions=True)
        again = await solvers.run(lambda: "free again")
        return [*found, again]

    found = asyncio.run(three(2, 10.0))
    assert found[:2] == ["done", "done"] and isinstance(found[2], Busy) and found[3] == "free again"
    assert asyncio.run(three(3, 10.0)) == ["done"] * 3 + ["free again"]


def test_a_wait_too_long_is_an_error() -> None:
    async def slow() -> None:
        await Solvers(settings(solvers=1, timeout_seconds=0.01)).run(lambda: threading.Event().wait(0.2))

    with pytest.raises(TimeoutError):
        asyncio.run(slow())


def test_json_is_one_object_of_keys_that_stand_once() -> None:
    assert parsed_json(b'{"a": {"b": [1.5, null]}}') == {"a": {"b": [1.5, None]}}
    for body, said in (
        (b'{"a": {"b": 1, "b": 1}}', "a key stands twice"), (b'{"a": NaN}', "NaN is not a number"),
        (b'{"a": -Infinity}', "-Infinity is not a number"), (b"[1]", "it is a list, not an object"),
        (b"1", "it is a int, not an object"),
    ):  # fmt: skip
        with pytest.raises(BadJsonError, match=said):
            parsed_json(body)


def test_a_schema_is_told_without_references() -> None:
    leaf = {"type": "string"}
    schema = {
        "$defs": {"Leaf": leaf, "Branch": {"items": {"$ref": "#/$defs/Leaf"}}},
        "properties": {"a": {"anyOf": [{"$ref": "#/$defs/Branch"}, {"type": "null"}]}, "b": {"$ref": "#/$defs/Leaf"}},
    }  # fmt: skip
    assert inlined(schema) == {"properties": {"a": {"anyOf": [{"items": leaf}, {"type": "null"}]}, "b": leaf}}


def test_what_is_computed_is_kept_and_the_oldest_of_512_makes_room() -> None:
    memory, computed = Memory(), []

    def value(number: int) -> Callable[[], int]:
        def compute() -> int:
            computed.append(number)
            return number

        return compute

    for number in (*range(512), 0, 511):
        assert memory.keep((number,), value(number)) == number
    assert computed == list(range(512))
    memory.keep((512,), value(512))  # 0 makes room
    memory.keep((1,), value(1))
    memory.keep((0,), value(0))
    assert computed[512:] == [512, 0]


def test_what_is_kept_takes_no_more_than_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """512 policies with another lookback each kept 512 estimates: gigabytes where there are a thousand names."""
    monkeypatch.setattr(published, "KEPT_BYTES", 1_000_000)
    memory = Memory()
    numbers = [np.full(40_000, float(number)) for number in range(5)]  # 320,000 bytes each: three have room
    for number, array in enumerate(numbers):
        frame = pd.DataFrame(array)
        assert memory.keep((number,), lambda frame=frame: {"frame": frame})["frame"] is frame
    again = [memory.keep((number,), lambda: None) is None for number in (2, 3, 4, 1)]
    assert again == [False, False, False, True]
    whole = np.zeros(200_000)
    assert memory.keep(("more than all",), lambda: whole) is whole
    assert memory.keep(("more than all",), lambda: np.zeros(1)) is whole


def test_settings_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bare = Settings.of_process({})
    home = tmp_path / ".packfolio"
    assert (bare.home, bare.config, bare.decisions) == (home, tmp_path / "config", home / "decisions.jsonl")
    assert (bare.keys, bare.per_second, bare.max_body_bytes, bare.timeout_seconds, bare.waiting) == (
        frozenset(), 1000.0, 262_144, 30.0, 32,
    )  # fmt: skip
    assert bare.solvers >= 1
    (tmp_path / "keys").write_text(f"{OTHER}\n")
    told = Settings.of_process({
        "PACKFOLIO_HOME": "a", "PACKFOLIO_CONFIG": "b", "PACKFOLIO_DECISIONS": "c", "PACKFOLIO_API_KEYS": f" {KEY},",
        "PACKFOLIO_API_KEYS_FILE": "keys", "PACKFOLIO_REQUESTS_PER_SECOND": "2.5",
    })  # fmt: skip
    assert (told.home, told.config, told.decisions) == (tmp_path / "a", tmp_path / "b", tmp_path / "c")
    assert (told.keys, told.per_second) == (frozenset({KEY, OTHER}), 2.5)
    with pytest.raises(PolicyError, match="2 API keys are no SHA-256"):
        Settings.of_process({"PACKFOLIO_API_KEYS": f"secret {KEY} {KEY}0"})


def test_a_template_gives_way_and_what_is_stated_twice_must_agree() -> None:
    template = {"max_single_position_pct": 10.0, "max_turnover_pct": 15.0}
    policies = [{"type": "max_turnover", "value": 30, "category": "any"}, {"type": "max_sector", "value": 40}]
    found = merged_policy(policies, {"max_te_pct": 4.0, "max_sector_pct": 40}, template)
    assert (found.max_single_position_pct, found.max_turnover_pct, found.max_sector_pct) == (10.0, 30.0, 40.0)
    assert found.max_tracking_error_pct == 4.0
    for policies, constraints, said in (
        ([{"type": "max_sector", "value": 30}], {"max_sector_pct": 31}, "constraints give max_sector_pct twice"),
        ([{"type": "max_sector", "value": 30, "when": 1}], {}, r"max_sector has the unknown keys \['when'\]"),
        ([{"type": ["max_sector"]}], {}, "there is no type"), ([{"value": 1}], {}, "there is no type None"),
    ):  # fmt: skip
        with pytest.raises(PolicyError, match=said):
            merged_policy(policies, constraints)  # type: ignore[arg-type]
    assert parse_policy({"max_te_pct": 4.0, "max_sector_pct": None}).max_tracking_error_pct == 4.0
    with pytest.raises(PolicyError, match="the policy give max_tracking_error_pct twice"):
        parse_policy({"max_te_pct": 4.0, "max_tracking_error_pct": 5.0})


def test_the_reference_tells_types_and_defaults_as_a_reader_needs_them() -> None:
    assert [describe._default(value) for value in (None, [], {}, 0, False, "a")] == [
        "-",
        "-",
        "-",
        "`0`",
        "`False`",
        "`a`",
    ]
    assert describe._type(float | None) == "`float or None`"
    assert describe._type(list[str]) == "`list[str]`"
    assert describe._type(str) == "`str`"
