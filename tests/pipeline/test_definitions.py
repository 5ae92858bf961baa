"""The graph as Dagster loads it: a change of keys, jobs or schedules shows in review as a change of this file."""

from pathlib import Path

import dagster as dg
import pytest

from pipeline import definitions
from pipeline.definitions import defs
from pipeline.stages import EACH_SESSION, found_assets

CHAIN = {
    "decisions": set(),
    "prices": {"reference_data"},
    "reference_data": set(),
    "pricing_pack": {"prices", "reference_data"},
    "portfolio_snapshots": {"pricing_pack"},
    "factor_model": {"portfolio_snapshots"},
    "return_estimates": {"portfolio_snapshots", "factor_model"},
    "covariances": {"portfolio_snapshots", "factor_model"},
    "posterior_returns": {"return_estimates", "covariances"},
    "optimal_weights": {"posterior_returns"},
    "trades": {"optimal_weights"},
    "impact": {"trades"},
    "tail_risk": {"impact"},
    "hedges": {"tail_risk"},
    "regimes": {"pricing_pack"},
    "backtest_results": {"return_estimates", "covariances", "portfolio_snapshots"},
}
PARTITIONED = set(CHAIN) - {"decisions", "prices", "reference_data"}


def test_dagster_finds_one_definitions_object_in_the_module() -> None:
    """With a second one at module scope neither the UI nor the daemon loads the code location."""
    assert [name for name, found in vars(definitions).items() if isinstance(found, dg.Definitions)] == [
        "defs"
    ]


def test_the_assets_and_what_each_needs() -> None:
    graph = defs.resolve_asset_graph()
    found = {
        key.to_user_string(): {parent.to_user_string() for parent in graph.get(key).parent_keys}
        for key in graph.get_all_asset_keys()
    }
    assert found == CHAIN


def test_the_jobs_schedules_and_sensors() -> None:
    repository = defs.get_repository_def()
    jobs = {name for name in repository.job_names if not name.startswith("__")}
    assert jobs == {"ingest", "daily_run", "pack_run", "research", "backfill", "backup", "purge_runs"}
    assert {schedule.name for schedule in repository.schedule_defs} == {
        "after_the_close",
        "nightly_backup",
        "weekly_purge",
    }
    assert {sensor.name for sensor in repository.sensor_defs} == {
        "alerts",
        "inbox_files",
        "missing_sessions",
        "restatements",
        "stuck_runs",
    }


def test_every_schedule_sensor_and_job_says_what_it_does() -> None:
    repository = defs.get_repository_def()
    jobs = [repository.get_job(name) for name in repository.job_names if not name.startswith("__")]
    told = {one.name: one.description for one in (*repository.schedule_defs, *repository.sensor_defs, *jobs)}
    assert [name for name, said in told.items() if not said] == []


@pytest.mark.parametrize("name", sorted(CHAIN))
def test_every_asset_says_what_it_is(name: str) -> None:
    node = defs.resolve_asset_graph().get(dg.AssetKey(name))
    assert node.description
    assert node.owners
    assert node.group_name in {"prices", "packs", "model", "portfolios", "research", "service"}
    assert "duckdb" in node.kinds
    assert node.code_version


@pytest.mark.parametrize("name", sorted(PARTITIONED))
def test_a_partition_key_is_a_pack_id(name: str) -> None:
    partitions = defs.resolve_asset_graph().get(dg.AssetKey(name)).partitions_def
    assert partitions is not None
    assert partitions.has_partition_key("PP_2025-10-26")  # a Sunday: it sees the last close before
    assert partitions.get_first_partition_key() == "PP_2022-12-01"  # the example's first holdings


def test_a_fault_in_the_pack_blocks_what_follows() -> None:
    graph = defs.resolve_asset_graph()
    blocking = {
        (key.asset_key.to_user_string(), key.name)
        for key in graph.asset_check_keys
        if graph.get_check_spec(key).blocking
    }
    assert blocking == {("pricing_pack", "fit_for_use")}


LIVE = "sources:\n  - {name: feed, kind: folder, path: ../inbox, basis: as_traded, live: true}\n"


@pytest.mark.parametrize(
    ("sources", "late"),
    [(LIVE, True), (LIVE.replace("true", "false"), False), ("sources: [", False), (None, False)],
)
def test_only_a_live_desk_can_be_late(tmp_path: Path, sources: str | None, late: bool) -> None:
    """The shipped example, whose prices end in 2022, is never late; nor is a desk that nobody can read yet."""
    if sources is not None:
        (tmp_path / "sources.yaml").write_text(sources)
    policies = {
        spec.key.to_user_string(): spec.freshness_policy
        for one in found_assets(tmp_path)
        for spec in one.specs
    }
    watched = {name for name, policy in policies.items() if policy is not None}
    assert watched == (set(CHAIN) - {"decisions", "backtest_results"} if late else set())
    assert all(policies[name] == EACH_SESSION for name in watched)


def test_the_example_desk_is_never_late() -> None:
    graph = defs.resolve_asset_graph()
    assert all(graph.get(dg.AssetKey(name)).freshness_policy is None for name in CHAIN)


def test_the_warehouse_lies_where_the_environment_says() -> None:
    from pipeline.stages import environment, stages

    found = stages.resources["warehouse"]
    told = (found.home, found.anchor, found.decisions)
    assert told == tuple(map(str, (environment.home, environment.anchor, environment.decisions)))
    assert len(set(told)) == 3
