"""What scenarios need to know of a portfolio: values, sensitivities, instruments, real returns of the past."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from optimizer import DataError, FundExposureMap, estimate_sensitivities, log_returns, simple_returns
from optimizer.model.sessions import Rows, common_rows, costly_gaps, periods_per_year
from optimizer.risk.hedges import Market as Quoted
from optimizer.risk.scenarios import FACTORS, Sensitivities, declared_sensitivities, factor_moves
from optimizer.typing import Array
from resources.ledger.ledger import Connection
from resources.packs.markets import Market, Window, read_market
from resources.packs.packs import Pack
from resources.packs.panels import Panel
from resources.results.pack_estimates import Case
from resources.results.pack_inputs import look_through
from resources.settings.playbooks import Playbooks

LOOKBACK = 756
LEAST_DAYS = 100
VOLATILITY_DAYS = 252
NEAR = timedelta(days=7)
RECENT = 5  # sessions in which a price must be
SESSIONS = (RECENT, LOOKBACK + 1)


@dataclass(frozen=True, eq=False)
class Exposed:
    """A portfolio with all that scenarios need to know of it.

    values         symbol -> value held, base currency
    sensitivities  of what is held and of every instrument that the pack prices
    markets        symbol -> price, volatility and rate of the instruments
    replays        scenario -> symbol -> real return over its window, of holdings and instruments
    prices         (T, n) total-return prices of holdings and instruments, base currency, NaN where there is none
    """

    pack: Pack
    case: Case
    values: Mapping[str, float]
    sensitivities: Sensitivities
    markets: Mapping[str, Quoted]
    replays: Mapping[str, Mapping[str, float]]
    prices: pd.DataFrame
    notes: Sequence[str]
    funds: FundExposureMap

    @property
    def nav(self) -> float:
        """Value of holdings and cash."""
        return float(self.case.portfolio.total_value(self.case.prices))

    def volatility(self, values: Mapping[str, float]) -> float:
        """Of holdings (base currency) as shares of the NAV, per year, over 252 sessions of them all; NaN if too few."""
        held = {symbol: value for symbol, value in values.items() if value}
        if not held or not self.nav:
            return 0.0
        table = self.prices[list(held)].to_numpy()
        rows = common_rows(table, VOLATILITY_DAYS + 1)
        moves = simple_returns(table[rows]) @ np.array(list(held.values())) / self.nav
        yearly = periods_per_year(self.prices.index[rows])
        return float(moves.std(ddof=1) * np.sqrt(yearly)) if len(moves) >= 30 else float("nan")


Once = Callable[[object, Callable[[], Any]], Any]


def read_exposed(
    con: Connection, pack: Pack, case: Case, funds: FundExposureMap, books: Playbooks
) -> Exposed:
    """Reads prices of holdings, factor proxies and instruments under a pack, and estimates sensitivities.

    funds  what the desk's funds hold
    """
    symbols = {*_values(case), *wanted_symbols(books)}
    market = read_market(con, pack, symbols, [case.snapshot.base_currency], SESSIONS, windows_of(books))
    return exposed_on(market, case, funds, books, lambda _, make: make())


def wanted_symbols(books: Playbooks) -> set[str]:
    """Every symbol whose prices scenarios and hedges ask for, whatever is held."""
    return {*_candidates(books), *books.proxy_symbols()} - {"CASH"}


def windows_of(books: Playbooks) -> set[Window]:
    """The windows of the past that scenarios replay, from a little before their first day."""
    told = {scenario.window for scenario in books.scenarios.values() if scenario.window}
    return {(first - NEAR, last) for first, last in told}


def _candidates(books: Playbooks) -> set[str]:
    wanted = {instrument.symbol for instrument in books.instruments}
    return wanted | {s for advices in books.regimes.values() for advice in advices for s in advice.candidates}


def _values(case: Case) -> dict[str, float]:
    return {s: float(v) for s, v in case.portfolio.values(case.prices).items() if v}


def exposed_on(market: Market, case: Case, funds: FundExposureMap, books: Playbooks, once: Once) -> Exposed:
    """`read_exposed` from a market that was read for many.

    once  gives by a key what was made before: what depends on the market alone is made once for all portfolios
    """
    pack, currency, values = market.pack, case.snapshot.base_currency, _values(case)
    wanted = _candidates(books)
    symbols = tuple(sorted({*values, *wanted_symbols(books)} - {"CASH"}))
    recent = market.recent(symbols, RECENT)
    last = {s: found[1] for i, s in enumerate(symbols) if (found := recent.last_close(i))}
    panel = market.recent(symbols, LOOKBACK + 1)
    kept = [s for s in symbols if s in last]
    table = _total_returns(market, panel, once)
    own = pd.DataFrame(table, pd.DatetimeIndex(panel.dates, name="date"), list(symbols))[kept]
    base = market.in_currency(panel, currency, table)[kept]
    known = look_through(funds, market.known("kind", kept), case.inputs.policy)
    rows = estimated_on(own, books.chosen_proxies({*kept}))
    natural, converted = log_returns(own.to_numpy()[rows]), log_returns(base.to_numpy()[rows])
    sens, proxies = _sensitivities(kept, natural, converted, known, books, values)
    units = {s: c for s, c in zip(recent.symbols, recent.currency, strict=True) if s in last}
    markets = {
        s: Quoted(
            last[s] * market.exchange_rate(units[s], currency),
            once(("volatility", s, currency), partial(_volatility_of, base[s])),
            case.inputs.policy.risk_free_rate or 0.0,
        )
        for s in kept
        if s in wanted and s in sens.symbols
    }  # fmt: skip
    missing = [factor for factor in FACTORS if factor not in proxies]
    notes = (
        [f"No proxy in {pack.id} for {', '.join(missing)}: declared sensitivities are used"]
        if missing
        else []
    )
    replays = {
        name: _replay(market, tuple(sorted({*values, *markets})), currency, scenario.window, once)
        for name, scenario in books.scenarios.items()
        if scenario.window
    }
    return Exposed(pack, case, values, sens, markets, replays, base, notes, known)


def _total_returns(market: Market, panel: Panel, once: Once) -> Array:
    """(T, n) total-return prices of a part of the market: each column's are its own, whatever stands beside it."""
    whole = once(
        "total returns", lambda: market.recent(market.panel.symbols, LOOKBACK + 1).total_return().to_numpy()
    )
    table = whole[:, [market.panel.places[symbol] for symbol in panel.symbols]]
    found: Array = table[np.isfinite(table).any(axis=1)]
    return found


def estimated_on(prices: pd.DataFrame, proxies: Mapping[str, Mapping[str, float]]) -> Rows | slice:
    """The dates of (T, n) prices that sensitivities are estimated between: the factor proxies and all names that have
    history are priced on them, but for those that would cost the others too many."""
    priced = prices.notna().to_numpy()
    if priced.all():
        return slice(None)
    needed = {symbol for weights in proxies.values() for symbol in weights}
    long = [
        s
        for s, days in zip(prices.columns, priced.sum(axis=0), strict=True)
        if days > LEAST_DAYS or s in needed
    ]
    costly = costly_gaps(prices[long].notna().to_numpy(), prices.index, long, needed)
    return common_rows(prices[[symbol for symbol in long if symbol not in costly]].to_numpy())


def _sensitivities(
    symbols: Sequence[str],
    own: Array,
    base: Array,
    funds: FundExposureMap,
    books: Playbooks,
    held: Mapping[str, float],
) -> tuple[Sensitivities, Mapping[str, Mapping[str, float]]]:
    """Of everything with history or declared exposures; what is held must have one of them."""
    returns = {symbol: own[:, i] for i, symbol in enumerate(symbols)}
    proxies = books.chosen_proxies(set(symbols))
    moves = factor_moves(proxies, returns, len(own))
    declared = np.array([
        declared_sensitivities(funds[s], books.loads) if s in funds else np.full(len(FACTORS), np.nan) for s in symbols
    ])  # fmt: skip
    long = np.isfinite(base).sum(axis=0) >= LEAST_DAYS
    usable = [i for i, s in enumerate(symbols) if s in held or long[i] or np.isfinite(declared[i]).all()]
    chosen = tuple(symbols[i] for i in usable)
    return estimate_sensitivities(chosen, base[:, usable], moves, declared[usable]), proxies


def _volatility_of(table: pd.Series) -> float:
    """Per year, of the last 252 days that have prices."""
    own = table.dropna().iloc[-VOLATILITY_DAYS - 1 :]
    moves = log_returns(own.to_numpy())
    return (
        float(moves.std(ddof=1) * np.sqrt(periods_per_year(own.index))) if len(moves) > 20 else float("nan")
    )


def _replay(
    market: Market, symbols: tuple[str, ...], currency: str, window: tuple[date, date], once: Once
) -> dict[str, float]:
    """Symbol -> real total return over the window, of those that have prices near both of its ends.

    Nothing at all where one of them has a price that cannot be told in `currency`: sensitivities price them then.
    """
    if not symbols or market.pack.as_of < window[1]:
        return {}
    real = {
        symbol: once(("replay", symbol, currency, window), partial(_real, market, symbol, currency, window))
        for symbol in symbols
    }
    if any(isinstance(found, DataError) for found in real.values()):
        return {}
    return {symbol: found for symbol, found in real.items() if found is not None}


def _real(market: Market, symbol: str, currency: str, window: tuple[date, date]) -> float | DataError | None:
    """The real return of one symbol over a window; None without prices near both of its ends."""
    try:
        panel = market.windows[window[0] - NEAR, window[1]].select((symbol,))
        own = market.in_currency(panel, currency)[symbol].dropna()
    except DataError as error:
        return error  # no exchange rate so far back
    start = own[: np.datetime64(window[0])]
    if not len(start) or own.index[-1] < np.datetime64(window[1] - NEAR):
        return None
    return float(own.iloc[-1] / start.iloc[-1] - 1)
