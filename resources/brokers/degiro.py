"""The portfolio that DEGIRO exports: the same columns in the same order in each of its languages."""

import re
from collections.abc import Callable, Sequence

from resources.brokers.holding_rows import counted_in, statement
from resources.brokers.statement import BESIDE, Answers, Row, Statement

Lines = list[tuple[int, list[str]]]
OLDER, NEWER = 6, 7  # columns; the older one wrote "USD 1234.50" where the newer has two cells
BASE = re.compile(r".* ([A-Z]{3})")


def is_degiro(lines: Sequence[Sequence[str]]) -> bool:
    """Whether a line is the header: product, symbol/ISIN, quantity, close, local value, (amount), value in EUR."""
    return any(_is_header(cells) for cells in lines)


def _is_header(cells: Sequence[str]) -> bool:
    return (
        len(cells) in (OLDER, NEWER)
        and cells[1].strip().lower().endswith("/isin")
        and bool(BASE.fullmatch(cells[-1].strip()))
    )


def read_degiro(lines: Lines, answers: Answers, with_points: Callable[[Lines], Lines]) -> Statement:
    """The positions by ISIN, and the cash of every currency in the one that the file counts in; it has no date.

    with_points  makes decimal commas points, where all numbers of the lines have them
    """
    start = next(i for i, (_, cells) in enumerate(lines) if _is_header(cells))
    header = lines[start][1]
    found = BASE.fullmatch(header[-1].strip())
    base = found[1] if found else ""
    own = counted_in(base, answers, "the file")
    bare = [(line, _one_unit(cells)) for line, cells in lines[start + 1 :]]
    rows = [_row(line, cells, base) for line, cells in with_points(bare)]
    return statement("DEGIRO", None, rows, own, month_first=None)


def _one_unit(cells: Sequence[str]) -> list[str]:
    """The cells as in the newer layout; the older one's amount has a point whatever the others have, so it is left."""
    if len(cells) == OLDER:
        return [*cells[:4], cells[4].strip()[:3], "", cells[5]]
    return list(cells)


def _row(line: int, cells: Sequence[str], base: str) -> Row:
    if len(cells) != NEWER:
        return Row(line, name=cells[0], trouble=f"it has {len(cells)} cells where the header has {NEWER}")
    name, symbol, quantity, price, currency, local, value = (cell.strip() for cell in cells)
    if not symbol and name.upper().startswith("CASH "):
        return Row(line, name=name, value=value, currency=base, detail=BESIDE)
    own = symbol.partition(" | ")[0]  # "AEHR | US00760J1088"
    return Row(line, "", own, name, quantity, price, local, currency=currency)
