"""Estimates from the prices that a pack saw, in a portfolio's base currency."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

import pandas as pd

from optimizer.beliefs.estimators.recipes import estimate
from optimizer.errors import DataError
from optimizer.model.costs import Liquidity
from optimizer.model.estimates import Estimates, Recipe
from optimizer.model.exposures import FundExposureMap
from optimizer.model.portfolio import ZERO, Portfolio, Position
from optimizer.model.returns import complete_rows, simple_returns
from optimizer.problem.methods import ON_SCENARIOS
from optimizer.proposals.proposal import MIN_OBSERVATIONS, Mandate, without_evidence
from optimizer.trading.frozen import weighed
from resources.books.snapshots import Inputs, Snapshot, read_inputs
from resources.books.tax_lots import read_plan
from resources.packs.liquidity import liquidity_of
from resources.packs.pack_prices import in_currency, read_panel, window_start
from resources.packs.packs import Pack
from resources.results.stage_outputs import covariance_digest, read_estimates
from resources.store.ledger import Connection


def total_return_prices(
    con: Connection, pack: Pack, symbols: tuple[str, ...], currency: str, sessions: int
) -> pd.DataFrame:
    """Total-return prices (dates x symbols) of the last `sessions` days, in one currency."""
    panel = read_panel(con, pack, symbols, window_start(con, pack, sessions))
    return in_currency(con, pack, panel, currency)


def estimate_evidence(con: Connection, pack: Pack, recipe: Recipe) -> Estimates:
    """The recipe on the pack's prices; under 30 common days a stand-in that only equal weights may rest on."""
    prices = total_return_prices(con, pack, recipe.symbols, recipe.currency, recipe.lookback_days + 1)
    prices = prices.reindex(columns=list(recipe.symbols))
    usable = int(complete_rows(simple_returns(prices.to_numpy(dtype=float))).sum())
    if usable < MIN_OBSERVATIONS:
        return without_evidence(recipe.symbols, usable)
    return estimate(prices, recipe)


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
    if covariance_digest(again.covariance) != recorded:
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
        snapshot.investable, inputs.views, snapshot.prior, inputs.ratings, snapshot.policy.lot_size, plan,
        impact_liquidity(con, pack, snapshot), frozen,
    )  # fmt: skip
    return Case(snapshot, inputs, portfolio, found or evidence(con, pack, snapshot), mandate)


def impact_liquidity(con: Connection, pack: Pack, snapshot: Snapshot) -> Mapping[str, Liquidity]:
    """The liquidity that the policy's square-root impact is measured by; nothing where it has none."""
    if not snapshot.policy.root_impact:
        return {}
    tradable = {*snapshot.investable, *snapshot.holdings.quantities} - {one.symbol for one in snapshot.frozen}
    return liquidity_of(con, pack, tradable, snapshot.benchmark, snapshot.base_currency)
