"""What the auditor's commands print on a terminal; numbers come in ready."""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.tree import Tree

from pipeline.commands.printed.narrow import show_table

Row = Mapping[str, Any]
HASH = re.compile(r"[0-9a-f]{32,}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LONGEST = 160  # letters of a text in a line
IN_LABEL = {"pack_id", "portfolio_id", "symbol", "written", "policy", "newest"}
WRITTEN = (
    ("ledger", "ledger_row"),
    ("run", "run_id"),
    ("", "at"),
    ("code", "code_version"),
    ("config", "config_hash"),
)


def show_lineage(out: Console, tree: Row) -> None:
    """A tree of {"label", "facts", "from"}, hashes shortened; `--json` has them whole."""
    out.print(_branch(tree))
    for code, found in tree["environments"].items():
        versions = ", ".join(f"{name} {number}" for name, number in found["libraries"].items())
        changed = " with changes" if found.get("dirty") else ""
        out.print(
            f"[dim]code {code}  commit {short(found['commit'])}{changed}  {versions}[/dim]",
            highlight=False,
            soft_wrap=True,
        )


def _branch(node: Row) -> Tree:
    branch = Tree(f"[bold]{node['label']}[/bold]  {_facts(node['facts'])}".rstrip(), highlight=False)
    if written := node["facts"].get("written"):
        said = "  ".join(f"{name} {short(written[key])}".strip() for name, key in WRITTEN)
        branch.label = f"{branch.label}\n[dim]{said}[/dim]"
    for row in node["facts"].get("newest", ()):
        branch.add(_facts(row))
    for child in node["from"]:
        branch.add(_branch(child))
    return branch


def _facts(facts: Row) -> str:
    return "  ".join(f"[dim]{name}[/dim] {text}" for name, text in _told(facts))


def _told(facts: Row) -> Iterator[tuple[str, str]]:
    for name, value in facts.items():
        if name not in IN_LABEL and not isinstance(value, dict | list):
            yield name, short(value)


def short(value: Any) -> str:
    """Six significant digits of a float, eight digits of a hash, the second of a time."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return HASH.sub(lambda found: found[0][:8], str(value)).split(".0000")[0].replace("[", r"\[")


def show_diff(out: Console, found: Row) -> None:
    """Two packs: the logs' rows, then what was computed from them."""
    out.print(f"[bold]{found['from']}[/bold] -> [bold]{found['to']}[/bold]", highlight=False)
    if found["same_content"]:
        out.print("  both see the same rows")
    for log in found["logs"]:
        out.print(
            f"  {log['log']}: {log['rows_added']} rows added, {log['rows_missing']} missing, "
            f"{log['rows_restated']} restated",
            highlight=False,
        )
        show_changes(out, log["restated"])
    for table in found["effects"]:
        show_table_changes(out, table, found.get("names", {}))


def show_replay(out: Console, found: Row) -> None:
    """Whether a replay gave the same tables, and where it did not."""
    environment = found["environments"]
    if found["identical"]:
        out.print(
            f"[green]identical[/green]  all {found['units']} results of {found['pack_id']}, cell by cell",
            highlight=False,
        )
    else:
        same = f"{found['identical_units']} of {found['units']} results of {found['pack_id']} are identical"
        out.print(f"[yellow]differs[/yellow]  {same}", highlight=False)
    for table in found["differences"]:
        show_table_changes(out, table)
    if found["uncompared"]:
        said = ", ".join(found["uncompared"])
        out.print(f"  {said}: only in columns that are not compared cell by cell", highlight=False)
    out.print(f"[dim]code {environment['code_then']} -> {environment['code_now']}[/dim]", highlight=False)
    for name, (then, now) in environment["libraries_changed"].items():
        out.print(f"[dim]  {name} {then} -> {now}[/dim]", highlight=False)


def show_table_changes(out: Console, table: Row, names: Mapping[str, str] = MappingProxyType({})) -> None:
    """One output table: how many cells of each column differ, then the first of them."""
    counts = "  ".join(
        f"{column} {told['cells']}"
        + (f" (at most {short(told['largest'])})" if told["largest"] is not None else "")
        for column, told in table["columns"].items()
    )
    out.print(f"  {table['table']}: {counts or 'the same'}", highlight=False, soft_wrap=True)
    show_changes(out, table["changes"], names=names)


def show_changes(
    out: Console, changes: Sequence[Row], shown: int = 12, names: Mapping[str, str] = MappingProxyType({})
) -> None:
    """The first of some changes, a line each; a portfolio by its name where `names` has its id."""
    for change in changes[:shown]:
        key = " ".join(names.get(part) or short(part) for part in change["key"].values())
        what = change["what"] if change["column"] is None else f"{change['column']} {_step(change)}"
        out.print(f"    {key}  {what}", highlight=False, soft_wrap=True)
    if len(changes) > shown:
        out.print(f"    … {len(changes) - shown} more, see --json")


def _step(change: Row) -> str:
    if "before" not in change:
        return f"differs by at most {short(change['difference'])}"
    before, after = _documents(change["before"], change["after"])
    return f"{_cut(short(before))} -> {_cut(short(after))}"


def _documents(before: Any, after: Any) -> tuple[Any, Any]:
    """Two JSON objects without the keys on which they agree; anything else as it is."""
    try:
        one, other = json.loads(before), json.loads(after)
        differing = {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}
        return _only(one, differing), _only(other, differing)
    except (TypeError, ValueError, AttributeError):
        return before, after


def _only(document: Row, keys: Collection[str]) -> Row:
    return {key: value for key, value in document.items() if key in keys}


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + " …"


def show_weight_changes(out: Console, found: Sequence[Row]) -> None:
    """Each weight that changed, before and after, and the parts of its change that are some, in percentage points."""
    for one in found:
        moved = [row for row in one["weights"] if _points(row["after"] - row["before"]) or any(_changes(row))]
        order = [name for name in one["order"] if any(_points(row["parts"][name]) for row in moved)]
        title = f"{one['portfolio']}: target weights from {one['from']} to {one['to']}, percent"
        out.print(title, style="italic", markup=False, highlight=False, soft_wrap=True)
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("")
        for heading in ("before", *order, "after"):
            table.add_column(heading, justify="right")
        for row in moved:
            parts = (f"{100 * row['parts'][name]:+z.2f}" for name in order)
            table.add_row(row["symbol"], f"{100 * row['before']:z.2f}", *parts, f"{100 * row['after']:z.2f}")
        show_table(out, table)
        still, idle = len(one["weights"]) - len(moved), [name for name in one["order"] if name not in order]
        said = [f"{still} more stand where they stood"] if still else []
        said += [f"nothing comes from: {', '.join(idle)}"] if idle else []
        if said:
            out.print(f"  {'; '.join(said)}", highlight=False, soft_wrap=True)


def _points(change: float) -> float:
    """A change as it is printed, in percentage points."""
    return round(100 * change, 2)


def _changes(row: Row) -> list[float]:
    return [*map(_points, row["parts"].values())]
