"""Everything that a database holds besides rows, against what this release makes: a trigger changes results."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from resources.ledger.ledger import Connection
from resources.store.duckdb_engine import connected
from resources.store.schema import create_schema


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


def unlike_release(con: Connection) -> dict[str, tuple[bool, bool]]:
    """Name -> (whether the database has it, whether the release has it), of every object that differs."""
    found, expected = read_catalog(con), released_catalog()
    unlike = (key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))
    here, released = {name for name, _ in found}, {name for name, _ in expected}
    return {name: (name in here, name in released) for name in sorted({name for name, _ in unlike})}
