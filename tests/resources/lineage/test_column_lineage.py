"""Column lineage names columns that exist, and assets that exist."""

import duckdb

from pipeline.definitions import defs
from resources.ledger.ledger import columns
from resources.ledger.tables import OUTPUTS
from resources.lineage.column_lineage import COLUMNS, asset_of
from resources.store.schema import create_schema


def test_every_named_column_exists_and_every_output_has_sources() -> None:
    with duckdb.connect() as con:
        create_schema(con)
        known = {table: dict(columns(con, table)) for (table,) in con.execute("show tables").fetchall()}
    named = {f"{table}.{column}" for table, made in COLUMNS.items() for column in made}
    named |= {source for made in COLUMNS.values() for sources in made.values() for source in sources}
    assert [name for name in sorted(named) if name.split(".")[1] not in known[name.split(".")[0]]] == []
    computed_by_none = {"portfolio_snapshots", "holdings", "tax_lots"}  # they repeat the desk's files
    assert set(OUTPUTS) - set(COLUMNS) == computed_by_none


def test_every_table_leads_to_an_asset() -> None:
    assets = {key.path[-1] for key in defs.resolve_asset_graph().get_all_asset_keys()}
    named = {
        source.split(".")[0] for made in COLUMNS.values() for sources in made.values() for source in sources
    }
    assert {asset_of(table) for table in named | set(COLUMNS)} <= assets
