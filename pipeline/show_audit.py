"""What the auditor's commands print on a terminal; numbers come in ready."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.tree import Tree

Row = Mapping[str, Any]
HASH = re.compile(r"[0-9a-f]{32,}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
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
        out.print(
            f"[dim]code {code}  commit {short(found['commit'])}  {versions}[/dim]",
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
