"""Runs that the command line starts are on Dagster's timeline: they name the code location that the UI opens."""

import dagster as dg
import pytest
from typed_desk import Typed

pytestmark = pytest.mark.xdist_group("terminal")


def test_runs_of_the_command_line_are_of_the_code_location_of_the_ui(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(typed.at.home / "dagster"))
    with dg.DagsterInstance.get() as instance:
        runs = instance.get_runs()
    assert {run.job_name for run in runs} == {"ingest", "pack_run", "research"}
    origins = [run.remote_job_origin for run in runs]
    assert {(one.location_name, one.repository_origin.repository_name) for one in origins if one} == {
        ("packfolio", "__repository__")
    }
    assert [one.job_name for one in origins if one] == [run.job_name for run in runs]
    workspace = (typed.at.home / "dagster" / "workspace.yaml").read_text()
    assert "module_name: pipeline.definitions" in workspace and "location_name: packfolio" in workspace
