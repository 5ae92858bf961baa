"""Dagster shows a sentence beside every column, that of the table reference."""

from pathlib import Path

import pytest

from assets.shared.materialized import table_schema
from resources.store.descriptions import column_sentence, sentences
from resources.store.warehouse import Warehouse


def test_every_column_of_every_table_has_its_sentence(tmp_path: Path) -> None:
    store = Warehouse(tmp_path)
    store.publish()
    with store.read() as con:
        tables = [
            row[0]
            for row in con.execute("select table_name from duckdb_tables() where not internal").fetchall()
        ]
        shown = {table: table_schema(con, table).columns for table in tables}
    assert {"prices", "trades", "materializations"} <= set(shown)
    assert [
        f"{table}.{one.name}" for table, found in shown.items() for one in found if not one.description
    ] == []
    (rate,) = [one for one in shown["fx_rates"] if one.name == "rate"]
    assert rate.description == column_sentence("fx_rates", "rate") in sentences()["columns"].values()
    with pytest.raises(KeyError):
        column_sentence("prices", "no_such_column")
