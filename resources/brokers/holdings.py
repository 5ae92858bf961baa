"""Holdings of a portfolio from a broker's statement, and the commented YAML that says so."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import PurePath

from optimizer import DataError
from optimizer.errors import how_many
from resources.brokers.statement import Held, Statement

SATURDAY = 5
COST = Decimal("0.000001")
HEAD = re.compile(r"holdings:\s*(#.*)?$")


@dataclass(frozen=True)
class Position:
    """Shares of a symbol; `cost` of one share where known; `lots` as (acquired, shares, cost of one share)."""

    symbol: str
    quantity: Decimal
    cost: Decimal | None
    lots: tuple[tuple[date, Decimal, Decimal], ...] = ()


@dataclass(frozen=True)
class Holdings:
    """What was held at the close of a date."""

    as_of: date
    cash: Decimal
    positions: tuple[Position, ...]


def holdings(found: Statement, as_of: date) -> Holdings:
    """The lines of a statement, summed by symbol.

    Raises DataError that lists every line in question, and where several accounts are in one statement.
    """
    if len(found.accounts) > 1:
        raise DataError(
            f"the file has the accounts {', '.join(found.accounts)}: choose one with --account, or all"
        )
    if found.questions:
        listed = "\n".join(f"  {question}" for question in found.questions)
        raise DataError(
            f"{how_many(len(found.questions), 'line')} can not be read as shares or cash:\n{listed}\n"
            "  answer each by its symbol or line number: --cash X (it is cash), --skip X (leave it out), "
            "--symbol X=SYMBOL (its symbol is another)"
        )
    symbols = sorted({held.symbol for held in found.held})
    return Holdings(
        as_of,
        sum((cash.amount for cash in found.cash), Decimal(0)),
        tuple(
            _position(symbol, [held for held in found.held if held.symbol == symbol]) for symbol in symbols
        ),
    )


def _position(symbol: str, lines: Sequence[Held]) -> Position:
    """The lines of one symbol; lots where every line has its date and cost."""
    quantity = sum((held.quantity for held in lines), Decimal(0))
    costs = [held.cost for held in lines if held.cost is not None]
    known = len(costs) == len(lines) and bool(quantity)
    lots = tuple(
        (held.acquired, held.quantity, _each(held.cost, held.quantity))
        for held in lines
        if held.acquired is not None and held.cost is not None and held.quantity > 0
    )
    if len(lots) == len(lines):
        return Position(symbol, quantity, None, tuple(sorted(lots)))
    return Position(symbol, quantity, _each(sum(costs, Decimal(0)), quantity) if known else None)


def _each(cost: Decimal, quantity: Decimal) -> Decimal:
    return (cost / quantity).quantize(COST)


def last_weekday(day: date) -> date:
    """The day itself, or the Friday before a weekend: what an export of Saturday holds was held at Friday's close."""
    return day - timedelta(days=max(day.weekday() - SATURDAY + 1, 0))


def holdings_yaml(held: Holdings, source: str, layout: str) -> str:
    """A block of `holdings:` in a portfolio's YAML, with where it came from."""
    lines = [
        f"# from {PurePath(source).name!r} ({layout})",
        f"- as_of: {held.as_of}",
        f"  cash: {plain(held.cash)}",
    ]
    lines += ["  positions:"] if held.positions else []
    for position in held.positions:
        name = quoted(position.symbol)
        if position.lots:
            lines += [f"    {name}:", "      lots:"]
            lines += [
                f"        - {{acquired: {acquired}, quantity: {plain(quantity)}, cost_basis: {plain(cost)}}}"
                for acquired, quantity, cost in position.lots
            ]
        elif position.cost is not None:
            lines.append(
                f"    {name}: {{quantity: {plain(position.quantity)}, cost_basis: {plain(position.cost)}}}"
            )
        else:
            lines.append(f"    {name}: {plain(position.quantity)}")
    return "".join(f"  {line}\n" for line in lines)


def plain(value: Decimal) -> str:
    """A number without exponent or needless zeros."""
    return f"{value.normalize():f}"


def quoted(symbol: str) -> str:
    """A symbol as YAML text: `ON`, `NO` and `7203` are none without quotes."""
    return symbol if symbol.isalpha() and symbol.lower() not in WORDS else f'"{symbol}"'


WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})


def with_block(text: str, block: str, name: str) -> str:
    """A portfolio's YAML with one block more at the end of its `holdings:`; everything else stays as it is.

    Raises DataError where `holdings` is not written as a list of lines.
    """
    lines = text.splitlines(keepends=True)
    start = next((i for i, line in enumerate(lines) if HEAD.match(line)), None)
    if start is None:
        raise DataError(
            f"{name}: write `holdings:` on a line of its own with an entry `- as_of: ...` a date below it"
        )
    end = start + 1
    for i in range(start + 1, len(lines)):
        if lines[i].strip() and not lines[i][0].isspace() and not lines[i].startswith(("#", "-")):
            break
        if lines[i].strip() and not lines[i].startswith("#"):
            end = i + 1
    first = next((line for line in lines[start + 1 : end] if line.lstrip().startswith("-")), "  -")
    indent = first[: len(first) - len(first.lstrip())]
    own = "".join(
        f"{indent}{line[2:]}" if line.startswith("  ") else line for line in block.splitlines(keepends=True)
    )
    before = lines[end - 1] if lines[end - 1].endswith("\n") else lines[end - 1] + "\n"
    return "".join([*lines[: end - 1], before, own, *lines[end:]])
