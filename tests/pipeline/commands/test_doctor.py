"""What the doctor finds: each thing that can be wrong with a desk is a line with what to do, and never a traceback."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import duckdb
import pytest
from bench import DAYS, STAMP, ingest, price_rows, priced_warehouse
from small_desk import make_desk

from pipeline.doctor import record, setup
from pipeline.doctor.examination import examine
from pipeline.environment import Environment
from pipeline.run_history.interrupted_runs import PROCESS_TAG
from resources.accounts.ingest import AccountInbox
from resources.logs.ingest import Inbox
from resources.settings.configuration import load_configuration
from resources.store.warehouse import Warehouse

NAMES = ("DAGSTER_HOME", "PACKFOLIO_HOME", "PACKFOLIO_CONFIG", "PACKFOLIO_ANCHOR", "PACKFOLIO_DECISIONS")
BLOCK, HEADERS = 262_144, 3 * 4096  # of a DuckDB file


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A desk with a published warehouse of prices and their correction."""
    folder = tmp_path_factory.mktemp("desk")
    make_desk(folder)
    warehouse = priced_warehouse(folder / "home")
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", price_rows(close=101.0, days=DAYS[1:2]))
    warehouse.publish()
    return folder


@pytest.fixture
def desk(original: Path, tmp_path: Path) -> Environment:
    shutil.copytree(original, tmp_path / "desk")
    home = tmp_path / "desk" / "home"
    return Environment(home, tmp_path / "desk" / "config", home / "anchors.jsonl", home / "decisions.jsonl")


def states(desk: Environment, *, database: bool = False) -> dict[str, dict[str, str]]:
    """state -> check -> what was found and what to do."""
    told = examine(desk, database=database)
    assert all(item["do"] or item["check"] == "verification" for item in told if item["state"] != "ok"), told
    return {
        state: {item["check"]: f"{item['found']}; {item['do']}" for item in told if item["state"] == state}
        for state in ("ok", "note", "fault")
    }


def found(desk: Environment, state: str, *, database: bool = False) -> dict[str, str]:
    """The same, of one state."""
    return states(desk, database=database)[state]


def test_a_sound_desk_has_no_fault_and_says_that_its_anchor_lies_beside_it(desk: Environment) -> None:
    told = states(desk, database=True)
    assert told["fault"] == {}
    assert "on the same storage as the warehouse" in told["note"]["anchor"]
    assert {"home", "configuration", "source inbox", "warehouse", "published copy"} <= told["ok"].keys()


def test_every_check_is_told_with_its_figures(desk: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    gib = 2**30
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=2 * gib + 1))
    monkeypatch.setattr(record, "_same_disk", lambda one, other: False)
    config = "sources:\n  - {name: inbox, kind: folder, path: ../inbox, basis: as_traded, live: true}\n"
    (desk.config / "sources.yaml").write_text(
        config + "  - {name: spare, kind: folder, path: ../none, basis: as_traded, enabled: false}\n"
    )
    told = states(desk, database=True)
    sound, notes = told["ok"], told["note"]
    rows, lines = sound["warehouse"].split(", ")[1:], len(desk.anchor.read_text().splitlines())
    with Warehouse(desk.home).live() as con:
        (written,) = con.execute("select count(*) from materializations").fetchone() or (0,)
    assert sound["home"] == f"{desk.home}, 2.0 GiB free; "
    assert sound["configuration"] == f"{desk.config}: portfolios book, paper; "
    assert sound["source inbox"] == "folder, live; "
    assert rows == [
        f"{written} ledger rows",
        f"{(desk.home / 'warehouse.duckdb').stat().st_size / 2**20:.1f} MiB; ",
    ]
    assert sound["published copy"] == "readers see the newest state; "
    assert sound["anchor"] == f"{desk.anchor}, {lines} lines; "
    assert sound["blocks"].startswith("every block was read, in ")
    assert f"{written} ledger rows are what was recorded" in sound["verification"]
    assert notes["source spare"] == "is switched off; set enabled: true in sources.yaml to use it"
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=2 * gib))
    assert found(desk, "note")["home"] == (
        f"{desk.home}, 2.0 GiB free; make room: a full disk ends a run, and loses nothing"
    )


def test_the_anchor_is_on_another_disk_or_on_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = {"home": 1, "beside": 1, "apart": 2}
    monkeypatch.setattr(Path, "stat", lambda path: SimpleNamespace(st_dev=devices[path.name]))
    assert record._same_disk(Path("beside"), Path("home"))
    assert not record._same_disk(Path("apart"), Path("home"))


def test_a_home_that_cannot_be_written_is_a_fault(desk: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup.os, "access", lambda place, how: how == os.F_OK)
    told = found(desk, "fault")
    assert told["home"] == f"{desk.home} cannot be written; correct its permissions, or set PACKFOLIO_HOME"
    inbox = desk.config.with_name("inbox")
    assert told["source inbox"].startswith(
        f"source inbox: {inbox} cannot be read by this user; correct its permissions; until"
    )


def test_what_stands_in_the_place_of_the_home_or_of_a_file_in_it_is_a_fault(
    desk: Environment, tmp_path: Path
) -> None:
    desk.decisions.mkdir()
    lock = desk.home / "warehouse.lock"
    lock.unlink()
    lock.mkdir()
    told = states(desk)
    assert told["fault"]["home"].startswith(f"{desk.decisions} is a folder, a pipe")
    assert f"Is a directory: '{lock}'; see that" in told["fault"]["warehouse"]
    assert "configuration" in told["ok"]  # one that is refused does not end the others
    lock.rmdir()
    (tmp_path / "file").write_text("no folder")
    desk.dagster_home.touch()
    assert found(desk, "fault")["home"].startswith(f"{desk.dagster_home} is no folder: move that away")
    (tmp_path / "round").symlink_to("round")
    for place in (tmp_path / "file", tmp_path / "round"):
        told = found(replace(desk, home=place), "fault")["home"]
        assert told.startswith(f"{place} is no folder: move that away") and "PACKFOLIO_HOME" in told
    unmounted = found(replace(desk, home=tmp_path / "none"), "fault")["warehouse"]
    assert "is gone, and the anchor remembers" in unmounted


@pytest.mark.parametrize("told", [b"run_storage: {", b"hello", b"\tx: 1", b"telemetry: 5", b"\xff", None])
def test_settings_that_dagster_cannot_use_are_a_fault_in_words(
    desk: Environment, monkeypatch: pytest.MonkeyPatch, told: bytes | None
) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "")
    desk.prepare()
    settings = desk.dagster_home / "dagster.yaml"
    settings.unlink()
    settings.write_bytes(told) if told else os.mkfifo(settings)
    (told_of,) = setup.runs(desk)
    assert (told_of.state, str(settings) in told_of.found, "\n" in told_of.found) == ("fault", True, False)
    assert told_of.do.startswith("move the file away")


def test_a_run_whose_process_is_gone_is_a_note(desk: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "")
    desk.prepare()
    assert found(desk, "ok")["runs"] == "no run is stuck; "

    @dg.job
    def empty() -> None:
        return None

    with dg.DagsterInstance.get() as instance:
        run = instance.create_run_for_job(empty, tags={PROCESS_TAG: "999999:1"})
        started = dg.DagsterEvent("PIPELINE_START", job_name="empty")
        instance.report_dagster_event(started, run_id=run.run_id)
    told = states(desk)
    assert told["note"]["runs"] == (
        f"1 run never ended, the process is gone: {run.run_id}; "
        "any `packfolio run` marks them as failed; their tables are whole"
    )
    which = told["note"][f"run {run.run_id}"]
    assert which.startswith(f"empty ({run.run_id}) since 20") and "(999999:1) is gone" in which
    assert told["ok"]["history"].startswith("Dagster's history of 1 run takes ")


def test_a_new_desk_is_told_what_comes_first(desk: Environment) -> None:
    shutil.rmtree(desk.home)
    assert "does not exist yet" in found(desk, "note", database=True)["home"]
    desk.home.mkdir()
    assert "the first `packfolio run` makes it" in found(desk, "note", database=True)["warehouse"]


def test_a_source_whose_folder_is_gone_and_a_file_that_cannot_be_read(desk: Environment) -> None:
    inbox = desk.config.parent / "inbox"
    (inbox / "elsewhere").symlink_to("/")
    with (desk.config / "sources.yaml").open("a") as sources:
        sources.write("reference_folder: ../reference\n")
    told = found(desk, "fault")
    assert "reference is no folder; create it" in told["reference data"]
    assert "elsewhere is refused: OUTSIDE_FOLDER it leads out of" in told["source inbox"]
    (inbox.parent / "reference").mkdir()
    shutil.rmtree(inbox)
    told = found(desk, "fault")
    assert "reference data" not in told and "inbox is no folder; create it" in told["source inbox"]
    (desk.config / "sources.yaml").write_text(
        "sources: [{name: inbox, kind: folder, path: ../inbox, baiss: as_traded}]\n"
    )
    assert "did you mean basis" in found(desk, "fault")["configuration"]


def test_the_file_of_alerts_is_read_before_something_has_to_be_told(
    desk: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "alerts" not in {check for told in states(desk).values() for check in told}
    file = desk.config / "notify.yaml"
    file.write_text("webhooks: [{name: chat, url_env: DESK_HOOK}]\nfree_gib: 5\n")
    monkeypatch.delenv("DESK_HOOK", raising=False)
    told = states(desk)
    assert (
        told["note"]["alerts"] == "chat needs DESK_HOOK, which this shell has not; set it where Dagster runs"
    )
    assert told["ok"]["alerts"].startswith("go to chat while the sensor `alerts` is switched on")
    monkeypatch.setenv("DESK_HOOK", "https://chat.example.org/x")
    assert "alerts" not in found(desk, "note")
    file.write_text("webhooks: [{name: chat, url: 'htp://x'}]\nfree_gb: 5\n")
    fault = found(desk, "fault")["alerts"]
    assert (
        "must be an address that begins with http:// or https://" in fault
        and "did you mean free_gib" in fault
    )
    assert "until then nobody is told of anything" in fault


def test_what_is_set_aside_or_refused_is_named_with_its_remedy(desk: Environment) -> None:
    assert (
        "prices of BAD are delivered and set aside since 2024-01-02" in found(desk, "note")["prices of BAD"]
    )
    (desk.config.parent / "inbox" / "history.csv").unlink()
    broken = desk.config.parent / "inbox" / "broken.csv"
    broken.write_text("symbol,date,close\nAAA,2024-01-02,n/a\n")
    store = Warehouse(desk.home, desk.anchor)

    def ingested() -> dict[str, str]:
        Inbox(store, load_configuration(desk.config), STAMP, date(2024, 3, 1)).prices(
            None, None, lambda said: None
        )
        store.publish()
        return found(desk, "fault")

    told = ingested()
    assert "BAD_NUMBER line 2" in told["file broken.csv"] and "correct it" in told["file broken.csv"]
    broken.unlink()
    assert ingested() == {}


def test_an_account_of_which_no_row_was_taken_is_a_note(desk: Environment) -> None:
    rows = "account,model\nA1,grwth\nA2,grwth\n"
    (desk.config.parent / "inbox" / "accounts.csv").write_text(rows)
    store = Warehouse(desk.home, desk.anchor)
    AccountInbox(store, load_configuration(desk.config), STAMP, date(2024, 3, 1)).take(lambda said: None)
    store.publish()
    told = found(desk, "note")["account rows"]
    assert "A1: a row of accounts is set aside: there is no model grwth" in told and "; 1 more" in told


def test_what_a_stopped_run_leaves_is_a_note(desk: Environment) -> None:
    (desk.home / "published.duckdb.tmp").write_bytes(b"half")
    with Warehouse(desk.home).write(STAMP) as tx:
        ingest(tx, "prices", price_rows(close=102.0))
    told = found(desk, "note")
    assert "published.duckdb.tmp: a publish was cut short" in told["leftovers"]
    assert "readers are 1 ledger row behind" in told["published copy"]
    (desk.home / "published.duckdb.tmp").unlink()
    half = [desk.home / "warehouse.duckdb.7-8.part", desk.config / "portfolios" / "book.yaml.7-8.part"]
    for place in half:
        place.write_bytes(b"half")
        assert f"{place}: half a file of a restore, an import" in found(desk, "note")["leftovers"]
        place.unlink()
    (desk.home / "published.duckdb").unlink()
    assert "readers have no copy yet" in found(desk, "note")["published copy"]


def test_an_anchor_that_is_gone_or_remembers_more_is_a_fault(desk: Environment) -> None:
    lines = desk.anchor.read_text().splitlines(keepends=True)
    with Warehouse(desk.home).write(STAMP) as tx:
        ingest(tx, "prices", price_rows(close=103.0))
    ahead = desk.anchor.read_text()
    # An older copy.
    shutil.copy(desk.config.parent / "home" / "published.duckdb", desk.home / "warehouse.duckdb")
    (desk.home / "warehouse.duckdb.wal").unlink(missing_ok=True)
    assert len(ahead.splitlines()) > len(lines)
    assert "the anchor remembers" in found(desk, "fault", database=True)["verification"]
    desk.anchor.unlink()
    assert "copy the old one to where PACKFOLIO_ANCHOR now says" in found(desk, "fault")["verification"]


def test_a_clock_that_lets_nothing_be_written_is_a_fault(
    desk: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "clock" not in found(desk, "fault")
    monkeypatch.setattr(
        record, "datetime", SimpleNamespace(now=lambda zone: datetime(2020, 1, 1, tzinfo=UTC))
    )
    told = found(desk, "fault")
    assert told.keys() == {"clock"} and told["clock"].startswith(
        "the clock says 2020-01-01 00:00 UTC, but the"
    )


def test_an_edited_cell_is_a_fault(desk: Environment) -> None:
    with duckdb.connect(str(desk.home / "warehouse.duckdb")) as con:
        con.execute("update prices set close = close + 1 where symbol = 'AAA'")
    told = found(desk, "fault", database=True)
    assert "prices: AAA" in told["verification"] and "compare with a backup" in told["verification"]


def rows_of(file: Path) -> range:
    """Where a block begins that no catalogue is in: the file opens without it."""
    with duckdb.connect(str(file), read_only=True) as con:
        (block,) = con.execute("select max(block_id) from pragma_storage_info('quarantine')").fetchall()[0]
    return range(HEADERS + block * BLOCK + 64, HEADERS + (block + 1) * BLOCK, BLOCK)


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("warehouse.duckdb", lambda file: range(64, file.stat().st_size, 512)),
        ("warehouse.duckdb", rows_of),
        ("published.duckdb", lambda file: range(HEADERS + 64, file.stat().st_size, BLOCK)),
    ],
)
def test_a_damaged_file_is_a_fault(desk: Environment, name: str, places: Callable[[Path], range]) -> None:
    file, published = desk.home / name, (desk.home / "published.duckdb").read_bytes()
    held = bytearray(file.read_bytes())
    for place in places(file):
        held[place] ^= 1
    file.write_bytes(held)
    told = found(desk, "fault", database=True)
    if name == "warehouse.duckdb":
        assert "`packfolio restore` a backup" in told["blocks"]
        assert (desk.home / "published.duckdb").read_bytes() == published
    else:  # the copy is told of, made again from the sound warehouse, and kept as evidence
        assert told.keys() == {"published copy", "verification"} and "delete" in told["published copy"]
        Warehouse(desk.home).publish()
        (kept,) = (desk.home / "evidence").iterdir()
        assert kept.read_bytes() == bytes(held)
        (left,) = found(desk, "fault", database=True).values()
        assert f"evidence/{kept.name}" in left


def test_unfinished_writes_beside_the_copy_are_evidence_and_not_to_be_deleted(desk: Environment) -> None:
    (desk.home / "published.duckdb.wal").write_bytes(b"of another hand")
    told = found(desk, "fault")["published copy"]
    assert "sets it aside as evidence" in told and "delete" not in told
