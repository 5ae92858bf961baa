"""Lineage of a trade in another currency: the rate it was valued at, and the ingest that brought it."""

from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from bench import BOOK, DAYS, STAMP, copied, cut, ingest, price_rows, staying_open

from optimizer import DataError, PolicyError
from resources.lineage.open_lineage import emit, lineage_events
from resources.lineage.tracing import row_key, trace_row
from resources.store.warehouse import Warehouse

TRADE = {
    "symbol": "AAA", "action": "BUY", "quantity": 10.0, "price": 120.0, "value": Decimal(1200), "cost": Decimal(1),
    "rationale": "why", "current_quantity": 0.0, "target_quantity": 10.0, "currency": "EUR", "local_price": 100.0,
}  # fmt: skip

MAIN = pd.DataFrame([{
    "name": "main", "mode": "live", "base_currency": "USD", "policy": "{}", "views": "[]", "benchmark": "{}",
    "universe": "{}",
}])  # fmt: skip


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return copied(_build, tmp_path, staying_open)


def _build(home: Path) -> None:
    """A pack that sees two rates of the euro, and a third that came later."""
    store = Warehouse(home)
    with store.write(STAMP) as tx:
        ingest(tx, "prices", price_rows())
    rates = [("EUR", "USD", 1.10, DAYS[0]), ("EUR", "USD", 1.20, DAYS[-1]), ("GBP", "USD", 1.30, DAYS[0])]
    for given in (rates, [("EUR", "USD", 9.99, DAYS[-1])]):
        with store.write(STAMP) as tx:
            rows = [
                {"base": b, "quote": q, "rate": r, "date": day, "source": "feed"} for b, q, r, day in given
            ]
            ingest(tx, "fx_rates", pa.Table.from_pylist(rows))
        if given is rates:
            pack = cut(store, DAYS[-1])
    with store.write(STAMP) as tx:
        frames = {
            "trades": pd.DataFrame(
                [
                    TRADE | {"fx_rate": 1.2},
                    TRADE | {"symbol": "BBB", "fx_rate": 1.0},
                    TRADE | {"symbol": "CCC", "currency": "GBX", "fx_rate": 0.013},
                ]
            )
        }
        tx.record("trades", frames, pack_id=pack.id, portfolio_id=BOOK)


def test_a_trade_in_another_currency_leads_to_its_rate(warehouse: Warehouse) -> None:
    with warehouse.live() as con:
        tree = trace_row(con, "trades", ["PP_2024-01-05", "AAA"])
        (rate,) = [node for node in tree["from"] if node["label"].startswith("fx_rates")]
        assert rate["label"] == "fx_rates EUR/USD"
        assert rate["facts"] == {"date": DAYS[-1], "rate": 1.2, "source": "feed"}
        assert rate["from"][0]["label"] == "ingest 2"
        events = lineage_events(con, tree)
    assert {item.name for event in events for item in event.inputs or ()} >= {"fx_rates"}


def test_a_trade_in_pence_leads_to_the_rate_of_the_pound(warehouse: Warehouse) -> None:
    with warehouse.live() as con:
        tree = trace_row(con, "trades", ["PP_2024-01-05", "CCC"])
    assert [node["label"] for node in tree["from"] if "fx_rates" in node["label"]] == ["fx_rates GBP/USD"]


def test_a_trade_in_the_base_currency_has_none(warehouse: Warehouse) -> None:
    with warehouse.live() as con:
        tree = trace_row(con, "trades", ["PP_2024-01-05", "BBB"])
    assert [node for node in tree["from"] if node["label"].startswith("fx_rates")] == []


def test_a_target_that_cannot_be_written_is_an_error(warehouse: Warehouse, tmp_path: Path) -> None:
    with warehouse.live() as con:
        events = lineage_events(con, trace_row(con, "trades", ["PP_2024-01-05", "AAA"]))
    with pytest.raises(DataError, match="did not take the events"):
        emit(events, str(tmp_path / "no" / "such" / "folder.jsonl"))


def test_a_symbol_may_be_left_out_before_its_portfolio(warehouse: Warehouse) -> None:
    """A how-to said so; `packfolio prove trades PACK main` looked for a share that is called main."""
    with warehouse.write(STAMP) as tx:
        tx.record(
            "portfolio_snapshots", {"portfolio_snapshots": MAIN}, pack_id="PP_2024-01-05", portfolio_id=BOOK
        )
    with warehouse.live() as con:
        pack, symbol, portfolio = row_key(con, "trades", ["PP_2024-01-05", "main"])
        assert (pack.id, symbol, portfolio) == ("PP_2024-01-05", None, BOOK)
        assert row_key(con, "trades", ["PP_2024-01-05", "AAA"])[1:] == ("AAA", None)
        assert row_key(con, "trades", ["PP_2024-01-05", "nobody"])[1:] == ("nobody", None)


def test_what_a_book_earned_is_traced_by_portfolio_and_by_part(warehouse: Warehouse) -> None:
    part = {"previous_pack": "PP_2024-01-04", "sessions": 1, "factor_group": None, "exposure": 0.5}
    earned = [
        part | {"kind": kind, "part": name, "return": 0.01, "money": 10.0}
        for kind, name in (("symbol", "AAA"), ("symbol", "BBB"), ("held", "HELD"))
    ]
    with warehouse.write(STAMP) as tx:
        tx.record(
            "portfolio_snapshots", {"portfolio_snapshots": MAIN}, pack_id="PP_2024-01-05", portfolio_id=BOOK
        )
        tx.record(
            "tail_risk", {"held_returns": pd.DataFrame(earned)}, pack_id="PP_2024-01-05", portfolio_id=BOOK
        )
    with warehouse.live() as con:
        whole = trace_row(con, "held_returns", ["PP_2024-01-05", "main"])
        one = trace_row(con, "held_returns", ["PP_2024-01-05", "main", "BBB"])
        with pytest.raises(PolicyError, match="CCC"):
            trace_row(con, "held_returns", ["PP_2024-01-05", "main", "CCC"])
    assert len(whole["from"]) == 3 and one["label"] == "held_returns BBB"
    assert [node["label"] for node in one["from"]] == ["portfolio_snapshots"]
