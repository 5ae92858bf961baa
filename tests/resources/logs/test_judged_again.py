"""What is stated later reaches rows on record whose file is gone, rolled on, or was only released by another."""

from collections.abc import Callable, Sequence
from datetime import date
from functools import cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from bench import close_kept
from draws import each_once
from inbox_desk import ACTIONS, Desk, newest

from resources.logs.ingest import Inbox

CLOSED = ["2023-06-19", "2023-07-04", "2023-09-04", "2023-11-23", "2023-12-25", "2024-01-01", "2024-01-15"]
SPAN = np.arange(np.datetime64("2023-06-01"), np.datetime64("2024-02-01"))
DAYS: list[date] = SPAN[np.is_busday(SPAN, holidays=CLOSED)].astype(object).tolist()
CLOSES = 100 * np.exp(np.cumsum(np.random.default_rng(5).normal(3e-4, 0.01, len(DAYS))))
JUMP, RENAMED = 20, 40
Row = tuple[str, date, float]


def rows(until: int, *, jump: int | None = None, renamed: int | None = None, start: int = 0) -> list[Row]:
    """One company's closes; a third from the place `jump` on, and called BBB from `renamed` on."""
    return [
        (
            "AAA" if renamed is None or place < renamed else "BBB",
            DAYS[place],
            round(float(CLOSES[place]) / (1 if jump is None or place < jump else 3), 4),
        )
        for place in range(start, until)
    ]


def text(told: Sequence[Row]) -> str:
    return "symbol,date,close\n" + "".join(f"{symbol},{day},{close}\n" for symbol, day, close in told)


def believed(desk: Desk, symbol: str) -> list[tuple[object, ...]]:
    return desk.rows(
        f"select date, close, dividend, split from believed_prices(null) where symbol = '{symbol}' "
        "qualify row_number() over (partition by date order by ingest_seq desc) = 1 order by date"
    )


@cache
def in_time(read: Callable[[Desk, str], list[tuple[object, ...]]], *names: str, **files: str) -> list[Any]:
    """What is read, under each name, of a desk that took everything in on one evening."""
    with TemporaryDirectory() as folder:
        desk = Desk(Path(folder))
        desk.ingest(**files)
        found = [read(desk, name) for name in names]
        close_kept()
    return found


def gone(desk: Desk, start: int, jump: int | None) -> None:
    (desk.folder / "inbox/all.csv").unlink()
    desk.ingest(later=text(rows(35, jump=jump, start=start)))


def rolled_on(desk: Desk, start: int, jump: int | None) -> None:
    desk.ingest(all=text(rows(35, jump=jump, start=start)))


# From the first day on, the last days again, or new days alone.
@pytest.mark.parametrize(
    ("told", "start"), each_once(product(["dividend", "split", "rename"], [gone, rolled_on]), [0, 25, 30])
)
def test_a_late_action_reaches_rows_that_no_file_tells_any_more(
    tmp_path: Path, told: tuple[str, Callable[[Desk, int, int | None], None]], start: int
) -> None:
    kind, fate = told
    jump = JUMP if kind == "split" else None
    action = {
        "dividend": f"{ACTIONS}AAA,{DAYS[JUMP]},dividend,0.5,\n",
        "split": f"{ACTIONS}AAA,{DAYS[JUMP]},split,3,\n",
        "rename": f"{ACTIONS}AAA,{DAYS[RENAMED]},rename,,BBB\n",
    }[kind]
    late = Desk(tmp_path)
    late.ingest(all=text(rows(30, jump=jump)))
    fate(late, start, jump)
    judged = {finding.code for item in late.ingest(actions=action) for finding in item.findings}
    moved = kind == "rename" and start == 0  # by the file that tells all of them again
    assert ("JUDGED_ON_RECORD" in judged) != moved
    name = "BBB" if kind == "rename" else "AAA"
    (right,) = in_time(newest, name, actions=action, all=text(rows(35, jump=jump)))
    assert newest(late, name) == right and len(right) == 35
    assert late.rows(
        "select count(*) from believed_prices(null) where symbol <> ?".replace("?", f"'{name}'")
    ) == [(0,)]
    ingests = late.rows("select count(*) from ingests")
    late.ingest()  # once is enough
    assert late.rows("select count(*) from ingests") == ingests


def test_a_rolling_file_tells_a_renamed_company_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for until in (30, 35):
        desk.ingest(all=text(rows(until)))
    desk.ingest(actions=f"{ACTIONS}AAA,{DAYS[RENAMED]},rename,,BBB\n", all=text(rows(50, renamed=RENAMED)))
    assert desk.rows("select symbol, count(distinct date) from believed_prices(null) group by all") == [
        ("BBB", 50)
    ]


@pytest.mark.parametrize(
    ("fate", "then"), each_once([gone, rolled_on], ["true", "CCC", "earlier", "and back"])
)
def test_a_rename_that_is_withdrawn_gives_back_the_rows_of_a_file_that_is_gone(
    tmp_path: Path, fate: Callable[[Desk, int, int | None], None], then: str
) -> None:
    """A dividend of its own, one of an action and a split that a later evening released go with their rows."""
    heads = "symbol,date,kind,value,new_symbol,withdrawn\n"
    acts = f"{heads}AAA,{DAYS[5]},dividend,0.5,,\nAAA,{DAYS[JUMP]},split,3,,\n"
    wrong = f"AAA,{DAYS[RENAMED]},rename,,BBB,\n"
    right = {
        "true": wrong.replace("BBB,", ",true"), "CCC": wrong.replace("BBB", "CCC"),
        "earlier": wrong.replace("BBB,", ",true") + f"AAA,{DAYS[25]},rename,,BBB,\n", "and back": wrong,
    }[then]  # fmt: skip
    own = [("BBB", DAYS[place], 20 + place / 10) for place in range(41, 50)]
    late = Desk(tmp_path)
    late.ingest(actions=acts + wrong, all=text(rows(30, jump=JUMP)), own=text(own))
    assert len(newest(late, "BBB")) == 39
    fate(late, 30, JUMP)
    if then == "and back":
        late.ingest(actions=acts + wrong.replace("BBB,", ",true"))
        assert len(believed(late, "AAA")) == 35
    late.ingest(actions=acts + right)
    names = ("AAA", "BBB", "CCC")
    told = in_time(believed, *names, actions=acts + right, own=text(own), all=text(rows(35, jump=JUMP)))
    assert [believed(late, name) for name in names] == told
    held = "select count(*) from ingests"
    assert late.rows(held) == [(late.ingest(), late.rows(held)[0][0])[1:]]  # once is enough


# The file tells the first name alone, or each name.
@pytest.mark.parametrize(("wrong", "until"), each_once([{0}, {1}, {0, 1}], [20, 50]))
def test_of_two_renames_in_turn_either_is_withdrawn_where_the_file_is_gone(
    tmp_path: Path, wrong: set[int], until: int
) -> None:
    heads = "symbol,date,kind,value,new_symbol,withdrawn\n"
    acts = [f"AAA,{DAYS[20]},rename,,BBB,\n", f"BBB,{DAYS[40]},rename,,CCC,\n"]
    names = ["AAA"] * 20 + ["BBB"] * 20 + ["CCC"] * 10
    own = text([(names[place], DAYS[place], 20 + place / 10) for place in range(until)])
    late, told = Desk(tmp_path / "late"), Desk(tmp_path / "in time")
    late.ingest(actions=heads + "".join(acts), all=own)
    assert len(believed(late, "CCC")) == until
    (late.folder / "inbox/all.csv").unlink()
    right = [f"{act[:-5]},true\n" if place in wrong else act for place, act in enumerate(acts)]
    for desk, files in ((late, {}), (told, {"all": own})):
        desk.ingest(actions=heads + "".join(right), **files)
    for name in ("AAA", "BBB", "CCC"):
        assert believed(late, name) == believed(told, name)


def test_rows_of_a_file_that_told_both_names_are_asked_for(tmp_path: Path) -> None:
    """Its own rows of the new name stand there, and those that the rename moved cannot be told from them."""
    desk = Desk(tmp_path)
    both = text([*rows(30), *(("BBB", DAYS[place], 99 + place / 10) for place in range(30, 35))])
    heads = "symbol,date,kind,value,new_symbol,withdrawn\n"
    desk.ingest(actions=f"{heads}AAA,{DAYS[RENAMED]},rename,,BBB,\n", all=both)
    (desk.folder / "inbox/all.csv").unlink()
    for given in ({"actions": f"{heads}AAA,{DAYS[RENAMED]},rename,,,true\n"}, {}):  # each evening
        (said,) = [finding.message for item in desk.ingest(**given) for finding in item.findings]
        assert (
            said.startswith("all.csv is gone, it told rows of AAA and of BBB") and believed(desk, "AAA") == []
        )
    desk.ingest(all=both)
    assert (len(believed(desk, "AAA")), len(believed(desk, "BBB"))) == (30, 5)


SPLIT, RENAME = f"AAA,{DAYS[JUMP]},split,3,\n", f"AAA,{DAYS[RENAMED]},rename,,BBB\n"
STATED = {
    "both at the end": {3: SPLIT + RENAME},
    "first the split": {2: SPLIT, 3: SPLIT + RENAME},
    "first the rename": {1: RENAME, 3: SPLIT + RENAME},
}


@pytest.mark.parametrize(("stated", "order"), each_once(STATED, [(0, 1, 2), (0, 2, 1), (1, 0, 2), (2, 1, 0)]))
def test_rows_that_another_file_released_are_renamed(
    tmp_path: Path, stated: str, order: tuple[int, ...]
) -> None:
    """A jump waits for its split; another evening's file releases it, and the company is renamed."""
    parts = [rows(30, jump=JUMP), rows(45, jump=JUMP, renamed=RENAMED, start=30)]
    parts.append(rows(60, jump=JUMP, renamed=RENAMED, start=45))
    desk = Desk(tmp_path)
    for place, part in enumerate(order):
        if place in STATED[stated]:
            (desk.folder / "reference/corporate_actions.csv").write_text(ACTIONS + STATED[stated][place])
        desk.ingest(**{f"part{part}": text(parts[part])})
    desk.ingest(actions=ACTIONS + STATED[stated][3])
    told = [
        (day, close, 3.0 if place == JUMP else 1.0)
        for place, (_, day, close) in enumerate(rows(60, jump=JUMP))
    ]
    assert [(day, close, split) for day, close, _, split in newest(desk, "BBB")] == told
    assert desk.rows("select * from believed_prices(null) where symbol = 'AAA'") == []


@pytest.mark.parametrize("jump", [None, 30])
def test_a_file_that_judged_the_rows_of_another_again_does_not_take_them_back(
    tmp_path: Path, jump: int | None
) -> None:
    """The odd days in one file, the even ones in the other, of a company that was renamed once."""
    told = rows(60, jump=jump, renamed=10)
    acts = f"{ACTIONS}AAA,{DAYS[10]},rename,,BBB\nBBB,{DAYS[32]},dividend,0.5,\n"
    desk = Desk(tmp_path)
    desk.ingest(actions=acts, odd=text(told[1::2]))
    desk.ingest(even=text(told[::2]))
    acts += "" if jump is None else f"BBB,{DAYS[30]},split,3,\n"
    desk.ingest(actions=acts)
    desk.ingest(actions=f"{acts}BBB,{DAYS[20]},dividend,0.3,\n")
    paid = {20: 0.3, 32: 0.5}
    assert newest(desk, "BBB") == [
        (day, close, paid.get(place, 0.0), 3.0 if place == jump else 1.0)
        for place, (_, day, close) in enumerate(told)
    ]
    assert desk.rows("select * from prices where withdrawn") == [] or jump is not None


@pytest.mark.parametrize("fault", ["no folder", "half a copy"])
def test_a_file_that_cannot_be_read_this_evening_is_read_the_next(tmp_path: Path, fault: str) -> None:
    """From the record nobody can tell which rows a rename moved that is stated otherwise since."""
    desk = Desk(tmp_path)
    whole, inbox, away = text(rows(30)), tmp_path / "inbox", tmp_path / "away"
    desk.ingest(actions=f"{ACTIONS}AAA,{DAYS[20]},rename,,BBB\n", all=whole)
    if fault == "no folder":
        inbox.rename(away)
    else:
        (inbox / "all.csv").write_text(whole[:100])
    desk.ingest(actions=f"{ACTIONS}AAA,{DAYS[20]},rename,,CCC\n")
    if fault == "no folder":
        away.rename(inbox)
    else:
        (inbox / "all.csv").write_text(whole)
    desk.ingest()
    counted = "select symbol, count(distinct date) from believed_prices(null) group by all order by all"
    assert desk.rows(counted) == [("AAA", 10), ("CCC", 20)]


@pytest.mark.parametrize("until", [35, 60])
def test_a_run_that_was_killed_before_it_judged_from_the_record_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: int
) -> None:
    """A dividend in a gap of months, and one beside prices."""
    desk, act = Desk(tmp_path), f"{ACTIONS}AAA,{DAYS[until - 10]},dividend,0.5,\n"
    desk.ingest(all=text([*rows(30), *rows(130, start=60)]))
    (desk.folder / "inbox/all.csv").unlink()
    with monkeypatch.context() as killed:
        killed.setattr(Inbox, "_from_record", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            desk.ingest(actions=act, later=text(rows(140, start=130)))
    desk.ingest()
    paid = [(day, paid) for day, _, paid, _ in newest(desk, "AAA") if paid]
    assert paid == [(DAYS[25 if until == 35 else 60], 0.5)]


def test_a_split_in_a_gap_of_months_waits_for_its_action_in_any_order(tmp_path: Path) -> None:
    """The row before it lies beyond the month around it: a file of other months does not release it."""

    def part(start: int, until: int) -> list[Row]:
        return [
            ("AAA", DAYS[i], round((100 if i < JUMP else 100 / 3) * (1 + i % 3 / 500), 4))
            for i in range(start, until)
        ]

    desk = Desk(tmp_path)
    desk.ingest(after=text(part(55, 65)), later=text(part(75, 85)))
    desk.ingest(before=text([*part(0, 5), *part(53, 55)]))
    waiting = "select distinct date from quarantine where code = 'SPLIT_UNEXPLAINED' order by 1"
    believed = "select distinct date from believed_prices(null) order by 1"
    held = desk.rows(waiting)
    assert held[:2] == [(DAYS[53],), (DAYS[54],)]
    desk.ingest(far=text(part(130, 140)))
    assert not {*held} & {*desk.rows(believed)}
    desk.ingest(actions=f"{ACTIONS}AAA,{DAYS[JUMP]},split,3,\n")
    told = sorted([*part(0, 5), *part(53, 65), *part(75, 85), *part(130, 140)], key=lambda row: row[1])
    assert [(day, close, split) for day, close, _, split in newest(desk, "AAA")] == [
        (day, close, 3.0 if day == DAYS[53] else 1.0) for _, day, close in told
    ]
