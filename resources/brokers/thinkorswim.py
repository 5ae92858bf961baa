"""The position statement of thinkorswim: a line a symbol, its shares and options on lines of their own below it."""

import re
from collections.abc import Iterator, Sequence

from resources.brokers.amounts import day
from resources.brokers.holding_rows import CASH_LINE, statement
from resources.brokers.layouts import plain
from resources.brokers.statement import BESIDE, Answers, Row, Statement

Lines = Sequence[tuple[int, list[str]]]
MARKS = {"instrument", "qty", "mark"}
OURS = {"instrument": "name", "qty": "quantity", "mark": "price", "trade price": "each", "net liq": "value"}
SYMBOL = re.compile(r"/?[A-Z0-9]{1,6}([./:][A-Z0-9]{1,5})?")
# 100 21 JAN 22 4795 PUT, 1/50 21 JAN 22 /ESH22 4795 PUT, .SPX220121P4795
OPTION = re.compile(r"\.[A-Z]|\d.*\b(CALL|PUT)\b")
WRITTEN_ON = re.compile(r" on (\d{1,2}/\d{1,2}/\d{2,4})")
ACCOUNT = re.compile(r"statement for (\S+)", re.I)


def is_position_statement(lines: Sequence[Sequence[str]]) -> bool:
    """Whether a line is the header of such a statement."""
    return any({plain(cell) for cell in cells} >= MARKS for cells in lines)


def read_position_statement(lines: Lines, answers: Answers) -> Statement:
    """Shares by the symbol above them, and the cash that stands below the tables; each option is asked."""
    rows: list[Row] = []
    left_out: list[tuple[int, str]] = []
    account, header, as_of = "", [""], None
    groups: list[list[Row]] = []
    for line, cells in lines:
        told = [cell.strip() for cell in cells if cell.strip()]
        if {plain(cell) for cell in cells} >= MARKS:
            header = [OURS.get(plain(cell), "") for cell in cells]
        elif CASH_LINE.fullmatch(told[0]) and len(told) > 1:
            rows.append(Row(line, account, told[0], value=told[1], detail=BESIDE))
        elif len(cells) < len(header) - 1 or header == [""]:
            left_out.append((line, f"no position: {told[0][:60]}"))
            if found := WRITTEN_ON.search(told[0]):
                as_of = day(found[1], month_first=True)
            account = found[1] if (found := ACCOUNT.search(told[0])) else account
        else:
            own = {ours: cell for ours, cell in zip(header, cells, strict=False) if ours}
            row = Row(line, account, **own)
            if SYMBOL.fullmatch(row.name.strip()) or not groups:
                groups.append([row])
            else:
                groups[-1].append(row)
    rows += [row for group in groups for row in _positions(group)]
    return statement("thinkorswim", as_of, rows, answers, month_first=True, left_out=left_out)


def _positions(group: Sequence[Row]) -> Iterator[Row]:
    """A symbol's own line where it stands alone, else the lines below it: its own then sums them or is empty."""
    symbol, *parts = group
    for part in parts or [symbol]:
        option = OPTION.match(part.name.strip())
        yield Row(
            part.line, part.account, part.name.strip() if option else symbol.name.strip(), part.name,
            part.quantity, part.price, part.value, each=part.each,
        )  # fmt: skip
