"""What scenarios need to know of a portfolio: values, sensitivities, instruments, real returns of the past."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from optimizer import DataError, FundExposureMap, estimate_sensitivities, log_returns, simple_returns
from optimizer.model.sessions import Rows, common_rows, costly_gaps, periods_per_year
from optimizer.risk.hedges import Market
from optimizer.risk.scenarios import FACTORS, Sensitivities, declared_sensitivities, factor_moves
from optimizer.typing import Array
from resources.ledger.ledger import Connection
from resources.packs.pack_prices import in_currency, newest_facts, read_panel, window_start
from resources.packs.packs import Pack
from resources.packs.rates import exchange_rate
from resources.results.pack_estimates import Case
from resources.results.pack_inputs import look_through
from resources.settings.playbooks import Playbooks

LOOKBACK = 756
LEAST_DAYS = 100
VOLATILITY_DAYS = 252
NEAR = timedelta(days=7)


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
    markets: Mapping[str, Market]
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


def read_exposed(
    con: Connection, pack: Pack, case: Case, funds: FundExposureMap, books: Playbooks
) -> Exposed:
    """Reads prices of holdings, factor proxies and instruments under a pack, and estimates sensitivities.

    funds  what the desk's funds hold
    """
    values = {s: float(v) for s, v in case.portfolio.values(case.prices).items() if v}
    wanted = {instrument.symbol for instrument in books.instruments}
    wanted |= {s for advices in books.regimes.values() for advice in advices for s in advice.candidates}
    symbols = tuple(sorted({*values, *wanted, *books.proxy_symbols()} - {"CASH"}))
    panel = read_panel(con, pack, symbols, window_start(con, pack, LOOKBACK + 1))
    recent = read_panel(con, pack, symbols, window_start(con, pack, 5))
    last = {s: found[1] for i, s in enumerate(symbols) if (found := recent.last_close(i))}
    kept = [s for s in symbols if s in last]
    own = panel.total_return()[kept]
    base = in_currency(con, pack, panel, case.snapshot.base_currency)[kept]
    kinds = newest_facts(con, pack, "securities", "kind", kept)
    known = look_through(funds, kinds, case.inputs.policy)
    rows = estimated_on(own, books.chosen_proxies({*kept}))
    natural, converted = log_returns(own.to_numpy()[rows]), log_returns(base.to_numpy()[rows])
    sens, proxies = _sensitivities(kept, natural, converted, known, books, values)
    currency = {s: c for s, c in zip(recent.symbols, recent.currency, strict=True) if s in last}
    markets = {
        s: Market(
            last[s] * exchange_rate(con, pack, currency[s], case.snapshot.base_currency),
            _volatility(base[s].dropna()), case.inputs.policy.risk_free_rate or 0.0,
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
        name: _replay(
            con, pack, tuple(sorted({*values, *markets})), case.snapshot.base_currency, scenario.window
        )
        for name, scenario in books.scenarios.items()
        if scenario.window
    }
    return Exposed(pack, case, values, sens, markets, replays, base, notes, known)


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


def _volatility(prices: pd.Series) -> float:
    """Per year, of the last 252 days that have prices."""
    own = prices.iloc[-VOLATILITY_DAYS - 1 :]
    moves = log_returns(own.to_numpy())
    return (
        float(moves.std(ddof=1) * np.sqrt(periods_per_year(own.index))) if len(moves) > 20 else float("nan")
    )


def _replay(
    con: Connection, pack: Pack, symbols: tuple[str, ...], currency: str, window: tuple[date, date] | None
) -> dict[str, float]:
    """Symbol -> real total return over the window, of those that have prices near both of its ends."""
    if window is None or not symbols or pack.as_of < window[1]:
        return {}
    panel = read_panel(con, pack, symbols, window[0] - NEAR, window[1])
    if not panel.dates:
        return {}
    try:
        prices = in_currency(con, pack, panel, currency)
    except DataError:
        return {}  # no exchange rate so far back: sensitivities price it
    found = {}
    for symbol in symbols:
        own = prices[symbol].dropna()
        start = own[: np.datetime64(window[0])]
        if len(start) and own.index[-1] >= np.datetime64(window[1] - NEAR):
            found[symbol] = float(own.iloc[-1] / start.iloc[-1] - 1)
    return found
