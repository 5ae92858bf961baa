"""The schema: made, brought forward from each release, and never opened by a release that does not know it."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import bench
import duckdb
import pytest
from bench import DAYS, SYMBOLS, cut

import resources.store.schema as schema
from optimizer import DataError
from resources.audit.verification import verify
from resources.ledger.anchors import read_anchors
from resources.ledger.record_error import RecordError
from resources.packs.packs import find_pack
from resources.store import catalog
from resources.store.catalog import read_catalog
from resources.store.code_version import code_version
from resources.store.schema import VERSION, create_schema, migrations, schema_version
from resources.store.warehouse import Warehouse

RELEASED = Path(__file__).parents[2] / "released"


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home as the first release left it: its tables, its rows, its published copy."""
    home = tmp_path_factory.mktemp("released")
    shutil.copy(RELEASED / "anchors_1.jsonl", home / "anchors.jsonl")
    with duckdb.connect(str(home / "warehouse.duckdb")) as con:
        for name in ("schema_1.sql", "rows_1.sql"):
            con.execute((RELEASED / name).read_text("utf-8"))
        for table in ("trades", "optimal_weights"):
            con.execute(
                f"create view latest_{table} as select t.* from {table} t semi join (select max(id) as id "
                f"from materializations where asset = '{table}' group by pack_id, portfolio_id) m "
                f"on t.materialization = m.id"
            )
    shutil.copy(home / "warehouse.duckdb", home / "published.duckdb")
    return home


@pytest.fixture
def first_release(released: Path, tmp_path: Path) -> Warehouse:
    shutil.copytree(released, tmp_path, dirs_exist_ok=True)
    return Warehouse(tmp_path)


def test_a_home_of_the_first_release_is_brought_forward_and_verifies(first_release: Warehouse) -> None:
    with duckdb.connect(str(first_release.path)) as con:
        assert schema_version(con) == 1
    with first_release.live() as con:
        assert schema_version(con) == VERSION
        report = verify(con, read_anchors(first_release.anchor))
        assert report.faults == []
        assert con.execute("select count(*) from latest_trades").fetchall() == [(3,)]
        assert len(con.execute("select * from pack_prices('PP_2024-01-05')").fetchall()) == len(DAYS) * len(
            SYMBOLS
        )


def test_an_upgrade_is_a_row_of_the_ledger_chained_to_what_was_there_and_anchored(
    first_release: Warehouse,
) -> None:
    last = read_anchors(first_release.anchor).lines[-1]
    for _ in range(2):
        with first_release.live() as con:
            row = con.execute(
                "select id, run_id, code_version, input_hashes, previous_hash, this_hash from materializations "
                "where asset = 'schema'"
            ).fetchall()
    ((number, run, code, inputs, before, after),) = row
    assert (run, code) == ("schema upgrade", code_version())
    assert json.loads(inputs) == {"from_schema": "1", "to_schema": str(VERSION)}
    assert (number - 1, before) == (last.count, last.head)
    anchored = read_anchors(first_release.anchor).lines[-1]
    assert (anchored.count, anchored.head) == (number, after)


def test_readers_of_a_copy_of_the_first_release_get_a_new_one(first_release: Warehouse) -> None:
    with first_release.read() as con:
        assert schema_version(con) == VERSION
        assert verify(con, first_release.anchor).faults == []


def test_what_is_written_after_the_upgrade_stands_beside_what_was_there(
    first_release: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    monkeypatch.setattr(bench, "STAMP", replace(bench.STAMP, at=now))
    pack = cut(first_release, DAYS[-1], revise="after the upgrade")
    with first_release.live() as con:
        assert find_pack(con, pack.id).revision == 2
        qualities = con.execute("select quality is null from pricing_packs order by revision").fetchall()
        assert qualities == [(True,), (False,)]
        assert verify(con, first_release.anchor).faults == []


def test_the_steps_lead_to_what_a_new_home_has() -> None:
    with duckdb.connect() as old, duckdb.connect() as new:
        old.execute((RELEASED / "schema_1.sql").read_text("utf-8"))
        schema.prepare_schema(old, "old")
        create_schema(new)
        assert read_catalog(old) == read_catalog(new)
    assert list(migrations()) == list(range(2, VERSION + 1))


def test_the_shipped_digest_is_that_of_the_release() -> None:
    said = json.loads((schema.HERE / catalog.SHIPPED).read_text("utf-8"))
    assert said == catalog.shipped(), "run `python -m resources.store.catalog`"


def test_a_step_that_fails_leaves_the_old_home(
    first_release: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = {2: migrations()[2], 3: "alter table nowhere add column x double;"}
    monkeypatch.setattr(schema, "migrations", lambda: broken)
    with pytest.raises(RecordError, match=r"its schema is 1, .*nowhere.*restore"), first_release.live():
        pass
    with duckdb.connect(str(first_release.path)) as con:
        assert schema_version(con) == 1
        assert con.execute("select 1 from duckdb_columns() where column_name = 'quality'").fetchall() == []


def test_a_newer_schema_is_refused_by_name(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path)
    warehouse.publish()
    for path in (warehouse.path, warehouse.published):
        with duckdb.connect(str(path)) as con:
            con.execute(f"create or replace macro schema_version() as {VERSION + 1}")
    with (
        pytest.raises(DataError, match=f"schema {VERSION + 1}.*newer release.*knows schemas up to {VERSION}"),
        warehouse.live(),
    ):
        pass
    with pytest.raises(DataError, match="newer release"), warehouse.read():
        pass
