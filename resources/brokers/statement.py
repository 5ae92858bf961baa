"""What a file of positions says, line by line: shares, cash, and what nobody can tell without asking."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from resources.brokers.amounts import currency_in

# Cash by its currency; not the codes that are symbols of shares too (NOK).
MONEY_OF = re.compile(
    r"(?:cash[ -]+)?(USD|EUR|GBP|CHF|JPY|CAD|AUD|NZD|HKD|SGD|SEK|DKK)(?:[ -]+(?:cash|balance))?", re.I
)

BESIDE = "BESIDE"


@dataclass(frozen=True)
class Row:
    """One line of a table of positions, as text under our names; what a layout does not have is empty.

    cost, each  total cost, and cost of one share;  kind: what the broker says it is
    currency    of its amounts, where a column says so
    detail      whether it is a position or a lot of one, where both stand in a file, or cash BESIDE the table
    dated       of which day it is
    number      the kind of number that stands for its symbol (ISIN, WKN)
    trouble     what the layout's reader already knows to be wrong with it
    """

    line: int
    account: str = ""
    symbol: str = ""
    name: str = ""
    quantity: str = ""
    price: str = ""
    value: str = ""
    cost: str = ""
    each: str = ""
    acquired: str = ""
    kind: str = ""
    trouble: str = ""
    currency: str = ""
    detail: str = ""
    dated: str = ""
    number: str = ""

    @property
    def money_of(self) -> str:
        """The currency whose money it is by its symbol; "" where it has a price other than 1, as a share has."""
        found = MONEY_OF.fullmatch(self.symbol.strip() or self.name.strip())
        return found[1].upper() if found and re.fullmatch(r"(1([.,]0+)?)?", self.price.strip()) else ""

    @property
    def counts_in(self) -> str:
        """The currency of its amounts by column, sign or code; "" where nothing tells."""
        told = (
            self.currency.strip().upper(),
            self.money_of,
            *map(currency_in, (self.value, self.cost, self.each, self.price)),
        )
        return next(filter(None, told), "")


@dataclass(frozen=True)
class Held:
    """Shares on one line: `cost` in all, and when they were bought, where the file tells."""

    line: int
    account: str
    symbol: str
    quantity: Decimal
    cost: Decimal | None
    acquired: date | None


@dataclass(frozen=True)
class Cash:
    """Money on one line, by the name that the file gives it."""

    line: int
    account: str
    name: str
    amount: Decimal


@dataclass(frozen=True)
class Question:
    """A line that can not be understood; `key` is how an answer names it."""

    line: int
    account: str
    key: str
    said: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.key}: {self.said}"


@dataclass(frozen=True)
class Answers:
    """What a person decided of lines, by their symbol as it stands in the file or their line number.

    currency  in which the book counts; that of the file where empty
    """

    cash: frozenset[str] = frozenset()
    skip: frozenset[str] = frozenset()
    symbols: Mapping[str, str] = field(default_factory=dict)
    currency: str = ""

    def of(self, row: Row, chosen: frozenset[str]) -> bool:
        """Whether a decision is about a row."""
        return bool({row.symbol.strip(), str(row.line)} & chosen)

    def symbol(self, row: Row) -> str:
        """The row's symbol, or the one that stands for it."""
        own = row.symbol.strip()
        return self.symbols.get(own, self.symbols.get(str(row.line), own.rstrip("*")))


@dataclass(frozen=True)
class Statement:
    """A file of positions.

    as_of      the date that the file states; None where it states none
    currency   in which the book counts: as decided, else that of the file's amounts; "" where nothing tells
    left_out   (line, why) of lines that are no positions
    """

    layout: str
    as_of: date | None
    held: Sequence[Held]
    cash: Sequence[Cash]
    questions: Sequence[Question]
    left_out: Sequence[tuple[int, str]]
    currency: str = ""

    @property
    def accounts(self) -> list[str]:
        """The accounts of the file, in its order."""
        lines = [(one.line, one.account) for one in self.held]
        lines += [(one.line, one.account) for one in self.cash]
        lines += [(one.line, one.account) for one in self.questions]
        return list(dict.fromkeys(account for _, account in sorted(lines)))

    def of_account(self, account: str | None) -> "Statement":
        """The lines of one account; those of all as one where None."""
        name = account or ""
        return replace(
            self,
            held=[replace(one, account=name) for one in self.held if account in (None, one.account)],
            cash=[replace(one, account=name) for one in self.cash if account in (None, one.account)],
            questions=[
                replace(one, account=name) for one in self.questions if account in (None, one.account)
            ],
        )
