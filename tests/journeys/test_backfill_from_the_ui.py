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
PACKS = tuple(f"PP_{day}" for day in DAYS)


def backfill(desk: Desk) -> None:
    """Runs of `pack_run` for all the days, launched together by a code location of their own; waits for their ends."""
    home = desk.home / "dagster"
    environment = {
        **os.environ, "DAGSTER_HOME": str(home), "PACKFOLIO_HOME": str(desk.home), "PACKFOLIO_CONFIG": str(desk.config),
    }  # fmt: skip
    command = [
        str(Path(sys.executable).with_name("dagster")), "job", "backfill", "-w", str(home / "workspace.yaml"),
        "-j", "pack_run", "--from", PACKS[0], "--to", PACKS[-1], "--noprompt",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with dg.DagsterInstance.from_config(str(home)) as instance:
        for _ in range(600):
            runs = [run for run in instance.get_runs() if run.tags.get("dagster/partition") in PACKS]
            if len(runs) == len(PACKS) and all(run.is_finished for run in runs):
                return
            time.sleep(0.5)
    raise TimeoutError([(run.tags, run.status) for run in runs])


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


def out_of_order(desk: Desk) -> dict[str, str]:
    """Pack -> what is said of a day that was computed before its day before."""
    with duckdb.connect(str(desk.home / "published.duckdb"), read_only=True) as con:
        return {late.pack_id: str(late) for late in out_of_date(con)}


def test_every_day_follows_its_day_before_or_says_why_not(tmp_path: Path) -> None:
    make_desk(tmp_path)
    desk = Desk(tmp_path / "home", tmp_path / "config")
    assert desk.packfolio("ingest").returncode == 0
    backfill(desk)
    told = days_of_the_book(desk)
    assert set(told) == set(PACKS)
    late = out_of_order(desk)
    for earlier, later in pairwise(PACKS):
        problem, held, _ = told[later]
        follows = problem is None and held == told[earlier][2]
        refused = problem is not None and "compute PP_2024-02-2" in problem
        assert follows or refused or later in late, (later, told, late)
    assert all("compute them again in order" in said for said in late.values())
    for day in DAYS:
        assert desk.packfolio("run", "--as-of", day).returncode == 0
    told = days_of_the_book(desk)
    for earlier, later in pairwise(PACKS):
        assert told[later][0] is None and told[later][1] == told[earlier][2] != {}
    assert out_of_order(desk) == {}
