"""What a stage computes from, read by a few questions whatever the number of portfolios."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from optimizer import Estimates, FactorModel, PackfolioError, Recipe
from resources.books.snapshots import Snapshot
from resources.books.universes import STALE_SESSIONS
from resources.ledger.ledger import Connection
from resources.packs.markets import read_market
from resources.packs.pack_prices import simulated_symbols
from resources.packs.packs import Pack
from resources.results.accounts.facts import (
    Account,
    own_of,
    with_books,
    with_models,
    with_orders,
    with_weights,
)
from resources.results.accounts.shared_inputs import Ground
from resources.results.estimates.pack_estimates import Own, Wanted, by_days, evidence_with_days, read_evidence
from resources.results.factor_models.recorded import models_of
from resources.results.scenario_inputs import SESSIONS, wanted_symbols
from resources.results.sensitivities.window_returns import windows_of
from resources.settings.configuration import Configuration
from resources.settings.playbooks import Playbooks

OWN = ("optimal_weights", "trades", "impact")  # the stages that ask for taxes and liquidity
BESIDES = {"trades": with_weights, "impact": with_orders, "tail_risk": with_books, "hedges": with_models}


@dataclass(frozen=True, eq=False)
class Work:
    """One stage of some portfolios, ready to be computed without a connection."""

    stage: str
    ground: Ground
    accounts: Sequence[Account]


def read_work(
    con: Connection, pack: Pack, stage: str, snapshots: Sequence[Snapshot], desk: Configuration
) -> Work:
    """Reads what `stage` of the portfolios is computed from."""
    symbols = {symbol for snapshot in snapshots for symbol in snapshot.symbols}
    absent = {symbol for snapshot in snapshots for symbol in snapshot.absent}
    currencies = {snapshot.base_currency for snapshot in snapshots}
    books = desk.playbooks
    # Tails rest on prices alone: estimates would be computed again for nothing.
    keys, evidence, models = ({}, {}, {}) if stage == "tail_risk" else _evidence(con, pack, stage, snapshots)
    accounts = _accounts(con, pack, stage, snapshots, keys, books)
    if stage == "hedges":
        wanted = symbols | wanted_symbols(books)
        market = read_market(con, pack, wanted, currencies, SESSIONS, windows_of(books), besides=absent)
    elif stage == "tail_risk":
        held = {symbol for account in accounts if account.before for symbol in account.before.quantities}
        sessions = [STALE_SESSIONS, books.tail.lookback_days + 1]
        market = read_market(con, pack, symbols | held, currencies, sessions, besides=absent)
    else:
        capped = {one.base_currency for one in snapshots if one.prior == "market_cap" and not one.problem}
        market = read_market(con, pack, symbols, currencies, [STALE_SESSIONS], capped=capped, besides=absent)
    told = simulated_symbols(con, pack, sorted(symbols)) if stage == "posterior_returns" else frozenset()
    return Work(stage, Ground(replace(market, models=models), evidence, desk.funds, books, told), accounts)


def _evidence(
    con: Connection, pack: Pack, stage: str, snapshots: Sequence[Snapshot]
) -> tuple[dict[str, str], Mapping[str, Estimates | PackfolioError], Mapping[str, FactorModel]]:
    """Portfolio -> the key of its estimates; the estimates and the factor models, each recipe once."""
    made: dict[object, tuple[str, Wanted]] = {}
    keys, wanted = {}, {}
    for snapshot in snapshots:
        if snapshot.problem:
            continue
        model = (snapshot.symbols, id(snapshot.policy), id(snapshot.views), snapshot.base_currency)
        if model not in made:
            recipe, days = snapshot.recipe(), by_days(snapshot) or stage == "impact"
            made[model] = (f"{recipe.name}{' by days' if days else ''}", Wanted(recipe, days))
        key, want = made[model]
        keys[snapshot.portfolio_id], wanted[key] = key, want
    recipes: dict[str, Recipe] = {key: want.recipe for key, want in wanted.items()}
    models = models_of(con, pack, recipes.values())
    if stage != "impact":
        return keys, read_evidence(con, pack, wanted), models
    return keys, evidence_with_days(con, pack, recipes), models


def _accounts(
    con: Connection,
    pack: Pack,
    stage: str,
    snapshots: Sequence[Snapshot],
    keys: Mapping[str, str],
    books: Playbooks,
) -> list[Account]:
    own = own_of(con, pack, snapshots) if stage in OWN else {}
    wanted = stage in BESIDES and (stage != "hedges" or books.by_factors)
    by_id = {snapshot.portfolio_id: snapshot for snapshot in snapshots}
    besides: Mapping[str, dict[str, Any]] = BESIDES[stage](con, pack, by_id) if wanted else {}
    return [
        Account(snapshot, keys.get(name, ""), own.get(name, Own()), **besides.get(name, {}))
        for name, snapshot in by_id.items()
    ]
