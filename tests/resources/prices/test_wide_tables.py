"""Tables with a column a symbol: which column is none, and columns that are ignored."""

import hashlib

import pytest

from resources.prices.files import Reading, read_delivery
from resources.prices.source import Delivery, FileRejected

SYMBOLS = [f"N{letter}" for letter in "ABCDEFGHIJ"]


def read(header: str, *lines: str, ignored: tuple[str, ...] = ()) -> Delivery:
    data = "".join(f"{line}\n" for line in (header, *lines)).encode()
    how = Reading("s", "USD", "total_return", ignored)
    return read_delivery(data, "prices.csv", hashlib.sha256(data).hexdigest(), "key", how)


@pytest.mark.parametrize("strange", ["NAV", "VOLUME"])
def test_the_column_that_is_no_symbol_is_told_and_not_the_ten_that_are(strange: str) -> None:
    with pytest.raises(FileRejected) as error:
        read(",".join(["Date", *SYMBOLS, strange]), "2024-01-02" + ",1" * 11)
    said = error.value.findings[0].message
    assert said.startswith(f"columns ['{strange}'] are no symbols") and f"of its own ({strange}.csv)" in said
    with pytest.raises(FileRejected, match=r"\['NA', .*\] are unknown"):  # a table with a row a symbol
        read(",".join(["Date", *SYMBOLS, "Close", "Volume"]), "2024-01-02" + ",1" * 12)
    with pytest.raises(FileRejected, match=r"\['NA', 'NB', 'NAV'\] are unknown"):
        read("Date,NA,NB,NAV", "2024-01-02,1,2,3")


def test_an_ignored_column_leaves_the_symbols_beside_it() -> None:
    """The whole table was refused: it was no table of symbols any more."""
    found = read("Date,NA,NAV,Close,NB", "2024-01-02,1,x,7,2", "2024-01-03,3,,,4", ignored=("nav", "close"))
    rows = [(row["symbol"], row["close"]) for row in found.rows.to_pylist()]
    assert rows == [("NA", 1), ("NB", 2), ("NA", 3), ("NB", 4)]
    for line, count in (("2024-01-03,3,4", 3), ("2024-01-03,3,4,5,6", 5)):
        with pytest.raises(FileRejected, match=f"line 3.* {count} cells where the header has 4"):
            read("Date,NA,NAV,NB", "2024-01-02,1,x,2", line, ignored=("nav",))
