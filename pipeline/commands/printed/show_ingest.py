"""What an ingest brought, on a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

Row = Mapping[str, Any]
MOST_TOLD = 20


def show_set_aside(out: Console, aside: Sequence[Row]) -> None:
    """What is delivered and set aside, the newest first, a line each."""
    for row in aside[:MOST_TOLD]:
        out.print(f"[yellow]![/yellow] {row['said']}", highlight=False, soft_wrap=True)
    if len(aside) > MOST_TOLD:
        out.print(f"  and {len(aside) - MOST_TOLD} more: packfolio ingest --json", highlight=False)


def show_ingested(
    out: Console, counts: Mapping[str, int], noted: Sequence[Row], aside: Sequence[Row]
) -> None:
    """What an ingest brought, in one line a kind; what is odd in it, a line a code; then what is set aside."""
    brought = f"{counts['rows']:,} new rows of {counts['symbols']:,} symbols in {counts['files']:,} files"
    out.print(f"prices      {brought}, {counts['set_aside']:,} rows set aside", highlight=False)
    out.print(
        f"reference   {counts['reference_rows']:,} new rows in {counts['reference_files']:,} files",
        highlight=False,
    )
    if counts["refused"]:
        out.print(f"[red]refused[/red]     {counts['refused']:,} files", highlight=False)
    for row in noted:
        more = f"; {row['findings'] - 1} more" if row["findings"] > 1 else ""
        said = f"[yellow]noted[/yellow]       {row['code']}: {row['message']}{more}"
        out.print(said, highlight=False, soft_wrap=True)
    show_set_aside(out, aside)
