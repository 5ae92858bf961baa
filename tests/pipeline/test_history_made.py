"""Dagster's databases on a first start: whole or not there, whatever ends the start, and mended where they were not."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as db

from pipeline.doctor.examination import examine
from pipeline.environment import Environment
from pipeline.history import made_history
from pipeline.run_history.making import make_databases
from pipeline.run_history.storage import DATABASES
from resources.ledger.record_error import RecordError


class Killed(BaseException):
    """The process ends here."""


@contextmanager
def killed_before(statement: int) -> Iterator[list[str]]:
    """Ends whoever asks an SQLite database for the statement of that number; gives those before it."""
    asked: list[str] = []

    def ask(_c: object, _k: object, sql: str, *_: object) -> None:
        if len(asked) == statement:
            raise Killed
        asked.append(sql)

    db.event.listen(db.Engine, "before_cursor_execute", ask)
    try:
        yield asked
    finally:
        db.event.remove(db.Engine, "before_cursor_execute", ask)


def tables(place: Path) -> list[str]:
    with closing(sqlite3.connect(place)) as con:
        return sorted(
            f"{name} {sql}" for name, sql in con.execute("select name, sql from sqlite_master").fetchall()
        )


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    for name in ("HOME", "CONFIG", "ANCHOR", "DECISIONS"):
        monkeypatch.setenv(f"PACKFOLIO_{name}", str(tmp_path / "home" / name.lower()))
    monkeypatch.setenv("PACKFOLIO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", "")
    return Environment.of_process()


def tells(here: Environment, opened: AbstractContextManager[dg.DagsterInstance] | None = None) -> int:
    """The number of runs, after one more that told an event; by a command of ours, or as `opened`."""
    with opened or made_history(here) as instance:
        instance.report_engine_event("begun", job_name="ingest", run_id=instance.add_run(_run()).run_id)
        return instance.get_runs_count()


def _run() -> dg.DagsterRun:
    return dg.DagsterRun(job_name="ingest")


@pytest.mark.parametrize(
    ("first", "step"),
    # All of them, in parts.
    [
        (0, 29),
        *(pytest.param(first, 8, marks=pytest.mark.slow) for first in range(8)),
    ],
)
def test_a_start_that_is_killed_at_any_statement_leaves_a_history_that_the_next_one_makes(
    tmp_path: Path, first: int, step: int
) -> None:
    with killed_before(-1) as all_of_them:
        make_databases(tmp_path / "whole", DATABASES)
    whole = {name: tables(tmp_path / "whole" / name) for name in DATABASES}
    for statement in range(first, len(all_of_them), step):
        home = tmp_path / str(statement)
        with pytest.raises(Killed), killed_before(statement):
            make_databases(home, DATABASES)
        made = [name for name in DATABASES if (home / name).exists()]
        assert {name: tables(home / name) for name in made} == {name: whole[name] for name in made}
        make_databases(home, DATABASES)
        assert {name: tables(home / name) for name in DATABASES} == whole
        assert not list(home.rglob("*.part"))


@pytest.mark.parametrize("name", DATABASES)
def test_a_database_without_tables_is_made_anew_and_what_lay_beside_it_is_not_read(
    here: Environment, name: str
) -> None:
    here.prepare()
    place = here.dagster_home / name
    place.parent.mkdir(exist_ok=True)
    place.touch()
    place.with_name(place.name + "-wal").write_bytes(b"of another database" * 200)
    assert tells(here, dg.DagsterInstance.get()) == 1  # as its own daemon and web server open it
    with closing(sqlite3.connect(here.dagster_home / "event_log.db")) as con:
        assert con.execute("select count(*) from event_logs").fetchone() == (1,)


def test_a_history_that_holds_a_record_stays_whatever_it_lacks(here: Environment) -> None:
    assert tells(here) == 1
    for name in ("runs.db", "event_log.db"):
        with closing(sqlite3.connect(here.dagster_home / name)) as con, con:
            con.execute("delete from secondary_indexes")
    assert tells(here) == 2


def test_a_damaged_history_is_told_with_a_remedy_that_works(here: Environment) -> None:
    assert tells(here) == 1
    place = here.dagster_home / "event_log.db"
    place.write_bytes(b"no database at all" * 500)
    with pytest.raises(RecordError, match=f"{place} is damaged .*: move it away"):
        tells(here)
    assert any(one["check"] == "runs" and str(place) in one["found"] for one in examine(here))
    place.rename(place.with_suffix(".old"))
    assert tells(here) == 2
    place.unlink()
    for make in (place.mkdir, lambda: os.mkfifo(place)):
        make()
        with pytest.raises(RecordError, match=f"{place} is a folder, a pipe.*: move it away"):
            tells(here)
        place.rmdir() if place.is_dir() else place.unlink()


def test_a_folder_with_a_sign_of_addresses_in_its_name_has_a_history(tmp_path: Path) -> None:
    """What stands after a # was no part of the name, and the second start ended."""
    folder = tmp_path / "desk #1 ü"
    folder.mkdir()

    def make(place: str) -> None:
        with closing(sqlite3.connect(Path(place) / "runs.db")) as con:
            con.execute("create table runs (id)")
            con.execute("insert into runs values (1)")
            con.commit()

    make(str(folder))
    for _ in range(2):
        make_databases(folder, {"runs.db": (make, "runs")})
    assert [place.name for place in folder.iterdir()] == ["runs.db"]


def test_a_folder_with_an_escape_of_addresses_in_its_name_has_a_history_there(tmp_path: Path) -> None:
    """SQLAlchemy took %20 for a space: Dagster's databases were looked for in another folder."""
    folder = tmp_path / "desk%20%41 #1"
    for name, (make, _) in DATABASES.items():
        make(str((folder / name).parent)).dispose()
        assert (folder / name).is_file()
    assert [place.name for place in tmp_path.iterdir()] == [folder.name]
