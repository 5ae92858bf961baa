"""Real returns over the windows of the past that scenarios replay."""

from collections.abc import Mapping, Set
from datetime import timedelta

import numpy as np

from optimizer import DataError
from optimizer.model.sessions import Dates
from optimizer.typing import Array
from resources.packs.markets import Market
from resources.packs.pack_prices import Window
from resources.packs.panels import Panel
from resources.results.sensitivities.priced_dates import Once
from resources.settings.playbooks import Playbooks

NEAR = timedelta(days=7)


def windows_of(books: Playbooks) -> set[Window]:
    """The windows of the past that scenarios replay, from a little before their first day."""
    told = {scenario.window for scenario in books.scenarios.values() if scenario.window}
    return {(first - NEAR, last) for first, last in told}


def replayed(
    market: Market, symbols: Set[str], currency: str, books: Playbooks, once: Once
) -> dict[str, Mapping[str, float]]:
    """Scenario -> symbol -> real return over its window, of the scenarios that have one."""
    return {
        name: _real_returns(market, symbols, currency, scenario.window, once)
        for name, scenario in books.scenarios.items()
        if scenario.window
    }


def _real_returns(
    market: Market, symbols: Set[str], currency: str, window: Window, once: Once
) -> Mapping[str, float]:
    """Symbol -> real total return over the window, of all that have prices near both of its ends.

    Nothing at all where one of `symbols` has a price that cannot be told in `currency`: sensitivities price them then.
    """
    real, untold = once(("replay", currency, window), lambda: _replays(market, currency, window, once))
    return real if untold.isdisjoint(symbols) else {}


def _replays(market: Market, currency: str, window: Window, once: Once) -> tuple[dict[str, float], set[str]]:
    """Of all names of the market: real returns over a window, and those whose prices cannot be told in `currency`."""
    if market.pack.as_of < window[1]:
        return {}, set()
    names = market.windows[window[0] - NEAR, window[1]].symbols
    told = {symbol: _real(market, currency, window, once, symbol) for symbol in names}
    return (
        {symbol: found for symbol, found in told.items() if isinstance(found, float)},
        {symbol for symbol, found in told.items() if isinstance(found, DataError)},
    )


def _real(market: Market, currency: str, window: Window, once: Once, symbol: str) -> float | DataError | None:
    """The real return of one symbol over a window; None without prices near both of its ends."""
    panel = market.windows[window[0] - NEAR, window[1]]
    days, prices = once(("window", window), lambda: _days_and_prices(panel))
    own = prices[:, panel.places[symbol]]
    told, unit = np.isfinite(own), panel.currency[panel.places[symbol]]
    days, own = days[told], own[told]
    if unit not in ("", currency):
        own = own * market.rates.way(unit, currency, days).rates
        if np.isnan(own).any():
            return DataError(f"{symbol}: no exchange rate so far back")
    before = own[days <= np.datetime64(window[0])]
    if not len(before) or days[-1] < np.datetime64(window[1] - NEAR):
        return None
    return float(own[-1] / before[-1] - 1)


def _days_and_prices(panel: Panel) -> tuple[Dates, Array]:
    """(T,) dates, and (T, n) total-return prices."""
    return panel.days, panel.total_return().to_numpy()
