"""Everything that a database holds besides rows, against what this release makes: a trigger changes results.

`python -m resources.store.catalog` writes `catalog.json` anew, after each change of the schema; a test compares it.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb

from resources.ledger.ledger import Connection, sha256
from resources.store.duckdb_engine import connected
from resources.store.schema import HERE, create_schema, release_sql

SHIPPED = "catalog.json"


@dataclass(frozen=True)
class Kind:
    """One kind of object: the columns of `duckdb_<kind>s()` that name it, and those that say what it is."""

    kind: str
    named: tuple[str, ...]
    says: tuple[str, ...]
    internal: bool = True

    @property
    def sql(self) -> str:
        """Qualified and without functions, because a planted macro could stand in for any of them."""
        marked = " and not internal" if self.internal else ""
        function = f"duckdb_{PLURAL.get(self.kind, f'{self.kind}s')}"
        return (
            f"select {', '.join((*self.named, *self.says))} from system.main.{function}() "
            f"where database_name = system.main.current_database(){marked}"
        )


PLURAL = {"index": "indexes"}
SAID = ("comment", "tags")
KINDS = (
    Kind("database", (), ("comment",)),
    Kind("schema", ("schema_name",), ("sql", *SAID), internal=False),
    Kind("table", ("schema_name", "table_name"), ("sql", "temporary", *SAID)),  # collations are in its SQL alone
    Kind(
        "column", ("schema_name", "table_name", "column_name"),
        ("data_type", "is_nullable", "column_default", "generation_expression", *SAID),
    ),
    Kind("constraint", ("schema_name", "table_name", "constraint_text"), ("constraint_name",), internal=False),
    Kind("view", ("schema_name", "view_name"), ("sql", *SAID)),
    Kind(
        "function", ("schema_name", "function_name"),
        ("function_type", "macro_definition", "parameters", "parameter_types", "varargs", *SAID),
    ),
    Kind("trigger", ("schema_name", "table_name", "trigger_name"), ("sql", *SAID), internal=False),
    Kind("index", ("schema_name", "table_name", "index_name"), ("sql", *SAID), internal=False),
    Kind("sequence", ("schema_name", "sequence_name"), ("sql", "last_value", *SAID), internal=False),
    Kind("type", ("schema_name", "type_name"), ("logical_type", "labels", *SAID)),
)  # fmt: skip

Catalog = Mapping[tuple[str, str], int]


def read_catalog(con: Connection) -> Catalog:
    """(object, what it is) -> how often it stands there: two constraints, or two macros, may have one name."""
    found: Counter[tuple[str, str]] = Counter()
    for kind in KINDS:
        for row in con.execute(kind.sql).fetchall():
            parts = [str(part) for part in row[: len(kind.named)]]
            if kind.named and parts[0] == "main" and len(parts) > 1:
                del parts[0]
            label = {"function": "macro", "constraint": "constraint of"}.get(kind.kind, kind.kind)
            found[" ".join((label, ".".join(parts))).strip(), repr(row[len(kind.named) :])] += 1
    return found


@cache
def released_catalog() -> Catalog:
    """What this release makes in an empty database."""
    with connected() as fresh:
        create_schema(fresh)
        return read_catalog(fresh)


def _digest(catalog: Catalog) -> str:
    return sha256(repr(sorted(catalog.items())))


def _made_from() -> str:
    """What a catalogue follows from: the SQL of the release, and the DuckDB that words it anew."""
    return sha256("\n".join((duckdb.__version__, *release_sql())))


def shipped() -> dict[str, str]:
    """What `catalog.json` must say: of which SQL and DuckDB, and the digest of the catalogue that they make."""
    return {"made_from": _made_from(), "catalog": _digest(released_catalog())}


def unlike_release(con: Connection) -> dict[str, tuple[bool, bool]]:
    """Name -> (whether the database has it, whether the release has it), of every object that differs.

    To make the release's own takes as long as to load pandas; where the digest of it is shipped, that is asked first.
    """
    found = read_catalog(con)
    known = json.loads((HERE / SHIPPED).read_text("utf-8"))
    if known == {"made_from": _made_from(), "catalog": _digest(found)}:
        return {}
    expected = released_catalog()
    unlike = (key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))
    here, released = {name for name, _ in found}, {name for name, _ in expected}
    return {name: (name in here, name in released) for name in sorted({name for name, _ in unlike})}


if __name__ == "__main__":
    (Path(__file__).parent / SHIPPED).write_text(json.dumps(shipped(), indent=2) + "\n", "utf-8")
