"""The tables of a warehouse: made in an empty one, brought forward in an older one, refused in a newer one."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.resources import files

import duckdb

from optimizer import DataError
from resources.ledger.ledger import GENESIS, Connection, Stamp, append_entry, head, sha256
from resources.ledger.record_error import RecordError
from resources.ledger.tables import ASSET_OF, OF_PORTFOLIOS, OUTPUTS
from resources.store.code_version import code_version

HERE = files("resources.store")


def migrations() -> dict[int, str]:
    """Number -> SQL of each step `migrations/NNNN-*.sql`, which brings the schema before it to that version."""
    found = {int(item.name[:4]): item.read_text("utf-8") for item in (HERE / "migrations").iterdir()
             if item.name.endswith(".sql")}  # fmt: skip
    return dict(sorted(found.items()))


VERSION = max(migrations())
REMEDY = "`packfolio restore` the newest backup"


def schema_version(con: Connection) -> int:
    """The version of the schema that a database has: 0 is an empty file, 1 the first release's, which said none.

    Raises RecordError where what was planted answers in its place.
    """
    for sql in ("select schema_version()", "select 1 from materializations limit 0"):
        try:
            return int((con.execute(sql).fetchall() or [(1,)])[0][0])
        except duckdb.CatalogException:
            continue
        except (duckdb.ProgrammingError, TypeError, ValueError) as error:
            raise RecordError(f"the database gives no number of its schema ({error}): {REMEDY}") from None
    return 0


def refuse_newer(found: int, where: str) -> None:
    """Raises DataError for a schema of a release that came after this one."""
    if found > VERSION:
        raise DataError(
            f"{where} has schema {found}, a newer release wrote it: this one knows schemas up to {VERSION}; "
            f"use that one, or `packfolio restore` a backup from before the upgrade"
        )


Announce = Callable[[tuple[int, str], tuple[int, str], datetime], None]


def prepare_schema(con: Connection, where: str, announce: Announce | None = None) -> bool:
    """Make the schema in an empty database, or bring an older one forward, in one transaction with its ledger row.

    where     names the file in the error
    announce  is told the ledger's head before and after, and when, before the commit of a new ledger row
    Gives whether the ledger has a new row: who brought it forward, from where, and the ledger's head before.
    Raises DataError for a schema newer than this release, and RecordError for one that is not of the version it says.
    """
    found = schema_version(con)
    refuse_newer(found, where)
    if found == VERSION:
        return False
    before = head(con) if found else (0, GENESIS)
    con.execute("begin")
    steps = [sql for number, sql in migrations().items() if number > found] if found else []
    try:
        for sql in [*steps, *_derived_sql()] if found else release_sql():
            con.execute(sql)
    except duckdb.ProgrammingError as error:
        said = f"{where} says that its schema is {found}, and is not as that release made it"
        raise RecordError(f"{said} ({str(error).splitlines()[0]}): {REMEDY}") from error
    if found:
        at = datetime.now(UTC).replace(tzinfo=None)
        _record_upgrade(con, found, steps, at)
        if announce:
            announce(before, head(con), at)
    con.execute("commit")
    if found:
        con.execute("checkpoint")
    return found > 0


def _record_upgrade(con: Connection, found: int, steps: Sequence[str], at: datetime) -> None:
    stamp = Stamp("schema upgrade", at, code_version(), "none")
    inputs = {"from_schema": str(found), "to_schema": str(VERSION)}
    content = sha256("\n".join(steps))
    append_entry(con, stamp, head(con)[0] + 1, "schema", content, 0, cells={}, given={}, inputs=inputs)


def create_schema(con: Connection) -> None:
    """Tables, views and macros of this release in an empty database."""
    for sql in release_sql():
        con.execute(sql)


def release_sql() -> list[str]:
    """What makes an empty database one of this release."""
    return [(HERE / "schema.sql").read_text("utf-8"), *_derived_sql()]


def _derived_sql() -> list[str]:
    """Views and macros, over the tables as they now are."""
    macro = f"create or replace macro schema_version() as {VERSION}"
    return [(HERE / "views.sql").read_text("utf-8"), macro, *map(latest_view, OUTPUTS)]


def latest_view(table: str) -> str:
    """SQL of `latest_<table>`: the rows of the newest version of each (pack, portfolio).

    An inner join, where a semi join would do: a question for one pack then groups that pack's versions alone.
    """
    keys = "pack_id, portfolio_id" if table in OF_PORTFOLIOS else "pack_id"
    return (
        f"create or replace view latest_{table} as select t.* from {table} t join "
        f"(select {keys}, max(materialization) as materialization from versions "
        f"where asset = '{ASSET_OF.get(table, table)}' group by {keys}) m using ({keys}, materialization)"
    )
