"""Corporate actions beside the prices: splits, dividends and renames, stated late, otherwise, and taken back."""

from datetime import date
from pathlib import Path
from random import Random

import pytest
from draws import some
from inbox_desk import ACTIONS, FIRST, HEADER, Desk, newest
from small_desk import FILES

from resources.logs.open_questions import open_questions

WITHDRAWABLE = "symbol,date,kind,value,new_symbol,withdrawn\n"


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


def test_a_split_that_row_and_actions_tell_otherwise_is_asked_about(desk: Desk) -> None:
    """A bonus issue of the same ratio is the same; a part of what is stated becomes the whole; two of one are one."""
    after = {"AAA": (33.33, 3), "BBB": (47.62, 1.05), "CCC": (31.75, 3), "DDD": (47.62, 1), "EEE": (33.33, 3)}
    closes = "".join(
        f"{name},2024-01-03,{100 if split == 3 else 50},0,1\n{name},2024-01-04,{close},0,{split}\n"
        for name, (close, split) in after.items()
    )
    desk.ingest(a=HEADER + closes)
    given = "".join(f"{name},2024-01-04,stock_dividend,0.05,\n" for name in ("AAA", "BBB", "CCC", "DDD"))
    given += "CCC,2024-01-04,split,3,\nDDD,2024-01-04,split,1.05,\nEEE,2024-01-04,split,2,\n"
    desk.ingest(actions=ACTIONS + given)
    assert {name: newest(desk, name)[1][3] for name in after} == {
        "AAA": 3, "BBB": 1.05, "CCC": 3.15, "DDD": 1.05, "EEE": 3
    }  # fmt: skip
    found = desk.rows(
        "select code, symbol, message from check_findings where code like 'SPLIT%' order by 1, 2"
    )
    assert [row[:2] for row in found] == [
        ("SPLIT_CONTRADICTED", "AAA"), ("SPLIT_CONTRADICTED", "EEE"), ("SPLIT_FROM_ACTION", "CCC"),
        ("SPLIT_FROM_ACTION", "DDD"), ("SPLIT_TOLD_TWICE", "DDD"),
    ]  # fmt: skip
    assert "AAA splits 3:1 on 2024-01-04 by the file and 1.05:1 by the corporate actions" in str(found[0][2])
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


@pytest.mark.parametrize("day", ["2024-01-03", "2024-01-04"])
def test_an_action_under_a_name_that_was_given_up_is_told_once(desk: Desk, day: str) -> None:
    told = f"{ACTIONS}AAA,2024-01-03,rename,,CCC\nAAA,{day},dividend,1,\n"
    closes = "symbol,date,close\nAAA,2024-01-02,100\nCCC,2024-01-03,97\nCCC,2024-01-04,97\n"
    (refused,) = [one for one in desk.ingest(actions=told, first=closes) if one.status == "rejected"]
    assert [finding.message for finding in refused.findings] == [
        f"AAA is called CCC since 2024-01-03, but a dividend of {day} is stated of it; state it of CCC"
    ]
    assert [one for one in desk.ingest() if one.status == "rejected"] == []
    # another company of that name is another matter
    told += "ZZZ,2024-01-02,rename,,YYY\nZZZ,2024-01-04,dividend,0.1,\n"
    found = desk.ingest(actions=told, second="symbol,date,close\nZZZ,2024-01-03,5\nZZZ,2024-01-04,5\n")
    assert [one for one in found if one.status == "rejected"] == [] and newest(desk, "ZZZ")[1][2] == 0.1


def test_a_dividend_in_pounds_or_pence_is_one_in_the_unit_of_the_prices(desk: Desk) -> None:
    """Hundredths are definitions; two of one day add up where they tell one currency, and are asked about otherwise."""
    (desk.folder / "reference/securities.csv").write_text(
        "symbol,date,currency,simulated\nAAA,2023-01-01,GBX,false\nBBB,2023-01-01,GBP,false\n"
    )
    told = "symbol,date,kind,value,currency\n"
    told += "AAA,2024-01-03,dividend,0.02,GBP\nAAA,2024-01-03,special_dividend,1,GBX\nBBB,2024-01-03,dividend,70,GBX\n"
    closes = (
        "symbol,date,close\nAAA,2024-01-02,100\nAAA,2024-01-03,97\nBBB,2024-01-02,50\nBBB,2024-01-03,49\n"
    )
    desk.ingest(actions=told, first=closes)
    assert [newest(desk, symbol)[1][2] for symbol in ("AAA", "BBB")] == [3.0, 0.7]
    desk.ingest(actions=f"{told}BBB,2024-01-03,special_dividend,1,\n")
    ((said,),) = desk.rows("select distinct message from check_findings where code = 'DIVIDEND_CONTRADICTED'")
    assert "BBB pays 1.7 in GBP and no currency on 2024-01-03" in str(said)


def test_a_dividend_in_another_currency_is_not_taken_for_the_prices_own(desk: Desk) -> None:
    told = "symbol,date,kind,value,currency\nBBB,2024-01-03,dividend,20,GBX\n"
    desk.ingest(a=FIRST, actions=told)
    assert [row[2] for row in newest(desk, "BBB")] == [0, 0]
    assert "0.2 in GBP" in str(
        desk.rows("select message from check_findings where code = 'DIVIDEND_CONTRADICTED'")
    )


def test_what_others_said_since_stands_when_a_file_is_read_again(desk: Desk) -> None:
    desk.ingest(a=FIRST)
    desk.ingest(b=HEADER + "BBB,2024-01-02,50.4,0,1\n")
    desk.ingest(actions=f"{ACTIONS}BBB,2024-01-03,dividend,0.3,\n")
    assert newest(desk, "BBB") == [(date(2024, 1, 2), 50.4, 0, 1), (date(2024, 1, 3), 51, 0.3, 1)]


@pytest.mark.parametrize("names", [("a", "b"), ("p20240104", "p20240105")], ids=["undated", "dated"])
def test_a_correction_stands_when_the_file_that_it_corrects_is_read_again(
    desk: Desk, names: tuple[str, str]
) -> None:
    """BBB's split was forgotten and is told the next evening, as CCC's dividend is; an action explains AAA."""
    first, second = names
    desk.ingest(a_history=FIRST + "CCC,2024-01-03,20,0,1\n")
    rows = "AAA,2024-01-04,50.7,0,1\nBBB,2024-01-04,25.2,0,1\nCCC,2024-01-04,19.8,0,1\n"
    desk.ingest(**{first: HEADER + rows})
    desk.ingest(**{second: HEADER + "BBB,2024-01-04,25.2,0,2\nCCC,2024-01-04,19.8,0.3,1\n"})
    right = [(date(2024, 1, 4), 25.2, 0, 2)], [(date(2024, 1, 4), 19.8, 0.3, 1)]
    assert (newest(desk, "BBB")[2:], newest(desk, "CCC")[1:]) == right
    desk.ingest(actions=f"{ACTIONS}AAA,2024-01-04,split,2,\n")
    assert newest(desk, "AAA")[2:] == [(date(2024, 1, 4), 50.7, 0, 2)]
    assert (newest(desk, "BBB")[2:], newest(desk, "CCC")[1:]) == right
    told = f"{ACTIONS}AAA,2024-01-04,split,2,\nAAA,2024-01-04,dividend,0.1,\n"
    desk.ingest(actions=told)  # and once more
    assert newest(desk, "AAA")[2:] == [(date(2024, 1, 4), 50.7, 0.1, 2)]
    assert (newest(desk, "BBB")[2:], newest(desk, "CCC")[1:]) == right
    assert desk.rows("select * from prices where withdrawn") == []
    desk.ingest(next=f"{HEADER}BBB,2024-01-05,25.1,0,1\n")
    assert newest(desk, "BBB")[3:] == [(date(2024, 1, 5), 25.1, 0, 1)]


@pytest.mark.parametrize(
    ("first", "second", "gone"),
    [("a", "b", ""), ("b", "a", ""), ("p20240104", "p20240105", ""), ("a", "b", "b"), ("a", "b", "a")],
)
def test_a_correction_under_the_old_name_stands_when_the_rename_is_told_late(
    desk: Desk, first: str, second: str, gone: str
) -> None:
    """Of a close with its dividend, and of a dividend alone; one file may be gone by then."""
    desk.ingest(**{first: FIRST})
    desk.ingest(**{second: f"{HEADER}AAA,2024-01-02,100,0.25,1\nAAA,2024-01-03,101.5,0.7,1\n"})
    if gone:
        (desk.folder / f"inbox/{gone}.csv").unlink()
    desk.ingest(actions=f"{ACTIONS}AAA,2024-01-04,rename,,NEW\n")
    assert newest(desk, "NEW") == [(date(2024, 1, 2), 100, 0.25, 1), (date(2024, 1, 3), 101.5, 0.7, 1)]
    assert believed(desk, "AAA") == [] and desk.ingest() == []


def test_a_correction_of_a_high_alone_stands_however_often_the_file_is_read_again(desk: Desk) -> None:
    header = "symbol,date,high,close,dividend,split\n"
    rows = "AAA,2024-01-02,101,100,0,1\nAAA,2024-01-03,130,101,0,1\n"
    desk.ingest(a=f"{header}{rows}BBB,2024-01-02,51,50,0,1\nBBB,2024-01-03,52,51,0,1\n")
    desk.ingest(b=f"{header}AAA,2024-01-03,103,101,0,1\n")
    for cash in (0.2, 0.3, 0.4):
        desk.ingest(actions=f"{ACTIONS}BBB,2024-01-03,dividend,{cash},\n")
        assert newest(desk, "BBB")[-1][2] == cash
        assert desk.rows("select arg_max(high, (date, ingest_seq)) from prices where symbol = 'AAA'") == [
            (103,)
        ]


SESSIONS = [day for day in range(2, 20) if date(2024, 1, day).weekday() < 5 and day != 15]


def evenings() -> dict[str, str]:
    """A file an evening with a 7:1 split that actions alone tell, a chain of renames, a recycled ticker, a jump.

    Of the dividends of the actions, that of AAA is of a Saturday; two of BBB, one of them between two of its rows, are
    due on one row, and that of the renamed one is of a day on which it has no row.
    """
    files = {}
    for place, day in enumerate(SESSIONS):
        aaa, gone = (
            (100 + place) / (7 if place >= 6 else 1),
            "OLD" if place < 3 else "MID" if place < 7 else "NEW",
        )
        lines = [f"AAA,2024-01-{day:02},{aaa:.3f},0,1"]
        lines += [f"{gone},2024-01-{day:02},{40 + place},0,1"] if place != 2 else []
        lines += [f"MID,2024-01-{day:02},{20 + place},0,1"] if place >= 10 else []
        lines += [f"BBB,2024-01-{day:02},{50 + place % 2},{0.5 * (place == 4)},1"] if place != 10 else []
        lines.append(f"JMP,2024-01-{day:02},{(48 if place >= 4 else 20) + place % 2},0,1")
        files[f"p202401{day:02}"] = HEADER + "".join(f"{line}\n" for line in lines)
    told = [f"AAA,2024-01-{SESSIONS[6]:02},split,7,", f"OLD,2024-01-{SESSIONS[3]:02},rename,,MID",
            f"MID,2024-01-{SESSIONS[7]:02},rename,,NEW", f"BBB,2024-01-{SESSIONS[5]:02},dividend,0.3,",
            "AAA,2024-01-13,special_dividend,0.05,", f"BBB,2024-01-{SESSIONS[10]:02},dividend,0.7,",
            f"BBB,2024-01-{SESSIONS[11]:02},dividend,0.2,", f"OLD,2024-01-{SESSIONS[2]:02},dividend,0.4,"]  # fmt: skip
    return files | {"actions": ACTIONS + "".join(f"{line}\n" for line in told)}


@pytest.mark.parametrize("seed", some([200, 1, 2, 3, 4, 5, 6, 203], 1))
def test_a_month_of_evenings_and_actions_in_any_order_keeps_the_same_rows(tmp_path: Path, seed: int) -> None:
    """One ingest of all, and one for each two files; what fell to a later row goes back to its own."""
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
    assert {(row[0], row[1].day): row[3] for row in found[0] if row[3]} == {
        ("AAA", 16): 0.05, ("BBB", SESSIONS[4]): 0.5, ("BBB", SESSIONS[5]): 0.3,
        ("BBB", SESSIONS[11]): 0.9, ("NEW", SESSIONS[3]): 0.4,
    }  # fmt: skip


def test_a_row_that_is_judged_anew_stays_the_word_of_its_own_day(desk: Desk) -> None:
    """A later file that gives it a dividend must not hide a correction that was told before that file."""
    files = {11: "11,51", 20: "08,50\n19,52", 15: "11,51.2", 10: "10,50.5"}
    told = {
        f"p202401{day:02}": HEADER + "".join(f"CCC,2024-01-{row},0,1\n" for row in rows.split("\n"))
        for day, rows in files.items()
    }
    desk.ingest(actions=f"{ACTIONS}CCC,2024-01-09,dividend,0.3,\n", p20240111=told["p20240111"])
    assert [row[1:3] for row in newest(desk, "CCC")] == [(51, 0)]  # nothing is known to have been held before
    desk.ingest(p20240120=told["p20240120"])
    assert [row[1:3] for row in newest(desk, "CCC")] == [(50, 0), (51, 0.3), (52, 0)]
    desk.ingest(p20240115=told["p20240115"])
    assert [row[1:3] for row in newest(desk, "CCC")] == [(50, 0), (51.2, 0.3), (52, 0)]
    desk.ingest(p20240110=told["p20240110"])
    assert [row[1:3] for row in newest(desk, "CCC")] == [(50, 0), (50.5, 0.3), (51.2, 0), (52, 0)]
    known = desk.rows("select date, known_at from prices where symbol = 'CCC' order by ingest_seq, date")
    assert [(day.day, known_at.day) for day, known_at in known] == [
        (11, 11), (8, 20), (11, 11), (19, 20), (11, 15), (10, 10), (11, 15),
    ]  # fmt: skip


def test_what_falls_to_one_row_from_several_days_is_all_there(desk: Desk) -> None:
    """Two splits of days without a row, and a dividend that a row without a price and the actions both tell."""
    told = "08,50,0,1\n", "10,,0.4,1\n", "11,8,0,1\n"
    actions = "CCC,2024-01-09,split,2,\nCCC,2024-01-10,split,3,\nCCC,2024-01-10,dividend,0.3,\n"
    desk.ingest(a=HEADER + "".join(f"CCC,2024-01-{row}" for row in told), actions=ACTIONS + actions)
    assert newest(desk, "CCC")[-1][1:] == (8, pytest.approx(0.4), 6)


def test_an_action_taken_back_is_taken_from_the_row_that_it_fell_to(desk: Desk) -> None:
    """Of files that cannot know dividends."""
    wrong = f"{ACTIONS}CCC,2024-01-09,dividend,0.3,\n"
    rows = [f"CCC,2024-01-{row}\n" for row in ("08,50", "10,50.5", "11,51")]
    desk.ingest(p20240111="symbol,date,close\n" + rows[0] + rows[2], actions=wrong)
    assert [row[2] for row in newest(desk, "CCC")] == [0, 0.3]
    desk.ingest(actions=wrong.replace("0.3", "0.2"))
    assert [row[2] for row in newest(desk, "CCC")] == [0, 0.2]
    desk.ingest(p20240110="symbol,date,close\n" + rows[1])
    assert [row[2] for row in newest(desk, "CCC")] == [0, 0.2, 0]
    desk.ingest(actions=wrong.replace("0.3", "0"))
    assert [row[2] for row in newest(desk, "CCC")] == [0, 0, 0]
    assert desk.ingest() == []


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


def test_a_dividend_beside_split_adjusted_closes_is_told_in_their_shares(desk: Desk) -> None:
    settings = desk.folder / "config/sources.yaml"
    settings.write_text(settings.read_text().replace("as_traded", "split_adjusted"))
    adjusted = "symbol,date,close\nAAA,2024-01-02,50\nAAA,2024-01-03,49.5\nAAA,2024-01-04,51\n"
    desk.ingest(a=adjusted, actions=f"{ACTIONS}AAA,2024-01-03,dividend,1,\nAAA,2024-01-04,split,2,\n")
    assert [row[1:] for row in newest(desk, "AAA")] == [(50, 0, 1), (49.5, 0.5, 1), (51, 0, 1)]


def test_what_was_stated_wrongly_is_taken_back_also_of_a_file_that_cannot_know(desk: Desk) -> None:
    wrong = f"{ACTIONS}BBB,2024-01-03,dividend,0.3,\nBBB,2024-01-04,split,1.05,\n"
    desk.ingest(
        a="symbol,date,close\nBBB,2024-01-02,50\nBBB,2024-01-03,51\nBBB,2024-01-04,49\n", actions=wrong
    )
    assert [row[2:] for row in newest(desk, "BBB")] == [(0, 1), (0.3, 1), (0, 1.05)]
    desk.ingest(actions=wrong.replace("0.3", "0").replace("1.05", "1"))
    assert [row[2:] for row in newest(desk, "BBB")] == [(0, 1), (0, 1), (0, 1)]
    assert desk.ingest() == []


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
