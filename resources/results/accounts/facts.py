"""What a stage wants to know of each portfolio beside the market, read for all of them by a few questions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import pandas as pd

from optimizer import FactorModel, PackfolioError, Reasons
from optimizer.model.portfolio import exact
from resources.books.orders import past_reasons_of
from resources.books.snapshots import Snapshot
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.results.estimates.pack_estimates import Own, by_volume, read_own
from resources.results.factor_models.recorded import recorded_factor_returns, recorded_models
from resources.results.rebalancing import NO_TRADE
from resources.results.tails.held_before import HeldBefore, held_before
from resources.store.query_rows import many

Orders = Mapping[str, tuple[Decimal, Decimal]]


@dataclass(frozen=True, eq=False)
class Account:
    """One portfolio as a stage gets it.

    key          of its estimates
    own          its taxes and liquidity; what stands in their place where they cannot be told
    target       symbol -> weight of the stage before
    diagnostics  of the stage before, as its table keeps them
    past         what the pack before knows of the causes of its trades
    orders       symbol -> (shares, negative when sold; cost)
    model        the factor model on record for its estimates; None where there is none
    quiet        whether the stage of the weights found it inside its rules
    factor_returns  of that model, dates x factors
    before       what it held under the pack before; None where that says nothing of it
    """

    snapshot: Snapshot
    key: str
    own: Own | PackfolioError = field(default_factory=Own)
    target: Mapping[str, float] = field(default_factory=dict)
    diagnostics: str | None = None
    past: Reasons | None = None
    orders: Orders | None = None
    quiet: bool = False
    model: FactorModel | None = None
    factor_returns: pd.DataFrame | None = None
    before: HeldBefore | None = None

    def known(self) -> Own:
        """`own`; raises what stands in its place."""
        if isinstance(self.own, PackfolioError):
            raise self.own
        return self.own


def own_of(con: Connection, pack: Pack, snapshots: Sequence[Snapshot]) -> dict[str, Own | PackfolioError]:
    """Portfolio -> its taxes and liquidity, of those that have any."""
    found: dict[str, Own | PackfolioError] = {}
    for snapshot in snapshots:
        if snapshot.problem or not (snapshot.policy.tax or by_volume(snapshot.policy)):
            continue
        try:
            found[snapshot.portfolio_id] = read_own(con, pack, snapshot)
        except PackfolioError as error:
            found[snapshot.portfolio_id] = error
    return found


def with_weights(
    con: Connection, pack: Pack, snapshots: Mapping[str, Snapshot]
) -> Mapping[str, dict[str, object]]:
    """Portfolio -> target, diagnostics, past reasons, or that it rests: what ordering starts from."""
    ids = list(snapshots)
    targets: dict[str, dict[str, float]] = {}
    for portfolio, symbol, weight in many(
        con,
        "select portfolio_id, symbol, weight from latest_optimal_weights where pack_id = ? "
        "and portfolio_id in (select unnest(?::varchar[])) order by 1, 2",
        [pack.id, ids],
    ):
        targets.setdefault(portfolio, {})[symbol] = weight
    found: dict[str, dict[str, object]] = {portfolio: {"target": own} for portfolio, own in targets.items()}
    for portfolio, diagnostics, status in con.execute(
        "select portfolio_id, diagnostics, status from latest_optimization_results where pack_id = ? "
        "and portfolio_id in (select unnest(?::varchar[]))",
        [pack.id, ids],
    ).fetchall():
        if portfolio in found:
            found[portfolio]["diagnostics"] = diagnostics
        elif status == NO_TRADE:
            found[portfolio] = {"quiet": True}
    for portfolio, past in past_reasons_of(con, pack, list(found)).items():
        found[portfolio]["past"] = past
    return found


def with_orders(
    con: Connection, pack: Pack, snapshots: Mapping[str, Snapshot]
) -> Mapping[str, dict[str, object]]:
    """Portfolio -> the orders of those that have a list of trades, and their factor models."""
    found: dict[str, dict[str, tuple[Decimal, Decimal]]] = {}
    for portfolio, symbol, quantity, cost in many(
        con,
        "select portfolio_id, symbol, case action when 'SELL' then -quantity else quantity end, "
        "case when quantity <> 0 then cost end from latest_trades where pack_id = ? "
        "and portfolio_id in (select unnest(?::varchar[])) order by 1, 2",
        [pack.id, list(snapshots)],
    ):
        orders = found.setdefault(portfolio, {})
        if quantity:
            orders[symbol] = (exact(quantity), cost)
    models = with_models(con, pack, {portfolio: snapshots[portfolio] for portfolio in found})
    return {portfolio: {"orders": orders, **models.get(portfolio, {})} for portfolio, orders in found.items()}


def with_models(
    con: Connection, pack: Pack, snapshots: Mapping[str, Snapshot]
) -> Mapping[str, dict[str, object]]:
    """Portfolio -> the factor model on record for its estimates, of those that have one."""
    models = recorded_models(con, pack)
    if not models:
        return {}
    names = {portfolio: snapshot.recipe().name for portfolio, snapshot in snapshots.items()}
    return {portfolio: {"model": models[name]} for portfolio, name in names.items() if name in models}


def with_books(
    con: Connection, pack: Pack, snapshots: Mapping[str, Snapshot]
) -> Mapping[str, dict[str, object]]:
    """Portfolio -> its orders, its factor model with its factors' returns, and what it held under the pack before."""
    orders, models = with_orders(con, pack, snapshots), with_models(con, pack, snapshots)
    recipes = {snapshots[portfolio].recipe() for portfolio in models}
    series = {recipe: recorded_factor_returns(con, pack, recipe) for recipe in recipes}
    before = held_before(con, pack, list(snapshots))
    return {
        portfolio: {
            "orders": orders.get(portfolio, {}).get("orders"),
            "before": before.get(portfolio),
            **models.get(portfolio, {}),
            **({"factor_returns": series[snapshot.recipe()]} if portfolio in models else {}),
        }
        for portfolio, snapshot in snapshots.items()
    }
