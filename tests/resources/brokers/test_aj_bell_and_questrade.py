"""Exports of AJ Bell (sums in pounds beside prices in any currency) and Questrade (a sheet saved as CSV)."""

from datetime import date
from decimal import Decimal

import pytest

from optimizer import DataError
from resources.brokers.export_lines import read_statement
from resources.brokers.statement import Answers, Statement

HEADER = (
    "\N{ZERO WIDTH NO-BREAK SPACE}Investment,Quantity,Price,Value (\u00a3),Cost (\u00a3),Change (\u00a3),Change (%),"
    "Price +/- today (%),Valuation currency,Market currency,Exchange rate,Date,Time,Portfolio,Ticker\n"
)
AJ_BELL = HEADER + (
    '"Apple Inc (NASDAQ:AAPL)",100,131.86,"10,548.80","9,000.00",1,1,0,USD,USD,1.25,23-Dec-22,17:07,SIPP,AAPL\n'
    '"BP plc (LSE:BP.)","1,000",4.7435,"4,743.50","4,000.00",1,1,0,GBP,GBP,1,22-Dec-22,17:07,SIPP,BP.\n'
    '"Vodafone (LSE:VOD)","1,000",85.5,855.00,900.00,1,1,0,GBX,GBX,1,23-Dec-22,17:07,SIPP,VOD\n'
    '"TREASURY GILT 3.25% (22/01/44) (SEDOL:B84Z9V0)","2,000",80,"1,600.00","1,700.00",1,1,0,GBP,GBP,1,'
    "23-Dec-22,17:07,SIPP,B84Z9V0\n"
    "Cash GBP,1,1,1484.50,1484.50,0,0,0,GBP,GBP,1,23-Dec-22,17:07,SIPP\n"
    "Cash USD,100,1,80.00,80.00,0,0,0,USD,USD,1.25,23-Dec-22,17:07,SIPP,\n"
)
OLDER = (
    "Investment,Quantity,Price,Value (\u00a3),Cost (\u00a3),Change (\u00a3),Date,Time\n"
    '"iShares Core FTSE (LSE:ISF)","100","7.1","710.00","650.00","60.00","23-Dec-22","17:54"\n'
    '"Cash GBP","","","72.47","","","23-Dec-22","17:54"\n'
)
QUESTRADE = (
    "Account Number,Account Type,Equity Symbol,Equity Description,Quantity,Currency,Cost Per Share,Market Price,"
    "Market Value,Profit And Loss,Asset Class\n"
    "12345678,Individual TFSA,RY.TO,ROYAL BANK OF CANADA,20,CAD,110,127.5,2550,350,STK\n"
    "12345678,Individual TFSA,AAPL,APPLE INC,100,USD,150,131.86,13186,-1814,STK\n"
    "12345678,Individual TFSA,AAPL19Jan24C100.00,CALL AAPL,1,USD,3,4,400,100,OPT\n"
)


def read(text: str, **answers: object) -> Statement:
    return read_statement(text, "x.csv", Answers(**answers))  # type: ignore[arg-type]


def held(found: Statement) -> list[tuple[str, Decimal, Decimal | None]]:
    return [(one.symbol, one.quantity, one.cost) for one in found.held]


def test_aj_bells_sums_are_pounds_whatever_its_prices_are() -> None:
    found = read(AJ_BELL)
    assert (found.layout, found.as_of, found.currency) == ("AJ Bell", date(2022, 12, 23), "GBP")
    assert held(found) == [("AAPL", 100, 9000), ("BP.", 1000, 4000), ("VOD", 1000, 900)]
    assert [(one.name, one.amount) for one in found.cash] == [
        ("Cash GBP", Decimal("1484.50")),
        ("Cash USD", 80),
    ]
    (gilt,) = found.questions
    assert (gilt.key, "its SEDOL stands in place of a symbol" in gilt.said) == ("B84Z9V0", True)
    assert found.accounts == ["SIPP"]
    with pytest.raises(DataError, match="AJ Bell's file counts in GBP and the book in USD"):
        read(AJ_BELL, currency="USD")


def test_a_gilt_of_aj_bell_is_no_two_thousand_shares() -> None:
    (question,) = read(AJ_BELL, symbols={"B84Z9V0": "GILT44"}).questions
    assert question.said == "2,000 shares at 80 are 160,000.00, and the file says 1,600.00"


def test_aj_bells_older_file_has_the_symbol_behind_the_name() -> None:
    found = read(OLDER)
    assert (held(found), [one.amount for one in found.cash]) == ([("ISF", 100, 650)], [Decimal("72.47")])
    (question,) = read(OLDER.replace(" (LSE:ISF)", "")).questions
    assert question.said == "there is no symbol"


@pytest.mark.parametrize("money", ["", " ($)", " (\u20ac)"])
def test_only_sums_in_pounds_are_aj_bells(money: str) -> None:
    """A table of one's own with the same words counted in pounds, whatever its sign said."""
    found = read(
        f"Investment,Ticker,Quantity,Price,Value{money},Cost{money}\nApple,AAPL,100,131.86,13186,9000\n",
        currency="USD" if money == " ($)" else "EUR",
    )
    assert (found.layout, held(found)) == ("generic", [("AAPL", 100, 9000)])


def test_a_share_called_cash_is_a_share_and_a_line_without_a_name_is_none() -> None:
    turned = "Quantity,Price,Value (\u00a3),Cost (\u00a3),Investment\n"
    found = read(
        f"{turned}100,1.5,150.00,140.00,Cash Converters (LSE:CCV)\n,,5.00,,Cash GBP\nTotal,,155.00\n"
    )
    assert (held(found), [one.amount for one in found.cash]) == ([("CCV", 100, 140)], [5])


@pytest.mark.parametrize(
    ("was", "written", "said"),
    [
        (",USD,USD,1.25,23-Dec-22,17:07,SIPP,AAPL", ",USD,USD,1.6,23-Dec-22,17:07,SIPP,AAPL", "100 shares at 82.41"),
        ("100,131.86", "100,a lot", "'a lot' is no amount"),
        ("1.25,23-Dec-22,17:07,SIPP,AAPL", "x,23-Dec-22,17:07,SIPP,AAPL", "'x' is no amount"),
    ],
)  # fmt: skip
def test_a_price_of_aj_bell_that_is_not_the_values_is_asked(was: str, written: str, said: str) -> None:
    first, _ = read(AJ_BELL.replace(was, written)).questions
    assert (first.key, said in first.said) == ("AAPL", True)


def test_without_a_rate_a_price_abroad_is_not_held_against_the_value() -> None:
    found = read(AJ_BELL.replace("USD,USD,1.25,23-Dec-22,17:07,SIPP,AAPL", "USD,USD,,,17:07,SIPP,AAPL"))
    assert held(found)[0] == ("AAPL", 100, 9000)


def test_questrades_positions_count_in_the_currency_that_is_decided_on() -> None:
    with pytest.raises(DataError, match="amounts in CAD, USD: say in which the book counts, --currency"):
        read(QUESTRADE)
    found = read(QUESTRADE, currency="CAD")
    assert (found.layout, held(found)) == ("Questrade", [("RY.TO", 20, 2200), ("AAPL", 100, None)])
    assert [one.line for one in found.questions] == [4]
    assert found.accounts == ["12345678"]


@pytest.mark.parametrize(
    "header",
    [
        "Date,Transaction,Description,Symbol,Quantity,Price,Amount (GBP),Reference",
        "Transaction Date,Settlement Date,Action,Symbol,Description,Quantity,Price,Activity Type",
    ],
)
def test_their_lists_of_dealings_are_refused(header: str) -> None:
    with pytest.raises(DataError, match="heads a list of dealings"):
        read(f"{header}\n07/04/2026,Purchase,Apple,AAPL,4,100,-400,1\n")
