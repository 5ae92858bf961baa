"""What live accounts would hold were the newest pack cut now: what came late of them proposes a revision."""

from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from accounts_desk import cut, deliver, make_desk, take
from bench import STAMP, ingest

from optimizer import PolicyError
from resources.accounts.known import accounts_of
from resources.audit.restatements import proposed_revisions
from resources.audit.weight_changes import portfolio_state
from resources.books.take_snapshots import take_snapshots
from resources.settings.configuration import load_configuration

POSITIONS = "account,symbol,as_of,quantity\n"
FILES = {
    "accounts.csv": "account,name,model\nA1,Ann,growth\nA2,Bob,growth\nA3,Bob,growth\nA4,A3,growth\nA5,Eve,growth\n",
    "account_positions.csv": POSITIONS + "".join(
        f"A{number},{symbol},2024-02-01,10\n" for number, symbol in enumerate(("AAA", "BBB", "CCC", "DDD", "CASH"), 1)
    ),
}  # fmt: skip


def test_positions_flows_and_splits_that_came_late_are_named_of_each_account(tmp_path: Path) -> None:
    warehouse = make_desk(tmp_path, FILES)
    take(tmp_path, warehouse)
    pack, desk = cut(warehouse), load_configuration(tmp_path / "config")
    with warehouse.write(STAMP) as tx:
        told = [{"config_hash": STAMP.config_hash, "text": desk.text}]
        tx.record("configs", {"configs": pd.DataFrame(told)})
        for one in take_snapshots(tx.con, pack, accounts_of(tx.con, pack, desk.portfolios), {}):
            tx.record("portfolio_snapshots", one.frames(), pack_id=pack.id, portfolio_id=one.portfolio_id)
    with warehouse.live() as con:
        assert proposed_revisions(con, 1.0) == []
        assert portfolio_state(con, pack, "A3").snapshot.portfolio_id == "A3"  # not the one of that name
        with pytest.raises(PolicyError, match="2 accounts have the name 'Bob': A2, A3"):
            portfolio_state(con, pack, "Bob")
    deliver(tmp_path, {
        "account_positions-2.csv": POSITIONS + "A1,AAA,2024-02-01,12\n",
        "account_flows.csv": "account,date,amount\nA5,2024-02-04,5.5\n",
        "accounts-2.csv": "account,model,closed\nA4,growth,true\n",
    })  # fmt: skip
    take(tmp_path, warehouse)
    split = {"symbol": "CCC", "date": date(2024, 2, 15), "kind": "split", "value": 4.0, "source": "desk"}
    with warehouse.write(STAMP) as tx:
        ingest(tx, "corporate_actions", pa.Table.from_pylist([split]))
    with warehouse.live() as con:
        found = proposed_revisions(con, 1.0)
    assert [(one.portfolio, one.reason.rsplit(": ", 1)[1]) for one in found] == [
        ("A3", "A3 is no account any more"),
        ("Ann", "Ann holds 12 AAA, not 10"),
        ("Bob", "Bob holds 40 CCC, not 10"),
        ("Eve", "Eve has 15.50 in cash, not 10.00"),
    ]
