"""From a table of prices or returns and a recipe to estimates; methods are chosen by name from two tables."""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches

import numpy as np
import pandas as pd

from optimizer.beliefs.estimators import means
from optimizer.beliefs.estimators.covariances import ewma_covariance, sample_covariance, semi_covariance
from optimizer.beliefs.estimators.factored import FACTORED
from optimizer.beliefs.estimators.garch import garch
from optimizer.beliefs.estimators.gerber import gerber
from optimizer.beliefs.estimators.pairwise import pairwise_moments
from optimizer.beliefs.estimators.psd import nearest_psd
from optimizer.beliefs.estimators.sample import Sample
from optimizer.beliefs.estimators.shrinkage import ledoit_wolf, ledoit_wolf_constant_correlation, oas
from optimizer.beliefs.estimators.spectral import denoised, statistical_factors
from optimizer.errors import DataError, PolicyError
from optimizer.model.estimates import Estimates, Recipe
from optimizer.model.returns import check_table, check_values, per_period, period_ends, simple_returns
from optimizer.model.sessions import (
    TRADING_DAYS,
    Dates,
    Flags,
    alive,
    common_rows,
    frequency_of,
    periods_per_year,
    session_rows,
)
from optimizer.numerics.matrices import Matrix, scaled
from optimizer.typing import Array

Estimator = Callable[[Sample], Array]

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
PAIRWISE = {"mean_method": "historical", "covariance_method": "sample"}
# The fewest returns, by how many there are a year at least: days, weeks, months and longer.
LEAST_RETURNS = {60: 30, 20: 26, 0: 12}
RANKED = ("sample", "ewma", "semi", "gerber", "garch")
MIN_SCENARIOS = 30
UNDATED = f"the rows have no dates: {TRADING_DAYS} a year are taken; state periods_per_year where they are not daily"


def choose(kind: str, name: str, table: Mapping[str, Estimator]) -> Estimator:
    """The estimator of that name; raises PolicyError with the valid names, the nearest first."""
    if name not in table:
        near = get_close_matches(name, table, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise PolicyError(f"{kind} {name!r} does not exist; use one of {', '.join(table)}{hint}")
    return table[name]


def estimate(
    prices: pd.DataFrame | None = None,
    recipe: Recipe = Recipe(),  # noqa: B008  (frozen)
    *,
    returns: pd.DataFrame | None = None,
    market: str | None = None,
) -> Estimates:
    """Expected returns, covariance and scenarios by a recipe, per year.

    prices   dates x symbols, total-return prices at any frequency, ascending; NaN = no price that day
    returns  in place of prices: dates x symbols, simple returns; a row that lacks one is left out
    market   the column that stands for the market in `capm`; None = the average of the symbols
    Returns run from one date on which all are priced to the next, and there are as many a year as those dates have.
    Raises PolicyError for an unknown method or symbol, DataError for bad prices or too short a history.
    """
    given = prices if returns is None else returns
    if given is None or (prices is not None and returns is not None):
        raise PolicyError("estimate reads prices or returns; give one of them")
    symbols = recipe.symbols or tuple(map(str, given.columns))
    values = _chosen(given, symbols, market)
    if returns is not None:
        return _from_returns(values, given.index, symbols, recipe, market is not None)
    rows = slice(first_row(values, given.index, recipe), None)
    check_values(values[rows], given.index[rows], (*symbols, market))
    told = None if market is None else values[rows, -1]
    return estimate_window(values[rows, : len(symbols)], given.index[rows], symbols, recipe, told)


def first_row(values: Array, dates: Dates, recipe: Recipe) -> int:
    """The row of (T, n) prices from which there are `lookback_days` returns between the sessions of the set."""
    wanted = recipe.lookback_days + 1
    if recipe.missing == "complete":
        rows = common_rows(values, wanted)
    else:
        rows = np.flatnonzero(session_rows(~np.isnan(values), dates))[-wanted:]
    start = max(len(values) - wanted, 0)
    return min(int(rows[0]), start) if len(rows) else start


def session_count(priced: Flags, dates: Dates, recipe: Recipe) -> int:
    """How many sessions a set has that is priced (T, n) so: dates on which all names are, or most if "pairwise"."""
    own = priced.all(axis=1) if recipe.missing == "complete" else session_rows(priced, dates)
    return int(np.sum(own))


def estimate_window(
    values: Array, dates: Dates, symbols: tuple[str, ...], recipe: Recipe, market: Array | None = None
) -> Estimates:
    """`estimate` on checked prices: (T, n) from `first_row` on, of n symbols; market (T,)."""
    methods = _methods(recipe)
    if recipe.missing == "pairwise":
        return _pairwise(values, dates, symbols, recipe)
    table = values if market is None else np.column_stack([values, market])
    common = common_rows(table)
    rows = common[period_ends(dates[common], recipe.frequency)]
    notes = () if len(common) == len(table) > recipe.lookback_days else _gaps(table, dates, symbols, recipe)
    periods, undated = _periods(dates[rows], recipe)
    returns = simple_returns(table[rows])
    _check_enough(returns, periods, (~np.isnan(table)).sum(axis=0) - 1, symbols, recipe)
    return _estimated(returns, symbols, recipe, methods, periods, notes + undated, market is not None)


def _from_returns(
    values: Array, dates: Dates, symbols: tuple[str, ...], recipe: Recipe, with_market: bool
) -> Estimates:
    methods = _methods(recipe)
    if recipe.missing == "pairwise" or recipe.frequency != "daily":
        raise PolicyError(
            "missing='pairwise' and other frequencies are read from prices; give prices, not returns"
        )
    rows = common_rows(values, recipe.lookback_days)
    recent = values[rows[0] if len(rows) else 0 :]
    _check_returns(recent, symbols)
    periods, undated = _periods(dates[rows], recipe)
    _check_enough(values[rows], periods, (~np.isnan(recent)).sum(axis=0), symbols, recipe)
    lost = len(recent) - len(rows)
    notes = (f"{lost} of {len(recent)} rows lack a return and are left out",) if lost else ()
    return _estimated(values[rows], symbols, recipe, methods, periods, notes + undated, with_market)


def _estimated(
    returns: Array,
    symbols: tuple[str, ...],
    recipe: Recipe,
    methods: tuple[Estimator, Estimator],
    periods: float,
    notes: tuple[str, ...],
    with_market: bool,
) -> Estimates:
    """From (T, n) complete returns, those of the market in the last column where there is one."""
    mean_of, covariance_of = methods
    sample = Sample(
        returns=returns[:, : len(symbols)],
        market=returns[:, -1] if with_market else None,
        risk_free=per_period(recipe.risk_free_rate, periods),
        half_life=recipe.half_life,
    )
    return Estimates(
        symbols=symbols,
        mean=mean_of(sample) * periods,
        covariance=_covariance(covariance_of, sample, recipe, periods),
        scenarios=sample.returns,
        observations=sample.rows,
        notes=notes + _rank(sample, recipe),
        periods_per_year=periods,
        trusted=True,
    )


def _periods(dates: Dates, recipe: Recipe) -> tuple[float, tuple[str, ...]]:
    """How many returns a year there are, stated or counted, and a note where they are neither."""
    if recipe.periods_per_year is not None:
        return recipe.periods_per_year, ()
    counted = periods_per_year(dates, undated=np.nan)
    if np.isnan(counted):
        return float(TRADING_DAYS), (UNDATED,)
    if not frequency_of(counted):
        return counted, (
            f"the dates have {counted:.1f} periods a year, which is what returns are annualised by",
        )
    return counted, ()


def _pairwise(values: Array, dates: Dates, symbols: tuple[str, ...], recipe: Recipe) -> Estimates:
    """Each pair over its own common dates; scenarios are the returns between the dates common to all."""
    mean, covariance, fewest = pairwise_moments(
        values, dates, symbols, recipe.frequency, lambda rows: _periods(rows, recipe)[0]
    )
    common = common_rows(values)
    common = common[period_ends(dates[common], recipe.frequency)]
    rows = common if len(common) > MIN_SCENARIOS else np.arange(len(values))
    periods, undated = _periods(dates[rows], recipe)
    repaired, repair = _repaired(covariance)
    return Estimates(
        symbols=symbols,
        mean=mean,
        covariance=repaired,
        scenarios=simple_returns(values[common]) if len(common) > MIN_SCENARIOS else None,
        observations=fewest,
        notes=_gaps(values, dates, symbols, recipe) + undated + repair,
        periods_per_year=periods,
        trusted=True,
    )


def _methods(recipe: Recipe) -> tuple[Estimator, Estimator]:
    mean_of = choose("mean_method", recipe.mean_method, MEANS)
    covariance_of = choose("covariance_method", recipe.covariance_method, COVARIANCES)
    if recipe.missing not in ("complete", "pairwise"):
        raise PolicyError(f"missing is {recipe.missing!r}; use 'complete' or 'pairwise'")
    for key, able in PAIRWISE.items():
        if recipe.missing == "pairwise" and getattr(recipe, key) != able:
            raise PolicyError(
                f"{key} {getattr(recipe, key)} cannot use unequal histories; use {able} or missing='complete'"
            )
    return mean_of, covariance_of


def _chosen(given: pd.DataFrame, symbols: tuple[str, ...], market: str | None) -> Array:
    """(T, n) of the symbols, and the market's column after them."""
    columns = [*symbols] if market is None else [*symbols, market]
    if unknown := [symbol for symbol in columns if symbol not in given.columns]:
        raise PolicyError(f"no prices for {', '.join(unknown)}; drop them or ingest their history")
    names = list(dict.fromkeys(columns))
    check_table(given[names])
    return given[names].to_numpy(dtype=float)[:, [names.index(symbol) for symbol in columns]]


def _check_returns(values: Array, symbols: Sequence[str]) -> None:
    wrong = ~np.isnan(values) & ~((values >= -1) & np.isfinite(values))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        name = symbols[column] if column < len(symbols) else "the market"
        raise DataError(
            f"return {row} of {name} is {values[row, column]}; it must be -1 or above, or missing (NaN)"
        )


def _check_enough(
    returns: Array, periods: float, own: Array, symbols: tuple[str, ...], recipe: Recipe
) -> None:
    """Raises DataError where (T, n) returns are too few; own (n,) how many each name has by itself."""
    least = next(rows for above, rows in LEAST_RETURNS.items() if periods > above)
    if len(returns) < least:
        shortest = _name(int(own.argmin()), symbols)
        kind = frequency_of(periods) if recipe.frequency == "daily" and len(returns) > 1 else recipe.frequency
        raise DataError(
            f"{len(returns)} {kind} returns are usable ({shortest} has {int(own.min())}); "
            f"{least} are needed: drop {shortest} or ingest more history"
        )


def _name(column: int, symbols: tuple[str, ...]) -> str:
    return symbols[column] if column < len(symbols) else "the market"


def _gaps(table: Array, dates: Dates, symbols: tuple[str, ...], recipe: Recipe) -> tuple[str, ...]:
    """What is missing of (T, n) prices: how much of the lookback, and the sessions on which some name has none."""
    priced: Flags = ~np.isnan(table)
    own, notes = priced.sum(axis=0), []
    if (have := session_count(priced, dates, recipe) - 1) < recipe.lookback_days:
        fewest = f": {_name(int(own.argmin()), symbols)} has the fewest prices" if np.ptp(own) else ""
        notes.append(f"history has {max(have, 0)} of the {recipe.lookback_days} days asked for{fewest}")
    since = alive(priced) if recipe.missing == "complete" else slice(None)
    sessions = priced[since][session_rows(priced[since], dates[since])]
    lacking = (~sessions).sum(axis=0)
    if lacking.any():
        worst = int(lacking.argmax())
        through = (
            "each pair's own common dates" if recipe.missing == "pairwise" else "the dates common to all"
        )
        notes.append(
            f"{int((~sessions).any(axis=1).sum())} of {len(sessions)} sessions lack a price, of "
            f"{_name(worst, symbols)} {int(lacking[worst])}: returns run between {through}"
        )
    return tuple(notes)


def _rank(sample: Sample, recipe: Recipe) -> tuple[str, ...]:
    """A note where the covariance has more names than the returns can tell apart."""
    rows, n = sample.returns.shape
    if rows > n:
        return ()
    few = f"{n} names and {rows} returns: more names than observations"
    if recipe.covariance_method in RANKED:
        remedy = "shrink the covariance (ledoit_wolf), or raise lookback_days"
        return (
            f"{few}, so that the covariance is singular and some portfolios seem to have no risk: {remedy}",
        )
    return (f"{few}, so that much of the covariance is what {recipe.covariance_method} assumes",)


def _covariance(estimator: Estimator, sample: Sample, recipe: Recipe, periods: float) -> Matrix:
    """The covariance per year, in factors where there are more symbols than periods."""
    rows, n = sample.returns.shape
    if n > rows and recipe.covariance_method in FACTORED:
        return scaled(FACTORED[recipe.covariance_method](sample), periods)
    covariance = estimator(sample)
    # In place: the estimators hand over an array of their own, and 5,000 symbols make it 200 MB.
    covariance *= periods
    return covariance


def _repaired(covariance: Array) -> tuple[Array, tuple[str, ...]]:
    repaired = nearest_psd(covariance)
    if repaired is covariance:
        return covariance, ()
    deviation = np.sqrt(np.diag(covariance))
    moved = np.abs(repaired - covariance) / np.outer(deviation, deviation).clip(np.finfo(float).tiny)
    return repaired, (
        f"covariance made positive semidefinite: correlations moved by up to {moved.max():.2g}",
    )
