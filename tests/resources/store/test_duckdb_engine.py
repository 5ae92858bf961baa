"""The process's DuckDB: what it may touch, and that a file is free again when the block ends."""

import os
import shutil
from contextlib import nullcontext
from pathlib import Path

import duckdb
import pytest

import resources.store.duckdb_engine as duckdb_engine
from optimizer import PolicyError
from resources.ledger.record_error import RecordError
from resources.store.duckdb_engine import attached, connected, refuse_cut


def test_a_connection_touches_the_files_of_its_folder_and_no_others(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    other = tmp_path / "other.csv"
    other.write_text("a\n1\n")
    with attached(home / "warehouse.duckdb") as con:
        for sql in (
            f"select * from '{other}'",
            f"copy (select 1) to '{tmp_path / 'stolen.csv'}'",
            f"attach '{tmp_path / 'other.duckdb'}' as other",
            "set enable_external_access = true",
            "set allowed_directories = ['/']",
        ):
            with pytest.raises(duckdb.Error):
                con.execute(sql)
    assert [path.name for path in tmp_path.iterdir()] in (["home", "other.csv"], ["other.csv", "home"])


@pytest.mark.parametrize("name", ["what?", os.fsdecode(b"f\xfcr mich")])
def test_a_path_that_duckdb_would_take_for_another_is_refused_in_a_sentence(
    tmp_path: Path, name: str
) -> None:
    """After a ? it sought its log in another folder; bytes that are no UTF-8 ended in a std::bad_cast."""
    home = tmp_path / name
    home.mkdir()
    for opened in (attached, lambda path: nullcontext(connected(path))):
        with (
            pytest.raises(PolicyError, match=r"DuckDB cannot use .*set PACKFOLIO_HOME"),
            opened(home / "a.duckdb"),
        ):
            pass
    assert [*home.iterdir()] == []


@pytest.mark.parametrize("name", ["plain", "it's a desk", "ü 100%20 #{a}"])
def test_a_block_that_raises_rolls_back_and_frees_the_file(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    home.mkdir()
    path = home / "warehouse.duckdb"
    with attached(path) as con:
        con.execute("create table t as select 1 as i")
    with pytest.raises(RuntimeError), attached(path) as con:
        con.execute("begin")
        con.execute("insert into t values (2)")
        raise RuntimeError
    with duckdb.connect(str(path)) as con:
        assert con.execute("select i from t").fetchall() == [(1,)]
        with pytest.raises(duckdb.Error, match=r"lock|attach"), attached(path):
            pass
    with attached(path) as con:
        assert con.execute("select i from t").fetchall() == [(1,)]


@pytest.mark.parametrize(
    "row", ["range, md5(range::text)", "1, [range, 0.5]", "1, repeat(md5(range::text), 10)"]
)
def test_a_file_is_cut_where_a_block_of_rows_is_missing_and_not_where_a_free_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: str
) -> None:
    path = tmp_path / "warehouse.duckdb"
    for made in ("kept", 'it\'s "odd"', "dropped"):
        with attached(path) as con:
            name = made.replace('"', '""')
            con.execute(f'create table "{name}" as select {row} from range(15000)')
            con.execute("checkpoint")
            con.execute("drop table if exists dropped")
    with attached(path) as con:
        blocks = con.execute("select max(block_size * total_blocks) from pragma_database_size()").fetchall()
        refuse_cut(con, path, path)
    whole = path.stat().st_size
    assert whole < blocks[0][0]  # DuckDB took off what was dropped
    copy = tmp_path / "copy.duckdb"
    shutil.copyfile(path, copy)
    with monkeypatch.context() as patch, attached(copy) as con:
        patch.setattr(duckdb_engine, "_last_block", None)
        refuse_cut(con, copy, path)  # what was asked of the one is known of the other
        copy.with_name(f"{copy.name}.wal").touch()
        with pytest.raises(TypeError):  # unfinished writes may lie further on
            refuse_cut(con, copy, path)
    os.truncate(path, whole - 1)
    with (
        pytest.raises(RecordError, match=f"{whole - 1} bytes, its tables need {whole}:.*restore"),
        attached(path) as con,
    ):
        refuse_cut(con, path, path)
