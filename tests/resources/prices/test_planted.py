"""Defects planted into a hundred real stocks, one each: how many are set aside, noted, missed (the page's table)."""

import os
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from resources.logs.calendars import load_calendar
from resources.prices.files import Reading, read_delivery
from resources.prices.series import Days
from resources.screening.context import Context
from resources.screening.screen import screen

TODAY = date(2026, 3, 2)
SHARED = Path(os.environ.get("PACKFOLIO_SHARED_DATA", "nowhere"))
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not SHARED.is_dir(), reason="PACKFOLIO_SHARED_DATA names no folder"),
]
Frame = pd.DataFrame
Plant = Callable[[Frame, int, int], Frame]  # a table, a symbol's row, the end of its rows
PRICES = ["open", "high", "low", "close"]
CLOSES = ["symbol", "date", "close"]


@cache
def stocks() -> Frame:
    found = pd.read_parquet(SHARED / "market" / "stocks100_daily.parquet")
    return found.sort_values(["symbol", "date"], ignore_index=True)


def forgotten(ratio: float) -> Plant:
    """A split that nobody states: all prices from a day on are a part of what they were."""

    def plant(table: Frame, at: int, end: int) -> Frame:
        table.loc[at : end - 1, "close"] /= ratio
        return table

    return plant


def untold(ratio: float) -> Plant:
    """A split that the adjusted closes alone tell: they stay as they were."""

    def plant(table: Frame, at: int, end: int) -> Frame:
        table.loc[at : end - 1, PRICES] /= ratio
        return table

    return plant


def scaled(times: float, columns: list[str]) -> Plant:
    def plant(table: Frame, at: int, end: int) -> Frame:
        table.loc[at, columns] *= times
        return table

    return plant


def false_split(table: Frame, at: int, end: int) -> Frame:
    table.loc[at, "split"] = 2.0
    return table


def large_dividend(table: Frame, at: int, end: int) -> Frame:
    paid = np.flatnonzero(table.loc[at : end - 1, "dividend"])
    if len(paid):  # who pays none has none to misstate
        table.loc[at + paid[0], "dividend"] *= 100
    return table


def another_company(table: Frame, at: int, end: int) -> Frame:
    table.loc[at : end - 1, [*PRICES, "adj_close"]] *= 0.21
    return table


ALL = [*CLOSES, "open", "high", "low", "volume", "adj_close", "dividend", "split"]
TOLD = [name for name in ALL if name != "adj_close"]
KINDS: dict[str, tuple[Plant, list[str]]] = {
    "2:1 forgotten, closes alone": (forgotten(2), CLOSES),
    "7:1 forgotten, closes alone": (forgotten(7), CLOSES),
    "2:1 by adjusted closes alone": (untold(2), ALL),
    "3:2 by adjusted closes alone": (untold(1.5), ALL),
    "a split that was none": (false_split, TOLD),
    "a close ten times, closes alone": (scaled(10, ["close"]), CLOSES),
    "a close a tenth, adjusted close right": (scaled(0.1, ["close"]), ALL),
    "a close 2.6 times": (scaled(2.6, ["close"]), TOLD),
    "a close a fifth too low": (scaled(0.8, ["close"]), TOLD),
    "a dividend a hundred times": (large_dividend, TOLD),
    "another company at 0.21": (another_company, ALL),
}


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Days:
    return load_calendar("XNYS", TODAY, tmp_path_factory.mktemp("calendar")).days


def found(table: Frame, columns: list[str], sessions: Days) -> tuple[set[str], set[str]]:
    """The symbols with rows set aside, and those that any warning names."""
    text = table[columns].to_csv(index=False).encode()
    file = read_delivery(text, "p.csv", "s", "k", Reading("desk", "USD", "as_traded"))
    result = screen(file, Context(TODAY, sessions))
    return set(result.quarantined["symbol"].to_pylist()), {
        one.symbol for one in result.warnings if one.symbol
    }


@pytest.mark.parametrize("kind", KINDS)
def test_at_least_nine_defects_in_ten_are_found(kind: str, sessions: Days) -> None:
    plant, columns = KINDS[kind]
    clean = stocks()
    table, rng, planted = clean.copy(), np.random.default_rng(17), set()
    for symbol, rows in clean.groupby("symbol"):
        start, end = int(rows.index[0]), int(rows.index[-1]) + 1
        table = plant(table, int(rng.integers(start + 300, end - 400)), end)
        if not table.loc[rows.index].equals(rows):
            planted.add(str(symbol))
    aside, noted = found(table, columns, sessions)
    counts = len(planted & aside), len(planted & (noted - aside)), len(planted - noted - aside)
    print(kind, *counts)
    assert counts[2] <= 0.1 * len(planted) and len(planted) > 90
