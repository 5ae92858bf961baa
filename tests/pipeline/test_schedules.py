"""When runs start by themselves, and when they do not."""

import json
import os
from datetime import UTC, date, datetime, tzinfo
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from bench import DAYS, STAMP, SYMBOLS, ingest, price_rows
from command_line import Desk
from sensors import look, resources_of

from pipeline import schedules
from pipeline.run_history import attempts
from pipeline.run_history.interrupted_runs import PROCESS_TAG, process_tag, sweep
from pipeline.schedules import after_the_close, inbox_files, missing_sessions, restatements, stuck_runs
from resources.packs.packs import cut_pack
from resources.screening.pack_checks import CheckLimits
from resources.store.warehouse import Warehouse

INBOX = {"dagster/sensor_name": "inbox_files"}  # the tag by which Dagster knows a sensor's runs
NEW_YORK_EVENING = "2026-07-{day:02d}T22:30:00+00:00"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk.example(tmp_path)
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    sources = made.config / "sources.yaml"
    text = sources.read_text(encoding="utf-8")
    live = "sources:\n  - {name: inbox, kind: folder, path: ../inbox, basis: as_traded, live: true}\n"
    sources.write_text(text.replace("sources:\n", live, 1), encoding="utf-8")
    return made


def _resources(desk: Desk) -> dict[str, object]:
    return resources_of(desk.home, desk.config)


def _tick(desk: Desk, moment: str) -> dg.RunRequest | dg.SkipReason:
    due = datetime.fromisoformat(moment)
    with dg.build_schedule_context(scheduled_execution_time=due, resources=_resources(desk)) as context:
        return after_the_close(context)


def test_a_session_gets_the_pack_of_its_date(desk: Desk) -> None:
    asked = _tick(desk, NEW_YORK_EVENING.format(day=2))
    assert isinstance(asked, dg.RunRequest)
    assert asked.partition_key == asked.run_key == "PP_2026-07-02"


def test_an_exchange_holiday_is_skipped(desk: Desk) -> None:
    skipped = _tick(desk, NEW_YORK_EVENING.format(day=3))  # Independence Day, observed on the Friday
    assert isinstance(skipped, dg.SkipReason)
    assert "not a session" in str(skipped.skip_message)


def test_without_a_live_source_nothing_starts(tmp_path: Path) -> None:
    still = Desk.example(tmp_path / "still")
    skipped = _tick(still, NEW_YORK_EVENING.format(day=2))
    assert isinstance(skipped, dg.SkipReason)
    assert "no source is live" in str(skipped.skip_message)


def test_a_settled_file_in_the_inbox_starts_ingestion_once(desk: Desk) -> None:
    file = desk.config.parent / "inbox" / "prices.csv"
    file.write_text("symbol,date,close\nAAA,2026-07-01,10\n", encoding="utf-8")
    (file.parent / "folder").mkdir()
    os.utime(file.parent / "folder", (0, 0))
    first, _ = look(inbox_files, _resources(desk))
    assert isinstance(first, dg.SkipReason)  # it may still be growing
    os.utime(file, (datetime.now(UTC).timestamp() - 60,) * 2)
    arrived, cursor = look(inbox_files, _resources(desk))
    assert isinstance(arrived, dg.SensorResult)
    assert len(arrived.run_requests or ()) == 1
    assert list(json.loads(str(cursor))) == ["inbox/prices.csv"]
    again, _ = look(inbox_files, _resources(desk), cursor=cursor)
    assert again == dg.SkipReason("no new file")
    file.write_text("symbol,date,close\nAAA,2026-07-01,10.5\n", encoding="utf-8")
    os.utime(file, (datetime.now(UTC).timestamp() - 30,) * 2)
    changed, _ = look(inbox_files, _resources(desk), cursor=cursor)
    assert isinstance(changed, dg.SensorResult)
    [before], [after] = arrived.run_requests or (), changed.run_requests or ()
    assert before.run_key != after.run_key


def _arrive(desk: Desk, name: str, age: float) -> None:
    file = desk.config.parent / "inbox" / name
    file.write_text(f"symbol,date,close\n{name[0].upper()},2026-07-01,10\n", encoding="utf-8")
    os.utime(file, (datetime.now(UTC).timestamp() - age,) * 2)


def _look(
    desk: Desk, cursor: str | None, instance: dg.DagsterInstance | None = None
) -> tuple[list[str], str | None]:
    """The run keys that the inbox's sensor asks for, and its cursor."""
    answer, cursor = look(inbox_files, _resources(desk), cursor=cursor, instance=instance)
    if isinstance(answer, dg.SkipReason):
        return [], cursor
    assert isinstance(answer, dg.SensorResult)
    return [str(request.run_key) for request in answer.run_requests or ()], cursor


@pytest.mark.parametrize("age", [3600.0, 60.0, -3600.0])
def test_a_file_is_ingested_whatever_its_time(desk: Desk, age: float) -> None:
    """Copied with its old time, or by a machine whose clock is ahead: Dagster runs each key once."""
    _arrive(desk, "a.csv", 60)
    first, cursor = _look(desk, None)
    _arrive(desk, "b.csv", age)
    second, cursor = _look(desk, cursor)
    assert len(first) == len(second) == 1
    assert first != second
    assert _look(desk, cursor)[0] == []


def test_a_file_that_may_not_be_looked_at_keeps_no_other_from_being_ingested(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a user who is not root, as the test may be."""
    real = Path.stat

    def stat(path: Path, **how: Any) -> os.stat_result:
        if path.name == "shut.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **how)

    monkeypatch.setattr(Path, "stat", stat)
    _arrive(desk, "shut.csv", 60)
    _arrive(desk, "a.csv", 60)
    found, cursor = _look(desk, None)
    assert len(found) == 1 and list(json.loads(str(cursor))) == ["inbox/a.csv"]


def _ended(
    instance: dg.DagsterInstance, job: dg.JobDefinition, tags: dict[str, str], status: dg.DagsterRunStatus
) -> None:
    run = instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    kind = {dg.DagsterRunStatus.FAILURE: "PIPELINE_FAILURE", dg.DagsterRunStatus.SUCCESS: "PIPELINE_SUCCESS"}
    if status in kind:
        instance.report_dagster_event(dg.DagsterEvent(kind[status], job_name=job.name), run_id=run.run_id)


@dg.op
def nothing() -> None:
    """A step that does nothing."""


def _job(name: str) -> dg.JobDefinition:
    return dg.GraphDefinition(name=name, node_defs=[nothing]).to_job()


def test_an_ingestion_that_failed_is_asked_for_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    _arrive(desk, "a.csv", 60)
    with dg.DagsterInstance.ephemeral() as instance:
        (first,), cursor = _look(desk, None, instance)
        assert _look(desk, cursor, instance)[0] == []  # not started yet
        _ended(instance, _job("ingest"), INBOX | {"dagster/run_key": first}, dg.DagsterRunStatus.FAILURE)
        assert _look(desk, cursor, instance)[0] == []  # too soon
        monkeypatch.setattr(attempts, "FIRST_WAIT", 0.0)
        (second,), cursor = _look(desk, cursor, instance)
        assert second != first
        _ended(instance, _job("ingest"), INBOX | {"dagster/run_key": second}, dg.DagsterRunStatus.SUCCESS)
        assert _look(desk, cursor, instance)[0] == []


def _missing(desk: Desk, instance: dg.DagsterInstance) -> dict[str, str]:
    """Partition -> run key of the runs that the sensor of missing sessions asks for."""
    answers, _ = look(missing_sessions, _resources(desk), instance=instance)
    asked = [one for one in answers if isinstance(one, dg.RunRequest)]
    return {str(one.partition_key): str(one.run_key) for one in asked}


def test_a_session_whose_run_failed_is_asked_for_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        first = _missing(desk, instance)
        day = max(first)
        _ended(instance, _job("daily_run"), {"dagster/partition": day}, dg.DagsterRunStatus.FAILURE)
        _ended(instance, _job("daily_run"), {"dagster/partition": min(first)}, dg.DagsterRunStatus.STARTED)
        assert set(first) - set(_missing(desk, instance)) == {day, min(first)}  # too soon; it goes on
        monkeypatch.setattr(attempts, "FIRST_WAIT", 0.0)
        again = _missing(desk, instance)
        assert again[day] != first[day]
        assert min(first) not in again


def test_a_session_whose_file_came_late_is_asked_for_at_once(desk: Desk) -> None:
    """Its pack was rejected for want of prices, and prices have come since."""
    warehouse = Warehouse(desk.home)
    with dg.DagsterInstance.ephemeral() as instance:
        day = max(_missing(desk, instance))
        with warehouse.write(STAMP) as tx:
            ingest(tx, "prices", price_rows(symbols=SYMBOLS[:1]))
        with warehouse.write(STAMP) as tx:
            cut = cut_pack(tx, date.fromisoformat(day[3:]), ["feed"], DAYS, CheckLimits())
        assert not cut.pack.fresh
        _ended(instance, _job("daily_run"), {"dagster/partition": day}, dg.DagsterRunStatus.SUCCESS)
        assert day not in _missing(desk, instance)
        with warehouse.write(STAMP) as tx:
            ingest(tx, "prices", price_rows(symbols=SYMBOLS[1:2]))
        assert day in _missing(desk, instance)


def test_without_a_folder_no_file_can_arrive(tmp_path: Path) -> None:
    still = Desk.example(tmp_path / "still")
    skipped, _ = look(inbox_files, _resources(still))
    assert skipped == dg.SkipReason("no source is a folder")


class _Clock(datetime):
    """A clock that stands at an hour of July 2026."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "_Clock":
        return cls(2026, 7, 14, 23, 59, tzinfo=tz)  # the close was at 20:00


def test_closed_sessions_without_a_pack_are_run(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "datetime", _Clock)
    asked, _ = look(missing_sessions, _resources(desk))
    days = ("06-29", "06-30", "07-01", "07-02", "07-06", "07-07", "07-08", "07-09", "07-10", "07-13")
    keys = [f"PP_2026-{day}" for day in days]  # not the 14th: the vendor has four hours after its close
    assert [(request.partition_key, request.run_key) for request in asked] == [
        (key, f"missing-{key}-1") for key in keys
    ]
    with Warehouse(desk.home).write(STAMP) as tx:
        for key in keys[1:]:  # nor what was before the desk's first pack
            tx.con.execute(
                "insert into pricing_packs by name select ? as pack_id, cast(? as date) as as_of, 1 as watermark_seq, "
                "1 as revision, 'fresh' as verdict, 0 as symbols, 0 as rows, '[]' as precedence, '' as content_hash, "
                "now()::timestamp as created_at, '' as run_id, 1 as materialization", [key, key[3:]],
            )  # fmt: skip
    [skipped], _ = look(missing_sessions, _resources(desk))
    assert skipped == dg.SkipReason("every session up to 2026-07-13 has its pack")


def test_without_a_live_source_no_session_is_missing(tmp_path: Path) -> None:
    still = Desk.example(tmp_path / "still")
    [skipped], _ = look(missing_sessions, _resources(still))
    assert skipped == dg.SkipReason("no source is live: nothing new can come")


def test_before_the_first_run_no_restatement_is_looked_for(desk: Desk) -> None:
    skipped, _ = look(restatements, _resources(desk))
    assert "packfolio run" in str(skipped.skip_message)


def test_a_run_whose_process_is_gone_is_marked_as_failed(tmp_path: Path) -> None:
    empty = _job("empty")
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        alive = instance.create_run_for_job(empty, tags=process_tag())
        killed = instance.create_run_for_job(empty, tags={PROCESS_TAG: "999999:1"})
        for run in (alive, killed):
            instance.report_dagster_event(
                dg.DagsterEvent("PIPELINE_START", job_name="empty"), run_id=run.run_id
            )
        assert sweep(instance) == [killed.run_id]
        assert instance.get_run_by_id(killed.run_id).status == dg.DagsterRunStatus.FAILURE  # type: ignore[union-attr]
        skipped, _ = look(stuck_runs, instance=instance)
        assert "no run is stuck" in str(skipped.skip_message)
