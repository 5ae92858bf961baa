"""What a terminal of a fixed width shows, as text."""

import io
from collections.abc import Callable
from typing import Any

from rich.console import Console


def printed(show: Callable[..., Any], *values: Any, width: int = 200, styles: bool = False) -> str:
    """What `show(console, *values)` prints, with a bar before each line; with its colours as codes where asked."""
    out = Console(width=width, record=True, force_terminal=True, color_system="standard", file=io.StringIO())
    show(out, *values)
    return barred(out.export_text(styles=styles))


def barred(text: str) -> str:
    """Lines as the blocks in tests have them: a bar before each, no spaces after it."""
    return "\n".join(f"|{line}".rstrip() for line in text.splitlines())


def block(text: str) -> str:
    """An indented block of a test whose lines begin with a bar."""
    return "\n".join(line.strip() for line in text.strip("\n ").splitlines())
