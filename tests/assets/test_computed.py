"""What is on record stands while all it was computed from is the same; one account that changed is computed alone."""

import json
import shutil
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from fleet_desk import MODELS, STAMP, FleetDesk, make_fleet_desk

import assets.shared.computed as computed_module
from assets.optimal_weights import INPUTS
from assets.shared.computed import Written, computed
from assets.shared.portfolio_rows import record_each
from optimizer import DataError
from resources.audit.backup import backup, restore
from resources.audit.verification import verify
from resources.books.snapshots import kept_snapshots, read_snapshots
from resources.dagster_resources import Stage
from resources.ledger.anchors import read_anchors
from resources.results.stage_inputs import Inputs
from resources.store.warehouse import Warehouse

STAGE = "optimal_weights"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> FleetDesk:
    """Two accounts of each model, whose weights are on record."""
    made = make_fleet_desk(tmp_path_factory.mktemp("standing"), 2)
    kept = json.dumps({"portfolios/a.yaml": "before", "funds.yaml": "before"})
    made = replace(made, desk=replace(made.desk, text=kept, digest="first"))
    first = run(made)
    assert len(first.answers.stated) == len(first.entries) == 2 * len(MODELS)
    assert all(entry.changed for entry in first.entries)
    return made


def run(made: FleetDesk, code: str = STAMP.code_version) -> Written:
    stamp = replace(STAMP, code_version=code, config_hash=made.desk.digest)
    return computed(Stage(made.warehouse, made.desk, stamp), STAGE, made.pack.id, INPUTS)


def told(made: FleetDesk, name: str, text: str) -> FleetDesk:
    """The desk after an edit of one file."""
    texts = json.loads(made.desk.text) | {name: text}
    return replace(made, desk=replace(made.desk, text=json.dumps(texts), digest=f"{name} {text}"))


def test_nothing_is_computed_again_where_nothing_changed(desk: FleetDesk) -> None:
    again = run(desk)
    assert again.answers.stated == {}
    assert len(again.entries) == 2 * len(MODELS)
    assert not any(entry.changed for entry in again.entries)


def test_an_edit_of_portfolios_counts_by_their_snapshots_any_other_by_itself(desk: FleetDesk) -> None:
    assert run(told(desk, "portfolios/a.yaml", "after")).answers.stated == {}
    assert len(run(told(desk, "funds.yaml", "after")).answers.stated) == 2 * len(MODELS)
    assert len(run(desk, code="other").answers.stated) == 2 * len(MODELS)


def test_one_account_that_changed_is_computed_alone(desk: FleetDesk) -> None:
    with desk.warehouse.live() as con:
        found = next(one for one in read_snapshots(con, desk.pack) if one.portfolio_id == "views-0001")
    held = {symbol: quantity + 1 for symbol, quantity in found.holdings.quantities.items()}
    moved = replace(found, holdings=replace(found.holdings, quantities=held))
    seen = Inputs((), {"pricing_pack": desk.pack.content_hash}, {})
    with desk.warehouse.write(STAMP) as tx:
        record_each(tx, "portfolio_snapshots", desk.pack, {moved: moved.frames()}, seen)
    again = run(desk)
    assert list(again.answers.stated) == ["views-0001"]
    assert sum(entry.changed for entry in again.entries) == 1


def test_a_version_without_rows_stands_and_tells_why(desk: FleetDesk) -> None:
    stage = Stage(desk.warehouse, desk.desk, replace(STAMP, config_hash=desk.desk.digest))
    first, again = (computed(stage, "hedges", desk.pack.id, ["portfolio_snapshots"]) for _ in range(2))
    assert {"unpriced-0000", "unpriced-0001"} <= set(first.answers.told)
    assert again.answers.stated == {}
    assert again.lines() == first.lines()
    assert any(line.startswith("unpriced0000: ") for line in again.lines())
    with desk.warehouse.live() as con:
        ((told,),) = con.execute(
            "select told from versions where asset = 'hedges' and portfolio_id = 'unpriced-0000'"
        ).fetchall()
        assert json.loads(told) == list(first.told["unpriced-0000"])
        assert verify(con, read_anchors(desk.warehouse.anchor)).faults == []


def test_snapshots_are_read_once_while_they_are_the_same(desk: FleetDesk) -> None:
    with desk.warehouse.live() as con:
        kept = kept_snapshots(con, desk.pack)
        assert kept_snapshots(con, desk.pack) is kept
        found = next(one for one in kept if one.portfolio_id == "views-0000")
    moved = replace(found, holdings=replace(found.holdings, cash=found.holdings.cash + 1))
    seen = Inputs((), {"pricing_pack": desk.pack.content_hash}, {})
    with desk.warehouse.write(STAMP) as tx:
        record_each(tx, "portfolio_snapshots", desk.pack, {moved: moved.frames()}, seen)
        again = kept_snapshots(tx.con, desk.pack)
    assert next(one for one in again if one.portfolio_id == "views-0000").holdings == moved.holdings


def test_a_stage_that_is_not_due_writes_nothing(desk: FleetDesk, tmp_path: Path) -> None:
    stage = Stage(desk.warehouse, desk.desk, replace(STAMP, config_hash=desk.desk.digest))
    assert computed(stage, "impact", desk.pack.id, INPUTS, due=False).entries == []


def test_what_was_computed_before_a_restore_is_not_written_after_it(
    desk: FleetDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights were recorded from holdings that the backup never knew, and verification found all as recorded."""
    home = shutil.copytree(desk.warehouse.home, tmp_path / "home")
    made, at = replace(desk, warehouse=Warehouse(home)), STAMP.at.replace(tzinfo=UTC)
    backup(made.warehouse, tmp_path / "kept", at)
    compute = computed_module.compute
    with made.warehouse.write(STAMP) as tx:
        found = next(one for one in read_snapshots(tx.con, made.pack) if one.portfolio_id == "views-0001")
        held = {symbol: quantity + 5 for symbol, quantity in found.holdings.quantities.items()}
        moved = replace(found, holdings=replace(found.holdings, quantities=held))
        seen = Inputs((), {"pricing_pack": made.pack.content_hash}, {})
        record_each(tx, "portfolio_snapshots", made.pack, {moved: moved.frames()}, seen)

    def meanwhile(*asked: Any) -> Any:
        restore(made.warehouse, tmp_path / "kept", at, reason="back to the morning")
        return compute(*asked)

    with monkeypatch.context() as patch, pytest.raises(DataError, match="was restored while this stage"):
        patch.setattr(computed_module, "compute", meanwhile)
        run(made)
    with made.warehouse.live() as con:
        newest = con.execute("select asset from materializations order by id desc limit 1").fetchall()
    assert newest == [("accepted_break",)]
    assert "views-0001" not in run(made).answers.stated  # its weights of the morning stand
