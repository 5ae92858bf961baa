"""Every broker's layout gives the same shares and cash; what cannot be told is asked by its line."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from brokers_exports import FIDELITY, GENERIC, INTERACTIVE_BROKERS, LAYOUTS, SCHWAB, VANGUARD

from optimizer import DataError
from resources.brokers.export_lines import read_statement
from resources.brokers.files import export_text
from resources.brokers.holdings import holdings, last_weekday
from resources.brokers.statement import Answers, Statement

DAY = date(2022, 12, 23)


def read(text: str, **answers: object) -> Statement:
    return read_statement(text, "x.csv", Answers(**answers))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_every_layout_gives_the_same_shares_and_cash(name: str) -> None:
    found = read(LAYOUTS[name])
    assert (found.layout, found.questions) == (name, [])
    assert found.as_of == (None if name in ("Vanguard", "generic", "Hargreaves Lansdown") else DAY)
    held = holdings(found, DAY)
    assert held.cash == Decimal("1484.50")
    assert [(one.symbol, one.quantity) for one in held.positions] == [("AAPL", 100), ("KO", Decimal("40.5"))]
    costs = {one.symbol: one.cost for one in held.positions}
    if name == "Vanguard":
        assert costs == {"AAPL": None, "KO": None}
    elif name == "Interactive Brokers":
        assert costs == {"AAPL": None, "KO": 50}
        assert held.positions[0].lots == ((date(2021, 3, 5), 60, 120), (date(2022, 3, 7), 40, 195))
    else:
        assert costs == {"AAPL": 150, "KO": 50}


def test_what_is_no_position_is_left_out_with_its_line() -> None:
    assert dict(read(SCHWAB).left_out) == {
        1: "no position: Positions for account Individual ...123 as of 05:20 PM ET, 2022/12/23", 7: "a total",
    }  # fmt: skip
    assert [line for line, _ in read(FIDELITY).left_out] == [7, 9, 11]
    assert read(FIDELITY).left_out[0][1].endswith(" ...")
    japanese = "\u4fdd" * 99  # a line without blanks
    assert (1, f"no position: {japanese[:80]} ...") in read(f"{japanese}\n{SCHWAB}").left_out
    assert dict(read(VANGUARD).left_out) == {7: "a table of something else begins; it is not read"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "BRK B;10;;300;3000",
            "it is no symbol that a price source has; a class of shares? it may be BRK.B, or as your prices have it",
        ),
        ("/ES;1;;300;300", "it is no symbol that a price source has"),
        ("912796XY1;1000;;0.98;980", "it is a CUSIP, as bonds have, and no symbol of a price source"),
        ("SPY;-1;;400.00;-40000", "-1 shares at 400.00 are -400.00, and the file says -40,000.00"),
        ("MSFT;;;;", "there is no number of shares; is it cash?"),
        ("MSFT;ten;;;", "'ten' is no amount such as 1,234.50"),
        (";10;;;", "there is no symbol"),
        ("MSFT;1.000,5;;;", "'1.000,5' is no amount such as 1,234.50"),
        ("MSFT;10;;;;9", "it has 6 cells where the header has 5"),
        ("AAPL230120C00150000;2;;3.1;", "it is an option, and only shares and funds are read"),
        ("-AAPL230120C150;2;;;", "it is an option, and only shares and funds are read"),
        ("AAPL 01/20/2023 150.00 C;-2;;;", "it is an option, and only shares and funds are read"),
        ("CASH;10;;60;600", None),  # a company's symbol, by its price
    ],
)
def test_a_line_that_cannot_be_told_is_asked_and_answered_by_its_number(line: str, said: str | None) -> None:
    text = GENERIC + line + "\n"
    found = read(text)
    if said is None:
        assert not found.questions and found.held[-1].symbol == "CASH"
        return
    (question,) = found.questions
    assert (question.line, question.said) == (5, said)
    with pytest.raises(DataError, match=r"(?s)line 5: .*--cash X"):
        holdings(found, DAY)
    skipped = read(text, skip=frozenset({"5"}))
    assert holdings(skipped, DAY) == holdings(read(GENERIC), DAY)
    assert skipped.left_out[-1] == (5, "left out as asked")


def test_an_answer_names_a_symbol_or_says_that_a_line_is_cash() -> None:
    found = read(
        GENERIC + "BRK B;10;;300;3000\nSWEEPX;5;;1;5\n",
        symbols={"BRK B": "BRK.B"},
        cash=frozenset({"SWEEPX"}),
    )
    held = holdings(found, DAY)
    assert [one.symbol for one in held.positions] == ["AAPL", "BRK.B", "KO"] and held.cash == Decimal(
        "1489.50"
    )


def test_accounts_are_chosen_and_never_added_up_by_themselves() -> None:
    more = FIDELITY.replace(
        "\n\n", "\nZ2,ROTH,AAPL,APPLE INC,7,$131.86,,$923.02,,,,,,$700.00,$100.00,Cash,\n\n", 1
    )
    found = read(more)
    assert found.accounts == ["Z1", "Z2"]
    with pytest.raises(DataError, match=r"accounts Z1, Z2: choose one with --account"):
        holdings(found, DAY)
    assert [one.quantity for one in holdings(found.of_account("Z2"), DAY).positions] == [7]


def test_interactive_brokers_positions_that_are_no_shares_are_asked() -> None:
    odd = INTERACTIVE_BROKERS.replace(
        "Stocks,USD,KO,-,40.5,1", "Equity and Index Options,USD,KO 20JAN23 60 C,-,1,100"
    )
    assert [q.said for q in read(odd).questions] == [
        "it is of the category Equity and Index Options, and only shares and funds are read"
    ]
    fund = INTERACTIVE_BROKERS.replace("Stocks,USD,KO", "Mutual Funds,USD,KO")
    assert holdings(read(fund), DAY) == holdings(read(INTERACTIVE_BROKERS), DAY)
    torn = INTERACTIVE_BROKERS.replace('10:00:00",40,', '10:00:00",39,')
    assert [q.said for q in read(torn).questions] == ["its lots have 99 shares and the position 100"]
    abroad = INTERACTIVE_BROKERS.replace("Base Currency Summary,1484.5,1484.5", "CHF,1,1")
    assert [q.key for q in read(abroad).questions] == ["CHF cash", "EUR cash"]


def test_lots_of_a_plain_table() -> None:
    text = "symbol,quantity,cost,acquired\nKO,10,500,2021-01-04\nKO,5,300,2022-02-01\nXOM,1,100,2020-05-05\nXOM,2,,\n"
    held = holdings(read(text), DAY)
    assert held.positions[0].lots == ((date(2021, 1, 4), 10, 50), (date(2022, 2, 1), 5, 60))
    assert (held.positions[1].lots, held.positions[1].cost, held.positions[1].quantity) == ((), None, 3)


@pytest.mark.parametrize(
    ("other", "wanted"),
    [
        ("02/13/2021", date(2021, 3, 4)),
        ("02/13/2021 0:00", date(2021, 3, 4)),
        ("13/02/2021", date(2021, 4, 3)),
        ("03/04/2020", None),
    ],
)
def test_the_order_of_day_and_month_is_that_of_the_dates_that_have_one_reading(
    other: str, wanted: date | None
) -> None:
    found = read(f"symbol,quantity,acquired\nKO,10,03/04/2021\nXOM,1,{other}\n")
    assert [one.acquired for one in found.held if one.symbol == "KO"] == ([wanted] if wanted else [])
    said = {question.said for question in found.questions if question.line == 2}
    assert said == (
        set() if wanted else {"'03/04/2021' may be 2021-03-04 or 2021-04-03; write it as one of them"}
    )
    both = read("symbol,quantity,acquired\nKO,10,03/04/2021\nXOM,1,02/13/2021\nPEP,1,13/02/2021\n")
    assert [question.line for question in both.questions] == [2]


def test_a_file_without_positions_names_what_is_read() -> None:
    for text in ("", "a,b\n1,2\n", "symbol,price\nKO,5\n", "just a letter"):
        with pytest.raises(DataError, match=r"x\.csv has no table of positions .*Interactive Brokers"):
            read(text)
    with pytest.raises(DataError, match=r"x\.csv:1: the columns quantity, shares say the same thing"):
        read("symbol,quantity,shares\nKO,1,2\n")


def test_a_weekend_is_the_friday_before() -> None:
    days = [date(2022, 12, 22), DAY, date(2022, 12, 24), date(2022, 12, 25), date(2022, 12, 26)]
    assert [last_weekday(day) for day in days] == [date(2022, 12, 22), DAY, DAY, DAY, date(2022, 12, 26)]


@pytest.mark.parametrize("name", ["Schwab", "Vanguard", "Fidelity"])
def test_a_brokers_table_with_columns_taken_out_is_a_table_of_ones_own(name: str) -> None:
    """Users trim exports to what they want to show."""
    words = {"Schwab": ("Symbol", "Qty (Quantity)", "Mkt Val (Market Value)", "Cost Basis")}
    words |= {
        "Vanguard": ("Symbol", "Shares", "Total Value"),
        "Fidelity": ("Symbol", "Quantity", "Current Value"),
    }
    row = ("AAPL", "100", "13186.00", "15000.00")
    columns = words[name]
    text = f"{','.join(columns)}\n{','.join(row[: len(columns)])}\n"
    found = read(text)
    assert (found.layout, found.questions) == ("generic", [])
    held = holdings(found, DAY).positions[0]
    assert (held.symbol, held.quantity, held.cost) == ("AAPL", 100, 150 if name == "Schwab" else None)


@pytest.mark.parametrize("separator", [";", "\t", ","])
def test_decimal_commas_are_read_where_the_file_is_consistent(separator: str) -> None:
    def told(*amounts: str) -> Statement:
        rows = [["symbol", "quantity", "value"], *(["KO", *pair.split()] for pair in amounts)]
        return read("\n".join(separator.join(f'"{cell}"' for cell in row) for row in rows) + "\n")

    (held,) = holdings(told("1.250 79.787,50"), DAY).positions
    assert held.quantity == 1250
    (held,) = holdings(told("40,5 2.584,71", "0,125 7,98"), DAY).positions
    assert held.quantity == Decimal("40.625")
    assert [q.line for q in told("40,5 2584.71").questions] == [2]  # both: each odd cell is asked
    if separator == ",":
        assert holdings(told("1,250 79787"), DAY).positions[0].quantity == 1250
    else:
        with pytest.raises(DataError, match=r"x\.csv: 1,250 may be a thousand or not"):
            told("1,250 79787")
    if separator == ";":  # where decimal commas are usual, a point may part thousands
        with pytest.raises(DataError, match=r"1\.250 may be a thousand or not: write 1250, or 1\.2500"):
            told("1.250 79787")
    else:
        assert told("1.250 79787").held[0].quantity == Decimal("1.25")
    assert "in capitals it would be one: BRK.B" in str(read("symbol,quantity\nbrk.b,3\n").questions[0])


def test_a_file_counts_in_one_currency_by_its_signs_codes_or_column() -> None:
    found = read("symbol,quantity,price,cost\nSAP,10,\N{EURO SIGN}131.86,1200 EUR\n")
    assert (found.currency, found.held[0].cost) == ("EUR", 1200)
    text = "symbol,quantity,cost,value,currency\nSAP,10,1200,,EUR\nKO,5,300,,USD\ncash,,,70,USD\n"
    with pytest.raises(
        DataError, match="the file has amounts in EUR, USD: say in which the book counts, --currency"
    ):
        read(text)
    found = read(text, currency="USD")
    assert [(one.symbol, one.cost) for one in found.held] == [("SAP", None), ("KO", 300)]
    (question,) = read(text, currency="EUR").questions
    assert question.said == "it is cash in USD, and the book counts in EUR"
    euro = INTERACTIVE_BROKERS.replace("Base Currency,USD", "Base Currency,EUR")
    assert read(euro).currency == "EUR"
    with pytest.raises(DataError, match="the statement counts in EUR and the book in USD"):
        read(euro, currency="USD")


def test_a_table_without_a_line_is_no_empty_book() -> None:
    with pytest.raises(DataError, match="the generic table has no line: nothing would be held"):
        read("symbol,quantity\n")


def test_subtotals_and_cells_that_excel_must_leave_alone() -> None:
    held = holdings(read('symbol,quantity,value\n="0700",3,\nSubtotal,,13\nTotals:,3,13\n'), DAY)
    assert [(one.symbol, one.quantity) for one in held.positions] == [("0700", 3)]


def test_money_by_the_code_of_its_currency_is_no_share_and_is_not_taken_for_another() -> None:
    found = read("symbol,quantity,avg cost\nAAPL,10,150\nEUR,50,\nCash CHF,7,\n", currency="EUR")
    assert [(one.symbol, one.cost) for one in found.held] == [("AAPL", 1500)]
    assert [(one.name, one.amount) for one in found.cash] == [("EUR", 50)]
    assert [one.said for one in found.questions] == ["it is cash in CHF, and the book counts in EUR"]
    assert read("symbol,quantity\nAAPL,10\nEUR,50\n").currency == "EUR"
    assert [one.symbol for one in read("symbol,quantity,price\nNOK,10,4\nEUR,5,12\n").held] == ["NOK", "EUR"]
    with pytest.raises(DataError, match="the file has amounts in EUR, USD: say in which the book counts"):
        read("symbol,quantity,price\nEUR,50,\nUSD,10,1.00\n")
    names = ("Settled cash", "CASH BALANCE", "U.S. Dollar", "BANK DEPOSIT SWEEP", "FDIC Insured Deposit")
    assert len(read("symbol,quantity,value\n" + "".join(f"{name},,5\n" for name in names)).cash) == 5


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_a_file_is_read_in_the_encodings_that_spreadsheets_save(encoding: str, tmp_path: Path) -> None:
    text = "symbol,quantity,cost,name\nSAP,10,1.200 \N{EURO SIGN},Soci\u00e9t\u00e9 \u2013 A\n".replace(
        "1.200", "1200.50"
    )
    place = tmp_path / "x.csv"
    place.write_bytes(text.encode(encoding))
    found = read(export_text(place))
    assert (found.currency, found.held[0].cost) == ("EUR", Decimal("1200.50"))
    place.write_bytes(b"symbol,quantity\n\x81,1\n")
    with pytest.raises(DataError, match=r"byte b'\\x81' is neither UTF-8 nor Windows-1252"):
        export_text(place)


def test_a_fund_that_is_named_total_is_no_total_and_an_open_quote_swallows_no_line() -> None:
    found = read(VANGUARD.replace("COCA-COLA CO,KO,", "TOTAL BOND MARKET INDEX,,", 1))
    assert [(one.key, one.said) for one in found.questions] == [
        ("TOTAL BOND MARKET INDEX", "there is no symbol")
    ]
    with pytest.raises(DataError, match=r"x\.csv:2 opens a quote that nothing closes"):
        read('symbol,quantity,name\nKO,1,"a\nMSFT,2,b\nIBM,3,c\n')
    assert len(read('symbol,quantity,name\nKO,1,"a\nb"\nMSFT,2,5" pipe\n').held) == 2


def test_kinds_that_are_no_shares_are_asked_and_a_symbol_given_is_the_answer() -> None:
    text = "symbol,quantity,type\nESZ6,1,Future\nKO,2,Stock\nBND,3,ETF (bonds)\nQQQ,4,Options income fund\n"
    found = read(text)
    assert [one.said for one in found.questions] == [
        f"it is of the kind {kind}, and only shares and funds are read"
        for kind in ("Future", "Options income fund")
    ]
    assert [one.symbol for one in read(text, symbols={"QQQ": "QQQ", "2": "ES=F"}).held] == [
        "ES=F",
        "KO",
        "BND",
        "QQQ",
    ]
    sweep = read(
        "symbol,quantity,price,name\nQPIFQ,12.5,1.00,FDIC INSURED DEPOSIT AT A BANK\nKO,1,60,COCA-COLA\n"
    )
    assert [(one.name, one.amount) for one in sweep.cash] == [("QPIFQ", Decimal("12.5"))]


def test_newer_headers_of_schwab_and_accounts_of_interactive_brokers() -> None:
    assert read(SCHWAB.replace("Security Type", "Asset Type")).layout == "Schwab"
    two = INTERACTIVE_BROKERS.replace(
        "DataDiscriminator,Asset Category,", "DataDiscriminator,Asset Category,Account,"
    )
    two = two.replace("Stocks,USD,AAPL", "Stocks,U1,USD,AAPL").replace("Stocks,USD,KO", "Stocks,U2,USD,KO")
    found = read(two)
    assert found.accounts == ["U1", "U2"] and [one.symbol for one in found.of_account("U2").held] == ["KO"]
    flex = (
        '"ClientAccountID","CurrencyPrimary","AssetClass","Symbol","Quantity","MarkPrice","PositionValue",'
        '"CostBasisMoney"\n"U1","EUR","STK","SAP","10","120","1200","1000"\n"U1","USD","OPT","SPY  260116C00500000",'
        '"1","3","300","250"\n'
    )
    found = read(flex, currency="EUR")
    assert [(one.account, one.symbol, one.cost) for one in found.held] == [("U1", "SAP", 1000)]
    assert [one.said for one in found.questions] == ["it is an option, and only shares and funds are read"]
