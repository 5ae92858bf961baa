"""An auditor's day: find what somebody edited, and what must not lie in the home."""

import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest
from small_desk import SYMBOLS
from zygote import Zygote

from pipeline.run_history.storage import unpacked

pytestmark = pytest.mark.xdist_group("audit")
PICKLE = re.compile(rb"\x80[\x02-\x05].*\.", re.DOTALL)


def tampered(desk: Zygote, name: str, *statements: str) -> Zygote:
    """A copy of the home in which somebody ran SQL of their own."""
    shutil.copytree(desk.folder / "home", desk.folder / name)
    with duckdb.connect(str(desk.folder / name / "warehouse.duckdb")) as con:
        for statement in statements:
            con.execute(statement)
    return desk


def faults(desk: Zygote, home: str, *arguments: str) -> list[dict[str, Any]]:
    status, said = desk.packfolio("packs", "verify", *arguments, "--json", home=home)
    report = json.loads(said)
    assert status == (3 if report["faults"] else 0)
    found: list[dict[str, Any]] = report["faults"]
    return found


def written_in(path: Path) -> bytes:
    """The bytes of a file, and what a database of Dagster's history packed of them."""
    found = path.read_bytes()
    if path.suffix == ".db":
        with closing(sqlite3.connect(path)) as con:
            for (table,) in con.execute("select name from sqlite_master where type = 'table'").fetchall():
                rows = con.execute(f'select * from "{table}"').fetchall()
                found += repr([unpacked(value) for row in rows for value in row]).encode()
    return found


def test_no_secret_and_no_pickle_is_left_in_the_home(desk: Zygote) -> None:
    """In no table, and in no file: Dagster's history and logs, anchors, caches; the key itself lies outside."""
    home = desk.folder / "home"
    key = (desk.folder / "keys" / "desk").read_text().splitlines()[1]
    texts = {path: written_in(path) for path in home.rglob("*") if path.is_file()}
    assert {"warehouse.duckdb", "runs.db", "anchors.jsonl"} <= {path.name for path in texts}
    assert PICKLE.fullmatch(b"\x80\x04K\x01.")
    assert [path for path, text in texts.items() if PICKLE.fullmatch(text)] == []
    with duckdb.connect(str(home / "published.duckdb"), read_only=True) as con:
        tables = [name for (name,) in con.execute("select table_name from duckdb_tables()").fetchall()]
        for secret in (desk.environment["VENDOR_TOKEN"], key):
            assert [path for path, text in texts.items() if secret.encode() in text] == []
            for name in tables:
                seen = con.execute(f"select count(*) from {name} t where contains(t::varchar, ?)", [secret])
                assert seen.fetchall() == [(0,)], name


def test_an_untouched_home_verifies(desk: Zygote) -> None:
    assert faults(desk, "home") == []
    assert faults(desk, "home", "PP_2024-02-29") == []


def test_an_edited_price_is_named_with_its_packs(desk: Zygote) -> None:
    tampered(
        desk, "price", "update prices set close = close * 1.001 where symbol = 'DDD' and date = '2024-02-29'"
    )
    (fault,) = faults(desk, "price")
    assert (fault["table"], fault["what"], fault["symbol"], fault["date"]) == (
        "prices",
        "changed",
        "DDD",
        "2024-02-29",
    )
    assert fault["packs"] == ["PP_2024-02-29.2", "PP_2024-02-29"]
    assert faults(desk, "price", "PP_2024-02-28") == []


def test_an_edited_trade_is_named(desk: Zygote) -> None:
    tampered(
        desk, "trade", "update trades set quantity = 0 where symbol = 'BBB' and pack_id = 'PP_2024-02-28'"
    )
    found = faults(desk, "trade")
    assert {(fault["table"], fault["what"], fault["symbol"]) for fault in found} == {
        ("trades", "changed", "BBB")
    }
    status, said = desk.packfolio("doctor", "db", home="trade")
    assert status == 3
    assert "trades: BBB changed" in said


def test_an_older_copy_put_back_is_found_by_the_anchor_until_it_is_accepted(desk: Zygote) -> None:
    shutil.copytree(desk.folder / "home", desk.folder / "cut")
    shutil.copy(desk.folder / "home" / "warehouse.duckdb", desk.folder / "older.duckdb")
    status, said = desk.packfolio("run", "--as-of", "2024-02-27", home="cut")
    assert status == 1 and "paper" in said  # later days of the paper book skipped this one
    shutil.copy(desk.folder / "older.duckdb", desk.folder / "cut" / "warehouse.duckdb")
    (fault,) = faults(desk, "cut")
    assert "cut off, or an older copy put back" in fault["message"]
    for command in (("run", "--as-of", "2024-02-27"), ("ingest",), ("backup", str(desk.folder / "refused"))):
        status, said = desk.packfolio(*command, home="cut")
        assert status == 3 and "`packfolio restore` the newest backup" in said
    empty = desk.folder / "empty.jsonl"
    empty.touch()
    status, said = desk.packfolio("packs", "verify", "--anchor", str(empty), home="cut")
    assert status == 3
    assert "has rows and its anchor no line" in said
    assert desk.packfolio("doctor", "db", "--accept", "restored after a disk failure", home="cut")[0] == 0
    status, said = desk.packfolio("packs", "verify", home="cut")
    assert status == 4  # sound, and a break is on record for ever
    assert "restored after a disk failure" in said


@pytest.mark.slow
def test_a_backup_restores_elsewhere(desk: Zygote) -> None:
    target = desk.folder / "kept"
    assert desk.packfolio("backup", str(target))[0] == 0
    assert desk.packfolio("backup", str(target))[0] == 1
    assert desk.packfolio("restore", str(target), home="elsewhere")[0] == 0
    assert faults(desk, "elsewhere") == []
    assert [pack["pack_id"] for pack in desk.read("packs", "list", home="elsewhere")] == [
        "PP_2024-02-29.2", "PP_2024-02-29", "PP_2024-02-28",
    ]  # fmt: skip


def test_a_doctor_without_faults_says_so(desk: Zygote) -> None:
    found = desk.read("doctor", "db")
    states = {finding["check"]: finding["state"] for finding in found}
    assert {name: state for name, state in states.items() if state == "fault"} == {}
    assert {
        "home",
        "configuration",
        "source inbox",
        "warehouse",
        "anchor",
        "runs",
        "blocks",
        "verification",
    } <= states.keys()


def test_every_symbol_of_the_book_has_a_row(desk: Zygote) -> None:
    (book,) = desk.read("trades", "PP_2024-02-29", "--portfolio", "book")["portfolios"]
    assert sorted(order["symbol"] for order in book["trades"]) == list(SYMBOLS)
