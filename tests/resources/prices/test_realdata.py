"""The desk's real files, read in place: counts, restatements, splits, and what the checks find in them."""

import os
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from bench import STAMP

from resources.ledger.tables import SAME_VALUE
from resources.logs.calendars import Calendar, load_calendar
from resources.logs.ingest import store_delivery
from resources.logs.open_questions import open_questions
from resources.logs.recorded_prices import newest_closes_on_record, no_longer_believed
from resources.logs.rows_around import rows_around
from resources.prices.files import Reading
from resources.prices.folder import FolderSource
from resources.prices.source import Delivery
from resources.screening.screen import Context, screen
from resources.store.warehouse import Warehouse

TODAY = date(2026, 3, 2)
SHARED = Path(os.environ.get("PACKFOLIO_SHARED_DATA", "nowhere"))
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not SHARED.is_dir(), reason="PACKFOLIO_SHARED_DATA names no folder"),
]


@pytest.fixture(scope="module")
def calendar(tmp_path_factory: pytest.TempPathFactory) -> Calendar:
    return load_calendar("XNYS", TODAY, tmp_path_factory.mktemp("calendar"))


def deliveries(folder: str, pattern: str = "*") -> Iterator[Delivery]:
    for one in FolderSource("desk", SHARED / folder, pattern, Reading("desk", "USD")).deliveries(
        None, None, never
    ):
        assert isinstance(one, Delivery), one
        yield one


def never(key: str) -> bool:
    return False


def found(result: Delivery, *codes: str) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for finding in result.warnings:
        counts[finding.code] += finding.count
    return {code: counts[code] for code in codes or sorted(counts)}


def symbols(result: Delivery, code: str) -> list[str]:
    return sorted({finding.symbol for finding in result.warnings if finding.code == code and finding.symbol})


def test_one_file_a_symbol(calendar: Calendar) -> None:
    results = [screen(one, Context(TODAY, calendar.days)) for one in deliveries("csv_sample")]
    assert [one.rows.num_rows for one in results] == [1498] * 6
    assert sum(one.quarantined.num_rows for one in results) == 0


def test_etfs_stocks_and_adjusted_closes(calendar: Calendar) -> None:
    results = {one.payload_name: screen(one, Context(TODAY, calendar.days)) for one in deliveries("market")}
    etfs, adjusted, stocks = (results[name] for name in sorted(results))
    assert (etfs.rows.num_rows, etfs.quarantined.num_rows, etfs.basis) == (204_747, 0, "as_traded")
    assert symbols(etfs, "MISSING_SESSION") == ["SH"]
    assert found(etfs, "HIGH_LOW", "ADJ_INCONSISTENT") == {"HIGH_LOW": 0, "ADJ_INCONSISTENT": 0}
    assert (adjusted.rows.num_rows, adjusted.quarantined.num_rows, adjusted.basis) == (
        171_859,
        0,
        "total_return",
    )
    assert (stocks.rows.num_rows, found(stocks, "JUMP_75", "MISSING_SESSION")) == (
        402_800,  # MS on 2008-10-13: +87%, true, and no wonder in its month
        {"JUMP_75": 0, "MISSING_SESSION": 0},
    )
    assert found(adjusted, "STALE_5") == {"STALE_5": 2}  # not BIL, whose close stays for weeks


def test_five_hundred_uncleaned_stocks(calendar: Calendar) -> None:
    (one,) = deliveries("scale")
    result = screen(one, Context(TODAY, calendar.days))
    assert result.rows.num_rows == 1_213_492 - 4
    # Dividends of no fall.
    assert sorted(result.quarantined["symbol"].to_pylist()) == [
        "FMC",
        "LYB",
        "MET",
        "TEL",
    ]
    assert {"HBI", "ROST", "RTX"} == set(symbols(result, "ADJ_INCONSISTENT"))
    assert {"HLT", "LDOS", "TMUS"} == set(symbols(result, "SPLIT_FROM_ADJUSTED"))
    assert found(result) == {
        "ADJ_INCONSISTENT": 3,
        "DIVIDEND_DOUBTED": 4,
        "JUMP_BAND": 40,
        "REVERSAL": 10,
        "SPLIT_FROM_ADJUSTED": 3,
        "STALE_PRINT": 17,
    }
    # what the source names: a stale print, alternating bad prints, a reverse split that the price denies
    assert "ISRG" in symbols(result, "STALE_PRINT")
    assert "APTV" in symbols(result, "REVERSAL")
    assert "MSI" in symbols(result, "JUMP_BAND")
    false_alarms = 40 - 1 + 10 - 2  # true moves: all but MSI's and APTV's
    assert false_alarms <= 1_213_492 / 20_000


def test_the_vintage_feed_restates_splits_and_loses_symbols(calendar: Calendar, tmp_path: Path) -> None:
    warehouse, record = Warehouse(tmp_path), dict[str, int]()
    told: dict[tuple[str, date], float] = {}
    delivered: dict[tuple[str, date], float] = {}
    restated, splits, days, findings = set(), {}, [], Counter[str]()
    for one in deliveries("feed/2015"):
        with warehouse.live() as con:
            known = newest_closes_on_record(con, one)
            result = screen(one, Context(TODAY, calendar.days, known, recorded=rows_around(con, one)))
            assert no_longer_believed(con, result).num_rows == 0
        with warehouse.write(STAMP) as tx:
            store_delivery(tx, result, one.payload_name)
        assert one.known_at is not None
        days.append(one.known_at)
        delivered |= {(row["symbol"], row["date"]): row["close"] for row in one.rows.to_pylist()}
        findings.update(found(result))
        for row in result.rows.select(["symbol", "date", "close", "split"]).to_pylist():
            key = (row["symbol"], row["date"])
            if key in told and abs(told[key] / row["close"] - 1) > SAME_VALUE:
                restated.add(key)
            told[key] = row["close"]
            if row["split"] not in (None, 1.0):
                splits[row["symbol"]] = (row["date"], row["split"])
            number = (row["date"] - date(1970, 1, 1)).days
            record[row["symbol"]] = max(number, record.get(row["symbol"], number))
    assert (len(days), days == sorted(days), date(2015, 6, 10) in days) == (198, True, False)
    assert any(day == date(2015, 6, 10) for _, day in told)
    assert len(record) == 135
    # 124 closes differ from the evening before, 123 of them in the last printed digit only.
    assert restated == {("UNP", date(2015, 8, 26))}
    assert splits["NFLX"] == (date(2015, 7, 15), 7.0)
    assert {
        symbol: ratio for symbol, (_, ratio) in splits.items() if symbol in ("NKE", "SBUX", "KR", "TVIX")
    } == {
        "NKE": 2.0,
        "SBUX": 2.0,
        "KR": 2.0,
        "TVIX": 0.1,
    }
    assert findings["DUPLICATE_SAME"] == 540  # the file of 2015-04-06 tells every row three times
    # GEVA, taken over at +112%, traded forty times its usual volume: believed the same evening
    assert (findings["JUMP_75"], findings["RELEASED"]) == (0, 0)
    with warehouse.live() as con:
        kept = con.execute(
            "select symbol, date, close from believed_prices(null) "
            "qualify row_number() over (partition by symbol, date order by ingest_seq desc) = 1"
        ).fetchall()
    closes = {(symbol, day): close for symbol, day, close in kept}
    assert len(delivered) == 24_804
    assert [key for key, close in delivered.items() if abs(closes.get(key, 0) / close - 1) > SAME_VALUE] == []
    with warehouse.live() as con:
        assert open_questions(con) == []
    last = max(record.values())
    assert sum(day < last for day in record.values()) >= 18
