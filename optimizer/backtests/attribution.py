"""Where a backtest's return came from: by exposure, by group against a benchmark, by factor; the parts add up."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from optimizer.backtests.report import BacktestResult
from optimizer.errors import DataError
from optimizer.factors.attribution import SPECIFIC, FactorDays, parts_of
from optimizer.measures.attribution import HELD, Groups, brinson, by_exposure, group_sums, summed
from optimizer.model.alignment import check_names
from optimizer.model.exposures import FundExposureMap
from optimizer.model.returns import check_table
from optimizer.model.sessions import as_dates
from optimizer.typing import Array

CASH, COSTS, DELAY, TRADING = "CASH", "COSTS", "DELAY", "TRADING"
BESIDE = (CASH, TRADING, COSTS)  # what is no return of names that were held


def attribution_by_exposure(result: BacktestResult, funds: FundExposureMap) -> dict[str, float]:
    """Exposure type, CASH or COSTS -> part of the total return; each fund's is shared out as `by_exposure` does."""
    parts = result.attribution
    found = {kind.name: part for kind, part in by_exposure(parts.drop([CASH, COSTS]), funds).items()}
    found[CASH] = found.get(CASH, 0.0) + float(parts[CASH])
    return found | {COSTS: float(parts[COSTS])}


def attribution_by_group(
    result: BacktestResult,
    groups: Groups,
    prices: pd.DataFrame,
    benchmark: Mapping[str, float] | pd.DataFrame,
) -> pd.DataFrame:
    """Allocation, selection and interaction by group, linked over time: they add up to the active return.

    groups     symbol -> group, of all that was held or is in the benchmark; or a table of them by date and symbol
    prices     dates x symbols, total-return prices of the benchmark's names
    benchmark  symbol -> weight, a fraction, kept by daily trades without cost, or those of each close, dates x symbols;
               the rest of 1 is in cash at no interest, and a name earns nothing before its first price
    Rows are the groups, CASH, COSTS and DELAY. COSTS is what `result.attribution` says: the money paid per start NAV;
    the groups are those of the book with that money beside it in cash. DELAY is what the benchmark earned between the
    first decision and its trade (Perold 1988). Without DELAY they add up to the active return since the first trade,
    from which all measures count; with it, to that since the decision. Raises DataError for a name without a group or
    prices, a close without weights or prices, and for a strategy that was ruined: no link makes the parts of a total
    loss add up.
    """
    if result.ruined is not None:
        raise DataError(f"the strategy lost all on {result.ruined.date()}; its return has no parts by group")
    weights, earned = _daily(result)
    told = groups.assign(**{CASH: CASH}) if isinstance(groups, pd.DataFrame) else {**groups, CASH: CASH}
    own = summed(weights, told), summed(earned, told)
    table = _each_close(benchmark, result.nav.index)
    decided = pd.DatetimeIndex(result.dates[[-len(result.nav) - 1]].append(result.nav.index))
    growth = _prices_on(prices, list(table.columns), decided).pct_change(fill_method=None).fillna(0.0)
    waited = float(growth.iloc[1].to_numpy() @ table.iloc[0].to_numpy())
    fixed = table.assign(**{CASH: 1 - table.sum(axis=1)}).iloc[:-1].set_axis(weights.index)
    theirs = group_sums(fixed, growth.iloc[2:].assign(**{CASH: 0.0}), told)
    names = sorted({*own[0].columns, *theirs[0].columns})
    held, gained, other, others = (f.reindex(columns=names, fill_value=0.0) for f in (*own, *theirs))
    rates = (gained / held.where(held.abs() > HELD)).fillna(0.0)
    found = brinson(held, rates, other, others, gained)
    grown = float(np.prod(1 + (other * others).sum(axis=1)))
    found.loc[COSTS] = [float(result.attribution[COSTS]), 0.0, 0.0]
    found.loc[DELAY] = [-waited * grown, 0.0, 0.0]
    return found


def _prices_on(prices: pd.DataFrame, names: list[str], dates: pd.DatetimeIndex) -> pd.DataFrame:
    """The last price of each name on dates x names, NaN before its first."""
    check_table(prices)
    check_names("prices", [name for name in prices.columns if name in names], tuple(names))
    days = as_dates("prices", prices.index)
    told = prices[names].ffill().set_axis(days, axis=0)
    if len(missing := dates.difference(days)):
        raise DataError(
            f"prices have no row on {missing[0]:%Y-%m-%d}; give one for each date of the backtest"
        )
    return told.loc[dates]


def _each_close(benchmark: Mapping[str, float] | pd.DataFrame, dates: pd.Index) -> pd.DataFrame:
    """Weights at each close, dates x symbols."""
    if not isinstance(benchmark, pd.DataFrame):
        return pd.DataFrame(np.tile([*benchmark.values()], (len(dates), 1)), dates, [*benchmark])
    table = benchmark.reindex(dates)
    if (gaps := table.isna().any(axis=1)).any():
        raise DataError(
            f"the benchmark has no weights on {dates[gaps][0]:%Y-%m-%d}; give those of each close"
        )
    return table


def _daily(result: BacktestResult) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Weights (T, n + 1) at the close before each day, cash last, and what each added: with all costs put back in cash.

    With the costs paid so far beside the NAV, money earned per start NAV is what daily returns compound to.
    """
    account, first, end = result.account, len(result.dates) - len(result.nav), len(result.dates)
    marks = np.nan_to_num(account.market.marks[first:end])
    shares = _shares(result, first)
    flows, costs = np.zeros_like(marks), np.zeros(len(marks))
    for fill in account.fills:
        np.add.at(flows[fill.day - first], fill.names, fill.shares * fill.prices)
        costs[fill.day - first] += fill.costs.sum()
    values, cash, spent = shares * marks, account.cash_path[first:end], np.cumsum(costs)
    profit = np.diff(values, axis=0) - flows[1:]
    interest = np.diff(cash) + flows[1:].sum(axis=1) + costs[1:]
    held = np.column_stack([values[:-1], cash[:-1] + spent[:-1]])
    earned = np.column_stack([profit, interest])
    columns, index = [*result.symbols, CASH], result.nav.index[1:]
    worth = (account.nav[first : end - 1] + spent[:-1])[:, None]
    return pd.DataFrame(held / worth, index, columns), pd.DataFrame(earned / worth, index, columns)


def _shares(result: BacktestResult, first: int) -> Array:
    """(T, n) shares after the trades of each close from the place `first` of the dates on."""
    steps = dict(result.account.holdings)
    days = np.array(sorted(steps))
    place = np.searchsorted(days, np.arange(first, len(result.dates)), side="right") - 1
    return np.asarray(np.stack([steps[day] for day in days.tolist()])[place])


@dataclass(frozen=True, eq=False)
class DailyBook:
    """What T days of a backtest are made of, each as a fraction of the NAV before it.

    dates    (T,) those with a return;  weights  (T, n) after the trades of the close before
    held     (T,) what these weights earned;  cash  interest less financing;  costs  of the trades, negative
    trading  what trades at other prices than the close added: names that were paid out or exchanged
    """

    dates: pd.Index
    weights: Array
    held: Array
    cash: Array
    trading: Array
    costs: Array


def daily_book(result: BacktestResult) -> DailyBook:
    """The days of a backtest; the costs of its first trades are those of its first day."""
    account, first, end = result.account, len(result.dates) - len(result.nav), len(result.dates)
    marks, nav = np.nan_to_num(account.market.marks[first:end]), result.nav.to_numpy(dtype=np.float64)
    shares = _shares(result, first)
    bought, costs = np.zeros(len(marks)), np.zeros(len(marks))
    for fill in account.fills:
        bought[fill.day - first] += float(fill.shares @ fill.prices)
        costs[fill.day - first] += float(fill.costs.sum())
    held = (shares[:-1] * np.diff(marks, axis=0)).sum(axis=1)
    interest = np.diff(account.cash_path[first:end]) + bought[1:] + costs[1:]
    paid = costs[1:].copy()
    paid[:1] += costs[0]
    per = nav[:-1]
    trading = np.diff(nav) - held - interest + paid
    return DailyBook(
        result.nav.index[1:], shares[:-1] * marks[:-1] / per[:, None], held / per, interest / per, trading / per,
        -paid / per,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class DailyParts:
    """What P parts added to T days of a backtest and of its benchmark.

    parts, groups  their names and kinds: the K factors, SPECIFIC, CASH, TRADING, COSTS
    exposures, benchmark_exposures  (T, K) at the close before
    own, benchmark         (T, P) of the day's return, which they add up to
    errors, active_errors  (T, P) standard errors of `own` and of the difference; 0 where it is no estimate
    """

    dates: pd.Index
    parts: tuple[str, ...]
    groups: tuple[str, ...]
    exposures: Array
    benchmark_exposures: Array
    own: Array
    benchmark: Array
    errors: Array
    active_errors: Array


def daily_parts(book: DailyBook, days: FactorDays, benchmark: Array) -> DailyParts:
    """The parts of each day.

    days       what factors did to the book's weights and, second, to the benchmark's
    benchmark  (T,) returns of the benchmark, all of them of names that it held
    """
    nothing = np.zeros((len(book.dates), len(BESIDE)))
    beside = np.column_stack([book.cash, book.trading, book.costs])
    own, other = days.exposures
    return DailyParts(
        book.dates,
        (*days.factors, SPECIFIC, *BESIDE),
        (*days.groups, *(name.lower() for name in (SPECIFIC, *BESIDE))),
        own,
        other,
        np.column_stack([parts_of(days, 0, book.held), beside]),
        np.column_stack([parts_of(days, 1, benchmark), nothing]),
        np.column_stack([days.standard_errors(own), nothing]),
        np.column_stack([days.standard_errors(own - other), nothing]),
    )
