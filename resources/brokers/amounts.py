"""Amounts and dates as brokers write them."""

import re
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

NOTHING = frozenset({"", "-", "--", "n/a", "na", "none", "not available", "incomplete"})
SEVERAL = frozenset({"various", "multiple"})  # days in one cell
THOUSANDS = re.compile(
    r"(?<=\d)[ '\N{RIGHT SINGLE QUOTATION MARK}\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}](?=\d{3}(?!\d))"
)
PLAIN = re.compile(r"(\d{1,3}(,\d{3})+|\d+)(\.\d*)?|\.\d+", re.A)
SIGNS = {
    "US$": "USD", "C$": "CAD", "CA$": "CAD", "A$": "AUD", "AU$": "AUD", "NZ$": "NZD", "HK$": "HKD", "S$": "SGD",
    "\N{EURO SIGN}": "EUR", "\N{POUND SIGN}": "GBP", "\N{YEN SIGN}": "JPY", "\N{INDIAN RUPEE SIGN}": "INR", "$": "$",
}  # fmt: skip
CODES = r"\b(USD|EUR|GBP|CHF|JPY|CAD|AUD|NZD|HKD|SGD|SEK|NOK|DKK|PLN|CZK|HUF|INR|CNY|KRW|TWD|ZAR|MXN|BRL|ILS|TRY)\b"
# A dollar sign alone may be of any of these, and of no other.
DOLLARS = frozenset({"USD", "CAD", "AUD", "NZD", "HKD", "SGD"})
UNIT = re.compile("|".join([*map(re.escape, sorted(SIGNS, key=len, reverse=True)), CODES]))
PENCE = re.compile(r"([-+]?[\d,.]*\d)\s?p", re.A)
# Numbers of which the form alone tells what their comma or point is; 1,234 and 1.234 tell nothing.
COMMA_IS_DECIMAL = re.compile(
    r"(\d{1,3}(\.\d{3})+|\d*),(?!\d{3}$)\d+|(\d{1,3}(\.\d{3})+|0|\d{4,}),\d+|\d{1,3}(\.\d{3}){2,}", re.A
)
POINT_IS_DECIMAL = re.compile(
    r"(\d{1,3}(,\d{3})+|\d*)\.(?!\d{3}$)\d*|(\d{1,3}(,\d{3})+|0|\d{4,})\.\d+|\d{1,3}(,\d{3}){2,}", re.A
)
# What may be a thousand or not, by what parts the cells: beside commas a comma parts thousands, as a point does nowhere
# but where decimal commas are usual.
EITHER = {"\t": re.compile(r"[1-9]\d{0,2},\d{3}", re.A), ";": re.compile(r"[1-9]\d{0,2}[.,]\d{3}", re.A)}
# The order of day and month is told by the form in all of these.
FORMS = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y%m%d",
    "%b-%d-%Y",
    "%d-%b-%Y",
    "%B %d, %Y",
    "%b %d, %Y",
    "%b %d %Y",
    "%d %B %Y",
    "%d %b %Y",
    "%d.%m.%Y",
)
AMERICAN, EUROPEAN = ("%m/%d/%Y", "%m/%d/%y"), ("%d/%m/%Y", "%d/%m/%y")
WRITTEN = re.compile(
    r"\d{4}[-/]\d{1,2}[-/]\d{1,2}|(?<!\d)20\d{6}(?!\d)|\d{1,2}[/.]\d{1,2}[/.]\d{4}"
    r"|[A-Z][a-z]{2,8}[- ]\d{1,2},?[- ]\d{4}|\d{1,2}[- ][A-Z][a-z]{2,8}[- ]\d{4}",
    re.A,
)
WITH_TIME = re.compile(r"^(\d{4}-\d{2}-\d{2}|\d{8}|\d{1,2}/\d{1,2}/\d{2,4})[,;T ].*", re.A)


def amount(text: str) -> Decimal | None:
    """`$1,234.50`, `(1,234.50)`, `-$5`, `5.00-`, `+3`, `12.50 EUR`, `120.5p`; None where there is none, as in `--`.

    An amount in pence is told in pounds.
    Raises ValueError for what is no amount, decimal commas included.
    """
    bare = text.strip().replace("\N{MINUS SIGN}", "-")
    if bare.lower() in NOTHING:
        return None
    pence = PENCE.fullmatch(bare)
    bare = pence[1] if pence else UNIT.sub("", bare).strip()
    bracketed = bare.startswith("(") and bare.endswith(")")
    bare = bare[1:-1].strip() if bracketed else bare
    sign, bare = (bare[0], bare[1:]) if bare[:1] in ("-", "+") else ("", bare)
    if not sign and bare[-1:] == "-":
        sign, bare = "-", bare[:-1]
    bare = THOUSANDS.sub("", bare.strip())
    if not PLAIN.fullmatch(bare):
        raise ValueError(f"{text.strip()!r} is no amount such as 1,234.50")
    value = Decimal(bare.replace(",", "")) / (100 if pence else 1)
    return -value if bracketed or sign == "-" else value


def currency_in(text: str) -> str:
    """The currency that an amount names by sign or code, "$" for dollars of some country; "" where it names none."""
    found = UNIT.search(text)
    if not found and PENCE.fullmatch(text.strip()):
        return "GBP"
    return SIGNS.get(found[0], found[0]) if found else ""


def has_decimal_commas(cells: Iterable[str], separator: str) -> bool:
    """Whether the numbers among the cells of a file have decimal commas: by those whose form leaves no doubt.

    separator  of the cells
    Raises ValueError where nothing tells what `1,234` is, or `1.234` in a file with semicolons.
    """
    bare = [*map(_digits, cells)]
    comma, point = (
        any(form.fullmatch(cell) for cell in bare) for form in (COMMA_IS_DECIMAL, POINT_IS_DECIMAL)
    )
    either = EITHER.get(separator)
    doubted = next((cell for cell in bare if either and either.fullmatch(cell)), None)
    if doubted and not (comma or point):
        thousand = re.sub(r"\D", "", doubted)
        raise ValueError(f"{doubted} may be a thousand or not: write {thousand}, or {doubted}0")
    return comma and not point


def with_point(cell: str) -> str:
    """A cell of a file with decimal commas as one with decimal points; what is no number stays."""
    bare = _digits(cell)
    number = re.fullmatch(r"(\d{1,3}(\.\d{3})+|\d*)(,\d*)?", bare, re.A)
    return cell.replace(".", "").replace(",", ".") if number and bare else cell


def _digits(cell: str) -> str:
    """A cell without its unit, sign and spaces between thousands."""
    return THOUSANDS.sub("", UNIT.sub("", cell).strip(" -+()"))


def day(text: str, *, month_first: bool | None) -> date | None:
    """A date in a form that leaves no doubt; None where there is none, or "various" ones.

    month_first  whether 03/04/2024 is the fourth of March; None where it may be a day of April, and 25/04/2024 can be
        no other
    Raises ValueError for anything else.
    """
    bare = _without_time(text)
    if bare.lower() in NOTHING | SEVERAL:
        return None
    slashed = {True: AMERICAN, False: EUROPEAN, None: (*AMERICAN, *EUROPEAN)}[month_first]
    either = {found for form in (*FORMS, *slashed) if (found := _day(bare, form))}
    if len(either) == 1:
        return either.pop()
    if either:
        first, second = sorted(either)
        raise ValueError(f"{bare!r} may be {first} or {second}; write it as one of them")
    raise ValueError(f"{bare!r} is no date; write dates such as 2024-01-31")


def is_month_first(texts: Iterable[str]) -> bool | None:
    """Whether the month comes first in dates with strokes, by those that have one reading; None if nothing tells."""
    told = set[bool]()
    for text in texts:
        american, european = (
            any(_day(_without_time(text), form) for form in forms) for forms in (AMERICAN, EUROPEAN)
        )
        told |= {american} if american != european else set()
    return told.pop() if len(told) == 1 else None


def _without_time(text: str) -> str:
    return WITH_TIME.sub(r"\1", text.strip())


def _day(text: str, form: str) -> date | None:
    try:
        return datetime.strptime(text, form).date()  # noqa: DTZ007  a date alone
    except ValueError:
        return None


def last_day_in(text: str, *, month_first: bool | None = True) -> date | None:
    """The last date that stands in a line of prose, such as `as of 05:20 PM ET, 2026/11/27`; None without one.

    month_first  as `day` takes it
    """
    for found in reversed(WRITTEN.findall(text)):
        try:
            return day(found, month_first=month_first)
        except ValueError:
            continue
    return None
