"""`python -m service.report`: writes the report of a pack; `packfolio report` starts it."""

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from optimizer import PackfolioError, PolicyError
from resources.ledger.atomic_file import write_whole
from resources.ledger.record_error import exit_status
from service.desk import Desk
from service.report.contents import Contents, contents
from service.report.page import render
from service.settings import Settings

FORMATS = ("html", "xlsx", "pdf")
ENDINGS = {name: name for name in FORMATS} | {"htm": "html"}


def write(
    pack: Annotated[str | None, typer.Argument(help="The newest fresh pack when left out.")] = None,
    portfolio: Annotated[str | None, typer.Option(help="Name or UUID; all when left out.")] = None,
    to: Annotated[Path | None, typer.Option("--out", help="The file to write.")] = None,
    form: Annotated[str | None, typer.Option("--format", help="html, xlsx or pdf.")] = None,
) -> None:
    """Write a pack's report as one file."""
    settings = Settings.of_process()
    try:
        form = form_of(form, to)
        report = contents(Desk(settings), pack, portfolio)
        one = "-" + re.sub(r"[^\w.-]+", "_", portfolio) if portfolio else ""
        place = to or settings.home / "reports" / f"{report.pack['pack_id']}{one}.{form}"
        _save(place, made(report, form))
    except PackfolioError as error:
        typer.echo(f"{type(error).__name__} {error}", err=True)
        sys.exit(exit_status(error))
    typer.echo(place)


def form_of(form: str | None, to: Path | None) -> str:
    """The format that is asked for, by its name or by the file's ending; html where neither says.

    Raises PolicyError for one that there is not, and where the two differ.
    """
    ending = to.suffix.lower().removeprefix(".") if to else ""
    chosen = (form or ENDINGS.get(ending, ending) or "html").lower()
    if chosen not in FORMATS:
        raise PolicyError(
            f"a report is written as {', '.join(FORMATS)}, not as {chosen}: choose one by --format"
        )
    if ENDINGS.get(ending, chosen) != chosen:
        raise PolicyError(f"{to} ends in .{ending}, and --format says {chosen}: leave one of them out")
    return chosen


def made(report: Contents, form: str) -> bytes:
    """The file's content; only the library of that format is loaded."""
    if form == "xlsx":
        from service.report.excel import workbook

        return workbook(report)
    if form == "pdf":
        from service.report.pdf import document

        return document(report)
    return render(report).encode()


def _save(place: Path, content: bytes) -> None:
    """Whole or not at all; raises PolicyError where the place cannot be written."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_whole(place, content)
    except OSError as error:
        raise PolicyError(
            f"{place} cannot be written ({error.strerror}); choose another place with --out"
        ) from error


if __name__ == "__main__":
    typer.run(write)
