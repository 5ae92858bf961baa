"""What accounts cost: rows loaded, snapshots taken, written and read back.

`python -m benchmarks.desk.accounts [COUNT]`: CPU seconds of one process, on invented prices and accounts of 20 to 60
names on one model.
"""

import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from assets.shared.portfolio_rows import record_each
from resources.accounts.ingest import AccountInbox
from resources.accounts.known import accounts_of
from resources.books.snapshots import read_snapshots
from resources.books.take_snapshots import take_snapshots
from resources.ledger.ledger import Stamp, append_entry, written_cells
from resources.logs.appending import append_log
from resources.packs.packs import cut_pack
from resources.results.stage_inputs import Inputs
from resources.screening.pack_checks import CheckLimits
from resources.settings.configuration import load_configuration
from resources.store.warehouse import Warehouse

SYMBOLS = [f"S{number:03}" for number in range(200)]
DAYS = [date(2024, 1, 1) + timedelta(days=number) for number in range(260)]
FILES = {
    "pipeline.yaml": "checks: {coverage: 0.5}\n",
    "funds.yaml": 'as_of: "2024-01"\ndefault_spread_bps: 50\nfunds: {}\n',
    "sources.yaml": "sources:\n  - {name: inbox, kind: folder, path: ../inbox, basis: as_traded}\n",
    "models/core.yaml": f"name: core\nuniverse: [{', '.join(SYMBOLS[:60])}]\n"
    "policy: {method: min_volatility, risk_free_rate: 0.02}\n",
}


@contextmanager
def timed(what: str) -> Iterator[None]:
    start = time.process_time()
    yield
    print(f"{what:<28}{time.process_time() - start:8.2f} s CPU")


def main(count: int) -> None:
    """Print the figures for so many accounts."""
    folder, dice = Path(tempfile.mkdtemp()), random.Random(1)
    (folder / "inbox").mkdir()
    for name, text in FILES.items():
        path = folder / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    keys = [f"A{number:06}" for number in range(count)]
    held = [(key, symbol) for key in keys for symbol in dice.sample(SYMBOLS[:60], dice.randint(20, 60))]
    pq.write_table(
        pa.table({"account": keys, "model": ["core"] * count}), folder / "inbox" / "accounts.parquet"
    )
    positions = {
        "account": [key for key, _ in held], "symbol": [symbol for _, symbol in held],
        "as_of": pa.array([DAYS[-2]] * len(held)), "quantity": [float(dice.randint(1, 500)) for _ in held],
    }  # fmt: skip
    pq.write_table(pa.table(positions), folder / "inbox" / "account_positions.parquet")
    warehouse, desk = Warehouse(folder / "home"), load_configuration(folder / "config")
    stamp = Stamp("benchmark", datetime.now(UTC).replace(tzinfo=None), "none", desk.digest)
    with warehouse.write(stamp) as tx:
        entry = tx.next_id()
        append_log(tx.con, "prices", _prices(dice), entry)
        rows = len(DAYS) * len(SYMBOLS)
        cells = written_cells(tx.con, entry, ["log_leaves"])
        append_entry(tx.con, stamp, entry, "prices", "none", rows, cells=cells, given={"prices": rows})
    with timed(f"load {len(held)} positions"):
        AccountInbox(warehouse, desk, stamp, DAYS[-1]).take(lambda _: None)
    with warehouse.write(stamp) as tx:
        pack = cut_pack(tx, DAYS[-1], ["inbox"], DAYS, CheckLimits()).pack
    with warehouse.live() as con:
        with timed("read the accounts"):
            accounts = accounts_of(con, pack, desk.portfolios)
        with timed("take their snapshots"):
            taken = take_snapshots(con, pack, accounts, {})
        with timed("make their rows"):
            frames = [one.frames() for one in taken]
    with warehouse.write(stamp) as tx, timed("write them"):
        each, shared = dict(zip(taken, frames, strict=True)), {"pricing_pack": pack.content_hash}
        record_each(tx, "portfolio_snapshots", pack, each, Inputs((), shared, {}))
    with warehouse.live() as con, timed("read the snapshots back"):
        print(f"{'snapshots read':<28}{len(read_snapshots(con, pack)):8}")


def _prices(dice: random.Random) -> pa.Table:
    count = len(DAYS) * len(SYMBOLS)
    closes = [100 * (1 + 0.2 * dice.random()) for _ in range(count)]
    return pa.table({
        "symbol": [symbol for _ in DAYS for symbol in SYMBOLS], "date": [day for day in DAYS for _ in SYMBOLS],
        "open": closes, "high": closes, "low": closes, "close": closes, "volume": [1000] * count,
        "dividend": [0.0] * count, "split": [1.0] * count, "vendor_adj_close": closes, "currency": ["USD"] * count,
        "basis": ["as_traded"] * count, "source": ["inbox"] * count, "simulated": [False] * count,
        "known_at": pa.nulls(count, pa.date32()),
    })  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
