"""What a pack says of many symbols, read once: what every account of a stage is computed from, without a connection."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache, cached_property

import numpy as np
import pandas as pd

from optimizer import DataError, FactorModel
from optimizer.model.exchange_rates import ExchangeRates
from optimizer.typing import Array
from resources.ledger.ledger import Connection
from resources.packs.dated_facts import newest_caps
from resources.packs.pack_prices import (
    Window,
    converted,
    newest_facts,
    read_panel,
    read_panels,
    window_start,
    window_starts,
)
from resources.packs.packs import Pack
from resources.packs.panels import Panel
from resources.packs.rates import exchange_rates, missing_rate, missing_risk_free_rate, risk_free_rate

FACTS = {"securities": ("sector", "kind"), "ratings": ("rating",)}  # reference log -> columns


@dataclass(frozen=True, eq=False)
class Market:
    """What a pack says of some symbols.

    panel      their prices over `sessions` priced days of the desk, to the pack's date
    starts     sessions -> the first of so many priced days of the desk
    facts      a column of FACTS -> symbol -> the newest value
    rates      of all exchange rates that are needed to tell one of its currencies in another
    risk_free  currency -> per year, of those that have one
    caps       currency -> symbol -> the newest capitalisation as stated, told in it, where they were asked for
    windows    first and last day of a stretch of the past -> the prices in it
    models     recipe -> its factor model as recorded, for limits that name factors
    """

    pack: Pack
    panel: Panel
    starts: Mapping[int, date]
    facts: Mapping[str, Mapping[str, object]]
    rates: ExchangeRates
    risk_free: Mapping[str, float]
    caps: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    windows: Mapping[Window, Panel] = field(default_factory=dict)
    models: Mapping[str, FactorModel] = field(default_factory=dict)

    @property
    def newest(self) -> date:
        """The newest priced day of the desk."""
        return self.starts[1]

    def recent(self, symbols: Sequence[str], sessions: int) -> Panel:
        """The symbols over the last priced days of the desk."""
        return self.panel.select(symbols, self.starts[sessions])

    def known(self, fact: str, symbols: Iterable[str]) -> dict[str, object]:
        """Symbol -> a column of FACTS, ascending, of those that have it."""
        found = self.facts[fact]
        return {symbol: found[symbol] for symbol in sorted(set(symbols)) if symbol in found}

    def in_currency(self, panel: Panel, currency: str, values: Array | None = None) -> pd.DataFrame:
        """Total-return prices, or (T, n) `values`, converted at the rates of their dates.

        Raises DataError where one is unknown.
        """
        return converted(self.pack, panel, currency, self.rates, values)

    def exchange_rate(self, base: str, quote: str) -> float:
        """Units of `quote` for one `base` on the pack's date; raises DataError without a way between them."""
        if np.isnan(found := self._way(base, quote)):
            raise DataError(missing_rate(self.pack, base, quote, self.pack.as_of))
        return found

    def risk_free_rate(self, currency: str) -> float:
        """The newest of a currency, per year; raises DataError without one."""
        if currency not in self.risk_free:
            raise DataError(missing_risk_free_rate(self.pack, currency))
        return self.risk_free[currency]

    @cached_property
    def _ways(self) -> dict[tuple[str, str], float]:
        return {}

    def _way(self, base: str, quote: str) -> float:
        if (base, quote) not in self._ways:
            self._ways[base, quote] = float(self.rates.way(base, quote, [self.pack.as_of]).rates[0])
        return self._ways[base, quote]


def read_market(
    con: Connection,
    pack: Pack,
    symbols: Iterable[str],
    currencies: Iterable[str],
    sessions: Sequence[int],
    windows: Iterable[Window] = (),
    capped: Iterable[str] = (),
    besides: Iterable[str] = (),
) -> Market:
    """Reads a market under a pack.

    currencies  in which portfolios are counted
    sessions    how many priced days of the desk will be asked for
    windows     stretches of the past that will be asked for; those that the pack has not seen to their end are left out
    capped      currencies in which capitalisations will be asked for; raises DataError where none is stated
    besides     symbols of which facts alone will be asked for
    """
    wanted, counted = sorted(set(symbols)), sorted(set(currencies))
    starts = window_starts(con, pack, {1, *sessions})
    seen = sorted(window for window in windows if window[1] <= pack.as_of)
    panel, *panels = read_panels(con, pack, wanted, [(min(starts.values()), date.max), *seen])
    past = dict(zip(seen, panels, strict=True))
    named = sorted({*wanted, *besides})
    told = [newest_facts(con, pack, log, columns, named) for log, columns in FACTS.items()]
    facts = {column: found for each in told for column, found in each.items()}
    units = {unit for found in (panel, *past.values()) for unit in found.currency}
    units |= {*counted}
    rates = exchange_rates(con, pack) if len(units - {""}) > 1 else ExchangeRates({})
    caps = {currency: newest_caps(con, pack, wanted, currency) for currency in sorted(set(capped))}
    return Market(pack, panel, starts, facts, rates, _risk_free_rates(con, pack, counted), caps, past)


def _risk_free_rates(con: Connection, pack: Pack, currencies: Iterable[str]) -> dict[str, float]:
    found = {}
    for currency in currencies:
        try:
            found[currency] = risk_free_rate(con, pack, currency)
        except DataError:
            continue  # a policy may state its own
    return found


class Panels:
    """Prices of many sets of symbols under a pack: what they have in common is read once.

    symbols, sessions  what is read at first, over so many priced days of the desk; anything else as it is asked for
    """

    def __init__(self, con: Connection, pack: Pack, symbols: Iterable[str] = (), sessions: int = 0) -> None:
        self.con, self.pack = con, pack
        self.start = cache(lambda days: window_start(con, pack, days))
        self._rates = cache(lambda: exchange_rates(con, pack))
        self._from = self.start(sessions) if sessions else date.max
        self._whole = read_panel(con, pack, sorted(set(symbols)), self._from) if sessions else None

    def read(self, symbols: Sequence[str], start: date) -> Panel:
        """The symbols from `start` on."""
        if self._whole is not None and start >= self._from and self._whole.places.keys() >= set(symbols):
            return self._whole.select(symbols, start)
        return read_panel(self.con, self.pack, symbols, start)

    def in_currency(self, panel: Panel, currency: str) -> pd.DataFrame:
        """Total-return prices, converted at the rates of their dates; raises DataError where one is unknown."""
        foreign = {*panel.currency} - {"", currency}
        return converted(self.pack, panel, currency, self._rates() if foreign else ExchangeRates({}))
