"""Renames: every row belongs to the company that had the symbol that day, whatever the order they are listed in."""

from itertools import permutations

import numpy as np
import pyarrow as pa
import pytest

from optimizer import DataError
from resources.screening.renames import Rename, present_name, renamed, segments

# XXX became YYY on day 10 and YYY became WWW on day 30; another company had the ticker XXX from day 10 on, until it
# became ZZZ on day 20. On day 40 P and Q changed their names with each other.
RENAMES = [
    Rename("XXX", "YYY", 10),
    Rename("YYY", "WWW", 30),
    Rename("XXX", "ZZZ", 20),
    Rename("P", "Q", 40),
    Rename("Q", "P", 40),
]
ROWS = [
    ("XXX", 9, "WWW"), ("XXX", 10, "ZZZ"), ("XXX", 19, "ZZZ"), ("XXX", 20, "XXX"), ("YYY", 10, "WWW"),
    ("YYY", 30, "YYY"), ("WWW", 30, "WWW"), ("ZZZ", 25, "ZZZ"), ("P", 39, "Q"), ("Q", 39, "P"), ("P", 40, "P"),
]  # fmt: skip


def table(rows: list[tuple[str, int, str]]) -> pa.Table:
    symbols = pa.array([row[0] for row in rows]).dictionary_encode()
    days = pa.array(np.array([row[1] for row in rows], "datetime64[D]"))
    return pa.table({"symbol": symbols, "date": days})


@pytest.mark.parametrize("listed", list(permutations(RENAMES))[::7])
def test_chains_and_tickers_used_twice_in_any_order(listed: tuple[Rename, ...]) -> None:
    rows, told = renamed(table(ROWS), listed)
    assert rows["symbol"].to_pylist() == [row[2] for row in ROWS]
    assert sum(finding.count for finding in told) == sum(row[0] != row[2] for row in ROWS)
    names = segments(listed)
    assert [present_name(names, symbol, day) for symbol, day, _ in ROWS] == [row[2] for row in ROWS]


def test_two_names_on_one_day_are_refused_and_the_same_one_twice_is_one() -> None:
    with pytest.raises(DataError, match="XXX is renamed twice on 1970-01-11, to YYY and to ZZZ"):
        segments([Rename("XXX", "YYY", 10), Rename("XXX", "ZZZ", 10)])
    assert segments([Rename("XXX", "YYY", 10)] * 2) == segments([Rename("XXX", "YYY", 10)])


def test_nothing_is_renamed_where_no_row_is_there() -> None:
    empty = table([]).cast(
        pa.schema([("symbol", pa.dictionary(pa.int32(), pa.string())), ("date", pa.date32())])
    )
    assert renamed(empty, RENAMES) == (empty, [])
