"""Dagster's history as we keep it: each event once and packed, and read back as it was told."""

import sqlite3
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.environment import DAGSTER_YAML
from pipeline.run_history.storage import SHORT, EventHistory, RunHistory, packed, unpacked

TOLD = "a long story, " * 2000


@dg.asset(check_specs=[dg.AssetCheckSpec("sound", asset="told")])
def told() -> dg.MaterializeResult:
    check = dg.AssetCheckResult(check_name="sound", passed=True, metadata={"why": TOLD})
    return dg.MaterializeResult(metadata={"story": TOLD}, check_results=[check])


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dg.DagsterInstance:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(DAGSTER_YAML)
    return dg.DagsterInstance.get()


def test_what_an_asset_tells_is_read_back_and_takes_little_room(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    with instance:
        assert isinstance(instance.event_log_storage, EventHistory)
        assert isinstance(instance.run_storage, RunHistory)
        runs = [dg.materialize([told], instance=instance).run_id for _ in range(3)]
        newest = instance.get_latest_materialization_event(dg.AssetKey("told"))
        assert newest is not None and newest.run_id == runs[-1]
        assert newest.asset_materialization is not None
        assert newest.asset_materialization.metadata["story"].value == TOLD
        kept = instance.all_logs(runs[0])
        outputs = [
            entry.dagster_event
            for entry in kept
            if entry.dagster_event and entry.dagster_event.is_successful_output
        ]
        assert outputs and not any(output.step_output_data.metadata for output in outputs)
        assert [run.run_id for run in instance.get_runs()] == runs[::-1]
        storage = instance.event_log_storage
        assert storage.has_table("asset_check_executions") and not storage.has_table("told")
        assert storage.has_asset_key_index_cols() and not storage.has_asset_key_col("told")
        full = storage.get_db_path()
        with closing(sqlite3.connect(full)) as con:  # as a step of a later Dagster's schema does
            con.execute("create table told (id integer)")
        instance.upgrade()
        assert storage.has_table("told")
        before = Path(full).stat().st_size
        instance.delete_run(runs[0])
        assert instance.all_logs(runs[0]) == [] and instance.all_logs(runs[1]) != []
        storage.compact()
        assert Path(full).stat().st_size <= before
    size = sum(file.stat().st_size for file in tmp_path.glob("*.db*"))
    assert size < 20 * len(TOLD)  # three runs that tell 56 kB each, in five places
    assert sorted(path.name for path in tmp_path.glob("*.db")) == ["event_log.db", "runs.db"]


@given(st.text() | st.text().map(lambda text: text * SHORT) | st.integers() | st.none() | st.binary())
def test_every_value_comes_back(value: object) -> None:
    assert unpacked(packed(value)) == value
