"""What an account is answered depends on it alone: not on its shard, nor on where that was computed."""

from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from draws import each_once
from fleet_desk import FACTORS, MODELS, FleetDesk, all_stages, make_fleet_desk

from optimizer import CompiledPolicy, DataError, Estimates, PackfolioError, PolicyError, Scenario
from optimizer.proposals.proposal import without_evidence
from resources.books.snapshots import read_snapshots
from resources.fleet import engines
from resources.fleet.arrow_files import Files, packed, unpacked
from resources.fleet.engines import compute
from resources.fleet.work import read_work
from resources.fleet.worker import run
from resources.results.accounts import shared_inputs
from resources.results.accounts.answers import Answers
from resources.results.accounts.stages import STAGES
from resources.settings.configuration import PipelineFile
from resources.settings.yaml_files import parse_yaml

NUMBERS = {**dict.fromkeys(MODELS, 3), **dict.fromkeys(FACTORS, 1)}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> FleetDesk:
    return make_fleet_desk(tmp_path_factory.mktemp("fleet"), NUMBERS)


@pytest.fixture(scope="module")
def serial(desk: FleetDesk) -> dict[str, Answers]:
    return all_stages(desk.under(shard=1000))


@pytest.fixture(autouse=True)
def travelling(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Shards travel as they do to a process, and are computed here."""
    monkeypatch.setitem(engines.ENGINES, "processes", lambda tasks, fleet: [run(task) for task in tasks])
    yield


def rows(answers: Answers) -> dict[str, Any]:
    return {name: table.to_pylist() for name, table in sorted(answers.tables.items())}


def test_each_account_has_its_answer_or_its_reason(serial: dict[str, Answers]) -> None:
    results = serial["optimal_weights"].tables["optimization_results"].to_pylist()
    status = {row["portfolio_id"]: row["status"] for row in results}
    assert status == {
        f"{model}-{number:04d}": {"tight": "infeasible", "unpriced": "no_data"}.get(model, "optimal")
        for model, count in NUMBERS.items()
        for number in range(count)
    }
    assert set(serial["optimal_weights"].told) == {name for name, said in status.items() if said != "optimal"}
    traded = set(serial["trades"].tables["trades"]["portfolio_id"].to_pylist())
    assert traded == set(serial["impact"].tables["impact"]["portfolio_id"].to_pylist())
    assert traded == {name for name, said in status.items() if said == "optimal"}
    assert serial["hedges"].tables["scenario_losses"].num_rows > 0
    assert all(len(serial[stage].stated) == sum(NUMBERS.values()) for stage in STAGES)


def test_risk_by_factor_is_told_of_each_recipe_that_has_a_model_asked_for_or_not(
    serial: dict[str, Answers],
) -> None:
    risks = serial["impact"].tables["factor_risks"].to_pylist()
    assert {row["portfolio_id"] for row in risks} == set(
        serial["impact"].tables["impact"]["portfolio_id"].to_pylist()
    )
    assert {row["side"] for row in risks} == {"before", "after"}


def test_a_scenario_of_factors_is_priced_by_the_model_of_each_account(
    desk: FleetDesk, serial: dict[str, Answers]
) -> None:
    fallen = {
        name: Scenario(name, name, {}, factors={"market": size})
        for name, size in (("fall", -0.05), ("crash", -0.1))
    }
    books = replace(desk.desk.playbooks, scenarios=fallen)
    found = (
        replace(desk, desk=replace(desk.desk, playbooks=books)).answers("hedges").tables["scenario_losses"]
    )
    losses = {(row["portfolio_id"], row["scenario_id"]): row["profit"] for row in found.to_pylist()}
    known = {row["portfolio_id"] for row in serial["hedges"].tables["scenario_losses"].to_pylist()}
    assert len(known) > 2 and losses.keys() == {(account, name) for account in known for name in fallen}
    for account in known:
        assert losses[account, "crash"] == pytest.approx(2 * losses[account, "fall"], rel=0.01)
        assert losses[account, "fall"] < 0


def test_an_instrument_at_an_older_price_is_told_with_the_hedges(desk: FleetDesk) -> None:
    with desk.warehouse.live() as con:
        work = read_work(con, desk.pack, "hedges", read_snapshots(con, desk.pack), desk.desk)
    market = work.ground.market
    close, place = market.panel.close.copy(), market.panel.places["TLT"]
    close[-1, place] = np.nan
    late = replace(work.ground, market=replace(market, panel=replace(market.panel, close=close)))
    found = compute(replace(work, ground=late), desk.desk, desk.warehouse.home, "run")
    held = {one.snapshot.portfolio_id for one in work.accounts if "TLT" in one.snapshot.holdings.quantities}
    said = f"No price since {market.panel.dates[-2]}, whose close is taken: TLT"
    notes = {
        (row["portfolio_id"] in held, said in (row["note"] or "")) for row in rows(found)["scenario_losses"]
    }
    assert notes <= {(False, True), (True, False)} and (False, True) in notes


@pytest.mark.parametrize(
    ("stage", "fleet"), each_once(STAGES, [{"shard": 1}, {"shard": 7}, {"shard": 7, "engine": "processes"}])
)
def test_neither_shard_nor_journey_changes_a_byte(
    desk: FleetDesk, serial: dict[str, Answers], stage: str, fleet: dict[str, Any]
) -> None:
    found = desk.under(**fleet).answers(stage)
    assert rows(found) == rows(serial[stage])
    assert found.stated == serial[stage].stated
    assert found.told == serial[stage].told
    assert not (desk.warehouse.home / "fleet" / "run").exists()


@pytest.mark.parametrize("stage", STAGES)
def test_what_accounts_share_may_be_forgotten_at_any_time(
    desk: FleetDesk, serial: dict[str, Answers], stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_inputs, "MOST_KEPT", 1)
    monkeypatch.setattr(shared_inputs, "MOST_OF_MODELS", 1)
    assert rows(desk.under(shard=7).answers(stage)) == rows(serial[stage])


@pytest.mark.parametrize("stage", ["optimal_weights", "trades"])
def test_what_models_have_is_forgotten_before_it_fills_the_memory(
    desk: FleetDesk, serial: dict[str, Answers], stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousand accounts with limits of their own have matrices of all names each."""
    monkeypatch.setattr(shared_inputs, "MOST_OF_MODELS", 4)
    kept: list[int] = []
    made = shared_inputs.Ground.compiled

    def compiled(self: shared_inputs.Ground, *told: Any) -> CompiledPolicy:
        found = made(self, *told)
        kept.append(
            sum(isinstance(one, CompiledPolicy) for one in [*self._kept.values(), *self._of_models.values()])
        )
        return found

    monkeypatch.setattr(shared_inputs.Ground, "compiled", compiled)
    assert rows(desk.under(shard=7).answers(stage)) == rows(serial[stage])
    assert 0 < max(kept) <= 4 < len(kept)


@pytest.mark.parametrize("stage", STAGES)
def test_an_account_alone_is_answered_as_among_others(
    desk: FleetDesk, serial: dict[str, Answers], stage: str
) -> None:
    wanted = "tails-0001"
    with desk.warehouse.live() as con:
        one = [found for found in read_snapshots(con, desk.pack) if found.portfolio_id == wanted]
        work = read_work(con, desk.pack, stage, one, desk.desk)
    found = engines.compute(work, desk.desk, desk.warehouse.home, "run")
    for name, table in found.tables.items():
        among = [row for row in serial[stage].tables[name].to_pylist() if row["portfolio_id"] == wanted]
        assert [
            {k: v for k, v in row.items() if k in table.column_names} for row in among
        ] == table.to_pylist()


def test_a_worker_of_another_release_is_refused(desk: FleetDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "code_version", lambda: "0.0.1+other")
    with pytest.raises(DataError, match="install the same release on both"):
        desk.under(shard=7, engine="processes").answers("posterior_returns")


def test_a_file_that_is_not_what_was_written_is_refused(tmp_path: Path) -> None:
    files = Files(str(tmp_path / "files"))
    raw = packed({"a": pa.table({"x": [1.5, None]}), "b": pa.table({"y": ["z"]})})
    name = files.keep(raw)
    assert files.keep(raw) == name
    assert {key: table.to_pylist() for key, table in unpacked(files.read(name)).items()} == {
        "a": [{"x": 1.5}, {"x": None}], "b": [{"y": "z"}],
    }  # fmt: skip
    (tmp_path / "files" / name).write_bytes(raw[:-1])
    with pytest.raises(DataError, match="is not what was written there"):
        files.read(name)
    files.clear()
    with pytest.raises(DataError, match=r"set fleet\.files"):
        files.read(name)


def test_an_address_of_fsspec_serves_as_well_as_a_folder() -> None:
    files = Files("memory://fleet/run")
    name = files.keep(b"abc")
    assert files.read(name) == b"abc"
    files.clear()
    with pytest.raises(DataError):
        files.read(name)


@pytest.mark.parametrize(
    "fleet", ["{engine: dask}", "{address: tcp://x:8786}", "{engine: spark}", "{shard: 0}", "{retries: -1}"]
)
def test_a_fleet_that_cannot_be_is_refused(fleet: str) -> None:
    with pytest.raises(PolicyError):
        parse_yaml(f"fleet: {fleet}\n", PipelineFile, "pipeline.yaml")


def test_estimates_that_are_missing_travel_as_their_reason(desk: FleetDesk) -> None:
    from resources.fleet.ground_tables import evidence_from, evidence_tables

    with desk.warehouse.live() as con:
        work = read_work(con, desk.pack, "impact", read_snapshots(con, desk.pack), desk.desk)
    told: dict[str, Estimates | PackfolioError] = {
        **work.ground.evidence, "none": DataError("no estimates"), "short": without_evidence(("A", "B"), 60),
    }  # fmt: skip
    back = evidence_from(unpacked(packed(evidence_tables(told))))
    assert isinstance(back["none"], DataError) and str(back["none"]) == "no estimates"
    assert isinstance(back["short"], Estimates) and back["short"].assumed
    for key, found in work.ground.evidence.items():
        other = back[key]
        assert not getattr(other, "assumed", True)
        assert isinstance(found, Estimates) and isinstance(other, Estimates)
        assert found.covariance.tobytes() == other.covariance.tobytes()
        assert found.scenarios is not None and other.scenarios is not None
        assert found.scenarios.tobytes() == other.scenarios.tobytes()


class Pool:
    """Answers so many tasks by their own name, and is broken from then on, as a pool with a dead process."""

    def __init__(self, answers: int) -> None:
        self.answers, self.asked = answers, list[str]()

    def submit(self, _: object, task: str) -> Future[bytes]:
        self.asked.append(task)
        found = Future[bytes]()
        if len(self.asked) > self.answers:
            found.set_exception(BrokenProcessPool())
        else:
            found.set_result(task.encode())
        return found


def test_what_a_dead_process_had_not_answered_goes_to_a_pool_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pools = [Pool(1), Pool(2)]
    waiting = iter(pools)
    monkeypatch.setattr(engines, "_pool", cache(lambda workers: next(waiting)))
    fleet = parse_yaml("fleet: {engine: processes, retries: 1}", PipelineFile, "pipeline.yaml").fleet
    assert engines.on_processes(["a", "b", "c"], fleet) == [b"a", b"b", b"c"]  # type: ignore[list-item]
    assert [pool.asked for pool in pools] == [["a", "b", "c"], ["b", "c"]]
