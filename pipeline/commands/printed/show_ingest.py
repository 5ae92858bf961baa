"""What an ingest brought, on a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from optimizer.errors import how_many
from resources.logs.open_questions import said_once

Row = Mapping[str, Any]
MOST_TOLD = 20


def show_set_aside(out: Console, aside: Sequence[Row]) -> None:
    """What is delivered and set aside, the newest first, a line for each kind."""
    kinds = said_once([(row["symbol"], row["said"]) for row in aside])
    for _, said in kinds[:MOST_TOLD]:
        out.print(f"[yellow]![/yellow] {said}", highlight=False, soft_wrap=True)
    if len(kinds) > MOST_TOLD:
        out.print(f"  and {len(kinds) - MOST_TOLD} more: packfolio ingest --json", highlight=False)


def show_ingested(
    out: Console, counts: Mapping[str, int], noted: Sequence[Row], aside: Sequence[Row]
) -> None:
    """What an ingest brought, in one line a kind; what is odd in it, a line a code; then what is set aside."""
    rows, symbols = how_many(counts["rows"], "new row"), how_many(counts["symbols"], "symbol")
    files, aside_rows = how_many(counts["files"], "file"), how_many(counts["set_aside"], "row")
    out.print(f"prices      {rows} of {symbols} in {files}, {aside_rows} set aside", highlight=False)
    rows, files = how_many(counts["reference_rows"], "new row"), how_many(counts["reference_files"], "file")
    out.print(f"reference   {rows} in {files}", highlight=False)
    if counts["refused"]:
        out.print(f"[red]refused[/red]     {how_many(counts['refused'], 'file')}", highlight=False)
    for row in noted:
        more = f"; {row['findings'] - 1} more" if row["findings"] > 1 else ""
        said = f"[yellow]noted[/yellow]       {row['code']}: {row['message']}{more}"
        out.print(said, highlight=False, soft_wrap=True)
    show_set_aside(out, aside)
