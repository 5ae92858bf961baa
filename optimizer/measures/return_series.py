"""Performance of a series of returns by date: the table of its metrics, by month, against a benchmark."""

import numpy as np
import pandas as pd

from optimizer.arguments import typed
from optimizer.errors import DataError, how_many
from optimizer.measures import performance as p
from optimizer.model.returns import per_period
from optimizer.model.sessions import as_dates, periods_per_year
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
