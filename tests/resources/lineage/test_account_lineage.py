"""Lineage of an account: the rows of its logs, the corporate action that changed its shares, and their files."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from accounts_desk import ACCOUNTS, DAYS, cut, make_desk, take
from bench import STAMP, ingest

from resources.lineage.tracing import trace_row
from resources.store.warehouse import Warehouse

DAY, BEFORE = DAYS[-1], DAYS[-1] - timedelta(days=20)
FILES = {
    "accounts.csv": f"{ACCOUNTS}A1,Ann,growth,USD,,,\nA2,Bob,growth,USD,,,\n",
    "account_positions.csv": "account,symbol,as_of,quantity\n"
    f"A1,AAA,{BEFORE},10\nA1,BBB,{BEFORE},5\nA1,CASH,{BEFORE},100\nA2,AAA,{BEFORE},7\n",
    "account_flows.csv": f"account,date,amount\nA1,{BEFORE},1\nA1,{DAY},50\n",
    "account_restrictions.csv": "account,symbol,kind,reason\nA1,AAA,do_not_sell,gift\nA1,BBB,do_not_buy,odd\n",
}
SPLIT = {"symbol": "AAA", "date": DAY, "kind": "split"}


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    store = make_desk(tmp_path, FILES)
    take(tmp_path, store)
    with store.write(STAMP) as tx:
        ingest(tx, "corporate_actions", pa.Table.from_pylist([SPLIT | {"value": 2.0, "source": "feed"}]))
    pack = cut(store, DAY)
    own = {
        "name": "Ann", "mode": "live", "base_currency": "USD", "policy": "{}", "views": "[]", "benchmark": "{}",
        "universe": "{}", "model": "growth",
    }  # fmt: skip
    split = SPLIT | {"quantity": 10.0, "cash": 0.0, "late": False, "note": "split"}
    with store.write(STAMP) as tx:
        frames = {"portfolio_snapshots": pd.DataFrame([own]), "holding_adjustments": pd.DataFrame([split])}
        tx.record("portfolio_snapshots", frames, pack_id=pack.id, portfolio_id="A1")
    return store


def told(tree: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {node["label"]: node for node in tree["from"]}


def test_what_an_account_holds_of_a_symbol_leads_to_its_rows_and_their_files(warehouse: Warehouse) -> None:
    with warehouse.live() as con:
        whole = trace_row(con, "portfolio_snapshots", ["PP_" + str(DAY), "A1"])
        few = trace_row(con, "portfolio_snapshots", ["PP_" + str(DAY), "A1"], most=4)
    found = told(whole)
    assert {name for name in found if name.startswith("account")} == {
        "accounts A1", "account_positions AAA", "account_positions BBB", "account_positions CASH", "account_flows A1",
        "account_restrictions AAA", "account_restrictions BBB",
    }  # fmt: skip
    assert found["account_positions AAA"]["facts"]["quantity"] == 10
    assert found["account_flows A1"]["facts"]["amount"] == 50  # that of the positions' own day is in them
    [source] = found["account_positions AAA"]["from"]
    assert source["from"][0]["label"] == "payload account_positions.csv"
    [action] = found["holding_adjustments AAA"]["from"]
    assert action["label"] == "corporate_actions AAA" and action["facts"]["value"] == 2
    assert [name for name in told(few) if "more row" in name] == [
        "5 more rows of the account A1: ask for one symbol or portfolio, or from an offset on"
    ]
