"""Replay: what a pack's chain read, in a warehouse of its own; and what it wrote then against what it writes now."""

import json
from pathlib import Path, PurePosixPath

import duckdb

from optimizer import DataError
from resources.audit.pack_diff import COMPARED, changes
from resources.ledger.ledger import Connection, whole
from resources.ledger.tables import ASSET_OF, DATED, LOGS, OUTPUTS, UNITS
from resources.logs.appending import root_hash
from resources.packs.packs import Pack
from resources.settings.yaml_files import written_out
from resources.store.duckdb_engine import quoted
from resources.store.query_rows import Row, rows
from resources.store.schema import create_schema


def prepare_scratch(source: Path, pack: Pack, home: Path) -> None:
    """A warehouse in `home` with what the chain of `pack` could read, and nothing of what it wrote.

    source  a database file that nobody writes: the published copy
    """
    home.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(home / "warehouse.duckdb")) as con:
        create_schema(con)
        con.execute(f"attach '{quoted(source)}' as kept (read_only)")
        # A backtest may come weeks later, and reads no other pack: what was revised meanwhile was not there yet.
        last = con.execute(
            "select max(id) from kept.materializations where pack_id = ? and asset <> 'backtest_results'",
            [pack.id],
        ).fetchall()[0][0]
        for table in (*LOGS, "log_leaves", "ingests", "quarantine"):
            _copy(con, table, "ingest_seq <= ?", [pack.watermark])
        _copy(con, "configs", "true", [])
        _copy(
            con,
            "pricing_packs",
            "pack_id = ? or (as_of < ? and materialization <= ?)",
            [pack.id, pack.as_of, last],
        )
        for table in (*OUTPUTS, UNITS):
            _copy(con, table, "pack_id <> ? and materialization <= ?", [pack.id, last])
        _copy(
            con,
            "materializations",
            "id <= ? and (pack_id is distinct from ? or asset = 'pricing_packs')",
            [last, pack.id],
        )


def _copy(con: Connection, table: str, where: str, params: list[object]) -> None:
    stored = f"* exclude ({DATED[table]})" if table in DATED else "*"
    con.execute(f"insert into {table} by name select {stored} from kept.{table} where {where}", params)
    wanted, there = (
        con.execute(f"select count(*) from {name} where {where}", params).fetchall()[0][0]
        for name in (f"kept.{table}", table)
    )
    whole(table, wanted, there)


def recorded_configuration(con: Connection, pack: Pack, folder: Path, *, backtests: bool = False) -> str:
    """Write the configuration of the newest ledger row of a pack's chain to `folder`; gives its hash.

    backtests  that of its newest backtest instead, which may have come weeks later
    Raises DataError for a pack from which nothing was computed.
    """
    found = con.execute(
        "select m.config_hash, c.text from materializations m join configs c using (config_hash) "
        "where m.pack_id = ? and m.asset <> 'pricing_packs' and (m.asset = 'backtest_results') = ? "
        "order by m.id desc limit 1",
        [pack.id, backtests],
    ).fetchall()
    if not found:
        raise DataError(f"nothing was computed from {pack.id} ({pack.verdict}): there is nothing to replay")
    digest, text = found[0]
    for name, content in json.loads(text).items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise DataError(f"the recorded configuration names a file outside its folder: {name}")
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(written_out(content), encoding="utf-8")
    return str(digest)


def was_backtested(con: Connection, pack: Pack) -> bool:
    """Whether the pack has backtests to replay."""
    found = con.execute(
        "select 1 from materializations where pack_id = ? and asset = 'backtest_results' limit 1", [pack.id]
    ).fetchall()
    return bool(found)


def compare(then: Connection, now: Connection, pack: Pack) -> Row:
    """Each (asset, portfolio) as recorded and as replayed: the same content hash, or the cells that differ."""
    old, new = (_contents(con, pack) for con in (then, now))
    # Backtests may have been asked for one portfolio alone, and are not replayed by another configuration.
    backtested = any(asset == "backtest_results" for asset, _ in new)
    units = sorted(
        unit
        for unit in old.keys() | new.keys()
        if unit[0] != "backtest_results" or (backtested and unit in old)
    )
    differing = [unit for unit in units if old.get(unit) != new.get(unit)]
    assets = {asset for asset, _ in differing}
    compared = [
        changes(table, *(_newest(con, table, pack) for con in (then, now)))
        for table in COMPARED
        if ASSET_OF.get(table, table) in assets
    ]
    differences = [table for table in compared if table["columns"]]
    told = {ASSET_OF.get(table["table"], table["table"]) for table in differences}
    content, _ = root_hash(now, list(LOGS), pack.as_of, pack.watermark)
    return {
        "pack_id": pack.id,
        "identical": not differing and content == pack.content_hash,
        "pack_content_identical": content == pack.content_hash,
        "units": len(units),
        "identical_units": len(units) - len(differing),
        "differing": [{"asset": asset, "portfolio_id": portfolio or None} for asset, portfolio in differing],
        "differences": differences,
        "uncompared": sorted(assets - told),
        "environments": environments(then, now, pack),
    }


def _contents(con: Connection, pack: Pack) -> dict[tuple[str, str], str]:
    found = con.execute(
        "select asset, coalesce(portfolio_id, ''), arg_max(content_hash, materialization) from versions "
        "where pack_id = ? and asset <> 'pricing_packs' group by all",
        [pack.id],
    ).fetchall()
    return {(str(asset), str(portfolio)): str(digest) for asset, portfolio, digest in found}


def _newest(con: Connection, table: str, pack: Pack) -> list[Row]:
    return rows(con, f"select * from latest_{table} where pack_id = ? order by all", [pack.id])


def environments(then: Connection, now: Connection, pack: Pack) -> Row:
    """The code then and now, and the libraries whose versions changed in between: name -> [then, now]."""
    (code, old), (today, new) = (_environment(con, pack) for con in (then, now))
    names = sorted(old.keys() | new.keys())
    changed = {name: [old.get(name), new.get(name)] for name in names if old.get(name) != new.get(name)}
    return {"code_then": code, "code_now": today, "libraries_changed": changed}


def _environment(con: Connection, pack: Pack) -> tuple[str, dict[str, str]]:
    found = con.execute(
        "select m.code_version, c.text from materializations m left join configs c on c.config_hash = m.code_version "
        "where m.pack_id = ? and m.asset <> 'pricing_packs' order by m.id desc limit 1",
        [pack.id],
    ).fetchall()
    if not found:
        return "unknown", {}
    code, text = found[0]
    return str(code), json.loads(text)["libraries"] if text else {}
