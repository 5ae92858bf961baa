"""The server on a socket: what it got no turn to read is answered, and who sends too much is told and not cut off."""

import http.client
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from ports import free_port, listens

import service.http.server as server
from service.http.guard import Guard
from service.settings import Settings

STILL_SECONDS = 2.0  # longer than both clocks and the turn after them


class StillProtocol(server.PunctualProtocol):
    """Who asks for /still stops the whole process where it reads its sockets, as a busy machine does."""

    def data_received(self, data: bytes) -> None:
        if b"/still" in data:
            time.sleep(STILL_SECONDS)
        super().data_received(data)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers 200; reads no body but at /read."""
    while scope["path"] == "/read" and (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(server, "WHOLE_REQUEST_SECONDS", 0.8)
    number = free_port()
    serving = uvicorn.Server(
        uvicorn.Config(
            Guard(app, Settings(Path(), Path(), Path(), max_body_bytes=2_000_000)),
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


@pytest.mark.parametrize("more", [{}, {"Connection": "close"}])
def test_a_body_beyond_what_is_taken_is_told_so_however_long_it_is(port: int, more: dict[str, str]) -> None:
    one = connected(port)
    one.request("POST", "/", b" " * 3_000_000, more)
    assert one.getresponse().status == 413
    one.close()


def test_a_body_behind_an_answer_is_passed_over(port: int) -> None:
    """It was counted as a head without end: a second answer, and a connection that was reset."""
    one = connected(port)
    for _ in range(2):
        one.request("POST", "/", b" " * 2_000_000)
        answer = one.getresponse()
        assert (answer.status, answer.read()) == (200, b"")
    one.close()


def test_lines_without_end_behind_a_body_are_cut_off(port: int) -> None:
    one = connected(port)
    head = b"POST /read HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n \r\n0\r\n"
    with pytest.raises(ConnectionError):
        one.sock.sendall(head + b"A: a\r\n" * 3_000_000)
    one.close()
