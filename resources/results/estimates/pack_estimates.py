"""Estimates from the prices that a pack saw, in a portfolio's base currency."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property

import numpy as np
import pandas as pd

from optimizer import (
    DataError,
    Estimates,
    FundExposureMap,
    Liquidity,
    Mandate,
    PackfolioError,
    Portfolio,
    Recipe,
    TaxPlan,
    estimate,
)
from optimizer.beliefs.estimators.spectral import MIN_RETURNS
from optimizer.beliefs.estimators.windows import first_row, session_count
from optimizer.model.portfolio import ZERO
from optimizer.problem.methods import ON_SCENARIOS
from optimizer.proposals.compiled_policy import MIN_OBSERVATIONS
from optimizer.proposals.proposal import without_evidence
from optimizer.trading.frozen import weighed
from resources.books.lots.tax_lots import read_plan
from resources.books.snapshots import Snapshot
from resources.books.universes import A_HOLIDAY, FURTHEST
from resources.ledger.ledger import Connection
from resources.packs.liquidity import liquidity_of
from resources.packs.markets import Panels
from resources.packs.packs import Pack
from resources.packs.panels import Panel
from resources.results.estimates.estimate_rows import covariance_digest, no_estimates, stored_estimates
from resources.results.factor_models.fitting import asks_for_factors, fitted_model
from resources.results.factor_models.recorded import recorded_model
from resources.results.pack_inputs import Inputs, read_inputs
from resources.settings.policies.policy_schema import PolicyFile
from resources.settings.view_files import like_a_fraction, named_in

NOT_TRADED = "what is left out is not traded"


def recipe_prices(panels: Panels, recipe: Recipe) -> pd.DataFrame:
    """Total-return prices (dates x symbols) in the recipe's currency, reaching back as far as its lookback does.

    The desk's days are read first, then further back while that finds more sessions of these symbols: others may trade
    on days on which they do not.
    """
    wanted = days = recipe.lookback_days + 1
    panel = panels.read(recipe.symbols, panels.start(days))
    found, more = 0, _sessions(panel, recipe)
    while found < more < wanted:
        found, days = more, min(days * wanted // more, FURTHEST * days) + A_HOLIDAY
        further = panels.read(recipe.symbols, panels.start(days))
        more = _sessions(further, recipe)
        if more > found:
            first = first_row(further.close, further.days, recipe)
            panel = panels.read(recipe.symbols, further.dates[first])
    return panels.in_currency(panel, recipe.currency)


def _sessions(panel: Panel, recipe: Recipe) -> int:
    return session_count(np.isfinite(panel.close), panel.days, recipe)


def estimate_evidence(con: Connection, pack: Pack, recipe: Recipe) -> Estimates:
    """The recipe on the pack's prices; under 30 common days a stand-in that only equal weights may rest on."""
    return estimate_on(Panels(con, pack), recipe)


def panels_for(con: Connection, pack: Pack, recipes: Iterable[Recipe]) -> Panels:
    """The prices of many recipes, read at once."""
    told = list(recipes)
    symbols = {symbol for recipe in told for symbol in recipe.symbols}
    return Panels(con, pack, symbols, max((recipe.lookback_days + 1 for recipe in told), default=0))


def estimate_on(panels: Panels, recipe: Recipe) -> Estimates:
    """`estimate_evidence` on prices that were read for many recipes."""
    prices = recipe_prices(panels, recipe)
    priced = np.isfinite(prices.to_numpy(dtype=float))
    usable = session_count(priced, pd.DatetimeIndex(prices.index), recipe) - 1
    if usable < MIN_OBSERVATIONS:
        return without_evidence(recipe.symbols, usable)
    if not asks_for_factors(recipe):
        return estimate(prices, recipe)
    if usable < MIN_RETURNS:
        needed = f"covariance_method factor_model needs {MIN_RETURNS} days on which all names are priced"
        return without_evidence(recipe.symbols, usable, (f"{needed}; there are {usable}",))
    con, pack = panels.con, panels.pack
    model = recorded_model(con, pack, recipe) or fitted_model(con, pack, recipe).model
    return estimate(prices, recipe, factor_model=model)


def evidence(con: Connection, pack: Pack, snapshot: Snapshot) -> Estimates:
    """The stored estimates of a portfolio; computed again where a covariance is too large to be kept.

    Raises DataError when what is computed again differs from what was recorded.
    """
    found = read_evidence(con, pack, {"own": Wanted(snapshot.recipe(), by_days(snapshot))})["own"]
    if isinstance(found, PackfolioError):
        raise found
    return found


def by_days(snapshot: Snapshot) -> bool:
    """Whether weights are chosen from the days themselves, which no table keeps."""
    policy = snapshot.policy
    return policy.method in ON_SCENARIOS or (policy.view_model == "entropy_pooling" and bool(snapshot.views))


@dataclass(frozen=True)
class Wanted:
    """The estimates of a recipe, with the return scenarios they were made from or without."""

    recipe: Recipe
    days: bool


def read_evidence(
    con: Connection, pack: Pack, wanted: Mapping[str, Wanted]
) -> dict[str, Estimates | PackfolioError]:
    """By the keys of `wanted` the estimates as recorded, or why there are none.

    A covariance that is too large to be kept, or wanted with its days, is computed again, and must be as recorded.
    """
    stored = dict(stored_estimates(con, pack, sorted({one.recipe.name for one in wanted.values()})))
    again = [one.recipe for one in wanted.values() if one.days or stored.get(one.recipe.name) is None]
    panels = panels_for(con, pack, again)
    found: dict[str, Estimates | PackfolioError] = {}
    for key, one in wanted.items():
        known = stored.get(one.recipe.name)
        if one.recipe.name not in stored:
            found[key] = DataError(no_estimates(pack, one.recipe.name))
        elif known is not None and not one.days:
            found[key] = known
        else:
            found[key] = _estimated_again(con, pack, panels, one.recipe)
    return found


def _estimated_again(
    con: Connection, pack: Pack, panels: Panels, recipe: Recipe
) -> Estimates | PackfolioError:
    try:
        again = estimate_on(panels, recipe)
    except PackfolioError as error:
        return error
    recorded = con.execute(
        "select any_value(covariance_hash) from latest_covariances where pack_id = ? and recipe = ?",
        [pack.id, recipe.name],
    ).fetchall()[0][0]
    if covariance_digest(again) != recorded:
        return DataError(
            f"the covariance {recipe.name} of {pack.id}, computed again, differs from the one recorded: "
            f"code or libraries changed; materialize covariances again"
        )
    return again


def evidence_with_scenarios(con: Connection, pack: Pack, recipe: Recipe) -> Estimates:
    """The recipe's estimates with their return scenarios; what the pipeline recorded of it is taken as recorded."""
    found = evidence_with_days(con, pack, {recipe.name: recipe})[recipe.name]
    if isinstance(found, PackfolioError):
        raise found
    return found


def evidence_with_days(
    con: Connection, pack: Pack, recipes: Mapping[str, Recipe]
) -> dict[str, Estimates | PackfolioError]:
    """By the keys of `recipes` what `evidence_with_scenarios` gives, or why there are no estimates."""
    stored = dict(stored_estimates(con, pack, sorted({recipe.name for recipe in recipes.values()})))
    panels = panels_for(con, pack, recipes.values())
    found: dict[str, Estimates | PackfolioError] = {}
    for key, recipe in recipes.items():
        try:
            computed = estimate_on(panels, recipe)
        except PackfolioError as error:
            found[key] = error
            continue
        kept = stored.get(recipe.name)
        found[key] = computed if kept is None else replace(kept, scenarios=computed.scenarios, trusted=True)
    return found


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

    @cached_property
    def _worth(self) -> dict[str, Decimal]:
        return self.portfolio.values(self.prices)

    @property
    def nav(self) -> float:
        """Value of holdings and cash, base currency."""
        return float(self.portfolio.cash + sum(self._worth.values(), ZERO))

    @cached_property
    def values(self) -> dict[str, float]:
        """Symbol -> value held, base currency, of what is held."""
        return {s: float(v) for s, v in self._worth.items() if v}


@dataclass(frozen=True)
class Own:
    """What the warehouse knows of one portfolio beside its snapshot, besides prices and facts.

    plan       what its sales are taxed by
    liquidity  that the policy's square-root impact is measured by
    """

    plan: TaxPlan | None = None
    liquidity: Mapping[str, Liquidity] = field(default_factory=dict)


def read_own(con: Connection, pack: Pack, snapshot: Snapshot) -> Own:
    """Reads it; most portfolios have nothing of it, and cost no question."""
    plan = read_plan(con, pack, snapshot.portfolio_id, snapshot.holdings.lots, snapshot.policy)
    return Own(plan, impact_liquidity(con, pack, snapshot))


def load_case(
    con: Connection, pack: Pack, snapshot: Snapshot, funds: FundExposureMap, found: Estimates | None = None
) -> Case:
    """Reads everything `propose` needs for a snapshot without a problem; `found` in place of the stored estimates."""
    inputs, own = read_inputs(con, pack, snapshot, funds), read_own(con, pack, snapshot)
    return case_of(inputs, found or evidence(con, pack, snapshot), own)


def case_of(inputs: Inputs, found: Estimates, own: Own) -> Case:
    """A portfolio whose prices, facts and estimates were read before."""
    snapshot, portfolio = inputs.snapshot, portfolio_of(inputs)
    frozen = (
        weighed(snapshot.frozen, portfolio.total_value(inputs.prices), inputs.absent)
        if snapshot.frozen
        else ()
    )
    mandate = Mandate(
        snapshot.investable, inputs.views, snapshot.prior, inputs.ratings, snapshot.policy.shares_in_a_lot, own.plan,
        own.liquidity, notes_of(inputs), frozen,
        {symbol: f"it {why}" for symbol, why in snapshot.excluded.items()},
    )  # fmt: skip
    return Case(snapshot, inputs, portfolio, found, mandate)


def notes_of(inputs: Inputs) -> tuple[str, ...]:
    """What must be said of a portfolio before anything is computed: names left out, old prices, doubtful views."""
    snapshot = inputs.snapshot
    doubted = filter(None, map(like_a_fraction, snapshot.views))
    limits = f"Limits on {', '.join(inputs.unbound)} do not count: {NOT_TRADED}" if inputs.unbound else ""
    views = [
        f"The view on {', '.join(sorted(named_in(view)))} does not count: {NOT_TRADED}"
        for view in snapshot.views
        if view not in snapshot.views_today
    ]
    left = map(snapshot.left_out, snapshot.excluded)
    return (*left, *filter(None, [limits]), *views, *inputs.old_prices(), *doubted)


def portfolio_of(inputs: Inputs) -> Portfolio:
    """What a snapshot holds; what is frozen counts as cash at its last known price."""
    snapshot = inputs.snapshot
    portfolio = Portfolio(snapshot.name, positions=snapshot.positions)
    # A paper fill may have overdrawn it; today's trades repay that first.
    portfolio.cash = snapshot.holdings.cash + sum((one.value for one in snapshot.frozen), ZERO)
    return portfolio


def by_volume(policy: PolicyFile) -> bool:
    """Whether a policy measures its trades by the volume of what it trades."""
    return bool(policy.root_impact or policy.max_participation_pct)


def impact_liquidity(con: Connection, pack: Pack, snapshot: Snapshot) -> Mapping[str, Liquidity]:
    """The liquidity that square-root impact and participation are measured by; nothing where neither is asked for."""
    if not by_volume(snapshot.policy):
        return {}
    tradable = {*snapshot.investable, *snapshot.holdings.quantities} - {one.symbol for one in snapshot.frozen}
    return liquidity_of(con, pack, tradable, snapshot.benchmark, snapshot.base_currency)
