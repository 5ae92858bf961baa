"""Estimates from the prices that a pack saw, in a portfolio's base currency."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import pandas as pd

from optimizer import (
    DataError,
    Estimates,
    FundExposureMap,
    Liquidity,
    Mandate,
    Portfolio,
    Position,
    Recipe,
    estimate,
)
from optimizer.beliefs.estimators.spectral import MIN_RETURNS
from optimizer.beliefs.estimators.windows import first_row, session_count
from optimizer.model.portfolio import ZERO
from optimizer.model.sessions import Dates
from optimizer.problem.methods import ON_SCENARIOS
from optimizer.proposals.compiled_policy import MIN_OBSERVATIONS
from optimizer.proposals.proposal import without_evidence
from optimizer.trading.frozen import weighed
from resources.books.snapshots import Snapshot
from resources.books.tax_lots import read_plan
from resources.ledger.ledger import Connection
from resources.packs.liquidity import liquidity_of
from resources.packs.pack_prices import in_currency, read_panel, window_start
from resources.packs.packs import Pack
from resources.packs.panels import Panel
from resources.results.factor_models import asks_for_factors, fitted_model, recorded_model
from resources.results.pack_inputs import Inputs, read_inputs
from resources.results.stage_outputs import covariance_digest, read_estimates

FURTHEST = 4  # times as far back as before, at most
A_HOLIDAY = 21  # days; no market is closed for so long, so that a search that finds nothing in them is over


def recipe_prices(con: Connection, pack: Pack, recipe: Recipe) -> pd.DataFrame:
    """Total-return prices (dates x symbols) in the recipe's currency, reaching back as far as its lookback does.

    The desk's days are read first, then further back while that finds more sessions of these symbols: others may trade
    on days on which they do not.
    """
    wanted = days = recipe.lookback_days + 1
    panel = read_panel(con, pack, recipe.symbols, window_start(con, pack, days))
    found, more = 0, _sessions(panel, recipe)
    while found < more < wanted:
        found, days = more, min(days * wanted // more, FURTHEST * days) + A_HOLIDAY
        further = read_panel(con, pack, recipe.symbols, window_start(con, pack, days))
        more = _sessions(further, recipe)
        if more > found:
            first = first_row(further.close, _dates(further), recipe)
            panel = read_panel(con, pack, recipe.symbols, further.dates[first])
    return in_currency(con, pack, panel, recipe.currency)


def _sessions(panel: Panel, recipe: Recipe) -> int:
    return session_count(np.isfinite(panel.close), _dates(panel), recipe)


def _dates(panel: Panel) -> Dates:
    return np.array(panel.dates, "datetime64[D]")


def estimate_evidence(con: Connection, pack: Pack, recipe: Recipe) -> Estimates:
    """The recipe on the pack's prices; under 30 common days a stand-in that only equal weights may rest on."""
    prices = recipe_prices(con, pack, recipe)
    priced = np.isfinite(prices.to_numpy(dtype=float))
    usable = session_count(priced, pd.DatetimeIndex(prices.index), recipe) - 1
    if usable < (MIN_RETURNS if asks_for_factors(recipe) else MIN_OBSERVATIONS):
        return without_evidence(recipe.symbols, max(usable, 0))
    if not asks_for_factors(recipe):
        return estimate(prices, recipe)
    model = recorded_model(con, pack, recipe) or fitted_model(con, pack, recipe).model
    return estimate(prices, recipe, factor_model=model)


def evidence(con: Connection, pack: Pack, snapshot: Snapshot) -> Estimates:
    """The stored estimates of a portfolio; computed again where a covariance is too large to be kept.

    Raises DataError when what is computed again differs from what was recorded.
    """
    recipe = snapshot.recipe()
    stored = read_estimates(con, pack, recipe)
    policy = snapshot.policy
    by_days = policy.method in ON_SCENARIOS or (policy.view_model == "entropy_pooling" and snapshot.views)
    if stored is not None and not by_days:
        return stored
    again = estimate_evidence(con, pack, recipe)
    recorded = con.execute(
        "select any_value(covariance_hash) from latest_covariances where pack_id = ? and recipe = ?",
        [pack.id, recipe.name],
    ).fetchall()[0][0]
    if covariance_digest(again) != recorded:
        raise DataError(
            f"the covariance {recipe.name} of {pack.id}, computed again, differs from the one recorded: "
            f"code or libraries changed; materialize covariances again"
        )
    return again


def evidence_with_scenarios(con: Connection, pack: Pack, recipe: Recipe) -> Estimates:
    """The recipe's estimates with their return scenarios; what the pipeline recorded of it is taken as recorded."""
    computed = estimate_evidence(con, pack, recipe)
    known = con.execute(
        "select count(*) from latest_return_estimates where pack_id = ? and recipe = ?",
        [pack.id, recipe.name],
    ).fetchall()[0][0]
    stored = read_estimates(con, pack, recipe) if known else None
    return computed if stored is None else replace(stored, scenarios=computed.scenarios, trusted=True)


@dataclass(frozen=True, eq=False)
class Case:
    """One portfolio on one day, ready for the optimizer."""

    snapshot: Snapshot
    inputs: Inputs
    portfolio: Portfolio
    evidence: Estimates
    mandate: Mandate

    @property
    def prices(self) -> Mapping[str, float]:
        """Symbol -> price of one share in base currency."""
        return self.inputs.prices


def load_case(
    con: Connection, pack: Pack, snapshot: Snapshot, funds: FundExposureMap, found: Estimates | None = None
) -> Case:
    """Reads everything `propose` needs for a snapshot without a problem; `found` in place of the stored estimates."""
    inputs = read_inputs(con, pack, snapshot, funds)
    kept = {one.symbol for one in snapshot.frozen}
    portfolio = Portfolio(
        snapshot.name,
        positions={
            symbol: Position(symbol, quantity, Decimal(str(snapshot.holdings.cost_basis.get(symbol) or 0)))
            for symbol, quantity in snapshot.holdings.quantities.items()
            if symbol not in kept
        },
    )
    # A paper fill may have overdrawn it; today's trades repay that first.
    portfolio.cash = snapshot.holdings.cash + sum((one.value for one in snapshot.frozen), ZERO)
    frozen = weighed(snapshot.frozen, portfolio.total_value(inputs.prices))
    plan = read_plan(con, pack, snapshot.portfolio_id, snapshot.holdings.lots, snapshot.policy)
    mandate = Mandate(
        snapshot.investable, inputs.views, snapshot.prior, inputs.ratings, snapshot.policy.shares_in_a_lot, plan,
        impact_liquidity(con, pack, snapshot),
        tuple(f"{symbol} is left out: it {why}" for symbol, why in snapshot.excluded.items()),
        frozen,
    )  # fmt: skip
    return Case(snapshot, inputs, portfolio, found or evidence(con, pack, snapshot), mandate)


def impact_liquidity(con: Connection, pack: Pack, snapshot: Snapshot) -> Mapping[str, Liquidity]:
    """The liquidity that the policy's square-root impact is measured by; nothing where it has none."""
    if not snapshot.policy.root_impact:
        return {}
    tradable = {*snapshot.investable, *snapshot.holdings.quantities} - {one.symbol for one in snapshot.frozen}
    return liquidity_of(con, pack, tradable, snapshot.benchmark, snapshot.base_currency)
