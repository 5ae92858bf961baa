"""Files that are refused: each by its name and reason, until it comes right, and the others go on."""

import gzip
import os
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest
from inbox_desk import ACTIONS, FIRST, HEADER, STAMP, TODAY, Desk, refused

import optimizer.errors as errors
import resources.logs.ingest as ingest_module
from resources.accounts.ingest import AccountInbox
from resources.logs.ingest import Inbox
from resources.logs.refused_files import refused_files
from resources.logs.storing import Ingested
from resources.packs.packs import watermark
from resources.prices.source import Delivery
from resources.screening.screen import screen
from resources.settings.configuration import load_configuration
from resources.store.transaction import Transaction


def test_an_action_on_a_symbol_that_nobody_knows_is_told_once_with_the_nearest(desk: Desk) -> None:
    done = desk.ingest(
        a=FIRST, actions=f"{ACTIONS}AAB,2024-01-03,split,2,\nAAA,2024-01-03,spin_off,1,CHILD\n"
    )
    (refused,) = [item for item in done if item.status == "rejected"]
    (finding,) = refused.findings
    assert (finding.code, finding.symbol) == ("UNKNOWN_SYMBOL", "AAB")
    assert "did you mean AAA" in finding.message
    assert desk.rows("select symbol from check_findings where code = 'UNKNOWN_SYMBOL'") == [("AAB",)]
    assert desk.ingest() == []


def test_of_thousands_of_unknown_symbols_a_few_are_told_with_the_nearest(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is compared with each that is known: an hour for a megabyte of them."""
    monkeypatch.setattr(errors, "MOST_COMPARED", 10)  # of two with the five that are known
    acts = "".join(f"AAA{letter},2024-01-03,split,2,\n" for letter in "VWXYZ")
    (refused,) = (item for item in desk.ingest(a=FIRST, actions=ACTIONS + acts) if item.status == "rejected")
    hints = ["did you mean AAA" in finding.message for finding in refused.findings]
    assert hints == [True, True, False, False, False]


def test_a_wrong_action_is_refused_with_its_line_its_field_and_the_valid_kinds(desk: Desk) -> None:
    done = desk.ingest(a=FIRST, actions=f"{ACTIONS}AAA,2024-01-03,stock_split,2,\naaa,2024-01-03,split,2,\n")
    (refused,) = [item for item in done if item.status == "rejected"]
    assert [(finding.code, finding.line) for finding in refused.findings] == [
        ("BAD_SYMBOL", 3),
        ("UNKNOWN_KIND", 2),
    ]
    said = " ".join(map(str, refused.findings))
    assert "did you mean AAA" in said and "did you mean split" in said and "return_of_capital" in said
    assert desk.rows("select count(*) from corporate_actions") == [(0,)]


def test_a_refused_file_is_named_until_it_comes_right_or_is_taken_away(desk: Desk) -> None:
    broken, whole = "symbol,date,close\nAAA,2024-01-02,n/a\n", FIRST
    desk.ingest(prices=broken, other=FIRST)
    ledger = desk.rows("select count(*) from materializations")
    assert list(refused(desk)) == ["prices.csv"]
    assert "BAD_NUMBER line 2" in refused(desk)["prices.csv"]
    assert [item.status for item in desk.ingest()] == ["rejected"]  # told each time, recorded once
    assert desk.rows("select count(*) from materializations") == ledger
    with desk.warehouse.live() as con:
        mark = watermark(con)
        (told,) = refused_files(con)
    assert str(told).endswith("; nothing of it was taken since 2024-03-01")
    desk.ingest(prices=whole)
    assert refused(desk) == {}
    assert list(refused(desk, mark)) == ["prices.csv"]  # as it was known then
    desk.ingest(prices=broken)  # sent again
    assert list(refused(desk)) == ["prices.csv"]
    (desk.folder / "inbox" / "prices.csv").unlink()
    assert desk.ingest() == []
    assert refused(desk) == {}
    ledger = desk.rows("select count(*) from materializations")
    desk.ingest()
    assert desk.rows("select count(*) from materializations") == ledger


def test_a_file_that_was_not_looked_at_stays_refused(desk: Desk) -> None:
    desk.ingest(prices="broken", other=FIRST)
    inbox = Inbox(desk.warehouse, load_configuration(desk.folder / "config"), STAMP, TODAY)
    inbox.prices(None, None, lambda said: None, str(desk.folder / "inbox" / "other.csv"))
    inbox.prices(None, date(2023, 1, 1), lambda said: None)
    assert list(refused(desk)) == ["prices.csv"]


def test_a_refused_reference_file_is_told_under_its_log(desk: Desk) -> None:
    line = "AAA,2024-01-03,split,2,USD,a\n"
    done = desk.ingest(actions="symbol,date,kind,value,currency,note\n" + line * 2, prices=FIRST)
    assert [(item.source, item.log, item.payload, item.status) for item in done] == [
        ("reference", "corporate_actions", "corporate_actions.csv", "rejected"),
        ("inbox", "prices", "prices.csv", "ingested"),
    ]
    assert list(refused(desk)) == ["corporate_actions.csv"]


def test_a_file_that_a_check_trips_over_is_refused_and_the_others_go_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trips(delivery: Delivery, context: object) -> Delivery:
        if delivery.payload_name == "a.csv":
            raise OverflowError("too large")
        return screen(delivery, context)  # type: ignore[arg-type]

    monkeypatch.setattr("resources.logs.ingest.screen", trips)
    done = desk.ingest(a=FIRST, b=FIRST)
    assert [(item.payload, item.status) for item in done] == [("a.csv", "rejected"), ("b.csv", "ingested")]
    assert "OverflowError: too large" in refused(desk)["a.csv"]


def test_hostile_files_are_refused_each_by_its_name_and_the_good_one_is_in(desk: Desk) -> None:
    inbox = desk.folder / "inbox"
    (inbox / "a\x1b[2J.csv").write_text(FIRST)
    (inbox / "zeros.csv.gz").write_bytes(gzip.compress(bytes(32 << 20), 1))
    (inbox / "forged.parquet").write_bytes(b"PAR1" + bytes(range(256)) + b"\x10\x00\x00\x00PAR1")
    (desk.folder / "reference" / "ratings.csv").write_bytes(b"symbol,date,rating\n\xff\n")
    done = {item.payload: item.status for item in desk.ingest(good=FIRST)}
    assert done.pop("good.csv") == "ingested"
    assert done == dict.fromkeys(
        ("a\\x1b[2J.csv", "zeros.csv.gz", "forged.parquet", "ratings.csv"), "rejected"
    )


def test_values_that_no_table_takes_refuse_their_file_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = ingest_module.store_delivery

    def picky(tx: Transaction, delivery: Delivery, path: str) -> Ingested:
        if delivery.payload_name == "bad.csv":
            raise duckdb.ConversionException("no such value")
        return stored(tx, delivery, path)

    monkeypatch.setattr(ingest_module, "store_delivery", picky)
    done = {
        item.payload: [finding.code for finding in item.findings]
        for item in desk.ingest(bad=FIRST, good=FIRST)
    }
    assert done["bad.csv"] == ["NOT_STORABLE"]
    assert desk.rows("select payload_name, status from ingests order by ingest_seq")[0] == (
        "bad.csv",
        "rejected",
    )
    assert len(desk.log()) == 4


def test_a_thousand_lines_that_contradict_each_other_are_told_in_a_line(desk: Desk) -> None:
    (done,) = desk.ingest(
        prices=HEADER + "".join(f"AAA,2024-01-02,{100 + n % 3},0,1\n" for n in range(1_000))
    )
    assert done.quarantined == 1_000
    assert desk.rows("select max(length(reason)) from quarantine")[0][0] < 200  # type: ignore[operator]


def test_a_refusal_that_two_ingests_find_is_on_record_once(desk: Desk) -> None:
    (desk.folder / "inbox" / "bad.csv").write_text(
        "symbol,date,close\nAAA,2024-01-02,n/a\n", encoding="utf-8"
    )
    inbox = Inbox(desk.warehouse, load_configuration(desk.folder / "config"), STAMP, TODAY)
    done: list[Ingested] = []
    inbox.prices(None, None, lambda said: done.extend(desk.ingest()))
    assert desk.rows("select count(*) from ingests") == [(1,)]


@pytest.mark.parametrize("shut", [False, True])
def test_a_source_whose_folder_is_missing_or_shut_is_refused_and_the_others_go_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, shut: bool
) -> None:
    settings, gone = desk.folder / "config" / "sources.yaml", desk.folder / "gone"
    settings.write_text(
        settings.read_text().replace(
            "sources:\n", "sources:\n  - {name: gone, kind: folder, path: ../gone}\n"
        )
    )
    with monkeypatch.context() as patch:
        if shut:  # to a user who is not root, as the test may be
            gone.mkdir()
            patch.setattr(os, "access", lambda place, how: how == os.F_OK or Path(place).name != "gone")
            patch.setattr(os, "listdir", partial(_listed, os.listdir))
        done = desk.ingest(prices=FIRST)
        assert [(item.source, item.status, item.new) for item in done] == [
            ("gone", "rejected", 0),
            ("inbox", "ingested", 4),
        ]
        assert desk.ingest()[0].status == "rejected"
    with desk.warehouse.live() as con:
        (refused,) = refused_files(con)
    said = (
        "cannot be read by this user; correct its permissions"
        if shut
        else "is no folder; create it or correct"
    )
    assert refused.name == "gone" and said in refused.reason
    gone.mkdir(exist_ok=True)
    assert desk.ingest() == []
    with desk.warehouse.live() as con:
        assert refused_files(con) == []


def _listed(real: Callable[[Path], Any], place: Path) -> Any:
    if Path(place).name in ("gone", "lost+found"):
        raise PermissionError(13, "Permission denied", str(place))
    return real(place)


def ingest_all(desk: Desk, **files: str) -> list[Ingested]:
    """As the stages do, accounts too."""
    done = desk.ingest(**files)
    accounts = AccountInbox(desk.warehouse, load_configuration(desk.folder / "config"), STAMP, TODAY)
    return done + accounts.take(lambda said: None)


def test_a_folder_in_which_nobody_looks_is_named_and_nothing_in_it_is_gone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a user who is not root, as the test may be; a link out of the inbox is not followed either."""
    inbox, reference = desk.folder / "inbox", desk.folder / "reference"
    (inbox / "b" / "gone").mkdir(parents=True)
    for place in (
        reference / "gone",
        reference / "lost+found",
        inbox / "lost+found",
        inbox / "b" / "lost+found",
    ):
        place.mkdir()
    for name in ("prices.csv", "accounts.csv"):
        (inbox / "b" / "gone" / name).write_text("symbol,date,close\nAAA,2024-01-02,n/a\n")
    before = {"b/gone/prices.csv", "b/gone/accounts.csv"}
    assert {item.payload for item in ingest_all(desk, prices=FIRST) if item.status == "rejected"} == before
    inboxes = Inbox(desk.warehouse, load_configuration(desk.folder / "config"), STAMP, TODAY)
    monkeypatch.setattr(os, "scandir", partial(_listed, os.scandir))
    (inbox / "linked").symlink_to(reference)
    (inbox / "within").symlink_to(inbox / "b")  # what is there is read in its place
    told = {(item.source, item.payload): item.findings[0].message for item in ingest_all(desk)}
    shut = "this folder cannot be read (Permission denied); correct its permissions"
    assert told == {
        ("reference", "gone"): shut,
        ("inbox", "b/gone"): shut,
        ("inbox", "b/lost+found"): shut,  # no disk has its own below another's folder
        ("inbox", "linked"): f"it leads out of {inboxes.desk.folder}/../inbox; put the folder itself there",
    }
    assert set(refused(desk)) == before | {"gone", "b/gone", "b/lost+found", "linked"}
    asked = inboxes.prices(None, None, lambda said: None, str(inbox / "b"))
    assert [item.payload for item in asked] == ["b/gone", "b/lost+found"]
    monkeypatch.undo()
    (inbox / "linked").unlink()
    ingest_all(desk)
    assert set(refused(desk)) == before


def test_a_reference_folder_that_is_missing_is_refused_and_the_prices_go_on(desk: Desk) -> None:
    desk.ingest(actions="symbol,date,kind,value\nAAA,2024-01-03,split,2\n" * 2)
    (desk.folder / "reference").rename(desk.folder / "elsewhere")
    assert [(item.source, item.payload, item.status) for item in desk.ingest(prices=FIRST)] == [
        ("reference", "reference", "rejected"),
        ("inbox", "prices.csv", "ingested"),
    ]
    assert set(refused(desk)) == {"corporate_actions.csv", "reference"}
    assert "is no folder; create it or correct sources.yaml" in refused(desk)["reference"]
    (desk.folder / "elsewhere").rename(desk.folder / "reference")
    desk.ingest()
    assert set(refused(desk)) == {"corporate_actions.csv"}


def test_what_lies_in_an_inbox_that_is_missing_is_not_gone(desk: Desk) -> None:
    for name in ("characteristics.csv", "accounts.csv"):
        (desk.folder / "inbox" / name).write_text("symbol\nAAA\n")
    ingest_all(desk)
    (desk.folder / "inbox").rename(desk.folder / "elsewhere")
    ingest_all(desk)
    assert set(refused(desk)) == {"characteristics.csv", "accounts.csv", "inbox"}
