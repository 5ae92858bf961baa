"""An auditor's day: walk from a trade to its prices, replay it, tell what a correction changed, and pass it on."""

import json
import shutil
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from threading import Thread
from typing import Any

import dagster as dg
import duckdb
import pytest
from lineage_events import fit_the_specification, join_up
from sensors import look, resources_of
from zygote import Zygote

from pipeline.schedules import restatements

pytestmark = pytest.mark.xdist_group("audit")

BOOK = "11111111-1111-1111-1111-111111111111"


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
    status, missing = desk.packfolio("trace", "trades", "PP_2024-02-29", "ZZZ", "book")
    # In the words that were asked, not by UUID; a name that is not there ends as `explain` of it does.
    assert (status, "trades has no row of PP_2024-02-29 ZZZ book" in missing) == (2, True)
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


def sensed(folder: Path, home: Path) -> list[str]:
    """What the sensor says at two looks, and then nothing more: it never asks for a run."""
    cursor, said = None, []
    for _ in range(2):
        answer, cursor = look(restatements, resources_of(home, folder / "config"), cursor=cursor)
        assert isinstance(answer, dg.SkipReason)
        said.append(str(answer.skip_message))
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
    # The paper book is not live.
    assert found["pack_id"] == "PP_2024-02-29.2" and found["portfolio"] == "book"
    assert found["moved"] > 0.005
    assert "6 restated, 0 new in prices (AAA)" in found["reason"]
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
    # Ingest, and two runs.
    assert len({event["run"]["facets"]["parent"]["run"]["runId"] for event in events}) >= 2
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
