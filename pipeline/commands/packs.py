"""`packfolio packs list`, `show` and `revise`: the pricing packs, what one holds, and a new revision of one."""

from datetime import date
from typing import Annotated

import typer

from optimizer import PolicyError
from pipeline.commands.terminal import Json, PackArgument, finish, history, out, print_json, reader, working
from pipeline.commands.usage import DAY

packs = typer.Typer(no_args_is_help=True, help="The pricing packs.")


@packs.command("list")
def list_packs(as_json: Json = False) -> None:
    """Every pack with its verdict."""
    from resources.results.queries import packs_table

    with reader() as con:
        rows = packs_table(con)
    if as_json:
        print_json(rows)
        return
    from pipeline.commands.printed.show import show_rows

    show_rows(out, rows, ("created_at", "content", "quality", "supersedes", "rows"))


@packs.command("show")
def show_pack(pack: PackArgument = "latest", as_json: Json = False) -> None:
    """One pack: what it holds, what its checks found, which portfolios it served."""
    from resources.results.queries import pack_details

    with reader() as con:
        details = pack_details(con, pack)
    if as_json:
        print_json(details)
        return
    from pipeline.commands.printed.show import show_details

    show_details(out, details)


@packs.command("revise")
def revise_pack(
    day: Annotated[date, typer.Argument(help="The as-of date of the pack.", **DAY)],
    reason: Annotated[str, typer.Option(help="Why the pack is replaced; goes on record.")],
    as_json: Json = False,
) -> None:
    """Replace the fresh pack of a date by a new revision, and run the chain on it."""
    if len(reason.strip()) < 5:
        raise PolicyError("--reason must say why the pack is replaced; it goes on record")
    with history() as instance, working("revising", as_json) as watch:
        from pipeline import runs

        outcome = runs.run_pack(instance, day, revise=reason.strip(), watch=watch)
    status = "failed" if outcome.status else "done"
    document = {"status": status, "pack_id": outcome.pack_id, "reason": outcome.reason}
    finish(document, outcome.status, as_json)
