"""Packs: what they see, what replaces them, what is refused, and what a pack's prices are."""

from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.errors import DataError
from resources.ledger import Stamp, append_entry
from resources.logs import append_log
from resources.pack_checks import CheckLimits
from resources.pack_prices import exchange_rate, exchange_rate_series, read_panel, risk_free_rate
from resources.packs import (
    Cut,
    cut_pack,
    find_pack,
    latest_fresh,
    newest_fresh,
    pack_id,
    parse_pack_id,
    previous_fresh,
)
from resources.warehouse import Warehouse, frame

STAMP = Stamp("run", datetime(2026, 1, 1), "code", "config")  # noqa: DTZ001  warehouse times are UTC without a zone
SESSIONS = [day.date() for day in pd.bdate_range("2022-01-03", periods=30)]
NAMES = {"symbol": pa.string(), "date": pa.date32(), "source": pa.string(), "volume": pa.int64(),
         "currency": pa.string(), "basis": pa.string(), "simulated": pa.bool_(), "known_at": pa.date32()}  # fmt: skip


def price_rows(
    source: str, prices: dict[str, list[float]], start: int = 0, split: dict[int, float] | None = None
) -> pa.Table:
    rows = [
        {
            "symbol": symbol, "date": SESSIONS[start + i], "source": source, "open": None, "high": None, "low": None,
            "close": close, "volume": 100, "dividend": 0.25 if i == 7 else 0.0, "split": (split or {}).get(i, 1.0),
            "vendor_adj_close": None, "currency": "USD", "basis": "as_traded", "simulated": False, "known_at": None,
        }
        for symbol, closes in prices.items()
        for i, close in enumerate(closes)
    ]  # fmt: skip
    schema = pa.schema([(name, NAMES.get(name, pa.float64())) for name in rows[0]])
    return pa.Table.from_pylist(rows, schema=schema)


def ingest(warehouse: Warehouse, rows: pa.Table, log: str = "prices") -> int:
    with warehouse.write(STAMP) as tx:
        entry = tx.next_id()
        appended = append_log(tx.con, log, rows, entry)
        append_entry(tx.con, STAMP, entry, log, "content", appended.rows, tables=[log, "log_leaves"])
    return appended.rows


def cut(
    warehouse: Warehouse, as_of: date, sources: tuple[str, ...] = ("desk",), revise: str | None = None
) -> Cut:
    with warehouse.write(STAMP) as tx:
        return cut_pack(tx, as_of, sources, SESSIONS, CheckLimits(), revise=revise)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    made = Warehouse(tmp_path)
    walk = [100 + i for i in range(20)]
    ingest(made, price_rows("desk", {"AAA": walk, "BBB": [2 * x for x in walk]}))
    return made


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.integers(1, 500))
def test_a_pack_id_names_its_date_and_revision(day: date, revision: int) -> None:
    assert parse_pack_id(pack_id(day, revision)) == (day, revision)


@pytest.mark.parametrize(
    "wrong",
    [
        "PP_2025-02-30",
        "PP_2025-10-26.1",
        "PP_2025-10-26.0",
        "PP_2025-10-26\n",
        "pp_2025-10-26",
        "",
        "PP_2025-10-26.02",
    ],
)
def test_anything_else_is_no_pack_id(wrong: str) -> None:
    with pytest.raises(DataError, match="is not a pack ID"):
        parse_pack_id(wrong)


def test_a_fresh_pack_is_reused_whatever_came_since(warehouse: Warehouse) -> None:
    first = cut(warehouse, SESSIONS[19])
    ingest(warehouse, price_rows("desk", {"AAA": [500.0]}, start=19))
    again = cut(warehouse, SESSIONS[19])
    assert first.written and not again.written
    assert again.pack == first.pack


def test_a_revision_sees_the_correction_and_the_pack_it_replaces_does_not(warehouse: Warehouse) -> None:
    old = cut(warehouse, SESSIONS[19]).pack
    ingest(warehouse, price_rows("desk", {"AAA": [500.0]}, start=19))
    new = cut(warehouse, SESSIONS[19], revise="vendor corrected AAA").pack
    assert new.id == f"{old.id}.2"
    assert new.reason == "vendor corrected AAA"
    with warehouse.live() as con:
        assert newest_fresh(con, SESSIONS[19]) == new
        closes = {pack.id: float(read_panel(con, pack, ["AAA"]).close[-1, 0]) for pack in (old, new)}
        supersedes = con.execute(
            "select supersedes from pricing_packs where pack_id = ?", [new.id]
        ).fetchall()
    assert closes == {old.id: 119.0, new.id: 500.0}
    assert supersedes == [(old.id,)]
    assert old.content_hash != new.content_hash


def test_a_rejected_pack_stands_until_something_is_ingested(warehouse: Warehouse) -> None:
    late = SESSIONS[28]
    first = cut(warehouse, late)
    assert not first.pack.fresh and "sessions before" in str(first.pack.reason)
    assert not cut(warehouse, late).written
    with warehouse.live() as con, pytest.raises(DataError, match="is rejected"):
        newest_fresh(con, late)
    ingest(warehouse, price_rows("desk", {"AAA": [120.0], "BBB": [240.0]}, start=28))
    second = cut(warehouse, late).pack
    assert second.fresh and second.revision == 2


def test_losing_most_symbols_rejects_the_pack_and_keeps_the_one_before(warehouse: Warehouse) -> None:
    before = cut(warehouse, SESSIONS[19]).pack
    ingest(warehouse, price_rows("desk", {"BBB": [1.0]}, start=20))
    after = cut(warehouse, SESSIONS[20])
    assert [finding.code for finding in after.findings if finding.severity == "FAIL"] == ["COVERAGE"]
    with warehouse.live() as con:
        assert latest_fresh(con) == before
        assert previous_fresh(con, SESSIONS[25]) == before


def test_a_pack_may_fall_on_a_sunday(warehouse: Warehouse) -> None:
    friday = next(day for day in SESSIONS[10:] if day.weekday() == 4)
    sunday = friday + timedelta(days=2)
    pack = cut(warehouse, sunday).pack
    with warehouse.live() as con:
        panel = read_panel(con, pack, ["AAA"])
    assert pack.fresh and pack.id == f"PP_{sunday}"
    assert panel.dates[-1] == friday


def test_each_symbol_takes_one_source_by_precedence(warehouse: Warehouse) -> None:
    ingest(warehouse, price_rows("vendor", {"AAA": [1.0] * 20, "CCC": [3.0] * 20}))
    pack = cut(warehouse, SESSIONS[19], ("vendor", "desk")).pack
    with warehouse.live() as con:
        panel = read_panel(con, pack, ["AAA", "BBB", "CCC", "DDD"])
        macro = frame(con, f"select distinct symbol, source from pack_prices('{pack.id}') order by 1")
    assert panel.close[-1].tolist()[:3] == [1.0, 238.0, 3.0]
    assert np.isnan(panel.close[:, 3]).all()
    assert macro.to_numpy().tolist() == [["AAA", "vendor"], ["BBB", "desk"], ["CCC", "vendor"]]


def test_the_macro_and_the_arrays_tell_the_same_total_returns(warehouse: Warehouse) -> None:
    ingest(warehouse, price_rows("desk", {"SPL": [70.0] * 4 + [10.0] * 16}, split={4: 7.0}))
    pack = cut(warehouse, SESSIONS[19]).pack
    with warehouse.live() as con:
        index = read_panel(con, pack, ["AAA", "SPL"]).total_return()
        told = frame(
            con,
            f"select date, symbol, adj_close from pack_prices('{pack.id}') where symbol in ('AAA', 'SPL')",
        ).pivot(index="date", columns="symbol", values="adj_close")
    np.testing.assert_allclose(told.to_numpy(), index.to_numpy(), rtol=1e-12)
    growth = index["SPL"].iloc[-1] / index["SPL"].iloc[0]
    assert growth == pytest.approx(1 + 0.25 / 10)  # the split is none, the dividend is


def test_rates_go_direct_inverse_or_through_a_third_currency(warehouse: Warehouse) -> None:
    day = SESSIONS[10]
    pairs = [("USD", "CAD", 1.25), ("EUR", "USD", 1.1)]
    rates = pa.table(
        {
            "base": [p[0] for p in pairs], "quote": [p[1] for p in pairs], "date": pa.array([day] * 2, pa.date32()),
            "source": ["desk"] * 2, "rate": [p[2] for p in pairs],
        }
    )  # fmt: skip
    ingest(warehouse, rates, "fx_rates")
    pack = cut(warehouse, SESSIONS[19]).pack
    with warehouse.live() as con:
        assert exchange_rate(con, pack, "USD", "USD") == 1
        assert exchange_rate(con, pack, "USD", "CAD") == 1.25
        assert exchange_rate(con, pack, "CAD", "USD") == pytest.approx(0.8)
        assert exchange_rate(con, pack, "EUR", "CAD") == pytest.approx(1.375)
        with pytest.raises(DataError, match="no exchange rate JPY/USD"):
            exchange_rate(con, pack, "JPY", "USD")
        with pytest.raises(DataError, match="USD/CAD"):  # before the first rate there is none, never 1
            exchange_rate_series(con, pack, "USD", "CAD", SESSIONS)


def test_a_missing_risk_free_rate_is_an_error(warehouse: Warehouse) -> None:
    pack = cut(warehouse, SESSIONS[19]).pack
    with warehouse.live() as con, pytest.raises(DataError, match="set risk_free_rate in the policy"):
        risk_free_rate(con, pack, "USD")


def test_an_unknown_pack_names_the_newest(warehouse: Warehouse) -> None:
    known = cut(warehouse, SESSIONS[19]).pack
    with warehouse.live() as con, pytest.raises(DataError, match=known.id):
        find_pack(con, "PP_2021-01-04")
