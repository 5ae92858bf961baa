"""What a file's name says: a symbol without the decorations of vendors, or a refusal; never an invention."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.prices.file_names import INTERVALS, NAMELESS, WORDS, name_date, named_symbol
from resources.prices.source import FileRejected


@pytest.mark.parametrize(
    "name", ["AAPL.csv", "aapl.csv", "AAPL.CSV", "sub/folder/AAPL.csv.gz", "AAPL.parquet"]
)
def test_a_plain_name_is_the_symbol(name: str) -> None:
    assert named_symbol(name) == ("AAPL", [])


@pytest.mark.parametrize(
    "name",
    [
        "BRK-B",
        "BRK.B",
        "BRK_B",
        "^GSPC",
        "EURUSD=X",
        "BTC-USD",
        "VOD.L",
        "0700.HK",
        "7203",
        "D",
        "MAX",
        "ALL",
    ],
)
def test_marks_that_belong_to_a_symbol_stay(name: str) -> None:
    assert named_symbol(f"{name}.csv") == (name, [])


@pytest.mark.parametrize(
    "name",
    [
        "AAPL_2024-01-02.csv", "AAPL_20230630.csv", "AAPL-2024-01-02.parquet", "AAPL.20230630.csv.gz",
        "AAPL_20230630_183000.csv", "AAPL_2020-01-01_2024-01-01.csv", "AAPL_01-02-2024.csv", "AAPL_2024.csv",
        "AAPL-2024.csv", "AAPL_202401.csv", "20230630_AAPL.csv", "aapl.us.txt", "aapl_us_d.csv",
        "prices_AAPL_daily.csv",
        "AAPL (1).csv", "AAPL Historical Data.csv", "Download Data - STOCK_US_XNAS_AAPL.csv", "AAPL-history.csv",
        "yahoo/AAPL_1d.csv", "AAPL_1690000000000.csv", "US.AAPL.csv", "AAPL_max.csv", "eod_AAPL.csv",
    ],
)  # fmt: skip
def test_dates_and_decorations_are_left_out_with_a_word(name: str) -> None:
    symbol, (told,) = named_symbol(name)
    assert symbol == "AAPL"
    assert (told.code, told.severity, told.symbol) == ("SYMBOL_FROM_NAME", "WARN", "AAPL")
    assert named_symbol("W_1d.csv")[0] == "W"  # for weeks beside a symbol, and Wayfair's own


def test_a_symbol_that_reads_like_an_interval_is_one_before_the_interval_and_alone() -> None:
    names = {"w_us_d.csv": "W", "M_d.csv": "M", "W_2024.csv": "W", "m.us.txt": "M"}
    assert {name: named_symbol(name)[0] for name in names} == names


@pytest.mark.parametrize(
    "name",
    [
        "prices.csv", "data.csv", "20240102.csv", "2024-01-02.csv", "2024.csv", "202401.csv", "prices-2024-01-02.csv",
        "my prices.csv", "all_prices_2024.csv", "AAPL_MSFT.csv", "HistoricalData_1690000000000.csv", "_.csv", ".csv",
        "=A1.csv", "table.csv", "table (1).csv", "Book1.csv", "Sheet1.csv", "untitled_2.csv", "prices-2.csv",
        "Apple Stock Price History.csv", "Apple_daily.csv",
    ],
)  # fmt: skip
def test_a_name_that_names_none_or_several_is_refused(name: str) -> None:
    with pytest.raises(FileRejected, match="names no symbol"):
        named_symbol(name)


DAYS = st.dates(date(1990, 1, 1), date(2049, 12, 31))
FORMS = st.sampled_from(["%Y%m%d", "%Y-%m-%d", "%Y_%m_%d", "%Y.%m.%d"])


@given(st.from_regex(r"[A-Z]{2,5}(\.[A-Z])?", fullmatch=True), DAYS, FORMS, st.booleans())
def test_the_day_in_a_name_makes_no_new_symbol(symbol: str, day: date, form: str, before: bool) -> None:
    """A file a day of one symbol is one symbol, wherever the day stands."""
    parts = [day.strftime(form), symbol] if before else [symbol, day.strftime(form)]
    try:
        found = named_symbol("_".join(parts) + ".csv")[0]
    except FileRejected:  # a word that vendors or people put into names
        assert {*symbol.lower().split(".")} & (WORDS | NAMELESS | INTERVALS)
        return
    assert found in (symbol, symbol.split(".")[0])  # `AAPL.US`
    assert found == symbol or symbol.lower().split(".")[1] in WORDS


def test_the_date_at_the_end_of_a_name_is_its_date() -> None:
    assert name_date("prices_20150715.csv.gz") == date(2015, 7, 15)
    assert name_date("prices-2015-07-15.csv") == date(2015, 7, 15)
    assert name_date("prices_20151315.csv") is None
    assert name_date("prices.csv") is None
