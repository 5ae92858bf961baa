"""What a replay takes from the record."""

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import duckdb
import pytest

from optimizer import DataError
from resources.audit.replay import recorded_configuration

PACK = cast("Any", SimpleNamespace(id="PP_2024-01-02", verdict="fresh", as_of=date(2024, 1, 2)))


def test_the_chain_and_the_backtest_have_each_their_own_configuration(tmp_path: Path) -> None:
    """A backtest of weeks later, under another configuration, made hedges differ that nobody had changed."""
    with duckdb.connect() as con:
        con.execute("create table materializations (id int, pack_id text, asset text, config_hash text)")
        con.execute("create table configs (config_hash text, text text)")
        con.execute(
            """insert into configs values ('old', '{"a.yaml": "a: 1"}'), ('new', '{"a.yaml": "a: 2"}')"""
        )
        con.execute("insert into materializations values (1, 'PP_2024-01-02', 'pricing_packs', 'new')")
        with pytest.raises(DataError, match="nothing was computed from PP_2024-01-02"):
            recorded_configuration(con, PACK, tmp_path)
        con.execute(
            "insert into materializations values (2, 'PP_2024-01-02', 'hedges', 'old'), "
            "(3, 'PP_2024-01-02', 'backtest_results', 'new')"
        )
        assert recorded_configuration(con, PACK, tmp_path / "chain") == "old"
        assert recorded_configuration(con, PACK, tmp_path / "tested", backtests=True) == "new"
    assert [(tmp_path / one / "a.yaml").read_text() for one in ("chain", "tested")] == ["a: 1", "a: 2"]
