"""The auditor's commands, typed at the desk of three packs and at copies of it that were tampered with."""

import json
import os
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock, Timeout
from sensors import look, resources_of
from terminal import terminal
from typed_desk import BOOK, REVISED, THURSDAY, WEDNESDAY, Typed, read_published

from pipeline.schedules import restatements
from resources.ledger import timestamps
from resources.ledger.anchor_lines import Anchor
from resources.ledger.timestamps import Stamp
from resources.store import live_database

pytestmark = pytest.mark.xdist_group("terminal")


def test_what_a_revision_changed_is_told_cell_by_cell(typed: Typed) -> None:
    found = typed.at.read("packs", "diff", WEDNESDAY, REVISED)
    [prices] = found["logs"]
    [change] = prices["restated"]
    assert (found["from"], found["to"], found["same_content"]) == (WEDNESDAY, REVISED, False)
    assert (prices["log"], prices["rows_added"], prices["rows_missing"], prices["rows_restated"]) == (
        "prices",
        0,
        0,
        1,
    )
    assert (change["key"]["symbol"], change["column"], change["after"]) == ("AAA", "close", 90.0)
    lines = typed.at("packs", "diff", WEDNESDAY, REVISED).lines
    assert lines[0] == f"{WEDNESDAY} -> {WEDNESDAY}.2"
    assert lines[2] == f"    AAA 2024-02-28 inbox  close {change['before']:.6g} -> 90"


def test_a_row_is_traced_to_its_prices_and_written_as_events(typed: Typed, tmp_path: Path) -> None:
    key = ("trace", "trades", THURSDAY, "AAA", BOOK)
    tree = typed.at.read(*key)
    assert tree["facts"]["symbol"] == "AAA"
    assert typed.at(*key).lines[0].startswith(tree["label"])
    events = tmp_path / "events.jsonl"
    assert typed.at.read(*key, "--openlineage", str(events)) == tree
    assert all(json.loads(line)["eventType"] for line in events.read_text().splitlines())
    assert len(events.read_text().splitlines()) > 3


def test_a_restatement_that_moves_weights_is_proposed_and_not_acted_on(typed: Typed, tmp_path: Path) -> None:
    shutil.copytree(typed.at.folder, tmp_path / "desk")
    (tmp_path / "desk" / "inbox" / "again.csv").write_text("symbol,date,close\nAAA,2024-02-27,100\n")
    none = typed.at("packs", "restatements")
    # Wednesday was revised after Thursday's paper day was computed.
    assert none.status == 0 and len(none.lines) == 2
    assert f"paper: its day under {THURSDAY} rests on an older version of {REVISED}" in none.lines[0]
    with terminal(tmp_path / "desk") as at:
        at.read("ingest")
        found = at.read("packs", "restatements")
        assert {one["portfolio"] for one in found if one["portfolio"] != "paper"} == {"book", "tight"}
        assert "1 restated, 0 new in prices (AAA)" in found[0]["reason"]
        assert found[0]["moved"] > 0.005 and found[0]["pack_id"] == THURSDAY
        said = at("packs", "restatements").lines
        assert said == [
            line
            for one in found
            for line in (
                f"{one['pack_id']}  {one['reason']}",
                f"  {one['command']}" if one["command"] else None,
            )
            if line
        ]
        resources = resources_of(at.home, at.config)
        looked, cursor = look(restatements, resources)
        assert looked.skip_message == "; ".join(
            one["reason"] if one["portfolio"] == "paper" else f"proposed: {one['command']}" for one in found
        )
        again, _ = look(restatements, resources, cursor=cursor)
        assert again.skip_message == "nothing was ingested since the last look"
        notes = [one["found"] for one in at.read("doctor") if one["check"] == "restatement"]
        assert notes == [f"{one['pack_id']}: {one['reason']}" for one in found]
    assert len(typed.at.read("packs", "list")) == 4


def test_a_pack_is_replayed_as_recorded_or_with_another_policy(typed: Typed, tmp_path: Path) -> None:
    # It was backtested after the day before had been revised, which its paper book could not know.
    found = typed.at.read("packs", "replay", THURSDAY)
    assert found["identical"] and found["units"] == found["identical_units"] and found["pack_id"] == THURSDAY
    kept = f"select distinct asset, portfolio_id from versions where pack_id = '{THURSDAY}'"
    assert found["units"] == len(read_published(typed.at, f"{kept} and asset <> 'pricing_packs'"))
    other = tmp_path / "config"
    shutil.copytree(typed.at.config, other)
    book = other / "portfolios" / "book.yaml"
    book.write_text(book.read_text().replace("max_single_position_pct: 40", "max_single_position_pct: 30"))
    said = typed.at("packs", "replay", WEDNESDAY, "--with", str(other))
    assert said.status == 0 and said.out.startswith("differs  ")
    assert "max_single_position_pct" in said.out and "optimal_weights: " in said.out
    refused = typed.at("packs", "replay", WEDNESDAY, "--with", str(tmp_path / "none"))
    assert refused.status == 2 and f"there is no folder {tmp_path / 'none'}" in refused.err


def test_verification_ends_with_3_for_a_fault_and_0_without(typed: Typed, tmp_path: Path) -> None:
    sound = typed.at.read("packs", "verify", THURSDAY)
    assert sound["faults"] == []
    assert typed.at("packs", "verify").lines[-1].startswith("   ok  1,")
    refused = typed.at("packs", "verify", "--anchor", str(tmp_path / "none.jsonl"))
    assert (refused.status, refused.err.strip()) == (
        2, f"PolicyError --anchor: there is no file {tmp_path / 'none.jsonl'}",
    )  # fmt: skip
    shutil.copytree(typed.at.folder, tmp_path / "desk")
    anchor = tmp_path / "desk" / "home" / "anchors.jsonl"
    lines = anchor.read_text().splitlines(keepends=True)
    anchor.write_text("".join(lines[:-1]) + lines[-1].replace('"count": ', '"count": 9'))
    with terminal(tmp_path / "desk") as at:
        told = at.read("packs", "verify", status=3)
        assert len(told["faults"]) == 1 and "anchor" in json.dumps(told["faults"])
        said = at("packs", "verify")
        assert said.status == 3 and said.out.startswith("fault  ") and "   ok  " not in said.out
        assert at("packs", "verify", "--anchor", str(typed.at.home / "anchors.jsonl")).status == 0


def test_a_key_signs_what_follows_and_verification_asks_for_it(typed: Typed, tmp_path: Path) -> None:
    made = typed.at.read("anchor", "keygen", str(tmp_path / "key"))
    assert made == {"private key": str(tmp_path / "key"), "public key": str(tmp_path / "key.pub")}
    assert typed.at.read("packs", "verify", "--key", str(tmp_path / "key.pub"), status=3)["faults"]
    inside = typed.at("anchor", "keygen", str(typed.at.home / "key"))
    assert inside.status == 2 and not (typed.at.home / "key").exists()


def test_a_key_is_rotated_and_revoked_by_lines_of_the_anchor(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(typed.at.folder, tmp_path / "desk")
    with terminal(tmp_path / "desk") as at:
        for name in ("one", "two"):
            at.read("anchor", "keygen", str(tmp_path / name))
        assert "set PACKFOLIO_ANCHOR_KEY" in at("anchor", "rotate", str(tmp_path / "two")).err
        revoked = ("anchor", "revoke", str(tmp_path / "one.pub"), "--reason", "its laptop was lost")
        assert at(*revoked).status == 2
        monkeypatch.setenv("PACKFOLIO_ANCHOR_KEY", str(tmp_path / "one"))
        assert at("anchor", "rotate", str(tmp_path / "one")).status == 2
        assert at(*revoked).status == 2
        line = at.read("anchor", "rotate", str(tmp_path / "two"))["line"]
        monkeypatch.setenv("PACKFOLIO_ANCHOR_KEY", str(tmp_path / "two"))
        assert at.read(*revoked)["line"] == line + 1
        assert "one was revoked, and is not believed" in at("anchor", "rotate", str(tmp_path / "one")).err
        for name in ("one", "two"):
            told = at.read("packs", "verify", "--key", str(tmp_path / f"{name}.pub"))
            assert any("its laptop was lost" in note for note in told["notes"])


def test_time_stamps_are_kept_one_after_the_other(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that came at once one was lost: the file is read, and written anew with one more."""
    shutil.copytree(typed.at.folder, tmp_path / "desk")
    lock = FileLock(tmp_path / "desk" / "home" / "timestamps.lock", timeout=0)

    def stamp(line: Anchor, url: str, roots: object, file: Path) -> Stamp:
        with pytest.raises(Timeout):
            lock.acquire()
        return Stamp(line.place, "0" * 64, "2024-01-05T00:00:00+00:00", b"")

    monkeypatch.setattr(timestamps, "read_roots", lambda _: [])
    monkeypatch.setattr(timestamps, "stamp", stamp)
    with terminal(tmp_path / "desk") as at:
        told = at.read("anchor", "stamp", "http://127.0.0.1:9/", "--roots", str(tmp_path / "roots"))
    assert told["stamped at"].startswith("2024-01-05")
    with lock:
        pass


@pytest.mark.parametrize("file", ["warehouse.duckdb", "published.duckdb"])
def test_a_damaged_file_is_told_as_that_by_every_command(typed: Typed, tmp_path: Path, file: str) -> None:
    shutil.copytree(typed.at.folder, tmp_path / "desk")
    path = tmp_path / "desk" / "home" / file
    raw = bytearray(path.read_bytes())
    raw[:4096] = b"\x5a" * 4096
    path.write_bytes(raw)
    reading: list[tuple[str, ...]] = [
        ("trades",), ("packs", "list"), ("packs", "show"), ("explain", "latest", "AAA"), ("packs", "restatements"),
        ("trace", "trades", THURSDAY), ("packs", "diff", WEDNESDAY, THURSDAY), ("api",), ("screen",), ("report",),
        ("prove", "trades", THURSDAY, "AAA"), ("impact",), ("packs", "replay", THURSDAY),
    ]  # fmt: skip
    writing: list[tuple[str, ...]] = [
        ("ingest",), ("run",), ("backup", str(tmp_path / "copy")), ("backtest",), ("ui",),
        ("packs", "revise", THURSDAY.removeprefix("PP_"), "--reason", "a better word"),
    ]  # fmt: skip
    with terminal(tmp_path / "desk") as at:
        for words in reading if file == "published.duckdb" else writing:
            said = at(*words)
            assert said.status == 3, (words, said)
            told = " ".join((said.out + said.err).split())
            if words != ("report",):  # a process of its own, which has another standard error
                assert f"{file} is damaged" in told and "restore" in told, words
        assert at("packs", "verify").status == 3
        found = at.read("doctor", status=3)
        assert any("restore" in one["found"] for one in found if one["state"] == "fault")


def test_who_needs_warehouse_and_anchor_is_told_where_one_is_lost_or_cut(
    typed: Typed, tmp_path: Path
) -> None:
    shutil.copytree(typed.at.folder, tmp_path / "desk")
    anchor, warehouse = (tmp_path / "desk" / "home" / name for name in ("anchors.jsonl", "warehouse.duckdb"))
    whole = anchor.read_text()
    asked = (
        ("prove", "trades", THURSDAY, "AAA", "book"),
        ("anchor", "checkpoint"),
        ("backup", str(tmp_path / "copy")),
        ("ui",),
    )
    with terminal(tmp_path / "desk") as at:
        anchor.write_text("".join(whole.splitlines(keepends=True)[:20]))
        cut = [at(*words) for words in asked]
        assert [said.status for said in cut] == [3] * 4, cut
        assert all("lines were cut off the anchor" in said.err for said in cut)
        anchor.write_text(whole)
        warehouse.unlink()
        lost = [at(*words) for words in asked]
        assert [said.status for said in lost] == [3] * 4, lost
        assert all("is gone, and the anchor remembers" in said.err for said in lost)
    assert anchor.read_text() == whole and not (tmp_path / "copy").exists()


@pytest.mark.slow  # replays a pack
def test_an_auditor_who_may_only_read_the_home_is_answered_and_leaves_no_trace(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs this test may be root, so the right to write itself is asked for."""
    home, locked = tmp_path / "desk" / "home", live_database.held
    shutil.copytree(typed.at.folder, tmp_path / "desk")
    shutil.rmtree(home / "dagster")
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}

    def held(lock: Path, *told: Any) -> AbstractContextManager[None]:
        assert home not in lock.parents
        return locked(lock, *told)

    monkeypatch.setattr(os, "access", lambda place, how: home not in (place, *Path(place).parents))
    monkeypatch.setattr(live_database, "held", held)
    with terminal(tmp_path / "desk") as at:
        asked = [
            at("packs", "restatements"),
            at("anchor", "checkpoint"),
            at("prove", "trades", THURSDAY, "AAA", BOOK),
        ]
        assert [said.status for said in asked] == [0] * 3, asked
        assert at.read("packs", "replay", THURSDAY)["identical"]
        assert [one["check"] for one in at.read("doctor", status=3) if one["state"] == "fault"] == ["home"]
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


def test_a_backup_is_restored_and_what_stood_there_is_set_aside(typed: Typed, tmp_path: Path) -> None:
    made = typed.at.read("backup", str(tmp_path / "copy"))
    assert made["folder"] == str(tmp_path / "copy") and made["count"] > 20
    said = " ".join(typed.at("backup", "--to", str(tmp_path / "a shelf")).out.split())
    shelf = next((tmp_path / "a shelf").iterdir())
    count = f"{made['count']} ledger rows and {len(made['files'])} files, verified"
    assert said == f"backed up: {shelf}, {count}; back: packfolio restore '{shelf}' --reason TEXT"
    shutil.copytree(typed.at.config, tmp_path / "desk" / "config")
    with terminal(tmp_path / "desk") as at:
        missing = at("backup", str(tmp_path / "other"))
        assert missing.status == 1 and "run `packfolio run` first" in missing.err
        put = at.read("restore", str(tmp_path / "copy"))
        assert put == {"restored": str(tmp_path / "copy"), "set aside": ""}
        again = at.read("restore", str(tmp_path / "copy"), "--reason", "to try it once more")
        assert Path(again["set aside"]).exists()
        assert [pack["pack_id"] for pack in at.read("packs", "list")][1] == THURSDAY


def test_the_doctor_accepts_a_break_only_for_a_reason(typed: Typed, tmp_path: Path) -> None:
    for words in (("doctor", "--accept", "restored by hand"), ("doctor", "db", "--accept", " no ")):
        refused = typed.at(*words)
        assert refused.status == 2 and "write `packfolio doctor db --accept REASON`" in refused.err
    assert typed.at("doctor", "cellar").status == 2
    assert typed.at("doctor").status == 0
    shutil.copytree(typed.at.folder, tmp_path / "desk")
    anchor = tmp_path / "desk" / "home" / "anchors.jsonl"
    last = json.loads(anchor.read_text().splitlines()[-1])
    with anchor.open("a") as file:
        file.write(json.dumps({**last, "count": last["count"] + 5, "head": "f" * 64}) + "\n")
    with terminal(tmp_path / "desk") as at:
        faults = [one["check"] for one in at.read("doctor", "db", status=3) if one["state"] == "fault"]
        assert faults == ["anchor", "verification"]
        accepted = at("doctor", "db", "--accept", " the end was cut off ")
        assert accepted.status == 0, accepted
        assert "  verification: " in accepted.out and "fault" not in accepted.out
        assert at("doctor", "db").status == 0
