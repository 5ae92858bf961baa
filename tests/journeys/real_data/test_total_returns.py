"""Total returns of a pack against a reconstruction that shares no code with it: row by row, in plain arithmetic."""

import os
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from bench import STAMP

from resources.logs.calendars import load_calendar
from resources.logs.storing import store_delivery
from resources.packs.pack_prices import read_panel
from resources.packs.packs import cut_pack
from resources.prices.files import Reading
from resources.prices.folder import FolderSource
from resources.prices.source import Delivery
from resources.screening.context import Context
from resources.screening.pack_checks import CheckLimits
from resources.screening.screen import screen
from resources.store.warehouse import Warehouse

SHARED = Path(os.environ.get("PACKFOLIO_SHARED_DATA", "nowhere")) / "market"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.is_dir(), reason="PACKFOLIO_SHARED_DATA is not set"),
]
TODAY = date(2026, 3, 2)


def rebuilt(file: Path) -> dict[str, tuple[list[date], list[float]]]:
    """Symbol -> dates and the value of a share held since the first, dividends put back; of closes as they are told."""
    found: dict[str, tuple[list[date], list[float]]] = {}
    last: dict[str, float] = {}
    rows = pq.read_table(file).to_pylist()
    for row in sorted(rows, key=lambda row: (row["symbol"], row["date"])):
        symbol, close = row["symbol"], row.get("close") or row["adj_close"]
        days, values = found.setdefault(symbol, ([], []))
        if days:
            paid = close * (row.get("split") or 1.0) + (row.get("dividend") or 0.0)
            values.append(values[-1] * paid / last[symbol])
        else:
            values.append(close)
        days.append(row["date"])
        last[symbol] = close
    return found


@pytest.mark.parametrize(
    ("name", "symbols", "gap"),
    [("stocks100_daily", 100, 1e-6), ("etf_daily", 53, 1e-6), ("leveraged_adjclose_daily", 50, 1e-6)],
)
def test_a_packs_total_returns_are_those_of_the_file(
    tmp_path: Path, name: str, symbols: int, gap: float, capsys: pytest.CaptureFixture[str]
) -> None:
    warehouse, calendar = Warehouse(tmp_path), load_calendar("XNYS", TODAY, tmp_path)
    source = FolderSource(name, SHARED, f"{name}.parquet", Reading(name, "USD"))
    (delivery,) = source.deliveries(None, None, lambda key: False)
    assert isinstance(delivery, Delivery)
    screened = screen(delivery, Context(TODAY, calendar.days))
    with warehouse.write(STAMP) as tx:
        store_delivery(tx, screened, name)
    as_of = max(delivery.rows["date"].to_pylist())
    with warehouse.write(STAMP) as tx:
        pack = cut_pack(tx, as_of, [name], calendar.sessions(date(2002, 1, 2), as_of), CheckLimits()).pack
    told = rebuilt(SHARED / f"{name}.parquet")
    with warehouse.live() as con:
        seen = read_panel(con, pack, sorted(told)).total_return()
    widest = {}
    for symbol, (days, values) in told.items():
        own = seen[symbol].dropna()
        assert own.index.date.tolist() == days, symbol  # not one row is lost
        ours, theirs = own.to_numpy() / own.iloc[-1], np.array(values) / values[-1]
        widest[symbol] = float(np.abs(ours / theirs - 1).max())
    with capsys.disabled():
        print(f"{name}: {len(told)} symbols, {len(delivery.rows)} rows, widest {max(widest.values()):.2g}")
    assert len(told) == symbols
    assert max(widest.values()) <= gap, pd.Series(widest).nlargest(5)
