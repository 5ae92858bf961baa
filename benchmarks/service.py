"""Load on the API: reads, 20-asset rebalances, ten clients, alone and while runs write. `python -m benchmarks.service`.

Server and clients share the machine's cores, so that the figures are a lower bound. The warehouse is that of
PACKFOLIO_HOME; without one the embedded prices are run into a temporary home first.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PORT = 8077
BASE = f"http://127.0.0.1:{PORT}"
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Result:
    """What some clients saw."""

    name: str
    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int
    wanted: str

    def __str__(self) -> str:
        """One line of the report."""
        return (
            f"{self.name:<34} {self.per_second:8.1f}/s   p50 {self.p50_ms:7.1f} ms   p99 {self.p99_ms:7.1f} ms   "
            f"errors {self.errors}   (wanted: {self.wanted})"
        )


def raw(method: str, path: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def rebalance(turnover: float, portfolio: str) -> bytes:
    constraints = {
        "method": "mean_variance", "max_single_position_pct": 12, "max_sector_pct": 30, "max_turnover_pct": turnover,
    }  # fmt: skip
    inputs = {"portfolio_id": portfolio, "constraints": constraints}
    body = {"pattern_id": "policy_rebalance", "inputs": inputs}
    return raw("POST", "/v1/execute", json.dumps(body).encode())


async def one_client(
    request: Callable[[int], bytes], until: float, seen: list[float], errors: list[int]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    count = 0
    while time.perf_counter() < until:
        count += 1
        began = time.perf_counter()
        writer.write(request(count))
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
        )
        await reader.readexactly(length)
        seen.append(time.perf_counter() - began)
        errors[0] += not head.startswith(b"HTTP/1.1 200")
    writer.close()


async def load(
    name: str, clients: int, seconds: float, request: Callable[[int], bytes], wanted: str
) -> Result:
    seen: list[float] = []
    errors = [0]
    began = time.perf_counter()
    work: list[Awaitable[None]] = [one_client(request, began + seconds, seen, errors) for _ in range(clients)]
    await asyncio.gather(*work)
    took = time.perf_counter() - began
    ordered = sorted(seen)
    return Result(
        name, len(seen) / took, 1000 * ordered[len(ordered) // 2], 1000 * ordered[int(len(ordered) * 0.99)], errors[0],
        wanted,
    )  # fmt: skip


@contextmanager
def server(home: Path) -> Iterator[None]:
    environment = {**os.environ, "PACKFOLIO_HOME": str(home), "PACKFOLIO_REQUESTS_PER_SECOND": "100000"}
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "service.api:serve",
        "--factory",
        "--no-access-log",
        "--workers",
        "2",
    ]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(PORT)],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            try:
                with urllib.request.urlopen(f"{BASE}/ready", timeout=5):  # noqa: S310  our own address
                    break
            except OSError:
                time.sleep(0.3)
        yield
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def runs_meanwhile(home: Path) -> Iterator[list[float]]:
    """Daily runs one after the other, each of which writes and publishes; gives how long each took."""
    took: list[float] = []
    stop = threading.Event()
    environment = {**os.environ, "PACKFOLIO_HOME": str(home), "OMP_NUM_THREADS": "1"}

    def again() -> None:
        while not stop.is_set():
            began = time.perf_counter()
            command = [sys.executable, "-m", "pipeline.cli", "run", "--json"]
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise SystemExit(done.stderr)
            took.append(time.perf_counter() - began)

    writer = threading.Thread(target=again)
    writer.start()
    try:
        yield took
    finally:
        stop.set()
        writer.join()


def run(home: Path, seconds: float, minute: float) -> list[Result]:
    with server(home):
        with urllib.request.urlopen(f"{BASE}/ready", timeout=30) as answer:  # noqa: S310  our own address
            pack = json.load(answer)["newest_pack"]
        with urllib.request.urlopen(f"{BASE}/v1/packs/{pack}/portfolios", timeout=30) as answer:  # noqa: S310
            portfolio = max(json.load(answer), key=lambda found: len(found["symbols"]))["name"]
        read = raw("GET", f"/v1/packs/{pack}/trades?portfolio={portfolio}")
        same = rebalance(20, portfolio)
        mixed = [read, rebalance(15, portfolio), read, read]
        loads = [
            ("read a pack's trades", 4, seconds, lambda _: read, ">= 500/s, p99 < 50 ms"),
            ("rebalance, same policy", 2, seconds, lambda _: same, ">= 60/s, p99 < 250 ms"),
            (
                "rebalance, new policy each time",
                2,
                seconds,
                lambda n: rebalance(10 + n % 90 / 7, portfolio),
                "-",
            ),
            ("ten clients, mixed", 10, minute, lambda n: mixed[n % 4], "no error"),
        ]
        results = [asyncio.run(load(*given)) for given in loads]
        with runs_meanwhile(home) as took:
            ten = load("ten clients, mixed, while runs write", 10, minute, lambda n: mixed[n % 4], "no error")
            results.append(asyncio.run(ten))
        print(f"{len(took)} daily runs meanwhile")
        return results


def main() -> None:
    """Prints one line a load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--minute", type=float, default=60)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(os.environ.get("PACKFOLIO_HOME", folder))
        if not (home / "published.duckdb").exists():
            command = [sys.executable, "-m", "pipeline.cli", "run"]
            environment = {**os.environ, "PACKFOLIO_HOME": str(home)}
            subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
        for result in run(home, told.seconds, told.minute):
            print(result)


if __name__ == "__main__":
    main()
