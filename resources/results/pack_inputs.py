"""A snapshot with the prices and facts that the optimizer wants, as the pack saw them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from optimizer import (
    ExposureType,
    FactorModel,
    Fund,
    FundExposureMap,
    JointViews,
    MarketView,
    Policy,
    ScenarioView,
    Universe,
)
from optimizer.errors import some_of
from optimizer.problem.trade_bounds import RESTRICTIONS
from optimizer.proposals.existing_names import policy_among
from resources.books.snapshots import Snapshot
from resources.books.universes import STALE_SESSIONS
from resources.ledger.ledger import Connection
from resources.packs.markets import Market, read_market
from resources.packs.packs import Pack
from resources.results.factor_models.recorded import models_of
from resources.settings.policies.policy_schema import PolicyFile
from resources.settings.view_files import View, check_views


@dataclass(frozen=True)
class Inputs:
    """A snapshot with the prices and facts that the optimizer wants.

    prices   symbol -> price of one share in base currency, at the pack's exchange rates
    rates    symbol -> base currency per unit of the symbol's own
    policy   with the risk-free rate filled in
    views    of the policy's view_model
    old      symbol -> day of its price, where that is not the desk's newest priced day
    absent   name of the desk that is not estimated -> its sector, empty where none is known
    unbound  those of them, and their sectors, that the policy limits: these limits do not count
    """

    snapshot: Snapshot
    prices: Mapping[str, float]
    rates: Mapping[str, float]
    currencies: Mapping[str, str]
    simulated: frozenset[str]
    universe: Universe
    policy: Policy
    views: tuple[MarketView | JointViews | ScenarioView, ...]
    ratings: Mapping[str, float]
    old: Mapping[str, date] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    unbound: tuple[str, ...] = ()

    def old_prices(self) -> list[str]:
        """What is said of names that are taken at an older price, a sentence a day."""
        return old_price_notes(self.old)


def old_price_notes(old: Mapping[str, date]) -> list[str]:
    """What is said of symbols that are taken at the price of an older day, a sentence a day, the newest first."""
    days: dict[date, list[str]] = {}
    for symbol, day in old.items():
        days.setdefault(day, []).append(symbol)
    return [
        f"No price since {day}, whose close is taken: {some_of(days[day])}"
        for day in sorted(days, reverse=True)
    ]


def read_inputs(con: Connection, pack: Pack, snapshot: Snapshot, funds: FundExposureMap) -> Inputs:
    """Everything the optimizer needs for a snapshot, besides estimates."""
    base = [snapshot.base_currency]
    capped = base if snapshot.prior == "market_cap" else ()
    market = read_market(
        con, pack, snapshot.symbols, base, [STALE_SESSIONS], capped=capped, besides=snapshot.absent
    )
    return inputs_on(replace(market, models=models_of(con, pack, [snapshot.recipe()])), snapshot, funds)


def inputs_on(market: Market, snapshot: Snapshot, funds: FundExposureMap) -> Inputs:
    """The same from a market that was read for many."""
    symbols, base = snapshot.symbols, snapshot.base_currency
    panel = market.recent(symbols, STALE_SESSIONS)
    rates = {c: market.exchange_rate(c, base) for c in sorted({*panel.currency} - {""})}
    closes = {s: panel.last_close(column) for column, s in enumerate(symbols)}
    prices = {
        symbol: found[1] * rates[panel.currency[column]]
        for column, (symbol, found) in enumerate(closes.items())
        if found is not None
    }
    known = market.known("sector", snapshot.absent)
    absent = {symbol: str(known.get(symbol, "")) for symbol in snapshot.absent}
    caps, policy = market.caps.get(base, {}), snapshot.in_fractions
    rf = policy.risk_free_rate
    rf = market.risk_free_rate(base) if rf is None else rf
    universe = Universe(
        symbols,
        sectors={symbol: str(sector) for symbol, sector in market.known("sector", symbols).items()},
        funds=look_through(funds, market.known("kind", symbols), policy),
        benchmark=snapshot.benchmark,
        market_caps={symbol: caps[symbol] for symbol in symbols if symbol in caps} or None,
    )
    return Inputs(
        snapshot=snapshot,
        prices=prices,
        rates={symbol: rates[currency] for symbol, currency in zip(symbols, panel.currency, strict=True)},
        currencies=dict(zip(symbols, panel.currency, strict=True)),
        simulated=frozenset(s for s, simulated in zip(symbols, panel.simulated, strict=True) if simulated),
        universe=by_factors(universe, market.models.get(snapshot.recipe().name)),
        policy=_as_it_binds(policy, rf, universe, absent),
        views=tuple(view.to_view(rf) for view in snapshot.views_today),
        ratings={symbol: float(str(rating)) for symbol, rating in market.known("rating", symbols).items()},
        old=panel.old_closes(market.newest),
        absent=absent,
        unbound=_limited(policy, universe, absent),
    )


def _as_it_binds(policy: Policy, rate: float, universe: Universe, absent: Mapping[str, str]) -> Policy:
    """The policy with its risk-free rate, without what it says of absent names and of sectors that only they have."""
    if absent:
        every = Universe(
            (*universe.symbols, *absent),
            {**universe.sectors, **{s: name for s, name in absent.items() if name}},
        )
        policy = policy_among(policy, every, universe.symbols)
    return _priced_at(policy, rate, universe.symbols)


def _limited(policy: Policy, universe: Universe, absent: Mapping[str, str]) -> tuple[str, ...]:
    """The absent names, and the sectors that only they have, that the policy says something of."""
    symbols, held = universe.symbols, {*universe.sectors.values()}
    sectors = sorted({*absent.values()} - held - {""})
    names = [name for name in absent if policy_among(policy, Universe((*symbols, name)), symbols) != policy]
    names += [one for one in sectors if policy_among(policy, Universe(symbols), symbols, [one]) != policy]
    return tuple(dict.fromkeys(names))


def _priced_at(policy: Policy, rate: float, symbols: tuple[str, ...]) -> Policy:
    """The policy with its risk-free rate, and its restrictions of these symbols: a desk's list names others too."""
    restricted = {item: own for item in RESTRICTIONS if (own := getattr(policy, item))}
    if policy.risk_free_rate == rate and not restricted:
        return policy  # a copy would be checked once more
    here = set(symbols) if restricted else set()
    kept: dict[str, Any] = {
        item: {s: why for s, why in own.items() if s in here} for item, own in restricted.items()
    }
    return replace(policy, risk_free_rate=rate, **kept)


def by_factors(universe: Universe, model: FactorModel | None) -> Universe:
    """The universe with what limits on factors read of a model; nothing of any where there is none."""
    return replace(
        universe, factors=model.loadings if model else {}, factor_risk=model.risk if model else None
    )


def look_through(funds: FundExposureMap, kinds: Mapping[str, object], policy: Policy) -> FundExposureMap:
    """The funds, and each stock of the reference data as 100% equity.

    Whatever else is unmapped counts as UNKNOWN, unless the policy limits exposures: then it is an error.
    """
    stocks = {
        s: Fund(s, s, {ExposureType.EQUITY: 1.0})
        for s, kind in kinds.items()
        if kind == "stock" and s not in funds
    }
    return FundExposureMap({**funds, **stocks}, unmapped=unmapped(policy))


def unmapped(policy: Policy) -> str:
    """What a fund map does about a fund that it does not know."""
    limited = policy.min_exposures or policy.max_exposures or policy.max_notional is not None
    return "error" if limited else "unknown"


def under_policy(
    inputs: Inputs, policy: PolicyFile, pack_rate: float, others: Sequence[View] | None = None
) -> Inputs:
    """The same facts under another policy and other views; `pack_rate` is the pack's risk-free rate per year.

    others  None for the views that there are. Raises PolicyError for those that the policy's view_model does not take.
    """
    views = inputs.snapshot.views if others is None else tuple(others)
    check_views(policy.view_model, views)
    told = policy.to_policy()
    rf = pack_rate if told.risk_free_rate is None else told.risk_free_rate
    funds = FundExposureMap(inputs.universe.funds or {}, unmapped=unmapped(told))
    snapshot = replace(inputs.snapshot, policy=policy, views=views)
    return replace(
        inputs,
        snapshot=snapshot,
        policy=_as_it_binds(told, rf, inputs.universe, inputs.absent),
        views=tuple(view.to_view(rf) for view in snapshot.views_today),
        unbound=_limited(told, inputs.universe, inputs.absent),
        universe=replace(inputs.universe, funds=funds),
    )
