"""Exports beside those that most have: several accounts, lots beside their sum, signs in headings, money owed."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from optimizer import DataError
from resources.brokers.amounts import day
from resources.brokers.export_lines import read_statement
from resources.brokers.files import export_text
from resources.brokers.holdings import holdings
from resources.brokers.statement import Answers, Statement

DAY = date(2022, 12, 23)
FLEX = """\
"ClientAccountID","CurrencyPrimary","AssetClass","Symbol","ReportDate","Quantity","MarkPrice","PositionValue",\
"CostBasisMoney","LevelOfDetail","OpenDateTime"
"U1","USD","STK","AAPL","20221223","100","131.86","13186","15000","SUMMARY",""
"U1","USD","STK","AAPL","20221223","60","131.86","7911.6","7200","LOT","20210305;093001"
"U1","USD","STK","AAPL","20221223","40","131.86","5274.4","7800","LOT","20220307;100000"
"U1","USD","STK","KO","20221223","40","63.82","2552.8","2000","SUMMARY",""
"""


def read(text: str, **answers: object) -> Statement:
    return read_statement(text, "x.csv", Answers(**answers))  # type: ignore[arg-type]


def held(found: Statement) -> list[tuple[str, Decimal]]:
    return [(one.symbol, one.quantity) for one in found.held]


def test_a_position_and_its_lots_count_once_where_the_file_says_which_is_which() -> None:
    found = read(FLEX)
    held = holdings(found, DAY)
    assert (found.as_of, found.questions) == (DAY, [])
    assert [(one.symbol, one.quantity) for one in held.positions] == [("AAPL", 100), ("KO", 40)]
    assert held.positions[0].lots == ((date(2021, 3, 5), 60, 120), (date(2022, 3, 7), 40, 195))
    assert found.left_out == [(2, "the sum of its lots, which stand on lines of their own")]


CASH_REPORT = """\
"ClientAccountID","CurrencyPrimary","FromDate","ToDate","StartingCash","EndingCash"
"U1","BASE_SUMMARY","20221223","20221223","1000","1590.5"
"U1","USD","20221223","20221223","1000","1484.5"
"U1","EUR","20221223","20221223","0","100"
"""


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("records", [False, True])
def test_the_cash_report_of_a_flex_query_is_cash_and_no_position(records: bool, first: bool) -> None:
    """Its header and its lines were positions of no currency that anybody knows, or prose where it came first."""
    parts = [("POST", FLEX), ("CRTT", CASH_REPORT)]
    parts = parts[::-1] if first else parts
    text = "".join(part for _, part in parts)
    if records:
        lines = ['"BOF","U1","Daily","1"', '"BOA","U1"']
        for code, (header, *data) in ((code, part.splitlines()) for code, part in parts):
            lines += [f'"BOS","{code}"', f'"HEADER","{code}",{header}']
            lines += [*(f'"DATA","{code}",{line}' for line in data), f'"EOS","{code}","{len(data)}"']
        text = "\n".join([*lines, '"EOA","U1"', '"EOF","U1","1"'])
    found = read(text, currency="USD")
    assert found.as_of == DAY
    assert held(found) == [("AAPL", Decimal(60)), ("AAPL", Decimal(40)), ("KO", Decimal(40))]
    assert [(one.account, one.name, one.amount) for one in found.cash] == [
        ("U1", "USD CASH", Decimal("1484.5"))
    ]
    assert [question.said for question in found.questions] == [
        "it is cash in EUR, and the book counts in USD"
    ]
    (said,) = [why for _, why in found.left_out if "base currency" in why]
    assert said == "all cash in the account's base currency, which is not named here"


def test_cash_of_a_flex_query_is_counted_once_an_account_and_none_is_no_question() -> None:
    """A report broken out by day has a line a day: they were added up."""
    zloty = '"U1","PLN","20221223","20221223","0","7"\n'
    more = '"U2","USD","20221223","20221223","0","5"\n"U1","USD","20221222","20221222","900","1000"\n'
    found = read(FLEX + CASH_REPORT.replace('"0","100"', '"0","0"') + zloty + more, currency="USD")
    assert [(one.account, one.amount) for one in found.cash] == [
        ("U1", Decimal("1484.5")),
        ("U2", Decimal(5)),
    ]
    assert [(one.line, one.said) for one in found.questions] == [
        (10, "it is cash in PLN, and the book counts in USD"),
        (12, "is it cash that other lines have too? --skip 12, or --cash 12"),
    ]
    assert (9, "no money is held in EUR") in found.left_out
    other = '"ClientAccountID","CurrencyPrimary","ReportDate","Dividends"\n"U1","USD","20221223","5"\n'
    for text in (CASH_REPORT + other + FLEX, FLEX + CASH_REPORT + other):
        assert [one.amount for one in read(text, currency="USD").cash] == [Decimal("1484.5")]


def test_lots_that_are_not_the_position_are_asked() -> None:
    with pytest.raises(DataError, match="line 2: AAPL: its lots have 99 shares and the position 100"):
        holdings(read(FLEX.replace('"40","131.86","5274.4"', '"39","131.86","5142.54"')), DAY)


def test_a_line_that_may_be_the_sum_of_its_dated_lines_is_asked() -> None:
    text = "symbol,quantity,acquired,average cost\nKO,100,,\nKO,60,2021-03-05,50\nKO,40,2021-03-06,50\nXOM,1,,2\n"
    (question,) = read(text).questions
    assert (question.line, question.key) == (2, "KO") and "is it the sum of its dated lines?" in question.said
    (left, _) = holdings(read(text, skip=frozenset({"2"})), DAY).positions
    (more, _) = holdings(read(text, symbols={"2": "KO"}), DAY).positions
    assert (left.quantity, more.quantity) == (100, 200)
    assert read(text.replace("KO,100", "KO,99")).questions == []  # other shares, as those of a transfer


def test_vanguards_cost_basis_has_american_dates() -> None:
    text = (
        "Account,Symbol/CUSIP,Description,Date acquired,Event,Quantity,Total cost,Cost per share,Market value\n"
        "Brokerage - 1,AAPL,APPLE INC,03/05/2021,BUY,10.5,$1260.00,$120.00,$1384.53\n"
    )
    found = read(text)
    (held,) = holdings(found, DAY).positions
    assert (found.layout, held.lots) == ("Vanguard cost basis", ((date(2021, 3, 5), Decimal("10.5"), 120),))


def test_headings_may_end_in_the_sign_of_dollars() -> None:
    head = "Symbol,Change $,Quantity,Price Paid $,Value $,Last Price ($)"
    held = holdings(read(f"{head}\nAAPL,1,100,150,13186,131.86\nCASH,,,,1484.5,\n"), DAY)
    assert (held.cash, held.positions[0].cost) == (Decimal("1484.5"), 150)


def test_the_day_of_a_column_counts_where_all_lines_have_it() -> None:
    text = "symbol,quantity,as of date\nKO,1,2022-12-23\nXOM,2,2022-12-23\n"
    for name in ("as of date", "COB Date", "Pricing Date"):
        assert read(text.replace("as of date", name)).as_of == DAY
    assert read(text.replace("XOM,2,2022-12-23", "XOM,2,2022-12-22")).as_of is None


@pytest.mark.parametrize(
    "text", ["20221223;093001", "2022-12-23, 10:00:00", "2022-12-23T09:30", "2022-12-23 09:30"]
)
def test_a_day_may_have_a_time_behind_it(text: str) -> None:
    assert day(text, month_first=None) == DAY


def test_accounts_of_one_schwab_file_that_owe_money() -> None:
    head = '"Symbol","Description","Qty (Quantity)","Price","Mkt Val (Market Value)","Cost Basis","Security Type"'
    one = '"AAPL","APPLE INC","10.1234","$131.86","$1,334.87","$1,500.00","Equity"'
    owed = '"Cash & Cash Investments","--","--","--","-$234.56","N/A","Cash and Money Market"'
    other = '"KO","COCA-COLA CO","40","$63.82","$2,552.80","$2,025.00","Equity"'
    title = '"Positions for All-Accounts as of 11:35 AM ET, 12/23/2022"'
    text = "\n".join([title, '"Individual ...123"', head, one, owed, "", '"Roth ...456"', head, other])
    found = read(text)
    assert (found.as_of, found.accounts) == (DAY, ["Individual ...123", "Roth ...456"])
    held = holdings(found.of_account("Individual ...123"), DAY)
    assert (held.cash, held.positions[0].quantity) == (Decimal("-234.56"), Decimal("10.1234"))


@pytest.mark.parametrize(
    ("heads", "cells", "said"),
    [
        ("Side", "Short", "it is Short, and only what is held is read"),
        ("L/S", "s", "it is s, and only what is held is read"),
        ("Strike Price", "150", "it has a strike (150), as options and futures have"),
        ("Exp Date", "Jan 20", "it has an expiry (Jan 20), as options and futures have"),
        ("Call/Put", "CALL", "it has a right (CALL), as options and futures have"),
        ("Multiplier", "100", "one contract is 100 of something"),
        ("Position Type", "Short", "it is Short, and only what is held is read"),
        ("Side,Direction", "Long,Sell", "it is Sell, and only what is held is read"),
    ],
)
@pytest.mark.parametrize("layout", ["Symbol,Quantity", "Symbol,Qty,Mark,Trade Price"])
def test_what_a_column_says_against_a_share_is_heard_in_every_table(
    layout: str, heads: str, cells: str, said: str
) -> None:
    """An option on AAPL under AAPL's own symbol was a share of it, and a short position a long one."""
    beside = "," * layout.count(",", layout.index(",") + 1)
    none = "," * heads.count(",")
    found = read(f"{layout},{heads}\nAAPL,100{beside},{cells}\nKO,40{beside},{none}\n")
    assert held(found) == [("KO", 40)]
    assert [(one.key, said in one.said) for one in found.questions] == [("AAPL", True)]


def test_a_kind_or_a_value_may_say_that_it_is_no_share_too() -> None:
    found = read("Symbol,Quantity,Type,Market Value\nAAPL,100,CFD,13186\nXOM,9,,-950\nKO,40,,\n")
    assert held(found) == [("KO", 40)]
    assert [one.said for one in found.questions] == [
        "it is of the kind CFD, and only shares and funds are read",
        "it has 9 shares and a value of -950.00; are the shares borrowed?",
    ]


def test_cash_below_a_table_is_of_its_account() -> None:
    assert read("symbol,quantity\nKO,1\n\nBalances\nCash balance,50\n").accounts == [""]


@pytest.mark.parametrize(
    ("line", "amount"),
    [("Total cash:,1484.5,,,", 1484.5), ("Cash,1484.5,,,", 1484.5), ("Total cash:,,,,7", 7)],
)
def test_cash_below_a_table_is_read_where_a_spreadsheet_made_its_line_longer(
    line: str, amount: float
) -> None:
    """The cash was a total, and nothing was left of it."""
    table = "Symbol,Name,Quantity,Price,Value\nAAPL,Apple Inc,100,131.86,13186\n"
    found = read(f"{table}{line}\nBalances,,,,\nTotal,,,,14670.5\n")
    assert ([float(one.amount) for one in found.cash], found.questions) == ([amount], [])
    assert found.left_out == [(4, "no position: Balances"), (5, "a total")]
    twice = read(f"{table}CASH,,,,5\nTotal cash,,,,5\n")
    assert [one.line for one in twice.questions] == [4]


@pytest.mark.parametrize(
    "row", ["-100,Short,0,1", "(100),S,--,1.00", "-100,,,", "-100,Long,N/A,1", "-100,--,$0.0000,N/A"]
)
def test_columns_that_say_nothing_against_a_share_leave_it(row: str) -> None:
    assert held(read(f"Symbol,Quantity,Side,Strike,Multiplier\nAAPL,{row}\n")) == [("AAPL", -100)]


def test_columns_beside_a_share_may_say_the_same_twice_or_what_kind_it_is() -> None:
    """Such tables were refused whole, or line by line, for columns that are not needed."""
    found = read("Symbol,Quantity,Side,Direction,Expiry,Exp Date,Position Type\nAAPL,9,Long,B,,0,Equity\n")
    assert (held(found), found.questions) == ([("AAPL", 9)], [])


@pytest.mark.parametrize(
    ("row", "asked"),
    [
        ("10000,0.01,123.00", False), ("10000,0.01,151.00", True), ("0.002,60000,134.20", False),
        ("0.002,60000,151.00", True), ("10000,98.50,9850", True), ("1,3.10,310", True), ("10,5,54", True),
    ],
)  # fmt: skip
def test_a_price_or_quantity_may_be_rounded_to_the_digits_that_it_shows(row: str, asked: bool) -> None:
    assert bool(read(f"Symbol,Quantity,Price,Value\nXYZ,{row}\n").questions) == asked


def test_lines_beside_the_positions_are_no_positions_and_no_accounts() -> None:
    text = (
        "sep=;\nAccount;Asset class;Symbol;Quantity;Value\nA1;Equity;AAPL;100;13186\nA1 Total;;;;13186\n"
        "A2;Equity;KO;40;2552\nA2 Total;;;;2552\nTotal;;;;15738\n;FOOTNOTES;;;\n;;XOM;;\n;;;5;\n"
    )
    found = read(text)
    assert found.accounts == ["A1", "A2", ""]
    assert [line for line, _ in found.left_out] == [4, 6, 7, 8]
    assert [one.line for one in found.questions] == [9, 10]
    assert read("sep=,\nSymbol,Quantity\nAAPL,1\n").accounts == [""]


def test_several_days_in_one_cell_are_no_lot() -> None:
    (position,) = holdings(read("symbol,quantity,cost,acquired\nKO,10,500,Various\n"), DAY).positions
    assert (position.cost, position.lots) == (50, ())


def test_a_statement_of_interactive_brokers_in_another_language_is_told_so() -> None:
    with pytest.raises(
        DataError, match=r"x\.csv is a statement of Interactive Brokers in another language; export"
    ):
        read(
            "Offene Positionen,Header,DataDiscriminator,Symbol,Menge\nOffene Positionen,Data,Summary,AAPL,9\n"
        )


@pytest.mark.parametrize(
    ("begins", "said"),
    [
        (b"PK\x03\x04", "is a spreadsheet: save it as CSV"), (b"\x1f\x8b\x08", "is packed: unpack it first"),
        (b"%PDF-1.4", "is a PDF: export the positions as CSV"), (b"\xef\xbb\xbf\n<html>", "is HTML, XML or OFX"),
        (b"OFXHEADER:100", "is HTML, XML or OFX: export"), (b'[{"symbol"', "is JSON: export"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_table_of_text_is_told_by_what_it_is(
    begins: bytes, said: str, tmp_path: Path
) -> None:
    place = tmp_path / "positions.csv"
    place.write_bytes(begins + b"symbol,quantity\nAAPL,1\n")
    with pytest.raises(DataError, match=said):
        export_text(place)
