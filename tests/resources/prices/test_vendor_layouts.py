"""Every vendor's layout is read right, or refused by its name with the remedy; a symbol is never invented."""

import hashlib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.prices.files import Reading, read_delivery
from resources.prices.source import Basis, Delivery, FileRejected
from resources.prices.vendors.layouts import rewritten

STOOQ = """<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>
AAPL.US,D,20240102,000000,187.15,188.44,183.885,185.64,82488700,0
AAPL.US,D,20240103,000000,184.22,185.88,183.43,184.25,58414500,0
SAP.DE,D,20240103,000000,138,139,137,138.5,1000,0
"""
NASDAQ = """Date,Close/Last,Volume,Open,High,Low
01/03/2024,$184.25,"58,414,460",$184.22,$185.88,$183.43
01/02/2024,"$1,185.64",82488670,$187.15,"$1,188.44",$183.885
"""
ALPHA = """timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient
2024-01-03,184.22,185.88,183.43,184.25,183.1,58414460,0.0000,1.0
2024-01-02,187.15,188.44,183.885,185.64,184.5,82488674,0.2400,1.0
"""
HISTORY = """Date,Open,High,Low,Close,Volume,Dividends,Stock Splits
2024-01-02 00:00:00-05:00,187.15,188.44,183.885,185.64,82488700,0.24,0.0
2024-07-03 00:00:00-04:00,184.22,185.88,183.43,184.25,58414500,0.0,0.0
"""
DOWNLOAD = """Price,Close,Close,Volume,Volume
Ticker,AAPL,MSFT,AAPL,MSFT
Date,,,,
2024-01-02,185.64,370.87,82488700,25258600
2024-01-03,184.25,,58414500,
"""
BY_TICKER = """Ticker,AAPL,AAPL,MSFT,MSFT
Price,Adj Close,Close,Adj Close,Close
Date,,,,
2024-01-02,184.9,185.64,368.1,370.87
"""
WIDE = """Date,AAPL,BRK-B,^GSPC
2024-01-02,185.64,,4742.83
2024-01-03,184.25,360.1,4704.81
"""
EUROPE = """symbol;date;close;volume
SAP;2024-01-02;138,52;1000
SAP;2024-01-03;1139,5;2000
"""


TIINGO = """date,close,high,low,open,volume,adjClose,adjHigh,adjLow,adjOpen,adjVolume,divCash,splitFactor
2024-01-02T00:00:00.000Z,185.64,188.44,183.885,187.15,82488700,184.9,1,1,1,1,0.24,1.0
2024-01-03T00:00:00.000Z,46.06,47.0,45.8,46.1,58414500,45.9,1,1,1,1,0.0,4.0
"""
INVESTING = """"Date","Price","Open","High","Low","Vol.","Change %"
"01/31/2024","1,184.25","184.22","1,185.88","183.43","58.41M","-0.75%"
"01/03/2024","184.00","184.22","185.88","183.43","-","-0.75%"
"01/02/2024","185.64","187.15","188.44","183.89","532.1K","-3.58%"
"""
POLYGON = """ticker,volume,open,close,high,low,window_start,transactions
AAPL,82488700,187.15,185.64,188.44,183.885,1704171600000000000,1008
MSFT,25258600,373.86,370.87,375.9,366.77,1720065600000000000,400
"""


def read(text: str, name: str, basis: Basis | None = "split_adjusted") -> Delivery:
    data = text.encode()
    return read_delivery(data, name, hashlib.sha256(data).hexdigest(), "key", Reading("s", "USD", basis))


def closes(found: Delivery) -> list[tuple[str, date, float]]:
    return [(row["symbol"], row["date"], row["close"]) for row in found.rows.to_pylist()]


def refused(
    text: str, name: str, basis: Basis | None = "split_adjusted"
) -> list[tuple[str, int | None, str]]:
    with pytest.raises(FileRejected) as error:
        read(text, name, basis)
    return [(finding.code, finding.line, finding.message) for finding in error.value.findings]


TUESDAY, WEDNESDAY = date(2024, 1, 2), date(2024, 1, 3)


def test_stooq_has_its_tickers_in_the_file() -> None:
    found = read(STOOQ, "d_us_txt.txt")
    assert closes(found) == [
        ("AAPL", TUESDAY, 185.64),
        ("AAPL", WEDNESDAY, 184.25),
        ("SAP.DE", WEDNESDAY, 138.5),
    ]
    assert found.rows["volume"].to_pylist() == [82488700, 58414500, 1000]
    assert [(w.code, w.message) for w in found.warnings] == [
        ("SYMBOL_FROM_NAME", "the rows of AAPL.US are taken as those of AAPL")
    ]
    assert refused(STOOQ.replace("US,D,20240103", "US,60,20240103"), "x.txt") == [
        ("NOT_DAILY", 3, "Stooq's layout: <PER> is 60: only daily prices (D) are read; export daily data")
    ]
    ((code, line, said),) = refused(STOOQ, "x.txt", None)
    assert (code, line) == ("AMBIGUOUS_BASIS", 1) and said.startswith(
        "Stooq's layout: its closes are adjusted"
    )
    ((code, line, said),) = refused(STOOQ.replace("20240103", "2024013", 1), "x.txt")
    assert (code, line) == ("BAD_DATE", 3) and said.startswith("(Stooq) '2024013' is no ISO date")


def test_nasdaq_has_american_dates_and_dollars_and_no_symbol() -> None:
    found = read(NASDAQ, "AAPL.csv")
    assert closes(found) == [("AAPL", WEDNESDAY, 184.25), ("AAPL", TUESDAY, 1185.64)]
    assert found.rows["volume"].to_pylist() == [58414460, 82488670]
    assert found.rows["high"].to_pylist() == [185.88, 1188.44]
    ((code, _, said),) = refused(NASDAQ, "HistoricalData_1706745600000.csv")
    assert code == "MISSING_COLUMN" and "names no symbol" in said and "rename it AAPL.csv" in said
    assert refused(NASDAQ, "AAPL.csv", None)[0][2].startswith(
        "Nasdaq's layout: its closes are adjusted for splits"
    )


def test_alpha_vantage_is_read_as_it_is() -> None:
    for name in ("daily_adjusted_AAPL.csv", "AAPL.csv"):
        found = read(ALPHA, name, "as_traded")
        assert closes(found) == [("AAPL", WEDNESDAY, 184.25), ("AAPL", TUESDAY, 185.64)]
        assert found.rows["dividend"].to_pylist() == [0, 0.24]


def test_yfinance_history_has_midnights_of_the_exchange() -> None:
    found = read(HISTORY, "AAPL.csv")
    assert closes(found) == [("AAPL", TUESDAY, 185.64), ("AAPL", date(2024, 7, 3), 184.25)]
    assert refused(HISTORY, "AAPL.csv", None)[0][0] == "AMBIGUOUS_BASIS"
    assert refused(HISTORY.replace("03 00:00", "03 09:30"), "AAPL.csv")[0][:2] == ("TIMESTAMP", 3)


def of_a_fund(first: str, second: str) -> str:
    """The history with a column of capital gains."""
    header, one, other = HISTORY.splitlines()
    return f"{header},Capital Gains\n{one},{first}\n{other},{second}\n"


def test_capital_gains_of_a_fund_are_dividends_unless_those_may_count_them() -> None:
    """yfinance writes the column for every ETF, mostly full of zeros; it was refused as unknown."""
    assert read(of_a_fund("0.0", "0.0"), "SPY.csv").rows.equals(read(HISTORY, "SPY.csv").rows)
    paid = read(of_a_fund("2.5", "1.5"), "SPY.csv").rows["dividend"].to_pylist()
    assert paid == pytest.approx([2.74, 1.5], abs=1e-12)
    ((code, line, said),) = refused(of_a_fund("0.1", "0.0"), "SPY.csv")
    assert (code, line) == ("AMBIGUOUS_DIVIDEND", 2) and "Capital Gains under ignore_columns" in said
    assert refused(of_a_fund("none", "0.0"), "SPY.csv")[0][:2] == ("BAD_NUMBER", 2)
    torn = of_a_fund("0.0", "0.0").replace(",0.0\n", "\n", 1)
    assert refused(torn, "SPY.csv")[0][:2] == ("COLUMN_COUNT", 2)
    many = (
        "Price,Capital Gains,Close,Dividends,Close\nTicker,SPY,SPY,SPY,AAPL\nDate,,,,\n"
        "2024-01-02,1.5,470.5,0.5,185.64\n2024-01-03,0,471,0,184.25\n"
    )
    found = read(many, "prices.csv").rows
    assert found["dividend"].to_pylist() == [None, 2, None, 0]
    assert found["close"].to_pylist() == [185.64, 470.5, 184.25, 471]
    in_both = many.replace("0.5,185", "1.5,185")
    assert refused(in_both, "prices.csv")[0][:2] == ("AMBIGUOUS_DIVIDEND", 4)
    data, how = in_both.encode(), Reading("s", "USD", "split_adjusted", ["Capital Gains"])
    told = read_delivery(data, "prices.csv", "0" * 64, "key", how).rows  # the remedy that is named
    assert told["dividend"].to_pylist() == [None, 1.5, None, 0]


def test_an_index_of_nasdaq_has_no_volume() -> None:
    found = read(
        "Date,Close/Last,Volume,Open,High,Low\n01/02/2024,16543.94,--,16564,16588,16501\n", "NDX.csv"
    )
    assert (closes(found), found.rows["volume"].to_pylist()) == ([("NDX", TUESDAY, 16543.94)], [None])


@pytest.mark.parametrize(
    ("text", "kind"),
    [('{\n "Information": "Our standard rate limit is 25"}\n', "JSON"), ("<!DOCTYPE html>\n", "HTML")],
)
def test_what_a_vendor_answers_in_place_of_prices_is_told(text: str, kind: str) -> None:
    ((code, line, said),) = refused(text, "AAPL.csv")
    assert (
        (code, line) == ("UNKNOWN_FORMAT", 1) and said.startswith(f"it is {kind}") and text.split()[0] in said
    )


def test_yfinance_download_has_a_column_a_field_and_ticker() -> None:
    found = read(DOWNLOAD, "prices.csv")
    assert closes(found) == [
        ("AAPL", TUESDAY, 185.64),
        ("MSFT", TUESDAY, 370.87),
        ("AAPL", WEDNESDAY, 184.25),
    ]
    assert found.rows["volume"].to_pylist() == [82488700, 25258600, 58414500]
    assert found.lines is not None and found.lines.tolist() == [4, 4, 5]
    other = read(BY_TICKER, "prices.csv")
    assert closes(other) == [("AAPL", TUESDAY, 185.64), ("MSFT", TUESDAY, 370.87)]
    assert other.rows["vendor_adj_close"].to_pylist() == [184.9, 368.1]
    assert refused(DOWNLOAD, "prices.csv", None)[0][2].startswith(
        "yfinance's layout: auto_adjust may have put"
    )
    ((code, line, said),) = refused(DOWNLOAD.replace("184.25", "1,84"), "prices.csv")[:1]
    assert (code, line) == ("COLUMN_COUNT", 5) and said.startswith("(yfinance's download) ")
    assert refused(DOWNLOAD.replace("Ticker,AAPL", "Ticker,apple"), "p.csv")[0][0] == "MISSING_COLUMN"


def test_a_wide_table_has_a_column_a_symbol() -> None:
    found = read(WIDE, "closes_2024.csv")
    assert closes(found) == [
        ("AAPL", TUESDAY, 185.64), ("^GSPC", TUESDAY, 4742.83),
        ("AAPL", WEDNESDAY, 184.25), ("BRK-B", WEDNESDAY, 360.1), ("^GSPC", WEDNESDAY, 4704.81),
    ]  # fmt: skip
    assert refused(WIDE.replace("360.1", "n/a"), "w.csv")[0][:2] == ("BAD_NUMBER", 3)
    for header in (
        "Date,AAPL,VWAP",
        "Date,PX_LAST,PX_VOLUME",
        "Date,AAPL_Close,AAPL_Volume",
        "Date,AAPL,Close",
        "Date,AAPL",
        "Date,AAPL,aapl",
        "Day,AAPL,MSFT",
        "Date,1,2",
    ):
        assert {code for code, _, _ in refused(f"{header}\n2024-01-02,1,2\n", "w.csv")} <= {
            "EXTRA_COLUMN", "MISSING_COLUMN", "COLUMN_COUNT", "DUPLICATE_COLUMN",
        }  # fmt: skip


def test_a_wide_table_of_returns_is_refused_and_one_price_below_zero_is_not() -> None:
    table = "Date,A,B,C\n2024-01-02,,,\n2024-01-03,{},0.01,0.02\n2024-01-04,-0.5,1.2,2.1\n"
    ((code, line, said),) = refused(table.format(-0.01).replace("1.2", "-1.2"), "r.csv")
    assert (code, line) == ("NOT_PRICES", 3) and "3 of 6 numbers are below 0" in said
    assert said.startswith("(a table with a column a symbol) ") and "deliver the closes" in said
    assert len(closes(read(table.format(-0.01), "oil.csv"))) == 6


def test_tiingo_has_splits_and_dividends_beside_closes_as_traded() -> None:
    found = read(TIINGO, "AAPL.csv", None)
    assert found.basis == "as_traded" and closes(found) == [
        ("AAPL", TUESDAY, 185.64),
        ("AAPL", WEDNESDAY, 46.06),
    ]
    assert (found.rows["dividend"].to_pylist(), found.rows["split"].to_pylist()) == ([0.24, 0], [1, 4])
    assert found.rows["volume"].to_pylist() == [82488700, 58414500]
    late = TIINGO.replace("03T00:00:00.000Z", "03T14:30:00.000Z")
    assert refused(late, "AAPL.csv")[0][:2] == ("TIMESTAMP", 3)


def test_investings_dates_are_told_by_a_day_beyond_the_twelfth() -> None:
    found = read(INVESTING, "AAPL Historical Data.csv")
    assert [(row["date"], row["close"], row["volume"]) for row in found.rows.to_pylist()] == [
        (date(2024, 1, 31), 1184.25, 58410000), (WEDNESDAY, 184, None), (TUESDAY, 185.64, 532100),
    ]  # fmt: skip
    european = (
        INVESTING.replace("01/31/2024", "31/01/2024").replace("01/03", "03/01").replace("01/02", "02/01")
    )
    assert closes(read(european, "AAPL.csv")) == closes(found)
    ((code, line, said),) = refused(INVESTING.replace("01/31", "01/04"), "AAPL.csv")
    assert (code, line) == ("BAD_DATE", 2) and "cannot be told apart" in said
    assert refused(INVESTING, "AAPL.csv", None)[0][0] == "AMBIGUOUS_BASIS"
    assert refused(INVESTING.replace("01/03/2024", "13/31/2024"), "AAPL.csv")[0][0] == "BAD_DATE"


def test_polygons_days_begin_at_midnight_of_new_york() -> None:
    assert closes(read(POLYGON, "2024-01-02.csv", "as_traded")) == [
        ("AAPL", TUESDAY, 185.64),
        ("MSFT", date(2024, 7, 4), 370.87),
    ]
    hour = str(1704171600000000000 + 3600 * 10**9)
    ((code, line, _),) = refused(POLYGON.replace("1704171600000000000", hour), "p.csv")
    assert (code, line) == ("TIMESTAMP", 2)
    assert refused(POLYGON, "p.csv", None)[0][0] == "AMBIGUOUS_BASIS"


def test_a_fault_in_every_line_is_told_twice_and_counted() -> None:
    lines = "".join(f"01/{day:02}/24,{100 + day}\n" for day in range(2, 32))
    with pytest.raises(FileRejected) as error:
        read(f"Date,Close\n{lines}", "AAPL.csv")
    assert str(error.value) == (
        "AAPL.csv is refused: BAD_DATE line 2: '01/02/24' is no ISO date; write dates such as 2024-01-31; "
        "BAD_DATE line 3: '01/03/24' is no ISO date; write dates such as 2024-01-31, and 28 more like it"
    )


def test_semicolons_and_decimal_commas_are_read_where_the_file_is_consistent() -> None:
    found = read(EUROPE, "prices.csv")
    assert closes(found) == [("SAP", TUESDAY, 138.52), ("SAP", WEDNESDAY, 1139.5)]
    tabs = read(EUROPE.replace(",", ".").replace(";", "\t"), "prices.txt")
    assert closes(tabs) == closes(found)
    mixed = refused(EUROPE.replace("1139,5", "1139.5"), "p.csv")
    assert mixed[0][:2] == ("MIXED_DECIMALS", 2) and "(1139.5, line 3)" in mixed[0][2]
    thousands = refused(EUROPE.replace("138,52", "1,138").replace("1139,5", "1,139"), "p.csv")
    assert thousands[0][0] == "MIXED_DECIMALS" and "may be a decimal or thousands" in thousands[0][2]
    assert refused(EUROPE.removesuffix("\n"), "p.csv")[0][0] == "TRUNCATED"


@pytest.mark.parametrize(
    "name",
    [
        "monthly_IBM.csv",
        "weekly_adjusted_IBM.csv",
        "aapl_us_w.csv",
        "aapl_us_m.csv",
        "weekly_prices.csv",
        "AAPL-weekly.csv",
        "AAPL.Monthly.csv",
        "weekly.csv",
    ],
)
def test_a_file_that_is_named_for_rarer_closes_is_not_taken_for_daily_ones(name: str) -> None:
    assert refused("date,close\n2024-01-31,1\n2024-02-29,2\n", name)[0][0] == "NOT_DAILY"


@pytest.mark.parametrize(
    ("header", "vendor"),
    [
        ("Time,Open,High,Low,Latest,Change,%Change,Volume", "Barchart"),
        ("Datum;Erster;Hoch;Tief;Schlusskurs;Stuecke;Volumen", "ariva.de"),
        ('"Historical Data"', "Euronext"),
    ],
)
def test_a_layout_that_is_not_read_is_refused_by_its_vendors_name(header: str, vendor: str) -> None:
    with pytest.raises(FileRejected, match=f"are unknown; this is {vendor}'s layout: "):
        read(header + "\n", "AAA.csv")


@pytest.mark.parametrize(
    ("close", "volume", "first"),
    [
        ("1.138,52", "1.234.567", 1138.52),
        ("138,52", "1.234", 138.52),  # a volume has no decimals
        ("1,138.52", "1,234,567", 1138.52),
        ("138.52", "1,234", 138.52),
        ("1 138,52", "1 234", 1138.52),
        ("1\u202f138,52", "1\u00a0234", 1138.52),
        ("1'138.52", "1'234", 1138.52),
    ],
)
@pytest.mark.parametrize("told", ["", "sep=;\n", '"sep=;"\r\n'])
def test_marks_of_thousands_are_taken_away_where_a_number_shows_them(
    close: str, volume: str, first: float, told: str
) -> None:
    second = "1139.5" if "." in close.replace("1.138", "") else "1139,5"
    text = EUROPE.replace("138,52", close).replace("1000", volume).replace("1139,5", second)
    found = read(told + text, "prices.csv")
    assert closes(found) == [("SAP", TUESDAY, first), ("SAP", WEDNESDAY, 1139.5)]
    digits = int("".join(sign for sign in volume if sign.isdigit()))
    assert found.rows["volume"].to_pylist() == [digits, 2000]
    assert found.lines is not None and found.lines[0] == (3 if told else 2)


def test_the_line_that_tells_excel_a_separator_is_no_header() -> None:
    plain = EUROPE.replace(",", ".").replace(";", ",")
    assert closes(read("sep=,\n" + plain, "p.csv")) == closes(read(plain, "p.csv"))
    assert closes(read("SEP=|\n" + plain.replace(",", "|"), "p.csv")) == closes(read(plain, "p.csv"))
    bad = refused("sep=;\n" + EUROPE.replace("138,52", "n/a"), "p.csv")
    assert bad[0][:2] == ("BAD_NUMBER", 3)
    assert refused("sep=;\n", "p.csv")[0][0] == "EXTRA_COLUMN"


@pytest.mark.parametrize(
    "closes_of", [("1.138,52", "1,139.5"), ("1.138", "139,5"), ("1,138", "139.5"), ("1.138", "1,139")]
)
def test_numbers_that_cannot_be_of_one_hand_are_refused(closes_of: tuple[str, str]) -> None:
    text = EUROPE.replace("138,52", closes_of[0]).replace("1139,5", closes_of[1])
    assert refused(text, "p.csv")[0][0] == "MIXED_DECIMALS"


DAYS, PRICES = st.dates(date(1990, 1, 1), date(2024, 1, 1)), st.decimals("0.01", 99999, places=2)


@given(st.lists(st.tuples(DAYS, PRICES), min_size=1))
def test_a_decimal_comma_is_the_same_number(rows) -> None:
    lines = [("SAP", day.isoformat(), f"{price:.2f}") for day, price in rows]
    plain = "symbol,date,close\n" + "".join(",".join(line) + "\n" for line in lines)
    comma = "symbol;date;close\n" + "".join(";".join(line).replace(".", ",") + "\n" for line in lines)
    assert closes(read(comma, "p.csv")) == closes(read(plain, "p.csv"))
    assert rewritten(plain.encode(), "p.csv") is None


@given(st.binary(max_size=300))
def test_a_strangers_bytes_are_left_to_the_plain_reader_or_refused(data: bytes) -> None:
    try:
        rewritten(data, "p.csv")
    except FileRejected as error:
        assert error.findings
