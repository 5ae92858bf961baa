"""What a file of positions says, line by line: shares, cash, and what nobody can tell without asking."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from optimizer import DataError
from resources.brokers.amounts import amount, currency_in, day
from resources.prices.columns import SYMBOL

MONEY_FUNDS = frozenset({
    "VMFXX", "VMRXX", "VUSXX", "SPAXX", "FDRXX", "FZFXX", "SPRXX", "FZDXX", "SWVXX", "SNVXX", "SNAXX", "SNSXX", "SNOXX",
})  # fmt: skip
CASH_NAMES = re.compile(
    r"((settled|core) )?cash( (&|and) cash investments| balance)?|usd|u\.?s\.? dollars?|pending activity|sweep.*|"
    r"(fdic insured|bank) deposit( sweep)?",
    re.I,
)
# Cash by its currency; not the codes that are symbols of shares too (NOK).
MONEY_OF = re.compile(
    r"(?:cash[ -]+)?(USD|EUR|GBP|CHF|JPY|CAD|AUD|NZD|HKD|SGD|SEK|DKK)(?:[ -]+(?:cash|balance))?", re.I
)
MONEY_MARKET = re.compile(
    r"money market|(bank|insured|cash) (deposit|sweep|reserves?)|deposit (sweep|program|account)", re.I
)
NO_SHARE = re.compile(r"\b(options?|opt|futures?|fut|fop|warrants?)\b", re.I)  # as brokers call their kind
CUSIP = re.compile(r"(?=.*\d.*\d)[0-9A-Z]{9}")
OPTION = re.compile(r"-?[A-Z.]{1,6} *\d{6}[CP]\d+(\.\d+)?|\S+ .*\b(C|P|CALL|PUT)\b.*")
TOTALS = re.compile(r"(account|positions|grand|sub)?[\s-]*totals?\b.*", re.I)
NO_FUND = re.compile(r"(account|positions|grand|sub)?[\s-]*totals?[\s:]*", re.I)  # a fund may be Total Market
NEAR, CENTS = Decimal("0.005"), Decimal("0.05")


@dataclass(frozen=True)
class Row:
    """One line of a table of positions, as text under our names; what a layout does not have is empty.

    cost, each  total cost, and cost of one share;  kind: what the broker says it is
    currency    of its amounts, where a column says so
    detail      whether it is a position or a lot of one, where both stand in a file;  dated: of which day it is
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


def statement(
    layout: str, as_of: date | None, rows: Sequence[Row], answers: Answers, *, american: bool,
    left_out: Sequence[tuple[int, str]] = (),
) -> Statement:  # fmt: skip
    """The rows, each understood as shares or cash, left out by an answer, or in question.

    Raises DataError where there is none, or where amounts are in several currencies and nobody decided on one.
    """
    if not rows:
        raise DataError(f"the {layout} table has no line: nothing would be held; export the positions again")
    counted = answers.currency or _one_currency(rows)
    held, cash, questions, out = [], [], [], list(left_out)
    found: Held | Cash | Question | str
    for row in rows:
        try:
            found = _understood(row, answers, counted, american)
        except ValueError as error:
            found = Question(row.line, row.account, row.symbol.strip() or row.name.strip() or "?", str(error))
        match found:
            case Held():
                held.append(found)
            case Cash():
                cash.append(found)
            case Question():
                questions.append(found)
            case str():
                out.append((row.line, found))
    sums, doubted = _sums_of_lots(held, {row.line: row.detail.strip().upper() for row in rows}, answers)
    out += [(line, "the sum of its lots, which stand on lines of their own") for line in sums]
    open_lines = {*sums, *(question.line for question in doubted)}
    kept = [one for one in held if one.line not in open_lines]
    return Statement(layout, as_of, kept, cash, [*questions, *doubted], sorted(out), counted)


def _sums_of_lots(
    held: Sequence[Held], details: Mapping[int, str], answers: Answers
) -> tuple[list[int], list[Question]]:
    """The lines that repeat the lots of their symbol: those that say so, and those where that is to be asked."""

    def is_lot(one: Held) -> bool:
        return details[one.line] == "LOT" if details[one.line] else one.acquired is not None

    lots: dict[tuple[str, str], Decimal] = {}
    for one in filter(is_lot, held):
        lots[one.account, one.symbol] = lots.get((one.account, one.symbol), Decimal(0)) + one.quantity
    sums, doubted = list[int](), list[Question]()
    for one in held:
        together = lots.get((one.account, one.symbol))
        if together is None or is_lot(one) or str(one.line) in answers.symbols:
            continue
        if details[one.line] and together == one.quantity:
            sums.append(one.line)
        elif details[one.line]:
            said = f"its lots have {together} shares and the position {one.quantity}"
            doubted.append(Question(one.line, one.account, one.symbol, said))
        elif together == one.quantity:
            answer = f"--symbol {one.line}={one.symbol}"
            said = f"is it the sum of its dated lines? leave it out; if they are more shares, {answer}"
            doubted.append(Question(one.line, one.account, one.symbol, said))
    return sums, doubted


def _one_currency(rows: Sequence[Row]) -> str:
    told = sorted({row.counts_in for row in rows} - {""})
    if len(told) > 1:
        raise DataError(
            f"the file has amounts in {', '.join(told)}: say in which the book counts, --currency"
        )
    return "".join(told)


def _understood(row: Row, answers: Answers, counted: str, american: bool) -> Held | Cash | str:
    """What a row is; a text says why it is left out. Raises ValueError for what is to be asked."""
    if answers.of(row, answers.skip):
        return "left out as asked"
    if is_total(row):
        return "a total"
    abroad = row.counts_in if row.counts_in not in ("", counted) else ""
    if is_cash(row) or answers.of(row, answers.cash):
        if abroad:
            raise ValueError(f"it is cash in {abroad}, and the book counts in {counted}")
        return Cash(row.line, row.account, row.symbol.strip() or row.name.strip(), _money(row))
    if row.trouble:
        raise ValueError(row.trouble)
    symbol = answers.symbol(row)
    _check_symbol(symbol)
    quantity = amount(row.quantity)
    if quantity is None:
        raise ValueError("there is no number of shares; is it cash?")
    if NO_SHARE.search(row.kind) and not answers.of(row, frozenset(answers.symbols)):
        raise ValueError(f"it is of the kind {row.kind.strip()}, and only shares and funds are read")
    if quantity == 0:
        return "no share is held of it"
    _check_value(quantity, amount(row.price), amount(row.value))
    cost = None if abroad else _cost(row, quantity)
    return Held(row.line, row.account, symbol, quantity, cost, day(row.acquired, american=american))


def is_total(row: Row) -> bool:
    """Whether a row sums others; a name without a symbol that has shares is a fund that may be named so."""
    if symbol := row.symbol.strip():
        return bool(TOTALS.fullmatch(symbol))
    return bool((NO_FUND if re.search(r"\d", row.quantity) else TOTALS).fullmatch(row.name.strip()))


def is_cash(row: Row) -> bool:
    """Whether a row is cash or a money-market fund, whose share is a dollar: CASH and USD are symbols of others too."""
    symbol = row.symbol.strip()
    return amount(row.price) in (None, 1) and bool(
        symbol.endswith("**")
        or symbol.rstrip("*") in MONEY_FUNDS
        or CASH_NAMES.fullmatch(symbol or row.name.strip())
        or row.money_of
        or MONEY_MARKET.search(f"{row.name} {row.kind}")
    )


def _money(row: Row) -> Decimal:
    value, quantity, price = amount(row.value), amount(row.quantity), amount(row.price)
    if value is None and quantity is not None:
        value = quantity * (price if price is not None else 1)
    if value is None:
        raise ValueError("it is cash, and no amount is given")
    return value


def _check_symbol(symbol: str) -> None:
    if not symbol:
        raise ValueError("there is no symbol")
    if OPTION.fullmatch(symbol):
        raise ValueError("it is an option, and only shares and funds are read")
    if CUSIP.fullmatch(symbol):
        raise ValueError("it is a CUSIP, as bonds have, and no symbol of a price source")
    if not re.fullmatch(SYMBOL, symbol):
        raise ValueError("it is no symbol that a price source has")


def _check_value(quantity: Decimal, price: Decimal | None, value: Decimal | None) -> None:
    """Raises ValueError where shares x price is not the value: a contract of many, a bond, a price of another day."""
    if price is None or value is None:
        return
    if abs(quantity * price - value) > max(NEAR * abs(value), CENTS):
        raise ValueError(
            f"{quantity:,} shares at {price:,} are {quantity * price:,.2f}, and the file says {value:,.2f}"
        )


def _cost(row: Row, quantity: Decimal) -> Decimal | None:
    total, each = amount(row.cost), amount(row.each)
    if total is None and each is not None:
        total = each * quantity
    return None if total is None or total * quantity < 0 else total
