"""Names and messages from outside are text on the terminal and in Dagster's pages, whatever they hold."""

import contextlib
import io
import shlex

import pytest
import typer
from rich.table import Table

from assets.shared.materialized import bullets
from optimizer import DataError
from pipeline.cli import app
from pipeline.commands.terminal import Terminal, visible
from pipeline.commands.usage import EXAMPLES, commands
from service.screen.tables import literal

HOSTILE = [
    "[/red].csv",
    "[link=https://evil.example]x[/link]",
    "[blink]x",
    "[@click=app.bell]x",
    "[/]",
    "\\[bold]x",
]


def printed(*what: object) -> str:
    file = io.StringIO()
    Terminal(file=file, width=200, emoji=False).print(*what)
    return file.getvalue()


@pytest.mark.parametrize("name", HOSTILE)
def test_markup_in_a_name_is_text(name: str) -> None:
    shown = name.removeprefix("\\")
    assert shown in printed(f"file {name} is refused")
    table = Table("name")
    table.add_row(name)
    assert shown in printed(table)


def test_our_own_styles_are_markup_and_lists_stay() -> None:
    assert (
        printed("[bold]a[/bold] [red]b[/red] it has ['a', 'b'] :smile:") == "a b it has ['a', 'b'] :smile:\n"
    )


def test_what_moves_the_cursor_is_spelled_out() -> None:
    assert printed("a\x1b[2J\x9bb\u202ec\nd") == "a\\x1b[2J\\x9bb\\u202ec\nd\n"
    assert visible("é\tx") == "é\tx"


def test_a_list_in_dagster_shows_markdown_and_html_as_they_stand() -> None:
    shown = bullets(["a\nb ![x](https://evil.example/p.png) <img src=x> `c` # d"]).md_str
    assert shown == "- a b \\!\\[x\\](https://evil.example/p.png) \\<img src=x\\> \\`c\\` \\# d"


def test_the_screen_shows_no_link_or_picture_of_a_message() -> None:
    assert literal("![x](http://evil) <b> $a$") == "!\\[x\\](http://evil) \\<b\\> \\$a\\$"
    assert literal("run `packfolio backtest`, `x`") == "run `packfolio backtest`, \\`x\\`"
    assert literal("old prices, mean_variance 5%") == "old prices, mean_variance 5%"


def test_every_command_has_an_example_that_it_takes() -> None:
    assert {name for name, _ in commands(app)} == set(EXAMPLES)
    for name, example in EXAMPLES.items():
        command, own = typer.main.get_command(app), name.split()
        for word in own:
            command = command.commands[word]  # type: ignore[attr-defined]
        assert command.epilog == f"Example: {example}"
        words = shlex.split(example.partition(" > ")[0])
        assert words[: len(own) + 1] == ["packfolio", *own]
        with contextlib.suppress(DataError):  # no pack is there; a word that it does not take is a UsageError
            command.make_context(name, words[len(own) + 1 :])
