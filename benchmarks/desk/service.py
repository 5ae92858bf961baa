"""Load on the API: reads, 20-asset rebalances, ten clients, alone and while runs write.

`python -m benchmarks.desk.service`; `--soak MINUTES` is another measurement: ten clients beside runs of one day after
the other, minute by minute, with the memory of the server.

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
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np

PORT = 8077
BASE = f"http://127.0.0.1:{PORT}"
ROOT = Path(__file__).resolve().parents[2]


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
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (
            asyncio.IncompleteReadError,
            ConnectionResetError,
        ):  # it was idle too long: every client comes again
            reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
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
def server(home: Path) -> Iterator[int]:
    """The server's process id."""
    environment = {**os.environ, "PACKFOLIO_HOME": str(home), "PACKFOLIO_REQUESTS_PER_SECOND": "100000"}
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "service.http.server", "--workers", "2"]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(PORT)],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(1000):  # a loaded machine takes a minute
            try:
                with urllib.request.urlopen(f"{BASE}/ready", timeout=5):  # noqa: S310  our own address
                    break
            except OSError:
                time.sleep(0.3)
        yield process.pid
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def runs_meanwhile(home: Path, days: Sequence[str] = ()) -> Iterator[list[float]]:
    """Runs one after the other, each of which writes and publishes; gives how long each took.

    days  the as-of date of each; without them the newest day is run again and again
    """
    took: list[float] = []
    stop = threading.Event()
    environment = {**os.environ, "PACKFOLIO_HOME": str(home), "OMP_NUM_THREADS": "1"}

    def again() -> None:
        for day in days or repeat(""):
            if stop.is_set():
                break
            began = time.perf_counter()
            asked = ["--as-of", day] if day else []
            command = [sys.executable, "-m", "pipeline", "run", "--json", *asked]
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


def resident_mb(process: int) -> float:
    """Memory of a process and all below it, MB."""
    waiting, total = [process], 0
    while waiting:
        place = Path("/proc") / str(waiting.pop())
        try:
            for thread in (place / "task").iterdir():
                waiting += map(int, (thread / "children").read_text().split())
            total += int((place / "statm").read_text().split()[1])
        except OSError:  # it ended meanwhile
            continue
    return total * os.sysconf("SC_PAGE_SIZE") / 2**20


def asked_of() -> tuple[str, str]:
    """The newest pack, and the portfolio with the most symbols."""
    with urllib.request.urlopen(f"{BASE}/ready", timeout=60) as answer:  # noqa: S310  our own address
        pack = str(json.load(answer)["newest_pack"])
    with urllib.request.urlopen(f"{BASE}/v1/packs/{pack}/portfolios", timeout=60) as answer:  # noqa: S310
        return pack, str(max(json.load(answer), key=lambda found: len(found["symbols"]))["name"])


def soak(home: Path, minutes: int, days: Sequence[str]) -> list[str]:
    """A line of Markdown a minute: ten clients beside the runs of one day after the other."""
    lines = [
        "| minute | requests/s | p50 ms | p99 ms | errors | server MB |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    with server(home) as process:
        pack, portfolio = asked_of()
        read = raw("GET", f"/v1/packs/{pack}/trades?portfolio={portfolio}")
        mixed = [read, rebalance(15, portfolio), read, read]
        with runs_meanwhile(home, days) as took:
            for minute in range(minutes):
                seen = asyncio.run(load(str(minute + 1), 10, 60, lambda n: mixed[n % 4], "no error"))
                lines.append(
                    f"| {seen.name} | {seen.per_second:.0f} | {seen.p50_ms:.0f} | {seen.p99_ms:.0f} | {seen.errors} | "
                    f"{resident_mb(process):.0f} |"
                )
                print(lines[-1], flush=True)
        lines.append(f"\n{len(took)} runs meanwhile, {max(took, default=0):.0f} s the longest.")
    return lines


def run(home: Path, seconds: float, minute: float) -> list[Result]:
    with server(home):
        pack, portfolio = asked_of()
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
    parser.add_argument(
        "--soak", type=int, metavar="MINUTES", help="ten clients beside runs, minute by minute"
    )
    told = parser.parse_args()
    days = [
        str(day) for day in np.arange("2022-12-01", "2022-12-29", dtype="datetime64[D]") if np.is_busday(day)
    ]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(os.environ.get("PACKFOLIO_HOME", folder))
        if not (home / "published.duckdb").exists():
            command = [sys.executable, "-m", "pipeline", "run"]
            command += ["--as-of", days[0]] if told.soak else []
            environment = {**os.environ, "PACKFOLIO_HOME": str(home)}
            subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
        for result in soak(home, told.soak, days[1:]) if told.soak else run(home, told.seconds, told.minute):
            print(result)


if __name__ == "__main__":
    main()
