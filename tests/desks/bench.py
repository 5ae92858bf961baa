"""A warehouse with a row of every kind in every table, written through the one door, for tests that tamper with it."""

import atexit
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa

from resources.accounts.known import Account
from resources.audit.faults import Fault, Report
from resources.audit.verification import verify
from resources.books.day_before import DayBefore
from resources.books.snapshots import Snapshot
from resources.books.take_snapshots import take_snapshots
from resources.ledger.ledger import Connection, Stamp, append_entry, columns, written_cells
from resources.ledger.signatures import KEY
from resources.ledger.tables import LOGS, OF_PORTFOLIOS, OUTPUTS
from resources.logs.appending import append_log
from resources.packs.packs import Pack, cut_pack
from resources.screening.pack_checks import CheckLimits
from resources.store import live_database
from resources.store.duckdb_engine import NAME, attached, attached_to, connected
from resources.store.transaction import Transaction
from resources.store.warehouse import Warehouse

STAMP = Stamp("run-1", datetime(2024, 1, 5, 22, tzinfo=UTC).replace(tzinfo=None), "0.1.0+test", "c0ffee")
SYMBOLS = ("AAA", "BBB", "CCC", "DDD")
FIRST = date(2024, 1, 2)
DAYS = tuple(FIRST + timedelta(days=number) for number in range(4))
BOOK = "11111111-1111-1111-1111-111111111111"


def price_rows(
    close: float = 100.0, days: tuple[date, ...] = DAYS, symbols: tuple[str, ...] = SYMBOLS
) -> pa.Table:
    """Rows of `prices` as a delivery brings them: a different price for each symbol and day."""
    rows = [
        {
            "symbol": symbol, "date": day, "open": None, "high": close + 2, "low": close - 2,
            "close": close + number + place / 8, "volume": 1000 + number, "dividend": 0.25 if number == 2 else 0.0,
            "split": 1.0, "vendor_adj_close": close + number + place / 8 - 0.25, "currency": "USD",
            "basis": "as_traded", "source": "feed", "simulated": False, "known_at": None,
        }
        for number, day in enumerate(days)
        for place, symbol in enumerate(symbols)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=PRICE_TYPES)


PRICE_TYPES = pa.schema(
    [("symbol", pa.string()), ("date", pa.date32())]
    + [(name, pa.float64()) for name in ("open", "high", "low", "close")]
    + [("volume", pa.int64())]
    + [(name, pa.float64()) for name in ("dividend", "split", "vendor_adj_close")]
    + [(name, pa.string()) for name in ("currency", "basis", "source")]
    + [("simulated", pa.bool_()), ("known_at", pa.date32())]
)  # fmt: skip


def ingest(tx: Transaction, log: str, rows: pa.Table, payload: str = "a.csv") -> int:
    """Append rows to a log and seal the transaction's ledger row; gives its id."""
    entry = tx.next_id()
    appended = append_log(tx.con, log, rows, entry)
    tx.con.execute(
        "insert into ingests values (?, 'feed', ?, ?, 'abc', ?, null, null, 'ingested', ?, 0, 0, 0, null)",
        [entry, log, payload, f"key-{entry}", appended.new],
    )
    tx.con.execute(
        "insert into quarantine values (?, ?, 'feed', 'BAD', '2024-01-02', 7, 'PRICE_ZERO', 'it is zero', 'BAD,0', "
        "null)",
        [entry, log],
    )
    tables = [log, "log_leaves", "ingests", "quarantine"]
    cells = written_cells(tx.con, entry, tables)
    given = {log: appended.rows}
    append_entry(tx.con, tx.stamp, entry, log, f"content-{entry}", appended.rows, cells=cells, given=given)
    return entry


def value_of(kind: str, name: str, row: int, dice: random.Random) -> object:
    """A plausible value of a column type."""
    if name == "symbol":
        return SYMBOLS[row]
    if name == "action":
        return "BUY"
    if kind == "VARCHAR":
        return f"{name} {row}"
    if kind == "DATE":
        return DAYS[row]
    if kind == "BOOLEAN":
        return row % 2 == 0
    if kind.startswith("DECIMAL"):
        return Decimal(dice.randrange(1, 10**6)) / 100
    if kind.endswith("[]"):
        return [dice.random() for _ in SYMBOLS]
    return dice.randrange(1, 1000) if "INT" in kind else dice.uniform(1, 100)


def rows_for(tx: Transaction, table: str, dice: random.Random) -> pd.DataFrame:
    """Three rows of any table, without the columns that `record` fills in."""
    kinds = [
        (name, kind)
        for name, kind in columns(tx.con, table)
        if name not in ("pack_id", "portfolio_id", "materialization")
    ]
    return pd.DataFrame([{name: value_of(kind, name, row, dice) for name, kind in kinds} for row in range(3)])


def fill(home: Path) -> Warehouse:
    """Prices with a correction, every other log, a pack, and every output table under it.

    A copy of the one that this process made first, but where a key signs what is written.
    """
    return _filled(home) if KEY in os.environ else copied(_filled, home)


@contextmanager
def tampered(original: Path, home: Path) -> Iterator[Connection]:
    """A plain connection to a copy of the warehouse."""
    home.mkdir(exist_ok=True)
    shutil.copy(original / "warehouse.duckdb", home)
    shutil.copy(original / "anchors.jsonl", home)
    con = duckdb.connect(str(home / "warehouse.duckdb"))
    con.execute("set threads = 1")
    try:
        yield con
    finally:
        con.close()


def check(con: Connection, home: Path, pack: str | None = None) -> Report:
    return verify(con, home / "anchors.jsonl", pack)


def single(con: Connection, home: Path) -> Fault:
    faults = check(con, home).faults
    assert len(faults) == 1, [str(fault) for fault in faults]
    return faults[0]


Connect = Callable[[Path], AbstractContextManager[Connection]]


def new_warehouse(home: Path, connect: Connect = attached) -> Warehouse:
    """An empty warehouse: a copy of the one that this process made first, which takes a tenth of making it."""
    return copied(_empty, home, connect)


def priced_warehouse(home: Path, connect: Connect = attached) -> Warehouse:
    """One that has taken in `price_rows()`, and nothing else: a copy too."""
    return copied(_priced, home, connect)


def copied(build: Callable[[Path], object], home: Path, connect: Connect = attached) -> Warehouse:
    """What `build` makes of a home, made once by this process; known to it as it stands, as if it wrote it last."""
    shutil.copytree(_original(build), home, dirs_exist_ok=True)
    made = Warehouse(home, connect=connect)
    live_database._UNTOUCHED[made.path] = live_database._state(made.path)
    return made


@cache
def _original(build: Callable[[Path], object]) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    build(folder)
    return folder


@contextmanager
def staying_open(path: Path) -> Iterator[Connection]:
    """For `Warehouse(connect=...)` of a home that nobody else opens: its file stays attached until two others are.

    To attach and to detach a file takes longer than most of what a test then asks of it, and many compare two desks;
    to make a DuckDB for it takes four times as long as that.
    """
    if path not in _OPEN:
        if len(_OPEN) == 2:
            _free(next(iter(_OPEN)))
        engine, stack = _SPARE.pop() if _SPARE else connected(), ExitStack()
        _OPEN[path] = engine, stack, stack.enter_context(attached_to(engine, path))
    with closing(_OPEN[path][2].cursor()) as con:
        con.execute(f"use {NAME}")
        yield con


_OPEN: dict[Path, tuple[Connection, ExitStack, Connection]] = {}
_SPARE: list[Connection] = []


def _free(path: Path) -> None:
    """Detached, a file is known to its warehouse as it then stands, if it was before."""
    known = live_database._UNTOUCHED.get(path) == live_database._state(path)
    engine, stack, _ = _OPEN.pop(path)
    stack.close()
    _SPARE.append(engine)
    if known:
        live_database._UNTOUCHED[path] = live_database._state(path)


def close_kept() -> None:
    """Frees the files that `staying_open` holds, so that their folders can be copied."""
    for path in list(_OPEN):
        _free(path)


atexit.register(close_kept)


def _empty(home: Path) -> None:
    with Warehouse(home).live():
        pass


def _priced(home: Path) -> None:
    with Warehouse(home).write(STAMP) as tx:
        ingest(tx, "prices", price_rows())


def _filled(home: Path) -> Warehouse:
    made, dice = Warehouse(home, connect=staying_open), random.Random(1)
    with made.write(STAMP) as tx:
        ingest(tx, "prices", price_rows())
    with made.write(STAMP) as tx:
        ingest(tx, "prices", price_rows(close=101.0, days=DAYS[1:2], symbols=SYMBOLS[:2]))
    for log in sorted(LOGS.keys() - {"prices"}):
        with made.write(STAMP) as tx:
            kinds = dict(columns(tx.con, log))
            rows = [
                {name: value_of(kinds[name], name, row, dice) for name in LOGS[log].columns}
                for row in range(3)
            ]
            ingest(tx, log, pa.Table.from_pylist(rows))
    with made.write(STAMP) as tx:
        tx.record("configs", {"configs": pd.DataFrame([{"config_hash": "c0ffee", "text": "{}"}])})
    pack = cut(made, DAYS[-1])
    for table in OUTPUTS:
        with made.write(STAMP) as tx:
            owner = BOOK if table in OF_PORTFOLIOS else None
            tx.record(table, {table: rows_for(tx, table, dice)}, pack_id=pack.id, portfolio_id=owner)
    close_kept()
    return Warehouse(home)


def cut(made: Warehouse, as_of: date, revise: str | None = None) -> Pack:
    """The pack of a date; its checks find the symbols that were not priced that day stale."""
    with made.write(STAMP) as tx:
        limits = CheckLimits(symbol_stale_sessions=1)
        return cut_pack(
            tx, as_of, ["feed"], [*DAYS, DAYS[-1] + timedelta(days=1)], limits, revise=revise
        ).pack


def take_snapshot(con: Connection, pack: Pack, previous: DayBefore | None, account: Account) -> Snapshot:
    """One account under `pack`; `previous` is what a paper book rests on."""
    return take_snapshots(con, pack, [account], {account.id: previous})[0]
