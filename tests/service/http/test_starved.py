"""A server that gets no turn for a while: what was sent to it meanwhile is answered, and nobody is called late."""

import http.client
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from ports import free_port, listens

import service.http.server as server

STILL_SECONDS = 2.0  # longer than both clocks and the turn after them


class StillProtocol(server.PunctualProtocol):
    """Who asks for /still stops the whole process where it reads its sockets, as a busy machine does."""

    def data_received(self, data: bytes) -> None:
        if b"/still" in data:
            time.sleep(STILL_SECONDS)
        super().data_received(data)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers 200."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(server, "WHOLE_REQUEST_SECONDS", 0.8)
    number = free_port()
    serving = uvicorn.Server(
        uvicorn.Config(
            app,
            port=number,
            http=StillProtocol,
            lifespan="off",
            log_config=None,
            timeout_keep_alive=1,
        )
    )
    thread = threading.Thread(target=serving.run)
    thread.start()
    while not listens(number):
        time.sleep(0.02)
    yield number
    serving.should_exit = True
    thread.join()


def connected(port: int) -> http.client.HTTPConnection:
    one = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    one.connect()
    return one


def test_what_arrives_while_the_server_has_no_turn_is_answered(port: int) -> None:
    kept = connected(port)
    kept.request("GET", "/")
    assert kept.getresponse().read() == b""
    still, opened = connected(port), connected(port)
    still.request("GET", "/still")
    time.sleep(0.2)
    for one in (kept, opened):
        one.request("GET", "/")
    answers = [one.getresponse().status for one in (still, kept, opened)]
    for one in (still, kept, opened):
        one.close()
    assert answers == [200, 200, 200]


def test_who_sends_nothing_is_dropped_all_the_same(port: int) -> None:
    silent, idle = connected(port), connected(port)
    idle.request("GET", "/")
    assert idle.getresponse().read() == b""
    assert silent.sock.recv(100).startswith(b"HTTP/1.1 408")
    assert idle.sock.recv(100) == b""
    silent.close()
    idle.close()
