"""Bad prints in deliveries of one day each: the pack sees what no delivery shows."""

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from bench import PRICE_TYPES, STAMP, ingest, new_warehouse, staying_open

from resources.packs.packs import cut_pack, watermark
from resources.screening.bad_prints import recent_prints
from resources.screening.pack_checks import CheckLimits
from resources.screening.price_warnings import WatchLimits
from resources.store.warehouse import Warehouse

START = date(2024, 1, 1)
CALM = [100 + number % 3 / 4 for number in range(20)]
CASES = {
    "calm": (CALM, 1000, []),
    "a bad print that was undone": ([*CALM, 80.0, 100.2], 1000, [("REVERSAL", 20)]),
    "one that was undone a day ago": ([*CALM, 80.0, 100.2, 100.0], 1000, []),
    "a fall that stands": ([*CALM, 80.0, 80.5], 1000, []),
    "five times the same": ([*CALM, *[99.0] * 6], 0, [("STALE_5", 25)]),
    "four times the same": ([*CALM, *[99.0] * 5], 0, []),
    "the same, and the same volume": ([*CALM, *[99.0] * 8], 1000, [("STALE_5", 27)]),
    "the same, but traded": ([*CALM, *[99.0] * 8], None, []),
}


def rows(
    symbol: str, closes: list[float], volume: int | None, source: str = "feed"
) -> list[dict[str, object]]:
    return [
        {
            "symbol": symbol, "date": START + timedelta(days=place), "open": None, "high": None, "low": None,
            "close": close, "volume": 1000 + place if volume is None else volume, "dividend": 0.0, "split": 1.0,
            "vendor_adj_close": None, "currency": "USD", "basis": "as_traded", "source": source,
            "simulated": False, "known_at": None,
        }
        for place, close in enumerate(closes)
    ]  # fmt: skip


def kept(home: Path, *told: list[dict[str, object]]) -> Warehouse:
    """A warehouse with these rows, unscreened, as if each day had come by itself."""
    warehouse = new_warehouse(home, staying_open)
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", pa.Table.from_pylist([row for part in told for row in part], schema=PRICE_TYPES))
    return warehouse


@pytest.mark.parametrize("case", CASES)
def test_what_days_that_came_one_by_one_show(case: str, tmp_path: Path) -> None:
    closes, volume, expected = CASES[case]
    warehouse = kept(tmp_path, rows("A", closes, volume))
    with warehouse.live() as con:
        as_of = START + timedelta(days=len(closes) - 1)
        found = list(recent_prints(con, as_of, watermark(con), WatchLimits()))
        late = list(recent_prints(con, as_of + timedelta(days=15), watermark(con), WatchLimits()))
    assert [(code, (day - START).days) for code, _, day, _, _ in found] == expected
    assert {symbol for _, symbol, _, _, _ in found} <= {"A"}
    assert late == []  # a symbol that stopped is named as such, not as repeated


def test_sources_are_judged_apart_and_a_correction_counts(tmp_path: Path) -> None:
    bad = [*CALM, 80.0, 100.2]
    warehouse = kept(tmp_path, rows("A", bad, 1000), rows("A", CALM + CALM[:2], 1000, "backup"))
    as_of = START + timedelta(days=21)
    with warehouse.write(STAMP) as tx:
        found = cut_pack(tx, as_of, ["feed"], [as_of], CheckLimits(source_gap=1.0))
    told = [(item.code, item.severity, item.symbol) for item in found.findings if item.symbol == "A"]
    assert told == [("REVERSAL", "WARN", "A")]
    assert "-20.2% on 2024-01-21 by feed was undone" in found.findings[0].message
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", pa.Table.from_pylist([rows("A", [*CALM, 100.1], 1000)[-1]], schema=PRICE_TYPES))
    with warehouse.write(STAMP) as tx:
        again = cut_pack(tx, as_of, ["feed"], [as_of], CheckLimits(source_gap=1.0), revise="corrected")
    assert [item for item in again.findings if item.symbol == "A"] == []
