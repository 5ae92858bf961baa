"""Factor models and the returns of their factors as recorded, and of names that a model does not cover."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from optimizer import FactorModel, Recipe
from optimizer.beliefs.estimators.recipes import FACTOR_MODEL
from optimizer.factors.series import dependent, regressed
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.results.factor_models.fitting import asks_for_factors, fitted_model


def models_of(con: Connection, pack: Pack, recipes: Iterable[Recipe]) -> dict[str, FactorModel]:
    """Recipe -> its model of its symbols as recorded, of those recipes that ask for factors."""
    found: dict[str, FactorModel] = {}
    for recipe in recipes:
        model = recorded_model(con, pack, recipe) if asks_for_factors(recipe) else None
        if model is not None:
            covered = set(model.symbols)
            found[recipe.name] = model.of(tuple(symbol for symbol in recipe.symbols if symbol in covered))
    return found


def factors_of(con: Connection, pack: Pack, recipe: Recipe) -> tuple[FactorModel, pd.DataFrame]:
    """The model of a recipe's symbols and its factors' returns (dates x factors): as recorded, else fitted now.

    Whatever covariance the recipe asks for. Raises DataError where the pack's data do not do for a fit.
    """
    asked = replace(recipe, covariance_method=FACTOR_MODEL)
    model = recorded_model(con, pack, asked)
    if model is not None:
        returns = recorded_factor_returns(con, pack, asked)
    else:
        fit = fitted_model(con, pack, asked)
        dates = pd.DatetimeIndex([pd.Timestamp(str(session.date)) for session in fit.sessions])
        model, returns = fit.model, pd.DataFrame(fit.factor_returns, dates, list(fit.plan.factors))
    return model.of(recipe.symbols), returns


def recorded_models(con: Connection, pack: Pack) -> dict[str, FactorModel]:
    """Recipe -> the model that the stage recorded for it."""
    names = con.execute(
        "select distinct recipe from latest_factor_covariances where pack_id = ? order by 1", [pack.id]
    ).fetchall()
    found = {str(name): _recorded(con, pack, str(name)) for (name,) in names}
    return {name: model for name, model in found.items() if model}


def recorded_model(con: Connection, pack: Pack, recipe: Recipe) -> FactorModel | None:
    """The model that the stage recorded for a recipe, bit for bit; None where it recorded none."""
    return _recorded(con, pack, recipe.name)


def _recorded(con: Connection, pack: Pack, recipe: str) -> FactorModel | None:
    of = [pack.id, recipe]
    cells = con.execute(
        "select sequence, factor, factor_group, list(covariance order by place) from (select c.*, o.sequence as place "
        "from latest_factor_covariances c join (select distinct factor, sequence from latest_factor_covariances "
        "where pack_id = $1 and recipe = $2) o on c.other = o.factor where pack_id = $1 and recipe = $2) "
        "group by all order by sequence",
        of,
    ).fetchall()
    if not cells:
        return None
    _, factors, groups, covariance = zip(*cells, strict=True)
    loadings = con.execute(
        "select e.symbol, list(e.exposure order by o.sequence), any_value(s.variance) from latest_factor_exposures e "
        "join (select distinct factor, sequence from latest_factor_covariances where pack_id = $1 and recipe = $2) o "
        "using (factor) join latest_specific_risks s on s.pack_id = $1 and s.recipe = $2 and s.symbol = e.symbol "
        "where e.pack_id = $1 and e.recipe = $2 group by e.symbol order by e.symbol",
        of,
    ).fetchall()
    symbols, exposures, specific = zip(*loadings, strict=True)
    return FactorModel(
        symbols, factors, groups, np.array(exposures), np.array(covariance), np.array(specific)
    )


def recorded_factor_returns(con: Connection, pack: Pack, recipe: Recipe) -> pd.DataFrame:
    """Dates x factors: the returns of the factors of each session, as recorded."""
    rows = con.execute(
        'select date, factor, "return" from latest_factor_returns where pack_id = ? and recipe = ? order by all',
        [pack.id, recipe.name],
    ).fetchall()
    told = pd.DataFrame(rows, columns=["date", "factor", "return"])
    found = told.pivot(index="date", columns="factor", values="return")
    return found.set_index(pd.DatetimeIndex(found.index))


def with_others(
    model: FactorModel, factor_returns: pd.DataFrame, prices: pd.DataFrame, periods: float
) -> FactorModel:
    """The model with symbols that it does not cover, by regression of their returns on its factors'.

    prices  (T, n) total-return prices, NaN where there is none; a return is that between two sessions of the factors
    A factor that does not move, or that others make up, is left to those. A symbol whose returns are too few, or tell
    the factors not apart, is left out.
    """
    sessions = pd.DatetimeIndex(factor_returns.index)
    series = factor_returns[list(model.factors)].dropna()
    free = [factor for factor in model.factors if factor not in dependent(series.to_numpy(), model.factors)]
    places = [model.factors.index(factor) for factor in free]
    others = [symbol for symbol in prices.columns if symbol not in set(model.symbols)]
    days = prices.index[prices.index < sessions[0]][-1:].append(sessions)
    moves = prices[others].reindex(days).pct_change(fill_method=None).reindex(series.index)
    slopes, specific = regressed(
        moves.to_numpy(dtype=float), series[free].to_numpy(dtype=float), np.ones(len(series))
    )
    told = np.isfinite(specific)  # its caller names who is left out
    wide = np.zeros((int(told.sum()), len(model.factors)))
    wide[:, places] = slopes[told]
    return FactorModel(
        (*model.symbols, *(symbol for symbol, kept in zip(others, told, strict=True) if kept)),
        model.factors, model.groups, np.vstack([model.exposures, wide]), model.factor_covariance,
        np.concatenate([model.specific, periods * specific[told]]),
    )  # fmt: skip
