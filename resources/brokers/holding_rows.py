"""The rows of a broker's table, each understood as shares or cash, left out, or put in question."""

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from datetime import date
from decimal import Decimal

from optimizer import DataError
from resources.brokers.amounts import DOLLARS, amount, day, is_month_first
from resources.brokers.statement import BESIDE, Answers, Cash, Held, Question, Row, Statement
from resources.prices.columns import SYMBOL

MONEY_FUNDS = frozenset({
    "VMFXX", "VMRXX", "VUSXX", "SPAXX", "FDRXX", "FZFXX", "SPRXX", "FZDXX", "SWVXX", "SNVXX", "SNAXX", "SNSXX", "SNOXX",
})  # fmt: skip
CASH_NAMES = re.compile(
    r"((settled|core) )?cash( (&|and) cash investments| balance)?|usd|u\.?s\.? dollars?|pending activity|sweep.*|"
    r"money accounts|(fdic insured|bank) deposit( sweep)?",
    re.I,
)
# Cash on a line of its own, before or below the table.
CASH_LINE = re.compile(
    r"(total |settled |core )?cash( balance| (&|and) (sweep vehicle|cash investments))?:?|money accounts?:?|"
    r"pending activity:?",
    re.I,
)
MONEY_MARKET = re.compile(
    r"money market|(bank|insured|cash) (deposit|sweep|reserves?)|deposit (sweep|program|account)", re.I
)
ISIN = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]")
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}", re.A)
# As brokers call their kind.
NO_SHARE = re.compile(r"\b(options?|opt|puts?|calls?|futures?|fut|fop|cfds?|warrants?)\b", re.I)
CUSIP = re.compile(r"(?=.*\d.*\d)[0-9A-Z]{9}")
OPTION = re.compile(r"-?[A-Z.]{1,6} *\d{6}[CP]\d+(\.\d+)?|\S+ .*\b(C|P|CALL|PUT)\b.*")
SUM = r"((account|positions|grand|overall|sub)?[\s-]*totals?|(gesamt|zwischen)?summe)"
TOTALS = re.compile(rf"{SUM}\b.*", re.I)
TOTAL_OF = re.compile(r".*\btotals?:?", re.I)  # "Z123 Total" in the column of accounts
# A fund may be Total Market.
NO_FUND = re.compile(rf"{SUM}[\s:]*", re.I)
NEAR, CENTS = Decimal("0.005"), Decimal("0.05")


def statement(
    layout: str, as_of: date | None, rows: Sequence[Row], answers: Answers, *, month_first: bool | None,
    left_out: Sequence[tuple[int, str]] = (),
) -> Statement:  # fmt: skip
    """The rows, each understood as shares or cash, left out by an answer, or in question.

    Raises DataError where there is none, or where amounts are in several currencies and nobody decided on one.
    """
    if not rows:
        raise DataError(f"the {layout} table has no line: nothing would be held; export the positions again")
    counted = answers.currency or _one_currency(rows)
    if month_first is None:
        month_first = is_month_first(row.acquired for row in rows)
    held, cash, questions, out = [], [], [], list(left_out)
    found: Held | Cash | Question | str
    for row in rows:
        try:
            found = _understood(row, answers, counted, month_first)
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
    doubted += _cash_twice(cash, {row.line for row in rows if row.detail == BESIDE}, answers)
    open_lines = {*sums, *(question.line for question in doubted)}
    kept = [one for one in held if one.line not in open_lines]
    cash = [one for one in cash if one.line not in open_lines]
    asked = sorted([*questions, *doubted], key=lambda one: one.line)
    return Statement(layout, as_of, kept, cash, asked, sorted(out), counted)


def _cash_twice(cash: Sequence[Cash], beside: Set[int], answers: Answers) -> list[Question]:
    """Lines beside the table that may say again what other lines of cash say: sums, and names that stand twice."""

    def is_said(one: Cash, before: Sequence[Cash]) -> bool:
        if one.name.lower().startswith("total"):
            return len(cash) > 1
        same = [other for other in before if other.name.lower() == one.name.lower()]
        return any(other.account == one.account or not (other.account and one.account) for other in same)

    return [
        Question(
            one.line,
            one.account,
            one.name,
            f"is it cash that other lines have too? --skip {one.line}, or --cash {one.line}",
        )
        for place, one in enumerate(cash)
        if one.line in beside and str(one.line) not in answers.cash and is_said(one, cash[:place])
    ]


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
    if "$" in told and DOLLARS.issuperset(set(told) - {"$"}):
        told.remove("$")
    if len(told) > 1:
        raise DataError(
            f"the file has amounts in {', '.join(told)}: say in which the book counts, --currency"
        )
    return "".join(told)


def counted_in(base: str, answers: Answers, name: str) -> Answers:
    """The answers for a file that tells all amounts in one currency; raises DataError where the book has another."""
    if answers.currency not in ("", base):
        raise DataError(
            f"{name} counts in {base} and the book in {answers.currency}: give the book the base currency {base}"
        )
    return replace(answers, currency=base)


def _understood(row: Row, answers: Answers, counted: str, month_first: bool | None) -> Held | Cash | str:
    """What a row is; a text says why it is left out. Raises ValueError for what is to be asked."""
    if answers.of(row, answers.skip):
        return "left out as asked"
    if is_total(row):
        return "a total"
    own = ("", counted, *(["$"] if counted in DOLLARS or not counted else []))
    abroad = row.counts_in if row.counts_in not in own else ""
    if is_cash(row) or answers.of(row, answers.cash):
        if abroad and _money(row) == 0:
            return f"no money is held in {abroad}"
        if abroad:
            raise ValueError(f"it is cash in {abroad}, and the book counts in {counted}")
        return Cash(row.line, row.account, row.symbol.strip() or row.name.strip(), _money(row))
    if row.trouble:
        raise ValueError(row.trouble)
    symbol = answers.symbol(row)
    answered = answers.of(row, frozenset(answers.symbols))
    if (kind := row.number or ("ISIN" if ISIN.fullmatch(symbol) else "")) and not answered:
        raise ValueError(
            f"its {kind} stands in place of a symbol: --symbol {symbol}=SYMBOL says what your prices call it"
        )
    _check_symbol(symbol)
    quantity = amount(row.quantity)
    if quantity is None:
        raise ValueError("there is no number of shares; is it cash?")
    if NO_SHARE.search(row.kind) and not answered:
        raise ValueError(f"it is of the kind {row.kind.strip()}, and only shares and funds are read")
    if quantity == 0:
        return "no share is held of it"
    _check_value(quantity, amount(row.price), amount(row.value))
    cost = None if abroad else _cost(row, quantity)
    return Held(row.line, row.account, symbol, quantity, cost, day(row.acquired, month_first=month_first))


def is_total(row: Row) -> bool:
    """Whether a row sums others; a name without a symbol that has shares is a fund that may be named so."""
    if row.detail == BESIDE:
        return False
    if symbol := row.symbol.strip():
        return bool(TOTALS.fullmatch(symbol))
    if not row.name.strip() and not row.quantity.strip() and TOTAL_OF.fullmatch(row.account.strip()):
        return True
    if not row.name.strip():  # Interactive Investor writes the word wherever there is room
        return any(NO_FUND.fullmatch(cell.strip()) for cell in (row.quantity, row.price, row.value))
    return bool((NO_FUND if re.search(r"\d", row.quantity) else TOTALS).fullmatch(row.name.strip()))


def is_cash(row: Row) -> bool:
    """Whether a row is cash or a money-market fund, whose share is a dollar: CASH and USD are symbols of others too."""
    symbol = row.symbol.strip()
    return row.detail == BESIDE or (
        amount(row.price) in (None, 1)
        and bool(
            symbol.endswith("**")
            or symbol.rstrip("*") in MONEY_FUNDS
            or CASH_NAMES.fullmatch(symbol or row.name.strip())
            or row.money_of
            or MONEY_MARKET.search(f"{row.name} {row.kind}")
        )
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
    if DATE.fullmatch(symbol):
        raise ValueError(
            "it is a date, as of a lot below its position, and no symbol; export the positions without lots"
        )
    if CUSIP.fullmatch(symbol):
        raise ValueError("it is a CUSIP, as bonds have, and no symbol of a price source")
    if not re.fullmatch(SYMBOL, symbol):
        capitals = re.fullmatch(SYMBOL, symbol.upper()) and f"; in capitals it would be one: {symbol.upper()}"
        parted = re.fullmatch(r"([A-Z]{1,5})[ /]+([A-Z]{1,2})", symbol)
        share_class = (
            parted and f"; a class of shares? it may be {parted[1]}.{parted[2]}, or as your prices have it"
        )
        raise ValueError(f"it is no symbol that a price source has{capitals or share_class or ''}")


def _check_value(quantity: Decimal, price: Decimal | None, value: Decimal | None) -> None:
    """Raises ValueError where shares x price is not the value: a contract of many, a bond, a price of another day."""
    if value is not None and quantity * value < 0:
        raise ValueError(f"it has {quantity:,} shares and a value of {value:,.2f}; are the shares borrowed?")
    if price is None or value is None:
        return
    rounded = _half_a_digit(price) * abs(quantity) + _half_a_digit(quantity) * abs(price)
    if abs(quantity * price - value) > max(NEAR * abs(value), CENTS) + rounded:
        raise ValueError(
            f"{quantity:,} shares at {price:,} are {quantity * price:,.2f}, and the file says {value:,.2f}"
        )


def _half_a_digit(number: Decimal) -> Decimal:
    """By how much a number may be off that was rounded to the digits behind its point; 0 where it has none."""
    places = number.as_tuple().exponent
    return Decimal(1).scaleb(places) / 2 if isinstance(places, int) and places < 0 else Decimal(0)


def _cost(row: Row, quantity: Decimal) -> Decimal | None:
    total, each = amount(row.cost), amount(row.each)
    if total is None and each is not None:
        total = each * quantity
    return None if total is None or total * quantity < 0 else total
