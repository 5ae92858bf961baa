"""Rows about accounts: believed, or set aside with a reason while the others go on; corrected and taken back."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from accounts_desk import ACCOUNTS, DAYS, cut, deliver, make_desk, take
from bench import STAMP

from resources.accounts.files import Told
from resources.accounts.rows import Known, judged
from resources.accounts.waiting import account_rows_aside
from resources.audit.verification import verify
from resources.ledger.anchors import read_anchors
from resources.ledger.ledger import Connection
from resources.ledger.tables import LOGS
from resources.packs.packs import cut_pack
from resources.screening.pack_checks import CheckLimits
from resources.store.warehouse import Warehouse

GOOD = ACCOUNTS + "A1,Ann,growth,USD,0.02,taxable,2024-01-02\nA2,Bob,taxed,,,exempt,\n"


def asked(con: Connection, sql: str) -> list[tuple[object, ...]]:
    return con.execute(sql).fetchall()


def set_aside(folder: Path, files: dict[str, str]) -> tuple[list[tuple[object, ...]], int]:
    """(line, code) of what is set aside of the last file, and how many of its rows are on record."""
    warehouse = make_desk(folder, files)
    done = take(folder, warehouse)[-1]
    with warehouse.live() as con:
        aside = asked(con, f"select line, code from quarantine where log = '{done.log}' order by line")
    return aside, done.new


def test_files_become_rows_that_a_pack_binds_and_verify_proves(tmp_path: Path) -> None:
    positions = (
        "account,symbol,as_of,quantity,cost_basis\nA1,AAA,2024-02-01,10,99.5\nA1,CASH,2024-02-01,1000.25,\n"
    )
    flows = "account,date,amount,currency\nA1,2024-02-05,-250,USD\n"
    limits = "account,symbol,kind,reason\nA1,BBB,do_not_buy,insider\n"
    files = {
        "accounts.csv": GOOD, "account_positions-2024-02-01.csv": positions, "account_flows.csv": flows,
        "account_restrictions.csv": limits,
    }  # fmt: skip
    warehouse = make_desk(tmp_path, files)
    before = cut(warehouse)
    assert [(item.log, item.new, item.quarantined) for item in take(tmp_path, warehouse)] == [
        ("accounts", 2, 0), ("account_positions", 2, 0), ("account_restrictions", 1, 0), ("account_flows", 1, 0),
    ]  # fmt: skip
    assert take(tmp_path, warehouse) == []
    with warehouse.live() as con:
        assert asked(
            con, "select account, name, model, valid_from, cash_buffer from accounts order by 1"
        ) == [
            ("A1", "Ann", "growth", date(2024, 1, 2), 0.02),
            ("A2", "Bob", "taxed", date(1990, 1, 1), None),
        ]
        assert asked(con, "select symbol, as_of, quantity, cost_basis from account_positions order by 1") == [
            ("AAA", date(2024, 2, 1), 10.0, 99.5),
            ("CASH", date(2024, 2, 1), 1000.25, None),
        ]
        assert asked(con, "select amount from account_flows") == [(-250.0,)]
        assert asked(con, "select symbol, kind, reason, valid_from from account_restrictions") == [
            ("BBB", "do_not_buy", "insider", date(1990, 1, 1))
        ]
    with warehouse.write(STAMP) as tx:
        after = cut_pack(tx, DAYS[-1], ["feed"], DAYS, CheckLimits(), revise="accounts").pack
    assert after.content_hash != before.content_hash
    with warehouse.live() as con:
        assert verify(con, read_anchors(warehouse.anchor)).faults == []
        con.execute("update account_positions set quantity = 11 where symbol = 'AAA'")
        (fault,) = verify(con, read_anchors(warehouse.anchor)).faults
        assert (fault.table, fault.symbol, fault.date) == ("account_positions", "A1/AAA", date(2024, 2, 1))


def test_accounts_that_cannot_be_are_set_aside_and_the_others_go_on(tmp_path: Path) -> None:
    rows = {
        "A3,Cy,income,USD,,,": "UNKNOWN_MODEL",
        "A4,Cy,,USD,,,": "UNKNOWN_MODEL",
        "A/5,Cy,growth,USD,,,": "BAD_ACCOUNT",
        ",Cy,growth,USD,,,": "BAD_ACCOUNT",
        "A6,Cy,growth,usd,,,": "BAD_CURRENCY",
        "A7,Cy,growth,USD,2,,": "BAD_CASH_BUFFER",
        "A8,Cy,growth,USD,nan,,": "BAD_NUMBER",
        "A9,Cy,growth,USD,-0.1,,": "BAD_CASH_BUFFER",
        "B1,Cy,growth,USD,,maybe,": "BAD_TAX_STATUS",
        "B2,Cy,growth,USD,,,2024-02-30": "BAD_DATE",
        "book,Cy,growth,USD,,,": "TAKEN_KEY",
        "A1,Ann,growth,USD,0.02,taxable,2024-01-02": "DUPLICATE_SAME",
    }
    told = [(line, code) for line, code in enumerate(rows.values(), 4)]
    assert set_aside(tmp_path, {"accounts.csv": GOOD + "".join(f"{row}\n" for row in rows)}) == (told, 2)


def test_rows_of_accounts_that_are_not_there_are_told_until_they_are(tmp_path: Path) -> None:
    """No portfolio waits for such rows: an account whose model was misspelt was told by no command."""
    files = {
        "accounts.csv": GOOD + "A3,Cy,income,USD,,,\nA1,Ann,growth,USD,0.02,taxable,2024-01-02\n",
        "account_positions.csv": "account,symbol,as_of,quantity\nA3,AAA,2024-02-01,5\nA1,AAA,2024-02-01,1\n",
    }
    warehouse = make_desk(tmp_path, files)
    take(tmp_path, warehouse)
    with warehouse.live() as con:
        first, second = account_rows_aside(con)
    assert str(first).startswith("A3: a row of accounts is set aside: there is no model income")
    assert str(second).startswith(
        "A3: a row of account_positions of 2024-02-01, AAA is set aside: there is no account A3"
    )
    deliver(tmp_path, {"accounts-2.csv": ACCOUNTS + "A3,Cy,taxed,USD,,,\n"})
    take(tmp_path, warehouse)
    with warehouse.live() as con:
        assert account_rows_aside(con) == []


def test_an_account_told_twice_and_not_alike_is_believed_neither_way(tmp_path: Path) -> None:
    text = f"{GOOD}A1,Ann,taxed,USD,0.02,taxable,2024-01-02\n"
    twice = [(2, "DUPLICATE_CONFLICT"), (4, "DUPLICATE_CONFLICT")]
    assert set_aside(tmp_path, {"accounts.csv": text}) == (twice, 1)


def test_positions_that_cannot_be_are_set_aside(tmp_path: Path) -> None:
    rows = {
        "A9,AAA,2024-02-01,1,": "UNKNOWN_ACCOUNT",
        "A1,ZZZ,2024-02-01,1,": "UNKNOWN_SYMBOL",
        "A1,aaa,2024-02-01,1,": "BAD_SYMBOL",
        "A1,BBB,2024-02-01,nan,": "BAD_NUMBER",
        "A1,BBB,2024-02-02,inf,": "BAD_NUMBER",
        "A1,BBB,2024-02-05,ten,": "BAD_NUMBER",
        "A1,BBB,2024-02-12,1_0,": "BAD_NUMBER",
        "A1,BBB,2024-02-06,,": "MISSING_VALUE",
        "A1,BBB,2024-02-07,-5,": "NEGATIVE_QUANTITY",
        "A1,BBB,2024-02-08,1e13,": "ABSURD",
        "A1,BBB,2024-02-09,5,-1": "BAD_COST",
        "A1,BBB,2024-03-02,5,": "FUTURE_DATE",
        "A1,BBB,yesterday,5,": "BAD_DATE",
        "A1,BBB,,5,": "BAD_DATE",
    }
    good = "account,symbol,as_of,quantity,cost_basis\nA1,AAA,2024-02-01,1,\n"
    text = good + "".join(f"{row}\n" for row in rows) + "A2,CASH,2024-02-01,-5,\n"
    told = [(line, code) for line, code in enumerate(rows.values(), 3)]
    assert set_aside(tmp_path, {"accounts.csv": GOOD, "account_positions.csv": text}) == (told, 2)


FLOWS = {
    "A1,2024-03-02,100": "FUTURE_DATE", "A1,2024-02-05,1": "DUPLICATE_SAME", "A1,2024-02-06,": "MISSING_VALUE",
}  # fmt: skip
RESTRICTIONS = {
    "A1,*,do_not_buy,": "BAD_SYMBOL", "A1,AAA,sell,": "BAD_KIND", "A1,BBB,do_not_buy,1989-01-01": "BAD_DATE",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "good", "rows"),
    [
        ("account_flows.csv", "account,date,amount\nA1,2024-02-05,1\n", FLOWS),
        ("account_restrictions.csv", "account,symbol,kind,until\nA1,*,do_not_trade,\n", RESTRICTIONS),
    ],
)
def test_flows_and_restrictions_that_cannot_be_are_set_aside(
    tmp_path: Path, name: str, good: str, rows: dict[str, str]
) -> None:
    told = [(line, code) for line, code in enumerate(rows.values(), 3)]
    text = good + "".join(f"{row}\n" for row in rows)
    assert set_aside(tmp_path, {"accounts.csv": GOOD, name: text}) == (told, 1)


def test_files_that_are_no_tables_are_refused_once_and_forgotten_when_they_are_gone(tmp_path: Path) -> None:
    texts = {
        "MISSING_COLUMN": "account,name\nA1,Ann\n",
        "EXTRA_COLUMN": "account,model,mood\nA1,growth,good\n",
        "NO_ROWS": "account,model\n",
        "TRUNCATED": "account,model\nA1,growth",
        "UNPARSABLE": "account,model\nA1,growth,1\n",
    }
    files = {f"accounts-{place}.csv": text for place, text in enumerate(texts.values())}
    warehouse = make_desk(tmp_path, files)
    refused = take(tmp_path, warehouse)
    assert [(item.status, item.findings[0].code) for item in refused] == [
        ("rejected", code) for code in texts
    ]
    for name in files:
        (tmp_path / "inbox" / name).unlink()
    take(tmp_path, warehouse)
    with warehouse.live() as con:
        assert asked(con, "select status from ingests where source = 'accounts' order by ingest_seq") == [
            *[("rejected",)] * len(texts), *[("withdrawn",)] * len(texts),
        ]  # fmt: skip


def test_parquet_says_the_same_as_csv(tmp_path: Path) -> None:
    warehouse = make_desk(tmp_path, {"accounts.csv": GOOD})
    pq.write_table(
        pa.table({
            "account": pa.array(["A1", "A1"]).dictionary_encode(), "symbol": ["AAA", "BBB"],
            "as_of": pa.array([date(2024, 2, 1)] * 2), "quantity": [10.5, float("nan")],
        }),
        tmp_path / "inbox" / "account_positions.parquet",
    )  # fmt: skip
    assert [(item.log, item.new, item.quarantined) for item in take(tmp_path, warehouse)] == [
        ("accounts", 2, 0), ("account_positions", 1, 1),
    ]  # fmt: skip


def test_what_was_set_aside_comes_in_when_its_reason_is_gone(tmp_path: Path) -> None:
    positions = "account,symbol,as_of,quantity\nA1,AAA,2024-03-02,1\nA3,AAA,2024-02-01,1\n"
    warehouse = make_desk(tmp_path, {"accounts.csv": GOOD, "account_positions.csv": positions})
    assert [item.quarantined for item in take(tmp_path, warehouse)] == [0, 2]
    assert take(tmp_path, warehouse) == []
    deliver(tmp_path, {"accounts-2.csv": "account,model\nA3,growth\n"})
    assert [(item.new, item.quarantined) for item in take(tmp_path, warehouse)] == [(1, 0), (1, 1)]
    assert [(item.new, item.same) for item in take(tmp_path, warehouse, date(2024, 3, 2))] == [(1, 1)]
    assert take(tmp_path, warehouse, date(2024, 3, 3)) == []


def test_a_row_is_corrected_and_taken_back_by_new_ones(tmp_path: Path) -> None:
    header = "account,symbol,as_of,quantity,withdrawn\n"
    warehouse = make_desk(
        tmp_path, {"accounts.csv": GOOD, "account_positions-1.csv": f"{header}A1,AAA,2024-02-01,1000000,\n"}
    )
    take(tmp_path, warehouse)
    deliver(tmp_path, {"account_positions-2.csv": f"{header}A1,AAA,2024-02-01,1000000.5,\n"})
    (corrected,) = take(tmp_path, warehouse)
    deliver(tmp_path, {"account_positions-3.csv": f"{header}A1,AAA,2024-02-01,,true\n"})
    (back,) = take(tmp_path, warehouse)
    assert (corrected.corrected, back.corrected, back.quarantined) == (1, 1, 0)
    with warehouse.live() as con:
        assert asked(con, "select quantity, withdrawn from account_positions order by ingest_seq") == [
            (1000000.0, None), (1000000.5, None), (None, True),
        ]  # fmt: skip
        assert verify(con, read_anchors(warehouse.anchor)).faults == []


@pytest.mark.slow
def test_more_rows_than_duckdb_holds_in_a_row_group_are_all_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On two threads, in a transaction."""
    monkeypatch.setenv("DUCKDB_THREADS", "2")
    count, lacking = 130_000, {name: None for name in LOGS["accounts"].columns if name != "source"}
    told = {**lacking, "account": [f"A{number}" for number in range(count)], "model": ["growth"] * count}
    columns = {name: values or pa.nulls(count, pa.string()) for name, values in told.items()}
    rows = pa.table({"line": range(count), **columns})
    with Warehouse(tmp_path).write(STAMP) as tx:
        file = Told("accounts", "a.csv", "0", "0", tmp_path / "a.csv", rows)
        found = judged(tx.con, file, Known(DAYS[-1], {"growth": False}))
        assert (found.rows.num_rows, found.aside.num_rows) == (count, 0)
        none = judged(tx.con, file, Known(DAYS[-1], {"other": False}))
        assert (none.rows.num_rows, none.aside.num_rows) == (0, count)
