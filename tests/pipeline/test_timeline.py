"""Runs that the command line starts are on Dagster's timeline: they name the code location that the UI opens."""

import dagster as dg
import pytest
from typed_desk import THURSDAY, Typed

pytestmark = pytest.mark.xdist_group("terminal")


def test_runs_of_the_command_line_are_of_the_code_location_of_the_ui(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(typed.at.home / "dagster"))
    with dg.DagsterInstance.get() as instance:
        runs, records = instance.get_runs(), instance.get_run_records()
    assert len(records) == len(runs)
    assert all(one.start_time and one.end_time and one.end_time >= one.start_time for one in records)
    assert {run.job_name for run in runs} == {"ingest", "pack_run", "research"}
    origins = [run.remote_job_origin for run in runs]
    assert {(one.location_name, one.repository_origin.repository_name) for one in origins if one} == {
        ("packfolio", "__repository__")
    }
    assert [one.job_name for one in origins if one] == [run.job_name for run in runs]
    workspace = (typed.at.home / "dagster" / "workspace.yaml").read_text()
    assert "module_name: pipeline.definitions" in workspace and "location_name: packfolio" in workspace


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "--portfolio", "bok"), "there is no portfolio 'bok'; did you mean book?"),
        (("backtest", "--portfolio", "bok"), f"{THURSDAY} has no portfolio 'bok'; did you mean book?"),
    ],
)
def test_a_wrong_portfolio_is_refused_before_there_is_a_run(
    typed: Typed, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(typed.at.home / "dagster"))
    with dg.DagsterInstance.get() as instance:
        before = instance.get_runs_count()
        refused = typed.at(*words)
        assert (refused.status, refused.err) == (2, f"PolicyError {said}\n")
        assert instance.get_runs_count() == before > 0


def test_dagster_keeps_a_sentence_of_what_each_check_found(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(typed.at.home / "dagster"))
    with dg.DagsterInstance.get() as instance:
        told = {}
        for run in instance.get_runs():
            for record in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
                event = record.get_dagster_event()
                check = event.asset_check_evaluation_data
                told.setdefault((check.check_name, check.passed), set()).add(check.description)
    assert all(said and not {None, ""} & said for said in told.values()), told
    weights = told["every_portfolio_has_an_answer", False]
    assert any("without weights: tight: " in said for said in weights)
    [rejected] = told["fit_for_use", False]
    assert rejected.startswith("PP_2024-03-20 is rejected: no symbol has a price")
    assert any(said.startswith("PP_2024-02-28 is fresh: ") for said in told["fit_for_use", True])
