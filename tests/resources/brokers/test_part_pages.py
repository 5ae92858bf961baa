"""Pages of brokers that tell a part of what is held, or what was sold; headings of Merrill, E*TRADE and Saxo."""

from datetime import date
from decimal import Decimal

import pytest

from optimizer import DataError
from resources.brokers.export_lines import read_statement
from resources.brokers.statement import Answers, Statement


def read(text: str) -> Statement:
    return read_statement(text, "x.csv", Answers())


def held(found: Statement) -> list[tuple[str, Decimal]]:
    return [(one.symbol, one.quantity) for one in found.held]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ('"Symbol","Name","Closed Date","Opened Date","Quantity","Proceeds","Cost Basis (CB)","Term"',
         r"heads a list of dealings \(its column 'closed date'\); export what is held"),
        ("Symbol,Quantity,Date Acquired,Date Sold,Proceeds $,Total Cost $,Gain/Loss $,Term",
         r"heads a list of dealings \(its column 'date sold'\)"),
        ('"Open Date","Quantity","Price","Cost/Share","Market Value","Cost Basis","Holding Period"',
         "heads Schwab's lot details, which are of one position each: export Positions"),
        ("Financial Instrument,Position,Last,Change %,Avg Price,Cost Basis,Market Value,Unrealized P&L",
         "heads the portfolio page of Interactive Brokers: export an Activity Statement as CSV"),
    ],
)  # fmt: skip
def test_lots_that_were_sold_and_pages_of_a_part_are_no_holdings(header: str, said: str) -> None:
    """Ten shares that were sold in November were read as held: `Opened Date` is the day of a lot."""
    with pytest.raises(DataError, match=said):
        read(f"{header}\nAAPL,10,11/20/2026,05/25/2021,10,1318.60,1200.00,Long Term\n")


def test_headings_of_merrill_etrade_and_saxo() -> None:
    """A deposit program is cash by its description, `Qty #` a quantity; beside a symbol an instrument is a name."""
    found = read(
        "COB Date,Security #,Symbol,CUSIP #,Security Description,Quantity,Price ($),Value ($),Account #\n"
        '12/23/2022,1,AAPL,037833100,APPLE INC,100,131.86,"13,186.00",1AB-2\n'
        '12/23/2022,2,IIAXX,990286916,ML DIRECT DEPOSIT PROGRAM,"1,484.50",1.00,"1,484.50",1AB-2\n'
    )
    assert (found.as_of, held(found), found.questions) == (date(2022, 12, 23), [("AAPL", 100)], [])
    assert [(one.name, one.amount, one.account) for one in found.cash] == [
        ("IIAXX", Decimal("1484.50"), "1AB-2")
    ]
    assert held(read("Symbol,Qty #,Price Paid $,Value $\nAAPL,100,150.00,13186.00\n")) == [("AAPL", 100)]
    saxo = (
        "Instrument,L/S,Quantity,Current Price,Market Value,Symbol\nApple Inc.,Long,100,131.86,13186.00,{}\n"
    )
    assert held(read(saxo.format("AAPL"))) == [("AAPL", 100)]
    assert [one.key for one in read(saxo.format("AAPL:xnas")).questions] == ["AAPL:xnas"]


HELD = "Symbol,Quantity,Purchase Date,Date Sold,Cost"


@pytest.mark.parametrize("empty", ["", " ", "--"])
def test_a_list_of_what_is_held_may_have_an_empty_column_for_sales(empty: str) -> None:
    assert held(read(f"{HELD}\nAAPL,10,2021-05-25,{empty},1200\nMSFT,5,2022-05-25,{empty},900\n")) == [
        ("AAPL", 10), ("MSFT", 5),
    ]  # fmt: skip
    with pytest.raises(DataError, match="line 1 heads a list of dealings \\(its column 'date sold'"):
        read(f"{HELD}\nAAPL,10,2021-05-25,{empty},1200\nMSFT,5,2022-05-25,2026-11-20,900\n")


@pytest.mark.parametrize("word", ["Summe", "Gesamtsumme", "Summe:"])
def test_a_sum_of_comdirect_is_no_position(word: str) -> None:
    header = "St\u00fcck/Nom.;Bezeichnung;WKN;Typ;Wert in EUR"
    found = read(f"{header}\n10;APPLE INC.;865985;Aktie;1.318,60\n;{word};;;1.318,60\n")
    assert [one.key for one in found.questions] == ["865985"]
