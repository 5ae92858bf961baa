"""Backups that are verified before they count, an end to old runs, and a home that is its user's alone."""

import shutil
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import dagster as dg
import duckdb
import pytest
from bench import STAMP, ingest, new_warehouse, price_rows
from sensors import resources_of
from typed_desk import Typed

from optimizer import DataError
from pipeline.jobs import backup as backup_job
from pipeline.jobs import purge, purge_runs
from pipeline.schedules import nightly_backup
from resources.audit import backup as backup_module
from resources.audit import rotation
from resources.audit.backup import ANCHORS, DECISIONS, backup, restore
from resources.audit.manifests import Manifest, read_manifest
from resources.audit.rotation import Rotated, backup_into, backups
from resources.dagster_resources import DeskResource
from resources.settings.configuration import HousekeepingFile
from resources.store.warehouse import Warehouse

AT = datetime(2024, 1, 9, 7, 30, tzinfo=UTC)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    made = new_warehouse(tmp_path / "home")
    with made.write(STAMP) as tx:
        ingest(tx, "prices", price_rows())
    (made.home / "decisions.jsonl").write_text('{"a": 1}\n')
    return made


def test_a_backup_holds_the_decisions_and_brings_anchor_and_decisions_back(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    decisions, kept = warehouse.home / "decisions.jsonl", tmp_path / "kept"
    backup(warehouse, kept, AT, decisions)
    anchor = warehouse.anchor.read_text()
    assert (kept / DECISIONS).read_text() == '{"a": 1}\n' and (kept / ANCHORS).read_text() == anchor
    shutil.rmtree(warehouse.home)
    assert restore(warehouse, kept, AT, decisions=decisions) is None
    assert decisions.read_text() == '{"a": 1}\n'
    assert warehouse.anchor.read_text().startswith(anchor)  # and the line of the copy that readers get
    decisions.write_text("newer\n")
    restore(warehouse, kept, AT, decisions=decisions)
    assert decisions.read_text() == "newer\n"  # what is there is not written over


def test_a_backup_of_a_faulty_warehouse_is_none_and_takes_nothing_away(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    folder, decisions = tmp_path / "backups", tmp_path / "decisions.jsonl"
    backup_into(warehouse, folder, AT, decisions, keep=1)
    with duckdb.connect(str(warehouse.path)) as con:
        con.execute("update prices set close = close + 1 where symbol = 'AAA'")
    with pytest.raises(DataError, match="faults, the first: prices: AAA"):
        backup_into(warehouse, folder, AT + timedelta(days=1), decisions, keep=1)
    assert [one.name for one in folder.iterdir()] == ["packfolio-20240109T073000Z"]


def test_the_newest_backups_stay_and_nothing_else_is_taken_away(warehouse: Warehouse, tmp_path: Path) -> None:
    folder, decisions = tmp_path / "backups", warehouse.home / "decisions.jsonl"
    folder.mkdir()
    (folder / "packfolio-20200101T000000Z").mkdir()  # not whole: nobody knows what it is
    (folder / "holiday").mkdir()
    gone = [
        backup_into(warehouse, folder, AT + timedelta(days=day), decisions, keep=2)[2] for day in range(4)
    ]
    assert gone == [[], [], ["packfolio-20240109T073000Z"], ["packfolio-20240110T073000Z"]]
    assert [one.name[-17:-9] for one in backups(folder)] == ["0111T073", "0112T073"] or len(
        backups(folder)
    ) == 2
    assert {one.name for one in folder.iterdir()} >= {"packfolio-20200101T000000Z", "holiday"}
    early = AT - timedelta(days=3)  # by a clock that was set back
    made, _, gone, apart = backup_into(warehouse, folder, early, decisions, keep=2)
    assert not apart and gone == ["packfolio-20240111T073000Z"] and made in backups(folder)
    with pytest.raises(DataError, match="lies in the home"):
        backup_into(warehouse, warehouse.home / "backups", AT, decisions, keep=2)
    with pytest.raises(DataError, match=r"there is no .* yet"):
        backup_into(Warehouse(tmp_path / "none"), folder, AT, decisions, keep=2)


def test_no_backup_goes_that_holds_what_the_new_one_lacks(warehouse: Warehouse, tmp_path: Path) -> None:
    """Of two desks that named one folder the second took the first one's backups away."""
    folder, decisions = tmp_path / "backups", tmp_path / "none"
    other, payload = new_warehouse(tmp_path / "other"), warehouse.home / "payloads" / "0123-aaa.json"
    with other.write(STAMP) as tx:
        ingest(tx, "prices", price_rows(close=90.0))
    payload.parent.mkdir(exist_ok=True)
    payload.write_text("{}")
    days = iter(AT + timedelta(days=day) for day in range(9))

    def next_of(store: Warehouse) -> tuple[str, list[str], list[str]]:
        made = backup_into(store, folder, next(days), decisions, keep=1)
        return made.place.name, made.gone, made.apart

    first, *_ = next_of(warehouse)
    theirs, gone, apart = next_of(other)
    assert (gone, apart) == ([], [first])
    second, gone, apart = next_of(warehouse)
    assert (gone, apart) == ([first], [theirs])
    payload.unlink()
    third, gone, apart = next_of(warehouse)
    assert (gone, apart) == ([], [theirs, second])
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", price_rows(close=101.0))
    later, gone, _ = next_of(warehouse)
    assert gone == [third]
    restore(warehouse, folder / second, AT, reason="to the day before")
    _, gone, apart = next_of(warehouse)
    assert (gone, apart) == ([second], [theirs, later])
    (folder / later / "manifest.json").write_text("{")
    assert next_of(warehouse)[2] == [theirs, later]


def test_two_desks_that_back_up_into_one_folder_in_the_same_second_have_a_backup_each(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second took away what the first was copying, or its name."""
    folder, other, made = tmp_path / "backups", new_warehouse(tmp_path / "other"), list[Rotated]()
    with other.write(STAMP) as tx:
        ingest(tx, "prices", price_rows(close=90.0))
    check = backup_module._refuse_faulty

    def beside(half: Path) -> None:
        monkeypatch.setattr(backup_module, "_refuse_faulty", check)
        made.append(backup_into(other, folder, AT, tmp_path / "none", keep=1))
        check(half)

    monkeypatch.setattr(backup_module, "_refuse_faulty", beside)
    made.append(backup_into(warehouse, folder, AT, tmp_path / "none", keep=1))
    assert [one.place.name[-8:] for one in made] == ["T073000Z", "T073001Z"]
    assert [read_manifest(one.place) for one in made] == [one.manifest for one in made]
    assert made[0].manifest.head != made[1].manifest.head and len(list(folder.iterdir())) == 2
    with pytest.raises(DataError, match="exists already"):
        backup(warehouse, made[0].place, AT)


def test_of_backups_beside_each_other_one_waits_and_a_copys_takes_the_oldest_away_once(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that keep one each took the other's away, and a copy's ended in a file that was gone."""
    folder, none, holds = tmp_path / "backups", tmp_path / "none", rotation._holds
    first = backup_into(warehouse, folder, AT, none, keep=1).place.name
    copy = Warehouse(shutil.copytree(warehouse.home, tmp_path / "copy"))
    inner: list[Rotated] = []

    def beside(con: duckdb.DuckDBPyConnection, newest: Manifest, one: Path) -> bool:
        monkeypatch.setattr(rotation, "_holds", holds)
        monkeypatch.setattr(rotation, "LOCK_SECONDS", 0.1)
        found = holds(con, newest, one)
        with pytest.raises(DataError, match="backups has been locked by another process"):
            backup_into(warehouse, folder, AT + timedelta(days=2), none, keep=1)
        inner.append(backup_into(copy, folder, AT + timedelta(days=2), none, keep=2))
        return found

    monkeypatch.setattr(rotation, "_holds", beside)
    outer = backup_into(warehouse, folder, AT + timedelta(days=1), none, keep=1)
    assert inner[0].gone == [first] and outer.gone == []
    assert backups(folder) == [outer.place, inner[0].place]


def test_the_job_backs_up_where_the_desk_says(warehouse: Warehouse, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    resources = resources_of(warehouse.home, config)
    (config / "pipeline.yaml").write_text("checks: {}\n")
    at_night = dg.build_schedule_context(resources={"desk": resources["desk"]})
    with at_night as context, dg.DagsterInstance.ephemeral() as instance:
        assert isinstance(nightly_backup(context), dg.SkipReason)
        refused = backup_job.execute_in_process(instance=instance, resources=resources, raise_on_error=False)
        assert not refused.success
        (config / "pipeline.yaml").write_text("housekeeping: {backup_folder: ../backups, keep_backups: 3}\n")
        assert isinstance(nightly_backup(context), dg.RunRequest)
        assert backup_job.execute_in_process(instance=instance, resources=resources).success
    (made,) = backups(tmp_path / "backups")
    assert (made / DECISIONS).exists()


def test_old_runs_leave_dagsters_history_and_newer_ones_stay(tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text("housekeeping: {history_days: 30}\n")
    resources = {"desk": DeskResource(folder=str(tmp_path))}
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(2):
            assert purge_runs.execute_in_process(instance=instance, resources=resources).success
        going_on = instance.add_run(dg.DagsterRun(job_name="x", status=dg.DagsterRunStatus.STARTED))
        settings, now = HousekeepingFile(history_days=30), datetime.now(UTC)
        assert purge(instance, settings, now + timedelta(days=29)) == 0
        assert purge(instance, settings, now + timedelta(days=31)) == 2
        assert [run.run_id for run in instance.get_runs()] == [going_on.run_id]


def test_a_purge_that_is_killed_at_any_deletion_leaves_no_events_of_a_run_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They stayed for ever: only events of runs that are still known are deleted."""
    (tmp_path / "pipeline.yaml").write_text("housekeeping: {history_days: 30}\n")
    resources = {"desk": DeskResource(folder=str(tmp_path))}
    settings, later = HousekeepingFile(history_days=30), datetime.now(UTC) + timedelta(days=31)
    with dg.DagsterInstance.ephemeral() as instance:
        ids = {purge_runs.execute_in_process(instance=instance, resources=resources).run_id for _ in range(2)}
        for storage, name in (
            (instance.event_log_storage, "delete_events"),
            (instance.run_storage, "delete_run"),
        ):
            with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
                patch.setattr(storage, name, mock.Mock(side_effect=KeyboardInterrupt))
                purge(instance, settings, later)
            known = {run.run_id for run in instance.get_runs()}
            assert all(run in known or not instance.all_logs(run) for run in ids)
        assert purge(instance, settings, later) == 2
        assert not any(instance.all_logs(run) for run in ids)


def test_a_home_and_all_in_it_is_its_users_alone(typed: Typed) -> None:
    """What an ingest of the command line leaves, whatever the shell's own mask allows."""
    said = typed.at("ingest", "--json")
    assert said.status == 0
    home = Path(typed.at.home)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    open_ones = [path for path in home.rglob("*") if path.stat().st_mode & 0o077 and not path.is_symlink()]
    assert open_ones == []
