"""`python -m service.report`: writes the report of a pack; `packfolio report` starts it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from optimizer import PackfolioError, PolicyError
from resources.ledger.record_error import exit_status
from service.desk import Desk
from service.report.contents import contents
from service.report.page import render
from service.settings import Settings


def write(
    pack: Annotated[str | None, typer.Argument(help="The newest fresh pack when left out.")] = None,
    portfolio: Annotated[str | None, typer.Option(help="Name or UUID; all when left out.")] = None,
    to: Annotated[Path | None, typer.Option("--out", help="The file to write.")] = None,
) -> None:
    """Write a pack's report as one HTML file."""
    settings = Settings.of_process()
    try:
        report = contents(Desk(settings), pack, portfolio)
        place = to or settings.home / "reports" / f"{report.pack['pack_id']}.html"
        _save(place, render(report))
    except PackfolioError as error:
        typer.echo(f"{type(error).__name__} {error}", err=True)
        sys.exit(exit_status(error))
    typer.echo(place)


def _save(place: Path, text: str) -> None:
    """Whole or not at all; raises PolicyError where the place cannot be written."""
    half = place.with_name(place.name + ".part")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        half.write_text(text, encoding="utf-8")
        half.replace(place)
    except OSError as error:
        raise PolicyError(
            f"{place} cannot be written ({error.strerror}); choose another place with --out"
        ) from error


if __name__ == "__main__":
    typer.run(write)
