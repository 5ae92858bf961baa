"""Writes the pages of `docs/reference/` that follow from the code: `python docs/generate.py`; a test compares them."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import duckdb
import typer
from configuration_files import FILES, TITLES
from pydantic import BaseModel

from pipeline.cli import app
from resources.prices.reference import TABLES
from resources.store.descriptions import column_place, sentences

HERE = Path(__file__).resolve().parent / "reference"
SCHEMA = HERE.parent.parent / "resources" / "store" / "schema.sql"
NOTICE = "<!-- Written by docs/generate.py; edit the code or sentences.yaml, then run it again. -->\n"


class Sentences:
    """`sentences.yaml`; remembers which of its entries were used."""

    def __init__(self) -> None:
        self.said = sentences()
        self.used: set[tuple[str, ...]] = set()

    def get(self, *path: str) -> Any:
        """The entry at that place; KeyError names a missing one."""
        found: Any = self.said
        for part in path:
            if part not in found:
                raise KeyError(f"resources/sentences.yaml has no entry {' / '.join(path)}: write one")
            found = found[part]
        self.used.add(path)
        return found

    def column(self, table: str, name: str) -> str:
        """What a column holds."""
        return str(self.get("columns", column_place(table, name)))

    def unused(self) -> list[str]:
        """Entries that describe nothing."""
        places: set[tuple[str, ...]] = {("tables", name) for name in self.said["tables"]}
        places |= {("columns", name) for name in self.said["columns"]}
        places |= {("settings", m, f) for m, fields in self.said["settings"].items() for f in fields}
        return [" / ".join(place) for place in sorted(places - self.used)]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def tables_page(said: Sentences) -> str:
    """`tables.md`: every table of the warehouse with its columns."""
    with duckdb.connect() as con:
        con.execute(SCHEMA.read_text("utf-8"))
        found = con.execute(
            "select table_name, column_name, data_type, is_nullable from duckdb_columns() where not internal "
            "order by table_oid, column_index"
        ).fetchall()
    names = list(dict.fromkeys(str(row[0]) for row in found))
    parts = [
        NOTICE,
        "# Tables of the warehouse\n",
        "All tables are append-only. A correction or a second run adds rows; nothing is changed or removed.\n"
        "Read `latest_<table>` for the newest version of each pack and portfolio (tables with a `materialization`\n"
        "column), and the macro `pack_prices('PP_…')` for the prices as a pack saw them, with their total-return\n"
        "`adj_close`. [How to read the warehouse](../how-to/read-the-warehouse.md) has examples. *null* marks columns\n"
        "that may be empty. Units: [conventions](../conventions.md).\n",
        "\n".join(f"- [{name}](#{name}): {said.get('tables', name)}" for name in names) + "\n",
    ]
    for name in names:
        rows = [
            [f"`{column}`", f"{kind.lower()}{' *null*' if empty else ''}", said.column(name, str(column))]
            for of, column, kind, empty in found
            if of == name
        ]
        parts += [f"## {name}\n", f"{said.get('tables', name)}\n", table(["column", "type", "holds"], rows)]
    return "\n".join(parts)


def configuration_page(said: Sentences) -> str:
    """`configuration.md`: every key of every file that the daily run reads."""
    parts = [NOTICE, "# Configuration\n", INTRODUCTION]
    for name, (about, models) in FILES.items():
        parts += [f"## {name}\n", f"{about}\n"]
        for model in models:
            parts += [
                f"### {name}: {TITLES.get(model.__name__, 'the file')}\n",
                table(["key", "unit", "default", "means"], _keys(model, said)),
            ]
    parts += ["## reference/*.csv\n", REFERENCE]
    rows = [
        [f"`{log}.csv`", _listed((*of.keys, *of.required)), _listed(of.optional)]
        for log, of in TABLES.items()
    ]
    parts.append(table(["file", "columns", "may be absent"], rows))
    return "\n".join(parts)


INTRODUCTION = """\
The folder is `config/`, or the one that `PACKFOLIO_CONFIG` names. Unknown keys, duplicate keys, NaN and text where a
number belongs are refused, all at once, as `file:line: key: what to do`; `packfolio doctor` checks without running.
Scenarios, hedges, regimes and policy templates explain themselves in their files: see
[scenarios](../how-to/add-a-scenario.md), [hedges](../how-to/add-a-hedge.md) and
[regimes](../how-to/detect-the-regime.md). A desk may do without each of
them: report, screen and service then have the reason in the place of what they cannot say.

| variable | default | means |
| --- | --- | --- |
| `PACKFOLIO_HOME` | `.packfolio` | warehouse, published copy, Dagster's history, caches |
| `PACKFOLIO_CONFIG` | `config` | this folder |
| `PACKFOLIO_ANCHOR` | `anchors.jsonl` in the home | what the ledger was; put it on other storage |
| `PACKFOLIO_ANCHOR_KEY` | none | private key that signs each line of the anchor: `packfolio anchor keygen` |
| `DUCKDB_THREADS` | one for each core | threads of each process's DuckDB; 1 where others need the cores |
| `PACKFOLIO_DECISIONS` | `decisions.jsonl` in the home | what the service proposed; the next run ingests it |

The service has [variables of its own](api.md).
"""
REFERENCE = """\
The folder that `reference_folder` of `sources.yaml` names. One file a log, CSV or Parquet; each row is a fact that
holds from its date on. Characteristics may come in many files whose names begin so, and lie beside prices too. UTF-8,
ISO dates, plain numbers, `true` or `false`; semicolons, tabs and decimal commas as in
[files of prices](../how-to/add-a-price-source.md). The kinds of corporate actions, with an example of each:
[state corporate actions](../how-to/corporate-actions.md).
"""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _keys(model: type[BaseModel], said: Sentences) -> list[list[str]]:
    rows = []
    for name, field in model.model_fields.items():
        if name not in _inherited(model):
            unit, means = said.get("settings", model.__name__, name)
            rows.append([f"`{name}`", unit, _default(model, name), means + _choices(field.annotation, means)])
    return rows


def _inherited(model: type[BaseModel]) -> set[str]:
    return {name for base in model.__mro__[1:] if hasattr(base, "model_fields") for name in base.model_fields}


def _default(model: type[BaseModel], name: str) -> str:
    field = model.model_fields[name]
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value == "":
        return ""
    if isinstance(value, BaseModel):
        return "as below"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"`{value}`" if value else str(value)


def _choices(annotation: Any, means: str) -> str:
    """The values of a Literal that its sentence does not name already."""
    literals = [v for v in _literals(annotation) if f"`{v}`" not in means]
    return " One of " + ", ".join(f"`{value}`" for value in literals) + "." if len(literals) > 1 else ""


def _literals(annotation: Any) -> list[str]:
    if str(get_origin(annotation)) == "typing.Literal":
        return [str(value) for value in get_args(annotation)]
    return [value for inner in get_args(annotation) for value in _literals(inner)]


def cli_page(said: Sentences) -> str:
    """`cli.md`: every command with its arguments and options."""
    group = typer.main.get_command(app)
    parts = [NOTICE, "# The command line\n", COMMANDS]
    for name, command in _commands(group, ()):
        arguments = [p for p in command.params if type(p).__name__ == "TyperArgument"]
        usage = " ".join(
            ["packfolio", *name, *(_argument(p) for p in arguments), "[OPTIONS]" * bool(command.params)]
        )
        parts += [f"## {' '.join(name)}\n", f"{command.help}\n", f"    {usage}\n"]
        parts.append(f"{command.epilog.replace(': ', ': `', 1)}`\n")
        rows = [_parameter(p) for p in command.params if p.name != "help"]
        if rows:
            parts.append(table(["", "value", "default", "means"], rows))
    return "\n".join(parts)


COMMANDS = """\
`packfolio` is in `.venv/bin` after `make run`. Every reading command takes `--json`: one JSON document on standard
output and nothing else. Dates are `YYYY-MM-DD`. `packfolio --version` prints the version, and
`packfolio --install-completion` teaches the shell to complete commands and options. On fewer than 120 columns the
reasons of trades stand below their lines.

| exit status | means |
| --- | --- |
| 0 | done |
| 1 | the work failed, with a reason; or a portfolio has no answer today |
| 2 | wrong usage or configuration |
| 3 | a check or a verification found a fault; a file is damaged, lost, or not the one that the anchor remembers |
| 4 | `packs verify` alone: all is sound, but a break was once accepted |
"""
PLACEHOLDERS = {
    "str": "text",
    "int": "number",
    "float": "number",
    "bool": "",
    "datetime": "date",
    "Path": "path",
}


def _commands(group: Any, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from _commands(command, (*above, name))
        else:
            yield (*above, name), command


def _argument(parameter: Any) -> str:
    shown = parameter.name.upper() + ("..." if parameter.nargs == -1 else "")
    return shown if parameter.required else f"[{shown}]"


def _parameter(parameter: Any) -> list[str]:
    found = re.findall("|".join(PLACEHOLDERS), str(parameter.type_descriptor.annotation))
    is_argument = type(parameter).__name__ == "TyperArgument"
    default = "required" if parameter.required else parameter.default
    shown = "" if default in (None, False, "") else str(default)
    name = _argument(parameter) if is_argument else ", ".join(parameter.opts)
    if not parameter.help:
        raise ValueError(f"{parameter.name} has no help: a reader of --help needs a sentence")
    means = parameter.help
    return [f"`{name}`", PLACEHOLDERS[found[-1]] if found else "", shown, means]


PAGES = {"tables.md": tables_page, "configuration.md": configuration_page, "cli.md": cli_page}


def pages() -> dict[str, str]:
    """Every generated page by name; ValueError where `sentences.yaml` describes what is not there."""
    said = Sentences()
    made = {name: page(said) for name, page in PAGES.items()}
    if unused := said.unused():
        raise ValueError(f"resources/sentences.yaml describes nothing with: {', '.join(unused)}")
    return made


if __name__ == "__main__":
    os.environ["NO_COLOR"] = "1"
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")
