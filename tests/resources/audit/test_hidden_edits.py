"""Edits that hide: objects that are no rows, values that compare as equal, rows changed before they were hashed."""

from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from bench import BOOK, DAYS, STAMP, check, new_warehouse, single, tampered

from optimizer import DataError
from resources.audit.faults import CHANGED, MISSING
from resources.audit.verification import verify, verify_home
from resources.store.catalog import unlike_release

PLANTED = {
    "trigger": "create trigger planted after insert on trades for each statement delete from impact",
    "macro": "create macro planted(x) as x + 1",
    "a macro in the place of a function": "create macro sha256(x) as 'ab'",
    "a macro that gives no hash in the place of a function": "create macro sha256(x) as 'none'",
    "a macro that gives another type in the place of a function": "create macro unhex(x) as 1",
    "no table in the place of one": "drop table impact",
    "another column in the place of one": "alter table log_leaves rename hash to sum",
    "a macro in the place of the catalogue": "create macro duckdb_triggers() as table select 1 as trigger_name",
    "a macro of a changed default": "create or replace macro pack_prices(pack) as table select 1 as close",
    "view": "create view planted as select 1 as one",
    "view changed": "create or replace view latest_hedges as select * from hedges where false",
    "table": "create table planted (a int)",
    "schema": "create schema planted",
    "table of another schema": "create schema s; create table s.trades (a int)",
    "default": "alter table tax_lots alter quantity set default 3",
    "constraint gone": "alter table check_findings alter severity drop not null",
    "type of a column": "alter table tax_lots alter held_since type timestamp",
    "column": "alter table decisions add column planted int",
    "collation of a column": "alter table prices alter symbol type varchar collate nocase",
    "order of the columns": "alter table trades drop fx_rate; alter table trades add fx_rate double",
    "a table in the place of a view": "drop view latest_hedges; create table latest_hedges as from hedges",
    "a view in the place of a function": "create view pragma_table_info as select 'x' as name",
    "a name that only ends in blank": 'create table "trades " (a int)',
    "primary key": "alter table hedges add primary key (pack_id, materialization)",
    "check and foreign key": "create table planted (a int unique check (a > 0), b int references planted (a))",
    "comment on a macro": "comment on macro table pack_prices is 'planted'",
    "chance in a default": "alter table tax_lots alter quantity set default random()",
    "trigger on a deletion": "create trigger t after delete on prices for each statement delete from trades",
    "index": "create index planted on fx_rates (base)",
    "unique index": "create unique index planted on pricing_packs (pack_id)",
    "sequence": "create sequence planted",
    "type": "create type planted as enum ('a')",
    "comment on a table": "comment on table trades is 'planted'",
    "comment on a column": "comment on column trades.price is 'planted'",
    "comment on a view": "comment on view latest_trades is 'planted'",
}
# Macros that verification might call.
LOOKED_AT_WHOLE = (
    "trigger",
    *(kind for kind in PLANTED if "macro" in kind or "in the place" in kind),
)


@pytest.mark.parametrize("kind", LOOKED_AT_WHOLE)
def test_what_verification_itself_might_call_is_named(small: Path, tmp_path: Path, kind: str) -> None:
    with tampered(small, tmp_path) as con:
        con.execute(PLANTED[kind])
        assert unlike_release(con)
        faults = [fault for fault in check(con, tmp_path).faults if fault.table == "schema"]
        assert faults and all("is not that of this release" in fault.message for fault in faults)


def test_where_no_pack_can_be_looked_for_that_is_the_fault(small: Path, tmp_path: Path) -> None:
    with tampered(small, tmp_path) as con:
        con.execute("drop table pricing_packs")
        found = check(con, tmp_path, "PP_2030-01-01").faults
        assert any("table pricing_packs is not that of this release" in str(fault) for fault in found)


def test_whatever_a_database_can_hold_besides_rows_is_named(small: Path, tmp_path: Path) -> None:
    with tampered(small, tmp_path) as con:
        assert not unlike_release(con)
        for kind in (kind for kind in PLANTED if kind not in LOOKED_AT_WHOLE):
            con.execute("begin")
            con.execute(PLANTED[kind])
            assert unlike_release(con), kind
            con.execute("rollback")
        assert not unlike_release(con)


def test_where_the_digest_of_another_duckdb_is_shipped_the_catalogues_are_compared(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb, "__version__", "another")
    with tampered(small, tmp_path) as con:
        assert not unlike_release(con)
        con.execute("create sequence planted")
        assert unlike_release(con) == {"sequence planted": (True, False)}


@pytest.mark.parametrize(
    "edits",
    [
        {
            "update prices set withdrawn = false where symbol = 'AAA' and date = '2024-01-02'": DAYS[0],
            "update prices set vendor_adj_close = 'inf' where symbol = 'BBB' and date = '2024-01-04'": DAYS[
                2
            ],
            "update ratings set rating = '-0.0'::double where symbol = 'AAA'": "AAA",
            'update covariances set "values" = list_reverse("values") where symbol = \'AAA\'': "AAA",
            'update covariances set "values" = list_transform("values", lambda x: -x) where symbol = \'BBB\'': "BBB",
            "update covariances set \"values\" = null where symbol = 'CCC'": "CCC",
        },
        {'update covariances set "values" = list_append("values", null) where symbol = \'AAA\'': "AAA"},
    ],
)
def test_values_that_compare_as_equal_or_hide_a_row_are_told_apart(
    original: Path, tmp_path: Path, edits: dict[str, date | str]
) -> None:
    with tampered(original, tmp_path) as con:
        for statement in edits:
            assert con.execute(statement).fetchall() == [(1,)]
        named = {
            (fault.table, mark)
            for fault in check(con, tmp_path).faults
            for mark in (fault.date, fault.symbol)
        }
        assert {(statement.split()[1], mark) for statement, mark in edits.items()} <= named


def test_a_dividend_of_nothing_has_a_sign(small: Path, tmp_path: Path) -> None:
    """An update to a value that compares as equal writes nothing: the row has to be put in another's place."""
    with tampered(small, tmp_path) as con:
        row = "from prices where symbol = 'AAA' and date = '2024-01-02'"
        con.execute(f"create temp table one as select * replace ('-0.0'::double as dividend) {row}")
        con.execute(f"delete {row}")
        con.execute("insert into prices from one")
        fault = single(con, tmp_path)
        assert (fault.what, fault.symbol, fault.date) == (CHANGED, "AAA", DAYS[0])


@pytest.mark.parametrize("end", ["infinity", "-infinity"])
def test_a_date_without_end_is_named(small: Path, tmp_path: Path, end: str) -> None:
    with tampered(small, tmp_path) as con:
        con.execute(f"update prices set date = '{end}' where symbol = 'AAA' and date = '2024-01-02'")
        assert "prices" in {fault.table for fault in check(con, tmp_path).faults}


def test_a_zero_in_a_list_has_a_sign(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path)
    rows = pd.DataFrame([{"recipe": "r", "symbol": "AAA", "values": [0.0, 1.0]}])
    with warehouse.write(STAMP) as tx:
        tx.record("covariances", {"covariances": rows}, pack_id="PP_2024-01-05")
    with duckdb.connect(str(warehouse.path)) as con:
        con.execute("update covariances set \"values\" = ['-0.0'::double, 1.0]")
        assert [fault.table for fault in verify(con, warehouse.anchor).faults] == ["covariances"]


def test_rows_that_were_changed_before_they_were_hashed_are_not_their_content(tmp_path: Path) -> None:
    """What a trigger does: the cells are those that were written, and not those that were computed."""
    warehouse = new_warehouse(tmp_path)
    frames = {
        "covariances": pd.DataFrame({"recipe": ["r", "r"], "symbol": ["AAA", "BBB"]}),
        "return_estimates": pd.DataFrame({"recipe": ["r"], "symbol": ["AAA"]}),
    }
    with warehouse.write(STAMP) as tx:
        tx.con.execute(
            "create trigger planted after insert on return_estimates for each statement "
            "update covariances set recipe = 's'"
        )
        tx.record("covariances", frames, pack_id="p")
        tx.con.execute("drop trigger planted on return_estimates")
    (fault,) = verify_home(warehouse).faults
    assert (fault.table, fault.ledger_row) == ("covariances", 1)
    assert "not the content that ledger row 1 states" in fault.message


def test_rows_of_portfolios_that_change_on_their_way_are_not_written(tmp_path: Path) -> None:
    """One reading hashes content and cells before the rows are moved: what lies there then is held against it."""
    warehouse = new_warehouse(tmp_path)
    frames = {
        # two rows alike, whose hashes would cancel each other in an exclusive or
        "optimal_weights": pd.DataFrame({"symbol": ["AAA", "AAA"], "weight": [0.25, 0.25]}),
        "optimization_results": pd.DataFrame({"method": ["m"], "status": ["ok"]}),
    }
    with pytest.raises(DataError, match="optimal_weights has other rows"), warehouse.write(STAMP) as tx:
        tx.con.execute(
            "create trigger planted after insert on optimization_results for each statement "
            "update optimal_weights set weight = 0.5"
        )
        tx.record("optimal_weights", frames, pack_id="p", portfolio_id=BOOK)
    with duckdb.connect(str(warehouse.path)) as con:
        assert con.execute("select count(*) from optimal_weights").fetchall() == [(0,)]


@pytest.mark.parametrize(
    "tables", [("prices", "log_leaves"), ("optimal_weights",), ("materialization_units",)]
)
def test_a_table_without_any_row_left_is_named(small: Path, tmp_path: Path, tables: tuple[str, ...]) -> None:
    with tampered(small, tmp_path) as con:
        for table in tables:
            con.execute(f"delete from {table}")
        assert tables[0] in {fault.table for fault in check(con, tmp_path).faults if fault.what == MISSING}
