"""From a table of prices or returns and a recipe to estimates; methods are chosen by name from two tables."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from optimizer.arguments import typed
from optimizer.beliefs.estimators import means
from optimizer.beliefs.estimators.covariances import (
    ewma_covariance,
    regime_ewma,
    sample_covariance,
    semi_covariance,
)
from optimizer.beliefs.estimators.factored import FACTORED
from optimizer.beliefs.estimators.garch import garch
from optimizer.beliefs.estimators.gerber import gerber
from optimizer.beliefs.estimators.pairwise import pairwise_moments
from optimizer.beliefs.estimators.psd import nearest_psd
from optimizer.beliefs.estimators.sample import Sample
from optimizer.beliefs.estimators.shrinkage import (
    geodesic,
    graphical_lasso,
    ledoit_wolf,
    ledoit_wolf_constant_correlation,
    oas,
)
from optimizer.beliefs.estimators.spectral import denoised, factor_model, statistical_factors
from optimizer.beliefs.estimators.windows import (
    check_enough,
    check_returns,
    first_row,
    gap_notes,
    yearly_periods,
)
from optimizer.beliefs.own_numbers import with_benchmark, with_own
from optimizer.errors import DataError, PolicyError, check_one_of, how_many
from optimizer.factors.factor_model import FactorModel
from optimizer.model.estimates import Estimates
from optimizer.model.recipe import Recipe
from optimizer.model.returns import (
    check_labels,
    check_table,
    check_values,
    per_period,
    period_ends,
    simple_returns,
)
from optimizer.model.sessions import Dates, common_rows
from optimizer.numerics.counted import floats
from optimizer.numerics.matrices import Matrix, scaled
from optimizer.typing import Array

if TYPE_CHECKING:
    from optimizer.model.alignment import Weights

Estimator = Callable[[Sample], Array]

FACTOR_MODEL = "factor_model"
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
    "regime_ewma": regime_ewma,
    "geodesic": geodesic,
    "graphical_lasso": graphical_lasso,
    FACTOR_MODEL: factor_model,
}
PAIRWISE = {"mean_method": "historical", "covariance_method": "sample"}
RANKED = ("sample", "ewma", "regime_ewma", "semi", "gerber", "garch", "geodesic")
MIN_SCENARIOS = 30


def choose(kind: str, name: str, table: Mapping[str, Estimator]) -> Estimator:
    """The estimator of that name; raises PolicyError with the nearest names, or all of them."""
    check_one_of(kind, name, table)
    return table[name]


@typed
def estimate(
    prices: pd.DataFrame | None = None,
    recipe: Recipe = Recipe(),  # noqa: B008  (frozen)
    *,
    returns: pd.DataFrame | None = None,
    market: str | None = None,
    mean: "Weights | None" = None,
    covariance: Array | pd.DataFrame | None = None,
    correlation: Array | pd.DataFrame | None = None,
    benchmark: pd.Series | None = None,
    factor_model: FactorModel | None = None,
) -> Estimates:
    """Expected returns, covariance and scenarios by a recipe, per year.

    prices   dates x symbols, total-return prices at any frequency, ascending; NaN = no price that day
    returns  in place of prices: dates x symbols, simple returns; a row that lacks one is left out, and makes the others
             no returns of a longer time
    market   the column that stands for the market in `capm`; None = the average of the symbols
    mean, covariance, correlation  own numbers in place of the estimated ones, by name in any order: means per year
             (those not named are estimated), covariance per year, correlation for the hierarchical methods
    benchmark  a series like the symbols', by date: its name, else "benchmark", becomes the last symbol; a Universe
             without it, and with benchmark={name: 1.0}, measures tracking error and beta against it and holds none
    factor_model  whose covariance of the symbols takes the place of an estimated one; without it the method
             `factor_model` fits one on the returns alone: no size, sectors, liquidity or characteristics
    Returns run from one date on which all are priced to the next, and there are as many a year as those dates have.
    Raises PolicyError for an unknown method or symbol, DataError for bad prices or too short a history.

    >>> estimate(prices, Recipe(lookback_days=120)).observations
    120
    """
    given = prices if returns is None else returns
    if given is None or (prices is not None and returns is not None):
        raise PolicyError("estimate reads prices or returns; give one of them")
    if not isinstance(given, pd.DataFrame) or not isinstance(recipe, Recipe):
        raise PolicyError(
            "estimate reads a DataFrame, dates x symbols, by a Recipe; make a table and a recipe of them"
        )
    if market is not None and not isinstance(market, str):
        raise PolicyError(
            f"market is a {type(market).__name__}; name its column, or give a series as benchmark"
        )
    check_labels(given)
    if len(given.index) and isinstance(given.index[0], str):
        raise DataError(
            f"the index is text, {given.index[0]!r}; make dates of it: table.index = pandas.to_datetime(table.index)"
        )
    given = given.set_axis([str(name) for name in given.columns], axis=1)
    symbols = recipe.symbols or tuple(given.columns)
    if benchmark is not None:
        given, name = with_benchmark(given, benchmark)
        symbols, recipe = (*symbols, name), replace(recipe, symbols=(*symbols, name))
    risk = None if factor_model is None else factor_model.of(symbols).covariance
    found = _estimated_from(given, symbols, recipe, market, risk, of_returns=returns is not None)
    return with_own(found, mean, covariance, correlation)


def _estimated_from(
    given: pd.DataFrame, symbols: tuple[str, ...], recipe: Recipe, market: str | None, risk: Matrix | None,
    *, of_returns: bool,
) -> Estimates:  # fmt: skip
    values = _chosen(given, symbols, market)
    if of_returns:
        return _from_returns(values, given.index, symbols, recipe, risk, market is not None)
    rows = slice(first_row(values, given.index, recipe), None)
    check_values(values[rows], given.index[rows], (*symbols, market))
    told = None if market is None else values[rows, -1]
    return estimate_window(values[rows, : len(symbols)], given.index[rows], symbols, recipe, told, risk)


def estimate_window(
    values: Array, dates: Dates, symbols: tuple[str, ...], recipe: Recipe, market: Array | None = None,
    risk: Matrix | None = None,
) -> Estimates:  # fmt: skip
    """`estimate` on checked prices: (T, n) from `first_row` on, of n symbols; market (T,); risk, a covariance given."""
    methods = _methods(recipe)
    if recipe.missing == "pairwise":
        return _pairwise(values, dates, symbols, recipe)
    table = values if market is None else np.column_stack([values, market])
    notes: tuple[str, ...] = ()
    own = table
    if np.isnan(table.sum()) or len(table) <= recipe.lookback_days:
        notes, common = gap_notes(table, dates, symbols, recipe), common_rows(table)
        # A whole window keeps its place in memory, and so the last bits of its sums.
        if len(common) < len(table):
            own, dates = table[common], dates[common]
    if recipe.frequency != "daily":
        ends = period_ends(dates, recipe.frequency)
        own, dates = own[ends], dates[ends]
    periods, undated = yearly_periods(dates, recipe)
    returns = simple_returns(own)
    check_enough(returns, periods, table, symbols, recipe)
    return _estimated(returns, symbols, recipe, methods, periods, notes + undated, risk, market is not None)


def _from_returns(
    values: Array,
    dates: Dates,
    symbols: tuple[str, ...],
    recipe: Recipe,
    risk: Matrix | None,
    with_market: bool,
) -> Estimates:
    methods = _methods(recipe)
    if recipe.missing == "pairwise" or recipe.frequency != "daily":
        raise PolicyError(
            "missing='pairwise' and other frequencies are read from prices; give prices, not returns"
        )
    rows = common_rows(values, recipe.lookback_days)
    recent = values[rows[0] if len(rows) else 0 :]
    check_returns(recent, symbols)
    periods, undated = yearly_periods(dates[rows], recipe, of_returns=True)
    lost = len(recent) - len(rows)
    own = values[rows] if lost else recent  # a whole window keeps its place in memory, as that of prices does
    check_enough(own, periods, recent, symbols, recipe)
    notes = (f"{how_many(lost, 'row')} of {len(recent)} without a return left out",) if lost else ()
    return _estimated(own, symbols, recipe, methods, periods, notes + undated, risk, with_market)


def _estimated(
    returns: Array,
    symbols: tuple[str, ...],
    recipe: Recipe,
    methods: tuple[Estimator, Estimator],
    periods: float,
    notes: tuple[str, ...],
    risk: Matrix | None,
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
        covariance=_covariance(covariance_of, sample, recipe, periods) if risk is None else risk,
        scenarios=sample.returns,
        observations=sample.rows,
        notes=notes + _few_rows(sample.rows, len(symbols), recipe),
        periods_per_year=periods,
        trusted=True,
    )


def _pairwise(values: Array, dates: Dates, symbols: tuple[str, ...], recipe: Recipe) -> Estimates:
    """Each pair over its own common dates; scenarios are the returns between the dates common to all."""
    mean, covariance, fewest = pairwise_moments(
        values, dates, symbols, recipe.frequency, lambda rows: yearly_periods(rows, recipe)[0]
    )
    common = common_rows(values)
    common = common[period_ends(dates[common], recipe.frequency)]
    rows = common if len(common) > MIN_SCENARIOS else np.arange(len(values))
    periods, undated = yearly_periods(dates[rows], recipe)
    repaired, repair = _repaired(covariance)
    return Estimates(
        symbols=symbols,
        mean=mean,
        covariance=repaired,
        scenarios=simple_returns(values[common]) if len(common) > MIN_SCENARIOS else None,
        observations=fewest,
        notes=gap_notes(values, dates, symbols, recipe)
        + undated
        + _few_rows(fewest, len(symbols), recipe)
        + repair,
        periods_per_year=periods,
        trusted=True,
    )


def _methods(recipe: Recipe) -> tuple[Estimator, Estimator]:
    mean_of = choose("mean_method", recipe.mean_method, MEANS)
    covariance_of = choose("covariance_method", recipe.covariance_method, COVARIANCES)
    check_one_of("missing", recipe.missing, ("complete", "pairwise"))
    if recipe.covariance_method == FACTOR_MODEL and recipe.frequency != "daily":
        raise PolicyError(f"covariance_method {FACTOR_MODEL} reads daily returns; set frequency to daily")
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
    names = given[[*symbols]]
    check_table(names)
    values = floats("the table", names)
    return values if market is None else np.column_stack([values, floats("the market", given[market])])


def _few_rows(rows: int, n: int, recipe: Recipe) -> tuple[str, ...]:
    """A note where there are more names than returns can tell apart."""
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
