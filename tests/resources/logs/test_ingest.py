"""Deliveries into the logs: each payload once and whole, bad rows set aside, splits read again once explained."""

import gzip
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from bench import new_warehouse, staying_open
from draws import some
from small_desk import FILES

import resources.logs.ingest as ingest_module
from resources.ledger.ledger import Stamp
from resources.logs.ingest import Inbox, default_as_of
from resources.logs.open_questions import open_questions
from resources.logs.refused_files import refused_files
from resources.logs.storing import Ingested
from resources.packs.packs import watermark
from resources.prices.source import Delivery
from resources.screening.screen import screen
from resources.settings.configuration import load_configuration
from resources.store.warehouse import Transaction

TODAY = date(2024, 3, 1)
HEADER = "symbol,date,close,dividend,split\n"
FIRST = (
    HEADER
    + "AAA,2024-01-02,100,0,1\nAAA,2024-01-03,101,0.5,1\nBBB,2024-01-02,50,0,1\nBBB,2024-01-03,51,0,1\n"
)


class Desk:
    """A configuration with a folder source named `inbox`, its reference folder, and a warehouse."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.warehouse = folder, new_warehouse(folder / "home", staying_open)
        for name, text in FILES.items():
            path = folder / "config" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + ("reference_folder: ../reference\n" if name == "sources.yaml" else ""))
        for name in ("inbox", "reference"):
            (folder / name).mkdir()

    def ingest(self, **files: str) -> list[Ingested]:
        """Put files into the inbox (`actions` into the reference folder) and ingest."""
        for name, text in files.items():
            path = self.folder / (
                "reference/corporate_actions.csv" if name == "actions" else f"inbox/{name}.csv"
            )
            path.write_text(text, encoding="utf-8")
        stamp = Stamp("run", datetime(2024, 3, 1, 22, tzinfo=UTC).replace(tzinfo=None), "code", "config")
        inbox = Inbox(self.warehouse, load_configuration(self.folder / "config"), stamp, TODAY)
        return [*inbox.reference(lambda said: None), *inbox.prices(None, None, lambda said: None)]

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with self.warehouse.live() as con:
            return con.execute(sql).fetchall()

    def log(self) -> list[tuple[object, ...]]:
        return self.rows("select symbol, date, close, dividend, split, ingest_seq from prices order by all")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def counts(done: list[Ingested]) -> list[tuple[str, int, int, int, int]]:
    return [(item.status, item.new, item.corrected, item.same, item.quarantined) for item in done]


def test_a_file_is_ingested_once_and_its_rows_once(desk: Desk) -> None:
    assert counts(desk.ingest(prices=FIRST)) == [("ingested", 4, 0, 0, 0)]
    before = desk.log(), desk.rows("select * from materializations")
    assert desk.ingest() == []  # known by its key: not even parsed
    assert (desk.log(), desk.rows("select * from materializations")) == before
    assert counts(desk.ingest(copy=FIRST)) == [("ingested", 0, 0, 4, 0)]  # under another name
    assert desk.log() == before[0]


def test_a_changed_value_is_a_new_row_and_the_old_one_stays(desk: Desk) -> None:
    desk.ingest(prices=FIRST)
    (done,) = desk.ingest(later=FIRST.replace("BBB,2024-01-03,51,", "BBB,2024-01-03,52,"))
    assert (done.new, done.corrected, done.same) == (0, 1, 3)
    assert [row[2] for row in desk.log() if row[0] == "BBB" and row[1] == date(2024, 1, 3)] == [51.0, 52.0]


def test_a_file_that_is_changed_back_tells_again_what_it_told_first(desk: Desk) -> None:
    changed = FIRST.replace("BBB,2024-01-03,51,", "BBB,2024-01-03,52,")
    for text, close in ((FIRST, 51.0), (changed, 52.0), (FIRST, 51.0), (changed, 52.0)):
        desk.ingest(prices=text)
        assert newest(desk, "BBB")[-1][1] == close
    assert desk.ingest() == []
    said = f"{ACTIONS}BBB,2024-01-03,dividend,{{}},\n"
    for paid in ("0.5", "0.7", "0.5"):
        desk.ingest(actions=said.format(paid))
        assert newest(desk, "BBB")[-1][2] == float(paid)
    assert desk.ingest() == []


def test_what_was_known_earlier_corrects_nothing(desk: Desk) -> None:
    """An old evening's file that comes late, or is read again, does not undo what a later evening restated."""
    evening = "symbol,date,open,high,low,close,volume,adj_close\nAAA,{day},{c},{c},{c},{c},10,{c}\n"
    desk.ingest(prices_20240103=evening.format(day="2024-01-03", c=100))
    desk.ingest(prices_20240104=evening.format(day="2024-01-03", c=101))
    (done,) = desk.ingest(prices_20240102=evening.format(day="2024-01-03", c=99))
    assert (done.corrected, done.same) == (0, 1)
    assert [row[2] for row in desk.log()] == [100.0, 101.0]


def test_a_dividend_that_a_file_cannot_know_stays_as_it_is_on_record(desk: Desk) -> None:
    desk.ingest(prices=FIRST)
    silent = "symbol,date,close\nAAA,2024-01-03,101\nAAA,2024-01-04,102\n"
    (done,) = desk.ingest(
        prices_20240104=silent.replace("close", "close,adj_close")
        .replace("101", "101,101")
        .replace("102", "102,102")
    )
    assert (done.new, done.same) == (1, 1)
    assert [row[3] for row in desk.log() if row[0] == "AAA"] == [0.0, 0.5, 0.0]


def test_a_refused_file_leaves_its_reasons_once_and_nothing_else_and_the_others_go_on(desk: Desk) -> None:
    files = {"a_bad": FIRST.replace("101", "1,01.0"), "b_good": FIRST}
    assert counts(desk.ingest(**files)) == [("rejected", 0, 0, 0, 0), ("ingested", 4, 0, 0, 0)]
    assert counts(desk.ingest()) == [("rejected", 0, 0, 0, 0)]
    recorded = desk.rows("select payload_name, status, message from ingests order by ingest_seq")
    assert [row[:2] for row in recorded] == [("a_bad.csv", "rejected"), ("b_good.csv", "ingested")]
    assert "line" in str(recorded[0][2])


def test_a_bad_row_is_set_aside_with_its_line_and_the_rest_goes_on(desk: Desk) -> None:
    (done,) = desk.ingest(prices=FIRST + "AAA,2024-01-04,-3,0,1\nAAA,2024-01-06,100,0,1\n")
    assert (done.new, done.quarantined) == (4, 2)
    assert desk.rows("select symbol, date, line, code from quarantine order by line") == [
        ("AAA", date(2024, 1, 4), 6, "NON_POSITIVE"),
        ("AAA", date(2024, 1, 6), 7, "NOT_A_SESSION"),
    ]


def test_a_held_split_is_read_again_once_an_action_explains_it(desk: Desk) -> None:
    halved = HEADER + "AAA,2024-01-04,50.5,0,1\nAAA,2024-01-05,51,0,1\n"
    desk.ingest(a=FIRST)
    assert counts(desk.ingest(b=halved)) == [("ingested", 0, 0, 0, 2)]
    assert desk.ingest() == []
    done = desk.ingest(actions="symbol,date,kind,value\nAAA,2024-01-04,split,2\n")
    assert counts(done) == [("ingested", 1, 0, 0, 0), ("ingested", 2, 0, 0, 0)]
    assert [(row[2], row[4]) for row in desk.log() if row[0] == "AAA"][2:] == [(50.5, 2.0), (51.0, 1.0)]
    assert desk.ingest() == []


def test_a_jump_is_seen_against_the_record_even_after_a_long_silence_of_the_log(desk: Desk) -> None:
    """The newest closes are looked up among recent dates; a name that stopped before them is not forgotten."""
    desk.ingest(a=FIRST, b=HEADER + "CCC,2024-02-27,10,0,1\nCCC,2024-02-28,10,0,1\n")
    (done,) = desk.ingest(c=HEADER + "AAA,2024-02-28,50.6,0,1\n")
    assert (done.new, done.quarantined) == (0, 1)
    assert desk.rows("select code from quarantine") == [("SPLIT_UNEXPLAINED",)]


def test_rows_out_of_order_are_stored_by_date(desk: Desk) -> None:
    days = ["2024-01-05", "2024-01-02", "2024-01-04", "2024-01-03"]
    desk.ingest(prices=HEADER + "".join(f"{name},{day},100,0,1\n" for name in ("BBB", "AAA") for day in days))
    stored = desk.rows("select date from prices")  # as they lie in the file
    assert stored == sorted(stored)
    assert len(stored) == 8


def test_the_default_date_is_the_newest_on_record(desk: Desk) -> None:
    desk.ingest(prices=FIRST)
    configuration = load_configuration(desk.folder / "config")
    with desk.warehouse.live() as con:
        newest = default_as_of(con, configuration, desk.folder / "cache", datetime(2024, 3, 1, tzinfo=UTC))
    assert newest == date(2024, 1, 3)


def test_a_source_without_a_currency_takes_that_of_each_security_on_record(desk: Desk) -> None:
    (desk.folder / "reference" / "securities.csv").write_text(
        "symbol,date,currency,simulated\nAAA,2020-01-01,GBX,false\n", encoding="utf-8"
    )
    desk.ingest(first=FIRST)
    told = desk.rows("select distinct symbol, currency from prices order by all")
    assert told == [("AAA", "GBX"), ("BBB", "USD")]


ACTIONS = "symbol,date,kind,value,new_symbol\n"
WITHDRAWABLE = "symbol,date,kind,value,new_symbol,withdrawn\n"


def newest(desk: Desk, symbol: str) -> list[tuple[object, ...]]:
    return desk.rows(
        "select date, close, dividend, split from prices "
        f"where symbol = '{symbol}' qualify row_number() over (partition by date order by ingest_seq desc) = 1 "
        "order by date"
    )


def believed(desk: Desk, symbol: str) -> list[tuple[date, float]]:
    """(date, close) that every reader gets."""
    found = desk.rows(
        f"select date, close from believed_prices(null) where symbol = '{symbol}' "
        "qualify row_number() over (partition by date order by ingest_seq desc) = 1 order by date"
    )
    return [(day, float(str(close))) for day, close in found if isinstance(day, date)]


@pytest.mark.parametrize(
    "split", some([(0.0052631579, 19000), (1.05, 96), (1.5, 67.0), (1.2, 84.0), (11, 9.2)], 2)
)
def test_a_split_of_any_ratio_is_taken_the_same_evening_and_when_stated_later(
    tmp_path: Path, split: tuple[float, float]
) -> None:
    ratio, close = split
    day = f"{HEADER}AAA,2024-01-04,{close},0,1\n"
    told = f"{ACTIONS}AAA,2024-01-04,split,{ratio},\n"
    there = [(tmp_path / name) for name in ("evening", "later")]
    for folder in there:
        folder.mkdir()
    evening, later = map(Desk, there)
    evening.ingest(a=FIRST)
    evening.ingest(b=day, actions=told)
    later.ingest(a=FIRST)
    later.ingest(b=day)
    later.ingest(actions=told)
    for desk in (evening, later):
        assert newest(desk, "AAA")[-1][1:] == (close, 0, ratio)
        assert desk.ingest() == []


def test_a_corrected_action_corrects_the_row_that_it_filled(desk: Desk) -> None:
    desk.ingest(a=FIRST, actions=f"{ACTIONS}AAA,2024-01-03,dividend,0.8,\nBBB,2024-01-03,dividend,0.2,\n")
    assert [row[2] for row in newest(desk, "AAA")] == [0, 0.8]  # the file says 0.5: the larger, and a warning
    assert [row[2] for row in newest(desk, "BBB")] == [0, 0.2]
    codes = desk.rows(
        "select code, count(*) from check_findings where code like 'DIVIDEND%' group by 1 order by 1"
    )
    assert codes == [("DIVIDEND_CONTRADICTED", 1), ("DIVIDEND_FROM_ACTION", 1)]
    desk.ingest(actions=f"{ACTIONS}AAA,2024-01-03,dividend,0,\nBBB,2024-01-03,dividend,0.3,\n")
    assert [row[2] for row in newest(desk, "AAA")] == [0, 0.5]
    assert [row[2] for row in newest(desk, "BBB")] == [0, 0.3]
    assert desk.ingest() == []


def test_all_cash_of_a_day_counts_and_a_day_without_a_row_pays_on_the_next(desk: Desk) -> None:
    desk.ingest(
        a=HEADER + "CCC,2024-01-02,50,0,1\nCCC,2024-01-04,48,0,1\n",
        actions=f"{ACTIONS}CCC,2024-01-03,dividend,0.5,\nCCC,2024-01-03,special_dividend,1.5,\n",
    )
    assert [row[2] for row in newest(desk, "CCC")] == [0, 2]
    desk.ingest(actions=f"{ACTIONS}CCC,2024-01-05,return_of_capital,3,\n")
    desk.ingest(b=HEADER + "CCC,2024-01-08,45,0,1\n")  # another evening's file
    assert [row[2] for row in newest(desk, "CCC")] == [0, 2, 3]


def test_a_dividend_in_another_currency_is_not_taken_for_the_prices_own(desk: Desk) -> None:
    told = "symbol,date,kind,value,currency\nBBB,2024-01-03,dividend,20,GBX\n"
    desk.ingest(a=FIRST, actions=told)
    assert [row[2] for row in newest(desk, "BBB")] == [0, 0]
    assert "in GBX" in str(
        desk.rows("select message from check_findings where code = 'DIVIDEND_CONTRADICTED'")
    )


def test_what_others_said_since_stands_when_a_file_is_read_again(desk: Desk) -> None:
    desk.ingest(a=FIRST)
    desk.ingest(b=HEADER + "BBB,2024-01-02,50.4,0,1\n")
    desk.ingest(actions=f"{ACTIONS}BBB,2024-01-03,dividend,0.3,\n")
    assert newest(desk, "BBB") == [(date(2024, 1, 2), 50.4, 0, 1), (date(2024, 1, 3), 51, 0.3, 1)]


SESSIONS = [day for day in range(2, 20) if date(2024, 1, day).weekday() < 5 and day != 15]


def evenings() -> dict[str, str]:
    """A file an evening with a 7:1 split that actions alone tell, a chain of renames, a recycled ticker, a jump."""
    files = {}
    for place, day in enumerate(SESSIONS):
        aaa, gone = (
            (100 + place) / (7 if place >= 6 else 1),
            "OLD" if place < 3 else "MID" if place < 7 else "NEW",
        )
        lines = [f"AAA,2024-01-{day:02},{aaa:.3f},0,1", f"{gone},2024-01-{day:02},{40 + place},0,1"]
        lines += [f"MID,2024-01-{day:02},{20 + place},0,1"] if place >= 10 else []
        lines.append(f"BBB,2024-01-{day:02},{50 + place % 2},{0.5 * (place == 4)},1")
        lines.append(f"JMP,2024-01-{day:02},{(48 if place >= 4 else 20) + place % 2},0,1")
        files[f"p202401{day:02}"] = HEADER + "".join(f"{line}\n" for line in lines)
    told = [f"AAA,2024-01-{SESSIONS[6]:02},split,7,", f"OLD,2024-01-{SESSIONS[3]:02},rename,,MID",
            f"MID,2024-01-{SESSIONS[7]:02},rename,,NEW", f"BBB,2024-01-{SESSIONS[5]:02},dividend,0.3,"]  # fmt: skip
    return files | {"actions": ACTIONS + "".join(f"{line}\n" for line in told)}


@pytest.mark.parametrize("seed", some([1, 2, 3, 4, 5, 6], 1))
def test_a_month_of_evenings_and_actions_in_any_order_keeps_the_same_rows(tmp_path: Path, seed: int) -> None:
    """One ingest of all, and one for each two files; a split that fell to a later row goes back to its own."""
    files, found = evenings(), []
    late = sorted(files)
    Random(seed).shuffle(late)
    for name, order in (
        ("at_once", [sorted(files)]),
        ("in_parts", [late[place : place + 2] for place in range(0, len(late), 2)]),
    ):
        (tmp_path / name).mkdir()
        desk = Desk(tmp_path / name)
        for some_files in order:
            desk.ingest(**{one: files[one] for one in some_files})
        desk.ingest()
        found.append(
            desk.rows(
                "select symbol, date, close, dividend, split from believed_prices(null) "
                "qualify row_number() over (partition by symbol, date order by ingest_seq desc) = 1 order by all"
            )
        )
        with desk.warehouse.live() as con:
            assert open_questions(con) == []
    assert found[0] == found[1]
    assert [(row[1].day, row[4]) for row in found[0] if row[4] != 1] == [(SESSIONS[6], 7.0)]
    assert {row[0] for row in found[0]} == {"AAA", "BBB", "JMP", "NEW", "MID"}
    assert sum(row[3] for row in found[0]) == pytest.approx(0.8)


def test_a_rename_on_record_moves_the_rows_and_later_statements_find_them(desk: Desk) -> None:
    desk.ingest(a=FIRST)
    desk.ingest(
        b=HEADER + "NEW,2024-01-04,102,0,1\n",
        actions=f"{ACTIONS}AAA,2024-01-04,rename,,NEW\nAAA,2024-01-02,dividend,0.25,\n",
    )
    assert newest(desk, "NEW") == [
        (date(2024, 1, 2), 100, 0.25, 1), (date(2024, 1, 3), 101, 0.5, 1), (date(2024, 1, 4), 102, 0, 1),
    ]  # fmt: skip
    assert desk.ingest() == []


def test_a_rename_that_is_withdrawn_gives_its_rows_back(desk: Desk) -> None:
    wrong = f"{WITHDRAWABLE}AAA,2024-01-04,rename,,NEW,\n"
    desk.ingest(a=FIRST, b=HEADER + "NEW,2024-01-04,102,0,1\n", actions=wrong)
    assert [row[0].day for row in believed(desk, "NEW")] == [2, 3, 4] and believed(desk, "AAA") == []
    desk.ingest(actions=wrong.replace("NEW,\n", ",true\n"))
    assert [row[0].day for row in believed(desk, "NEW")] == [4]
    assert believed(desk, "AAA") == [(date(2024, 1, 2), 100), (date(2024, 1, 3), 101)]
    assert desk.ingest() == []
    desk.ingest(actions=wrong)  # it was right after all
    assert [row[0].day for row in believed(desk, "NEW")] == [2, 3, 4] and believed(desk, "AAA") == []


def test_a_rename_stated_otherwise_or_later_leaves_nothing_under_another_name(desk: Desk) -> None:
    told = f"{WITHDRAWABLE}AAA,2024-01-04,rename,,NEW,\n"
    desk.ingest(a=FIRST, b=HEADER + "OTHER,2024-01-04,102,0,1\n")
    assert len(believed(desk, "AAA")) == 2
    desk.ingest(actions=told)
    assert (len(believed(desk, "AAA")), len(believed(desk, "NEW"))) == (0, 2)
    desk.ingest(actions=told.replace("NEW", "OTHER"))
    assert (len(believed(desk, "NEW")), len(believed(desk, "OTHER"))) == (0, 3)
    earlier = told.replace("NEW,", ",true") + "AAA,2024-01-03,rename,,OTHER,\n"
    desk.ingest(actions=earlier)
    assert believed(desk, "AAA") == [(date(2024, 1, 3), 101)]
    assert [row[0].day for row in believed(desk, "OTHER")] == [2, 4]


def test_a_rename_that_the_overrides_state_later_leaves_nothing_under_the_old_name(desk: Desk) -> None:
    overrides = desk.folder / "config" / "overrides.yaml"
    desk.ingest(a=FIRST)
    desk.ingest(_b=HEADER + "BBB,2024-01-02,50.5,0,1\n")  # sorted before the file that it corrects
    overrides.write_text("renames: [{old: AAA, new: NEW, effective: 2024-01-04, reason: a merger}]\n")
    desk.ingest()
    assert (believed(desk, "AAA"), [row[0].day for row in believed(desk, "NEW")]) == ([], [2, 3])
    assert believed(desk, "BBB")[0] == (date(2024, 1, 2), 50.5)  # what was said later stands in every reading


def test_what_is_taken_out_of_the_overrides_is_undone(desk: Desk) -> None:
    overrides = desk.folder / "config" / "overrides.yaml"
    stated = (
        "renames: [{old: AAA, new: NEW, effective: 2024-01-04, reason: a merger}]\n"
        "releases: [{symbol: CCC, date: 2024-01-04, code: JUMP_75, reason: a takeover}]\n"
    )
    desk.ingest(a=FIRST + "CCC,2024-01-02,10,0,1\nCCC,2024-01-03,10,0,1\nCCC,2024-01-04,17.9,0,1\n")
    overrides.write_text(stated)
    desk.ingest(b=HEADER + "NEW,2024-01-04,102,0,1\n")
    assert ([row[0].day for row in believed(desk, "NEW")], len(believed(desk, "CCC"))) == ([2, 3, 4], 3)
    overrides.unlink()
    desk.ingest()
    assert ([row[0].day for row in believed(desk, "NEW")], len(believed(desk, "CCC"))) == ([4], 2)
    assert believed(desk, "AAA") == [(date(2024, 1, 2), 100), (date(2024, 1, 3), 101)]
    assert desk.ingest() == []
    overrides.write_text(stated)  # it was right after all
    desk.ingest()
    assert ([row[0].day for row in believed(desk, "NEW")], believed(desk, "AAA")) == ([2, 3, 4], [])


def test_a_row_is_withdrawn_in_the_currency_of_its_security(desk: Desk) -> None:
    (desk.folder / "reference" / "securities.csv").write_text(
        "symbol,date,currency,simulated\nAAA,2023-01-01,GBP,false\n"
    )
    desk.ingest(spike=HEADER + "AAA,2024-01-05,900,0,1\n")
    desk.ingest(around=HEADER + "AAA,2024-01-03,64,0,1\nAAA,2024-01-04,64.5,0,1\nAAA,2024-01-08,64.2,0,1\n")
    assert [row[0].day for row in believed(desk, "AAA")] == [3, 4, 8]
    assert desk.rows("select distinct currency from prices where symbol = 'AAA'") == [("GBP",)]


@pytest.mark.parametrize("file", ["b", "_b"])  # read after and before that of the other company
def test_what_a_wrong_rename_set_aside_is_no_question_once_it_is_withdrawn(desk: Desk, file: str) -> None:
    told = f"{WITHDRAWABLE}AAA,2024-01-04,rename,,NEW,\n"
    own = "".join(f"NEW,2024-01-{day:02},{day + 9},0,1\n" for day in (4, 5, 8))
    desk.ingest(**{"a": FIRST, "actions": told, file: HEADER + own})
    with desk.warehouse.live() as con:
        assert [question.symbol for question in open_questions(con)] == ["NEW"]
    desk.ingest(actions=told.replace("NEW,", ",true"))
    desk.ingest(c=HEADER + "NEW,2024-01-09,18,0,1\n")
    with desk.warehouse.live() as con:
        assert open_questions(con) == []
    assert [row[0].day for row in believed(desk, "NEW")] == [4, 5, 8, 9]
    assert [row[0].day for row in believed(desk, "AAA")] == [2, 3]


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


def test_a_dividend_beside_split_adjusted_closes_is_told_in_their_shares(desk: Desk) -> None:
    settings = desk.folder / "config/sources.yaml"
    settings.write_text(settings.read_text().replace("as_traded", "split_adjusted"))
    adjusted = "symbol,date,close\nAAA,2024-01-02,50\nAAA,2024-01-03,49.5\nAAA,2024-01-04,51\n"
    desk.ingest(a=adjusted, actions=f"{ACTIONS}AAA,2024-01-03,dividend,1,\nAAA,2024-01-04,split,2,\n")
    assert [row[1:] for row in newest(desk, "AAA")] == [(50, 0, 1), (49.5, 0.5, 1), (51, 0, 1)]


def refused(desk: Desk, watermark: int | None = None) -> dict[str, str]:
    """The refused payloads -> why, as known at a watermark."""
    with desk.warehouse.live() as con:
        return {file.name: file.reason for file in refused_files(con, watermark)}


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
    stamp = Stamp("run", datetime(2024, 3, 1, 22, tzinfo=UTC).replace(tzinfo=None), "code", "config")
    inbox = Inbox(desk.warehouse, load_configuration(desk.folder / "config"), stamp, TODAY)
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


def test_a_closure_that_the_desk_states_is_no_session(desk: Desk) -> None:
    closure = "{exchange: XNYS, date: 2024-01-03, reason: a storm over New York}"
    (desk.folder / "config" / "overrides.yaml").write_text(f"closures: [{closure}]\n")
    (done,) = desk.ingest(prices=FIRST)
    assert (done.new, done.quarantined, done.symbols) == (2, 2, {"AAA", "BBB"})
    assert {row[0] for row in desk.rows("select code from quarantine")} == {"NOT_A_SESSION"}
    other = closure.replace("XNYS", "XTSE")
    (desk.folder / "config" / "overrides.yaml").write_text(f"closures: [{other}]\n")
    (done,) = desk.ingest(again=FIRST)
    assert (done.new, done.quarantined) == (2, 0)


def test_what_was_stated_wrongly_is_taken_back_also_of_a_file_that_cannot_know(desk: Desk) -> None:
    wrong = f"{ACTIONS}BBB,2024-01-03,dividend,0.3,\nBBB,2024-01-04,split,1.05,\n"
    desk.ingest(
        a="symbol,date,close\nBBB,2024-01-02,50\nBBB,2024-01-03,51\nBBB,2024-01-04,49\n", actions=wrong
    )
    assert [row[2:] for row in newest(desk, "BBB")] == [(0, 1), (0.3, 1), (0, 1.05)]
    desk.ingest(actions=wrong.replace("0.3", "0").replace("1.05", "1"))
    assert [row[2:] for row in newest(desk, "BBB")] == [(0, 1), (0, 1), (0, 1)]
    assert desk.ingest() == []


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


def test_a_delivery_that_another_ingest_takes_meanwhile_is_taken_once(desk: Desk) -> None:
    """The other begins after this one has looked, and ends before it writes: its correction stands."""
    restated = FIRST.replace("AAA,2024-01-02,100", "AAA,2024-01-02,102")
    for name, text in {"one": FIRST, "two": restated}.items():
        (desk.folder / "inbox" / f"{name}.csv").write_text(text, encoding="utf-8")
    stamp = Stamp("run", datetime(2024, 3, 1, 22, tzinfo=UTC).replace(tzinfo=None), "code", "config")
    inbox = Inbox(desk.warehouse, load_configuration(desk.folder / "config"), stamp, TODAY)
    others: list[list[Ingested]] = []

    def meanwhile(said: str) -> None:
        if not others:
            others.append([])
            others[0] = desk.ingest()

    assert inbox.prices(None, None, meanwhile) == []
    assert [item.payload for item in others[0]] == ["one.csv", "two.csv"]
    assert desk.rows("select delivery_key from ingests group by 1 having count(*) > 1") == []
    newest = "select arg_max(close, ingest_seq) from prices where symbol = 'AAA' and date = '2024-01-02'"
    assert desk.rows(newest) == [(102.0,)]


def test_a_refusal_that_two_ingests_find_is_on_record_once(desk: Desk) -> None:
    (desk.folder / "inbox" / "bad.csv").write_text(
        "symbol,date,close\nAAA,2024-01-02,n/a\n", encoding="utf-8"
    )
    stamp = Stamp("run", datetime(2024, 3, 1, 22, tzinfo=UTC).replace(tzinfo=None), "code", "config")
    inbox = Inbox(desk.warehouse, load_configuration(desk.folder / "config"), stamp, TODAY)
    done: list[Ingested] = []
    inbox.prices(None, None, lambda said: done.extend(desk.ingest()))
    assert desk.rows("select count(*) from ingests") == [(1,)]


def test_a_kept_payload_is_believed_by_its_hash(desk: Desk) -> None:
    raw, kept = b"downloaded", desk.folder / "home" / "payloads"
    delivery: Any = SimpleNamespace(payload=raw, payload_sha256=sha256(raw).hexdigest(), payload_name="a.csv")
    stamp = Stamp("run", datetime(2024, 3, 1, 22, tzinfo=UTC).replace(tzinfo=None), "code", "config")
    inbox = Inbox(desk.warehouse, load_configuration(desk.folder / "config"), stamp, TODAY)
    place = desk.folder / "home" / inbox._payload_path(delivery)
    assert place.parent == kept and place.read_bytes() == raw
    place.write_bytes(b"replaced")
    assert desk.folder / "home" / inbox._payload_path(delivery) == place
    assert place.read_bytes() == raw


def test_splits_beside_closes_that_carry_them_are_kept_as_actions(tmp_path: Path) -> None:
    sources = FILES["sources.yaml"].replace("as_traded", "split_adjusted")
    desk = Desk(tmp_path)
    (tmp_path / "config" / "sources.yaml").write_text(sources)
    rows = "2024-01-02,25,25,0,0\n2024-01-03,25,25,0.1,4\n2024-01-04,25.5,25.5,0,1\n"
    header = "Date,Close,Adj Close,Dividends,Stock Splits\n"
    (done,) = desk.ingest(AAA=header + rows)
    assert (done.log, done.new) == ("prices", 3)
    said = "select symbol, date, kind, value, source from corporate_actions order by all"
    split = ("AAA", date(2024, 1, 3), "split", 4.0, "inbox")
    assert desk.rows(said) == [split]
    assert {row[4] for row in desk.log()} == {1.0}  # nothing of it is left in the closes
    desk.ingest(AAA=header + rows + "2024-01-05,13,13,0,2\n")
    assert desk.rows(said) == [split, ("AAA", date(2024, 1, 5), "split", 2.0, "inbox")]


def test_a_file_of_another_currency_is_not_compared_with_the_closes_before(desk: Desk) -> None:
    settings = desk.folder / "config" / "sources.yaml"
    pence = "symbol,date,close\n" + "".join(f"AAA,2024-01-{day:02},{1000 + day}\n" for day in (2, 3, 4, 5))
    text = settings.read_text()
    settings.write_text(text.replace("basis", "currency: GBX, basis"))
    desk.ingest(pence=pence)
    settings.write_text(text.replace("basis", "currency: GBP, basis"))
    (desk.folder / "inbox" / "pence.csv").unlink()  # it would be read again, as pounds
    pounds = "symbol,date,close\n" + "".join(f"AAA,2024-01-{day:02},{10 + day / 100}\n" for day in (8, 9, 10))
    assert counts(desk.ingest(pounds=pounds))[-1] == ("ingested", 3, 0, 0, 0)


def test_the_end_of_an_ingest_is_of_rows_not_of_file_names(desk: Desk) -> None:
    desk.ingest()
    (desk.folder / "inbox" / "prices_20240110.csv").write_text(FIRST)
    stamp = Stamp("run", datetime(2024, 3, 1, 22, tzinfo=UTC).replace(tzinfo=None), "code", "config")
    inbox = Inbox(desk.warehouse, load_configuration(desk.folder / "config"), stamp, TODAY)
    (done,) = inbox.prices(None, date(2024, 1, 2), lambda said: None)
    assert (done.payload, done.new) == ("prices_20240110.csv", 2)


def test_a_source_whose_folder_is_missing_is_refused_and_the_others_go_on(desk: Desk) -> None:
    settings = desk.folder / "config" / "sources.yaml"
    settings.write_text(
        settings.read_text().replace(
            "sources:\n", "sources:\n  - {name: gone, kind: folder, path: ../gone}\n"
        )
    )
    done = desk.ingest(prices=FIRST)
    assert [(item.source, item.status, item.new) for item in done] == [
        ("gone", "rejected", 0),
        ("inbox", "ingested", 4),
    ]
    with desk.warehouse.live() as con:
        (refused,) = refused_files(con)
    assert refused.name == "gone" and "is no folder; create it or correct sources.yaml" in refused.reason
    assert desk.ingest()[0].status == "rejected"
    (desk.folder / "gone").mkdir()
    assert desk.ingest() == []
    with desk.warehouse.live() as con:
        assert refused_files(con) == []
