"""`packfolio backfill`: the packs of a range of past days, and what the portfolios would have done on each."""

from datetime import date
from typing import Annotated

import typer

from pipeline.commands.terminal import Json, err, out, print_json
from pipeline.commands.usage import DAY, in_order
from pipeline.environment import Environment
from resources.ledger.record_error import FAILED


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(backfill)


def backfill(
    start: Annotated[date, typer.Argument(help="The first as-of date.", **DAY)],
    end: Annotated[date, typer.Argument(help="The last one.", **DAY)],
    as_json: Json = False,
) -> None:
    """Run every session of a range on what is on record, in order; started again, it goes on where it stopped."""
    in_order(start, end)
    from pipeline.history import opened_history

    with opened_history(Environment.of_process()) as instance:
        from pipeline.backfill import run_range

        def tell(line: str) -> None:
            (err if as_json else out).print(line, highlight=False, soft_wrap=True)

        found = run_range(instance, start, end, tell)
    failed = {str(one.pack_id): one.reason for one in found if one.status}
    if as_json:
        print_json({"packs": len(found), "failed": failed})
    raise typer.Exit(FAILED if failed else 0)
