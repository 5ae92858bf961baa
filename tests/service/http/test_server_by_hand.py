"""How the server is started, and what it tells whom it drops, without a process."""

from types import SimpleNamespace
from typing import Any

import pytest

from service.http import server


def test_the_server_is_started_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {}
    monkeypatch.setattr(server.uvicorn, "run", lambda app, **how: told.update(how, app=app))
    assert server.main(["--port", "8123", "--workers", "2"]) == 0
    assert (told["app"], told["host"], told["port"], told["workers"]) == (
        "service.api:serve", "127.0.0.1", 8123, 2,
    )  # fmt: skip
    assert (told["timeout_keep_alive"], told["timeout_graceful_shutdown"]) == (
        server.KEPT_SECONDS, server.FINISH_SECONDS,
    )  # fmt: skip
    with pytest.raises(SystemExit):
        server.main(["--workers", "two"])


@pytest.mark.parametrize(
    ("cycle", "closing", "told"),
    [
        (None, False, [b"HTTP/1.1 408", "closed"]),
        (SimpleNamespace(response_complete=True), False, [b"HTTP/1.1 408", "closed"]),
        (SimpleNamespace(response_complete=False), False, ["closed"]),  # no head in the middle of an answer
        (None, True, []),
    ],
)
def test_whoever_is_dropped_is_told_why_where_no_answer_has_begun(
    cycle: Any, closing: bool, told: list[bytes | str]
) -> None:
    done: list[bytes | str] = []
    dropped = server.PunctualProtocol.__new__(server.PunctualProtocol)
    dropped.cycle = cycle
    dropped.transport = SimpleNamespace(
        is_closing=lambda: closing, write=lambda said: done.append(said[:12]), close=lambda: done.append("closed")
    )  # fmt: skip
    dropped._drop(server.LATE)
    assert done == told
