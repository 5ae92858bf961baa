"""Capitalisations of past days, carried on by price, and of the live day, as they were stated."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from bench import PRICE_TYPES, STAMP, ingest, new_warehouse, staying_open

from resources.books.universes import cap_weights
from resources.packs.dated_facts import known_caps
from resources.packs.markets import read_market
from resources.packs.packs import cut_pack
from resources.screening.pack_checks import CheckLimits

DAYS = tuple(day.date() for day in pd.bdate_range("2024-01-02", periods=70))
UNITS = {"AAA": "USD", "PENCE": "GBX", "EURO": "EUR"}
SATURDAY = date(2024, 2, 3)


def test_an_old_cap_is_carried_on_by_price_through_splits_but_not_by_dividends(tmp_path: Path) -> None:
    rng = np.random.default_rng(17)
    shares = {s: np.where(np.arange(70) < 40, 1.0, 1.5) * 1e6 for s in UNITS}  # each splits 3:2 on day 40
    worth = {s: 1e8 * np.exp(np.cumsum(rng.normal(0, 0.03, 70))) for s in UNITS}  # in USD, EUR and GBX
    fx = {unit: 1.2 * np.exp(np.cumsum(rng.normal(0, 0.01, 70))) for unit in ("EUR", "GBP")}
    prices = [
        {"symbol": s, "date": day, "close": worth[s][row] / shares[s][row], "volume": 1,
         "dividend": 7.0 if row % 20 == 9 else 0.0, "split": 1.5 if row == 40 else 1.0, "currency": unit,
         "basis": "as_traded", "source": "feed", "simulated": False}
        for s, unit in UNITS.items() for row, day in enumerate(DAYS)
    ]  # fmt: skip
    rates = [
        {"base": unit, "quote": "USD", "date": day, "rate": told[row], "source": "feed"}
        for unit, told in fx.items() for row, day in enumerate(DAYS)
    ]  # fmt: skip
    friday = DAYS.index(SATURDAY - timedelta(days=1))
    stated = {
        ("AAA", DAYS[3], "USD"): worth["AAA"][3] * 2,  # another share class counts too
        ("EURO", DAYS[3], "EUR"): 1.0,
        ("EURO", SATURDAY, "USD"): worth["EURO"][friday]
        * fx["EUR"][friday],  # of the month's last close, in dollars
        ("PENCE", DAYS[3] - timedelta(days=90), "GBP"): worth["PENCE"][0] / 100,  # before its first price
    }
    caps = [
        {"symbol": s, "date": day, "market_cap": cap, "currency": unit, "source": "feed"}
        for (s, day, unit), cap in stated.items()
    ]
    warehouse = new_warehouse(tmp_path, staying_open)
    for log, rows in (
        ("prices", pa.Table.from_pylist(prices, schema=PRICE_TYPES)), ("fx_rates", pa.Table.from_pylist(rates)),
        ("market_caps", pa.Table.from_pylist(caps)),
    ):  # fmt: skip
        with warehouse.write(STAMP) as tx:
            ingest(tx, log, rows)
    with warehouse.write(STAMP) as tx:
        cut = cut_pack(tx, DAYS[-1], ["feed"], DAYS, CheckLimits(symbol_stale_sessions=100))
    right = {
        "AAA": worth["AAA"][-1] * 2, "EURO": worth["EURO"][-1] * fx["EUR"][-1],
        "PENCE": worth["PENCE"][-1] / 100 * fx["GBP"][-1],
    }  # fmt: skip
    with warehouse.live() as con:
        market = read_market(con, cut.pack, right, ["USD"], [1], capped=["USD"])
        weights = cap_weights(con, cut.pack, tuple(right), "USD")
        past = known_caps(con, cut.pack, list(right), "USD", pd.DatetimeIndex(DAYS[50:]))
    assert past.iloc[-1].to_dict() == pytest.approx(right, rel=1e-7)
    today = {
        "AAA": worth["AAA"][3] * 2, "EURO": worth["EURO"][friday] * fx["EUR"][friday],
        "PENCE": worth["PENCE"][0] / 100 * fx["GBP"][-1],
    }  # fmt: skip
    assert market.caps["USD"] == pytest.approx(today, rel=1e-7)
    assert weights == pytest.approx({s: cap / sum(today.values()) for s, cap in today.items()}, rel=1e-7)
    assert past["AAA"].to_numpy() == pytest.approx(worth["AAA"][50:] * 2, rel=1e-7)
    (old,) = [item for item in cut.findings if item.code == "STALE_CAP"]
    assert old.message.startswith(
        f"market_caps: the newest of PENCE is more than 100 days old, the oldest of {old.date}"
    )
