"""How each name traded, day by day, from what was traded and how it moved: what square-root impact is measured by."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from optimizer.arguments import typed
from optimizer.errors import DataError
from optimizer.model.alignment import check_names
from optimizer.model.costs import Liquidity
from optimizer.model.returns import check_prices, check_table
from optimizer.model.sessions import as_dates
from optimizer.numerics.counted import floats
from optimizer.typing import Array

LIQUIDITY_DAYS = 21


@typed
@dataclass(frozen=True, eq=False)
class LiquidityPanel:
    """Volume (base currency a day) and volatility (fraction a day) of the days up to each close, dates x symbols.

    NaN where a name had no volume at all in those days, or too few prices.

    >>> rolling_liquidity(1e6 + 0 * prices, prices).at(prices.index[-1])['GOLD'].daily_volume
    1000000.0
    """

    volume: pd.DataFrame
    volatility: pd.DataFrame

    def at(self, day: pd.Timestamp) -> dict[str, Liquidity]:
        """What was known at a close; a name without volume is absent; DataError for a date the panel has not."""
        if day not in self.volume.index:
            raise DataError(f"liquidity is not known on {day.date()}; give it for the dates of the prices")
        row = self.volume.index.get_loc(day)
        volume, volatility = self.volume.to_numpy()[row], self.volatility.to_numpy()[row]
        return {
            str(symbol): Liquidity(float(volume[i]), float(volatility[i]))
            for i, symbol in enumerate(self.volume.columns)
            if volume[i] > 0 and np.isfinite(volatility[i])
        }

    def roots(self, dates: pd.DatetimeIndex, symbols: Sequence[str]) -> Array:
        """(T, n) volatility / sqrt(volume), NaN where it is not known; DataError for a date the panel has not."""
        names = list(symbols)
        if len(missing := dates.difference(as_dates("volumes", self.volume.index))):
            raise DataError(
                f"liquidity is not known on {missing[0].date()}; give it for the dates of the prices"
            )
        volume = self.volume.reindex(index=dates, columns=names).to_numpy(dtype=np.float64)
        volatility = self.volatility.reindex(index=dates, columns=names).to_numpy(dtype=np.float64)
        return np.asarray(volatility / np.sqrt(np.where(volume > 0, volume, np.nan)))


@typed
def rolling_liquidity(
    traded: pd.DataFrame, prices: pd.DataFrame, days: int = LIQUIDITY_DAYS
) -> LiquidityPanel:
    """The mean value traded and the sample deviation of the returns over the last `days` closes.

    traded  (T, n) value traded each day, base currency, NaN where none is stated;  prices  (T, n) total-return prices;
            names and dates of both are read by their labels
    Raises DataError for prices that are none, an infinite value traded or fewer than two days.

    >>> rolling_liquidity(1e6 + 0 * prices, prices).volume.shape
    (301, 3)
    """
    check_prices(prices)
    check_table(traded)
    check_names("traded", traded.columns, tuple(prices.columns))
    dates = as_dates("the prices", prices.index)
    traded = traded.set_axis(as_dates("traded", traded.index), axis=0)[list(prices.columns)]
    if not traded.index.isin(dates).any():
        raise DataError(
            "traded has no date of the prices; give both the same labels, without an hour or with it"
        )
    traded = traded.reindex(dates)
    prices, values = prices.astype(np.float64).set_axis(dates, axis=0), floats("traded", traded)
    traded = pd.DataFrame(values, dates, prices.columns)
    if days < 2 or np.isinf(values).any():
        raise DataError(f"{days} days of values traded; at least 2 are needed, and each value finite or NaN")
    priced = prices.notna()  # a return through a gap belongs to the day after it
    returns = (
        (prices if priced.to_numpy().all() else prices.ffill()).pct_change(fill_method=None).where(priced)
    )
    window = min(days, len(traded) + 2)  # pandas takes no window of more rows than a machine counts
    return LiquidityPanel(
        traded.rolling(window, min_periods=1).mean(), returns.rolling(window, min_periods=2).std()
    )
