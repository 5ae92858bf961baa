from pathlib import Path

import duckdb
import pytest
from dagster_duckdb import DuckDBResource

from optimizer import DataError
from resources.dagster_resources import PublishedResource
from resources.store.warehouse import Warehouse


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> PublishedResource:
    home = tmp_path_factory.mktemp("home")
    Warehouse(home).publish()
    return PublishedResource.of_home(home)


def test_it_is_the_resource_that_dagsters_users_know(published: PublishedResource) -> None:
    assert isinstance(published, DuckDBResource)
    with published.get_connection() as con:
        assert con.execute("select count(*) from pricing_packs").fetchall() == [(0,)]


@pytest.mark.parametrize(
    "statement",
    ["create table mine (a integer)", "insert into prices (symbol) values ('A')", "copy pricing_packs to 'x.csv'",
     "select * from read_text('/etc/hostname')"],
)  # fmt: skip
def test_it_neither_writes_nor_reads_another_file(published: PublishedResource, statement: str) -> None:
    with (
        published.get_connection() as con,
        pytest.raises((duckdb.InvalidInputException, duckdb.PermissionException)),
    ):
        con.execute(statement)


def test_its_connection_is_closed_after_an_error(published: PublishedResource) -> None:
    with pytest.raises(KeyError), published.get_connection() as con:
        raise KeyError
    with pytest.raises(duckdb.ConnectionException):
        con.execute("select 1")


def test_a_home_without_a_copy_says_what_to_do(tmp_path: Path) -> None:
    with (
        pytest.raises(DataError, match="run `packfolio run` first"),
        PublishedResource.of_home(tmp_path).get_connection(),
    ):
        pass
