"""Activity statements of Interactive Brokers: sections of rows, each row with its section's name in front."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from optimizer import DataError
from resources.brokers.amounts import amount, last_day_in
from resources.brokers.holding_rows import statement
from resources.brokers.statement import Answers, Row, Statement

POSITIONS, CASH, ABOUT, ACCOUNT = "Open Positions", "Cash Report", "Statement", "Account Information"
SHARES = ("Stocks", "Mutual Funds", "Funds")
Lines = Sequence[tuple[int, list[str]]]
Record = tuple[int, Mapping[str, str]]


def is_activity_statement(lines: Sequence[Sequence[str]]) -> bool:
    """Whether the rows have the header of open positions that such a statement has."""
    return any(cells[:3] == [POSITIONS, "Header", "DataDiscriminator"] for cells in lines)


def read_activity_statement(lines: Lines, answers: Answers) -> Statement:
    """Open positions, their lots where the statement has them, and the ending cash in base currency."""
    about = {cells.get("Field Name"): cells.get("Field Value", "") for _, cells in _records(lines, ABOUT)}
    account = {cells.get("Field Name"): cells.get("Field Value", "") for _, cells in _records(lines, ACCOUNT)}
    number, base = account.get("Account", ""), account.get("Base Currency", "")
    records = _records(lines, POSITIONS)
    rows = [*_positions(records, number, base), *_cash(_records(lines, CASH), number, base)]
    as_of = last_day_in(about.get("Period", ""))
    if base and answers.currency not in ("", base):
        raise DataError(
            f"the statement counts in {base} and the book in {answers.currency}; export it in that one"
        )
    own = replace(answers, currency=base or answers.currency)
    return statement("Interactive Brokers", as_of, rows, own, month_first=None)


def _records(lines: Lines, section: str) -> list[Record]:
    """(line, heading -> cell) of a section's data, under the header above it."""
    header: list[str] = []
    found: list[Record] = []
    for line, cells in lines:
        if cells[0] != section or len(cells) < 2:
            continue
        if cells[1] == "Header":
            header = cells[2:]
        elif cells[1] == "Data":
            found.append((line, dict(zip(header, cells[2:], strict=False))))
    return found


def _positions(records: Sequence[Record], account: str, base: str) -> list[Row]:
    lots = [record for record in records if record[1].get("DataDiscriminator") == "Lot"]
    whole = [record for record in records if record[1].get("DataDiscriminator") in ("Summary", "")]
    rows = []
    for line, cells in whole:
        own = [lot for lot in lots if all(lot[1].get(key) == cells.get(key) for key in ("Symbol", "Account"))]
        if own and _shares(own) != _shares([(line, cells)]):
            trouble = f"its lots have {_shares(own)} shares and the position {_shares([(line, cells)])}"
            rows.append(_row(line, cells, account, base, trouble))
        else:
            rows += [_row(*lot, account, base) for lot in own] or [_row(line, cells, account, base)]
    return rows


def _shares(records: Sequence[Record]) -> Decimal:
    return sum((amount(cells.get("Quantity", "")) or Decimal(0) for _, cells in records), Decimal(0))


def _row(line: int, cells: Mapping[str, str], account: str, base: str, trouble: str = "") -> Row:
    category, multiple = cells.get("Asset Category", ""), cells.get("Mult", "1")
    if category not in SHARES:
        trouble = f"it is of the category {category}, and only shares and funds are read"
    elif multiple not in ("1", ""):
        trouble = f"one contract is {multiple} of something"
    in_base = not base or cells.get("Currency", base) == base
    return Row(
        line, cells.get("Account", account), cells.get("Symbol", ""),
        quantity=cells.get("Quantity", ""), price=cells.get("Close Price", ""), value=cells.get("Value", ""),
        cost=cells.get("Cost Basis", "") if in_base else "",
        acquired=cells.get("Open", "").strip("-"), trouble=trouble,
    )  # fmt: skip


def _cash(records: Sequence[Record], account: str, base: str) -> list[Row]:
    """The ending cash in base currency, which counts every currency; else that of each currency."""
    ending = [record for record in records if record[1].get("Currency Summary") == "Ending Cash"]
    whole = [record for record in ending if record[1].get("Currency") == "Base Currency Summary"]
    rows = []
    for line, cells in whole or ending:
        currency, value = cells.get("Currency", ""), cells.get("Total", "")
        if whole or currency == base:
            rows.append(Row(line, account, "CASH", value=value))
        else:
            said = f"cash in {currency}, and the book counts in {base or 'its base currency'}"
            rows.append(Row(line, account, f"{currency} cash", value=value, trouble=said))
    return rows
