"""The factor model of a pack: what it is fitted on, its rows, and the model as recorded."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd

from optimizer import (
    DataError,
    FactorHistory,
    FactorModel,
    FactorPanel,
    Recipe,
    fit_factors,
    simple_returns,
)
from optimizer.beliefs.estimators.recipes import FACTOR_MODEL
from optimizer.beliefs.estimators.spectral import session_periods, settings_of
from optimizer.factors.fit import FactorFit
from optimizer.factors.panel import YEAR, Codes, Mask, sector_codes
from optimizer.factors.series import dependent, regressed
from optimizer.model.returns import growth_index
from optimizer.typing import Array
from resources.books.snapshots import kept_snapshots
from resources.ledger.ledger import Connection
from resources.packs.dated_facts import known_caps, known_characteristics, stated_sectors
from resources.packs.delistings import HAD, names_had
from resources.packs.liquidity import traded_volumes
from resources.packs.pack_prices import in_currency, newest_facts, read_panel, window_start
from resources.packs.packs import Pack

BIAS = (0.8, 1.25)  # of the root mean square of a year's standardised returns; 1 is right
LEAST_EXPLAINED = 0.1  # of the cross-section's squares
FEW_NAMES = 10  # to a factor
DESCRIBED = 1.6  # calendar days a session, with room: a year of them is read for the descriptors
NEARBY = 5  # sessions either way, among which a day counts as a session when half as many names are priced


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


def factor_history(con: Connection, pack: Pack, recipe: Recipe, since: date) -> FactorHistory:
    """The models of the days from `since` on, each of what was known on it."""
    panel = factor_panel(con, pack, recipe, since - timedelta(days=DESCRIBED * YEAR))
    return FactorHistory(panel, settings_of(recipe.half_life), recipe.symbols, recipe.periods_per_year)


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


def factor_panel(con: Connection, pack: Pack, recipe: Recipe, since: date | None = None) -> FactorPanel:
    """All that the pack knew of the recipe's symbols, and of all others of a known sector and capitalisation.

    As many sessions as the recipe looks back are regressed, and a YEAR before them is read for the descriptors.
    since  the first day to be read in place of these, for models of earlier days: then no number of a day hangs on a
           later one, by not one bit
    """
    symbols = tuple(sorted({*recipe.symbols, *classified(con, pack)}))
    start = since or window_start(con, pack, recipe.lookback_days + YEAR + 1)
    panel = read_panel(con, pack, symbols, start)
    forward = None if since is None else growth_index(panel.close, panel.paid, panel.split)
    prices = in_currency(con, pack, panel, recipe.currency, forward)
    rows = _sessions(np.isfinite(prices.to_numpy(dtype=float)), ahead=since is None)
    closes = in_currency(con, pack, panel, recipe.currency, panel.close)
    traded = closes * traded_volumes(con, pack, symbols, start).reindex_like(closes)
    names, codes = _sectors(con, pack, symbols, panel.dates)
    caps = _caps(con, pack, symbols, recipe.currency, prices)
    returns = simple_returns(prices.to_numpy(dtype=float)[rows])
    later = rows[1:]
    dates = tuple(panel.dates[row] for row in later)
    return FactorPanel(
        symbols, dates, returns, None if caps is None else caps[later], traded.to_numpy(dtype=float)[later],
        names, codes[later], known_characteristics(con, pack, symbols, dates),
    )  # fmt: skip


def classified(con: Connection, pack: Pack) -> list[str]:
    """The symbols with a sector and a capitalisation on record: the market that factors are estimated on."""
    stated = con.execute(
        "select symbol from securities union select symbol from market_caps "
        "union select new_symbol from corporate_actions where kind = 'rename'"
    ).fetchall()
    had = names_had(con, pack, [str(symbol) for (symbol,) in stated])
    seen = f"join {HAD} using (symbol) where date >= since and date < until and date <= ? and ingest_seq <= ?"
    rows = con.execute(
        f"select company from securities {seen} and sector is not null "
        f"intersect select company from market_caps {seen} order by company",
        2 * [*had, pack.as_of, pack.watermark],
    ).fetchall()
    return [str(row[0]) for row in rows]


def _sessions(priced: Mask, *, ahead: bool) -> Codes:
    """Places of the days on which the market was open, not only some foreign one; `ahead`: by later days too."""
    counts = pd.Series(priced.sum(axis=1))
    busiest = counts.rolling(2 * NEARBY + 1, center=ahead, min_periods=1).max()
    return np.flatnonzero((counts > 0) & (counts >= busiest / 2))


def _caps(
    con: Connection, pack: Pack, symbols: Sequence[str], currency: str, prices: pd.DataFrame
) -> Array | None:
    if not newest_facts(con, pack, "market_caps", ["market_cap"], symbols)["market_cap"]:
        return None
    return np.asarray(known_caps(con, pack, symbols, currency, prices.index).to_numpy(dtype=float))


def _sectors(
    con: Connection, pack: Pack, symbols: Sequence[str], dates: Sequence[date]
) -> tuple[tuple[str, ...], Codes]:
    """Sector names and (T, n) indices: as stated by each date, before that the first one stated."""
    stated = stated_sectors(con, pack, list(symbols)).reindex(columns=list(symbols))
    days = pd.DatetimeIndex(list(dates))
    told = (
        stated.ffill().bfill().reindex(days, method="ffill").bfill() if len(stated) else stated.reindex(days)
    )
    flat = told.fillna("").to_numpy(dtype=str)
    names, codes = sector_codes(flat.ravel().tolist())
    return names, codes.reshape(flat.shape)


def factor_frames(fits: dict[str, FactorFit]) -> dict[str, pd.DataFrame]:
    """Rows of the five tables, recipes by name."""
    tables = {
        "factor_exposures": _exposures,
        "factor_returns": _returns,
        "factor_covariances": _covariances,
        "specific_risks": _specific,
        "factor_model_quality": _quality,
    }
    if not fits:  # recipes that asked for one before do no more
        return {table: pd.DataFrame(columns=["recipe"]) for table in tables}
    return {
        table: pd.concat([rows_of(fit).assign(recipe=name) for name, fit in sorted(fits.items())])
        for table, rows_of in tables.items()
    }


def _exposures(fit: FactorFit) -> pd.DataFrame:
    model = fit.model
    n, k = model.exposures.shape
    return pd.DataFrame({
        "symbol": np.repeat(model.symbols, k), "factor": np.tile(model.factors, n),
        "exposure": model.exposures.ravel(),
    })  # fmt: skip


def _returns(fit: FactorFit) -> pd.DataFrame:
    factors, dates = fit.plan.factors, [session.date for session in fit.sessions]
    return pd.DataFrame({
        "date": np.repeat(np.array(dates, dtype=object), len(factors)), "factor": np.tile(factors, len(dates)),
        "return": fit.factor_returns.ravel(),
    })  # fmt: skip


def _covariances(fit: FactorFit) -> pd.DataFrame:
    model = fit.model
    k = len(model.factors)
    return pd.DataFrame({
        "factor": np.repeat(model.factors, k), "other": np.tile(model.factors, k),
        "covariance": model.factor_covariance.ravel(), "factor_group": np.repeat(model.groups, k),
        "sequence": np.repeat(np.arange(k, dtype=np.int32), k),
    })  # fmt: skip


def _specific(fit: FactorFit) -> pd.DataFrame:
    variance = fit.model.specific
    return pd.DataFrame({
        "symbol": fit.symbols, "volatility": np.sqrt(variance), "variance": variance,
        "observations": fit.moments.count.astype(np.int32), "estimation": fit.universe,
    })  # fmt: skip


def _quality(fit: FactorFit) -> pd.DataFrame:
    measured = [(measure, "", value, None) for measure, value in fit.quality.items()]
    missing = [("missing", factor, None, why) for factor, why in sorted(fit.plan.missing.items())]
    doubts = [("doubt", measure, None, said) for measure, said in out_of_bounds(fit).items()]
    return pd.DataFrame([*measured, *missing, *doubts], columns=["measure", "factor", "value", "note"])


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
