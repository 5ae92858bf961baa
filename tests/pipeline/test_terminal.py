"""Names and messages from outside are text on the terminal and in Dagster's pages, whatever they hold."""

import io

import pytest
from rich.table import Table

from assets.shared.materialized import bullets
from pipeline.commands.terminal import Terminal, visible
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
    assert literal("old prices, mean_variance 5%") == "old prices, mean_variance 5%"
