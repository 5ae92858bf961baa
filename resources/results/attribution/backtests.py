"""What factors added to each day of a policy's backtest, on the model of all that the pack knew of its names."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from optimizer import fit_factors
from optimizer.backtests.attribution import DailyParts, daily_book, daily_parts
from optimizer.beliefs.estimators.spectral import settings_of
from optimizer.factors.attribution import factor_days
from optimizer.model.sessions import TRADING_DAYS
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.results.estimates.pack_estimates import Case
from resources.results.factor_models.panels import factor_panel
from resources.results.replays.pack_backtests import POLICY, Replay
from resources.results.replays.replay_inputs import Past


def backtest_parts(con: Connection, pack: Pack, case: Case, past: Past, replay: Replay) -> DailyParts:
    """The parts of each day of the policy; days before the first regression are the names' own.

    Raises DataError where the data of its names do not do for a model.
    """
    result = replay.results[POLICY]
    book, closes = daily_book(result), result.nav.index[:-1]
    names = tuple(str(name) for name in past.prices.columns)
    recipe = replace(case.snapshot.recipe(), symbols=names, lookback_days=len(result.nav))
    panel = factor_panel(con, pack, recipe)
    own = pd.DataFrame(book.weights, closes, list(result.symbols)).reindex(columns=list(panel.symbols))
    other = replay.weights.reindex(closes).reindex(columns=list(panel.symbols))
    books = np.nan_to_num(np.stack([own.to_numpy(dtype=float), other.to_numpy(dtype=float)]))
    settings = settings_of(recipe.half_life, recipe.periods_per_year or float(TRADING_DAYS))
    dates = list(pd.DatetimeIndex(book.dates).date)
    days = factor_days(partial(fit_factors, panel, settings), dates, books)
    earned = replay.benchmark.pct_change(fill_method=None).reindex(book.dates)
    return daily_parts(book, days, np.asarray(earned, dtype=float))


def part_rows(found: DailyParts) -> pd.DataFrame:
    """Rows of `backtest_factors`, without whether prices are simulated."""
    days, parts = found.own.shape
    blank = np.full((days, parts - found.exposures.shape[1]), np.nan)
    return pd.DataFrame(
        {
            "strategy": POLICY,
            "date": np.repeat(pd.DatetimeIndex(found.dates).date, parts),
            "part": np.tile(found.parts, days),
            "factor_group": np.tile(found.groups, days),
            "exposure": np.column_stack([found.exposures, blank]).ravel(),
            "benchmark_exposure": np.column_stack([found.benchmark_exposures, blank]).ravel(),
            "contribution": found.own.ravel(),
            "benchmark": found.benchmark.ravel(),
            "standard_error": found.errors.ravel(),
            "active_error": found.active_errors.ravel(),
        }
    )
