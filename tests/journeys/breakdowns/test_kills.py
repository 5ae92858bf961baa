"""A run that is killed at any moment loses nothing, shows nothing by halves, and converges when it is run again."""

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from random import Random

import duckdb
import pytest
from built_once import own_copy
from small_desk import make_desk
from zygote import Zygote, run_one_day

from resources.audit.verification import verify_home
from resources.store.warehouse import Warehouse

RELEASED = Path(__file__).parents[2] / "released"
WELL = (0, 4)  # 4: a break was accepted
pytestmark = pytest.mark.xdist_group("zygote")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Zygote, list[date]]:
    folder = tmp_path_factory.mktemp("kills")
    days = make_desk(folder)
    zygote = Zygote(folder)
    return zygote, days


def record(home: Path) -> list[tuple[object, ...]]:
    """What the ledger says was computed, whatever the order and the times."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        return con.execute(
            "select asset, pack_id, portfolio_id, rows, content_hash from versions order by all"
        ).fetchall()


def commits(home: Path) -> int:
    anchor = home / "anchors.jsonl"
    return anchor.read_bytes().count(b"\n") if anchor.exists() else 0


def at_some_moment(home: Path, dice: Random) -> Callable[[], bool]:
    """True from a random moment after a random number of commits; a whole run makes about ten."""
    target, delay = commits(home) + dice.randrange(0, 3), dice.uniform(0.0, 0.25)
    reached: list[float] = []

    def now() -> bool:
        if not reached and commits(home) >= target:
            reached.append(time.monotonic() + delay)
        return bool(reached) and time.monotonic() >= reached[0]

    return now


def kill_runs(desk: tuple[Zygote, list[date]], name: str, wanted: int, seed: int) -> None:
    """Kills `wanted` runs over as many as-of dates as that takes; then every date runs through, as if never killed."""
    zygote, days = desk
    dice, home, untouched = Random(seed), zygote.folder / name, zygote.folder / f"{name}-untouched"
    killed, ahead, tried = 0, iter(days[-150:]), []
    while killed < wanted:
        day = next(ahead)
        tried.append(day)
        status = -9
        while status == -9 and killed < wanted:
            status, said = zygote.packfolio(
                "run", "--as-of", str(day), home=name, kill_when=at_some_moment(home, dice)
            )
            killed += status == -9
            assert status in (0, -9), said
    for day in tried:
        for where in (home, untouched):
            status, said = zygote.packfolio("run", "--as-of", str(day), home=where.name)
            assert status == 0, said
    assert record(home) == record(untouched)
    assert zygote.read("packs", "verify", home=name)["faults"] == []


def test_a_run_killed_twice_is_marked_and_converges_to_the_tables_of_an_untouched_one(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder, (days, _) = own_copy(tmp_path_factory, "together", run_one_day)
    zygote, home, dice, day = Zygote(folder), folder / "killed", Random(1), ("run", "--as-of", str(days[-4]))
    for moment in (lambda: commits(home) > 4, at_some_moment(home, dice)):
        assert zygote.packfolio(*day, home="killed", kill_when=moment)[0] == -9
    status, said = zygote.packfolio(*day, home="killed")
    assert status == 0, said
    assert record(home) == record(folder / "home")
    assert zygote.read("packs", "verify", home="killed")["faults"] == []
    assert {"SUCCESS", "FAILURE"} == told_of_runs(home)


def test_a_backfill_killed_within_its_days_goes_on_and_ends_at_the_tables_of_a_run_a_day(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder, (days, _) = own_copy(tmp_path_factory, "together", run_one_day)
    zygote, home = Zygote(folder), folder / "filled"
    for name in ("filled", "daily"):
        shutil.copytree(folder / "home", folder / name)
    words = ("backfill", str(days[-3]), str(days[-2]))
    for lines in (10, 14):  # of the anchor, two a commit: within the first day, then within the second
        enough = commits(home) + lines
        assert zygote.packfolio(*words, home="filled", kill_when=lambda: commits(home) >= enough)[0] == -9  # noqa: B023
    status, said = zygote.packfolio(*words, home="filled")
    assert status == 0 and "as it was" in said, said
    for day in days[-3:-1]:
        status, said = zygote.packfolio("run", "--as-of", str(day), home="daily")
        assert status == 0, said
    assert record(home) == record(folder / "daily")
    assert zygote.read("packs", "verify", home="filled")["faults"] == []


def told_of_runs(home: Path) -> set[str]:
    with closing(sqlite3.connect(home / "dagster" / "runs.db")) as runs:
        return {row[0] for row in runs.execute("select status from runs")}


@pytest.mark.slow
def test_a_few_killed_runs_converge_to_the_tables_of_untouched_ones(desk: tuple[Zygote, list[date]]) -> None:
    kill_runs(desk, "few", 4, seed=1)


@pytest.mark.slow
def test_two_hundred_killed_runs_converge(desk: tuple[Zygote, list[date]]) -> None:
    kill_runs(desk, "many", 200, seed=2)


def each_that_writes(folder: Path, day: date) -> list[tuple[str, ...]]:
    """A command of each kind that writes or publishes, in an order in which each has something to do."""
    number = len(list(folder.glob("copy*")))
    (folder / "inbox" / f"more{number}.csv").write_text(f"symbol,date,close\nAAA,{day},{100 + number / 8}\n")
    return [
        ("ingest",), ("run", "--as-of", str(day)), ("packs", "revise", str(day), "--reason", "a later word"),
        ("backtest",), ("anchor", "checkpoint"), ("backup", str(folder / f"copy{number}")),
        ("doctor", "db", "--accept", "a machine that was killed"),
    ]  # fmt: skip


def kill_and_repeat(zygote: Zygote, words: tuple[str, ...], dice: Random) -> bool:
    """Kills a command at some moment; the record must verify, and the command, given again, end well."""
    began, delay, home = time.monotonic(), dice.uniform(0.0, 1.5), zygote.folder / zygote.home
    status, said = zygote.packfolio(*words, kill_when=lambda: time.monotonic() - began > delay)
    if status != -9:
        assert status in WELL, (words, said)
        return False
    if (home / "warehouse.duckdb").exists():
        assert verify_home(Warehouse(home)).faults == [], words
    status, said = zygote.packfolio(*words)
    assert status in WELL or "exists already" in said, (words, said)  # the backup was whole before the kill
    return True


@pytest.mark.slow
@pytest.mark.parametrize("piece", range(7))
def test_twenty_five_kills_over_every_command_that_writes(tmp_path: Path, piece: int) -> None:
    dice, days = Random(piece), make_desk(tmp_path)
    zygote, killed = Zygote(tmp_path), 0
    for day in days[-20:]:
        for words in each_that_writes(tmp_path, day):
            killed += kill_and_repeat(zygote, words, dice)
        if killed >= 25:
            break
    assert killed >= 25
    assert verify_home(Warehouse(tmp_path / "home")).faults == []


@pytest.mark.slow
def test_twenty_five_kills_while_an_older_release_is_brought_forward(tmp_path: Path) -> None:
    dice, _ = Random(25), make_desk(tmp_path)
    zygote, killed = Zygote(tmp_path), 0
    while killed < 25:
        shutil.rmtree(tmp_path / "home", ignore_errors=True)
        (tmp_path / "home").mkdir()
        shutil.copy(RELEASED / "anchors_1.jsonl", tmp_path / "home" / "anchors.jsonl")
        with duckdb.connect(str(tmp_path / "home" / "warehouse.duckdb")) as con:
            for name in ("schema_1.sql", "rows_1.sql"):
                con.execute((RELEASED / name).read_text("utf-8"))
        killed += kill_and_repeat(zygote, ("ingest",), dice)
