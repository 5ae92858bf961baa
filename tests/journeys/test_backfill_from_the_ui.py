"""A backfill as Dagster's UI starts it, a run a day at once: no paper book's day is quietly computed out of order."""

import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from command_line import Desk
from small_desk import make_desk
from source_tree import ROOT

from resources.books.day_before import out_of_date

pytestmark = pytest.mark.slow
DAYS = ("2024-02-27", "2024-02-28", "2024-02-29")
DAY = "dagster/partition"
PACKS = tuple(f"PP_{day}" for day in DAYS)


def backfill(desk: Desk) -> list[str]:
    """Runs of `pack_run` for all the days, asked for together; the packs in the order of their ends."""
    home = desk.home / "dagster"
    environment = {
        **os.environ, "DAGSTER_HOME": str(home), "PACKFOLIO_HOME": str(desk.home), "PACKFOLIO_CONFIG": str(desk.config),
    }  # fmt: skip
    programs, workspace = Path(sys.executable).parent, str(home / "workspace.yaml")
    command = [
        str(programs / "dagster"), "job", "backfill", "-w", workspace, "-j", "pack_run", "--from", PACKS[0],
        "--to", PACKS[-1], "--noprompt",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    quiet = subprocess.DEVNULL
    daemon = subprocess.Popen(
        [str(programs / "dagster-daemon"), "run", "-w", workspace],
        cwd=ROOT, env=environment, stdout=quiet, stderr=quiet,
    )  # fmt: skip
    try:
        return ended(home)
    finally:
        daemon.terminate()
        daemon.wait(30)


def ended(home: Path) -> list[str]:
    """The packs in the order in which their runs ended."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))  # its storages are told where they are by it
        return _ended(dg.DagsterInstance.get())


def _ended(opened: dg.DagsterInstance) -> list[str]:
    with opened as instance:
        for _ in range(600):
            records = [one for one in instance.get_run_records() if DAY in one.dagster_run.tags]
            if len(records) == len(PACKS) and all(one.dagster_run.is_finished for one in records):
                assert all(one.dagster_run.status == dg.DagsterRunStatus.SUCCESS for one in records)
                return [
                    one.dagster_run.tags[DAY] for one in sorted(records, key=lambda one: one.end_time or 0.0)
                ]
            time.sleep(0.5)
    raise TimeoutError([(one.dagster_run.tags, one.dagster_run.status) for one in records])


def days_of_the_book(desk: Desk) -> dict[str, tuple[str | None, dict[str, float], dict[str, float]]]:
    """Pack -> why it has no answer, what it held before, what it wants to hold."""
    found = {}
    with duckdb.connect(str(desk.home / "published.duckdb"), read_only=True) as con:
        for pack, portfolio, problem in con.execute(
            "select pack_id, portfolio_id, problem from latest_portfolio_snapshots where name = 'paper'"
        ).fetchall():
            key = [pack, portfolio]
            held, wanted = (
                dict(con.execute(f"{sql} where pack_id = ? and portfolio_id = ?", key).fetchall())
                for sql in (
                    "select symbol, quantity from latest_holdings",
                    "select symbol, target_quantity from latest_trades",
                )
            )
            found[pack] = (problem, held, {name: number for name, number in wanted.items() if number})
    return found


def out_of_order(desk: Desk) -> list[str]:
    """What is said of days that were computed before their day before."""
    with duckdb.connect(str(desk.home / "published.duckdb"), read_only=True) as con:
        return [str(late) for late in out_of_date(con)]


def test_the_days_run_in_order_and_each_follows_its_day_before(tmp_path: Path) -> None:
    make_desk(tmp_path)
    desk = Desk(tmp_path / "home", tmp_path / "config")
    assert desk.packfolio("ingest").returncode == 0
    assert backfill(desk) == list(PACKS)
    told = days_of_the_book(desk)
    assert set(told) == set(PACKS) and told[PACKS[0]][2]
    for earlier, later in pairwise(PACKS):
        assert told[later][0] is None and told[later][1] == told[earlier][2]
    assert out_of_order(desk) == []


def test_a_day_that_comes_before_its_day_before_is_told_and_mended(tmp_path: Path) -> None:
    make_desk(tmp_path)
    desk = Desk(tmp_path / "home", tmp_path / "config")
    assert desk.packfolio("run", "--as-of", DAYS[0]).returncode == 0
    assert desk.packfolio("run", "--as-of", DAYS[2]).returncode == 0
    early = desk.packfolio("run", "--as-of", DAYS[1])
    assert early.returncode == 1 and "paper" in early.stdout + early.stderr
    [said] = out_of_order(desk)
    assert f"its day under {PACKS[2]} was computed from {PACKS[0]} before {PACKS[1]} was there" in said
    assert "compute them again in order" in said
    assert desk.packfolio("run", "--as-of", DAYS[2]).returncode == 0
    assert out_of_order(desk) == []
