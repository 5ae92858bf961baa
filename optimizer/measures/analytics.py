"""Performance of a portfolio over its dated holdings: returns, risk, benchmark, attribution."""

from collections.abc import Mapping
from datetime import date

import numpy as np
import pandas as pd

from optimizer.arguments import typed
from optimizer.errors import DataError, PolicyError, check_one_of, how_many
from optimizer.measures import performance as p
from optimizer.measures.attribution import by_exposure, contributions
from optimizer.model.exposures import ExposureType, FundExposureMap
from optimizer.model.portfolio import Portfolio
from optimizer.model.returns import SAMPLED, check_prices, dated_numbers, per_period
from optimizer.model.sessions import as_dates, as_day, periods_per_year
from optimizer.numerics.counted import floats, in_range, in_time, same_labels
from optimizer.typing import Array

Metrics = dict[str, float]
ABSURD = 1e6  # no return of a period is as large


@typed
def performance_metrics(
    returns: pd.Series,
    benchmark: pd.Series | None = None,
    *,
    risk_free_rate: float | Array | pd.Series = 0.0,
    trials: int = 1,
    trial_variance: float | None = None,
    periods: float | None = None,
) -> Metrics:
    """Every measure of one series of returns; fractions, per year unless the name says otherwise.

    returns    (T,) simple returns per period, by date;  benchmark  likewise, on the same dates
    risk_free_rate  annual; one for all periods, (T,) that of each, or a Series of what is known since which date
    trials     distinct strategies tried before this one was chosen, for the deflated Sharpe ratio
    trial_variance  variance of their Sharpe ratios per year; None: the variance of this one's estimate
    periods    per year; None: as many as the dates have, 252 where there are none
    The value at risk and expected shortfall are of one period; durations are in periods. A ratio whose divisor is 0 is
    NaN. Raises DataError for fewer than two returns and for one that is none.

    >>> round(performance_metrics(prices['GOLD'].pct_change().iloc[1:])['hit_rate'], 3) > 0.4
    True
    """
    if not isinstance(returns, pd.Series) or not isinstance(benchmark, pd.Series | None):
        raise DataError(
            "performance_metrics reads a Series by date; make one of the returns and the benchmark"
        )
    if isinstance(risk_free_rate, pd.Series):
        risk_free_rate = annual_rates(returns.index, risk_free_rate)
    elif not isinstance(risk_free_rate, float | int):
        risk_free_rate = floats("risk_free_rate", risk_free_rate)
    if not returns.index.is_monotonic_increasing:
        raise DataError("the returns' dates must ascend; sort them: returns.sort_index()")
    r = p.checked(in_time("returns", returns))
    periods = periods_per_year(returns.index) if periods is None else periods
    test = p.sharpe_test(r, risk_free_rate, periods, trials=trials, trial_variance=trial_variance)
    found = _of_itself(r, risk_free_rate, periods, test)
    if benchmark is None:
        return found
    if not same_labels(benchmark.index, returns.index):
        raise DataError("the benchmark's dates differ from the portfolio's; align them on common dates")
    return found | _relative(r, p.checked(floats("benchmark", benchmark)), risk_free_rate, periods)


def _of_itself(r: Array, rate: float | Array, periods: float, test: p.SharpeTest) -> Metrics:
    """The measures that need no benchmark."""
    fall = p.max_drawdown(r)
    return {
        "total_return": p.total_return(r),
        "annual_return": p.annual_return(r, periods),
        "volatility": p.volatility(r, periods),
        "sharpe": test.ratio,
        "sharpe_low": test.low,
        "sharpe_high": test.high,
        "probabilistic_sharpe": test.probabilistic,
        "deflated_sharpe": test.deflated,
        "sortino": p.sortino(r, rate, periods),
        "calmar": p.calmar(r, periods),
        "omega": p.omega(r, per_period(rate, periods)),
        "max_drawdown": fall.depth,
        "max_drawdown_days": float(fall.duration),
        "longest_drawdown_days": float(p.longest_drawdown(r).duration),
        "value_at_risk_95": p.value_at_risk(r),
        "expected_shortfall_95": p.expected_shortfall(r),
        "skewness": p.skewness(r),
        "kurtosis": p.kurtosis(r),
        "hit_rate": p.hit_rate(r),
        "best_day": float(r.max()),
        "worst_day": float(r.min()),
    }


def _relative(r: Array, b: Array, risk_free_rate: float | Array, periods: float) -> Metrics:
    return {
        "benchmark_return": p.annual_return(b, periods),
        "beta": p.beta(r, b),
        "alpha": p.alpha(r, b, risk_free_rate, periods),
        "tracking_error": p.tracking_error(r, b, periods),
        "information_ratio": p.information_ratio(r, b, periods),
        "up_capture": p.capture(r, b, up=True),
        "down_capture": p.capture(r, b, up=False),
        "hit_rate_against_benchmark": p.hit_rate(r, b),
    }


def annual_rates(dates: pd.Index, rate: float | pd.Series) -> Array:
    """(T,) the annual rate known at each close; a Series by date in any order.

    Raises DataError for a date before the first one known, where a date has two rates, and for one that is no fraction.
    """
    if not isinstance(rate, pd.Series):
        return in_range("risk_free_rate", np.full(len(dates), float(rate)))
    days = as_dates("the returns", dates)
    known = by_date("risk-free rates", rate).reindex(days, method="ffill").to_numpy()
    if np.isnan(known).any():
        raise DataError(
            f"no risk-free rate is known on {days[int(np.argmax(np.isnan(known)))].date()}; add it"
        )
    return in_range("risk_free_rate", np.asarray(known))


def dated(what: str, given: pd.Series) -> pd.Series:
    """Numbers by date without a zone, in their order; DataError for what is no Series and labels that are no dates."""
    if not isinstance(given, pd.Series):
        raise DataError(f"{what}: that is a {type(given).__name__}; give a Series by date")
    return pd.Series(floats(what, given), as_dates(what, given.index))


def by_date(what: str, given: pd.Series) -> pd.Series:
    """Numbers by date without a zone, ascending; DataError for labels that are no dates, and for two of a date."""
    told = dated(what, given).sort_index()
    if not told.index.is_unique:
        raise DataError(f"{what}: {told.index[told.index.duplicated()][0].date()} stands twice; keep it once")
    return told


def benchmark_returns(prices: pd.Series, dates: pd.Index) -> pd.Series:
    """(T - 1,) what a benchmark, whose prices are given by date, earned from each of some dates (T,) to the next.

    Raises DataError for a date without a price, and what `by_date` raises.
    """
    told = by_date("the benchmark", prices).reindex(as_dates("the prices", dates))
    if told.isna().any():
        lacking = told.index[told.isna()]
        raise DataError(
            f"the benchmark has no price on {how_many(len(lacking), 'date')}, the first {lacking[0].date()}; "
            f"give one a date"
        )
    return told.set_axis(dates).pct_change(fill_method=None).iloc[1:]


@typed
def monthly_table(returns: pd.Series) -> pd.DataFrame:
    """Years x months of compounded returns, the year's own in column "year"; NaN where there are no days.

    Raises DataError for rows that have no dates, and for two of a date.

    >>> monthly_table(prices['GOLD'].pct_change().iloc[1:]).shape
    (2, 13)
    """
    returns = by_date("the returns", returns)
    index = pd.DatetimeIndex(returns.index)
    if (returns.abs() > ABSURD).any():
        raise DataError("a return is beyond a million; give fractions, 0.01 for 1%")
    growth = (1 + returns).groupby([index.year, index.month]).prod().unstack() - 1
    growth.index.name, growth.columns.name = "year", "month"
    growth = growth.reindex(columns=range(1, 13))
    growth["year"] = (1 + returns).groupby(index.year).prod() - 1
    return growth


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
