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


def test_the_column_that_is_no_symbol_is_told_and_not_the_ten_that_are() -> None:
    with pytest.raises(FileRejected) as error:
        read(",".join(["Date", *SYMBOLS, "NAV"]), "2024-01-02" + ",1" * 11)
    said = error.value.findings[0].message
    assert said.startswith("columns ['NAV'] are no symbols") and "a file of its own (NAV.csv)" in said
    with pytest.raises(FileRejected, match=r"\['NA', 'NB', 'NAV'\] are unknown"):
        read("Date,NA,NB,NAV", "2024-01-02,1,2,3")


def test_an_ignored_column_leaves_the_symbols_beside_it() -> None:
    """The whole table was refused: it was no table of symbols any more."""
    found = read("Date,NA,NAV,Close,NB", "2024-01-02,1,x,7,2", "2024-01-03,3,,,4", ignored=("nav", "close"))
    rows = [(row["symbol"], row["close"]) for row in found.rows.to_pylist()]
    assert rows == [("NA", 1), ("NB", 2), ("NA", 3), ("NB", 4)]
    with pytest.raises(FileRejected, match="line 3"):
        read("Date,NA,NAV,NB", "2024-01-02,1,x,2", "2024-01-03,3,4", ignored=("nav",))
