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
    symbols = how_many(counts["symbols"], "symbol")
    out.print(f"prices      {_counted(counts, '', f' of {symbols}')}", highlight=False)
    out.print(f"reference   {_counted(counts, 'reference_')}", highlight=False)
    if counts["account_files"]:
        out.print(f"accounts    {_counted(counts, 'account_')}", highlight=False)
    if counts["refused"]:
        out.print(f"[red]refused[/red]     {how_many(counts['refused'], 'file')}", highlight=False)
    for row in noted:
        more = f"; {row['findings'] - 1} more" if row["findings"] > 1 else ""
        said = f"[yellow]noted[/yellow]       {row['code']}: {row['message']}{more}"
        out.print(said, highlight=False, soft_wrap=True)
    show_set_aside(out, aside)


def _counted(counts: Mapping[str, int], kind: str, of: str = "") -> str:
    rows, files = how_many(counts[f"{kind}rows"], "new row"), how_many(counts[f"{kind}files"], "file")
    aside = counts[f"{kind}set_aside"]
    told = f", {how_many(aside, 'row')} set aside" if aside or not kind else ""
    return f"{rows}{of} in {files}{told}"
