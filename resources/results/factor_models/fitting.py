"""The factor models that recipes ask for, fitted on a pack, and what the last year says against each."""

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np

from optimizer import DataError, FactorHistory, Recipe, fit_factors
from optimizer.beliefs.estimators.recipes import FACTOR_MODEL
from optimizer.beliefs.estimators.spectral import session_periods, settings_of
from optimizer.factors.fit import FactorFit
from optimizer.factors.panel import YEAR
from resources.books.snapshots import kept_snapshots
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.results.factor_models.panels import DESCRIBED, factor_panel

BIAS = (0.8, 1.25)  # of the root mean square of a year's standardised returns; 1 is right
LEAST_EXPLAINED = 0.1  # of the cross-section's squares
FEW_NAMES = 10  # to a factor


def asks_for_factors(recipe: Recipe) -> bool:
    """Whether the recipe's covariance is that of a factor model."""
    return recipe.covariance_method == FACTOR_MODEL


def wanted_recipes(con: Connection, pack: Pack, *, every: bool) -> dict[str, Recipe]:
    """The recipes of a pack's portfolios for which a model is fitted, by name: those that ask for one, or every one."""
    if not every and not _any_asks(con, pack):
        return {}
    found = (snapshot.recipe() for snapshot in kept_snapshots(con, pack) if not snapshot.problem)
    return {recipe.name: recipe for recipe in found if every or asks_for_factors(recipe)}


def _any_asks(con: Connection, pack: Pack) -> bool:
    """Whether a policy names the method at all: a look that costs nothing where thousands do not."""
    found = con.execute(
        "select 1 from latest_portfolio_snapshots where pack_id = ? and contains(policy, ?) limit 1",
        [pack.id, FACTOR_MODEL],
    )
    return bool(found.fetchall())


def out_of_bounds(fit: FactorFit) -> dict[str, str]:
    """What the last year says against a model, a sentence a measure; nothing where it holds."""
    quality, said = fit.quality, dict[str, str]()
    for measure in ("factor_bias", "specific_bias"):
        low, high = BIAS
        if np.isfinite(quality[measure]) and not low <= quality[measure] <= high:
            side = "low" if quality[measure] > high else "high"
            said[measure] = (
                f"{measure} {quality[measure]:.2f} is outside {low} to {high}: risks were forecast too {side}"
            )
    if quality["r_squared"] < LEAST_EXPLAINED:
        said["r_squared"] = (
            f"r_squared {quality['r_squared']:.2f} is below {LEAST_EXPLAINED}: the names move by themselves"
        )
    if quality["names"] < FEW_NAMES * len(fit.plan.factors):
        said["names"] = (
            f"{quality['names']:.0f} names carry {len(fit.plan.factors)} factors; {FEW_NAMES} a factor are few"
        )
    return said


def fitted_model(con: Connection, pack: Pack, recipe: Recipe) -> FactorFit:
    """The model of a recipe on the pack's own data; raises DataError where they do not do."""
    panel = factor_panel(con, pack, recipe)
    return fit_factors(
        panel, settings_of(recipe.half_life, session_periods(recipe.periods_per_year, panel.dates))
    )


def fitted_models(
    con: Connection, pack: Pack, recipes: Mapping[str, Recipe]
) -> tuple[dict[str, FactorFit], dict[str, list[str]]]:
    """The fit of each recipe whose data do, and why the others have none."""
    fits: dict[str, FactorFit] = {}
    refused: dict[str, list[str]] = {}
    for name, recipe in sorted(recipes.items()):
        try:
            fits[name] = fitted_model(con, pack, recipe)
        except DataError as error:
            refused[name] = [str(error)]
    return fits, refused


def factor_history(con: Connection, pack: Pack, recipe: Recipe, since: date) -> FactorHistory:
    """The models of the days from `since` on, each of what was known on it."""
    panel = factor_panel(con, pack, recipe, since - timedelta(days=DESCRIBED * YEAR))
    return FactorHistory(panel, settings_of(recipe.half_life), recipe.symbols, recipe.periods_per_year)
