"""What other sources have of a delivery's symbols: one by one the same as many at once, and in few queries."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from bench import DAYS, new_warehouse, price_rows, staying_open

from resources.logs.appending import append_log
from resources.logs.recorded_prices import prices_elsewhere

NAMES = tuple(f"S{number:03}" for number in range(300))


class Counted:
    """A connection that counts what it is asked."""

    def __init__(self, con: Any) -> None:
        self.con, self.asked = con, 0

    def execute(self, sql: str, params: Sequence[object]) -> Any:
        self.asked += 1
        return self.con.execute(sql, params)


def of_source(name: str, **told: Any) -> pa.Table:
    rows = price_rows(**told)
    place = rows.column_names.index("source")
    return rows.set_column(place, "source", pa.array([name] * rows.num_rows))


def test_thousands_of_symbols_of_two_sources_are_few_queries(tmp_path: Path) -> None:
    with new_warehouse(tmp_path, staying_open).live() as live:
        told = [
            of_source("own", close=90.0, symbols=NAMES),
            of_source("zeta", close=70.0, symbols=NAMES[50:200]),
            of_source("feed", close=100.0, symbols=NAMES[100:], days=DAYS[:2]),
            of_source("feed", close=110.0, symbols=NAMES[150:151], days=DAYS[:1]),
        ]
        for number, rows in enumerate(told):
            append_log(live, "prices", rows, number + 1)
        con = Counted(live)
        many, alone = prices_elsewhere(con, "own", NAMES), prices_elsewhere(live, "own")
        found = {name: many(name) for name in NAMES}
        assert found == {name: alone(name) for name in NAMES}
        assert con.asked == 11  # who is there; then of 1, 2, 4, ... 256
        assert ([*map(len, found.values())]) == [0] * 50 + [len(DAYS)] * 50 + [2] * 200
        assert max(close for close, _, _ in found["S150"].values()) == 110.0
        backwards = prices_elsewhere(live, "own", NAMES[:200])
        assert {name: backwards(name) for name in reversed(NAMES)} == found
        assert not many("NOBODY") and con.asked == 11
