"""What a pack saw: one source a symbol, the newest row up to the watermark, rates that are never invented."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from bench import DAYS, STAMP, SYMBOLS, copied, cut, ingest, price_rows, staying_open

from optimizer import DataError
from resources.ledger.ledger import Connection
from resources.packs.pack_prices import chosen_sources, newest_facts, read_panel, window_start, window_starts
from resources.packs.packs import Pack, cut_pack, find_pack
from resources.packs.panels import Panel
from resources.packs.rates import exchange_rate, exchange_rate_series, risk_free_rate
from resources.screening.pack_checks import CheckLimits
from resources.store.warehouse import Warehouse

Seen = tuple[Connection, Pack]


def of_source(rows: pa.Table, source: str) -> pa.Table:
    place = rows.column_names.index("source")
    return rows.set_column(place, "source", pa.array([source] * rows.num_rows))


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[Seen]:
    with copied(_build, tmp_path, staying_open).live() as con:
        yield con, find_pack(con, "PP_2024-01-05")


def _build(home: Path) -> None:
    """A second source has two symbols more and disagrees on the others; a correction comes after the pack."""
    warehouse = Warehouse(home)
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", price_rows(symbols=SYMBOLS[:2]))
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", of_source(price_rows(close=500.0), "backup"))
    fx = [("EUR", "USD", DAYS[0], 1.10), ("EUR", "USD", DAYS[2], 1.20), ("EUR", "GBP", DAYS[0], 0.88)]
    with warehouse.write(STAMP) as tx:
        ingest(tx, "fx_rates", pa.Table.from_pylist([
            {"base": base, "quote": quote, "date": day, "rate": rate, "source": "feed"} for base, quote, day, rate in fx
        ]))  # fmt: skip
    with warehouse.write(STAMP) as tx:
        facts = [(DAYS[0], 10.0), (DAYS[1], 20.0), (date(2024, 1, 9), 30.0)]
        ingest(tx, "market_caps", pa.Table.from_pylist([
            {"symbol": "AAA", "date": day, "market_cap": cap, "currency": "USD", "source": "feed"} for day, cap in facts
        ]))  # fmt: skip
    with warehouse.write(STAMP) as tx:
        ingest(tx, "risk_free_rates", pa.Table.from_pylist([
            {"currency": "USD", "date": DAYS[0], "rate": 0.03, "note": None, "source": "feed"}
        ], schema=pa.schema([("currency", pa.string()), ("date", pa.date32()), ("rate", pa.float64()),
                             ("note", pa.string()), ("source", pa.string())])))  # fmt: skip
    with warehouse.write(STAMP) as tx:
        cut_pack(tx, DAYS[-1], ["feed", "backup"], DAYS, CheckLimits())
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", price_rows(close=77.0, symbols=SYMBOLS[:2]))


def test_each_symbol_takes_the_preferred_source_that_has_it(seen: Seen) -> None:
    con, pack = seen
    assert {span.symbol: span.source for span in chosen_sources(con, pack, SYMBOLS)} == {
        "AAA": "feed",
        "BBB": "feed",
        "CCC": "backup",
        "DDD": "backup",
    }


def test_a_panel_is_what_the_pack_saw_then(seen: Seen) -> None:
    con, pack = seen
    panel = read_panel(con, pack, ["CCC", "AAA", "ZZZ"])
    assert panel.dates == DAYS
    # Not the 77 that came later.
    np.testing.assert_array_equal(panel.close[:, 1], [100.0, 101.0, 102.0, 103.0])
    np.testing.assert_array_equal(panel.close[:, 0], [500.25, 501.25, 502.25, 503.25])
    assert np.isnan(panel.close[:, 2]).all()
    assert panel.last_close(1) == (DAYS[-1], 103.0)
    assert panel.last_close(2) is None
    assert (panel.currency, panel.basis) == (("USD", "USD", ""), ("as_traded", "as_traded", ""))


def test_the_macro_and_the_panel_agree_on_prices_and_total_returns(seen: Seen) -> None:
    con, pack = seen
    rows = con.execute(
        "select symbol, close, adj_close from pack_prices(?) order by symbol, date", [pack.id]
    ).fetchall()
    panel = read_panel(con, pack, SYMBOLS)
    np.testing.assert_array_equal([row[1] for row in rows], panel.close.T.ravel())
    np.testing.assert_allclose(
        [row[2] for row in rows], panel.total_return().to_numpy().T.ravel(), rtol=1e-14
    )


def test_a_window_starts_at_the_nth_newest_priced_day(seen: Seen) -> None:
    con, pack = seen
    assert window_start(con, pack, 2) == DAYS[2]
    assert window_start(con, pack, 99) == DAYS[0]
    assert window_starts(con, pack, {99, 1, 2}) == {1: DAYS[3], 2: DAYS[2], 99: DAYS[0]}


def test_rates_are_direct_inverse_or_through_a_third_currency(seen: Seen) -> None:
    con, pack = seen
    assert exchange_rate(con, pack, "EUR", "USD") == 1.20
    assert exchange_rate(con, pack, "USD", "EUR") == pytest.approx(1 / 1.20)
    assert exchange_rate(con, pack, "GBP", "USD") == pytest.approx(1.20 / 0.88)
    np.testing.assert_array_equal(exchange_rate_series(con, pack, "EUR", "USD", DAYS), [1.1, 1.1, 1.2, 1.2])
    assert exchange_rate(con, pack, "USD", "USD") == 1.0


def test_a_missing_rate_is_an_error_and_never_one(seen: Seen) -> None:
    con, pack = seen
    with pytest.raises(DataError, match="no exchange rate JPY/USD"):
        exchange_rate(con, pack, "JPY", "USD")
    with pytest.raises(DataError, match="from that date on"):
        exchange_rate_series(con, pack, "EUR", "USD", [date(2023, 12, 29)])
    assert risk_free_rate(con, pack, "USD") == 0.03
    with pytest.raises(DataError, match="no risk-free rate for EUR"):
        risk_free_rate(con, pack, "EUR")


def test_facts_are_the_newest_up_to_the_pack(seen: Seen) -> None:
    con, pack = seen
    assert newest_facts(con, pack, "market_caps", ["market_cap", "currency"], SYMBOLS) == {
        "market_cap": {"AAA": 20.0},
        "currency": {"AAA": "USD"},
    }


def test_a_pack_without_prices_says_so(tmp_path: Path) -> None:
    empty = Warehouse(tmp_path / "empty")
    pack = cut(empty, DAYS[0])
    with empty.live() as con, pytest.raises(DataError, match="sees no prices at all"):
        window_start(con, pack, 5)


def test_a_symbols_newest_price_is_its_last_one_and_old_where_others_have_a_newer() -> None:
    nan = np.nan
    close = np.array([[1.0, 4.0, nan], [2.0, nan, nan], [3.0, nan, nan]])
    panel = Panel(
        ("NEW", "OLD", "NONE"), DAYS[:3], close, close, close, ("USD", "USD", ""), (False,) * 3, ("", "", "")
    )
    assert [panel.last_close(place) for place in range(3)] == [(DAYS[2], 3.0), (DAYS[0], 4.0), None]
    assert panel.old_closes(DAYS[2]) == {"OLD": DAYS[0]}
    assert panel.select(["OLD"], end=DAYS[1]).last_close(0) == (DAYS[0], 4.0)
    assert panel.select(["NONE"]).last_close(0) is None
