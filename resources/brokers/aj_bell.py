"""The portfolio that AJ Bell exports: symbols in a column or behind the names, sums in pounds whatever the prices."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime

from resources.brokers.amounts import amount
from resources.brokers.holding_rows import counted_in, statement
from resources.brokers.layouts import plain
from resources.brokers.statement import Answers, Row, Statement

Lines = list[tuple[int, list[str]]]
WORDS = {"investment", "quantity", "price", "value", "cost"}
CODE = re.compile(r"\((\w+):\s*([\w.]+)\)\s*$")  # "Apple Inc (NASDAQ:AAPL)"


def is_aj_bell(lines: Sequence[Sequence[str]]) -> bool:
    """Whether a line is the header: investment, quantity, price, value and cost in pounds."""
    return any(_is_header(cells) for cells in lines)


def _is_header(cells: Sequence[str]) -> bool:
    pounds = {plain(cell) for cell in cells if cell.strip().endswith("(\u00a3)")}
    words = {plain(cell) for cell in cells}
    return words >= WORDS and pounds >= {"value", "cost"} and not words & {"symbol", "isin"}


def read_aj_bell(lines: Lines, answers: Answers) -> Statement:
    """The positions and the cash, in pounds; raises DataError where the book counts in another currency."""
    start = next(i for i, (_, cells) in enumerate(lines) if _is_header(cells))
    header = [plain(cell) for cell in lines[start][1]]
    told = [(line, dict(zip(header, cells, strict=False))) for line, cells in lines[start + 1 :]]
    rows = [_row(line, cells) for line, cells in told]
    days = [day for _, cells in told if (day := _day(cells.get("date", "")))]
    own = counted_in("GBP", answers, "AJ Bell's file")
    return statement("AJ Bell", max(days, default=None), rows, own, month_first=None)


def _row(line: int, cells: Mapping[str, str]) -> Row:
    name, account = cells.get("investment", "").strip(), cells.get("portfolio", "").strip()
    value = cells.get("value", "")
    code = CODE.search(name)
    symbol = cells.get("ticker", "").strip() or (code[2] if code else "")
    if name.upper().startswith("CASH ") and not symbol:
        return Row(line, account, name=name, value=value, currency="GBP")
    try:
        price, trouble = _in_pounds(cells), ""
    except ValueError as error:
        price, trouble = "", str(error)
    return Row(
        line, account, symbol, name, cells.get("quantity", ""), price, value, cells.get("cost", ""), currency="GBP",
        number="SEDOL" if code and code[1] == "SEDOL" else "", trouble=trouble,
    )  # fmt: skip


def _in_pounds(cells: Mapping[str, str]) -> str:
    """The price in the unit of the value; "" where the rate that tells it is not there. Raises ValueError."""
    price, unit = cells.get("price", ""), cells.get("valuation currency", "").strip()
    if unit in ("", "GBP"):
        return price
    if unit in ("GBX", "GBp"):
        return f"{price.strip().removesuffix('p')}p"
    own, rate = amount(price), amount(cells.get("exchange rate", ""))
    return f"{own / rate:.6f}" if own is not None and rate else ""


def _day(text: str) -> date | None:
    """A day as in `25-May-26`; None for what is none."""
    try:
        return datetime.strptime(text.strip(), "%d-%b-%y").date()  # noqa: DTZ007  a date alone
    except ValueError:
        return None
