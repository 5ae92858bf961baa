"""What all rewritings of vendors' files share: lines and cells, American dates, amounts, faults."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from resources.prices.source import FileRejected, Finding

Change = Callable[[int, list[str]], list[str]]
STATE = "state the basis of the source: as_traded, split_adjusted or total_return"


@dataclass(frozen=True)
class Rewritten:
    """A vendor's file in plain columns.

    text      what is to be read in its place, line for line but for `dropped` lines below the header
    columns   (our column, symbol) of each column after the date, None for one that is ignored, of a table with a column
              a symbol; else empty
    open_     why its closes may be adjusted, so that the source must state their basis; "" where they tell
    """

    layout: str
    text: bytes
    dropped: int = 0
    columns: tuple[tuple[str, str] | None, ...] = ()
    open_: str = ""
    warnings: tuple[Finding, ...] = field(default=())


def cells_of(line: str, separator: str = ",") -> list[str]:
    """The cells of one line, without the spaces around them."""
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [])]


def lines_of(text: str) -> Iterator[tuple[int, str, str]]:
    """(number, line, its end) of each line."""
    for number, line in enumerate(io.StringIO(text, newline=""), 1):
        bare = line.rstrip("\r\n")
        yield number, bare, line[len(bare) :]


def changed(text: str, change: Change, separator: str = ",") -> str:
    """Each line's cells changed; line ends stay, so that a cut-off last line is still noticed."""
    out = io.StringIO()
    for number, line, end in lines_of(text):
        cells = change(number, cells_of(line, separator)) if line.strip() else []
        out.write(",".join(_quoted(cell) for cell in cells) + end)
    return out.getvalue()


def _quoted(cell: str) -> str:
    """A cell as a line with commas holds it."""
    inner = cell.replace('"', '""')
    return f'"{inner}"' if "," in cell or '"' in cell else cell


def american(cell: str) -> str:
    """01/31/2024 -> 2024-01-31; anything else as it is."""
    try:
        return datetime.strptime(cell, "%m/%d/%Y").date().isoformat()  # noqa: DTZ007  a date alone
    except ValueError:
        return cell


def dollars(cell: str) -> str:
    """$1,234.50 -> 1234.50, and nothing for N/A and --; anything else as it is."""
    bare = cell.removeprefix("$")
    if bare in ("N/A", "--"):  # the volume of a fund, of an index
        return ""
    return bare.replace(",", "") if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", bare, re.A) else bare


@contextmanager
def in_layout(found: Rewritten, name: str) -> Iterator[None]:
    """What refuses the plain columns is told with the layout's name, at the payload's own lines."""
    try:
        yield
    except FileRejected as refused:
        raise FileRejected(name, [_told(finding, found) for finding in refused.findings]) from None


def _told(finding: Finding, found: Rewritten) -> Finding:
    line = finding.line
    place = line + found.dropped if line is not None and line > 1 else line
    return replace(finding, message=f"({found.layout}) {finding.message}", line=place)


def fail(code: str, message: str, line: int | None = None) -> Finding:
    """A fault that refuses the file."""
    return Finding(code, "FAIL", message, line=line)
