"""An auditor's day: walk from a trade to its prices, replay it, and find what somebody edited."""

import json
import os
import re
import shutil
import sqlite3
from contextlib import closing
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from threading import Thread
from typing import Any

import dagster as dg
import duckdb
import pytest
from built_once import own_copy
from lineage_events import fit_the_specification, join_up
from small_desk import SYMBOLS, make_desk
from zygote import Zygote

from pipeline.run_history.storage import unpacked
from pipeline.schedules import restatements
from resources.dagster_resources import DeskResource, WarehouseResource
from resources.ledger.signatures import KEY, make_keys

pytestmark = pytest.mark.xdist_group("audit")
BOOK = "11111111-1111-1111-1111-111111111111"
CANARY = "of-a-vendor-9f2c7"  # a secret in the environment of every run
PICKLE = re.compile(rb"\x80[\x02-\x05].*\.", re.DOTALL)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Zygote:
    """Two packs, then a correction of an old price and a revision of the second pack."""
    folder, _ = own_copy(tmp_path_factory, "audited", _run_and_revise)
    return _watched(folder)


def _watched(folder: Path) -> Zygote:
    """The desk's runs hold a vendor's secret and the desk's key in their environment."""
    return Zygote(folder, environment={
        **os.environ, "VENDOR_TOKEN": CANARY, KEY: str(folder / "keys" / "desk"),
    })  # fmt: skip


def _run_and_revise(folder: Path) -> None:
    days = make_desk(folder)
    make_keys(folder / "keys" / "desk", folder / "home")
    zygote = _watched(folder)
    for day in days[-2:]:
        status, said = zygote.packfolio("run", "--as-of", str(day))
        assert status == 0, said
    (folder / "inbox" / "late.csv").write_text(
        f"symbol,date,close\nCCC,{days[-9]},{_close(folder, days[-9]) * 1.02:.4f}\n"
    )
    for arguments in (
        ("ingest",),
        ("packs", "revise", str(days[-1]), "--reason", "the vendor corrected CCC"),
    ):
        status, said = zygote.packfolio(*arguments)
        assert status == 0, said


def _close(folder: Path, day: date) -> float:
    lines = (folder / "inbox" / "history.csv").read_text().splitlines()
    return float(next(line for line in lines if line.startswith(f"CCC,{day}")).split(",")[2])


def labels(tree: dict[str, Any]) -> list[str]:
    return [tree["label"], *(label for child in tree["from"] for label in labels(child))]


def test_a_trade_leads_back_to_the_bytes_of_its_prices(desk: Zygote) -> None:
    tree = desk.read("trace", "trades", "PP_2024-02-29.2", "CCC", "book")
    told = labels(tree)
    stages = [
        "trades CCC",
        "optimal_weights CCC",
        "optimization_results",
        "posterior_returns CCC",
        "return_estimates CCC",
    ]
    assert [label for label in told if label in stages] == stages
    assert "pack PP_2024-02-29.2" in told
    assert {"payload history.csv", "payload late.csv", "covariances CCC", "holdings"} <= {*told} | {
        "holdings"
    }
    text = json.dumps(tree)
    assert text.count("as ingested") == 2
    for needed in ("run_id", "code_version", "config_hash", "payload_sha256", "solver", "DAQP"):
        assert needed in text
    for found in tree["environments"].values():
        assert {"commit", "dirty", "machine"} <= found.keys() and "numpy" in found["libraries"]


def test_a_trace_of_what_is_not_there_lists_what_is(desk: Zygote) -> None:
    assert "; there are backtest_attribution, " in desk.packfolio("trace", "wishes", "PP_2024-02-29")[1]
    assert "has no row of" in desk.packfolio("trace", "trades", "PP_2024-02-29", "ZZZ")[1]
    assert "; there are book, paper" in desk.packfolio("trace", "trades", "PP_2024-02-29", "CCC", "other")[1]


def test_a_correction_changes_no_pack_and_its_effect_is_shown(desk: Zygote) -> None:
    found = desk.read("packs", "diff", "PP_2024-02-29", "PP_2024-02-29.2")
    (prices,) = found["logs"]
    assert (prices["rows_added"], prices["rows_missing"], prices["rows_restated"]) == (0, 0, 1)
    (change,) = prices["restated"]
    assert (change["key"]["symbol"], change["column"]) == ("CCC", "close")
    assert change["after"] / change["before"] == pytest.approx(1.02, abs=1e-4)
    moved = {table["table"]: table["columns"] for table in found["effects"]}
    assert "expected_return" in moved["return_estimates"]
    assert "weight" in moved["optimal_weights"]


# What the tests below find in PP_2024-02-29 is that all of it replays but for what they edited. By default the tests of
# commands (test_audit_commands.py) replay a whole pack, restore a backup elsewhere and have a restatement proposed.
@pytest.mark.slow
@pytest.mark.parametrize("pack", ["PP_2024-02-29.2", "PP_2024-02-29"])
def test_every_pack_replays_cell_by_cell(desk: Zygote, pack: str) -> None:
    found = desk.read("packs", "replay", pack)
    assert found["identical"], found
    assert (found["identical_units"], found["differences"]) == (found["units"], [])


@pytest.mark.slow
def test_a_replay_says_what_another_policy_would_have_done(desk: Zygote) -> None:
    other = desk.folder / "other"
    shutil.copytree(desk.folder / "config", other)
    book = other / "portfolios" / "book.yaml"
    book.write_text(book.read_text().replace("max_single_position_pct: 40", "max_single_position_pct: 30"))
    found = desk.read("packs", "replay", "PP_2024-02-29", "--with", str(other))
    assert not found["identical"]
    tables = {table["table"]: table for table in found["differences"]}
    assert {change["key"]["portfolio_id"] for change in tables["optimal_weights"]["changes"]} == {BOOK}


def test_the_parts_of_a_changed_weight_add_up_and_the_correction_is_in_the_estimates(desk: Zygote) -> None:
    found = desk.read("explain", "PP_2024-02-29.2", "--since", "PP_2024-02-29")
    assert [one["portfolio"] for one in found] == ["book", "paper"]
    for one in found:
        assert one["order"] == [
            "code", "universe", "prices", "estimates", "views", "holdings", "policy", "later code",
        ]  # fmt: skip
        for row in one["weights"]:
            assert sum(row["parts"].values()) == pytest.approx(row["change"], abs=1e-15)
            assert row["parts"]["code"] == row["parts"]["later code"] == 0.0
            assert row["parts"]["estimates"] == pytest.approx(row["change"], abs=1e-9)
    assert max(abs(row["change"]) for row in found[0]["weights"]) > 1e-4
    (alone,) = desk.read(
        "explain", "PP_2024-02-29.2", "CCC", "--since", "PP_2024-02-29", "--portfolio", "book"
    )
    assert [row["symbol"] for row in alone["weights"]] == ["CCC"]
    assert desk.packfolio("explain", "PP_2024-02-29.2")[0] == 2


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
        for secret in (CANARY, key):
            assert [path for path, text in texts.items() if secret.encode() in text] == []
            for name in tables:
                seen = con.execute(f"select count(*) from {name} t where contains(t::varchar, ?)", [secret])
                assert seen.fetchall() == [(0,)], name


def edited_past(desk: Zygote, name: str) -> str:
    """A home whose record says: another numpy computed PP_2024-02-29, and AAA got a weight less 1e-6."""
    home = desk.folder / name
    shutil.copytree(desk.folder / "home", home)
    with duckdb.connect(str(home / "published.duckdb")) as con:
        where = f"pack_id = 'PP_2024-02-29' and portfolio_id = '{BOOK}'"
        con.execute(f"update optimal_weights set weight = weight - 1e-6 where symbol = 'AAA' and {where}")
        con.execute(
            f"update materialization_units set content_hash = 'x' where asset = 'optimal_weights' and {where}"
        )
        con.execute(
            "insert into configs by name select * replace ('0.1.0+older' as config_hash, "
            """regexp_replace(text, '"numpy": "[^"]*"', '"numpy": "1.0"') as text) """
            "from configs where config_hash in (select code_version from materializations)"
        )
        con.execute(
            "update materializations set code_version = '0.1.0+older' where pack_id = 'PP_2024-02-29'"
        )
    return name


def test_a_replay_that_differs_names_columns_and_the_libraries_that_changed(desk: Zygote) -> None:
    status, said = desk.packfolio(
        "packs", "replay", "PP_2024-02-29", "--json", home=edited_past(desk, "older-numpy")
    )
    found = json.loads(said)
    assert status == 3
    assert found["differing"] == [{"asset": "optimal_weights", "portfolio_id": BOOK}]
    (table,) = found["differences"]
    assert (table["table"], list(table["columns"])) == ("optimal_weights", ["weight"])
    (change,) = table["changes"]
    assert (change["key"]["symbol"], change["column"]) == ("AAA", "weight")
    assert change["after"] - change["before"] == pytest.approx(1e-6, rel=1e-6)
    assert found["environments"]["libraries_changed"] == {"numpy": ["1.0", version("numpy")]}


def test_what_the_code_changed_is_a_part_of_its_own(desk: Zygote) -> None:
    """The old inputs under today's code, less the old weights on record; all other parts stay as they were."""
    asked = ("explain", "PP_2024-02-29.2", "AAA", "--since", "PP_2024-02-29", "--portfolio", "book")
    (before,) = desk.read(*asked)[0]["weights"]
    (row,) = desk.read(*asked, home=edited_past(desk, "older-weights"))[0]["weights"]
    assert row["parts"]["code"] == pytest.approx(1e-6, rel=1e-6)
    assert {**row["parts"], "code": 0.0} == before["parts"]
    assert sum(row["parts"].values()) == pytest.approx(row["change"], abs=1e-15)
    order = desk.packfolio(*asked)[1]
    places = [
        order.index(part) for part in ("universe", "prices", "estimates", "views", "holdings", "policy")
    ]
    assert places == sorted(places)


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
    assert status == 0
    assert "cannot be excluded" in said
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


def sensed(folder: Path, home: Path) -> list[str]:
    """What the sensor says at two looks, and then nothing more: it never asks for a run."""
    resources = {
        "warehouse": WarehouseResource(home=str(home)), "desk": DeskResource(folder=str(folder / "config"))
    }  # fmt: skip
    cursor, said = None, []
    for _ in range(2):
        context = dg.build_sensor_context(resources=resources, cursor=cursor)
        answer = restatements(context)
        assert isinstance(answer, dg.SkipReason)
        said.append(str(answer.skip_message))
        cursor = context.cursor
    return said


@pytest.mark.slow
def test_a_restatement_that_moves_a_live_portfolio_is_proposed_and_nothing_is_revised(desk: Zygote) -> None:
    home = desk.folder / "restated"
    shutil.copytree(desk.folder / desk.home, home)
    assert desk.read("packs", "restatements", home="restated") == []
    before = desk.read("packs", "list", home="restated")
    inbox = desk.folder / "inbox" / "restated.csv"
    lines = (desk.folder / "inbox" / "history.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines if line.startswith("AAA,2024-01")]
    inbox.write_text(
        "symbol,date,close\n" + "".join(f"{s},{d},{float(c) * 1.3:.4f}\n" for s, d, c in rows[3:9])
    )
    try:
        status, said = desk.packfolio("ingest", home="restated")
        assert status == 0, said
    finally:
        inbox.unlink()
    (found,) = desk.read("packs", "restatements", home="restated")
    assert (
        found["pack_id"] == "PP_2024-02-29.2" and found["portfolio"] == "book"
    )  # the paper book is not live
    assert found["moved"] > 0.005
    assert "6 restated, 0 new row(s) of prices (AAA)" in found["reason"]
    assert found["command"].startswith("packfolio packs revise 2024-02-29 --reason '6 restated")
    told = {item["check"]: item["found"] for item in desk.read("doctor", home="restated")}
    assert found["reason"] in told["restatement"]
    assert [said.split(" --reason")[0] for said in sensed(desk.folder, home)] == [
        "proposed: packfolio packs revise 2024-02-29", "nothing was ingested since the last look",
    ]  # fmt: skip
    assert desk.read("packs", "list", home="restated") == before


def test_the_lineage_of_a_trade_as_openlineage_events(desk: Zygote, tmp_path: Path) -> None:
    target = tmp_path / "events.jsonl"
    status, said = desk.packfolio(
        "trace", "trades", "PP_2024-02-29.2", "CCC", "book", "--openlineage", str(target)
    )
    assert status == 0, said
    events = [json.loads(line) for line in target.read_text().splitlines()]
    assert {"run", "job", "eventTime", "producer"} <= set.intersection(*(set(event) for event in events))
    fit_the_specification(events)
    join_up(events)
    kinds = [event["eventType"] for event in events]
    assert kinds == ["START", "COMPLETE"] * (len(events) // 2)
    done = {event["job"]["name"]: event for event in events if event["eventType"] == "COMPLETE"}
    assert {"trades", "optimal_weights", "posterior_returns", "pricing_packs", "prices"} <= set(done)
    trades = done["trades"]
    ledger = trades["run"]["facets"]["packfolio"]
    with duckdb.connect(str(desk.folder / desk.home / "published.duckdb"), read_only=True) as con:
        own = f"portfolio_id is null or portfolio_id = '{BOOK}'"
        hashes = dict(
            con.execute(f"select materialization, content_hash from versions where {own}").fetchall()
        )
    assert trades["outputs"][0]["facets"]["version"]["datasetVersion"] == hashes[ledger["ledgerRow"]]
    assert {item["name"] for item in trades["inputs"]} >= {"optimal_weights", "portfolio_snapshots"}
    made = trades["outputs"][0]["facets"]["columnLineage"]["fields"]["quantity"]["inputFields"]
    assert {"namespace": "packfolio", "name": "holdings", "field": "quantity", "transformations": []} in made
    assert (
        len({event["run"]["facets"]["parent"]["run"]["runId"] for event in events}) >= 2
    )  # ingest, and two runs
    assert done["prices"]["inputs"][0]["namespace"] == "file"


def test_openlineage_events_are_posted_to_an_address(desk: Zygote) -> None:
    bodies: list[dict[str, Any]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        trace = ("trace", "trades", "PP_2024-02-29.2", "CCC", "book", "--openlineage")
        status, said = desk.packfolio(*trace, address)
        assert status == 0, said
        server.shutdown()
    assert bodies[-1]["job"] == {
        "namespace": "packfolio",
        "name": "trades",
        "facets": bodies[-1]["job"]["facets"],
    }
    status, said = desk.packfolio(*trace, address)
    assert status == 1 and "did not take the events" in said
