"""What a long history costs, part by part: a Parquet file on its way into the log, a pack, a day more, verification.

python -m benchmarks.desk.ingest [--symbols 5000] [--years 20] [--order date|symbol] [--write]
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from importlib.metadata import version
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from resources.audit.verification import verify
from resources.ledger.ledger import Connection, Stamp
from resources.logs.calendars import Calendar, load_calendar
from resources.logs.recorded_prices import newest_closes_on_record
from resources.logs.rows_around import rows_around
from resources.logs.storing import in_own_currencies, stated_currencies, store_delivery
from resources.packs.pack_prices import read_panel, window_start
from resources.packs.packs import Pack, cut_pack
from resources.prices.files import Reading
from resources.prices.folder import FolderSource
from resources.prices.source import Delivery
from resources.screening.pack_checks import CheckLimits
from resources.screening.screen import Context, screen
from resources.store.warehouse import Warehouse

HERE = Path(__file__).parents[1]
STAMP = Stamp("benchmark", datetime(2025, 1, 2), "benchmark", "benchmark")  # noqa: DTZ001  UTC, as the ledger has it
LAST, NEXT = date(2024, 12, 31), date(2025, 1, 2)


def synthetic(symbols: int, sessions: np.ndarray, order: str) -> pa.Table:
    """Random walks with a dividend a quarter: tidy rows of `symbols` names over sessions (datetime64[D])."""
    rng = np.random.default_rng(7)
    days = len(sessions)
    moves = 0.0003 + 0.011 * rng.standard_t(4, (days, symbols))  # fat tails, as real ones
    close = np.round(rng.uniform(20, 200, symbols) * np.exp(np.cumsum(moves, 0)), 2) + 1
    dividend = np.zeros((days, symbols))
    dividend[62::63] = 0.25
    back = (1 - dividend[1:] / close[:-1])[::-1]
    adjusted = close.copy()
    adjusted[:-1] *= np.cumprod(back, 0)[::-1]
    shape = (lambda grid: grid.ravel()) if order == "date" else (lambda grid: grid.T.ravel())
    code, day = np.meshgrid(np.arange(symbols, dtype=np.int32), np.arange(days), indexing="xy")
    names = pa.array([f"S{number:05d}" for number in range(symbols)])
    flat = shape(close)
    return pa.table(
        {
            "symbol": pa.DictionaryArray.from_arrays(pa.array(shape(code)), names).cast(pa.string()),
            "date": pa.array(sessions[shape(day)].astype("datetime64[D]")),
            "open": np.round(flat * 0.999, 2),
            "high": np.round(flat * 1.01, 2),
            "low": np.round(flat * 0.98, 2),
            "close": flat,
            "volume": rng.integers(1, 10**7, flat.size),
            "dividend": shape(dividend),
            "split": np.ones(flat.size),
            "adj_close": shape(np.round(adjusted, 6)),
        }
    )


@dataclass(frozen=True)
class Part:
    """One step: seconds of CPU in the program and in the kernel, seconds of wall, highest memory so far in GB."""

    name: str
    user: float
    system: float
    wall: float
    memory: float


class Clock:
    """Collects the parts of one run."""

    def __init__(self) -> None:
        self.parts: list[Part] = []

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        before, start = os.times(), time.perf_counter()
        yield
        now, wall = os.times(), time.perf_counter() - start
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        self.parts.append(Part(name, now.user - before.user, now.system - before.system, wall, memory))


@dataclass(frozen=True)
class Bench:
    """One run in one process, with a number of threads."""

    folder: Path
    threads: int
    clock: Clock

    @contextmanager
    def connect(self, path: Path) -> Iterator[Connection]:
        with duckdb.connect(str(path), config={"threads": self.threads}) as con:
            yield con

    @property
    def calendar(self) -> Calendar:
        return load_calendar("XNYS", NEXT, self.folder / "cache")

    def run(self) -> None:
        part, days = self.clock.part, self.calendar.days
        with part("raw load: Parquet to the log, no checks, no hashes"):
            self.raw_load()
        source = FolderSource("benchmark", self.folder, "*.parquet", Reading("benchmark", "USD"))
        with part("parse"):
            (delivery,) = source.deliveries(None, None, lambda key: False)
        assert isinstance(delivery, Delivery), delivery
        with part("check"):
            delivery = screen(delivery, Context(NEXT, days))
        store = Warehouse(self.folder / "home", connect=self.connect)
        with part("store: hashes, rows, leaves, ledger"):
            self.append(store, delivery)
        tomorrow = next_day(delivery)
        del delivery
        with part("publish"):
            store.publish()
        with part("pack"):
            pack = self.pack(store, LAST)
        with store.live() as con:
            self.read(con, pack)
        with part("a day more: look at the record, check"), store.live() as con:
            tomorrow = screen(tomorrow, Context(NEXT, days, newest_closes_on_record(con, tomorrow)))
        with part("a day more: what stands around it"), store.live() as con:
            rows_around(con, tomorrow)
        with part("a day more: store"):
            self.append(store, tomorrow)
        with part("a day more: pack"):
            self.pack(store, NEXT)
        with part("the same day again: store"):
            self.append(store, tomorrow)
        for what, pack_id in (("everything", None), ("the first pack and what it sees", pack.id)):
            with store.live() as con, part(f"verify {what}"):
                found = verify(con, store.anchor, pack_id)
            assert not found.faults, found.faults[:3]

    def raw_load(self) -> None:
        store = Warehouse(self.folder / "raw", connect=self.connect)
        with store.live() as con:
            con.execute(
                "insert into prices by name select * exclude (adj_close), adj_close as vendor_adj_close, 'USD' as "
                "currency, 'as_traded' as basis, 'benchmark' as source, false as simulated, 1 as ingest_seq, "
                f"''::blob as row_hash from '{self.folder / 'prices.parquet'}'"
            )

    def append(self, store: Warehouse, delivery: Delivery) -> None:
        with store.write(STAMP) as tx:
            store_delivery(tx, in_own_currencies(delivery, stated_currencies(tx.con, ())), "prices.parquet")

    def pack(self, store: Warehouse, as_of: date) -> Pack:
        sessions = self.calendar.sessions(date(2024, 9, 1), as_of)
        with store.write(STAMP) as tx:
            return cut_pack(tx, as_of, ("benchmark",), sessions, CheckLimits()).pack

    def read(self, con: Connection, pack: Pack) -> None:
        symbols = sorted(str(row[0]) for row in con.execute("select distinct symbol from prices").fetchall())
        with self.clock.part("where the last 252 days begin"):
            start = window_start(con, pack, 252)
        for count in (100, 1000, 5000):
            with self.clock.part(f"read {min(count, len(symbols))} symbols x 252 days"):
                read_panel(con, pack, symbols[:count], start)
        with self.clock.part("read 1 symbol, all days"):
            read_panel(con, pack, symbols[:1])


def next_day(delivery: Delivery) -> Delivery:
    """The last rows again, as another day's delivery."""
    days = delivery.rows["date"].to_numpy()
    rows = delivery.rows.filter(pa.array(days == days.max()))
    dates = pa.array([NEXT] * rows.num_rows)
    return replace(
        delivery, rows=rows.set_column(1, "date", dates), key="next", payload_name="next.parquet", warnings=()
    )


def child(folder: Path, threads: int) -> None:
    """One run; prints its parts as JSON."""
    pa.set_cpu_count(threads)
    pa.set_io_thread_count(threads)
    bench = Bench(folder, threads, Clock())
    bench.run()
    print(json.dumps([asdict(part) for part in bench.clock.parts]))


def measured(folder: Path, threads: int) -> list[Part]:
    """The parts of a run in a process of its own."""
    limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    for home in ("home", "raw"):
        subprocess.run(["rm", "-rf", str(folder / home)], check=True)
    command = [sys.executable, "-m", "benchmarks.desk.ingest", "--child", str(folder), str(threads)]
    done = subprocess.run(command, env=os.environ | limits, capture_output=True, text=True, check=True)
    return [Part(**part) for part in json.loads(done.stdout)]


def report(rows: int, order: str, runs: dict[int, list[Part]]) -> str:
    """The figures as Markdown."""
    named = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "pyarrow", "numpy"))
    lines = [
        f"# Ingesting {rows:,} rows ({order} order)",
        "",
        "Written by `python -m benchmarks.desk.ingest --write`. Seconds: CPU in the program + kernel (page faults",
        "of memory used for the first time, which cost more in a virtual machine), wall; GB: highest memory so far.",
        f"Python {sys.version.split()[0]}, {named}; {os.cpu_count()} cores.",
        "",
        "| part | " + " | ".join(f"CPU, {n} thread{'s' * (n > 1)} | wall | GB" for n in runs) + " |",
        "|---|" + "---:|---:|---:|" * len(runs),
    ]
    for parts in zip(*runs.values(), strict=True):
        cells = [
            f"{part.user:.2f} + {part.system:.2f} | {part.wall:.2f} | {part.memory:.1f}" for part in parts
        ]
        lines.append(f"| {parts[0].name} | {' | '.join(cells)} |")
    whole = ("parse", "check", "store: hashes, rows, leaves, ledger")
    totals = [[part for part in parts if part.name in whole] for parts in runs.values()]
    cells = [
        f"**{sum(p.user for p in its):.1f} + {sum(p.system for p in its):.1f}** | {sum(p.wall for p in its):.1f} | "
        for its in totals
    ]
    lines.append(f"| parse + check + store | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def with_section(page: str, section: str) -> str:
    """The page with a section in the place of the one of the same heading, or after all others."""
    parts = re.split(r"(?m)^(?=# )", page)
    title = section.splitlines()[0]
    kept = [section if part.splitlines()[:1] == [title] else part for part in parts if part.strip()]
    return "\n".join(part.rstrip("\n") + "\n" for part in (kept if section in kept else [*kept, section]))


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        child(Path(sys.argv[2]), int(sys.argv[3]))
        return
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--symbols", type=int, default=5000)
    options.add_argument("--years", type=int, default=20)
    options.add_argument("--order", choices=("date", "symbol"), default="date")
    options.add_argument("--write", action="store_true", help="write its section of RESULTS-ingest.md")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dates = load_calendar("XNYS", NEXT, folder / "cache").dates
        sessions = dates[(dates <= np.datetime64(LAST))][-252 * given.years :]
        table = synthetic(given.symbols, sessions, given.order)
        pq.write_table(table, folder / "prices.parquet", compression="zstd")
        rows = table.num_rows
        del table
        text = report(rows, given.order, {threads: measured(folder, threads) for threads in (1, 2)})
    if given.write:
        file = HERE / "RESULTS-ingest.md"
        file.write_text(with_section(file.read_text("utf-8"), text), encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
