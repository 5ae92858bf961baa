"""What scenarios need to know of a portfolio: values, sensitivities, instruments, real returns of the past."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd

from optimizer import (
    FactorModel,
    FundExposureMap,
    HedgeLimits,
    Instrument,
    Scenario,
    log_returns,
    simple_returns,
)
from optimizer import Market as Quoted
from optimizer.model.sessions import common_rows, periods_per_year
from optimizer.risk.hedges import Offers, offers_of
from optimizer.risk.scenarios import FACTORS, Sensitivities, applied_moves
from optimizer.risk.stresses import Shock
from optimizer.typing import Array
from resources.ledger.ledger import Connection, bytes_sha256
from resources.packs.markets import Market, read_market
from resources.packs.packs import Pack
from resources.results.estimates.pack_estimates import Case
from resources.results.factor_models.recorded import recorded_model
from resources.results.pack_inputs import look_through, old_price_notes, unmapped
from resources.results.sensitivities.estimated import (
    LEAST_DAYS,
    Moving,
    declared_by,
    no_sensitivities,
    sensitivities_of,
)
from resources.results.sensitivities.priced_dates import Once, Span, each
from resources.results.sensitivities.window_returns import replayed, windows_of
from resources.settings.playbooks import Playbooks

LOOKBACK = 756
VOLATILITY_DAYS = 252
RECENT = 5  # sessions in which a price must be
SESSIONS = (RECENT, LOOKBACK + 1)


@dataclass(frozen=True, eq=False)
class Exposed:
    """A portfolio with all that scenarios need to know of it.

    values   symbol -> value held, base currency
    moving   the sensitivities of some names, or of all that is held and every instrument that the pack prices
    markets  symbol -> price, volatility and rate of the instruments
    replays  scenario -> symbol -> real return over its window, of holdings and instruments, and maybe of others
    span     the prices that they are estimated from
    shared   gives by a key what was made for a portfolio of the same dates
    model    the factor model on record for it; None where there is none
    aged     what is said of instruments at an older price, in the notes too; of holdings the portfolio's inputs say it
    """

    pack: Pack
    case: Case
    values: Mapping[str, float]
    moving: Moving
    markets: Mapping[str, Quoted]
    replays: Mapping[str, Mapping[str, float]]
    span: Span
    notes: Sequence[str]
    funds: FundExposureMap
    shared: Once
    model: FactorModel | None = None
    aged: Sequence[str] = ()

    @cached_property
    def nav(self) -> float:
        """Value of holdings and cash."""
        return self.case.nav

    @cached_property
    def sensitivities(self) -> Sensitivities:
        """Of what is held and of every instrument that the pack prices."""
        return self.moving(None)

    @cached_property
    def held(self) -> Sensitivities:
        """Those of what is held."""
        return self.moving(tuple(self.values))

    @cached_property
    def prices(self) -> pd.DataFrame:
        """(T, n) total-return prices of holdings and instruments, base currency, NaN where there is none."""
        return self.span.tables()[1]

    def shocks(self, scenarios: Sequence[Scenario]) -> list[Shock]:
        """Scenarios with the moves of all factors."""
        found: list[Shock] = self.shared(
            ("shocks", *(one.id for one in scenarios)),
            lambda: [Shock(one, applied_moves(one, self.sensitivities)) for one in scenarios],
        )
        return found

    def offers(self, scenario: Scenario, instruments: Sequence[Instrument], limits: HedgeLimits) -> Offers:
        """What may hedge a scenario."""
        real = self.replays.get(scenario.id)

        def made() -> Offers:
            moves = applied_moves(scenario, self.sensitivities)
            return offers_of(instruments, self.markets, self.sensitivities, moves, limits, real)

        found: Offers = self.shared(
            ("offers", scenario.id, bool(real), self.case.inputs.policy.risk_free_rate), made
        )
        return found

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
    con: Connection, pack: Pack, case: Case, funds: FundExposureMap, books: Playbooks, *, moved: bool = True
) -> Exposed:
    """Reads prices of holdings, factor proxies and instruments under a pack, and estimates sensitivities.

    funds  what the desk's funds hold
    moved  whether scenarios will move it: without, it has prices and markets, but no sensitivities and no replays
    """
    symbols = {*case.values, *wanted_symbols(books)}
    market = read_market(con, pack, symbols, [case.snapshot.base_currency], SESSIONS, windows_of(books))
    made: dict[object, Any] = {}

    def once(key: object, make: Callable[[], Any]) -> Any:
        return made[key] if key in made else made.setdefault(key, make())

    # Whoever asks may bring scenarios and limits of his own under the same names.
    model = recorded_model(con, pack, case.snapshot.recipe()) if books.by_factors else None
    found = exposed_on(market, case, funds, books, once, moved=moved)
    return replace(found, shared=lambda _, make: make(), model=model)


def wanted_symbols(books: Playbooks) -> set[str]:
    """Every symbol whose prices scenarios and hedges ask for, whatever is held."""
    return {*_candidates(books), *books.proxy_symbols()} - {"CASH"}


def _candidates(books: Playbooks) -> set[str]:
    wanted = {instrument.symbol for instrument in books.instruments}
    return wanted | {s for advices in books.regimes.values() for advice in advices for s in advice.candidates}


def exposed_on(
    market: Market, case: Case, funds: FundExposureMap, books: Playbooks, once: Once, *, moved: bool = True
) -> Exposed:
    """`read_exposed` from a market that was read for many.

    once  gives by a key what was made before: what depends on the market alone is made once for all portfolios
    """
    pack, currency, values = market.pack, case.snapshot.base_currency, case.values
    wanted = once("candidates", lambda: _candidates(books))
    asked = once("asked", lambda: wanted_symbols(books))
    symbols = tuple(sorted({*values, *asked} - {"CASH"}))
    newest = once("newest", lambda: _newest(market))
    kept = tuple(s for s in symbols if s in newest)
    policy = case.inputs.policy
    known = once(
        ("look through", unmapped(policy)),
        lambda: look_through(funds, market.known("kind", market.panel.symbols), policy),
    )
    span = Span(market, symbols, kept, currency, LOOKBACK + 1, once)
    proxies = books.chosen_proxies({*kept})
    even = bool(proxies) and span.even(LEAST_DAYS)

    def declared(names: Sequence[str]) -> list[Array]:
        return each(once, "declared", names, partial(declared_by, known, books))

    moving = sensitivities_of(span, declared, proxies, values, even=even) if moved else no_sensitivities
    names = kept if even or not moved else moving(None).symbols
    quoted = tuple(s for s in names if s in wanted)
    rate = policy.risk_free_rate or 0.0
    markets = once(("quotes", span.key, quoted, rate), lambda: _quotes(market, span, quoted, rate))
    alike = span.key if even or not moved else _digest(moving(quoted), markets)
    shared = partial(_among, once, alike)
    old = once("old", lambda: market.recent(market.panel.symbols, RECENT).old_closes(market.newest))
    aged = old_price_notes({s: day for s, day in old.items() if s in markets and s not in values})
    missing = [factor for factor in FACTORS if moved and factor not in proxies]
    said = f"No proxy in {pack.id} for {', '.join(missing)}: declared sensitivities are used"
    said += ", and one that a scenario leaves out stands still"
    notes = [*([said] if missing else []), *aged]
    replays = replayed(market, {*values, *markets}, currency, books, once) if moved else {}
    return Exposed(pack, case, values, moving, markets, replays, span, notes, known, shared, aged=aged)


def _among(once: Once, alike: object, key: object, make: Callable[[], Any]) -> Any:
    """What is shared among the books that are alike."""
    return once((key, alike), make)


def _digest(found: Sensitivities, markets: Mapping[str, Quoted]) -> str:
    """Of all that quotes of instruments rest on: books of uneven dates share them where they are estimated alike."""
    figures, regression = (found.values, found.errors), (found.observed, found.information, found.covariance)
    arrays = (*figures, found.residuals, *regression)
    told = repr((found.symbols, found.sources, found.freedom, markets)).encode()
    return bytes_sha256(b"".join([told, *(array.tobytes() for array in arrays)]))


def _quotes(market: Market, span: Span, symbols: Sequence[str], rate: float) -> dict[str, Quoted]:
    """What the underlyings of instruments are worth."""
    newest, currency = span.once("newest", lambda: _newest(market)), span.currency
    risks = each(span.once, ("volatility", span.key), symbols, partial(_volatility_of, span))
    return {
        s: Quoted(newest[s][0] * market.exchange_rate(newest[s][1], currency), risk, rate)
        for s, risk in zip(symbols, risks, strict=True)
    }


def _newest(market: Market) -> dict[str, tuple[float, str]]:
    """Symbol -> (close, currency) of those that have a price in the last sessions."""
    recent = market.recent(market.panel.symbols, RECENT)
    found = {s: recent.last_close(column) for column, s in enumerate(recent.symbols)}
    return {s: (told[1], recent.currency[recent.places[s]]) for s, told in found.items() if told}


def _volatility_of(span: Span, symbol: str) -> float:
    """Per year, of the last 252 days that have prices."""
    own = span.series(symbol).dropna().iloc[-VOLATILITY_DAYS - 1 :]
    moves = log_returns(own.to_numpy())
    return (
        float(moves.std(ddof=1) * np.sqrt(periods_per_year(own.index))) if len(moves) > 20 else float("nan")
    )
