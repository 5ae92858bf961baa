"""From a table of prices and a recipe to estimates; methods are chosen by name from two tables."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimizer.beliefs.estimators import means
from optimizer.beliefs.estimators.covariances import (
    ewma_covariance,
    pairwise_covariance,
    sample_covariance,
    semi_covariance,
)
from optimizer.beliefs.estimators.factored import FACTORED
from optimizer.beliefs.estimators.garch import garch
from optimizer.beliefs.estimators.gerber import gerber
from optimizer.beliefs.estimators.psd import nearest_psd
from optimizer.beliefs.estimators.sample import Sample
from optimizer.beliefs.estimators.shrinkage import ledoit_wolf, ledoit_wolf_constant_correlation, oas
from optimizer.beliefs.estimators.spectral import denoised, statistical_factors
from optimizer.errors import DataError, PolicyError
from optimizer.model.estimates import Estimates, Recipe
from optimizer.model.returns import (
    PERIODS,
    at_frequency,
    check_prices,
    complete_rows,
    per_period,
    simple_returns,
)
from optimizer.numerics.matrices import Matrix, scaled
from optimizer.typing import Array

Estimator = Callable[[Sample], Array]
Dates = pd.Index | npt.NDArray[np.datetime64]

MEANS: Mapping[str, Estimator] = {
    "historical": means.historical,
    "ewma": means.ewma,
    "capm": means.capm,
    "james_stein": means.james_stein,
    "bayes_stein": means.bayes_stein,
}
COVARIANCES: Mapping[str, Estimator] = {
    "sample": sample_covariance,
    "ledoit_wolf": ledoit_wolf,
    "ledoit_wolf_constant_correlation": ledoit_wolf_constant_correlation,
    "oas": oas,
    "ewma": ewma_covariance,
    "semi": semi_covariance,
    "gerber": gerber,
    "denoised": denoised,
    "statistical_factors": statistical_factors,
    "garch": garch,
}
PAIRWISE_MEANS = {"historical": means.historical}
PAIRWISE_COVARIANCES = {"sample": pairwise_covariance}
MIN_ROWS = {"daily": 30, "weekly": 26, "monthly": 12}


def choose(kind: str, name: str, table: Mapping[str, Estimator]) -> Estimator:
    """The estimator of that name; raises PolicyError with the valid names, the nearest first."""
    if name not in table:
        near = get_close_matches(name, table, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise PolicyError(f"{kind} {name!r} does not exist; use one of {', '.join(table)}{hint}")
    return table[name]


def estimate(prices: pd.DataFrame, recipe: Recipe, *, market: str | None = None) -> Estimates:
    """Expected returns, covariance and scenarios by a recipe, per year.

    prices  dates x symbols, total-return prices, ascending; NaN = no price that day
    market  the column that stands for the market in `capm`; None = the average of the symbols
    Raises PolicyError for an unknown method or symbol, DataError for bad prices or too short a history.
    """
    symbols = recipe.symbols or tuple(map(str, prices.columns))
    window = _window(prices, symbols, recipe, market)
    values = window.to_numpy(dtype=float)
    return estimate_window(
        values[:, : len(symbols)], window.index, symbols, recipe, None if market is None else values[:, -1]
    )


def estimate_window(
    values: Array, dates: Dates, symbols: tuple[str, ...], recipe: Recipe, market: Array | None = None
) -> Estimates:
    """`estimate` on checked prices: (T, n) of the `lookback_days` + 1 dates and n symbols; market (T,)."""
    mean_of, covariance_of = _methods(recipe)
    table = values if market is None else np.column_stack([values, market])
    returns = simple_returns(_at_frequency(table, dates, recipe.frequency))
    kept, notes = _kept_rows(returns, symbols, len(values), recipe)
    periods = PERIODS[recipe.frequency]
    sample = Sample(
        returns=kept[:, : len(symbols)],
        market=None if market is None else kept[:, -1],
        risk_free=per_period(recipe.risk_free_rate, periods),
        half_life=recipe.half_life,
    )
    covariance, repair = _covariance(covariance_of, sample, recipe)
    return Estimates(
        symbols=symbols,
        mean=mean_of(sample) * periods,
        covariance=covariance,
        scenarios=_scenarios(values, sample, recipe, market is None),
        observations=sample.rows,
        notes=notes + repair,
        trusted=True,
    )


def _at_frequency(table: Array, dates: Dates, frequency: str) -> Array:
    if frequency == "daily":
        return table
    return at_frequency(pd.DataFrame(table, pd.Index(dates)), frequency).to_numpy()


def _scenarios(values: Array, sample: Sample, recipe: Recipe, alone: bool) -> Array:
    """(T, n) daily returns of the days on which every symbol has one."""
    if alone and recipe.frequency == "daily" and recipe.missing == "complete":
        return sample.returns
    daily = simple_returns(values)
    return np.asarray(daily[complete_rows(daily)])


def _methods(recipe: Recipe) -> tuple[Estimator, Estimator]:
    mean_of = choose("mean_method", recipe.mean_method, MEANS)
    covariance_of = choose("covariance_method", recipe.covariance_method, COVARIANCES)
    if recipe.missing == "complete":
        return mean_of, covariance_of
    if recipe.missing != "pairwise":
        raise PolicyError(f"missing is {recipe.missing!r}; use 'complete' or 'pairwise'")
    for name, table in (
        (recipe.mean_method, PAIRWISE_MEANS),
        (recipe.covariance_method, PAIRWISE_COVARIANCES),
    ):
        if name not in table:
            raise PolicyError(
                f"{name} cannot use unequal histories; use {', '.join(table)} or missing='complete'"
            )
    return PAIRWISE_MEANS[recipe.mean_method], PAIRWISE_COVARIANCES[recipe.covariance_method]


def _window(
    prices: pd.DataFrame, symbols: tuple[str, ...], recipe: Recipe, market: str | None
) -> pd.DataFrame:
    columns = [*symbols] if market is None else [*symbols, market]
    unknown = [symbol for symbol in columns if symbol not in prices.columns]
    if unknown:
        raise PolicyError(f"no prices for {', '.join(unknown)}; drop them or ingest their history")
    window = prices[columns].iloc[-(recipe.lookback_days + 1) :]
    check_prices(window.loc[:, ~window.columns.duplicated()])
    return window


def _kept_rows(
    returns: Array, symbols: tuple[str, ...], days: int, recipe: Recipe
) -> tuple[Array, tuple[str, ...]]:
    """The rows that the recipe can use, and notes on the others; raises DataError where too few remain."""
    present = np.isfinite(returns)
    whole = bool(present.all())
    own = np.full(returns.shape[1], len(returns)) if whole else present.sum(axis=0)
    kept = returns if whole or recipe.missing == "pairwise" else returns[present.all(axis=1)]
    have = int(own.min()) if recipe.missing == "pairwise" else len(kept)
    shortest = symbols[int(own.argmin())] if own.argmin() < len(symbols) else "the market"
    if have < MIN_ROWS[recipe.frequency]:
        raise DataError(
            f"{have} {recipe.frequency} returns are usable ({shortest} has {int(own.min())}); "
            f"{MIN_ROWS[recipe.frequency]} are needed: drop {shortest} or ingest more history"
        )
    notes = []
    asked = recipe.lookback_days
    if days <= asked:
        notes.append(f"history has {days - 1} of the {asked} days asked for")
    if len(kept) < len(returns):
        notes.append(f"{len(returns) - len(kept)} of {len(returns)} rows dropped: {shortest} lacks the most")
    elif own.min() < len(returns):
        notes.append(f"pairwise: {shortest} has {int(own.min())} of {len(returns)} returns")
    return kept, tuple(notes)


def _covariance(estimator: Estimator, sample: Sample, recipe: Recipe) -> tuple[Matrix, tuple[str, ...]]:
    """The covariance per year, in factors where there are more symbols than periods; and a note if repaired."""
    periods = PERIODS[recipe.frequency]
    rows, n = sample.returns.shape
    if recipe.missing == "pairwise":
        return _repaired(estimator(sample) * periods)
    if n > rows and recipe.covariance_method in FACTORED:
        return scaled(FACTORED[recipe.covariance_method](sample), periods), ()
    covariance = estimator(sample)
    # In place: the estimators hand over an array of their own, and 5,000 symbols make it 200 MB.
    covariance *= periods
    return covariance, ()


def _repaired(covariance: Array) -> tuple[Array, tuple[str, ...]]:
    repaired = nearest_psd(covariance)
    if repaired is covariance:
        return covariance, ()
    deviation = np.sqrt(np.diag(covariance))
    moved = np.abs(repaired - covariance) / np.outer(deviation, deviation).clip(np.finfo(float).tiny)
    return repaired, (
        f"covariance made positive semidefinite: correlations moved by up to {moved.max():.2g}",
    )
