"""The commands that documents and deploy/ tell to type are there, with the options that they are typed with."""

import re
import shlex

import pytest
import typer.main
from source_tree import ROOT

from pipeline.cli import app

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.y*ml")])
TYPED = re.compile(r"packfolio ((?:[a-z]+)(?: [^`|;&)>#\n]*)?)")


def typed(text: str) -> list[str]:
    """What follows `packfolio` where the first word may be a command."""
    return [found[1] for found in TYPED.finditer(text)]


ROOT_COMMAND = typer.main.get_command(app)


def unknown(words: list[str]) -> list[str]:
    """The options that the command has not, or the word that is no command of a group; none of prose."""
    command = ROOT_COMMAND
    while words and words[0] in getattr(command, "commands", ()):
        command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
    if command is ROOT_COMMAND:
        return []
    if hasattr(command, "commands"):
        return [word for word in words[:1] if re.fullmatch("[a-z]+", word)]
    there = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    return [word for word in words if word.startswith("--") and re.split(r"[=.,:]", word)[0] not in there]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("ui --host 0.0.0.0", ["--host"]),
        ("ui --port 3000", []),
        ("packs shows", ["shows"]),
        ("is a desk --x", []),
    ],
)
def test_an_option_or_a_command_that_is_not_there_is_found(line: str, found: list[str]) -> None:
    assert unknown(shlex.split(line)) == found


def test_every_command_that_a_page_tells_has_its_options() -> None:
    """`packfolio ui --host 0.0.0.0` stood in the page on compose: a container of it ended at once, and again."""
    wrong = {
        (page.relative_to(ROOT).as_posix(), line): found
        for page in PAGES
        for line in typed(page.read_text("utf-8"))
        if (found := unknown(line.replace("'", "").replace('"', "").split()))
    }
    assert wrong == {}
