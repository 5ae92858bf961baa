"""Somebody edits something, anything, in a home: it is named; and what the desk does itself is never called an edit."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random

import duckdb
import pandas as pd
import pytest
from bench import BOOK, DAYS, STAMP, cut, fill, ingest, new_warehouse, price_rows

from optimizer import DataError
from resources.audit.backup import backup, restore
from resources.audit.faults import Report
from resources.audit.verification import verify_home
from resources.ledger.ledger import columns
from resources.ledger.signatures import KEY, PublicKey, make_keys
from resources.ledger.tables import DATED, LEDGERED
from resources.store.warehouse import Warehouse

WEIGHTS = pd.DataFrame({"symbol": ["AAA", "BBB"], "weight": [0.25, 0.75]})
TABLES = (*LEDGERED, "materializations")
OBJECTS = (
    "create view {0} as select 1 as a", "create macro {0}(x) as x", "create table {0} (a int)", "create schema {0}",
    "create sequence {0}", "create type {0} as enum ('a')", "create index {0} on ratings (symbol)",
    "create trigger {0} after insert on trades for each statement delete from impact",
    "comment on table trades is '{0}'", "comment on column prices.close is '{0}'",
    "alter table fx_rates alter base type varchar collate nocase", "create schema {0}; create view {0}.a as select 1",
    "alter table configs alter text set default '{0}'", "alter table impact add column {0} int",
    "create or replace view latest_trades as select * from trades where symbol <> '{0}'",
)  # fmt: skip


@dataclass(frozen=True)
class Desk:
    """A published home whose anchor is signed, and the public key."""

    home: Path
    key: PublicKey

    def verified(self, warehouse: Warehouse) -> Report:
        return verify_home(warehouse, key=self.key)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("edits")
    public = make_keys(folder / "desk", folder / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY, str(folder / "desk"))
        warehouse = fill(folder / "home")
        warehouse.publish()
        with warehouse.write(STAMP) as tx:
            ingest(tx, "prices", price_rows(close=105.0, days=DAYS[:1]))
        warehouse.publish()
        (folder / "home" / "payloads").mkdir()
        (folder / "home" / "payloads" / "a.csv").write_text("as it came")
        backup(warehouse, folder / "kept", STAMP.at)
    return Desk(folder / "home", PublicKey.of_file(public))


def stored_columns(con: duckdb.DuckDBPyConnection, table: str) -> list[tuple[str, str]]:
    """Those that are kept: what the trade calls the date of some logs is made of it."""
    return [column for column in columns(con, table) if column[0] != DATED.get(table)]


def edit_cell(path: Path, dice: Random) -> str:
    """Another value in one cell of a row; a value that the table's own checks refuse is drawn again."""
    try:
        return edit_any_cell(path, dice)
    except duckdb.ConstraintException:
        return edit_cell(path, dice)


def with_rows(con: duckdb.DuckDBPyConnection, dice: Random) -> tuple[str, list[int]]:
    """A table and its rows; one without any is drawn again."""
    table = dice.choice(TABLES)
    rows = [row[0] for row in con.execute(f"select rowid from {table}").fetchall()]
    return (table, rows) if rows else with_rows(con, dice)


def edit_any_cell(path: Path, dice: Random) -> str:
    with duckdb.connect(str(path)) as con:
        table, rows = with_rows(con, dice)
        name, kind = dice.choice(stored_columns(con, table))
        values = {
            "VARCHAR": f"'{dice.random()}\nall is well'", "BOOLEAN": f'not coalesce("{name}", false)',
            "BLOB": "'x'::blob", "DATE": "date '2031-01-01'",
            "TIMESTAMP": "timestamp '2031-01-01'", "DOUBLE[]": "[1.0, '-0.0'::double]",
            "DOUBLE": f'coalesce("{name}" * 1.0000000001, 0.25)',
        }  # fmt: skip
        value = values.get(kind, f'coalesce("{name}", 0) + 1')
        if table == "pricing_packs" and name == "verdict":
            value = "'rejected'"
        if name == "action":
            value = "'SELL'"
        con.execute(f'update {table} set "{name}" = {value} where rowid = ?', [dice.choice(rows)])
        return f"{table}.{name}"


def edit_row(path: Path, dice: Random) -> str:
    with duckdb.connect(str(path)) as con:
        table, rows = with_rows(con, dice)
        if dice.random() < 0.5:
            con.execute(f"delete from {table} where rowid = ?", [dice.choice(rows)])
        else:
            names = ", ".join(f'"{name}"' for name, _ in stored_columns(con, table))
            con.execute(
                f"insert into {table} ({names}) select {names} from {table} where rowid = ?",
                [dice.choice(rows)],
            )
        return f"a row of {table}"


def edit_object(path: Path, dice: Random) -> str:
    sql = dice.choice(OBJECTS).format(f"planted_{dice.randrange(1000)}")
    with duckdb.connect(str(path)) as con:
        con.execute(sql)
    return sql


def edit_anchor(path: Path, dice: Random) -> str:
    """A line removed, repeated, moved, slipped in or changed; what is cut off the end the auditor must remember."""
    lines = path.read_text().splitlines()
    at, to = dice.sample(range(len(lines) - 1), 2)
    told = json.loads(lines[at])
    kind = dice.choice(["removed", "repeated", "swapped", "changed", "slipped in", "garbled"])
    if kind == "removed":
        del lines[at]
    elif kind == "repeated":
        lines.insert(to, lines[at])
    elif kind == "swapped":
        lines[at], lines[to] = lines[to], lines[at]
    elif kind == "changed":
        name = dice.choice([name for name in told if name != "signature"])
        told[name] = told[name] + 1 if isinstance(told[name], int) else told[name][:-1] + "0"
        lines[at] = json.dumps(told)
    elif kind == "slipped in":
        lines.insert(at, json.dumps({"count": at, "head": "0" * 64, "at": "2024-01-05T22:00:00"}))
    else:
        lines[at] = lines[at][: dice.randrange(len(lines[at]))]
    changed = "\n".join(lines) + "\n"
    if changed == path.read_text():  # what was cut off was replaced by itself
        return edit_anchor(path, dice)
    path.write_text(changed)
    return f"line {at + 1} {kind}"


def edit_published(path: Path, dice: Random) -> str:
    if dice.random() < 0.5:
        return edit_cell(path, dice)
    raw = bytearray(path.read_bytes())
    raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
    path.write_bytes(raw)
    return "a bit of the published copy"


def edit_backup(path: Path, dice: Random) -> str:
    """A bit of any of its files, or one of them gone."""
    file = dice.choice(sorted(one for one in path.rglob("*") if one.is_file()))
    if dice.random() < 0.1:
        file.unlink()
        return f"{file.name} of the backup taken away"
    raw = bytearray(file.read_bytes())
    raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
    file.write_bytes(raw)
    return f"a bit of {file.name} of the backup"


EDITS: dict[str, tuple[str, Callable[[Path, Random], str]]] = {
    "cell": ("warehouse.duckdb", edit_cell),
    "row": ("warehouse.duckdb", edit_row),
    "object": ("warehouse.duckdb", edit_object),
    "anchor": ("anchors.jsonl", edit_anchor),
    "published": ("published.duckdb", edit_published),
}


def one_edit(desk: Desk, home: Path, seed: int) -> None:
    dice = Random(seed)
    shutil.rmtree(home, ignore_errors=True)
    if seed % (len(EDITS) + 1) == len(EDITS):
        shutil.copytree(desk.home.with_name("kept"), home)
        said = edit_backup(home, dice)
        with pytest.raises(DataError, match=r"backup|backed up"):
            restore(Warehouse(home.with_name("restored")), home, STAMP.at)
        assert not home.with_name("restored").exists(), (seed, said)
        return
    shutil.copytree(desk.home, home)
    name, edit = EDITS[list(EDITS)[seed % (len(EDITS) + 1)]]
    before = (home / name).read_bytes()
    said = edit(home / name, dice)
    changed = (home / name).read_bytes() != before
    report = desk.verified(Warehouse(home))
    assert report.status == ("fault" if changed else "ok"), (seed, said)
    assert all("\n" not in str(fault) for fault in report.faults), (seed, said)


def test_any_edit_is_named(desk: Desk, tmp_path: Path) -> None:
    for seed in range(6):  # one of each kind
        one_edit(desk, tmp_path / "home", seed)


@pytest.mark.slow
@pytest.mark.parametrize("piece", range(20))
def test_two_thousand_edits_are_named(desk: Desk, tmp_path: Path, piece: int) -> None:
    for seed in range(100 * piece + 100, 100 * piece + 200):
        one_edit(desk, tmp_path / "home", seed)


@pytest.mark.slow
def test_no_damaged_bit_of_the_warehouse_ends_in_a_traceback(desk: Desk, tmp_path: Path) -> None:
    for seed in range(200):
        dice, home = Random(seed), tmp_path / str(seed)
        shutil.copytree(desk.home, home)
        raw = bytearray((home / "warehouse.duckdb").read_bytes())
        for _ in range(dice.randrange(1, 200)):
            raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
        (home / "warehouse.duckdb").write_bytes(raw)
        report = desk.verified(Warehouse(home))
        assert report.status == "ok" or any("damaged" in str(fault) for fault in report.faults), seed
        shutil.rmtree(home)


def test_what_the_desk_does_itself_is_never_called_an_edit(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path / "home")

    def sound() -> None:
        report = verify_home(warehouse)
        assert ([str(fault) for fault in report.faults], report.status) == ([], "ok")

    warehouse.publish()
    for close in (100.0, 101.0, 101.0):
        with warehouse.write(STAMP) as tx:
            ingest(tx, "prices", price_rows(close=close))
        sound()
        warehouse.publish()
        sound()
    cut(warehouse, DAYS[-1])
    cut(warehouse, DAYS[-1], revise="a later word")
    sound()
    with warehouse.read() as con:
        assert con.execute("select count(*) from pricing_packs").fetchall() == [(0,)]
    backup(warehouse, tmp_path / "kept", STAMP.at)
    with warehouse.write(STAMP) as tx:
        tx.record("optimal_weights", {"optimal_weights": WEIGHTS}, pack_id="p", portfolio_id=BOOK)
    sound()
    elsewhere = Warehouse(tmp_path / "other")
    restore(elsewhere, tmp_path / "kept", STAMP.at)
    assert verify_home(elsewhere).status == "ok"
    with elsewhere.write(STAMP) as tx:
        ingest(tx, "prices", price_rows(days=(date(2024, 1, 8),)))
    elsewhere.publish()
    assert verify_home(elsewhere).status == "ok"
