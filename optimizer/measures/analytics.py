"""Performance of a portfolio over its dated holdings: returns, risk, benchmark, attribution."""

from collections.abc import Mapping
from datetime import date

import numpy as np
import pandas as pd

from optimizer.arguments import typed
from optimizer.errors import DataError, PolicyError, check_one_of
from optimizer.measures import performance as p
from optimizer.measures.attribution import by_exposure, contributions
from optimizer.measures.return_series import (
    Metrics,
    annual_rates,
    benchmark_returns,
    by_date,
    performance_metrics,
)
from optimizer.model.exposure_types import ExposureType
from optimizer.model.exposures import FundExposureMap
from optimizer.model.portfolio import Portfolio
from optimizer.model.returns import SAMPLED, check_prices, dated_numbers
from optimizer.model.sessions import as_dates, as_day, periods_per_year
from optimizer.typing import Array


@typed
class PortfolioAnalytics:
    """Analytics of a portfolio on total-return prices, fractions per year.

    portfolio    what is held now
    market_data  (T, n) total-return prices in the base currency, dates x symbols
    history      date -> what was held from that close on; without it today's holdings are taken to have been
                 held throughout, and `pro_forma` says so
    fund_map     look-through of the funds, for the attribution by exposure
    risk_free_rate  per year; a number, or a series by date (the last known holds)

    >>> round(PortfolioAnalytics(book, prices).calculate_volatility(), 4) > 0
    True
    """

    def __init__(
        self,
        portfolio: Portfolio,
        market_data: pd.DataFrame,
        *,
        history: Mapping[date, Portfolio] | None = None,
        fund_map: FundExposureMap | None = None,
        risk_free_rate: float | pd.Series = 0.02,
    ) -> None:
        check_prices(market_data)
        if not len(market_data):
            raise DataError("market_data has no row; give prices by date, two at least")
        self.portfolio = portfolio
        self.market_data = dated_numbers(market_data)
        self.fund_map = fund_map
        self.risk_free_rate = risk_free_rate
        self.pro_forma = not history
        days = pd.DatetimeIndex(self.market_data.index)
        told = {as_day("history", day, days.tz): held for day, held in (history or {}).items()}
        dated = told or {days[0]: portfolio}
        self._start = min(dated)
        self._shares, self._cash = _holdings(dated, self.market_data)

    def calculate_portfolio_values(self) -> pd.Series:
        """(T,) value at each close: shares x price + cash."""
        held = self._shares.to_numpy() * self._prices().to_numpy()
        return pd.Series(held.sum(axis=1) + self._cash.to_numpy(), self._shares.index, name="value")

    def calculate_returns(self, frequency: str = "daily") -> pd.Series:
        """(T - 1,) returns of what was held at the previous close, so that flows earn nothing (chained).

        "daily" are those from each row of the prices to the next, at whatever frequency they come.
        """
        check_one_of("frequency", frequency, (*SAMPLED, "annual"))
        shares, prices = self._shares.to_numpy(), self._prices().to_numpy()
        before = (shares * prices).sum(axis=1)[:-1] + self._cash.to_numpy()[:-1]
        gain = (shares[:-1] * np.diff(prices, axis=0)).sum(axis=1)
        empty = (before == 0) & (gain == 0)  # sold out: nothing is earned until it is funded again
        if ((before <= 0) & ~empty).any():
            raise DataError(f"{self.portfolio.name} was worth nothing at some close; start its history later")
        earned = np.divide(gain, before, out=np.zeros(len(gain)), where=~empty)
        daily = pd.Series(earned, self._shares.index[1:], name="return")
        if frequency == "daily":
            return daily
        code = {"weekly": "W-FRI", "monthly": "M", "annual": "Y"}[frequency]
        period = as_dates("the prices", daily.index).to_period(code)
        return (1 + daily).groupby(period).prod() - 1

    def calculate_position_returns(self) -> pd.DataFrame:
        """(T - 1, n) daily simple returns of each name that was held."""
        prices = self._prices()
        return prices.pct_change(fill_method=None).iloc[1:]

    def calculate_time_weighted_return(self) -> float:
        """Chained return of the whole period."""
        return p.total_return(self.calculate_returns().to_numpy())

    def calculate_money_weighted_return(self, flows: pd.Series) -> float:
        """Internal rate of return per year (365.25 days); `flows` by date are amounts paid in.

        Raises DataError for a flow of a date without prices, and what `performance.money_weighted_return` raises.
        """
        values = self.calculate_portfolio_values()
        dates = as_dates("the prices", values.index)
        told = by_date("flows", flows)
        if len(outside := told.index[told != 0].difference(dates)):
            raise DataError(
                f"the flow of {outside[0].date()} is of no date with prices; give each the close at which it was there"
            )
        paid = told.reindex(dates, fill_value=0.0).to_numpy()
        days = (dates - dates[0]).days
        return p.money_weighted_return(values.to_numpy(), paid, np.asarray(days / 365.25))

    def calculate_volatility(self) -> float:
        """Standard deviation per year."""
        returns = self.calculate_returns()
        return p.volatility(returns.to_numpy(), periods_per_year(returns.index))

    def calculate_sharpe_ratio(self) -> float:
        """Per year, over the risk-free rate; NaN without variation."""
        returns = self.calculate_returns()
        return p.sharpe(returns.to_numpy(), self._rates(), periods_per_year(returns.index))

    def calculate_max_drawdown(self) -> dict[str, object]:
        """Depth (negative), dates of peak, trough and recovery (None while it lasts), duration in calendar days."""
        returns = self.calculate_returns()
        fall = p.max_drawdown(returns.to_numpy())
        days = self._shares.index
        end = days[fall.recovered] if fall.recovered is not None else None
        return {
            "max_drawdown": fall.depth,
            "peak_date": days[fall.peak],
            "trough_date": days[fall.trough],
            "recovery_date": end,
            "duration_days": int(((end if end is not None else days[-1]) - days[fall.peak]).days),
        }

    def calculate_var(self, level: float = 0.95, method: str = "historical") -> float:
        """One-day loss not exceeded with that probability; positive is a loss."""
        measures = {"historical": p.value_at_risk, "parametric": p.normal_value_at_risk}
        check_one_of("method", method, measures)
        return measures[method](self.calculate_returns().to_numpy(), level)

    def calculate_cvar(self, level: float = 0.95) -> float:
        """Mean one-day loss of the worst days; positive is a loss."""
        return p.expected_shortfall(self.calculate_returns().to_numpy(), level)

    def calculate_metrics(self, benchmark: pd.Series | None = None) -> Metrics:
        """Every measure of `performance_metrics`, NaN likewise; `benchmark` (T,) are total-return prices by date."""
        returns = self.calculate_returns()
        other = None if benchmark is None else benchmark_returns(benchmark, self._shares.index)
        return performance_metrics(returns, other, risk_free_rate=self._rates())

    def calculate_attribution(self) -> pd.Series:
        """Contribution of each name to the chained return; their sum is that return."""
        weights = self._weights()
        return contributions(weights, self.calculate_position_returns())

    def calculate_exposure_attribution(self) -> dict[ExposureType, float]:
        """The same by type of exposure, each fund's part shared out by the size of its legs."""
        if self.fund_map is None:
            raise PolicyError("attribution by exposure needs a fund map; give one")
        return by_exposure(self.calculate_attribution(), self.fund_map)

    def generate_analytics_summary(self) -> dict[str, object]:
        """Period, all measures (NaN as there), drawdown dates, best and worst name by contribution."""
        parts, told = self.calculate_attribution(), self.calculate_metrics()
        index = self._shares.index
        return {
            "start": index[0],
            "end": index[-1],
            "pro_forma": self.pro_forma,
            **told,
            **self.calculate_max_drawdown(),
            "best_position": str(parts.idxmax()) if len(parts) else None,
            "worst_position": str(parts.idxmin()) if len(parts) else None,
        }

    def _rates(self) -> Array:
        """(T - 1,) the annual rate known at the close before each return."""
        return annual_rates(self._shares.index, self.risk_free_rate)[:-1]

    def _prices(self) -> pd.DataFrame:
        return self.market_data.loc[self._start :, list(self._shares.columns)]

    def _weights(self) -> pd.DataFrame:
        values = self.calculate_portfolio_values()
        return (self._shares * self._prices()).div(values, axis=0).iloc[:-1]


def _holdings(
    dated: Mapping[pd.Timestamp, Portfolio], prices: pd.DataFrame
) -> tuple[pd.DataFrame, pd.Series]:
    """Shares (T, n) and cash (T,) at each close from the first dated holdings on."""
    symbols = sorted({symbol for held in dated.values() for symbol in held.positions})
    missing = [symbol for symbol in symbols if symbol not in prices.columns]
    if missing:
        raise DataError(f"no prices for {', '.join(missing)}; add them to market_data")
    days = prices.index[prices.index >= min(dated)]
    if prices.loc[days, symbols].isna().to_numpy().any():
        first = [s for s in symbols if prices.loc[days, s].isna().any()]
        raise DataError(
            f"{', '.join(first)} has days without a price; start later or fill them at the source"
        )
    order = sorted(dated)
    position = np.searchsorted(pd.DatetimeIndex(order), pd.DatetimeIndex(days), side="right") - 1
    held = [dated[day] for day in order]
    table = np.array(
        [[float(h.positions[s].quantity) if s in h.positions else 0.0 for s in symbols] for h in held]
    ).reshape(len(held), len(symbols))
    cash = np.array([float(h.cash) for h in held])
    return pd.DataFrame(table[position], days, symbols), pd.Series(cash[position], days)
