"""What all commands share: the two consoles, one JSON document on stdout, the published copy, a spinner."""

import json
import math
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.errors import MarkupError
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from pipeline.environment import Environment

if os.environ.get("NO_COLOR"):  # plain text then, whatever forces a terminal: rich would leave bold and dim
    os.environ.pop("FORCE_COLOR", None)
# As Jupyter asks for it of a pipe, in which a bar that draws over itself would be garbage.
COLOUR_ALONE = bool(os.environ.get("FORCE_COLOR")) and not sys.stderr.isatty()
# A log file or a pipe has no width of its own, unless it is told one.
WIDTH = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else 160
NAME = "packfolio"
STYLES = "bold|dim|red|green|yellow|cyan|magenta"
NO_MARKUP = re.compile(rf"(?<!\\)\[(?=[a-z#/@])(?!/?(?:{STYLES})\])")
UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def program() -> str:
    """How this program is called from the shell that called it: by its path, where the shell would not find it."""
    place = Path(sys.argv[0])
    unknown = place.name == NAME and place.is_file() and shutil.which(NAME) is None
    return quote(str(place.absolute())) if unknown else NAME


def visible(text: str) -> str:
    """Text in which what would move the cursor, change a colour or turn the reading order is spelled out."""
    return UNSEEN.sub(lambda sign: repr(sign[0])[1:-1], text)


class Terminal(Console):
    """A console on which names and messages from outside are text: only our own styles are markup."""

    def render_str(self, text: str, **how: Any) -> Text:
        """The text as it is shown."""
        shown = visible(text)
        try:
            return super().render_str(NO_MARKUP.sub(r"\\[", shown), **how)
        except MarkupError:  # a style that is closed and was not opened
            return super().render_str(shown, **{**how, "markup": False})


out, err = Terminal(width=WIDTH, emoji=False), Terminal(stderr=True, emoji=False)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def chosen_pack(pack: str) -> str:
    """The ID that `latest` stands for: the newest fresh pack, never a superseded or rejected one.

    Raises PolicyError for what is no pack ID.
    """
    from resources.packs.packs import latest_fresh, parse_pack_id

    if pack != "latest":
        parse_pack_id(pack)
        return pack
    with reader() as con:
        return latest_fresh(con).id


PortfolioOption = Annotated[
    str | None, typer.Option("--portfolio", help="Key, name or UUID; all when left out.")
]
PackArgument = Annotated[
    str,
    typer.Argument(
        callback=chosen_pack,
        help="Such as PP_2022-12-28 or PP_2022-12-28.2; `latest` is the newest fresh one.",
    ),
]


def print_json(document: Any) -> None:
    """One JSON document on stdout; a figure that is infinite or no number is null, for JSON has neither."""
    sys.stdout.write(json.dumps(_finite(document), default=str, indent=2, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {name: _finite(one) for name, one in value.items()}
        case list() | tuple():
            return [_finite(one) for one in value]
        case _:
            return value


def finish(document: dict[str, Any], status: int, as_json: bool) -> None:
    """Print how a command ended, and end it with its exit status."""
    if as_json:
        print_json(document)
    elif status and document.get("reason"):
        err.print(f"[red]failed[/red] {document['reason']}", highlight=False, soft_wrap=True)
        if pack := document.get("pack_id"):
            err.print(f"look   packfolio packs show {pack}", highlight=False)
    else:
        said = "; ".join(f"{name}: {value}" for name, value in document.items() if value not in (None, ""))
        (err if status else out).print(said, highlight=False, soft_wrap=True)
    raise typer.Exit(status)


@contextmanager
def reader() -> Iterator[Any]:
    """The published copy of the warehouse."""
    from resources.store.warehouse import Warehouse

    here = Environment.of_process()
    store = Warehouse(here.home, here.anchor)
    if not store.published.exists():
        from resources.settings.configuration import refuse_no_desk

        refuse_no_desk(here.config)
    with store.read() as con:
        yield con


def readable_or_none(*, live: bool = False) -> None:
    """Raises RecordError for a damaged published copy, before a server starts that could only fail; none is well.

    live  whether the server writes: then the warehouse itself must be one that may be written
    """
    from resources.ledger.anchors import read_anchors
    from resources.store.continuity import refuse_lost
    from resources.store.warehouse import Warehouse

    here = Environment.of_process()
    store = Warehouse(here.home, here.anchor)
    if store.published.exists():
        with store.read():
            pass
    if live:
        refuse_lost(store.path, store.published, read_anchors(store.anchor))
    if live and store.path.exists():
        with store.live():
            pass


@contextmanager
def working(what: str, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar while something runs; yields what it is told by: (doing, steps done, of).

    Dagster's log lines and tracebacks are in its history, not on the terminal.
    """
    import logging

    if quiet or not err.is_terminal or COLOUR_ALONE:
        logging.disable(logging.CRITICAL)
        yield lambda doing, done, steps: None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(30, style="dim", complete_style="cyan", finished_style="cyan", pulse_style="cyan"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda doing, done, steps: bar.update(
            task, description=visible(f"{what}: {doing}")[:70], completed=done, total=steps
        )


@contextmanager
def history() -> Iterator[Any]:
    """Dagster's history in the home; runs whose process was killed are marked as failed first."""
    from pipeline.history import opened_history
    from resources.settings.configuration import refuse_no_desk

    here = Environment.of_process()
    refuse_no_desk(here.config)
    with opened_history(here) as instance:
        yield instance
