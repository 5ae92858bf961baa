"""The server as a process: SIGTERM ends it when it has answered, and whoever sends half a request is dropped."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ports import free_port, listens
from source_tree import ROOT

import service.http.server as server

pytestmark = pytest.mark.slow


@pytest.fixture
def started(home: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`packfolio api` as a process that listens, and its port."""
    port = free_port()
    code = f"import service.http.server as s; s.WHOLE_REQUEST_SECONDS = 1.5; s.main(['--port', '{port}'])"
    process = serving(home, port, "-c", code)
    yield process, port
    process.kill()
    process.wait()


def serving(home: Path, port: int, *words: str) -> subprocess.Popen[bytes]:
    """A process that serves the home, once it listens."""
    environment = {**os.environ, "PACKFOLIO_HOME": str(home), "PACKFOLIO_CONFIG": str(home.parent / "config")}
    process = subprocess.Popen([sys.executable, *words], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not listens(port) and time.monotonic() < end:
        time.sleep(0.1)
    return process


def test_sigterm_finishes_what_is_being_answered_and_frees_the_port(
    started: tuple[subprocess.Popen[bytes], int],
) -> None:
    process, port = started
    asked = {"pattern_id": "efficient_frontier", "inputs": {"portfolio_id": "mixed"}}
    told: list[int] = []

    def ask() -> None:
        con = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        con.request("POST", "/v1/execute", json.dumps(asked), {"Content-Type": "application/json"})
        told.append(con.getresponse().status)
        con.close()

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    asking.join()
    assert told == [200]
    assert process.wait(30) in (0, -signal.SIGTERM)
    assert not listens(port)


HALVES = {
    "nothing": b"",
    "half a head": b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ",
    "half a body": b"POST /v1/execute HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: 100\r\n\r\n{",
}


def test_half_a_request_is_dropped_and_others_are_served_meanwhile(
    started: tuple[subprocess.Popen[bytes], int],
) -> None:
    _, port = started
    slow = {name: socket.create_connection(("127.0.0.1", port), timeout=10) for name in HALVES}
    for name, sent in HALVES.items():
        slow[name].sendall(sent)
    con = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    con.request("GET", "/health")
    assert con.getresponse().status == 200
    con.close()
    said = {name: one.recv(1000) for name, one in slow.items()}  # ends when the server closes
    for one in slow.values():
        one.close()
    assert said.pop("half a body") == b""
    assert all(text.startswith(b"HTTP/1.1 408") for text in said.values())


def test_a_head_without_end_is_dropped(started: tuple[subprocess.Popen[bytes], int]) -> None:
    _, port = started
    with socket.create_connection(("127.0.0.1", port), timeout=10) as one:
        one.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        said = b""
        try:
            for _ in range(200):
                one.sendall(b"X-A: " + b"a" * 1_000 + b"\r\n")
            said = one.recv(1000)
        except ConnectionError:
            said = said or b"HTTP/1.1 431"
    assert said.startswith(b"HTTP/1.1 431")
    assert server.LARGEST_HEAD < 200_000


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc")
def test_a_worker_that_gets_no_turn_for_longer_than_an_answer_takes_keeps_its_requests(home: Path) -> None:
    """Its supervisor took it for dead after 35 seconds, and what it was answering was lost."""
    port = free_port()
    process = serving(home, port, "-m", "service.http.server", "--port", str(port), "--workers", "2")
    try:
        con = http.client.HTTPConnection("127.0.0.1", port, timeout=200)
        con.request("GET", "/health")
        assert con.getresponse().read()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        workers = [int(one) for one in children if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]
        assert len(workers) == 2
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        con.request("GET", "/ready")
        time.sleep(server.FINISH_SECONDS + 5)
        for worker in workers:
            os.kill(worker, signal.SIGCONT)
        assert con.getresponse().status == 200
        con.close()
    finally:
        process.terminate()
        process.wait(30)
