"""Sensitivities and volatilities are taken between the dates on which the names concerned are priced."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from resources.results.scenario_inputs import Exposed
from resources.results.sensitivities.estimated import estimated_on

EVERY = pd.date_range("2022-01-03", periods=700)
WEEKDAY = EVERY.weekday < 5


def market() -> pd.DataFrame:
    """A proxy and a stock of weekdays, a coin, a name of every other session, a young one."""
    moves = np.random.default_rng(2).normal(0, 0.2 / np.sqrt(365), (700, 5)).cumsum(axis=0)
    prices = pd.DataFrame(100 * np.exp(moves), EVERY, ["PROXY", "STOCK", "COIN", "ALT", "NEW"])
    prices.loc[~WEEKDAY, ["PROXY", "STOCK", "ALT", "NEW"]] = np.nan
    prices.loc[np.arange(700) % 2 == 0, "ALT"] = np.nan
    prices.loc[EVERY[:650], "NEW"] = np.nan
    prices.loc[EVERY[8], "STOCK"] = np.nan
    return prices


def test_sensitivities_are_estimated_between_common_dates() -> None:
    prices, proxies = market(), {"equity": {"PROXY": 1.0}}
    rows = estimated_on(prices, proxies)
    wanted = np.flatnonzero(WEEKDAY & (np.arange(700) != 8))
    assert isinstance(rows, np.ndarray) and rows.tolist() == wanted.tolist()
    assert estimated_on(prices.loc[WEEKDAY, ["PROXY", "COIN"]], proxies) == slice(None)


@pytest.mark.parametrize(("held", "periods"), [({"COIN": 50.0}, 365), ({"COIN": 50.0, "STOCK": 30.0}, 252)])
def test_the_volatility_of_a_book_counts_the_periods_of_its_own_dates(
    held: dict[str, float], periods: int
) -> None:
    prices = market()
    nothing: Any = None
    span: Any = SimpleNamespace(tables=lambda: (prices, prices))
    case: Any = SimpleNamespace(nav=100.0)
    book = Exposed(nothing, case, held, nothing, {}, {}, span, (), nothing, nothing)
    own = prices[list(held)].dropna().iloc[-253:].pct_change().iloc[1:] @ pd.Series(held) / 100
    assert book.volatility(held) == pytest.approx(own.std() * np.sqrt(periods))
    assert np.isnan(book.volatility({"NEW": 1.0, "ALT": 1.0}))
    assert cast(float, book.volatility({"COIN": 0.0})) == 0.0
