"""What a day knew besides prices: the risk-free rate, market capitalisations, and the benchmark made of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimizer.beliefs.estimators.recipes import FACTOR_MODEL
from optimizer.beliefs.estimators.spectral import session_periods
from optimizer.errors import DataError
from optimizer.factors.factor_model import FactorModel
from optimizer.factors.fit import FactorSettings, fit_factors
from optimizer.factors.panel import YEAR, FactorPanel
from optimizer.measures.return_series import annual_rates
from optimizer.model.recipe import Recipe
from optimizer.model.returns import check_table
from optimizer.model.sessions import Dates, as_dates
from optimizer.typing import Array

NOTHING = 1e-12  # what is worthless, where another share goes on from it: no return is known from 0
GAP_DAYS = 5  # closes in a row without a price after which a name no longer counts
Weighting = Literal["fixed", "equal_weight", "market_cap"]


@dataclass(frozen=True, eq=False)
class FactorHistory:
    """Factor models by day, each fitted on the sessions up to it as a pack of that day would be.

    panel  sessions by date, from a year and a lookback before the first day asked for
    own    names that are in each model; the others are once their capitalisation is known
    periods  returns a year, where stated; None: as many as the sessions of each model have

    >>> panel = FactorPanel(symbols, np.array(dates[1:], 'M8[D]'), moves)
    >>> FactorHistory(panel, FactorSettings()).at(dates[200].date(), 150).symbols
    ('BONDS', 'EQUITY', 'GOLD')
    """

    panel: FactorPanel
    settings: FactorSettings
    own: Collection[str] = ()
    periods: float | None = None
    _kept: dict[tuple[date, int], FactorModel] = field(default_factory=dict, init=False, repr=False)

    def at(self, day: date, lookback: int) -> FactorModel:
        """The model known at the close of a day, of so many sessions; DataError where nothing can be fitted yet."""
        key = day, lookback
        if key not in self._kept:
            place = int(np.searchsorted(self._days, np.datetime64(day), side="right"))
            known = self.panel.between(max(0, place - lookback - YEAR), place)
            settings = replace(self.settings, periods_per_year=session_periods(self.periods, known.dates))
            self._kept[key] = fit_factors(known.among(self._there(known)), settings).model
        return self._kept[key]

    def _there(self, known: FactorPanel) -> npt.NDArray[np.bool_]:
        """(n,) the names that the sessions know: what comes later may not even stand among them."""
        there = np.asarray(known.present.any(axis=0))
        weighed = there if known.caps is None else there & (known.caps > 0).any(axis=0)
        own = np.isin(known.symbols, list(self.own))
        return np.asarray(there & (weighed | own)) if weighed.any() else there

    @cached_property
    def _days(self) -> Dates:
        return np.array(self.panel.dates, "datetime64[D]")


@dataclass(frozen=True, eq=False)
class DatedFacts:
    """Facts by date, each used from its date on.

    rates      risk-free rates per year by date, the last known holds; None: the policy's own
    caps       (T, n) market capitalisations in base currency at each close, NaN where none is known; None: none are
    weighting  of the benchmark: "fixed" weights, or made anew each day of the names that exist
    factors    models by day, for a policy with the covariance of one; None: none are needed
    sectors    by date from which on they hold and symbol, all known at each; None: those of the universe never changed

    >>> DatedFacts(rates=pd.Series({dates[0]: 0.03})).rate(dates[9])
    0.03
    """

    rates: pd.Series | None = None
    caps: pd.DataFrame | None = None
    weighting: Weighting = "fixed"
    sectors: pd.DataFrame | None = None
    factors: FactorHistory | None = None

    def __post_init__(self) -> None:
        for name in ("caps", "sectors"):
            if (table := getattr(self, name)) is not None:
                check_table(table)
                object.__setattr__(self, name, table.set_axis(as_dates(name, table.index), axis=0))

    def model(self, day: pd.Timestamp, recipe: Recipe) -> FactorModel | None:
        """The factor model of a recipe's symbols known that day; None where there is none or it asks for none."""
        if self.factors is None or recipe.covariance_method != FACTOR_MODEL:
            return None
        return self.factors.at(day.date(), recipe.lookback_days).of(recipe.symbols)

    def sectors_of(self, day: pd.Timestamp) -> dict[str, str] | None:
        """Symbol -> sector as known that day, the first one stated before that; None where they never changed."""
        if self.sectors is None:
            return None
        row = self.sectors.iloc[max(int(self.sectors.index.searchsorted(day, side="right")) - 1, 0)].dropna()
        return {str(symbol): str(sector) for symbol, sector in row.items()}

    def rate(self, day: pd.Timestamp) -> float | None:
        """The risk-free rate known that day; None where the policy states its own."""
        return None if self.rates is None else float(annual_rates(pd.DatetimeIndex([day]), self.rates)[0])

    def caps_of(self, day: pd.Timestamp, symbols: Sequence[str]) -> dict[str, float] | None:
        """Capitalisations known that day; None where they are not needed. DataError where not one is known."""
        if self.caps is None:
            return None
        row = self.caps.loc[:day].iloc[-1:].reindex(columns=list(symbols))
        known = {
            str(symbol): float(cap)
            for symbol, cap in zip(row.columns, row.to_numpy().ravel(), strict=False)
            if cap > 0
        }
        if not known:
            raise DataError(
                f"no market cap is known on {day.date()}; ingest those of that time, or start later"
            )
        return known

    def benchmark(
        self, day: pd.Timestamp, symbols: Sequence[str], fixed: Mapping[str, float]
    ) -> dict[str, float] | None:
        """Benchmark weights among the symbols, adding up to 1; None where it holds none of them."""
        made: Mapping[str, float] = fixed
        if self.weighting == "equal_weight":
            made = dict.fromkeys(symbols, 1.0)
        elif self.weighting == "market_cap":
            made = self.caps_of(day, symbols) or {}
        among = set(symbols)
        known = {symbol: weight for symbol, weight in made.items() if symbol in among}
        total = sum(known.values())
        return {symbol: weight / total for symbol, weight in known.items()} if total else None


def dated_sectors(stated: pd.DataFrame) -> pd.DataFrame | None:
    """What is known at each date of (T, n) statements, NaN where nothing new is told; None where nothing changes.

    Before its first statement a name is in the sector of that one: where nothing else is known.
    """
    return stated.ffill().bfill() if (stated.nunique() > 1).any() else None


def carried_caps(stated: pd.DataFrame, prices: pd.DataFrame) -> pd.DataFrame:
    """(T, n) capitalisations at each close: the newest one stated, carried on by the name's price since.

    stated  base currency, by the date from which each is known, NaN where nothing new is told
    prices  (T, n) in base currency, splits taken out, dividends not: what is paid out is no part of a capitalisation
    A statement is told at the close of its day or the last one before it; of a day in a long gap, or before a name's
    first price, at the one after. There is no capitalisation within the gap.
    """
    marks = prices.ffill(limit=GAP_DAYS)
    every = stated.index.union(prices.index)
    at = marks.reindex(every, method="ffill").bfill()
    return (stated.reindex(index=every, columns=prices.columns) / at).ffill().reindex(prices.index) * marks


def benchmark_weights(
    prices: pd.DataFrame, facts: DatedFacts, fixed: Mapping[str, float], members: Sequence[str]
) -> pd.DataFrame:
    """(T, m) weights of the benchmark at each close; a row of zeros where it has no member yet.

    fixed    symbol -> weight, kept throughout, where that is the weighting
    members  else the names it is made of, as far as they are priced
    """
    if facts.weighting == "fixed":
        rows = np.tile(np.array([*fixed.values()]), (len(prices), 1))
        return pd.DataFrame(rows, prices.index, list(fixed))
    names = list(members)
    size = prices[names].ffill(limit=GAP_DAYS).notna().astype(np.float64)
    if facts.weighting == "market_cap" and facts.caps is not None:
        size = facts.caps[names].fillna(0.0) * size
    total = size.sum(axis=1)
    return size.div(total.where(total > 0, 1.0), axis=0)


def last_worths(
    prices: pd.DataFrame,
    payouts: Mapping[tuple[str, date], float],
    heirs: Mapping[tuple[str, date], tuple[str, float]],
) -> pd.DataFrame:
    """(T, n) prices that end with what a unit of a name was worth that ceased to be, see `BacktestSettings`.

    What is priced under the name later is another share: it goes on from there, so that its returns alone are told.
    """
    told, scale = prices.copy(), dict.fromkeys(prices.columns, 1.0)
    for symbol, day in sorted({*payouts, *heirs}):
        heir, units = heirs.get((symbol, day), (None, 0.0))
        since = prices.index.searchsorted(pd.Timestamp(day))
        worth = np.zeros(len(prices)) if heir is None else units * prices[heir].to_numpy(dtype=np.float64)
        rows = np.flatnonzero(np.isfinite(worth[since:])) + since
        if symbol in prices.columns and len(rows):
            row = int(rows[0])
            last = (payouts.get((symbol, day), 0.0) + worth[row]) * scale[symbol]
            later = prices[symbol].iloc[row + 1 :]
            if (first := later.first_valid_index()) is not None:
                last = last or NOTHING
                scale[symbol] = last / later[first]
                told.loc[later.index, symbol] = later * scale[symbol]
            told.loc[prices.index[row], symbol] = last
    return told


def benchmark_index(prices: pd.DataFrame, weights: pd.DataFrame) -> pd.Series:
    """An index of (T, m) weights at each close, traded daily without cost; it starts at 1.

    A name earns nothing while it has no price, and its whole move on the day on which it has one again.
    """
    moves = prices[list(weights.columns)].ffill().pct_change(fill_method=None).fillna(0.0).to_numpy()
    earned: Array = (weights.to_numpy()[:-1] * moves[1:]).sum(axis=1)
    return pd.Series(np.concatenate([[1.0], np.cumprod(1 + earned)]), prices.index)
