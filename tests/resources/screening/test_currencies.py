"""Rates that are old or contradict a definition, and prices in another currency than the security's."""

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from bench import DAYS, STAMP, ingest, priced_warehouse, staying_open

from resources.packs.packs import cut_pack
from resources.screening.currencies import Fault, rate_faults
from resources.screening.pack_checks import CheckLimits
from resources.store.warehouse import Warehouse

OLD = DAYS[-1] - timedelta(days=900)
SECURITY = pa.schema([
    ("symbol", pa.string()), ("date", pa.date32()), ("name", pa.string()), ("sector", pa.string()),
    ("currency", pa.string()), ("exchange", pa.string()), ("kind", pa.string()), ("simulated", pa.bool_()),
    ("note", pa.string()), ("source", pa.string()),
])  # fmt: skip


def rate(base: str, quote: str, day: date, value: float) -> dict[str, object]:
    return {"base": base, "quote": quote, "date": day, "rate": value, "source": "feed"}


def security(symbol: str, currency: str) -> dict[str, object]:
    return {"symbol": symbol, "date": OLD, "currency": currency, "simulated": False, "source": "feed"}


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return priced_warehouse(tmp_path, staying_open)


def faults(warehouse: Warehouse) -> list[Fault]:
    with warehouse.live() as con:
        return list(rate_faults(con, DAYS[-1], 1_000_000, 45, 10))


def add(warehouse: Warehouse, log: str, rows: pa.Table) -> None:
    with warehouse.write(STAMP) as tx:
        ingest(tx, log, rows)


def test_a_pair_is_stale_only_where_no_way_is_fresh_and_named_once(warehouse: Warehouse) -> None:
    add(warehouse, "fx_rates", pa.Table.from_pylist([
        rate("EUR", "USD", OLD, 1.0), rate("USD", "EUR", DAYS[-1], 0.8),  # its inverse is fresh
        rate("SEK", "USD", OLD, 0.1), rate("SEK", "EUR", DAYS[-1], 0.09),  # a cross is fresh
        rate("CHF", "USD", OLD, 1.1), rate("USD", "CHF", OLD - timedelta(days=1), 0.9),  # nothing is
        rate("AED", "USD", OLD, 0.2723),  # a peg does not age
        rate("GBX", "GBP", OLD, 0.01),  # nor a definition
    ]))  # fmt: skip
    found = faults(warehouse)
    assert [(code, day, value) for code, _, day, value, _ in found] == [("STALE_RATE", OLD, 900.0)]
    assert found[0][-1].startswith(f"the newest exchange rate CHF/USD is of {OLD}, 900 days before")


def test_the_cap_of_the_next_company_that_has_a_symbol_is_not_doubted(warehouse: Warehouse) -> None:
    add(warehouse, "corporate_actions", pa.Table.from_pylist([
        {"symbol": symbol, "date": day, "kind": "delisting", "value": 0.0, "source": "desk"}
        for symbol, day in (("AAA", DAYS[-1]), ("BBB", DAYS[-2]))
    ]))  # fmt: skip
    add(warehouse, "market_caps", pa.Table.from_pylist([
        {"symbol": symbol, "date": day, "market_cap": cap, "currency": "USD", "source": "feed"}
        for symbol in ("AAA", "BBB") for day, cap in ((DAYS[-2], 2e9), (DAYS[-1], 2e12))
    ]))  # fmt: skip
    assert [(code, symbol) for code, symbol, *_ in faults(warehouse)] == [("CAP_DOUBTED", "BBB")]


def test_a_rate_or_cap_of_another_unit_is_doubted(warehouse: Warehouse) -> None:
    before, last = DAYS[-2], DAYS[-1]
    add(warehouse, "fx_rates", pa.Table.from_pylist([
        rate("USD", "JPY", before, 150.0), rate("USD", "JPY", last, 1 / 150),  # the other way round
        rate("EUR", "USD", before, 1.1), rate("EUR", "USD", last, 1.2),
        rate("USD", "EUR", last, 1.2),  # no inverse
        rate("CHF", "USD", last, 1.1), rate("USD", "CHF", last, 0.909),
    ]))  # fmt: skip
    caps = [("AAA", 2e9, 2e12), ("BBB", 3e9, 4e9), ("CCC", 5e9, 5e6)]
    add(warehouse, "market_caps", pa.Table.from_pylist([
        {"symbol": symbol, "date": day, "market_cap": cap, "currency": "USD", "source": "feed"}
        for symbol, *both in caps for day, cap in zip((before, last), both, strict=True)
    ]))  # fmt: skip
    found = faults(warehouse)
    assert [(code, symbol) for code, symbol, *_ in found] == [
        ("RATE_DOUBTED", None), ("CAP_DOUBTED", "AAA"), ("CAP_DOUBTED", "CCC"), ("RATE_DOUBTED", None),
    ]  # fmt: skip
    assert f"USD/JPY is 0.00666667 on {last} and was 150 on {before}" in found[0][-1]
    assert f"AAA in USD is 2e+12 on {last} and was 2e+09" in found[1][-1]
    assert "EUR/USD as 1.2 and USD/EUR as 1.2" in found[3][-1]


def test_a_rate_against_a_definition_is_named(warehouse: Warehouse) -> None:
    add(warehouse, "fx_rates", pa.Table.from_pylist([rate("GBP", "GBX", DAYS[-1], 1.0)]))
    (found,) = faults(warehouse)
    assert found[0] == "UNIT_RATE"
    assert "GBP/GBX is on record as 1; it is 100 by definition" in found[-1]


def test_a_security_in_another_currency_than_its_prices_is_named_in_the_pack(warehouse: Warehouse) -> None:
    stated = [security("AAA", "GBP"), security("BBB", "USD")]
    add(warehouse, "securities", pa.Table.from_pylist(stated, schema=SECURITY))
    with warehouse.write(STAMP) as tx:
        findings = cut_pack(tx, DAYS[-1], ["feed"], DAYS, CheckLimits()).findings
    (found,) = [item for item in findings if item.code == "CURRENCY_MISMATCH"]
    assert (found.symbol, found.severity) == ("AAA", "WARN")
    assert (
        "feed tells its prices in USD, securities say that it is quoted in GBP; USD is used" in found.message
    )
