"""What the replays of a portfolio read: the past as the pack saw it, each fact from its date on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import cast

import numpy as np
import pandas as pd

from optimizer import DataError, DatedFacts, FundExposureMap, LiquidityPanel, Universe, Vintages
from optimizer.backtests.dated_facts import Weighting, dated_sectors, last_worths
from optimizer.model.returns import growth_index
from optimizer.typing import Array
from resources.ledger.ledger import Connection
from resources.packs.dated_facts import known_caps, stated_sectors
from resources.packs.delistings import present_names
from resources.packs.liquidity import read_liquidity
from resources.packs.pack_prices import newest_facts, read_panel
from resources.packs.packs import Pack
from resources.packs.panels import Panel
from resources.packs.point_in_time import read_vintages
from resources.packs.rates import exchange_rates, risk_free_rates
from resources.results.estimates.pack_estimates import Case
from resources.results.factor_models.fitting import factor_history
from resources.results.pack_inputs import look_through
from resources.results.replays.ended_names import Ends, ends_of


@dataclass(frozen=True, eq=False)
class Past:
    """What the replays of a portfolio read, in its base currency.

    names      what the policy could hold at some time: its universe, with what is gone since
    prices     (T, m) total-return prices of the names and of a fixed benchmark's, equal to the close at the first
    closes     (T, n) of one share of each name as traded
    universe   sectors and funds of the names
    facts      what each day knew besides prices
    ends       what became of names that ceased to be
    vintages   what became known when of the names, where decisions are to see that; else None
    liquidity  of the names at each close, where a policy has root_impact; else None
    since      the first day of which all facts are on record, and which facts begin there
    simulated  whether any price is
    """

    names: tuple[str, ...]
    prices: pd.DataFrame
    closes: pd.DataFrame
    universe: Universe
    facts: DatedFacts
    ends: Ends
    vintages: Vintages | None
    liquidity: LiquidityPanel | None
    since: tuple[date, str]
    simulated: bool

    @property
    def sectors(self) -> Mapping[str, str] | pd.DataFrame:
        """Symbol -> sector of all names; by the date from which on they hold where some changed."""
        known = {name: self.universe.sectors.get(name, "no sector") for name in self.prices.columns}
        changed = self.facts.sectors
        return known if changed is None else changed.reindex(columns=[*known]).fillna(known)

    @property
    def to_the_end(self) -> pd.DataFrame:
        """The prices, and what names that ceased to be were worth on their day: an index earns that too."""
        return last_worths(self.prices, self.ends.payouts, self.ends.heirs)


def read_past(
    con: Connection, pack: Pack, case: Case, start: date, *, vintage: bool, rooted: bool, factored: bool
) -> Past:
    """The past of a portfolio from `start` on; raises DataError where nothing of it is priced.

    vintage  whether decisions see the prices of their day;  rooted  whether a policy has root_impact
    factored  whether a policy has the covariance of a factor model
    """
    snapshot, currency = case.snapshot, case.snapshot.base_currency
    listed = {*snapshot.investable, *snapshot.excluded}
    renamed = present_names(con, pack, listed)
    listed = {renamed.get(symbol, symbol) for symbol in listed}
    names = _priced(con, pack, start, listed if snapshot.listed else None)
    symbols = sorted({*names, *(snapshot.benchmark if snapshot.measure == "fixed" else ())})
    panel = read_panel(con, pack, symbols, start, ended=True)
    if not names:
        raise DataError(f"{pack.id} sees no price of the universe since {start}: ingest their history")
    rates = _rates(con, pack, panel, currency)
    prices, closes = _in_base(panel, rates)
    facts, since = _facts(con, pack, case, prices[list(names)])
    if factored:
        recipe = replace(snapshot.recipe(), symbols=tuple(symbols))
        facts = replace(facts, factors=factor_history(con, pack, recipe, start))
    return Past(
        names=names,
        prices=prices,
        closes=closes[list(names)],
        universe=_universe(con, pack, case, names),
        facts=facts,
        ends=ends_of(con, pack, panel, prices, closes, names, currency),
        vintages=read_vintages(con, pack, names, currency) if vintage else None,
        liquidity=read_liquidity(con, pack, names, currency, start) if rooted else None,
        since=since,
        simulated=any(panel.simulated),
    )


def prices_to_the_end(
    con: Connection, pack: Pack, symbols: Sequence[str], currency: str, start: date
) -> pd.DataFrame:
    """(T, m) total-return prices in a currency since `start`, with what those that ceased to be were worth at last."""
    panel = read_panel(con, pack, symbols, start, ended=True)
    prices, closes = _in_base(panel, _rates(con, pack, panel, currency))
    ends = ends_of(con, pack, panel, prices, closes, tuple(symbols), currency)
    return last_worths(prices, ends.payouts, ends.heirs)


def _priced(con: Connection, pack: Pack, start: date, listed: set[str] | None) -> tuple[str, ...]:
    """What was priced since, of those listed: a name that is gone today was there to be held."""
    rows = con.execute(
        "select distinct symbol from believed_prices(?) where date between ? and ? order by 1",
        [pack.watermark, start, pack.as_of],
    ).fetchall()
    return tuple(str(symbol) for (symbol,) in rows if listed is None or symbol in listed)


def _rates(con: Connection, pack: Pack, panel: Panel, currency: str) -> Array:
    """(T, m) base currency for one of each symbol's own, NaN where none was known."""
    known = exchange_rates(con, pack)
    ways = {unit: known.way(unit, currency, panel.days).rates for unit in {*panel.currency} - {""}}
    nothing = np.full(len(panel.dates), np.nan)
    return np.column_stack([ways.get(unit, nothing) for unit in panel.currency])


def _in_base(panel: Panel, rates: Array) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Total-return prices and closes; a price of a day without a rate is no price yet."""
    index, known = pd.DatetimeIndex(panel.days, name="date"), np.isfinite(rates)
    close = panel.close * rates
    dividend, split = np.where(known, panel.paid * rates, 0.0), np.where(known, panel.split, 1.0)
    grown = growth_index(close, dividend, split)
    names = list(panel.symbols)
    return pd.DataFrame(grown, index, names), pd.DataFrame(close, index, names)


def _universe(con: Connection, pack: Pack, case: Case, names: Sequence[str]) -> Universe:
    own, policy = case.inputs.universe, case.inputs.policy
    symbols = tuple(sorted({*names, *case.snapshot.symbols}))
    told = newest_facts(con, pack, "securities", ["sector", "kind"], symbols)
    return replace(
        own,
        symbols=symbols,
        sectors={symbol: str(sector) for symbol, sector in told["sector"].items()},
        funds=look_through(own.funds or FundExposureMap({}), told["kind"], policy),
        market_caps=None,
        factors={},  # those of the pack's date would look ahead; each day has its own
        factor_risk=None,
    )


def _facts(
    con: Connection, pack: Pack, case: Case, prices: pd.DataFrame
) -> tuple[DatedFacts, tuple[date, str]]:
    """The facts, and from when on they are known: a single rate on record is a constant."""
    snapshot, begins = case.snapshot, [(date.min, "")]
    rates = None
    if snapshot.policy.risk_free_rate is None:
        rates = risk_free_rates(con, pack, snapshot.base_currency)
        rates = rates if len(rates) > 1 else None
    if rates is not None:
        begins.append((rates.index[0].date(), f"risk-free rates of {snapshot.base_currency}"))
    caps = None
    if "market_cap" in (snapshot.measure, snapshot.prior):
        caps = known_caps(con, pack, list(prices.columns), snapshot.base_currency, prices.index)
        if first := int(caps.notna().any(axis=1).to_numpy().argmax()):
            begins.append((prices.index[first].date(), "market capitalisations"))
    sectors = dated_sectors(stated_sectors(con, pack, list(prices.columns)))
    return DatedFacts(rates, caps, cast(Weighting, snapshot.measure), sectors), max(begins)
