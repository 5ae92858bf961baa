"""Tables whose cells stand between semicolons or tabs: numbers as half the world's spreadsheets write them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from resources.prices.columns import plain
from resources.prices.source import FileRejected
from resources.prices.vendors.rewriting import cells_of, changed, fail, lines_of

SEP = re.compile(r'"?sep=([;,|\t])"?[\r\n]*', re.I)  # the line by which Excel is told the separator
SPACED = re.compile(r"[+-]?\d{1,3}([ \u00a0\u202f'\u2019]\d{3})+([.,]\d+)?", re.A)
SPACES = re.compile(r"[ \u00a0\u202f'\u2019]")
MARKED = re.compile(r"[+-]?\d+[.,]\d+", re.A)
ONE_GROUP = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}", re.A)  # 1.234 may be either
GROUPED = {
    ",": re.compile(r"[+-]?\d{1,3}((\.\d{3})+,\d+|(\.\d{3}){2,})", re.A),
    ".": re.compile(r"[+-]?\d{1,3}((,\d{3})+\.\d+|(,\d{3}){2,})", re.A),
}  # decimal mark -> numbers that show the other to group thousands


@dataclass(frozen=True)
class _Number:
    """A cell with marks; decimal: the mark that it proves to be the decimal one, "" where it may be either."""

    line: int
    cell: str
    decimal: str
    grouped: bool
    of_volume: bool


def told_separator(first: str) -> str | None:
    """The separator of a first line such as `sep=;`; None for any other line."""
    found = SEP.fullmatch(first)
    return found[1] if found else None


def separator_of(header: str) -> str:
    """The separator of a header: a comma, unless there is none and another stands in it."""
    return next((mark for mark in (";", "\t") if mark in header and "," not in header), ",")


def with_commas(text: str, separator: str, name: str) -> str:
    """A file with another separator as one with commas; its numbers with points, without marks of thousands.

    Raises FileRejected where some numbers have commas and others points and no number shows which of them groups
    thousands, or where a comma may stand for either.
    """
    decimal = _decimal_mark(list(_numbers(text, separator)), name)
    return changed(
        text, lambda line, cells: [_plain(cell, decimal) for cell in cells] if line > 1 else cells, separator
    )


def _numbers(text: str, separator: str) -> Iterator[_Number]:
    volumes = set[int]()
    for line, bare, _ in lines_of(text):
        cells = cells_of(bare, separator)
        if line == 1:
            volumes = {place for place, cell in enumerate(cells) if plain(cell) == "volume"}
            continue
        for place, cell in enumerate(cells):
            number = _unspaced(cell)
            grouped = next((mark for mark, shape in GROUPED.items() if shape.fullmatch(number)), "")
            if grouped or MARKED.fullmatch(number):
                own = "" if ONE_GROUP.fullmatch(number) else "," if "," in number else "."
                yield _Number(line, number, grouped or own, bool(grouped), place in volumes)


def _decimal_mark(numbers: list[_Number], name: str) -> str:
    """The decimal mark of all numbers; raises FileRejected where they tell two, or leave it open."""
    known = any(one.decimal for one in numbers)
    marks = {mark: _first(numbers, mark, open_too=not known) for mark in ",."}
    comma = marks[","]
    if not known and comma is not None and marks["."] is None:
        said = f"{comma.cell} may be a decimal or thousands: every comma has three digits after it; write a point"
        raise FileRejected(name, [fail("MIXED_DECIMALS", said, comma.line)])
    decimal = "," if comma is not None else "."
    if not any(one.grouped for one in numbers):  # nothing shows that the other mark groups
        other = "." if decimal == "," else ","
        marks[other] = _first(numbers, other, open_too=True)
    comma, point = marks[","], marks["."]
    if comma is not None and point is not None:
        said = (
            f"numbers with a decimal comma ({comma.cell}) stand beside numbers with a point ({point.cell}, line "
            f"{point.line}); write all of them with a point"
        )
        raise FileRejected(name, [fail("MIXED_DECIMALS", said, comma.line)])
    return decimal


def _first(numbers: list[_Number], mark: str, *, open_too: bool) -> _Number | None:
    """The first number of which a mark is the decimal one, or may be, besides volumes."""
    for one in numbers:
        if one.decimal == mark or (open_too and not one.decimal and mark in one.cell and not one.of_volume):
            return one
    return None


def _plain(cell: str, decimal: str) -> str:
    """A number with a point at most; anything else as it is."""
    number = _unspaced(cell)
    if GROUPED[decimal].fullmatch(number) or (ONE_GROUP.fullmatch(number) and decimal not in number):
        return re.sub(r"[.,]", lambda mark: "." if mark[0] == decimal else "", number)
    return number.replace(",", ".") if MARKED.fullmatch(number) else cell if number == cell else number


def _unspaced(cell: str) -> str:
    """1 234,50 -> 1234,50, and 1'234.50; anything else as it is."""
    return SPACES.sub("", cell) if SPACED.fullmatch(cell) else cell
