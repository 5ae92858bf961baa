"""Tables, figures and notes on a terminal, for all commands; a pack, the doctor's findings, a verification."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from pipeline.commands.printed.narrow import fits, show_table
from resources.logs.open_questions import said_once

Row = Mapping[str, Any]


def columns_table(title: str, columns: Iterable[tuple[str, bool]]) -> Table:
    """A table without rows; columns are (heading, whether it is a number)."""
    named = list(columns)
    table = Table(
        title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False,
        show_header=any(heading for heading, _ in named),
    )  # fmt: skip
    for heading, number in named:
        table.add_column(heading, justify="right" if number else "left", no_wrap=number)
    return table


def percent(value: float | None, digits: int = 1) -> str:
    """0.153 -> 15.3%; nothing for None."""
    return "" if value is None else f"{100 * value:z.{digits}f}%"


def amount(value: Any, digits: int = 2) -> str:
    """1234.5 -> 1,234.50; nothing for None."""
    return "" if value is None else f"{value:z,.{digits}f}"


def shares(value: float | None) -> str:
    """1500.0 -> 1,500, 0.25 -> 0.25; nothing for None."""
    return "" if value is None else f"{value:,.10g}"


def show_notes(out: Console, notes: Sequence[str]) -> None:
    """What a reader must know of the prices behind it."""
    out.print()
    for note in notes:
        out.print(f"[dim]note  {note}[/dim]", highlight=False, soft_wrap=True)


def show_rows(out: Console, rows: Sequence[Row], least_wanted: Sequence[str] = ()) -> None:
    """Any rows as a table; where it has no room, the least wanted columns are cut, the first of them first.

    A column in which no row has anything is left out.
    """
    if not rows:
        out.print("nothing yet")
        return
    first = {name: next((row[name] for row in rows if row[name] is not None), None) for name in rows[0]}
    filled = {name: value for name, value in first.items() if value is not None}
    for cut in range(len(least_wanted) + 1):
        named = {name: value for name, value in filled.items() if name not in least_wanted[:cut]}
        table = columns_table("", [(name, isinstance(value, int | float)) for name, value in named.items()])
        for row in rows:
            table.add_row(*("" if row[name] is None else str(row[name]) for name in named))
        if fits(out, table):
            break
    show_table(out, table)


LEAST_WANTED = ("run_id", "at", "content", "portfolio_id", "ingest_seq")


def show_details(out: Console, details: Row) -> None:
    """A pack: its own values, then its lists as tables."""
    for name, value in details.items():
        if isinstance(value, list):
            out.print(f"\n[bold]{name}[/bold]{'' if value else '  none'}")
            if value:
                show_rows(out, _once(value) if name == "findings" else value, LEAST_WANTED)
        else:
            out.print(f"{name:<16} {'' if value is None else value}", highlight=False, soft_wrap=True)


def _once(findings: Sequence[Row]) -> list[Row]:
    """What was found, each message of a day once: the first of the symbols of which it is said has a row."""
    heads = [f"{row['severity']} {row['code']} {row['date']} " for row in findings]
    told = said_once(
        [(row["symbol"] or "", head + row["message"]) for head, row in zip(heads, findings, strict=True)]
    )
    return [{**findings[first], "message": said.removeprefix(heads[first])} for (first, *_), said in told]


def show_findings(out: Console, findings: Sequence[Row]) -> None:
    """What the doctor found: state, what is, what to do."""
    colours = {"ok": "green", "note": "yellow", "fault": "red"}
    for finding in findings:
        colour = colours[finding["state"]]
        out.print(
            f"[{colour}]{finding['state']:>5}[/{colour}]  {finding['check']}: {finding['found']}",
            highlight=False,
            soft_wrap=True,
        )
        if finding.get("do"):
            out.print(f"       {finding['do']}", highlight=False, soft_wrap=True)


def show_verification(out: Console, report: Any) -> None:
    """Faults first; then what was checked, and what cannot be excluded."""
    for fault in report.faults:
        out.print(f"[red]fault[/red]  {fault}", highlight=False, soft_wrap=True)
    for note in report.notes:
        out.print(f"[yellow] note[/yellow]  {note}", highlight=False, soft_wrap=True)
    if not report.faults:
        out.print(f"[green]   ok[/green]  {report.checked}", highlight=False, soft_wrap=True)
