"""How long it takes to parse and check a long history: a synthetic Parquet file through the folder source.

python -m benchmarks.ingest [--symbols 5000] [--years 20] [--order date|symbol]
"""

import argparse
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from resources.calendars import load_calendar
from resources.prices.files import Reading
from resources.prices.folder import FolderSource
from resources.prices.screen import Context, screen
from resources.prices.source import Delivery

END = date(2024, 12, 31)


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


def timed(folder: Path, today: date) -> tuple[Delivery, Delivery, float, float]:
    """(delivery, screened, seconds of CPU to parse, to check) of the one file in a folder."""
    calendar = load_calendar("XNYS", today, folder / "cache")
    source = FolderSource("benchmark", folder, "*.parquet", Reading("benchmark", "USD"))
    start = time.process_time()
    (delivery,) = source.deliveries(None, None, lambda key: False)
    assert isinstance(delivery, Delivery), delivery
    parsed = time.process_time()
    checked = screen(delivery, Context(today, calendar.days))
    return delivery, checked, parsed - start, time.process_time() - parsed


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--symbols", type=int, default=5000)
    options.add_argument("--years", type=int, default=20)
    options.add_argument("--order", choices=("date", "symbol"), default="date")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dates = load_calendar("XNYS", END, folder / "cache").dates
        sessions = dates[(dates <= np.datetime64(END))][-252 * given.years :]
        pq.write_table(
            synthetic(given.symbols, sessions, given.order), folder / "prices.parquet", compression="zstd"
        )
        _, checked, parse, check = timed(folder, date(2025, 1, 2))
    rows, found = checked.rows.num_rows, len(checked.warnings)
    print(
        f"{rows:,} rows, {given.order} order: parse {parse:.1f} s, check {check:.1f} s CPU; {found} findings"
    )


if __name__ == "__main__":
    main()
