"""Amounts and dates as brokers write them."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.brokers.amounts import amount, day, last_day_in


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$1,234.50", "1234.50"), ("(1,234.50)", "-1234.50"), ("($5)", "-5"), ("-$5.25", "-5.25"), ("$-5", "-5"),
        ("+3", "3"), (" 7 ", "7"), (".5", "0.5"), ("1234", "1234"), ("US$12", "12"), ("12 USD", "12"),
        ("\u22124", "-4"), ("1 000", "1000"), ("1'234'567.5", "1234567.5"), ("\u20ac12", "12"), ("-C$5", "-5"),
        ("12 CHF", "12"), ("$(1,234.50)", "-1234.50"), ("1,234.50-", "-1234.50"), ("(5.00) USD", "-5"),
    ],
)  # fmt: skip
def test_an_amount_is_read(text: str, value: str) -> None:
    assert amount(text) == Decimal(value)


@pytest.mark.parametrize(
    "text",
    ["1.234,50", "1,23", "12,34,567", "5%", "abc", "1e5", "nan", "--5", "-5-", "(5", "$", "1 00", "1 0000"],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no amount such as"):
        amount(text)


def test_nothing_is_none() -> None:
    assert [amount(text) for text in ("", "--", "N/A", "n/a", " - ")] == [None] * 5
    assert day("--", month_first=True) is None


@given(st.decimals(-(10**9), 10**9, places=2))
def test_an_amount_survives_the_forms_of_brokers(value: Decimal) -> None:
    shown = f"{abs(value):,.2f}"
    assert amount(f"${shown}" if value >= 0 else f"(${shown})") == value
    assert amount(f"{value:,.2f}") == value


def test_dates_are_read_where_their_form_leaves_no_doubt() -> None:
    wanted = date(2022, 12, 3)
    forms = (
        "2022-12-03",
        "2022/12/03",
        "20221203",
        "Dec-03-2022",
        "03-Dec-2022",
        "December 3, 2022",
        "3 Dec 2022",
        "03.12.2022",
    )
    assert {day(form, month_first=None) for form in forms} == {wanted}
    assert (
        day("12/03/2022", month_first=True) == wanted
        and day("2022-12-03, 09:30:01", month_first=None) == wanted
    )
    assert day("23/12/2022", month_first=None) == day("12/23/22", month_first=None) == date(2022, 12, 23)
    assert last_day_in("Stand 31.12.2022", month_first=None) == date(2022, 12, 31)
    assert last_day_in("as of 12/03/2022", month_first=None) is None  # of March or of December
    with pytest.raises(ValueError, match="may be 2022-03-12 or 2022-12-03; write it as one of them"):
        day("12/03/2022", month_first=None)
    with pytest.raises(ValueError, match="is no date"):
        day("2022-13-01", month_first=None)
    assert day("12/03/2022 0:00", month_first=True) == wanted  # as a spreadsheet writes it
    assert last_day_in("from Dec-01-2022 to Dec-03-2022 at 5 p.m.") == wanted
    assert last_day_in("nothing here, 2022") is None and last_day_in("2022-99-99") is None
