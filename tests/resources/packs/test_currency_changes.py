"""A symbol that is quoted in another currency from some day on: one series, in the newest of them."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from bench import DAYS, STAMP, ingest, new_warehouse, price_rows, staying_open

from resources.packs.pack_prices import in_currency, read_panel
from resources.packs.packs import cut_pack
from resources.screening.pack_checks import CheckLimits

CLOSES = (1000.0, 1010.0, 10.2, 10.3)  # of AAA, in pence and then in pounds, or in other units


def rows(units: tuple[str, ...]) -> pa.Table:
    found = price_rows(symbols=("AAA",))
    told = {
        "close": pa.array(CLOSES),
        "currency": pa.array(units),
        "dividend": pa.array([0.0, 5.0, 0.0, 0.0]),
    }
    for name, values in told.items():
        found = found.set_column(found.column_names.index(name), name, values)
    return found


@pytest.mark.parametrize(
    ("units", "rate", "closes"),
    [
        (("GBX", "GBX", "GBP", "GBP"), None, [10.0, 10.1, 10.2, 10.3]),
        (("EUR", "EUR", "GBP", "GBP"), 0.01, [10.0, 10.1, 10.2, 10.3]),
        (("EUR", "EUR", "GBP", "GBP"), None, [10.2, 10.3]),  # what nobody can convert is no price
    ],
)
def test_prices_are_told_in_the_newest_currency_and_a_pack_says_so(
    tmp_path: Path, units: tuple[str, ...], rate: float | None, closes: list[float]
) -> None:
    warehouse = new_warehouse(tmp_path, staying_open)
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", rows(units))
    if rate is not None:
        quote = {"base": "EUR", "quote": "GBP", "date": DAYS[0], "rate": rate, "source": "desk"}
        with warehouse.write(STAMP) as tx:
            ingest(tx, "fx_rates", pa.Table.from_pylist([quote]))
    with warehouse.write(STAMP) as tx:
        cut = cut_pack(tx, DAYS[-1], ["feed"], DAYS, CheckLimits())
    with warehouse.live() as con:
        panel = read_panel(con, cut.pack, ["AAA"])
        assert in_currency(con, cut.pack, panel, "GBP", panel.close)["AAA"].tolist() == pytest.approx(closes)
    assert panel.currency == ("GBP",)
    if len(closes) == 4:
        assert panel.dividend[1, 0] == pytest.approx(0.05)
    (said,) = [found for found in cut.findings if found.code == "CURRENCY_CHANGED"]
    assert (said.symbol, said.date) == ("AAA", DAYS[1])
    assert f"in GBP, in {units[0]} until {DAYS[1]}" in said.message
    assert date(2024, 1, 3) == DAYS[1]
