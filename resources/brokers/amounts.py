"""Amounts and dates as brokers write them."""

import re
from datetime import date, datetime
from decimal import Decimal

NOTHING = frozenset({"", "-", "--", "n/a", "na", "none", "not available", "incomplete"})
PLAIN = re.compile(r"(\d{1,3}(,\d{3})+|\d+)(\.\d*)?|\.\d+", re.A)
UNIT = re.compile(r"US\$|\$|\bUSD\b")
# The order of day and month is told by the form in all of these.
FORMS = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y%m%d",
    "%b-%d-%Y",
    "%d-%b-%Y",
    "%B %d, %Y",
    "%b %d, %Y",
    "%d %B %Y",
    "%d %b %Y",
)
AMERICAN = ("%m/%d/%Y", "%m/%d/%y")
WRITTEN = re.compile(
    r"\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{1,2}/\d{1,2}/\d{4}|[A-Z][a-z]{2,8}[- ]\d{1,2},?[- ]\d{4}"
    r"|\d{1,2}[- ][A-Z][a-z]{2,8}[- ]\d{4}",
    re.A,
)


def amount(text: str) -> Decimal | None:
    """`$1,234.50`, `(1,234.50)`, `-$5`, `+3`; None where there is none, as in `--` or `N/A`.

    Raises ValueError for what is no amount, decimal commas included.
    """
    bare = text.strip().replace("\N{MINUS SIGN}", "-")
    if bare.lower() in NOTHING:
        return None
    bracketed = bare.startswith("(") and bare.endswith(")")
    bare = UNIT.sub("", bare[1:-1] if bracketed else bare).strip()
    sign, bare = (bare[0], bare[1:]) if bare[:1] in ("-", "+") else ("", bare)
    bare = UNIT.sub("", bare).strip()
    if not PLAIN.fullmatch(bare):
        raise ValueError(f"{text.strip()!r} is no amount such as 1,234.50")
    value = Decimal(bare.replace(",", ""))
    return -value if bracketed or sign == "-" else value


def day(text: str, *, american: bool) -> date | None:
    """A date in a form that leaves no doubt; None where there is none.

    american  whether 03/04/2024 is the fourth of March
    Raises ValueError for anything else: 03/04/2024 may be a day of March or of April.
    """
    bare = text.strip().split(", ")[0] if re.match(r"\d{4}-", text.strip()) else text.strip()
    if bare.lower() in NOTHING:
        return None
    for form in (*FORMS, *(AMERICAN if american else ())):
        try:
            return datetime.strptime(bare, form).date()  # noqa: DTZ007  a date alone
        except ValueError:
            continue
    raise ValueError(f"{bare!r} is no date; write dates such as 2024-01-31")


def last_day_in(text: str) -> date | None:
    """The last date that stands in a line of prose, such as `as of 05:20 PM ET, 2026/11/27`; None without one."""
    for found in reversed(WRITTEN.findall(text)):
        try:
            return day(found, american=True)
        except ValueError:
            continue
    return None
