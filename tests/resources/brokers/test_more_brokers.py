"""Brokers whose exports have another shape: symbols above their lines, ISINs, pence, lists of dealings."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from brokers_exports import HARGREAVES_LANSDOWN, THINKORSWIM

from optimizer import DataError, PolicyError
from pipeline.commands.books.broker_file import choices
from resources.brokers.export_lines import read_statement
from resources.brokers.holdings import holdings
from resources.brokers.statement import Answers, Statement

DAY = date(2022, 12, 23)
DEGIRO = """\
Product,Symbol/ISIN,Amount,Closing,Local value,,Value in EUR
CASH & CASH FUND & FTX CASH (EUR),,,,EUR,"1400,50","1400,50"
CASH & CASH FUND & FTX CASH (USD),,,,USD,"89,25","84,00"
APPLE INC. - COMMON ST,US0378331005,100,"131,86",USD,"13186,00","12410,10"
BP PLC,GB0007980591,10,"474,35",GBX,"4743,50","53,60"
"""
OLDER_DEGIRO = """\
Produkt,Symbol/ISIN,Anzahl,Schlu\u00dfkurs,Wert,Wert in EUR
CASH & CASH FUND & FTX CASH (EUR),,,,EUR -0.56,"-0,56"
APPLE INC,US0378331005,3,"123,45",USD 370.35,"350,21"
AEHR TEST SYSTEMS,AEHR | US00760J1088,12,"76,32",USD 915.84,"843,21"
"""
COMDIRECT = """\
"Depot\u00fcbersicht vom 23.12.2022";
"St\u00fcck/Nom.";"Bezeichnung";"WKN";"Typ";"W\u00e4hrung";\
"Akt. Kurs";"Kaufkurs in EUR";"Kaufwert in EUR";"Wert in EUR";
"100";"Apple Inc.";"865985";"Aktie";"USD";"131,86";"140,00";"14.000,00";"12.410,10";
"""
ETRADE = """\
Account Summary
Account,Net Account Value,Total Gain $,Cash Purchasing Power
"Individual Brokerage -6354",17255.21,-1254.29,1.42

View Summary - All Positions
Filters applied:
Symbol,Security type(s),Sort by,Sort order,
,All,Symbol,Asc,

Symbol,Last Price $,Change $,Change %,Quantity,Price Paid $,Day's Gain $,Total Gain $,Total Gain %,Value $
AAPL,131.86,-0.37,-0.28,100.0000,150.0000,-37.00,-1814.0000,-12.09,13186.0000
CASH,,,,,,,,,1484.50
TOTAL,,,,,,-17.56,-1254.29,-7.4,14670.50

Generated at Dec 23 2022 11:42 AM ET
"""
MERRILL = """\
Exported on: 12/23/2022 02:10 PM ET

Symbol  ,Description ,Quantity ,Price ,Value
"AAPL" ,"APPLE INC" ,"100" ,"$131.86" ,"$13,186.00"

"Balances"
"Money accounts" ,"$1,400.00"
"Cash balance" ,"$84.50"
"Pending activity" ,"$0.00"
"Total" ,"$14,670.50"
"""
INTERACTIVE_INVESTOR = """\
Symbol,Name,Qty,Price,Day Gain/Loss,Market Value \u00a3,Market Value,Book Cost,Gain/Loss,Average Price
VUSA,Vanguard S&P 500,100,\u00a360.00,0.00%,"\u00a36,000.00","\u00a36,000.00","\u00a35,000.00",1,\u00a350
CS1,Amundi Ibex 35,1,"32,997.50p",0.00%,\u00a3329.98,\u00a3329.98,\u00a3300.00,1,"30,000p"
"",,,Totals,,"\u00a36,329.98","\u00a36,329.98","\u00a35,300.00",,
"""
WEALTHSIMPLE = """\
Account Name,Account Number,Symbol,Name,Security Type,Quantity,Position Direction,Market Price,Market Price Currency,\
Book Value (CAD),Book Value (Market),Market Value
TFSA,HQ1,VFV,Vanguard S&P 500,EXCHANGE_TRADED_FUND,37,LONG,183.2,CAD,5498.1,5498.1,6778.4
TFSA,HQ1,AAPL,Apple Inc,EQUITY,10,LONG,100,USD,1000,750,1000
TFSA,HQ1,GME,GameStop,EQUITY,10,SHORT,20,USD,300,200,200

"As of 2022-12-23 12:00 GMT-04:00"
"""
ACCOUNT_STATEMENT = """\
Account Statement for 123456789 (userid) since 12/1/22 through 12/23/22

Account Trade History
,Exec Time,Spread,Side,Qty,Pos Effect,Symbol,Exp,Strike,Type,Price,Net Price,Order Type
,12/2/22 10:00:00,STOCK,BUY,+100,TO OPEN,AAPL,,,STOCK,150.00,150.00,LMT

Equities
Symbol,Description,Qty,Trade Price,Mark,Mark Value
AAPL,APPLE INC,+100,150.00,131.86,"$13,186.00"
,OVERALL TOTALS,,,,"$13,186.00"

Profits and Losses
Symbol,Description,P/L Open,P/L %,P/L Day,P/L YTD
AAPL,APPLE INC,"($1,814.00)",-12.09%,$0.00,$0.00
"""
PIE = """\
Slice,Name,Invested value,Value,Result,Owned quantity,Dividends gained,Dividends cash,Dividends reinvested
AAPL,Apple,15000,13186,-1814,100,0,N/A,N/A
Total,My pie,15000,13186,-1814,,0,0,0
"""
YAHOO = """\
Symbol,Current Price,Date,Time,Change,Volume,Trade Date,Purchase Price,Quantity,Commission,Transaction Type
AAPL,131.86,2022/12/23,16:00 EST,-0.37,1000,20210305,120,60,0,BUY
AAPL,131.86,2022/12/23,16:00 EST,-0.37,1000,20220307,195,40,0,BUY
"""
DEALINGS = {
    "Schwab": "Date,Action,Symbol,Description,Quantity,Price,Amount\n12/21/2022,Sell,AAPL,APPLE INC,4,$151.00,$604\n",
    "Trading 212": "Action,Time,ISIN,Ticker,Name,No. of shares\nMarket sell,2022-12-05,US0378331005,AAPL,A,4\n",
    "Robinhood": "Activity Date,Settle Date,Instrument,Trans Code,Quantity,Price\n1/2/2022,1/4/2022,AAPL,Buy,1,9\n",
    "Fidelity": "Run Date,Action,Symbol,Quantity,Price ($)\n12/21/2022,YOU SOLD,AAPL,-4,151\n",
    "E*TRADE": "TransactionDate,TransactionType,Symbol,Quantity,Amount\n12/21/22,Sold,AAPL,-4,604\n",
    "DEGIRO": "Date,Time,Product,ISIN,Quantity,Price,,Order ID\n21-12-2022,15:31,APPLE,US0378331005,-4,151,USD,1\n",
}  # fmt: skip


def read(text: str, **answers: object) -> Statement:
    return read_statement(text, "x.csv", Answers(**answers))  # type: ignore[arg-type]


def held(found: Statement) -> list[tuple[str, Decimal, Decimal | None]]:
    return [(one.symbol, one.quantity, one.cost) for one in found.held]


def test_thinkorswim_names_the_symbol_above_its_shares_and_options() -> None:
    more = THINKORSWIM.replace(
        "\n\nCash", "\n100 (Weeklys) 20 JAN 23 60 CALL,-1,28,2.10,4.05,+.20,($195.00),($20.00),\n\nCash"
    ).replace("AAPL,+100", "/MES,+1,,4777.50,4776.25,-2.25,($6.25),,\nMSFT,,,,,,,,\nAAPL,+100")
    found = read(more)
    assert held(found) == [("AAPL", 100, 15000), ("KO", Decimal("40.5"), 2025)]
    assert [(one.line, one.said) for one in found.questions] == [
        (5, "it is no symbol that a price source has"),
        (6, "there is no number of shares; is it cash?"),
        (10, "it is an option, and only shares and funds are read"),
    ]
    assert found.accounts == ["123456789SCHW"]
    sold = read(THINKORSWIM.replace("COM,+40.5", "COM,0"))
    assert held(sold) == [("AAPL", 100, 15000)] and (7, "no share is held of it") in sold.left_out


@pytest.mark.parametrize("option", ["1/50 21 JAN 22 (EW3) /ESH22 4795 PUT", ".AAPL240119C100"])
def test_an_option_of_thinkorswim_is_no_share_of_the_symbol_above_it(option: str) -> None:
    found = read(f"Instrument,Qty,Mark,Net Liq\nAAPL,,,\nAPPLE INC COM,10,5,\n{option},1,12,\n")
    assert held(found) == [("AAPL", 10, None)]
    assert [one.said for one in found.questions] == ["it is an option, and only shares and funds are read"]


def test_thinkorswims_account_statement_is_read_for_what_is_held_alone() -> None:
    found = read(ACCOUNT_STATEMENT)
    assert (found.layout, held(found), found.questions) == (
        "thinkorswim account statement", [("AAPL", 100, 15000)], [],
    )  # fmt: skip
    assert (13, "a table of something else begins; it is not read") in found.left_out


@pytest.mark.parametrize(
    "header",
    [
        "Product,Symbol/ISIN,Amount,Closing,Local value,,Value in EUR",
        "Product,Symbool/ISIN,Aantal,Slotkoers,Lokale waarde,,Waarde in EUR",
        "Producto,Symbol/ISIN,Cantidad,Precio de,Valor local,,Valor en EUR",
        "Produit,Ticker/ISIN,Quantit\u00e9,Cl\u00f4ture,Devise,,Montant en EUR",
    ],
)
def test_degiro_is_read_by_place_in_every_language_and_its_isins_are_asked(header: str) -> None:
    text = header + DEGIRO[DEGIRO.index("\n") :]
    found = read(text)
    assert (found.layout, found.currency, found.as_of) == ("DEGIRO", "EUR", None)
    assert [one.amount for one in found.cash] == [Decimal("1400.50"), 84]
    assert [(one.line, one.key) for one in found.questions] == [(4, "US0378331005"), (5, "GB0007980591")]
    assert "--symbol US0378331005=SYMBOL" in found.questions[0].said
    found = read(text, symbols={"US0378331005": "AAPL", "GB0007980591": "BP.L"}, currency="EUR")
    assert held(found) == [("AAPL", 100, None), ("BP.L", 10, None)]
    with pytest.raises(DataError, match="the file counts in EUR and the book in USD"):
        read(text, currency="USD")


def test_degiros_older_file_has_points_and_commas_and_a_torn_line_is_asked() -> None:
    found = read(OLDER_DEGIRO + "TORN,US0378331005,3\n", symbols={"US0378331005": "AAPL"})
    assert held(found) == [("AAPL", 3, None), ("AEHR", 12, None)]
    assert [one.amount for one in found.cash] == [Decimal("-0.56")]
    assert [one.said for one in found.questions] == ["it has 3 cells where the header has 7"]


def test_an_isin_or_wkn_is_asked_wherever_it_stands_and_may_be_its_own_answer() -> None:
    for text in (
        "isin,quantity\nUS0378331005,10\n",
        "Name;ISIN;quantity;price;avgCost;netValue\nApple;US0378331005;10;131.86;150;1318.60\n",
        "symbol,quantity\nUS0378331005,10\n",
    ):
        (question,) = read(text).questions
        assert question.key == "US0378331005" and "its ISIN stands in place of a symbol" in question.said
        (own,) = read(text, symbols={"US0378331005": "US0378331005"}).held
        assert (own.symbol, own.quantity) == ("US0378331005", 10)
    found = read("symbol,isin,quantity\nAAPL,US0378331005,10\n,US5949181045,3\nKO,,2\n")
    assert held(found) == [("AAPL", 10, None), ("KO", 2, None)]
    assert [(one.key, "its ISIN" in one.said) for one in found.questions] == [("US5949181045", True)]
    found = read(COMDIRECT)
    assert (found.layout, found.currency, found.as_of) == ("comdirect", "EUR", DAY)
    assert "its WKN stands in place of a symbol" in found.questions[0].said
    assert held(read(COMDIRECT, symbols={"3": "APC.DE"})) == [("APC.DE", 100, 14000)]


@pytest.mark.parametrize(
    ("text", "layout", "day", "currency", "shares", "cash"),
    [
        (ETRADE, "generic", DAY, "", [("AAPL", 100, 15000)], ["1484.50"]),
        (MERRILL, "generic", DAY, "", [("AAPL", 100, None)], ["1400.00", "84.50", "0.00"]),
        (
            "\N{ZERO WIDTH NO-BREAK SPACE}" * 9 + INTERACTIVE_INVESTOR, "generic", None, "GBP",
            [("VUSA", 100, 5000), ("CS1", 1, 300)], [],
        ),
        (PIE, "Trading 212 pie", None, "", [("AAPL", 100, 15000)], []),
        (YAHOO, "Yahoo portfolio", None, "", [("AAPL", 60, 7200), ("AAPL", 40, 7800)], []),
        ("Ticker,No. of shares,Average price,Currency (Average price)\nAAPL,100,150,USD\n", "generic", None, "USD",
         [("AAPL", 100, 15000)], []),
        ("Instrument,Qty.,Avg. cost,LTP,Cur. val,P&L\nINFY,10,1400,1500,15000,1000\n", "generic", None, "",
         [("INFY", 10, 14000)], []),
    ],
)  # fmt: skip
def test_what_other_brokers_export_is_read(
    text: str, layout: str, day: date | None, currency: str, shares: list[tuple[str, int, int | None]],
    cash: list[str],
) -> None:  # fmt: skip
    found = read(text)
    assert (found.layout, found.as_of, found.currency, found.questions) == (layout, day, currency, [])
    assert held(found) == shares
    assert [one.amount for one in found.cash] == [Decimal(amount) for amount in cash]


def test_wealthsimple_counts_in_several_currencies_and_shorts_are_asked() -> None:
    with pytest.raises(DataError, match="amounts in CAD, USD: say in which the book counts, --currency"):
        read(WEALTHSIMPLE)
    found = read(WEALTHSIMPLE, currency="CAD")
    assert (found.as_of, held(found)) == (DAY, [("VFV", 37, Decimal("5498.1")), ("AAPL", 10, None)])
    assert [one.said for one in found.questions] == ["it is SHORT, and only what is held is read"]


def test_dollars_of_any_country_are_no_euros() -> None:
    for text in (ETRADE, MERRILL):
        found = read(text, currency="EUR")
        assert [one.cost for one in found.held] == [None]
        assert {one.said for one in found.questions} == {"it is cash in $, and the book counts in EUR"}
        for dollars in ("USD", "CAD"):
            assert read(text, currency=dollars).questions == []
    assert read("symbol,quantity,value\nKO,1,$50\nCash,,70 USD\n").currency == "USD"
    with pytest.raises(DataError, match=r"amounts in \$, EUR: say in which the book counts"):
        read("symbol,quantity,value\nKO,1,$50\nCash,,70 EUR\n")


def test_pence_are_a_hundredth_and_held_against_the_value() -> None:
    (question,) = read(
        HARGREAVES_LANSDOWN.replace('"13,186.00","13,186.00"', '"131.86","13,186.00"')
    ).questions
    assert question.said == "100 shares at 1.3186 are 131.86, and the file says 13,186.00"


@pytest.mark.parametrize("broker", sorted(DEALINGS))
def test_a_list_of_dealings_is_refused_and_never_added_up(broker: str) -> None:
    with pytest.raises(DataError, match=r"x\.csv: line 1 heads a list of dealings .*; export what is held"):
        read(DEALINGS[broker])


@pytest.mark.parametrize("kind", ["BUY - MARKET", "Sell", "DIVIDEND"])
def test_lines_of_a_kind_that_is_dealt_are_no_holdings(kind: str) -> None:
    """Revolut's list of dealings has no column that tells; its sales were added to what was bought."""
    text = f"Date,Ticker,Type,Quantity,Price per share,Total Amount\n2022-12-01,AAPL,{kind},10,120,1200\n"
    with pytest.raises(DataError, match=f"line 2 is one of a list of dealings .its kind is '{kind}'"):
        read(text)
    assert held(read(text.replace(kind, "Stock"))) == [("AAPL", 10, None)]


@pytest.mark.parametrize("kind", ["Dividend", "Dividend ETF", "Buy-Write Fund"])
def test_a_kind_of_fund_is_no_dealing(kind: str) -> None:
    """The whole file was refused for the word that its kind begins with."""
    text = f"symbol,type,quantity,price,value\nSCHD,{kind},10,30,300\nKO,Growth,1,50,50\n"
    assert held(read(text)) == [("SCHD", 10, None), ("KO", 1, None)]


def test_a_lot_below_its_position_is_no_symbol() -> None:
    text = ETRADE.replace("\nCASH", "\n03/05/2021,131.86,,,100,150,,,,13186\nCASH")
    (question,) = read(text).questions
    assert question.said.startswith("it is a date, as of a lot below its position")


def test_cash_beside_the_table_that_may_be_said_twice_is_asked() -> None:
    sums = "Total cash:,150\nsymbol,quantity,price,value\nKO,1,50,50\nCash,,,150\n"
    (question,) = read(sums).questions
    assert (question.line, question.said) == (
        1,
        "is it cash that other lines have too? --skip 1, or --cash 1",
    )
    assert [one.amount for one in read(sums, cash=frozenset({"1"})).cash] == [150, 150]
    assert [one.amount for one in read(sums, skip=frozenset({"1"})).cash] == [150]
    assert [one.amount for one in read(sums.replace("Cash,,,150\n", "")).cash] == [150]
    twice = THINKORSWIM + 'Cash & Sweep Vehicle,"$1,484.50"\n'
    assert [one.line for one in read(twice).questions] == [12]


def test_a_table_without_known_columns_tells_which_it_has() -> None:
    with pytest.raises(DataError, match="line 1 has the columns Investment, Worth, Held; rename those"):
        read("Investment,Worth,Held\nApple,100,1\n")


def test_symbols_may_be_said_by_a_file_of_lines(tmp_path: Path) -> None:
    said = tmp_path / "symbols.txt"
    said.write_text("US0378331005 = AAPL\n\nGB0007980591=BP.L\n")
    chosen = choices(None, None, None, None, [f"@{said}", "BRK B=BRK.B"])
    assert held(read(DEGIRO, symbols=chosen.answers.symbols)) == [("AAPL", 100, None), ("BP.L", 10, None)]
    assert chosen.answers.symbols["BRK B"] == "BRK.B"
    said.write_text("US0378331005\n")
    with pytest.raises(PolicyError, match="--symbol US0378331005: write THEIRS=OURS"):
        choices(None, None, None, None, [f"@{said}"])
    with pytest.raises(PolicyError, match="there is no such file; write a line each"):
        choices(None, None, None, None, [f"@{said}.none"])
    assert holdings(read(DEGIRO, skip=frozenset({"4", "5"})), DAY).cash == Decimal("1484.50")
