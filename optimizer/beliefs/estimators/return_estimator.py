"""Estimates straight from a table of market data, without a recipe."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from optimizer.arguments import typed
from optimizer.beliefs.estimators.recipes import estimate
from optimizer.errors import PolicyError
from optimizer.model.estimates import Estimates
from optimizer.model.recipe import Recipe
from optimizer.model.returns import check_prices
from optimizer.model.sessions import common_rows, periods_per_year
from optimizer.typing import Array

CENTURY = 100


@typed
@dataclass(frozen=True, eq=False)
class ReturnEstimator:
    """Expected returns and covariances of symbols, per year.

    market_data     dates x symbols, total-return prices, ascending; NaN = no price that day
    risk_free_rate  per year, for `capm` and `semi`
    market          the column that stands for the market in `capm`; None = the average of the symbols
    periods_per_year  of the prices; None = as many as the dates have on which all the symbols are priced
    Its methods raise PolicyError for an unknown method or symbol, DataError for bad or too few prices.

    >>> ReturnEstimator(prices).estimate_covariance_matrix(symbols).shape
    (3, 3)
    """

    market_data: pd.DataFrame
    risk_free_rate: float = 0.0
    market: str | None = None
    periods_per_year: float | None = None

    def estimate_expected_returns(
        self, symbols: Sequence[str], method: str = "historical", lookback_years: float = 5
    ) -> Array:
        """(n,) expected total returns per year at the prices' own frequency; methods in `recipes.MEANS`."""
        mean = self.estimates(symbols, mean=method, lookback_years=lookback_years).mean
        return np.zeros(0) if mean is None else mean

    def estimate_covariance_matrix(
        self,
        symbols: Sequence[str],
        method: str = "sample",
        lookback_years: float = 5,
        frequency: str = "daily",
    ) -> Array:
        """(n, n) covariance per year; methods as in `recipes.COVARIANCES`, frequencies in `SAMPLED`."""
        return self.estimates(
            symbols, covariance=method, lookback_years=lookback_years, frequency=frequency
        ).covariance

    def estimates(
        self,
        symbols: Sequence[str],
        *,
        mean: str = "historical",
        covariance: str = "sample",
        lookback_years: float = 5,
        frequency: str = "daily",
    ) -> Estimates:
        """Both at once, checked, with the scenarios they rest on."""
        if not 0 < lookback_years <= CENTURY:
            raise PolicyError(
                f"lookback_years is {lookback_years}; it must be above 0, and {CENTURY} at most"
            )
        check_prices(self.market_data)
        columns = {*symbols, *([self.market] if self.market else [])} & {*self.market_data.columns}
        dates = self.market_data.index[common_rows(self.market_data[list(columns)].to_numpy(dtype=float))]
        yearly = periods_per_year(dates) if self.periods_per_year is None else self.periods_per_year
        recipe = Recipe(
            mean_method=mean,
            covariance_method=covariance,
            lookback_days=max(round(lookback_years * yearly), 2),
            symbols=tuple(symbols),
            frequency=frequency,
            risk_free_rate=self.risk_free_rate,
            periods_per_year=self.periods_per_year,
        )
        return estimate(self.market_data, recipe, market=self.market)
