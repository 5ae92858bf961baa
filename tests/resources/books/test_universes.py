"""What may be held: no name without a price, none that is gone, none too young to be estimated with the others."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from bench import STAMP, ingest, new_warehouse, price_rows, staying_open
from book_chain import DAYS as SESSIONS
from book_chain import Chain, book_file

from optimizer import DataError
from optimizer.errors import nearest
from resources.books.universes import UNPRICED, Listing, cap_weights, is_too_young, unpriced_symbols
from resources.ledger.ledger import Connection
from resources.packs.delistings import Delisting, delistings
from resources.packs.near_symbols import unknown_symbols
from resources.packs.packs import Pack, cut_pack
from resources.screening.pack_checks import CheckLimits

DAYS = tuple(date(2024, 1, 1) + timedelta(days=number) for number in range(60))
ACTIONS = pa.schema([
    ("symbol", pa.string()), ("date", pa.date32()), ("kind", pa.string()), ("value", pa.float64()),
    ("currency", pa.string()), ("note", pa.string()), ("source", pa.string()),
])  # fmt: skip


def gone(symbol: str, day: date, value: float) -> dict[str, object]:
    return {"symbol": symbol, "date": day, "kind": "delisting", "value": value, "source": "desk"}


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[tuple[Connection, Pack]]:
    """OLD is priced throughout, NEW since 12 days, LOST until ten days ago; BACK was delisted and is priced again."""
    warehouse = new_warehouse(tmp_path, staying_open)
    histories = {"OLD": DAYS, "NEW": DAYS[-12:], "LOST": DAYS[:-10], "GONE": DAYS[:-10], "BACK": DAYS}
    for symbol, days in histories.items():
        with warehouse.write(STAMP) as tx:
            ingest(tx, "prices", price_rows(days=days, symbols=(symbol,)))
    actions = [
        gone("GONE", DAYS[-9], 12.5),
        gone("BACK", DAYS[20], 7.0),
        gone("GONE", date(2025, 1, 1), 99.0),
    ]
    with warehouse.write(STAMP) as tx:
        ingest(tx, "corporate_actions", pa.Table.from_pylist(actions, schema=ACTIONS))
    with warehouse.write(STAMP) as tx:
        pack = cut_pack(tx, DAYS[-1], ["feed"], DAYS, CheckLimits()).pack
    with warehouse.live() as con:
        yield con, pack


def test_a_name_is_closed_with_its_reason(seen: tuple[Connection, Pack]) -> None:
    assert unpriced_symbols(*seen, ["BACK", "GONE", "LOST", "NEW", "NONE", "OLD"]) == {
        "GONE": f"was delisted on {DAYS[-9]} for 12.5 USD a share",
        "LOST": UNPRICED,
        "NONE": f"{UNPRICED}: no source has ever priced it; did you mean GONE?",
    }


def test_a_name_that_nobody_ever_priced_is_told_with_the_near_ones(seen: tuple[Connection, Pack]) -> None:
    told = unknown_symbols(*seen, ["OLDD", "G.O.N.E", "XYZQ", "LOST"])
    assert told == {
        "OLDD": "no source has ever priced it; did you mean OLD?",
        "G.O.N.E": "no source has ever priced it; did you mean GONE?",
        "XYZQ": "no source has ever priced it; correct it, or ingest its prices",
    }
    assert nearest("brk.b", ["BRK-A", "BRK-B", "BRKB"]) == ["BRK-B", "BRKB", "BRK-A"]


def test_a_delisting_takes_the_currency_of_the_last_price_and_is_void_once_the_name_is_priced_again(
    seen: tuple[Connection, Pack],
) -> None:
    assert delistings(*seen, ["GONE", "BACK", "OLD"]) == {"GONE": Delisting(DAYS[-9], 12.5, "USD")}


def test_a_young_name_is_left_out_unless_all_are_young(seen: tuple[Connection, Pack]) -> None:
    listing = Listing(*seen, ("NEW", "OLD"))
    assert listing.young(["NEW", "OLD"], 40) == {"NEW": "has 12 days of prices; 31 are needed"}
    assert is_too_young("has 1 day of prices; 31 are needed")
    assert listing.young(["NEW"], 40) == {}
    assert listing.young(["NEW", "OLD"], 20) == {}
    assert listing.young([], 40) == {}


def test_caps_are_weighed_in_one_currency_and_one_without_a_rate_is_not_known(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path, staying_open)
    facts = [("OLD", 100.0, "USD"), ("NEW", 14000.0, "JPY"), ("LOST", 1.0, "XXX"), ("BACK", 5000.0, "GBX")]
    caps = [
        {"symbol": s, "date": DAYS[-1], "market_cap": cap, "currency": unit, "source": "desk"}
        for s, cap, unit in facts
    ]
    fx = [("USD", "JPY", 140.0), ("GBP", "USD", 2.0)]
    rates = [
        {"base": base, "quote": quote, "date": DAYS[-1], "rate": rate, "source": "desk"}
        for base, quote, rate in fx
    ]
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", price_rows(days=DAYS, symbols=("OLD", "NEW", "LOST", "BACK")))
        ingest(tx, "market_caps", pa.Table.from_pylist(caps))
        ingest(tx, "fx_rates", pa.Table.from_pylist(rates))
        pack = cut_pack(tx, DAYS[-1], ["feed"], DAYS, CheckLimits()).pack
    with warehouse.live() as con:
        found = cap_weights(con, pack, ("OLD", "NEW", "BACK"), "USD")
        assert found == pytest.approx(dict.fromkeys(("OLD", "NEW", "BACK"), 1 / 3))
        with pytest.raises(DataError, match=r"no market cap of \['LOST'\] that can be told in USD"):
            cap_weights(con, pack, ("OLD", "LOST"), "USD")


def test_what_is_set_apart_is_not_bought_where_all_names_of_the_universe_are_young(tmp_path: Path) -> None:
    """AAA, held and no longer of the universe, is old: NEW was kept as it was, and a name to buy besides."""
    policy = "{lookback_days: 40, risk_free_rate: 0.01, on_short_history: freeze}"
    held = "cash: 1000, positions: {AAA: 300, NEW: 50}"
    book = Chain(tmp_path, book_file(held, mode="live", policy=policy), BBB=50.0)
    book.file = book.file.model_copy(update={"universe": ["NEW", "TWO"]})
    book.prices("AAA", dict.fromkeys([*(date(2023, 12, day) for day in range(4, 32)), *SESSIONS], 100.0))
    for symbol in ("NEW", "TWO"):
        book.prices(symbol, dict.fromkeys(SESSIONS[13:], 20.0))
    found = book.snapshot(SESSIONS[24])
    assert found.problem is None
    assert [one.symbol for one in found.frozen] == ["NEW"]
    assert (found.investable, found.symbols) == (("TWO",), ("AAA", "TWO"))
    assert found.excluded == {"NEW": "has 12 days of prices; 31 are needed"}
