"""Tables whose cells stand between semicolons or tabs: numbers as half the world's spreadsheets write them."""

import csv
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from resources.prices.columns import plain
from resources.prices.source import FileRejected
from resources.prices.vendors.rewriting import Rewritten, cells_of, changed, fail, lines_of

HEAD = 1 << 15  # bytes that the first lines are looked for in
NAMED = {";": "semicolons", "\t": "tabs", ",": "commas"}
SEP = re.compile(r'"?sep=([;,|\t])"?[\r\n]*', re.I)  # the line by which Excel is told the separator
SPACED = re.compile(r"[+-]?\d{1,3}([ \u00a0\u202f'\u2019]\d{3})+([.,]\d+)?", re.A)
SPACES = re.compile(r"[ \u00a0\u202f'\u2019]")
MARKED = re.compile(r"[+-]?\d+[.,]\d+", re.A)
ONE_GROUP = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}", re.A)  # 1.234 may be either
# Decimal mark -> numbers that show the other to group thousands.
GROUPED = {
    ",": re.compile(r"[+-]?\d{1,3}((\.\d{3})+,\d+|(\.\d{3}){2,})", re.A),
    ".": re.compile(r"[+-]?\d{1,3}((,\d{3})+\.\d+|(,\d{3}){2,})", re.A),
}


@dataclass(frozen=True)
class _Number:
    """A cell with marks; decimal: the mark that it proves to be the decimal one, "" where it may be either."""

    line: int
    place: int
    cell: str
    decimal: str
    grouped: bool
    of_volume: bool


@dataclass(frozen=True)
class Heads:
    """The first lines of a file, and what parts their cells.

    told   whether a line such as `sep=;` says so, before them
    """

    lines: list[str]
    separator: str
    told: bool


def heads_of(data: bytes) -> Heads:
    """The first lines of a file; cells are parted by commas, unless the header has none and another mark."""
    first = data[:HEAD].removeprefix(b"\xef\xbb\xbf").decode(errors="ignore").splitlines()[:4]
    if first and (said := SEP.fullmatch(first[0])):
        return Heads(first[1:], said[1], told=True)
    header = first[0] if first else ""
    separator = next((mark for mark in (";", "\t") if mark in header and "," not in header), ",")
    return Heads(first[:3], separator, told=False)


def separated(data: bytes, name: str, texts: Collection[str] = ()) -> Rewritten | None:
    """The file with commas where its cells stand between others; None where it is to be read as it is.

    texts  columns without numbers, which stay as they are
    Raises FileRejected for numbers that could mean two things.
    """
    heads = heads_of(data)
    if heads.separator == "," and not heads.told:
        return None
    try:
        text = with_commas(data.decode("utf-8-sig"), heads, name, texts)
    except (UnicodeDecodeError, csv.Error):
        return None  # the plain reader says what is wrong with the bytes
    return as_table(text, heads)


def as_table(text: str, heads: Heads) -> Rewritten:
    """The rewritten text of a file that is no vendor's."""
    mark = heads.separator
    return Rewritten(f"a table with {NAMED.get(mark, mark)}", text.encode(), dropped=int(heads.told))


def with_commas(text: str, heads: Heads, name: str, texts: Collection[str] = ()) -> str:
    """A file with another separator as one with commas; its numbers with points, without marks of thousands.

    Raises FileRejected where some numbers have commas and others points and no number shows which of them groups
    thousands, or where a comma may stand for either.
    """
    if heads.told:
        text = re.sub(r"^[^\r\n]*(\r\n?|\n)", "", text)
    if heads.separator == ",":
        return text
    names = [plain(cell) for cell in cells_of(heads.lines[0], heads.separator)] if heads.lines else []
    left = {place for place, column in enumerate(names) if column in texts}
    decimal = _decimal_mark([one for one in _numbers(text, heads) if one.place not in left], name)

    def change(line: int, cells: list[str]) -> list[str]:
        return [
            cell if line == 1 or place in left else _plain(cell, decimal) for place, cell in enumerate(cells)
        ]

    return changed(text, change, heads.separator)


def _numbers(text: str, heads: Heads) -> Iterator[_Number]:
    volumes = set[int]()
    for line, bare, _ in lines_of(text):
        cells = cells_of(bare, heads.separator)
        if line == 1:
            volumes = {place for place, cell in enumerate(cells) if plain(cell) == "volume"}
            continue
        for place, cell in enumerate(cells):
            number = _unspaced(cell)
            grouped = next((mark for mark, shape in GROUPED.items() if shape.fullmatch(number)), "")
            if grouped or MARKED.fullmatch(number):
                own = "" if ONE_GROUP.fullmatch(number) else "," if "," in number else "."
                yield _Number(
                    line + heads.told, place, number, grouped or own, bool(grouped), place in volumes
                )


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
