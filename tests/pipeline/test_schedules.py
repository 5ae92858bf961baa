"""When runs start by themselves, and when they do not."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from command_line import Desk

from pipeline.interrupted_runs import PROCESS_TAG, process_tag, sweep
from pipeline.schedules import after_the_close, inbox_files, missing_sessions, stuck_runs
from resources.dagster_resources import DeskResource, WarehouseResource

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
    return {
        "warehouse": WarehouseResource(home=str(desk.home)),
        "desk": DeskResource(folder=str(desk.config)),
    }


def _tick(desk: Desk, moment: str) -> dg.RunRequest | dg.SkipReason:
    context = dg.build_schedule_context(
        scheduled_execution_time=datetime.fromisoformat(moment), resources=_resources(desk)
    )
    return after_the_close(context)


def test_a_session_gets_the_pack_of_its_date(desk: Desk) -> None:
    asked = _tick(desk, NEW_YORK_EVENING.format(day=2))
    assert isinstance(asked, dg.RunRequest)
    assert asked.partition_key == "PP_2026-07-02"


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
    first = inbox_files(dg.build_sensor_context(resources=_resources(desk)))
    assert isinstance(first, dg.SkipReason)  # it may still be growing
    os.utime(file, (datetime.now(UTC).timestamp() - 60,) * 2)
    arrived = inbox_files(dg.build_sensor_context(resources=_resources(desk)))
    assert isinstance(arrived, dg.SensorResult)
    assert len(arrived.run_requests or ()) == 1
    assert list(json.loads(str(arrived.cursor))) == ["inbox/prices.csv"]
    again = inbox_files(dg.build_sensor_context(cursor=arrived.cursor, resources=_resources(desk)))
    assert isinstance(again, dg.SkipReason)


def test_closed_sessions_without_a_pack_are_run(desk: Desk) -> None:
    asked = list(missing_sessions(dg.build_sensor_context(resources=_resources(desk))))
    keys = [request.partition_key for request in asked if isinstance(request, dg.RunRequest)]
    assert 8 <= len(keys) <= 11  # the sessions of two weeks
    assert keys == sorted(keys)


def test_a_run_whose_process_is_gone_is_marked_as_failed(tmp_path: Path) -> None:
    @dg.op
    def nothing() -> None:
        return None

    @dg.job
    def empty() -> None:
        nothing()

    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        alive = instance.create_run_for_job(empty, tags=process_tag())
        killed = instance.create_run_for_job(empty, tags={PROCESS_TAG: "999999:1"})
        for run in (alive, killed):
            instance.report_dagster_event(
                dg.DagsterEvent("PIPELINE_START", job_name="empty"), run_id=run.run_id
            )
        assert sweep(instance) == [killed.run_id]
        assert instance.get_run_by_id(killed.run_id).status == dg.DagsterRunStatus.FAILURE  # type: ignore[union-attr]
        skipped = stuck_runs(dg.build_sensor_context(instance=instance))
        assert "no run is stuck" in str(skipped.skip_message)
